// PickerModel: a network file that is a picker: which of its outputs is what, checked once.
//
// Two stages in one plan. The early one announces; the late one, on what the early one has
// computed, confirms. The heads stand in this order:
//
//   softmax NPS   early: noise, P, S at every sample
//   softmax NPS   late: the same
//   sigmoid E     late: that this is part of an event, every fourth sample
//   softmax UD    first motion up or down, were there a P here
//
//     let model = try PickerModel(bytes)
//     guard var arena = Arena(byteCount: model.arenaByteCount) else { … }
//     let picker = NetworkPicker.make(
//       model, kernels: kernels, settings: settings, presentLanes: lanes, arena: &arena)

import Core
import Kernels
import Network

public struct PickerModel: NetworkModel {
  /// Samples that a row of the outputs stands for.
  static let rowSamples = 4
  /// A provisional pick must leave within half a second, a confirmed one within four.
  static let earlyLookaheadSamplesMaximum = 40
  static let lateLookaheadSamplesMaximum = 360

  /// Buffers of the heads.
  struct Heads {
    var early: Int
    var late: Int
    var event: Int
    var motion: Int
  }
  public let plan: NetworkPlan
  let heads: Heads

  /// `bytes` as NetworkPlan wants them; they must outlive the model and every picker of it.
  public init(_ bytes: UnsafeRawBufferPointer) throws(NetworkError) {
    let plan = try NetworkPlan(bytes, maximumRows: PickerModel.rowSamples)
    func fail(_ reason: StaticString) -> NetworkError { NetworkError(place: .file, reason: reason) }
    let header = plan.header
    let input = plan.buffers[0]
    guard header.sampleRateMillihertz == 100_000, header.windowRows == 0,
      header.normalization == .callers, header.components.equals("ZNE"), input.element == .code,
      input.width == FeatureExtractor.channelCount
        || input.width == FeatureExtractor.channelCountOfTwoViews,
      input.blank == FeatureExtractor.blank
    else {
      throw fail(
        "not a picker: it must stream codes of ZNE, 8 or 12 channels of blank 64, at 100 samples a second"
      )
    }
    var heads = InlineArray<4, Int>(repeating: 0)
    var count = 0
    for index in 0..<header.layerCount where plan.layers[index].isHead {
      guard count < 4, PickerModel.isHead(count, plan.layers[index]),
        plan.buffers[plan.layers[index].destination].period == PickerModel.rowSamples,
        plan.buffers[plan.layers[index].destination].fold
          == (count == 2 ? 1 : PickerModel.rowSamples)
      else {
        throw fail("not a picker: its heads must be NPS, NPS, E and UD, a row every four samples")
      }
      heads[count] = plan.layers[index].destination
      count += 1
    }
    guard count == 4 else {
      throw fail("not a picker: it must have the four heads NPS, NPS, E and UD")
    }
    func looksFurther(_ head: Int, than samples: Int) -> Bool {
      plan.lookahead(ofBuffer: heads[head]) > samples
    }
    let early = PickerModel.earlyLookaheadSamplesMaximum
    guard !looksFurther(0, than: early), !looksFurther(3, than: early) else {
      throw fail("an early head looks more than 0.4 s ahead: too late to announce anything")
    }
    let late = PickerModel.lateLookaheadSamplesMaximum
    guard !looksFurther(1, than: late), !looksFurther(2, than: late) else {
      throw fail("a late head looks more than 3.6 s ahead: too late to confirm anything")
    }
    self.heads = Heads(early: heads[0], late: heads[1], event: heads[2], motion: heads[3])
    self.plan = plan
  }

  private static func isHead(_ number: Int, _ layer: LayerRecord) -> Bool {
    switch number {
    case 0, 1: layer.kind == .softmax && layer.classLetters.equals("NPS")
    case 2: layer.kind == .sigmoid && layer.classLetters.equals("E")
    default: layer.kind == .softmax && layer.classLetters.equals("UD")
    }
  }

  /// What a picker of this model takes of an arena.
  public var arenaByteCount: Int {
    plan.arenaByteCount + MemoryLayout<NetworkPicker>.stride + 64
  }
}
