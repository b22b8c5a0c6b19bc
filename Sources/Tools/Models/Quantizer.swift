// Quantizer: from a network in floating point to its integers: activation ranges from a calibration
// set, weights to a scale for each output channel, and where everything lies.
//
// A station computes with activations of 7 or 16 bits. One scale for a whole layer is the obvious
// way: a channel that is a hundred times smaller than its neighbours is then left with a code or
// two. A range that holds the largest value ever seen spends most codes on what hardly ever comes.
//
// Scales of activations are by channel instead, which costs nothing, since the weights that read a
// channel absorb its scale. Signals that take part in a residual have one scale for all channels. A
// range may cut what is rarest in the calibration set (RangeRule).
//
//     var quantizer = try Quantizer(network, windows: windows, rule: .percentile)
//     let file = try quantizer.draftNetwork().file()

import Core
import Foundation
import Network

/// How far the codes of a 7-bit activation reach. Samples reach half as far again as the largest
/// value of the calibration set, in 16 bits; nothing is gained by cutting them.
public enum RangeRule: String, Sendable {
  /// The value that one activation in 10,000 exceeds.
  case percentile
  /// Where the mean square of rounding and cutting is least.
  case meanSquare = "mse"
}

/// Where a signal lies, and what its integers stand for.
struct SignalLayout {
  var buffer = 0
  var offset = 0
  var fold = 1
  /// Channels of a step, padding included.
  var paddedChannels = 0
  var blank = 0
  /// Value per code or sample, of each channel that is not padding.
  var scales: [Float] = []

  /// Where in a row a channel of a step of the fold lies.
  func place(_ step: Int, _ channel: Int) -> Int { offset + step * paddedChannels + channel }
}

public struct Quantizer {
  let network: FloatNetwork
  private let rule: RangeRule
  /// What each signal does on the calibration set.
  private var statistics: [ActivationStatistics] = []
  private(set) var layouts: [SignalLayout] = []
  private var draft = NetworkDraft()

  /// `windows`: inputs of the calibration set, [steps][components].
  public init(
    _ network: FloatNetwork, windows: [[Float]], rule: RangeRule,
    progress: ProgressTold = { _, _ in }
  ) throws {
    self.network = network
    self.rule = rule
    guard !windows.isEmpty else { throw ToolError("the calibration set is empty") }
    statistics = network.signals.map { ActivationStatistics(channels: $0.channels) }
    for (number, window) in windows.enumerated() {
      let values = network.run(window)
      for index in values.indices { statistics[index].add(values[index]) }
      progress(number + 1, windows.count)
    }
    for (signal, range) in zip(network.signals, statistics) where !range.isFinite {
      throw ToolError(
        "layer \(signal.name): its values on the calibration set are beyond 10^30, or no numbers")
    }
  }

  // MARK: Layout

  /// Signals that are parts of a concatenation lie in its buffer.
  private func concatenation(of part: Int) throws -> Int? {
    var found: Int?
    for (index, signal) in network.signals.enumerated() {
      guard case .concatenation(let parts) = signal.operation, parts.contains(part) else {
        continue
      }
      guard found == nil else {
        throw ToolError("\(network.signals[part].name) is part of two concatenations")
      }
      found = index
    }
    return found
  }

  private mutating func layOut() throws {
    layouts = network.signals.map {
      var layout = SignalLayout(fold: $0.fold)
      // The smallest multiple of 16 channels in a row; rows of the input are as they come.
      let unit = 16 / greatestCommonDivisor($0.fold, 16)
      layout.paddedChannels = roundedUp($0.channels, to: unit)
      return layout
    }
    layouts[0].paddedChannels = roundedUp(network.signals[0].channels, to: 4)
    for (index, signal) in network.signals.enumerated() {
      if case .head = signal.operation { layouts[index].paddedChannels = signal.channels }
      guard try concatenation(of: index) == nil else { continue }
      layouts[index].buffer = draft.buffers.count
      var width = layouts[index].paddedChannels * signal.fold
      if case .concatenation(let parts) = signal.operation {
        width = 0
        for part in parts {
          (layouts[part].buffer, layouts[part].offset) = (layouts[index].buffer, width)
          width += layouts[part].paddedChannels * signal.fold
        }
      }
      guard width <= 1024 else {
        throw ToolError(
          "layer \(signal.name): a row of \(width) values, padding included; the most is 1024")
      }
      var buffer = BufferRecord()
      buffer.period = signal.period * signal.fold
      buffer.width = width
      buffer.element = signal.is16Bit ? .sample : .code
      if case .head = signal.operation { buffer.element = .probability }
      buffer.fold = signal.fold
      draft.buffers.append(buffer)
    }
  }

  // MARK: Ranges

  private func isUniform(_ index: Int) -> Bool {
    network.signals.enumerated().contains { other, signal in
      guard case .convolution(let c) = signal.operation, let residual = c.residual else {
        return false
      }
      return residual == index || other == index
    }
  }

