// NetworkDraft: a network in the making: ordinary arrays, in the natural order, and the file they
// become.
//
//     var draft = NetworkDraft()
//     draft.buffers.append(buffer)
//     draft.layers.append(DraftLayer(record))
//     try draft.file().write(path: "network.onet")

import Core
import Foundation
import Network

public struct DraftLayer {
  public var record: LayerRecord
  /// [outputs][taps][source channels], int8 or int16 as the source asks.
  public var weights: [Int16] = []
  public var bias: [Int32] = []
  public var scale: [Float] = []

  public init(_ record: LayerRecord) { self.record = record }
}

public struct NetworkDraft {
  public var name = "network"
  public var sampleRateMillihertz: UInt32 = 100_000
  public var windowRows = 0
  public var inputUnit: Float = 1
  public var components = "ENZ"
  public var normalization = Normalization.callers
  public var buffers: [BufferRecord] = []
  public var layers: [DraftLayer] = []

  public init() {}

  /// The file of ONET-FORMAT.md, unsigned.
  public func file() -> NetworkBytes {
    var placed = layers
    var data: [UInt8] = []
    let dataStart = roundedUp(80 + 16 * buffers.count + 64 * layers.count)
    func place(_ bytes: [UInt8]) -> Int {
      defer { data += bytes + [UInt8](repeating: 0, count: roundedUp(bytes.count) - bytes.count) }
      return dataStart + data.count
    }
    for index in placed.indices where placed[index].record.kind == .convolution {
      let layer = placed[index]
      let is16Bit = buffers[layer.record.source].element == .sample
      placed[index].record.weightsOffset = place(canonicalWeights(layer, is16Bit: is16Bit))
      placed[index].record.biasOffset = place(layer.bias.flatMap { littleEndian($0) })
      placed[index].record.scaleOffset = place(
        layer.scale.flatMap { littleEndian($0.bitPattern) })
    }
    var tail = header()
    for buffer in buffers { tail += bytes(buffer) }
    for layer in placed { tail += bytes(layer.record) }
    tail += [UInt8](repeating: 0, count: dataStart - 16 - tail.count) + data
    var checksum = Checksum()
    tail.withUnsafeBytes { checksum.add($0) }
    let head =
      Array("ONET".utf8) + littleEndian(NetworkHeader.version) + littleEndian(UInt16(0))
      + littleEndian(UInt32(16 + tail.count)) + littleEndian(checksum.value)
    return NetworkBytes(head + tail)
  }

  private func roundedUp(_ count: Int) -> Int { (count + 63) & ~63 }

  private func canonicalWeights(_ layer: DraftLayer, is16Bit: Bool) -> [UInt8] {
    let record = layer.record
    let group = is16Bit ? 2 : 4
    var bytes: [UInt8] = []
    bytes.reserveCapacity(layer.weights.count * (is16Bit ? 2 : 1))
    for block in 0..<(record.outputs / 16) {
      for tap in 0..<record.taps {
        for channel in stride(from: 0, to: record.sourceChannels, by: group) {
          for output in 0..<16 {
            for inner in 0..<group {
              let row = (block * 16 + output) * record.taps + tap
              let weight = layer.weights[row * record.sourceChannels + channel + inner]
              bytes += is16Bit ? littleEndian(weight) : [UInt8(truncatingIfNeeded: weight)]
            }
          }
        }
      }
    }
    return bytes
  }

  /// From byte 16 on.
  private func header() -> [UInt8] {
    padded(name, 32) + littleEndian(sampleRateMillihertz) + littleEndian(UInt32(windowRows))
      + littleEndian(inputUnit.bitPattern) + padded(components, 4) + [normalization.rawValue, 0]
      + littleEndian(UInt16(buffers.count)) + littleEndian(UInt16(layers.count))
      + [UInt8](repeating: 0, count: 10)
  }

  private func bytes(_ buffer: BufferRecord) -> [UInt8] {
    littleEndian(UInt32(buffer.period)) + littleEndian(UInt16(buffer.width))
      + [buffer.element.rawValue, UInt8(buffer.blank)] + littleEndian(UInt16(buffer.fold))
      + [UInt8](repeating: 0, count: 6)
  }

  private func bytes(_ r: LayerRecord) -> [UInt8] {
    let flags: UInt8 =
      (r.hasInnerRelu ? 1 : 0) | (r.hasOuterRelu ? 2 : 0) | (r.hasResidual ? 4 : 0)
    var bytes = [r.kind.rawValue, flags]
    for value in [
      r.source, r.sourceOffset, r.sourceChannels, r.destination, r.destinationOffset,
      r.destinationChannels, r.rowsPerStep, r.taps, r.stride, r.dilation, r.rowsBefore, r.trim,
      r.residual, r.residualOffset, r.classes,
    ] { bytes += littleEndian(UInt16(value)) }
    bytes += littleEndian(r.residualScale.bitPattern)
    for value in [r.weightsOffset, r.biasOffset, r.scaleOffset] {
      bytes += littleEndian(UInt32(value))
    }
    for index in 0..<8 { bytes.append(index < r.classLetters.count ? r.classLetters[index] : 0) }
    return bytes + [UInt8](repeating: 0, count: 8)
  }
}

private func padded(_ text: String, _ count: Int) -> [UInt8] {
  let bytes = Array(text.utf8.prefix(count))
  return bytes + [UInt8](repeating: 0, count: count - bytes.count)
}

func littleEndian<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
  (0..<(Number.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

/// A network file in memory that is aligned as a mapping is.
public final class NetworkBytes: @unchecked Sendable {
  public let raw: UnsafeRawBufferPointer

  public init(_ bytes: [UInt8]) {
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(1, bytes.count), alignment: 64)
    memory.copyBytes(from: bytes)
    raw = UnsafeRawBufferPointer(rebasing: memory[0..<bytes.count])
  }

  public convenience init(path: String) throws {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
      throw ToolError("\(path): cannot be read")
    }
    self.init([UInt8](data))
  }

  deinit { raw.deallocate() }

  /// A whole file or none.
  public func write(path: String) throws {
    do { try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
      throw ToolError("\(path): cannot be written")
    }
  }

  public var bytes: [UInt8] { [UInt8](raw) }

  public func plan(maximumRows: Int) throws -> NetworkPlan {
    do throws(NetworkError) { return try NetworkPlan(raw, maximumRows: maximumRows) } catch {
      throw ToolError(error.description.string)
    }
  }
}
