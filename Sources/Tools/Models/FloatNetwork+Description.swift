// A description and its arrays as a network. Batch normalization is folded into weights and bias
// here. Whatever the two say, what comes of them can be laid out and quantized, or they are refused
// in a sentence that names the layer.

import Foundation
import Network

extension FloatNetwork {
  /// Layers and concatenations; a file holds 64 of the former.
  private static let maximumSignals = 128
  /// What one row may span, and with folds of up to 16 a row's 15 taps, 4 steps and 256 of
  /// dilation.
  private static let maximumPeriod = 4096
  private static let maximumTaps = 15 * 16
  private static let maximumStride = 16 * 16
  private static let maximumDilation = 256
  private static let maximumCrop = 1024

  package init(_ description: ModelDescription, arrays: NumpyArchive) throws {
    self.init()
    try FloatNetwork.checkHead(description)
    name = description.name
    sampleRateMillihertz = UInt32(description.sampleRateMillihertz)
    windowRows = description.windowRows ?? 0
    components = description.components
    normalization = description.normalization == "window" ? .window : .callers
    signals = [
      FloatSignal(
        name: "input", operation: .input, channels: components.utf8.count, period: 1,
        is16Bit: try FloatNetwork.is16Bit(description.inputPrecision ?? "int16"), fold: 1)
    ]
    for layer in description.layers {
      do { try add(layer, description, arrays) } catch {
        throw ToolError("layer \(layer.name): \(error)")
      }
    }
    try checkReaders()
  }

  private static func isPrintable(_ text: String, count: ClosedRange<Int>) -> Bool {
    count.contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
  }

  /// What stands before the layers.
  private static func checkHead(_ description: ModelDescription) throws {
    guard isPrintable(description.name, count: 1...32) else {
      throw ToolError("the name must be 1 to 32 printable characters, not \"\(description.name)\"")
    }
    guard (1000...1_000_000).contains(description.sampleRateMillihertz) else {
      throw ToolError(
        "sample_rate_millihertz is 1000 to 1000000, not \(description.sampleRateMillihertz)")
    }
    guard (0...65_536).contains(description.windowRows ?? 0) else {
      throw ToolError("window_rows is 0 (for streams) to 65536, not \(description.windowRows!)")
    }
    guard isPrintable(description.components, count: 1...4) else {
      throw ToolError(
        "components are 1 to 4 letters such as ENZ, not \"\(description.components)\"")
    }
    guard ["window", "none"].contains(description.normalization) else {
      throw ToolError(
        "normalization is \"window\" or \"none\", not \"\(description.normalization)\"")
    }
    guard ["tap-in-out", "out-in-tap"].contains(description.weightOrder) else {
      throw ToolError(
        "weight_order is \"tap-in-out\" (TensorFlow) or \"out-in-tap\" (PyTorch), not "
          + "\"\(description.weightOrder)\"")
    }
    let epsilon = description.batchNormEpsilon ?? 0
    guard epsilon.isFinite, epsilon >= 0 else {
      throw ToolError("batch_norm_epsilon is a number from 0, not \(epsilon)")
    }
    guard (1...maximumSignals).contains(description.layers.count) else {
      throw ToolError("\(description.layers.count) layers; there must be 1 to \(maximumSignals)")
    }
  }

  /// Every signal leads to an output.
  private func checkReaders() throws {
    var isRead = signals.map { _ in false }
    var hasHead = false
    for (index, signal) in signals.enumerated() {
      switch signal.operation {
      case .input: break
      case .convolution(let convolution):
        isRead[convolution.source] = true
        if let residual = convolution.residual { isRead[residual] = true }
      case .concatenation(let parts): for part in parts { isRead[part] = true }
      case .upsampling(let source, _): isRead[source] = true
      case .head(let source, _, _):
        isRead[source] = true
        isRead[index] = true
        hasHead = true
      }
    }
    guard hasHead else {
      throw ToolError("no layer is a softmax or sigmoid: a network file ends in probabilities")
    }
    for (signal, isRead) in zip(signals, isRead) where !isRead {
      throw ToolError("layer \(signal.name): no other layer reads it, and it is no output")
    }
  }

