// A record as a slower or faster digitizer would have made it: band-limited interpolation with a
// windowed sinc. For judging pickers at other rates; the station's own conversion is
// Conditioning/RateConverter.

import Core
import Digitizer
import Foundation

extension InstrumentRecord {
  /// Zero crossings of the sinc on either side. With Hann's window they give −60 dB a tenth of the
  /// band beside its edge.
  private static let zeroCrossings = 32.0
  /// The share of the lower Nyquist frequency that passes.
  private static let passedShare = 0.9

  func resampled(rateMillihertz wanted: Int) -> InstrumentRecord {
    guard wanted != rateMillihertz else { return self }
    var result = self
    result.rateMillihertz = wanted
    let step = Double(rateMillihertz) / Double(wanted)
    let cutoff = Self.passedShare * min(1, 1 / step)  // of this rate's Nyquist frequency
    let reach = Self.zeroCrossings / cutoff
    for segment in result.segments.indices {
      let frames = segments[segment].frames
      let count = Int((Double(frames.count) / step).rounded(.down))
      let first = Double(segments[segment].firstFrame) / step
      result.segments[segment].firstFrame = Int64(first.rounded())
      // Records would begin between two of the new frames: the first one's time is kept.
      result.segments[segment].anchors = [segments[segment].anchors[0]]
      result.segments[segment].frames = (0..<count).map { index in
        Self.interpolated(frames, at: Double(index) * step, cutoff: cutoff, reach: reach)
      }
    }
    return result
  }

  private static func interpolated(
    _ frames: [Frame], at place: Double, cutoff: Double, reach: Double
  ) -> Frame {
    var (sum, weights) = (SIMD4<Double>.zero, 0.0)
    for index in Int((place - reach).rounded(.up))...Int((place + reach).rounded(.down)) {
      let distance = Double(index) - place
      let x = Double.pi * cutoff * distance
      let weight = (x == 0 ? 1 : sin(x) / x) * (0.5 + 0.5 * cos(.pi * distance / reach))
      // What lies beyond an end is as what lies at it.
      sum += weight * SIMD4<Double>(frames[max(0, min(index, frames.count - 1))])
      weights += weight
    }
    let counts = (sum / weights).rounded(.toNearestOrEven)
    return Frame(
      counts.clamped(
        lowerBound: SIMD4(repeating: -2_147_483_647),
        upperBound: SIMD4(repeating: 2_147_483_647)))
  }
}
