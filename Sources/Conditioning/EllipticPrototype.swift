// Elliptic low-pass filters as analog zeros and poles, pass-band edge at 1 rad/s. Scaled and
// transformed to any rate when the station starts. Recursive elliptic filters are minimum-phase, so
// an onset has no precursor, and they reach 104 dB with a third of the delay of a linear-phase
// filter.
//
// The numbers are printed by calibration/filters/elliptic.py (scipy.signal.ellipap).

import Core

struct EllipticPair {
  var zero: Double
  var poleReal: Double
  var poleImaginary: Double
}

/// Order 10, ripple 0.05 dB, 104 dB from 1.4026 times the edge on.
let antiAliasPrototype: InlineArray<5, EllipticPair> = [
  EllipticPair(
    zero: 7.6015893345037435, poleReal: -0.34747986410668746, poleImaginary: 0.20176265200194862),
  EllipticPair(
    zero: 2.7073891639577026, poleReal: -0.27924582029014866, poleImaginary: 0.5580191061193749),
  EllipticPair(
    zero: 1.8294054523456487, poleReal: -0.18509509872569366, poleImaginary: 0.809326377629379),
  EllipticPair(
    zero: 1.5238474345880844, poleReal: -0.0999325733406429, poleImaginary: 0.9560976172396335),
  EllipticPair(
    zero: 1.414695687597204, poleReal: -0.03101841378418109, poleImaginary: 1.0213297982144462),
]

/// Order 4, ripple 0.02 dB, 110 dB from 16.437 times the edge on.
let firstStagePrototype: InlineArray<2, EllipticPair> = [
  EllipticPair(
    zero: 42.918398718277274, poleReal: -0.8788103341450684, poleImaginary: 0.5294303278428427),
  EllipticPair(
    zero: 17.78903711950291, poleReal: -0.36244056521782686, poleImaginary: 1.2742989558266915),
]

extension BiquadCoefficients {
  /// A section with its edge at `edgeHertz` and unit gain at zero hertz.
  @inline(never)
  init(_ pair: EllipticPair, edgeHertz: Double, rateHertz: Double) {
    let w = 6.283185307179586 * edgeHertz
    let poleSquare = pair.poleReal * pair.poleReal + pair.poleImaginary * pair.poleImaginary
    let zeroSquare = pair.zero * pair.zero
    let gain = poleSquare / zeroSquare
    self.init(
      numerator: (gain, 0, gain * zeroSquare * w * w),
      denominator: (1, -2 * pair.poleReal * w, poleSquare * w * w), matchedHertz: edgeHertz,
      rateHertz: rateHertz)
  }
}
