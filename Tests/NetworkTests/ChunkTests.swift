// However the rows come, and whatever the network did before: the same bytes.

import Core
import Kernels
import Network
import Testing
import Tools

/// The shapes that the benchmark measures, quantized on a short window.
private func benchmarkFile(_ network: FloatNetwork) throws -> NetworkBytes {
  var random = RandomGenerator(seed: 11)
  let window = (0..<(160 * 3)).map { _ in Float(random.gaussian()) }
  var quantizer = try Quantizer(network, windows: [window], rule: .percentile)
  return try quantizer.draftNetwork().file()
}

private enum Shape: String, CaseIterable {
  case tcn32, phasenet, phasenetInt16

  var file: NetworkBytes {
    get throws {
      switch self {
      case .tcn32: try benchmarkFile(BenchmarkNetworks.dilated(channels: 32))
      case .phasenet: try benchmarkFile(BenchmarkNetworks.phaseNet(is16Bit: false))
      case .phasenetInt16: try benchmarkFile(BenchmarkNetworks.phaseNet(is16Bit: true))
      }
    }
  }
}

@Suite struct ChunkTests {
  /// 20,000 rows move every buffer many times; in one push none.
  @Test(arguments: Shape.allCases) private func longStreams(shape: Shape) throws {
    let file = try shape.file
    let whole = try Engine(file, maximumRows: 20_000)
    let rows = randomRows(20_000, of: whole.plan.buffers[0], seed: 5)
    let expected = whole.stream(rows, chunk: 20_000)
    #expect(Set(expected[0]).count > 100, "an output that stands still")
    var random = RandomGenerator(seed: 6)
    for most in [1, 64, 4000] {
      let engine = try Engine(file, maximumRows: most)
      #expect(
        difference(engine.stream(rows) { random.chunk(atMost: most) }, expected) == nil,
        "pushes of up to \(most)")
    }
  }

  @Test(arguments: Shape.allCases) private func windows(shape: Shape) throws {
    let file = try shape.file
    let whole = try Engine(file, maximumRows: 3001)
    var random = RandomGenerator(seed: 7)
    for length in [3001, 3000, 751, 64, 3, 2, 1, 0] {
      let rows = randomRows(length, of: whole.plan.buffers[0], seed: 8)
      let expected = whole.window(rows, chunk: 3001)
      for most in [1, 13, 1024] {
        let engine = try Engine(file, maximumRows: most)
        #expect(
          difference(engine.window(rows) { random.chunk(atMost: most) }, expected) == nil,
          "window of \(length), pushes of up to \(most)")
      }
    }
  }

  /// Every size of push, one after the other in one stream.
  @Test func everySizeOfPush() throws {
    let file = try Shape.tcn32.file
    let engine = try Engine(file, maximumRows: 4000)
    let rows = randomRows(1 << 18, of: engine.plan.buffers[0], seed: 9)
    let expected = engine.stream(rows, chunk: 4000)
    // In steps of 31 from 1: 129 sizes, of every remainder.
    var size = -30
    let found = engine.stream(rows) {
      size = min(4000, size + 31)
      return size
    }
    #expect(difference(found, expected) == nil)
  }

  /// The variants with each other over rows that the scalar one would take too long for.
  @Test(arguments: Shape.allCases) private func variantsAgree(shape: Shape) throws {
    let file = try shape.file
    let rows = randomRows(5000, of: try file.plan(maximumRows: 1).buffers[0], seed: 10)
    let expected = try Engine(file, maximumRows: 100).stream(rows, chunk: 100)
    for variant in supportedVariants.dropFirst() where "\(variant.name)" != "scalar" {
      let found = try Engine(file, variant, maximumRows: 77).stream(rows, chunk: 77)
      #expect(difference(found, expected) == nil, "\(variant.name)")
    }
  }

  /// Over more rows than the reference would have time for.
  @Test(arguments: [UInt64](3000..<3060)) func randomPlans(seed: UInt64) throws {
    let draft = RandomPlan(seed: seed).draft
    let file = draft.file()
    let rows = randomRows(2500, of: draft.buffers[0], seed: seed)
    let whole = try Engine(file, maximumRows: 2500)
    let window = whole.window(rows, chunk: 2500)
    let stream = whole.stream(rows, chunk: 2500)
    var random = RandomGenerator(seed: seed)
    for most in [1, 20, 500] {
      let engine = try Engine(file, maximumRows: most)
      #expect(
        difference(engine.window(rows) { random.chunk(atMost: most) }, window) == nil,
        "seed \(seed): window, pushes of up to \(most)")
      #expect(
        difference(engine.stream(rows) { random.chunk(atMost: most) }, stream) == nil,
        "seed \(seed): stream, pushes of up to \(most)")
      #expect(engine.gapsAreUntouched, "seed \(seed)")
    }
  }
}

@Suite struct ResetTests {
  /// Streams and windows one after the other, left in the middle or at their end, in one network;
  /// and each of them in a new one.
  @Test(arguments: [UInt64](0..<30)) func nothingOutlivesAReset(seed: UInt64) throws {
    let draft = RandomPlan(seed: 4000 + seed).draft
    let file = draft.file()
    let used = try Engine(file, maximumRows: 50)
    var random = RandomGenerator(seed: seed)
    for turn in 0..<8 {
      let rows = randomRows(random.below(400), of: draft.buffers[0], seed: seed + UInt64(turn))
      let fresh = try Engine(file, maximumRows: 50)
      let what = "seed \(seed), turn \(turn)"
      switch random.below(3) {
      case 0:
        let expected = fresh.window(rows, chunk: 50)
        #expect(difference(used.window(rows, chunk: 50), expected) == nil, "\(what): window")
      case 1:
        let expected = fresh.stream(rows, chunk: 50)
        #expect(difference(used.stream(rows, chunk: 50), expected) == nil, "\(what): stream")
      default:
        // A window that is given up before its end.
        let length = rows.count / used.rowBytes + 1 + random.below(100)
        used.reset(windowRows: length)
        fresh.reset(windowRows: length)
        let expected = fresh.push(rows) { 50 }
        #expect(difference(used.push(rows) { 50 }, expected) == nil, "\(what): part")
      }
    }
  }

  /// A new network is a reset one.
  @Test func aNewNetworkIsAStream() throws {
    let draft = RandomPlan(seed: 5).draft
    let rows = randomRows(300, of: draft.buffers[0], seed: 5)
    let engine = try Engine(draft.file(), maximumRows: 300)
    let first = engine.push(rows) { 300 }
    #expect(difference(first, engine.stream(rows, chunk: 300)) == nil)
    #expect(first.contains { !$0.isEmpty })
  }

  /// Silence is rows of blanks, wherever it falls.
  @Test(arguments: [UInt64](0..<30)) func aGapIsBlankRows(seed: UInt64) throws {
    let draft = RandomPlan(seed: 5000 + seed).draft
    let file = draft.file()
    let input = draft.buffers[0]
    let (silent, told) = (
      try Engine(file, maximumRows: 100), try Engine(file, maximumRows: 100)
    )
    var random = RandomGenerator(seed: seed)
    for _ in 0..<10 {
      let rows = randomRows(1 + random.below(200), of: input, seed: random.next())
      #expect(difference(silent.push(rows) { 100 }, told.push(rows) { 100 }) == nil)
      let count = random.below(101)
      let blank = [UInt8](repeating: UInt8(input.blank), count: count * input.rowByteCount)
      #expect(difference(silent.pushBlank(count), told.push(blank) { 100 }) == nil)
    }
  }
}
