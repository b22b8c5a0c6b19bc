// Networks that nobody thought of, against the specification in plain arrays.

import Core
import Kernels
import Network
import Testing
import Tools

/// The last three once wrote the rows of a trim in front of their buffer, when the end of a window
/// brought more rows at once than it held.
private let seeds = Array<UInt64>(0..<120) + [306, 1033, 1605]

/// Rows as the engine wants them, and as the reference does.
private func input(_ draft: NetworkDraft, rows: Int, seed: UInt64) -> (bytes: [UInt8], [Int]) {
  let bytes = randomRows(rows, of: draft.buffers[0], seed: seed)
  guard draft.buffers[0].element == .sample else { return (bytes, bytes.map { Int($0) }) }
  let values = (0..<(bytes.count / 2)).map {
    Int(Int16(bitPattern: UInt16(bytes[2 * $0]) | UInt16(bytes[2 * $0 + 1]) << 8))
  }
  return (bytes, values)
}

@Suite struct RandomPlanTests {
  /// Lengths of windows: with the first ones nothing is complete but blanks.
  private func lengths(_ plan: NetworkPlan, seed: UInt64) -> [Int] {
    let affordable = Int(1_200_000 / max(1, plan.multiplicationsPerRow))
    return [0, 1, 2, 3 + Int(seed % 8), 31] + [max(33, min(260, affordable + Int(seed % 5)))]
  }

  @Test(arguments: seeds)
  func windowsAreWhatTheFormatSays(seed: UInt64) throws {
    let draft = RandomPlan(seed: seed).draft
    let file = draft.file()
    let plan = try file.plan(maximumRows: 1)
    for length in lengths(plan, seed: seed) {
      let (bytes, values) = input(draft, rows: length, seed: seed + 1000)
      let reference = Reference(draft, input: values, isWindow: true)
      let whole = try Engine(file, maximumRows: max(1, length))
      _ = whole.window(bytes, chunk: max(1, length))
      for buffer in draft.buffers.indices {
        let found = whole.bytes(ofBuffer: buffer)
        #expect(
          difference([found], [reference.bytes(ofBuffer: buffer, draft)]) == nil,
          "seed \(seed), \(length) rows: buffer \(buffer)")
      }
      let expected = whole.outputs.map { reference.bytes(ofBuffer: $0, draft) }
      var random = RandomGenerator(seed: seed)
      for variant in supportedVariants {
        let isScalar = "\(variant.name)" == "scalar"
        if isScalar && length > 8 { continue }
        for most in isScalar ? [4] : [1, 9, max(1, length)] {
          let engine = try Engine(file, variant, maximumRows: most)
          let found = engine.window(bytes) { random.chunk(atMost: most) }
          #expect(
            difference(found, expected) == nil && engine.gapsAreUntouched,
            "seed \(seed), \(variant.name): \(length) rows in pushes of up to \(most)")
        }
      }
    }
  }

  @Test(arguments: seeds)
  func streamsAreWhatTheFormatSays(seed: UInt64) throws {
    let draft = RandomPlan(seed: seed).draft
    let file = draft.file()
    let (bytes, values) = input(draft, rows: 45, seed: seed + 2000)
    let reference = Reference(draft, input: values, isWindow: false)
    var random = RandomGenerator(seed: seed)
    for most in [1, 6, 45] {
      let engine = try Engine(file, maximumRows: most)
      let expected = engine.outputs.map { reference.bytes(ofBuffer: $0, draft) }
      let found = engine.stream(bytes) { random.chunk(atMost: most) }
      #expect(
        difference(found, expected) == nil && engine.gapsAreUntouched,
        "seed \(seed): pushes of up to \(most)")
    }
  }

  /// What the seeds cover: a generator that has lost a feature would make of these tests less than
  /// they say.
  @Test func thePlansUseEveryFeature() {
    var count: [String: Int] = [:]
    for seed in seeds {
      let draft = RandomPlan(seed: seed).draft
      var features: Set<String> = []
      var writers: [Int: Int] = [:]
      for layer in draft.layers.map(\.record) {
        let from = draft.buffers[layer.source]
        let to = draft.buffers[layer.destination]
        writers[layer.destination, default: 0] += 1
        features.insert("\(layer.kind)")
        if layer.isHead && to.fold > 1 { features.insert("folded head") }
        guard layer.kind == .convolution else { continue }
        features.insert("\(from.element) to \(to.element)")
        let isWhole = layer.destinationChannels == to.width
        if layer.rowsPerStep > 1 { features.insert(isWhole ? "contiguous" : "in parts") }
        if layer.stride > 1 { features.insert("stride") }
        if layer.stride > 1 && layer.rowsPerStep > 1 { features.insert("stride and rows") }
        if layer.dilation > 9 { features.insert("wide dilation") }
        if layer.taps > 8 { features.insert("many taps") }
        if layer.rowsBefore < layer.reach { features.insert("ahead") }
        if layer.trim > layer.rowsPerStep { features.insert("whole steps trimmed") }
        if layer.hasResidual { features.insert("residual of \(to.element)") }
        if layer.hasResidual && layer.hasInnerRelu { features.insert("inner ReLU, residual") }
        if layer.hasResidual && layer.hasOuterRelu { features.insert("residual, outer ReLU") }
        if to.fold > 1 { features.insert("fold") }
        if layer.sourceChannels < from.width { features.insert("part of a buffer") }
      }
      if writers.values.contains(where: { $0 > 1 }) { features.insert("concatenation") }
      if writers.keys.filter({ draft.buffers[$0].element == .probability }).count > 1 {
        features.insert("several heads")
      }
      if draft.layers.count >= 10 { features.insert("ten layers") }
      for feature in features { count[feature, default: 0] += 1 }
    }
    #expect(count.count == 26, "\(count.keys.sorted())")
    for (feature, plans) in count { #expect(plans >= 3, "\(feature): \(plans)") }
  }

  /// Outputs that stand still would agree with everything.
  @Test func thePlansAreAlive() throws {
    var alive = 0
    for seed in seeds {
      let draft = RandomPlan(seed: seed).draft
      let engine = try Engine(draft.file(), maximumRows: 300)
      let rows = randomRows(300, of: draft.buffers[0], seed: seed)
      for output in engine.window(rows, chunk: 300) where Set(output).count > 8 { alive += 1 }
    }
    #expect(alive >= seeds.count)
  }
}
