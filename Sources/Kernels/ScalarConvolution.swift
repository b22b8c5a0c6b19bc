// The reference. Every kernel in C gives the same bytes as these functions, on every processor; the
// tests compare them over all shapes. Nothing here is optimised, ever.
//
// Terms: a row is one time step, its channels side by side. A code is an activation, 0…127 in a byte:
// seven bits, so that the sum of two products of a code and a weight (2 × 127 × 127) fits 16 bits on
// processors that pair them there. A blank is the code that stands for zero.
//
// Contract, for output row t and output channel o, in this order and rounding:
//   1. sum = bias[o] + Σ input × weight in 32-bit integers. The caller sees to it that no order of
//      summation overflows (Network checks it when it loads a file); so the order is free.
//   2. x = Float(sum) × scale[o], each rounded to nearest even. 0 < scale ≤ 0.5, so that |x| ≤ 2³⁰.
//   3. With inner_relu, x = max(x, 0).
//   4. With a residual, x = x + Float(residual − residual_blank) × residual_scale: the product rounds,
//      then the sum (never fused). |residual_scale| ≤ 1024.
//   5. v = x rounded to the nearest integer, ties to even.
//   6. Codes: clamp v + output_blank to output_floor…127. Logits: clamp v to −32768…32767.
// Weights for codes are int8 within ±127; for samples int16. The layout of weights is that of
// `ckernels_convolution`: blocks of 16 outputs, so that one 64-byte line holds four inputs (two for
// samples) of 16 outputs, whatever the width of a processor's vectors.

import CKernels

enum ScalarConvolution {
  static let codesToCodes: ckernels_function = { pointer in
    let c = pointer!.pointee
    let weights = c.weights.assumingMemoryBound(to: Int8.self)
    for step in 0..<Int(c.steps) {
      for output in 0..<Int(c.channels_out) {
        let sum = sumOfCodes(c, weights, step, output)
        storeCode(c, step, output, sum)
      }
    }
  }

  static let samplesToCodes: ckernels_function = { pointer in
    let c = pointer!.pointee
    let weights = c.weights.assumingMemoryBound(to: Int16.self)
    for step in 0..<Int(c.steps) {
      for output in 0..<Int(c.channels_out) {
        let sum = sumOfSamples(c, weights, step, output)
        storeCode(c, step, output, sum)
      }
    }
  }

  static let codesToLogits: ckernels_function = { pointer in
    let c = pointer!.pointee
    let weights = c.weights.assumingMemoryBound(to: Int8.self)
    for step in 0..<Int(c.steps) {
      let row = (c.output + step * c.output_step)
      for output in 0..<Int(c.channels_out) {
        let sum = sumOfCodes(c, weights, step, output)
        let value = (Float(sum) * c.scale[output]).rounded(.toNearestOrEven)
        let logit = Int16(max(-32768, min(32767, value)))
        row.storeBytes(of: logit, toByteOffset: 2 * output, as: Int16.self)
      }
    }
  }

  private static func sumOfCodes(
    _ c: ckernels_convolution, _ weights: UnsafePointer<Int8>, _ step: Int, _ output: Int
  ) -> Int32 {
    let taps = Int(c.taps)
    let quads = Int(c.channels_in) / 4
    var sum = c.bias[output]
    for tap in 0..<taps {
      let row = c.input + step * c.input_step + tap * c.tap_step
      for channel in 0..<Int(c.channels_in) {
        let line = ((output / 16) * taps + tap) * quads + channel / 4
        let weight = weights[(line * 16 + output % 16) * 4 + channel % 4]
        sum += Int32(row.load(fromByteOffset: channel, as: UInt8.self)) * Int32(weight)
      }
    }
    return sum
  }

  private static func sumOfSamples(
    _ c: ckernels_convolution, _ weights: UnsafePointer<Int16>, _ step: Int, _ output: Int
  ) -> Int32 {
    let taps = Int(c.taps)
    let pairs = Int(c.channels_in) / 2
    var sum = c.bias[output]
    for tap in 0..<taps {
      let row = c.input + step * c.input_step + tap * c.tap_step
      for channel in 0..<Int(c.channels_in) {
        let line = ((output / 16) * taps + tap) * pairs + channel / 2
        let weight = weights[(line * 16 + output % 16) * 2 + channel % 2]
        sum += Int32(row.loadUnaligned(fromByteOffset: 2 * channel, as: Int16.self)) * Int32(weight)
      }
    }
    return sum
  }

  private static func storeCode(
    _ c: ckernels_convolution, _ step: Int, _ output: Int, _ sum: Int32
  ) {
    var x = Float(sum) * c.scale[output]
    if c.inner_relu != 0 { x = max(x, 0) }
    if let residual = c.residual {
      let code = Int32(residual[step * c.residual_step + output])
      x += Float(code - c.residual_blank) * c.residual_scale
    }
    let value = Int32(x.rounded(.toNearestOrEven)) + c.output_blank
    let code = UInt8(max(c.output_floor, min(127, value)))
    c.output.storeBytes(of: code, toByteOffset: step * c.output_step + output, as: UInt8.self)
  }
}
