// The description of a network that `onset model import` reads: JSON that names the arrays of an .npz
// archive and says how they are wired. Batch normalization is folded into weights and bias here.

import Foundation
import Network

struct ModelDescription: Decodable {
  struct Layer: Decodable {
    var name: String
    var kind: String
    var from: Sources
    var weights: String?
    var bias: String?
    var batchNorm: String?
    var stride: Int?
    var dilation: Int?
    var before: Int?
    var crop: Int?
    var relu: Bool?
    var reluAfterResidual: Bool?
    var residual: String?
    var precision: String?
    var fold: Int?
    var factor: Int?
    var classes: String?
  }

  /// A name, or several.
  struct Sources: Decodable {
    var names: [String]

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let name = try? container.decode(String.self) {
        names = [name]
      } else {
        names = try container.decode([String].self)
      }
    }
  }

  var name: String
  var sampleRateMillihertz: UInt32
  var windowRows: Int?
  var components: String
  var normalization: String
  var batchNormEpsilon: Float?
  var weightOrder: String
  var precision: String?
  var inputPrecision: String?
  var layers: [Layer]

  static func read(path: String) throws -> ModelDescription {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
      throw ToolError("\(path): cannot be read")
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do { return try decoder.decode(ModelDescription.self, from: data) } catch {
      throw ToolError("\(path): not a network description: \(error)")
    }
  }
}

extension FloatNetwork {
  init(_ description: ModelDescription, arrays: NumpyArchive) throws {
    self.init()
    name = description.name
    sampleRateMillihertz = description.sampleRateMillihertz
    windowRows = description.windowRows ?? 0
    components = description.components
    guard ["window", "none"].contains(description.normalization) else {
      throw ToolError("normalization is \"window\" or \"none\", not \(description.normalization)")
    }
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
  }

  private static func is16Bit(_ precision: String) throws -> Bool {
    guard ["int8", "int16"].contains(precision) else {
      throw ToolError("a precision is \"int8\" or \"int16\", not \(precision)")
    }
    return precision == "int16"
  }

  private func index(_ name: String) throws -> Int {
    guard let index = signals.firstIndex(where: { $0.name == name }) else {
      throw ToolError("nothing before it is called \(name)")
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
      throw ToolError("it reads one layer")
    }
    let source = signals[first]
    var signal = FloatSignal(
      name: layer.name, operation: .input, channels: source.channels, period: source.period,
      is16Bit: try FloatNetwork.is16Bit(layer.precision ?? description.precision ?? "int8"),
      fold: layer.fold ?? 1)
    switch layer.kind {
    case "convolution", "transposed":
      let convolution = try self.convolution(layer, description, arrays, source: first)
      signal.operation = .convolution(convolution)
      signal.channels = convolution.bias.count
      let stride = convolution.stride
      signal.period = convolution.isTransposed ? source.period / stride : source.period * stride
      guard !convolution.isTransposed || source.period % stride == 0 else {
        throw ToolError("it would be faster than the input")
      }
      if let residual = convolution.residual {
        guard signals[residual].channels == signal.channels,
          signals[residual].period == signal.period
        else { throw ToolError("its residual has other channels or another rate") }
      }
    case "concatenation":
      let parts = sources.map { signals[$0] }
      guard
        parts.allSatisfy({
          $0.period == source.period && $0.fold == source.fold && $0.is16Bit == source.is16Bit
        })
      else { throw ToolError("its parts differ in rate, fold or precision") }
      signal.operation = .concatenation(sources)
      signal.channels = parts.reduce(0) { $0 + $1.channels }
      (signal.is16Bit, signal.fold) = (source.is16Bit, source.fold)
    case "upsampling":
      guard let factor = layer.factor, factor > 1, source.period % factor == 0, source.fold == 1
      else { throw ToolError("it needs a factor that divides the period of its source, unfolded") }
      signal.operation = .upsampling(source: first, factor: factor)
      (signal.period, signal.is16Bit) = (source.period / factor, source.is16Bit)
    case "softmax", "sigmoid":
      guard let classes = layer.classes, classes.utf8.count == source.channels, source.is16Bit
      else { throw ToolError("it needs a letter for each channel of an int16 source") }
      signal.operation = .head(
        source: first, kind: layer.kind == "softmax" ? .softmax : .sigmoid, classes: classes)
      signal.fold = source.fold
    default:
      throw ToolError(
        "\(layer.kind) is no kind of layer; there are convolution, transposed, concatenation, "
          + "upsampling, softmax, sigmoid")
    }
    signals.append(signal)
  }

