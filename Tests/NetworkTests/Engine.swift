// A network with memory of its own, driven in chunks of any sizes, and the variants to drive it
// with.

import Core
import Kernels
import Testing
import Tools

@testable import Network

/// Those of the table that run on this processor, the scalar reference last.
var supportedVariants: [KernelVariant] {
  let table = KernelVariant.all
  return table.indices.map { table[$0] }.filter(\.isSupported)
}

/// What the engine would choose, without the self-test. Debug builds take their time over the
/// scalar one, so that tests of the engine alone use this.
var fastest: KernelVariant { supportedVariants[0] }

final class Engine {
  let plan: NetworkPlan
  /// The plan's file has to live as long.
  private let file: NetworkBytes
  private var arena: Arena
  private var network: Network
  /// Rows of each output so far: a pass must go on where the one before ended.
  private var nextRows: [Int]
  let outputs: [Int]

  init(_ file: NetworkBytes, _ kernels: KernelVariant = fastest, maximumRows: Int) throws {
    self.file = file
    let plan = try file.plan(maximumRows: maximumRows)
    // Not a byte more than was planned: whoever takes more traps.
    guard var arena = Arena(byteCount: plan.arenaByteCount) else { throw ToolError("no memory") }
    network = Network(plan, kernels: kernels, arena: &arena)
    arena.seal()
    self.arena = arena
    self.plan = plan
    outputs = (0..<plan.header.bufferCount).filter { plan.isOutput($0) }
    nextRows = outputs.map { _ in 0 }
  }

  var rowBytes: Int { plan.buffers[0].rowByteCount }

  /// The bytes of each output for all of `rows`, begun anew, `chunk` rows at a time.
  func window(_ rows: [UInt8], chunk: Int) -> [[UInt8]] { window(rows) { chunk } }

  func window(_ rows: [UInt8], _ nextChunk: () -> Int) -> [[UInt8]] {
    reset(windowRows: rows.count / rowBytes)
    return push(rows, nextChunk)
  }

  /// The same of rows that others may follow.
  func stream(_ rows: [UInt8], chunk: Int) -> [[UInt8]] { stream(rows) { chunk } }

  func stream(_ rows: [UInt8], _ nextChunk: () -> Int) -> [[UInt8]] {
    reset()
    return push(rows, nextChunk)
  }

  /// What follows from more rows, without a reset.
  func push(_ rows: [UInt8], _ nextChunk: () -> Int) -> [[UInt8]] {
    var bytes = outputs.map { _ in [UInt8]() }
    let count = rows.count / rowBytes
    rows.withUnsafeBytes { raw in
      var row = 0
      repeat {
        let chunk = min(nextChunk(), count - row)
        if chunk > 0 { network.push(raw.baseAddress! + row * rowBytes, count: chunk) }
        row += chunk
        advance(&bytes)
      } while row < count
    }
    return bytes
  }

  func pushBlank(_ count: Int) -> [[UInt8]] {
    var bytes = outputs.map { _ in [UInt8]() }
    network.pushBlank(count: count)
    advance(&bytes)
    return bytes
  }

  /// A pass that gets nowhere and asks for another would go on for ever.
  private static let passesAtMost = 20_000

  private func advance(_ bytes: inout [[UInt8]]) {
    for _ in 0..<Engine.passesAtMost {
      let isHeldUp = network.advance()
      for (index, buffer) in outputs.enumerated() {
        let new = network.output(buffer)
        if new.firstRow != nextRows[index] {
          Issue.record("output \(buffer): not row \(nextRows[index]) but \(new.firstRow)")
          return
        }
        nextRows[index] = new.firstRow + new.rowCount
        bytes[index] += UnsafeRawBufferPointer(
          start: new.values, count: new.rowCount * plan.buffers[buffer].rowByteCount)
      }
      if !isHeldUp { return }
    }
    Issue.record("the network stands still and says that it does not")
  }

  func reset(windowRows: Int? = nil) {
    network.reset(windowRows: windowRows)
    nextRows = outputs.map { _ in 0 }
  }

  /// Whether the bytes between a buffer and the next one, up to 63, are as the arena gave them.
  var gapsAreUntouched: Bool {
    for index in 0..<plan.header.bufferCount {
      let buffer = network.buffers[index]
      var end = buffer.base + buffer.capacity * buffer.rowBytes
      while UInt(bitPattern: end) % 64 != 0 {
        if end.load(as: UInt8.self) != 0 { return false }
        end += 1
      }
    }
    return true
  }

  /// Rows that a layer has written.
  func rowsDone(byLayer index: Int) -> Int { network.rowsDone[index] }

  /// Bytes of the rows of a buffer that are still there, if row 0 is.
  func bytes(ofBuffer buffer: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var row = 0
    while let pointer = network.row(row, ofBuffer: buffer) {
      bytes += UnsafeRawBufferPointer(start: pointer, count: plan.buffers[buffer].rowByteCount)
      row += 1
    }
    return bytes
  }
}

/// Where two sets of outputs first differ; nil when they do not. (Thousands of bytes in a failure
/// help nobody.)
func difference(_ found: [[UInt8]], _ expected: [[UInt8]]) -> String? {
  if found == expected { return nil }
  for (index, pair) in zip(found, expected).enumerated() where pair.0 != pair.1 {
    let place = zip(pair.0, pair.1).enumerated().first { $1.0 != $1.1 }?.offset
    return "output \(index) of \(found.count): byte \(place ?? min(pair.0.count, pair.1.count)), "
      + "\(pair.0.count) bytes instead of \(pair.1.count)"
  }
  return "\(found.count) outputs instead of \(expected.count)"
}

extension RandomGenerator {
  mutating func element<Element>(of array: [Element]) -> Element { array[below(array.count)] }

  /// Sizes of pushes: mostly small, at times all that is allowed.
  mutating func chunk(atMost largest: Int) -> Int {
    switch below(4) {
    case 0: 1 + below(min(8, largest))
    case 1: largest
    case 2: 1 + below(min(100, largest))
    default: 1 + below(largest)
    }
  }
}

/// Seeded rows of a plan's input: for codes around their blank, so that blanks are nothing special.
func randomRows(_ count: Int, of buffer: BufferRecord, seed: UInt64) -> [UInt8] {
  var random = RandomGenerator(seed: seed)
  return (0..<(count * buffer.width)).flatMap { _ -> [UInt8] in
    if buffer.element == .code { return [UInt8(random.below(128))] }
    let sample = UInt16(bitPattern: Int16(random.below(8001) - 4000))
    return [UInt8(sample & 0xFF), UInt8(sample >> 8)]
  }
}