  private mutating func chooseScales() throws {
    for (index, signal) in network.signals.enumerated() {
      switch signal.operation {
      case .concatenation, .head: continue
      case .upsampling(let source, _):
        layouts[index].scales = layouts[source].scales
        layouts[index].blank = layouts[source].blank
        draft.buffers[layouts[index].buffer].blank = layouts[index].blank
        continue
      case .input, .convolution: break
      }
      let range = statistics[index]
      let isSigned = range.lowest < 0
      var scales: [Float]
      if signal.is16Bit {
        scales = range.largest.map { $0 * 1.5 / 32767 }
        if index == 0, network.normalization == .window, network.windowRows > 0 {
          // No value of n lies more than √(n − 1) standard deviations from their mean.
          let limit = Float(network.windowRows - 1).squareRoot() / 32767
          scales = scales.map { _ in limit }
        }
      } else {
        layouts[index].blank = isSigned ? 64 : 0
        scales = range.limits(rule).map { $0 / (isSigned ? 63 : 127) }
      }
      scales = scales.map { max($0, 1e-20) }
      if index == 0 || isUniform(index) {
        scales = scales.map { _ in scales.max()! }
      }
      layouts[index].scales = scales
      draft.buffers[layouts[index].buffer].blank = layouts[index].blank
    }
    // Logits have the unit that heads ask for.
    for signal in network.signals {
      guard case .head(let source, _, _) = signal.operation else { continue }
      layouts[source].scales = layouts[source].scales.map { _ in logitUnit }
    }
  }

  /// 2⁻⁸ to base 2.
  private var logitUnit: Float { 0.693147181 / 256 }

  // MARK: Layers

  public mutating func draftNetwork() throws -> NetworkDraft {
    draft = NetworkDraft()
    draft.name = network.name
    draft.sampleRateMillihertz = network.sampleRateMillihertz
    draft.windowRows = network.windowRows
    draft.components = network.components
    draft.normalization = network.normalization
    try layOut()
    try chooseScales()
    draft.inputUnit = layouts[0].scales[0]
    for index in network.signals.indices.dropFirst() {
      do { try addLayer(index) } catch {
        throw ToolError("layer \(network.signals[index].name): \(error)")
      }
    }
    return draft
  }

  private mutating func addLayer(_ index: Int) throws {
    let signal = network.signals[index]
    var record = LayerRecord()
    record.destination = layouts[index].buffer
    record.destinationOffset = layouts[index].offset
    record.destinationChannels = layouts[index].paddedChannels * signal.fold
    switch signal.operation {
    case .input, .concatenation: return
    case .convolution(let convolution):
      draft.layers.append(try quantized(convolution, index, record))
    case .upsampling(let source, let factor):
      record.kind = .upsampling
      setSource(&record, source)
      record.rowsPerStep = factor
      // Its weights may have made the source's coarser.
      layouts[index].scales = layouts[source].scales
      draft.layers.append(DraftLayer(record))
    case .head(let source, let kind, let classes):
      record.kind = kind
      setSource(&record, source)
      record.classes = classes.utf8.count
      record.classLetters = Text<8>(classes)
      draft.layers.append(DraftLayer(record))
    }
  }

  /// The channels of the source's rows, of all parts when it is a concatenation.
  private func setSource(_ record: inout LayerRecord, _ source: Int) {
    let layout = layouts[source]
    record.source = layout.buffer
    record.sourceOffset = layout.offset
    record.sourceChannels = layout.paddedChannels * layout.fold
    if case .concatenation = network.signals[source].operation {
      record.sourceChannels = draft.buffers[layout.buffer].width
    }
  }

  /// For every channel of a signal, the signal that it is part of and its channel there.
  private func origins(_ source: Int) -> [(signal: Int, channel: Int)] {
    guard case .concatenation(let parts) = network.signals[source].operation else {
      return (0..<network.signals[source].channels).map { (source, $0) }
    }
    return parts.flatMap { part in (0..<network.signals[part].channels).map { (part, $0) } }
  }

