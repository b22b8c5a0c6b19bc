// ScalarConvolution: the reference. Every kernel in C gives the same bytes as these functions, on
// every processor; the tests compare them over all shapes. Nothing here is optimised, ever.
//
// Terms: a row is one time step, its channels side by side. A code is an activation, 0…127 in a
// byte: seven bits, so that the sum of two products of a code and a weight (2 × 127 × 127) fits 16
// bits on processors that pair them there. A sample is an activation of 16 bits with its sign. A
// blank is the code that stands for zero; the sample that does is 0.
//
// Contract, for output row t and output channel o, in this order and rounding:
//   1. sum = bias[o] + Σ input × weight in 32-bit integers. The caller sees to it that no order of
//      summation overflows (Network checks it when it loads a file); so the order is free.
//   2. x = Float(sum) × scale[o], each rounded to nearest even. |x| ≤ 2³⁰ (Network checks
//      that too).
//   3. With inner_relu, x = max(x, 0).
//   4. With a residual, x = x + Float(residual − residual_blank) × residual_scale: the product
//      rounds, then the sum (never fused). |residual_scale| ≤ 1024.
//   5. v = x rounded to the nearest integer, ties to even.
//   6. v + output_blank clamped to output_floor…127 (codes) or output_floor…32767 (samples).
// Weights for codes are int8 within ±127; for samples int16 within ±32767. The layout of weights is
// that of `ckernels_convolution`: blocks of 16 outputs, so that one 64-byte line holds four inputs
// (two for samples) of 16 outputs, whatever the width of a processor's vectors.

import CKernels

enum ScalarConvolution {
  public static var variant: ckernels_variant {
    typealias This = ScalarConvolution
    return ckernels_variant(
      is_supported: 1,
      codes_to_codes: { This.convolve($0!.pointee, This.sumOfCodes, This.storeCode) },
      samples_to_codes: { This.convolve($0!.pointee, This.sumOfSamples, This.storeCode) },
      codes_to_samples: { This.convolve($0!.pointee, This.sumOfCodes, This.storeSample) },
      samples_to_samples: { This.convolve($0!.pointee, This.sumOfSamples, This.storeSample) })
  }

  /// Where a call's step and output are.
  private struct Place {
    var step: Int
    var output: Int
  }

  private static func convolve(
    _ c: ckernels_convolution, _ sum: (ckernels_convolution, Place) -> Int32,
    _ store: (ckernels_convolution, Place, Int32) -> Void
  ) {
    for step in 0..<Int(c.steps) {
      for output in 0..<Int(c.channels_out) {
        let place = Place(step: step, output: output)
        store(c, place, sum(c, place))
      }
    }
  }

  private static func sumOfCodes(_ c: ckernels_convolution, _ place: Place) -> Int32 {
    let weights = c.weights.assumingMemoryBound(to: Int8.self)
    let quads = Int(c.channels_in) / 4
    var sum = c.bias[place.output]
    for tap in 0..<Int(c.taps) {
      let row = c.input + place.step * c.input_step + tap * c.tap_step
      for channel in 0..<Int(c.channels_in) {
        let line = (place.output / 16 * Int(c.taps) + tap) * quads + channel / 4
        let weight = weights[(line * 16 + place.output % 16) * 4 + channel % 4]
        sum += Int32(row.load(fromByteOffset: channel, as: UInt8.self)) * Int32(weight)
      }
    }
    return sum
  }

  private static func sumOfSamples(_ c: ckernels_convolution, _ place: Place) -> Int32 {
    let weights = c.weights.assumingMemoryBound(to: Int16.self)
    let pairs = Int(c.channels_in) / 2
    var sum = c.bias[place.output]
    for tap in 0..<Int(c.taps) {
      let row = c.input + place.step * c.input_step + tap * c.tap_step
      for channel in 0..<Int(c.channels_in) {
        let line = (place.output / 16 * Int(c.taps) + tap) * pairs + channel / 2
        let weight = weights[(line * 16 + place.output % 16) * 2 + channel % 2]
        let sample = row.loadUnaligned(fromByteOffset: 2 * channel, as: Int16.self)
        sum += Int32(sample) * Int32(weight)
      }
    }
    return sum
  }

  private static func storeCode(_ c: ckernels_convolution, _ place: Place, _ sum: Int32) {
    let residual = c.residual.map {
      Int32($0.load(fromByteOffset: place.step * c.residual_step + place.output, as: UInt8.self))
    }
    let value = requantized(c, place.output, sum, residual, highest: 127)
    c.output.storeBytes(
      of: UInt8(value), toByteOffset: place.step * c.output_step + place.output, as: UInt8.self)
  }

  private static func storeSample(_ c: ckernels_convolution, _ place: Place, _ sum: Int32) {
    let residual = c.residual.map {
      let offset = place.step * c.residual_step + 2 * place.output
      return Int32($0.loadUnaligned(fromByteOffset: offset, as: Int16.self))
    }
    let value = requantized(c, place.output, sum, residual, highest: 32767)
    c.output.storeBytes(
      of: Int16(value), toByteOffset: place.step * c.output_step + 2 * place.output, as: Int16.self)
  }

  /// Steps 2 to 6 of the contract.
  private static func requantized(
    _ c: ckernels_convolution, _ output: Int, _ sum: Int32, _ residual: Int32?, highest: Int32
  ) -> Int32 {
    var x = Float(sum) * c.scale[output]
    if c.inner_relu != 0 { x = max(x, 0) }
    if let residual { x += Float(residual - c.residual_blank) * c.residual_scale }
    return max(c.output_floor, min(highest, nearestInteger(x) + c.output_blank))
  }

  /// Ties to even, without the C library: below 2²² in magnitude, adding 1.5 × 2²³ leaves a Float
  /// no bits for a fraction, and rounds as every addition does. What is larger is beyond every
  /// clamp.
  private static func nearestInteger(_ x: Float) -> Int32 {
    let inRange = max(-131072, min(131072, x))
    return Int32((inRange + 0x1.8p23) - 0x1.8p23)
  }
}