  private func convolution(
    _ layer: ModelDescription.Layer, _ description: ModelDescription, _ arrays: NumpyArchive,
    source: Int
  ) throws -> FloatConvolution {
    guard let name = layer.weights else { throw ToolError("it names no weights") }
    let isTransposed = layer.kind == "transposed"
    var (taps, weights) = try FloatNetwork.naturalOrder(
      try arrays.array(name), order: description.weightOrder, isTransposed: isTransposed)
    let inputs = signals[source].channels
    let channels = weights.count / max(1, taps * inputs)
    guard channels > 0, weights.count == taps * inputs * channels else {
      throw ToolError("\(name) does not fit the \(inputs) channels of its source")
    }
    var bias = [Float](repeating: 0, count: channels)
    if let name = layer.bias { bias = try FloatNetwork.vector(arrays, name, channels) }
    if let prefix = layer.batchNorm {
      let gamma = try FloatNetwork.vector(arrays, prefix + "/gamma", channels)
      let beta = try FloatNetwork.vector(arrays, prefix + "/beta", channels)
      let mean = try FloatNetwork.vector(arrays, prefix + "/moving_mean", channels)
      let variance = try FloatNetwork.vector(arrays, prefix + "/moving_variance", channels)
      let epsilon = description.batchNormEpsilon ?? 1e-3
      let factor = (0..<channels).map { gamma[$0] / (variance[$0] + epsilon).squareRoot() }
      for index in weights.indices { weights[index] *= factor[index % channels] }
      for channel in 0..<channels {
        bias[channel] = beta[channel] + (bias[channel] - mean[channel]) * factor[channel]
      }
    }
    let hasRelu = layer.relu ?? false
    let residual = try layer.residual.map { try index($0) }
    return FloatConvolution(
      source: source, weights: weights, bias: bias, taps: taps, stride: layer.stride ?? 1,
      dilation: layer.dilation ?? 1, before: layer.before ?? 0, isTransposed: isTransposed,
      crop: layer.crop ?? 0, residual: residual, hasInnerRelu: hasRelu && residual != nil,
      hasOuterRelu: residual == nil ? hasRelu : layer.reluAfterResidual ?? false)
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
    _ array: NumpyArray, order: String, isTransposed: Bool
  ) throws -> (Int, [Float]) {
    // Two-dimensional kernels of width 1 are as good as one-dimensional ones.
    var shape = array.shape
    let flat = order == "tap-in-out" ? [1] : [3, 2]
    if shape.count == 4, let one = flat.first(where: { shape[$0] == 1 }) { shape.remove(at: one) }
    guard shape.count == 3 else { throw ToolError("weights have three dimensions") }
    // Where taps, in and out stand in the array.
    let places: [Int]
    switch (order, isTransposed) {
    case ("tap-in-out", false): places = [0, 1, 2]
    case ("tap-in-out", true): places = [0, 2, 1]
    case ("out-in-tap", false): places = [2, 1, 0]
    case ("out-in-tap", true): places = [2, 0, 1]
    default: throw ToolError("weight_order is \"tap-in-out\" or \"out-in-tap\", not \(order)")
    }
    let strides = [shape[1] * shape[2], shape[2], 1]
    let (taps, inputs, outputs) = (shape[places[0]], shape[places[1]], shape[places[2]])
    var values: [Float] = []
    values.reserveCapacity(array.values.count)
    for tap in 0..<taps {
      for input in 0..<inputs {
        for output in 0..<outputs {
          values.append(
            array.values[
              tap * strides[places[0]] + input * strides[places[1]] + output * strides[places[2]]])
        }
      }
    }
    return (taps, values)
  }
}