  private static func is16Bit(_ precision: String) throws -> Bool {
    guard ["int8", "int16"].contains(precision) else {
      throw ToolError("a precision is \"int8\" or \"int16\", not \"\(precision)\"")
    }
    return precision == "int16"
  }

  private func index(_ name: String) throws -> Int {
    guard let index = signals.firstIndex(where: { $0.name == name }) else {
      throw ToolError(
        "nothing before it is called \(name); there are "
          + signals.map(\.name).joined(separator: " "))
    }
    if case .head = signals[index].operation {
      throw ToolError("\(name) is an output, which no layer reads")
    }
    return index
  }

  private mutating func add(
    _ layer: ModelDescription.Layer, _ description: ModelDescription, _ arrays: NumpyArchive
  ) throws {
    guard !signals.contains(where: { $0.name == layer.name }) else {
      throw ToolError("the name is taken")
    }
    let sources = try layer.from.names.map { try index($0) }
    guard let first = sources.first, sources.count == 1 || layer.kind == "concatenation" else {
      throw ToolError("it reads one layer, not \(sources.count)")
    }
    let source = signals[first]
    var signal = FloatSignal(
      name: layer.name, operation: .input, channels: source.channels, period: source.period,
      is16Bit: try FloatNetwork.is16Bit(layer.precision ?? description.precision ?? "int8"),
      fold: layer.fold ?? 1)
    guard (1...16).contains(signal.fold) else {
      throw ToolError("a fold is 1 to 16, not \(signal.fold)")
    }
    switch layer.kind {
    case "convolution", "transposed":
      try convolve(&signal, layer, description, arrays, source: first)
    case "concatenation": try concatenate(&signal, sources)
    case "upsampling": try upsample(&signal, layer, source: first)
    case "softmax", "sigmoid": try judge(&signal, layer, source: first)
    default:
      throw ToolError(
        "\"\(layer.kind)\" is no kind of layer; there are convolution, transposed, concatenation, "
          + "upsampling, softmax, sigmoid")
    }
    guard signal.period * signal.fold <= FloatNetwork.maximumPeriod else {
      throw ToolError(
        "a row would span \(signal.period * signal.fold) samples of the input; the most is "
          + "\(FloatNetwork.maximumPeriod)")
    }
    signals.append(signal)
  }

  private func convolve(
    _ signal: inout FloatSignal, _ layer: ModelDescription.Layer, _ description: ModelDescription,
    _ arrays: NumpyArchive, source: Int
  ) throws {
    let convolution = try self.convolution(layer, description, arrays, source: source)
    signal.operation = .convolution(convolution)
    signal.channels = convolution.bias.count
    let (period, stride) = (signals[source].period, convolution.stride)
    signal.period = convolution.isTransposed ? period / stride : period * stride
    guard !convolution.isTransposed || period % stride == 0 else {
      throw ToolError("a stride of \(stride) does not divide the period \(period) of its source")
    }
    guard let residual = convolution.residual else { return }
    switch signals[residual].operation {
    case .input, .convolution: break
    default: throw ToolError("its residual must be the input or a convolution")
    }
    guard signals[residual].channels == signal.channels, signals[residual].period == signal.period
    else { throw ToolError("its residual has other channels or another rate") }
    guard signals[residual].fold == signal.fold, signals[residual].is16Bit == signal.is16Bit
    else { throw ToolError("its residual has another fold or precision") }
  }

