// FloatNetwork: a network in floating point, as its author trained it: what the importer quantizes,
// and what it holds the result against. A signal is a sequence of steps of `channels` values;
// signal 0 is the input.
//
//     let signals = network.run(window)
//     let probabilities = signals[network.signals.count - 1]

import Core
import Network

/// A convolution over time, or with `isTransposed` the transpose of one.
public struct FloatConvolution {
  public var source: Int
  /// [taps][source channels][channels]
  public var weights: [Float]
  public var bias: [Float]
  public var taps: Int
  public var stride: Int
  public var dilation: Int
  /// Steps before its own place that a step reads; of a transposed one, of the convolution that it
  /// transposes.
  public var before: Int
  public var isTransposed: Bool
  /// Steps of the result that are dropped at the start (transposed).
  public var crop: Int
  public var residual: Int?
  public var hasInnerRelu: Bool
  public var hasOuterRelu: Bool
}

public enum FloatOperation {
  case input
  case convolution(FloatConvolution)
  case concatenation([Int])
  case upsampling(source: Int, factor: Int)
  case head(source: Int, kind: LayerKind, classes: String)
}

public struct FloatSignal {
  public var name: String
  public var operation: FloatOperation
  public var channels: Int
  /// Input steps per step.
  public var period: Int
  /// The integers that will stand for it have 16 bits instead of 7.
  public var is16Bit: Bool
  /// Steps that will lie side by side in a row.
  public var fold: Int
}

public struct FloatNetwork {
  public var name = ""
  public var sampleRateMillihertz: UInt32 = 100_000
  public var windowRows = 0
  public var components = "ENZ"
  public var normalization = Normalization.callers
  public var signals: [FloatSignal] = []

  /// Every signal for one window of the input, [steps][channels].
  public func run(_ window: [Float]) -> [[Float]] {
    let rows = window.count / signals[0].channels
    var values = [window]
    for signal in signals.dropFirst() {
      let steps = (rows + signal.period - 1) / signal.period
      switch signal.operation {
      case .input: preconditionFailure("there is one input, the first signal")
      case .convolution(let convolution):
        values.append(run(convolution, values, steps: steps, channels: signal.channels))
      case .concatenation(let parts):
        values.append(
          (0..<steps).flatMap { step in
            parts.flatMap { part -> ArraySlice<Float> in
              let channels = signals[part].channels
              return values[part][(step * channels)..<((step + 1) * channels)]
            }
          })
      case .upsampling(let source, let factor):
        let channels = signal.channels
        values.append(
          (0..<steps).flatMap {
            values[source][($0 / factor * channels)..<(($0 / factor + 1) * channels)]
          })
      case .head(let source, let kind, _):
        values.append(
          FloatNetwork.probabilities(values[source], kind: kind, classes: signal.channels))
      }
    }
    return values
  }

  private func run(
    _ c: FloatConvolution, _ values: [[Float]], steps: Int, channels: Int
  ) -> [Float] {
    let inputChannels = signals[c.source].channels
    let input = values[c.source]
    let inputSteps = input.count / inputChannels
    var output = [Float](repeating: 0, count: steps * channels)
    output.withUnsafeMutableBufferPointer { output in
      input.withUnsafeBufferPointer { input in
        c.weights.withUnsafeBufferPointer { weights in
          for step in 0..<steps {
            let row = UnsafeMutableBufferPointer(
              rebasing: output[(step * channels)..<((step + 1) * channels)])
            for channel in 0..<channels { row[channel] = c.bias[channel] }
            for tap in 0..<c.taps {
              guard let from = c.source(ofStep: step, tap: tap), from >= 0, from < inputSteps
              else { continue }
              for inputChannel in 0..<inputChannels {
                let x = input[from * inputChannels + inputChannel]
                let start = (tap * inputChannels + inputChannel) * channels
                for channel in 0..<channels { row[channel] += x * weights[start + channel] }
              }
            }
          }
        }
      }
    }
    if c.hasInnerRelu { for index in output.indices { output[index] = max(output[index], 0) } }
    if let residual = c.residual {
      for index in output.indices { output[index] += values[residual][index] }
    }
    if c.hasOuterRelu { for index in output.indices { output[index] = max(output[index], 0) } }
    return output
  }

  static func probabilities(_ logits: [Float], kind: LayerKind, classes: Int) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(logits.count)
    for start in stride(from: 0, to: logits.count, by: classes) {
      let group = logits[start..<(start + classes)]
      if kind == .sigmoid {
        result += group.map { 1 / (1 + exponential(-$0)) }
      } else {
        let largest = group.max()!
        let powers = group.map { exponential($0 - largest) }
        let sum = powers.reduce(0, +)
        result += powers.map { $0 / sum }
      }
    }
    return result
  }

  private static func exponential(_ x: Float) -> Float {
    Float(Elementary.exponential(Double(max(-80, min(80, x)))))
  }
}

extension FloatConvolution {
  /// The source step that `tap` of `step` reads, nil when the tap falls between two of them.
  func source(ofStep step: Int, tap: Int) -> Int? {
    if !isTransposed { return step * stride - before + tap * dilation }
    let distance = step + crop + before - tap
    return distance % stride == 0 ? distance / stride : nil
  }
}
