// KernelTrial: a call with seeded contents, the same on every processor: for the self-test, the
// tests and the benchmarks. Contents come in flavours, because what is random everywhere meets no
// corner.
//
//     let trial = KernelTrial(shape, .uniform, .ordinary, in: memory, random: &random)
//     trial.run(variant)
//     trial.run(.scalar, output: expected)

import CKernels
import Core

/// The dimensions of one call; the bytes that they imply.
public struct KernelShape: Sendable {
  public var kind = KernelKind.codesToCodes
  public var taps = 3
  public var stride = 1
  public var dilation = 1
  public var channelsIn = 32
  public var channelsOut = 32
  public var steps = 1
  /// Bytes between the end of one row and the beginning of the next, for rows without alignment.
  public var inputGap = 0
  public var outputGap = 0

  public init() {}

  private var inputValueBytes: Int { kind.readsSamples ? 2 : 1 }
  private var outputValueBytes: Int { kind.writesSamples ? 2 : 1 }
  public var inputRowBytes: Int { channelsIn * inputValueBytes + inputGap }
  /// Bytes of a row of the output, and of the residual.
  public var outputRowBytes: Int { channelsOut * outputValueBytes + outputGap }
  public var inputBytes: Int {
    ((steps - 1) * stride + (taps - 1) * dilation + 1) * inputRowBytes - inputGap
  }
  /// Bytes of the output, and of the residual.
  public var outputBytes: Int { steps * outputRowBytes - outputGap }
  public var weightBytes: Int { taps * channelsIn * inputValueBytes * channelsOut }
  /// Bytes of the biases, and of the scales.
  public var channelBytes: Int { 4 * channelsOut }
  public var productsPerOutput: Int { taps * channelsIn }
  public var multiplications: Int { steps * channelsOut * productsPerOutput }
}

/// Where a call's operands lie. Weights, biases and scales are aligned to 64 bytes.
public struct KernelMemory {
  public var input: UnsafeMutableRawPointer
  public var weights: UnsafeMutableRawPointer
  public var bias: UnsafeMutableRawPointer
  public var scale: UnsafeMutableRawPointer
  public var residual: UnsafeMutableRawPointer
  public var output: UnsafeMutableRawPointer

  public init(
    input: UnsafeMutableRawPointer, weights: UnsafeMutableRawPointer,
    bias: UnsafeMutableRawPointer, scale: UnsafeMutableRawPointer,
    residual: UnsafeMutableRawPointer, output: UnsafeMutableRawPointer
  ) {
    self.input = input
    self.weights = weights
    self.bias = bias
    self.scale = scale
    self.residual = residual
    self.output = output
  }
}

public struct KernelTrial {
  /// How inputs and weights are chosen.
  public enum Operands: Sendable {
    /// Uniform over their range.
    case uniform
    /// Each the smallest or the largest.
    case corners
    /// The largest input everywhere, and weights of the largest magnitude, all of one sign in an
    /// output.
    case saturated

    public static var all: InlineArray<3, Operands> { [.uniform, .corners, .saturated] }
  }
  /// How scales and biases are chosen.
  public enum Scales: Sendable {
    /// So that results fill their range.
    case ordinary
    /// Powers of two from 2⁻⁷ to 2⁻¹, and no large bias: halves are frequent.
    case ties
    /// From 2⁻³⁰ to 0.5, biases up to the edge of 32 bits.
    case extreme

    public static var all: InlineArray<3, Scales> { [.ordinary, .ties, .extreme] }
  }

  public let shape: KernelShape
  public private(set) var convolution = ckernels_convolution()
  private let memory: KernelMemory

  /// Fills the memory and chooses what follows the sum: residual, blanks, floor.
  public init(
    _ shape: KernelShape, _ operands: Operands, _ scales: Scales, in memory: KernelMemory,
    random: inout RandomGenerator
  ) {
    self.shape = shape
    self.memory = memory
    // A last odd byte belongs to no whole sample.
    memory.input.storeBytes(of: 0, toByteOffset: shape.inputBytes - 1, as: UInt8.self)
    if shape.kind.readsSamples {
      fillSamples(operands, &random)
    } else {
      fillCodes(operands, &random)
    }
    fillScales(scales, &random)
    convolution.input = UnsafeRawPointer(memory.input)
    convolution.input_step = shape.stride * shape.inputRowBytes
    convolution.tap_step = shape.dilation * shape.inputRowBytes
    convolution.weights = UnsafeRawPointer(memory.weights)
    convolution.bias = UnsafePointer(memory.bias.assumingMemoryBound(to: Int32.self))
    convolution.scale = UnsafePointer(memory.scale.assumingMemoryBound(to: Float.self))
    convolution.output = memory.output
    convolution.output_step = shape.outputRowBytes
    convolution.taps = Int32(shape.taps)
    convolution.channels_in = Int32(shape.channelsIn)
    convolution.channels_out = Int32(shape.channelsOut)
    convolution.steps = Int32(shape.steps)
    chooseEnding(&random)
  }

