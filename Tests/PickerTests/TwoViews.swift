// The shipped network, made to make nothing of the third view: twelve channels with weights of zero
// for the last four, or eight channels without them.

import Core
import Network
import Tools

@testable import Picker

func networkOfTwoViews(channels: Int) throws -> PickerNetwork {
  let plan = PickerNetwork.standard.model.plan
  var draft = NetworkDraft()
  draft.name = "two-views"
  draft.inputUnit = plan.header.inputUnit
  draft.components = "ZNE"
  draft.buffers = (0..<plan.header.bufferCount).map { plan.buffers[$0] }
  draft.buffers[0].width = channels
  for index in 0..<plan.header.layerCount {
    let record = plan.layers[index]
    var layer = DraftLayer(record)
    if record.kind == .convolution {
      layer.weights = weights(record, plan, is16Bit: plan.buffers[record.source].element == .sample)
      layer.bias = numbers(plan, record.biasOffset, record.outputs) { Int32(bitPattern: $0) }
      layer.scale = numbers(plan, record.scaleOffset, record.outputs) { Float(bitPattern: $0) }
    }
    if record.source == 0 {
      var cut = [Int16](repeating: 0, count: record.outputs * record.taps * channels)
      for row in 0..<(record.outputs * record.taps) {
        for channel in 0..<8 {
          cut[row * channels + channel] = layer.weights[row * record.sourceChannels + channel]
        }
      }
      layer.weights = cut
      layer.record.sourceChannels = channels
    }
    draft.layers.append(layer)
  }
  return try PickerNetwork(draft.file(), named: draft.name)
}

private func numbers<Number>(
  _ plan: NetworkPlan, _ offset: Int, _ count: Int, _ make: (UInt32) -> Number
) -> [Number] {
  (0..<count).map {
    make(plan.bytes.loadUnaligned(fromByteOffset: offset + 4 * $0, as: UInt32.self))
  }
}

/// From the file's order to the natural one.
private func weights(_ record: LayerRecord, _ plan: NetworkPlan, is16Bit: Bool) -> [Int16] {
  let group = is16Bit ? 2 : 4
  var natural = [Int16](repeating: 0, count: record.outputs * record.taps * record.sourceChannels)
  var place = record.weightsOffset
  for block in 0..<(record.outputs / 16) {
    for tap in 0..<record.taps {
      for channel in stride(from: 0, to: record.sourceChannels, by: group) {
        for output in 0..<16 {
          for inner in 0..<group {
            let row = (block * 16 + output) * record.taps + tap
            let value =
              is16Bit
              ? plan.bytes.loadUnaligned(fromByteOffset: place, as: Int16.self)
              : Int16(plan.bytes.loadUnaligned(fromByteOffset: place, as: Int8.self))
            natural[row * record.sourceChannels + channel + inner] = value
            place += is16Bit ? 2 : 1
          }
        }
      }
    }
  }
  return natural
}
