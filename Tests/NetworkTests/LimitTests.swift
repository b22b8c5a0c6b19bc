// Networks as large as the format allows and larger, and fields at the ends of their range: what is
// not refused runs, in the memory that was planned for it.

import Core
import Kernels
import Network
import Testing
import Tools

@Suite struct LimitTests {
  /// 64 layers and 64 buffers, every convolution with 15 taps at a dilation of 256.
  private var deepest: NetworkDraft {
    var random = RandomGenerator(seed: 1)
    var draft = NetworkDraft()
    func add(_ width: Int, _ element: Element) {
      var buffer = BufferRecord()
      (buffer.width, buffer.element) = (width, element)
      draft.buffers.append(buffer)
    }
    func convolve(from source: Int, to destination: Int, at offset: Int = 0) {
      var record = LayerRecord()
      record.source = source
      record.sourceChannels = source == 0 ? 4 : 16
      (record.destination, record.destinationOffset) = (destination, offset)
      record.destinationChannels = 16
      (record.taps, record.dilation, record.rowsBefore) = (15, 256, 14 * 256)
      var layer = DraftLayer(record)
      let products = 15 * record.sourceChannels
      layer.weights = (0..<(16 * products)).map { _ in Int16(random.below(255) - 127) }
      layer.bias = (0..<16).map { _ in Int32(random.below(4000)) }
      layer.scale = [Float](repeating: 0.004, count: 16)
      draft.layers.append(layer)
    }
    add(4, .code)
    for index in 1...62 {
      // Two layers write the last but one, so that there are as many layers as buffers.
      add(index == 61 ? 32 : 16, index == 62 ? .sample : .code)
      convolve(from: index - 1, to: index)
      if index == 61 { convolve(from: index - 1, to: index, at: 16) }
    }
    add(3, .probability)
    var head = LayerRecord()
    (head.kind, head.source, head.sourceChannels) = (.softmax, 62, 16)
    (head.destination, head.destinationChannels, head.classes) = (63, 3, 3)
    for letter in "NPS".utf8 { head.classLetters.append(byte: letter) }
    draft.layers.append(DraftLayer(head))
    return draft
  }

  @Test func theDeepestNetworkRuns() throws {
    let draft = deepest
    #expect(draft.layers.count == 64 && draft.buffers.count == 64)
    let file = draft.file()
    let whole = try Engine(file, maximumRows: 5000)
    let rows = randomRows(5000, of: draft.buffers[0], seed: 2)
    let expected = whole.stream(rows, chunk: 5000)
    #expect(expected[0].count == 5000 * 6)
    #expect(Set(expected[0]).count > 8)
    let engine = try Engine(file, maximumRows: 100)
    #expect(difference(engine.stream(rows, chunk: 100), expected) == nil)
    #expect(engine.gapsAreUntouched)
    let window = whole.window(rows, chunk: 5000)
    #expect(difference(window, expected) == nil, "nothing looks ahead")
  }

  /// A look-ahead of 62 times 3584 rows is known to the plan, and all of it comes at the end of a
  /// window.
  @Test func theFarthestLookaheadRuns() throws {
    var draft = deepest
    for index in draft.layers.indices where draft.layers[index].record.taps == 15 {
      draft.layers[index].record.rowsBefore = 0
    }
    let file = draft.file()
    let plan = try file.plan(maximumRows: 1)
    #expect(plan.lookahead(ofBuffer: 63) == 62 * 3584)
    let whole = try Engine(file, maximumRows: 700)
    let rows = randomRows(700, of: draft.buffers[0], seed: 3)
    let expected = whole.window(rows, chunk: 700)
    #expect(expected[0].count == 700 * 6)
    let engine = try Engine(file, maximumRows: 3)
    #expect(difference(engine.window(rows, chunk: 3), expected) == nil)
    #expect(engine.stream(rows, chunk: 3) == [[]])
  }