  /// The call; its output goes to `output` when that is given.
  public func run(_ variant: KernelVariant, output: UnsafeMutableRawPointer? = nil) {
    var call = convolution
    if let output { call.output = output }
    variant.function(shape.kind)!(&call)
  }

  private mutating func chooseEnding(_ random: inout RandomGenerator) {
    let isSamples = shape.kind.writesSamples
    let blank = Int32(isSamples ? 0 : random.below(128))
    convolution.inner_relu = Int32(random.below(2))
    convolution.output_blank = blank
    convolution.output_floor = random.below(2) == 0 ? blank : isSamples ? -32768 : 0
    guard random.below(3) > 0 else { return }
    if isSamples {
      store(samples: shape.outputBytes / 2, at: memory.residual) { random.below(65536) - 32768 }
    } else {
      store(codes: shape.outputBytes, at: memory.residual) { random.below(128) }
    }
    convolution.residual = UnsafeRawPointer(memory.residual)
    convolution.residual_step = shape.outputRowBytes
    convolution.residual_blank = Int32(isSamples ? 0 : random.below(128))
    let magnitude = random.below(8) == 0 ? 1024 : Float(2 * random.uniform())
    convolution.residual_scale = random.below(4) == 0 ? -magnitude : magnitude
  }

  private func store(codes: Int, at memory: UnsafeMutableRawPointer, _ next: () -> Int) {
    for index in 0..<codes {
      memory.storeBytes(
        of: UInt8(truncatingIfNeeded: next()), toByteOffset: index, as: UInt8.self)
    }
  }

  private func store(samples: Int, at memory: UnsafeMutableRawPointer, _ next: () -> Int) {
    for index in 0..<samples {
      memory.storeBytes(of: Int16(next()), toByteOffset: 2 * index, as: Int16.self)
    }
  }

  private func fillCodes(_ operands: Operands, _ random: inout RandomGenerator) {
    store(codes: shape.inputBytes, at: memory.input) {
      switch operands {
      case .uniform: random.below(128)
      case .corners: random.below(2) * 127
      case .saturated: 127
      }
    }
    var index = 0
    store(codes: shape.weightBytes, at: memory.weights) {
      index += 1
      return switch operands {
      case .uniform: random.below(255) - 127
      case .corners: random.below(2) == 0 ? -127 : 127
      case .saturated: (index - 1) / 4 % 2 == 0 ? -127 : 127
      }
    }
  }

  /// The magnitudes of an output's weights add up to 65535 at most, so that no sum of products and
  /// a bias below 2¹⁵ leaves 32 bits. Saturated ones come close to it.
  private func fillSamples(_ operands: Operands, _ random: inout RandomGenerator) {
    // With a gap of one byte the rows are not where these samples are: what they hold is chance.
    store(samples: shape.inputBytes / 2, at: memory.input) {
      switch operands {
      case .uniform: random.below(65536) - 32768
      case .corners: random.below(2) == 0 ? -32768 : 32767
      case .saturated: -32768
      }
    }
    let largest = 65535 / shape.productsPerOutput
    var index = 0
    store(samples: shape.weightBytes / 2, at: memory.weights) {
      index += 1
      return switch operands {
      case .uniform: random.below(2 * largest + 1) - largest
      case .corners: random.below(2) == 0 ? -largest : largest
      case .saturated: (index - 1) / 2 % 2 == 0 ? -largest : largest
      }
    }
  }

  private func fillScales(_ scales: Scales, _ random: inout RandomGenerator) {
    let isSamples = shape.kind.readsSamples
    // Standard deviation of a sum of uniform products, roughly; samples have 256 times the range.
    let products = Double(shape.productsPerOutput).squareRoot()
    let spread = isSamples ? 19000 * 38000 / products : 74 * 73 * products
    let range = shape.kind.writesSamples ? 16384.0 : 64
    for channel in 0..<shape.channelsOut {
      let scale: Double
      let bias: Int
      switch scales {
      case .ordinary:
        scale = min(0.5, (0.5 + random.uniform()) * range / spread)
        bias = random.below(20001) - 10000
      case .ties:
        scale = Double(sign: .plus, exponent: -1 - random.below(7), significand: 1)
        bias = random.below(2001) - 1000
      case .extreme:
        let mantissa = random.below(2) == 0 ? 1 : 1 + random.uniform()
        scale = min(
          0.5, Double(sign: .plus, exponent: -1 - random.below(30), significand: mantissa))
        // Fifteen taps of 128 codes stay below 2²⁵.
        let edge = isSamples ? 32767 : Int(Int32.max) - 1 << 25
        bias = random.below(2) == 0 ? -edge : edge
      }
      memory.bias.storeBytes(of: Int32(bias), toByteOffset: 4 * channel, as: Int32.self)
      memory.scale.storeBytes(of: Float(scale), toByteOffset: 4 * channel, as: Float.self)
    }
  }
}