  private mutating func quantized(
    _ c: FloatConvolution, _ index: Int, _ start: LayerRecord
  ) throws -> DraftLayer {
    var record = start
    let signal = network.signals[index]
    let sourceFold = network.signals[c.source].fold
    let folded = try FoldedConvolution(c, sourceFold: sourceFold, fold: signal.fold)
    setSource(&record, c.source)
    (record.taps, record.stride, record.dilation) = (folded.taps, folded.stride, folded.dilation)
    (record.rowsBefore, record.rowsPerStep) = (folded.rowsBefore, folded.rowsPerStep)
    record.trim = folded.trim
    (record.hasInnerRelu, record.hasOuterRelu) = (c.hasInnerRelu, c.hasOuterRelu)
    let weights = try integerWeights(c, index, folded, record)
    // No finer than the format allows for sums of this size.
    let isLogits = network.signals.contains {
      if case .head(let source, _, _) = $0.operation { return source == index }
      return false
    }
    for channel in layouts[index].scales.indices {
      let coarsest = weights.units[channel] * weights.largestSum / 0x1p30
      guard coarsest > layouts[index].scales[channel] else { continue }
      guard !isLogits else {
        throw ToolError("its weights are too coarse for logits: give its source precision int16")
      }
      layouts[index].scales[channel] = coarsest
    }
    if isUniform(index) {
      let coarsest = layouts[index].scales.max()!
      layouts[index].scales = layouts[index].scales.map { _ in coarsest }
    }
    if let residual = c.residual {
      record.hasResidual = true
      record.residual = layouts[residual].buffer
      record.residualOffset = layouts[residual].offset
      record.residualScale = layouts[residual].scales[0] / layouts[index].scales[0]
    }
    var layer = DraftLayer(record)
    layer.weights = weights.values
    for group in 0..<folded.stepsPerStep {
      for channel in 0..<layouts[index].paddedChannels {
        let isPadding = channel >= signal.channels
        let output = group * layouts[index].paddedChannels + channel
        layer.bias.append(isPadding ? 0 : weights.bias[output])
        layer.scale.append(
          isPadding ? 0.25 : weights.units[channel] / layouts[index].scales[channel])
      }
    }
    return layer
  }

  private struct IntegerWeights {
    /// [outputs][taps][source channels]
    var values: [Int16]
    var bias: [Int32]
    /// Value per unit of the sum, of each channel.
    var units: [Float]
    /// No sum is larger.
    var largestSum: Float
  }

  private func integerWeights(
    _ c: FloatConvolution, _ index: Int, _ folded: FoldedConvolution, _ record: LayerRecord
  ) throws -> IntegerWeights {
    let channels = network.signals[index].channels
    let source = network.signals[c.source]
    let origins = self.origins(c.source)
    let perOutput = record.taps * record.sourceChannels
    var values = [Int16](repeating: 0, count: record.outputs * perOutput)
    var bias = [Int32](repeating: 0, count: record.outputs)
    var units = [Float](repeating: 0, count: channels)
    let blanks = Set(origins.map { layouts[$0.signal].blank })
    guard blanks.count == 1, let blank = blanks.first else {
      throw ToolError(
        "its source joins signals with and without negative values: end all parts in a ReLU, or "
          + "give them the precision int16")
    }
    for channel in 0..<channels {
      func real(_ tap: Int, _ sourceChannel: Int) -> Float {
        let origin = origins[sourceChannel]
        return c.weights[(tap * source.channels + sourceChannel) * channels + channel]
          * layouts[origin.signal].scales[origin.channel]
      }
      let unit = unitOfSum(
        (0..<c.taps).flatMap { tap in (0..<source.channels).map { real(tap, $0) } },
        bias: c.bias[channel], is16Bit: source.is16Bit)
      guard unit.isFinite else { throw ToolError("its weights are beyond the range of a float") }
      units[channel] = unit
      for group in 0..<folded.stepsPerStep {
        let output = group * layouts[index].paddedChannels + channel
        var sum = 0
        for tap in 0..<folded.taps {
          for step in 0..<source.fold {
            guard let original = folded.originalTap(tap: tap, sourceStep: step, output: group)
            else { continue }
            for (sourceChannel, origin) in origins.enumerated() {
              let place = layouts[origin.signal].place(step, origin.channel) - record.sourceOffset
              let weight = (real(original, sourceChannel) / unit).rounded(.toNearestOrEven)
              values[output * perOutput + tap * record.sourceChannels + place] = Int16(weight)
              sum += Int(weight)
            }
          }
        }
        bias[output] = Int32((c.bias[channel] / unit).rounded()) - Int32(blank * sum)
      }
    }
    let largestSum: Float =
      source.is16Bit ? 0x1p31 : 0x1p28 + Float(folded.taps * record.sourceChannels * 127 * 127)
    return IntegerWeights(values: values, bias: bias, units: units, largestSum: largestSum)
  }

  /// The value of one unit of an output's sum: as fine as its weights and the sum's 32 bits allow.
  private func unitOfSum(_ weights: [Float], bias: Float, is16Bit: Bool) -> Float {
    let largest = weights.reduce(0) { max($0, $1.magnitude) }
    let total = weights.reduce(0) { $0 + $1.magnitude }
    // Samples get three quarters of what 31 bits hold, so that rounding and bias have their own.
    let byWeights = is16Bit ? max(largest / 32767, total / 49152) : largest / 127
    return max(byWeights, bias.magnitude / 0x1p28, 1e-25)
  }
}

func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
  b == 0 ? a : greatestCommonDivisor(b, a % b)
}

func roundedUp(_ count: Int, to unit: Int) -> Int { (count + unit - 1) / unit * unit }
