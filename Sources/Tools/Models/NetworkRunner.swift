// NetworkRunner: a network with memory of its own, for tools: float windows in, probabilities out.
//
//     let runner = try NetworkRunner(file, kernels: .scalar, maximumRows: 100)
//     let outputs = runner.window(runner.inputRows(values))

import CLinux
import Core
import Kernels
import Network

public final class NetworkRunner {
  public let plan: NetworkPlan
  private let bytes: NetworkBytes
  private var arena: Arena
  private var network: Network

  public init(_ bytes: NetworkBytes, kernels: KernelVariant, maximumRows: Int) throws {
    self.bytes = bytes
    let plan = try bytes.plan(maximumRows: maximumRows)
    guard var arena = Arena(byteCount: plan.arenaByteCount) else { throw ToolError("no memory") }
    network = Network(plan, kernels: kernels, arena: &arena)
    self.arena = arena
    self.plan = plan
  }

  public var outputs: [Int] { (0..<plan.header.bufferCount).filter { plan.isOutput($0) } }

  /// The rows of the input for values in the unit before quantization, [steps][components].
  public func inputRows(_ values: [Float]) -> [UInt8] {
    let components = plan.header.components.count
    let buffer = plan.buffers[0]
    let unit = plan.header.inputUnit
    var bytes: [UInt8] = []
    for step in 0..<(values.count / components) {
      for channel in 0..<buffer.width {
        let value = channel < components ? values[step * components + channel] / unit : 0
        let rounded = value.rounded(.toNearestOrEven)
        if buffer.element == .code {
          bytes.append(UInt8(max(0, min(127, rounded + Float(buffer.blank)))))
        } else {
          bytes += littleEndian(Int16(max(-32767, min(32767, rounded))))
        }
      }
    }
    return bytes
  }

  /// The outputs of a whole window, each [rows][width], pushed `chunk` rows at a time. Samples come
  /// as their bit patterns.
  public func window(_ rows: [UInt8], chunk: Int? = nil) -> [[UInt16]] {
    let count = rows.count / plan.buffers[0].rowByteCount
    network.reset(windowRows: count)
    return push(rows, chunk: chunk ?? plan.maximumRows)
  }

  /// The same of a stream that goes on after the rows.
  public func stream(_ rows: [UInt8], chunk: Int? = nil) -> [[UInt16]] {
    network.reset()
    return push(rows, chunk: chunk ?? plan.maximumRows)
  }

  private func push(_ rows: [UInt8], chunk: Int) -> [[UInt16]] {
    let rowBytes = plan.buffers[0].rowByteCount
    let outputs = self.outputs
    var values = outputs.map { _ in [UInt16]() }
    rows.withUnsafeBytes { raw in
      var row = 0
      repeat {
        let count = min(chunk, raw.count / rowBytes - row)
        network.push(raw.baseAddress! + row * rowBytes, count: count)
        row += count
        var more = true
        while more {
          more = network.advance()
          for (index, output) in outputs.enumerated() {
            let new = network.output(output)
            let count = new.rowCount * new.width
            if plan.buffers[output].element == .code {
              values[index] += UnsafeRawBufferPointer(start: new.values, count: count).map(
                UInt16.init)
            } else {
              values[index] += UnsafeRawBufferPointer(start: new.values, count: 2 * count)
                .bindMemory(to: UInt16.self)
            }
          }
        }
      } while row < raw.count / rowBytes
    }
    return values
  }

  /// Nanoseconds of this thread for all rows, `chunk` at a time, as the station would run them: the
  /// first output looked at, nothing copied.
  func time(_ rows: [UInt8], chunk: Int, isWindow: Bool) -> Int64 {
    let outputs = self.outputs
    return rows.withUnsafeBytes {
      NetworkRunner.time(
        &network, $0, rowBytes: plan.buffers[0].rowByteCount, chunk: chunk, isWindow: isWindow,
        output: outputs[0])
    }
  }

  private static func time(
    _ network: inout Network, _ raw: UnsafeRawBufferPointer, rowBytes: Int, chunk: Int,
    isWindow: Bool, output: Int
  ) -> Int64 {
    let total = raw.count / rowBytes
    let begin = clinux_thread_cpu_nanoseconds()
    if isWindow { network.reset(windowRows: total) }
    var seen = 0
    for row in stride(from: 0, to: total - (isWindow ? 0 : total % chunk), by: chunk) {
      network.push(raw.baseAddress! + row * rowBytes, count: min(chunk, total - row))
      var more = true
      while more {
        more = network.advance()
        seen += network.output(output).rowCount
      }
    }
    let end = clinux_thread_cpu_nanoseconds()
    precondition(seen > 0 || total < chunk, "the network made no output")
    return end - begin
  }

  /// A value of a buffer after a window, as a code or sample.
  func value(row: Int, place: Int, ofBuffer buffer: Int) -> Int? {
    guard let pointer = network.row(row, ofBuffer: buffer) else { return nil }
    switch plan.buffers[buffer].element {
    case .code: return Int(pointer.load(fromByteOffset: place, as: UInt8.self))
    case .sample: return Int(pointer.load(fromByteOffset: 2 * place, as: Int16.self))
    case .probability: return Int(pointer.load(fromByteOffset: 2 * place, as: UInt16.self))
    }
  }
}