  @Test func oneMoreIsRefused() {
    var draft = deepest
    draft.buffers.insert(draft.buffers[1], at: 2)
    #expect(
      DamagedFile(draft.file().bytes).refusal()?.description.string
        == "a network has 2 to 64 buffers")
    draft = deepest
    draft.layers.append(draft.layers[63])
    #expect(
      DamagedFile(draft.file().bytes).refusal()?.description.string
        == "a network has 1 to 64 layers")
  }

  @Test func moreThan64MebibytesAreRefused() throws {
    var file = DamagedFile()
    // Rows of 2048 bytes: room for twice as many of them as one push may bring.
    file.set(.buffer(0, 4), UInt16(1024))
    let refusal = "the network would take more than 64 MiB: not one for a station"
    #expect(file.refusal(maximumRows: 65_536)?.description.string == refusal)
    #expect(file.refusal(maximumRows: 65_536)?.place == .file)
    #expect(file.refusal(maximumRows: 1000) == nil)
    // Where the limit lies, to the row: what the plan says it takes is within it, or it is none.
    var (fits, tooMany) = (1000, 65_536)
    while tooMany - fits > 1 {
      let middle = (fits + tooMany) / 2
      if file.refusal(maximumRows: middle) == nil { fits = middle } else { tooMany = middle }
    }
    file.mendChecksum()
    let plan = try NetworkBytes(file.bytes).plan(maximumRows: fits)
    #expect((60 << 20)...(64 << 20) ~= plan.arenaByteCount)
  }

  @Test func aLookaheadBeyondAllBoundsIsRefused() {
    var draft = deepest
    for index in draft.buffers.indices.dropFirst() { draft.buffers[index].period = 4 }
    draft.layers[0].record.stride = 4
    #expect(DamagedFile(draft.file().bytes).refusal() == nil)
    for index in draft.layers.indices where draft.layers[index].record.taps == 15 {
      draft.layers[index].record.rowsBefore = 0
    }
    // 3584 rows, and 61 times as many at a quarter of the rate.
    #expect(DamagedFile(draft.file().bytes).refusal() == nil)
    for index in draft.buffers.indices.dropFirst(2) { draft.buffers[index].period = 8 }
    draft.layers[1].record.stride = 2
    let refusal = DamagedFile(draft.file().bytes).refusal()
    #expect(refusal?.reason.description == "it looks further ahead than 2^20 rows")
    // 3584 + 14336 + 36 · 28672 is the first beyond it.
    #expect(refusal?.place == .layer(37))
  }

  /// Exactly the planned bytes, for every plan and push; an arena one byte smaller would trap.
  @Test func plansTakeWhatTheySay() throws {
    for seed in UInt64(0)..<40 {
      let file = RandomPlan(seed: 7000 + seed).draft.file()
      for maximumRows in [1, 2, 63, 1000] {
        let plan = try file.plan(maximumRows: maximumRows)
        guard var arena = Arena(byteCount: plan.arenaByteCount) else { throw ToolError("memory") }
        _ = Network(plan, kernels: fastest, arena: &arena)
        #expect(arena.usedByteCount <= plan.arenaByteCount)
        // For the alignment of each of them, and no more.
        let parts = plan.header.bufferCount + 4
        #expect(arena.usedByteCount + 64 * parts >= plan.arenaByteCount)
      }
    }
  }

  // MARK: Fields at the ends of their range

  /// Refused, or a network that runs, the same in pushes of 1 as of 20.
  private func judge(_ file: DamagedFile, _ what: String) -> Bool {
    var file = file
    file.mendChecksum()
    let bytes = NetworkBytes(file.bytes)
    guard let plan = try? bytes.plan(maximumRows: 20), plan.arenaByteCount < 1 << 20,
      let whole = try? Engine(bytes, maximumRows: 20),
      let engine = try? Engine(bytes, maximumRows: 1)
    else { return false }
    let rows = randomRows(20, of: plan.buffers[0], seed: 1)
    let stream = difference(engine.stream(rows, chunk: 1), whole.stream(rows, chunk: 20))
    #expect(stream == nil, "\(what): stream")
    let window = difference(engine.window(rows, chunk: 1), whole.window(rows, chunk: 20))
    #expect(window == nil, "\(what): window")
    #expect(engine.gapsAreUntouched && whole.gapsAreUntouched, "\(what)")
    return true
  }

  @Test func everyByteOfTheRecords() {
    var accepted = 0
    for place in 16..<DamagedFile.recordsEnd {
      for value: UInt8 in [0, 1, 2, 4, 16, 127, 128, 255] {
        var file = DamagedFile()
        guard file.bytes[place] != value else { continue }
        file.bytes[place] = value
        if judge(file, "byte \(place) = \(value)") { accepted += 1 }
      }
    }
    #expect(accepted > 100, "those that leave a sound network")
  }

  @Test func everyFieldAtItsEnds() {
    for layer in 0..<DamagedFile.layerCount {
      for at in stride(from: 2, to: 32, by: 2) {
        for value: UInt16 in [0, 1, 4, 16, 256, 0x7FFF, 0x8000, 0xFFF0, 0xFFFF] {
          var file = DamagedFile()
          file.set(.layer(layer, at), value)
          _ = judge(file, "layer \(layer), field \(at) = \(value)")
        }
      }
      for at in [32, 36, 40, 44] {
        for value: UInt32 in [0, 1, 64, 640, 0x7FFF_FFC0, 0x7FFF_FFFF, 0x8000_0000, .max] {
          var file = DamagedFile()
          file.set(.layer(layer, at), value)
          _ = judge(file, "layer \(layer), field \(at) = \(value)")
        }
      }
    }
    for buffer in 0..<DamagedFile.bufferCount {
      for value: UInt32 in [0, 1, 4, 4096, 0x7FFF_FFFF, 0x8000_0000, .max] {
        for at in [0, 4, 8, 12] {
          var file = DamagedFile()
          file.set(.buffer(buffer, at), value)
          _ = judge(file, "buffer \(buffer), field \(at) = \(value)")
        }
      }
    }
  }

  /// Two bytes at a time, seeded: combinations that nobody thought of.
  @Test func pairsOfBytes() {
    var random = RandomGenerator(seed: 21)
    for turn in 0..<4000 {
      var file = DamagedFile()
      for _ in 0..<2 {
        let place = 64 + random.below(DamagedFile.recordsEnd - 64)
        file.bytes[place] = UInt8(random.element(of: [0, 1, 2, 3, 4, 8, 16, random.below(256)]))
      }
      _ = judge(file, "turn \(turn)")
    }
  }
}
