// onet: network files through the checks of the station, and what they accept through the engine.
//
// Promised of every file: it is refused in a sentence, or it runs, over a window and as a stream,
// within the memory that was planned, in a bounded number of passes, to the same probabilities with
// the scalar kernels as with those of this processor, and however the input is cut.

import Core
import Estimator
import Foundation
import Kernels
import Network
import Picker
import Tools

struct NetworkTarget: Target {
  /// A network runs over as many rows as this allows, if it allows any: mutants stay quick.
  private static let multiplicationsPerRun = 100_000.0
  private static let arenaBytesMaximum = 1 << 19
  private static let rowsMaximum = 150

  let corpus: [[UInt8]]
  let dialect = Dialect(unitByteCount: 1 << 20, headByteCount: 1024, maximumByteCount: 1 << 16)
  private let selected = KernelVariant.select().variant
  private(set) var runCount = 0

  init() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Golden/networks")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".onet") }.sorted()
    let golden = try names.map {
      try NetworkBytes(path: folder.appendingPathComponent($0).path).bytes
    }
    guard golden.count > 4 else { throw ToolError("Tests/Golden/networks: no networks") }
    corpus = golden + (0..<32).map { NetworkDrafts.file(seed: $0) }
    for (index, entry) in corpus.enumerated() {
      do { _ = try NetworkBytes(entry).plan(maximumRows: 64) } catch {
        throw ToolError("entry \(index) of the corpus is refused: \(error)")
      }
    }
  }

  var summary: String { "\(runCount) run" }

  // MARK: Mutations

  /// A checksum for most, so that the checks behind it are reached; and edits of single fields, in
  /// half of the mutants alone, since blind ones mostly meet weights or leave nothing in its place.
  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {
    if random.below(2) == 0 { bytes = corpus[random.below(corpus.count)] }
    guard bytes.count >= NetworkHeader.byteCount else { return }
    let buffers = Int(number(bytes, 66, 2))
    let layers = Int(number(bytes, 68, 2))
    let layerStart = NetworkHeader.byteCount + BufferRecord.byteCount * buffers
    if random.below(4) > 0 {
      for _ in 0...random.below(3) {
        editField(&bytes, buffers: buffers, layers: layers, layerStart, &random)
      }
    }
    guard random.below(32) > 0 else { return }
    set(&bytes, 8, 4, UInt64(bytes.count))
    var checksum = Checksum()
    bytes.withUnsafeBytes { checksum.add(UnsafeRawBufferPointer(rebasing: $0[16...])) }
    set(&bytes, 12, 4, UInt64(checksum.value))
  }

  private func editField(
    _ bytes: inout [UInt8], buffers: Int, layers: Int, _ layerStart: Int,
    _ random: inout RandomGenerator
  ) {
    guard buffers > 0, layers > 0 else { return }
    let buffer = NetworkHeader.byteCount + BufferRecord.byteCount * random.below(buffers)
    let layer = layerStart + LayerRecord.byteCount * random.below(layers)
    guard layer + LayerRecord.byteCount <= bytes.count else { return }
    switch random.below(10) {
    case 0:
      // Period, width, fold; element and blank.
      let (offset, size) = [(0, 4), (4, 2), (8, 2), (6, 1), (7, 1)][random.below(5)]
      change(&bytes, buffer + offset, size, &random)
    case 1:
      change(&bytes, buffer + 7, 1, &random)
    case 2:
      set(&bytes, layer + random.below(2), 1, UInt64(random.below(8)))
    case 3, 4:
      change(&bytes, layer + 2 + 2 * random.below(15), 2, &random)
    case 5, 6:
      // Dilation, rows before, trim: what moves rows in time.
      let before = random.below(40)
      set(&bytes, layer + 22, 2, UInt64(before))
      if random.below(2) == 0 { set(&bytes, layer + 20, 2, UInt64(random.below(40) + 1)) }
      if random.below(2) == 0 { set(&bytes, layer + 24, 2, UInt64(random.below(8))) }
    case 7:
      change(&bytes, layer + 32 + 4 * random.below(4), 4, &random)
    case 8:
      // Bias or scale of one output.
      let place = Int(number(bytes, layer + 40 + 4 * random.below(2), 4)) + 4 * random.below(16)
      guard place + 4 <= bytes.count else { return }
      let edges: [UInt64] = [
        0x4000_0000, 0xC000_0000, 0x3F80_0000, 0x3F00_0000, 0x3280_0000, 1, 0x7F7F_FFFF,
        0x8000_0000,
      ]
      set(&bytes, place, 4, edges[random.below(edges.count)])
    default:
      // Rows a step and stride together: the period stays in order.
      let factor = UInt64(1 + random.below(4))
      set(&bytes, layer + 14, 2, factor)
      set(&bytes, layer + 18, 2, factor)
    }
  }

  /// To a neighbour, a multiple of what widths are multiples of, or an edge.
  private func change(
    _ bytes: inout [UInt8], _ place: Int, _ size: Int, _ random: inout RandomGenerator
  ) {
    let value = number(bytes, place, size)
    let steps: [UInt64] = [1, 2, 4, 16]
    let edges: [UInt64] = [0, 1, 15, 16, 63, 64, 256, 1024, 4096, 65_535, 0xFFFF_FFFF]
    switch random.below(3) {
    case 0: set(&bytes, place, size, value &+ steps[random.below(4)])
    case 1: set(&bytes, place, size, value &- steps[random.below(4)])
    default: set(&bytes, place, size, edges[random.below(edges.count)])
    }
  }

  private func number(_ bytes: [UInt8], _ place: Int, _ size: Int) -> UInt64 {
    (0..<size).reversed().reduce(0) { $0 << 8 | UInt64(bytes[place + $1]) }
  }

  private func set(_ bytes: inout [UInt8], _ place: Int, _ size: Int, _ value: UInt64) {
    for index in 0..<size { bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }

  // MARK: Promises

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    // The whole test follows from the file alone, so that a file found once is found again.
    var checksum = Checksum()
    checksum.add(UnsafeRawBufferPointer(bytes))
    var random = RandomGenerator(seed: UInt64(checksum.value))
    // Memory of exactly its size, aligned as a mapping is.
    let file = NetworkBytes(Array(bytes))
    let most = [1, 2, 3, 7, 16, 50, NetworkTarget.rowsMaximum][random.below(7)]
    let plan: NetworkPlan
    do throws(NetworkError) { plan = try NetworkPlan(file.raw, maximumRows: most) } catch {
      try NetworkTarget.check(error)
      return false
    }
    try require(
      plan.arenaByteCount <= NetworkPlan.maximumByteCount, "\(plan.arenaByteCount) bytes of arena")
    do throws(NetworkError) { _ = try PickerModel(file.raw) } catch {
      try NetworkTarget.check(error)
    }
    do throws(NetworkError) { _ = try EstimatorModel(file.raw) } catch {
      try NetworkTarget.check(error)
    }
    let affordable = NetworkTarget.multiplicationsPerRun / max(1, plan.multiplicationsPerRow)
    let rows = min(random.below(NetworkTarget.rowsMaximum), Int(affordable))
    guard plan.arenaByteCount <= NetworkTarget.arenaBytesMaximum, affordable >= 1 else {
      return true
    }
    runCount += 1
    let input = NetworkTarget.input(plan.buffers[0], rows: rows, &random)
    let outputs = (0..<plan.header.bufferCount).filter { plan.isOutput($0) }
    try require(!outputs.isEmpty, "no output")
    for isWindow in [true, false] {
      let whole = try Self.run(
        plan, .scalar, input, rows: rows, chunk: { most }, outputs, isWindow: isWindow)
      let cut = try Self.run(
        plan, selected, input, rows: rows, chunk: { 1 + random.below(most) }, outputs,
        isWindow: isWindow)
      try require(whole == cut, "another result of the same \(isWindow ? "window" : "stream")")
      guard isWindow else { continue }
      for (values, output) in zip(whole, outputs) {
        let buffer = plan.buffers[output]
        let expected = (rows + buffer.period - 1) / buffer.period * buffer.rowByteCount
        try require(values.count == expected, "\(values.count) bytes of a window, not \(expected)")
        guard buffer.element == .probability else { continue }
        let areProbabilities = stride(from: 0, to: values.count, by: 2).allSatisfy {
          Int(values[$0]) | Int(values[$0 + 1]) << 8 <= 32768
        }
        try require(areProbabilities, "no probability")
      }
    }
    return true
  }

  private static func check(_ refusal: NetworkError) throws {
    let text = refusal.description
    try require(text.count > 8 && text.count < 200, "the refusal says too little or too much")
    switch refusal.place {
    case .file: break
    case .buffer(let index), .layer(let index):
      try require((0..<64).contains(index), "no such buffer or layer: \(index)")
    }
  }

  /// Random rows; one row in eight is of the largest values.
  private static func input(
    _ buffer: BufferRecord, rows: Int, _ random: inout RandomGenerator
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(rows * buffer.rowByteCount)
    for _ in 0..<rows {
      let isExtreme = random.below(8) == 0
      for _ in 0..<buffer.width {
        if buffer.element == .code {
          bytes.append(isExtreme ? 127 : UInt8(random.below(128)))
        } else {
          let sample = isExtreme ? UInt16(0x8000) : UInt16(random.below(65_536))
          bytes += [UInt8(truncatingIfNeeded: sample), UInt8(sample >> 8)]
        }
      }
    }
    return bytes
  }

  private static func run(
    _ plan: NetworkPlan, _ kernels: KernelVariant, _ input: [UInt8], rows: Int,
    chunk: () -> Int, _ outputs: [Int], isWindow: Bool
  ) throws -> [[UInt8]] {
    guard var arena = Arena(byteCount: plan.arenaByteCount) else { throw Violation("no memory") }
    var network = Network(plan, kernels: kernels, arena: &arena)
    var memory: [UnsafeMutableRawPointer] = []
    defer { for pointer in memory { free(pointer) } }
    network.scatter { count in
      var pointer: UnsafeMutableRawPointer?
      precondition(posix_memalign(&pointer, 64, max(1, count)) == 0)
      memory.append(pointer!)
      return pointer!
    }
    network.reset(windowRows: isWindow ? rows : nil)
    var values = outputs.map { _ in [UInt8]() }
    let rowBytes = plan.buffers[0].rowByteCount
    // In a stream, silence follows.
    let total = isWindow ? rows : rows + 2 * plan.maximumRows
    var row = 0
    repeat {
      let isSilent = row >= rows && rows < total
      let count = min(chunk(), (isSilent ? total : rows) - row, plan.maximumRows)
      if isSilent {
        network.pushBlank(count: count)
      } else {
        input.withUnsafeBytes { network.push($0.baseAddress! + row * rowBytes, count: count) }
      }
      row += count
      // A pass that goes no further than the one before would be repeated for ever.
      var passes = 0
      var hasMore = true
      while hasMore {
        hasMore = network.advance()
        passes += 1
        try require(passes < 10_000, "no end of passes over the layers")
        for (index, output) in outputs.enumerated() {
          let new = network.output(output)
          // Codes, samples and probabilities alike: byte by byte.
          let bytes = new.rowCount * plan.buffers[output].rowByteCount
          values[index] += UnsafeRawBufferPointer(start: new.values, count: bytes)
        }
      }
    } while row < total
    return values
  }
}