  private func concatenate(_ signal: inout FloatSignal, _ sources: [Int]) throws {
    let parts = sources.map { signals[$0] }
    for (index, part) in parts.enumerated() {
      guard !sources[..<index].contains(sources[index]) else {
        throw ToolError("\(part.name) is joined twice")
      }
      switch part.operation {
      case .convolution, .upsampling: break
      default:
        throw ToolError("\(part.name) cannot be joined: only convolutions and upsamplings can")
      }
      guard part.period == parts[0].period, part.fold == parts[0].fold,
        part.is16Bit == parts[0].is16Bit
      else {
        throw ToolError("\(parts[0].name) and \(part.name) differ in rate, fold or precision")
      }
    }
    signal.operation = .concatenation(sources)
    signal.channels = parts.reduce(0) { $0 + $1.channels }
    (signal.is16Bit, signal.fold) = (parts[0].is16Bit, parts[0].fold)
  }

  private func upsample(
    _ signal: inout FloatSignal, _ layer: ModelDescription.Layer, source: Int
  ) throws {
    let from = signals[source]
    if case .concatenation = from.operation {
      throw ToolError("an upsampling reads a convolution: put it before the concatenation")
    }
    guard let factor = layer.factor, (2...16).contains(factor), from.period % factor == 0,
      from.fold == 1, signal.fold == 1
    else {
      throw ToolError(
        "it needs a factor of 2 to 16 that divides the period \(from.period) of its source, and no "
          + "fold")
    }
    signal.operation = .upsampling(source: source, factor: factor)
    (signal.period, signal.is16Bit) = (from.period / factor, from.is16Bit)
  }

  private func judge(
    _ signal: inout FloatSignal, _ layer: ModelDescription.Layer, source: Int
  ) throws {
    let from = signals[source]
    guard case .convolution = from.operation else {
      throw ToolError("it needs logits: the channels of a convolution")
    }
    guard from.is16Bit else { throw ToolError("give its source \(from.name) the precision int16") }
    guard let classes = layer.classes, classes.utf8.count == from.channels,
      FloatNetwork.isPrintable(classes, count: 1...8)
    else {
      throw ToolError(
        "it needs classes, a letter for each of the \(from.channels) channels of its source, 8 at "
          + "most")
    }
    signal.operation = .head(
      source: source, kind: layer.kind == "softmax" ? .softmax : .sigmoid, classes: classes)
    signal.fold = from.fold
  }

  // MARK: Convolutions

  private func convolution(
    _ layer: ModelDescription.Layer, _ description: ModelDescription, _ arrays: NumpyArchive,
    source: Int
  ) throws -> FloatConvolution {
    guard let name = layer.weights else { throw ToolError("it names no weights") }
    let isTransposed = layer.kind == "transposed"
    var (taps, inputs, channels, weights) = try FloatNetwork.naturalOrder(
      try arrays.array(name), name, order: description.weightOrder, isTransposed: isTransposed)
    guard inputs == signals[source].channels, channels > 0 else {
      throw ToolError(
        "\(name) makes \(channels) channels of \(inputs); its source \(signals[source].name) has "
          + "\(signals[source].channels)")
    }
    var bias = [Float](repeating: 0, count: channels)
    if let name = layer.bias { bias = try FloatNetwork.vector(arrays, name, channels) }
    if let prefix = layer.batchNorm {
      let epsilon = description.batchNormEpsilon ?? 1e-3
      try FloatNetwork.fold(arrays, prefix, epsilon: epsilon, into: &weights, &bias)
    }
    guard weights.allSatisfy(\.isFinite), bias.allSatisfy(\.isFinite) else {
      throw ToolError("its weights or bias hold what is no finite number")
    }
    let hasRelu = layer.relu ?? false
    let residual = try layer.residual.map { try index($0) }
    guard residual != nil || layer.reluAfterResidual == nil else {
      throw ToolError("relu_after_residual goes with a residual")
    }
    let convolution = FloatConvolution(
      source: source, weights: weights, bias: bias, taps: taps, stride: layer.stride ?? 1,
      dilation: layer.dilation ?? 1, before: layer.before ?? 0, isTransposed: isTransposed,
      crop: layer.crop ?? 0, residual: residual, hasInnerRelu: hasRelu && residual != nil,
      hasOuterRelu: residual == nil ? hasRelu : layer.reluAfterResidual ?? false)
    try FloatNetwork.check(convolution)
    return convolution
  }

  private static func check(_ c: FloatConvolution) throws {
    func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws {
      guard range.contains(value) else {
        throw ToolError("\(name) must be \(range.lowerBound) to \(range.upperBound), not \(value)")
      }
    }
    try check("the number of taps", c.taps, 1...maximumTaps)
    try check("stride", c.stride, 1...maximumStride)
    try check("dilation", c.dilation, 1...maximumDilation)
    try check("before", c.before, 0...((c.taps - 1) * c.dilation))
    try check("crop", c.crop, 0...maximumCrop)
    guard c.isTransposed ? c.dilation == 1 : c.crop == 0 else {
      throw ToolError(
        c.isTransposed
          ? "a transposed convolution has no dilation"
          : "crop goes with transposed convolutions alone")
    }
  }

  private static func fold(
    _ arrays: NumpyArchive, _ prefix: String, epsilon: Float, into weights: inout [Float],
    _ bias: inout [Float]
  ) throws {
    let channels = bias.count
    let gamma = try vector(arrays, prefix + "/gamma", channels)
    let beta = try vector(arrays, prefix + "/beta", channels)
    let mean = try vector(arrays, prefix + "/moving_mean", channels)
    let variance = try vector(arrays, prefix + "/moving_variance", channels)
    guard variance.allSatisfy({ $0 + epsilon > 0 }) else {
      throw ToolError("\(prefix)/moving_variance is not above zero everywhere")
    }
    let factor = (0..<channels).map { gamma[$0] / (variance[$0] + epsilon).squareRoot() }
    for index in weights.indices { weights[index] *= factor[index % channels] }
    for channel in 0..<channels {
      bias[channel] = beta[channel] + (bias[channel] - mean[channel]) * factor[channel]
    }
  }

  private static func vector(_ arrays: NumpyArchive, _ name: String, _ count: Int) throws -> [Float]
  {
    let array = try arrays.array(name)
    guard array.values.count == count else {
      throw ToolError("\(name) has \(array.values.count) values, not \(count)")
    }
    return array.values
  }

  /// Weights as [taps][in][out] from the order of TensorFlow or PyTorch.
  private static func naturalOrder(
    _ array: NumpyArray, _ name: String, order: String, isTransposed: Bool
  ) throws -> (taps: Int, inputs: Int, outputs: Int, values: [Float]) {
    // Two-dimensional kernels of width 1 are as good as one-dimensional ones.
    var shape = array.shape
    let ofWidth = order == "tap-in-out" ? [1] : [3, 2]
    if shape.count == 4, let one = ofWidth.first(where: { shape[$0] == 1 }) {
      shape.remove(at: one)
    }
    guard shape.count == 3 else {
      throw ToolError(
        "\(name) has the shape \(array.shape); weights have three dimensions, or a fourth that is 1"
      )
    }
    // Where taps, in and out stand in the array.
    let places: [Int]
    switch (order, isTransposed) {
    case ("tap-in-out", false): places = [0, 1, 2]
    case ("tap-in-out", true): places = [0, 2, 1]
    case (_, false): places = [2, 1, 0]
    case (_, true): places = [2, 0, 1]
    }
    let (taps, inputs, outputs) = (shape[places[0]], shape[places[1]], shape[places[2]])
    var values: [Float] = []
    guard !array.values.isEmpty else { return (taps, inputs, outputs, values) }
    values.reserveCapacity(array.values.count)
    let strides = [shape[1] * shape[2], shape[2], 1]
    for tap in 0..<taps {
      for input in 0..<inputs {
        for output in 0..<outputs {
          values.append(
            array.values[
              tap * strides[places[0]] + input * strides[places[1]] + output * strides[places[2]]])
        }
      }
    }
    return (taps, inputs, outputs, values)
  }
}
