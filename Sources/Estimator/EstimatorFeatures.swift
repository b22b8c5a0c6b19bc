// EstimatorFeatures: what the estimator's network sees of the first seconds after P: WaveParameters
// as codes.
//
// An amplitude is its logarithm in steps of a sixteenth of a decade, 15 %, which is little beside
// what any of them scatters; 127 steps are eight decades. 0 stands for what is not known.
//
//     let codes = EstimatorFeatures.codes(window, noise: noise, level: level, shearSeconds: nil)

import Core

public enum EstimatorFeatures {
  public static let count = 20
  public typealias Codes = InlineArray<20, UInt8>
  private static let stepsPerDecade = 16.0

  /// `noise`: of the vertical's displacement, rms before P; `level`: what JMA's weighted
  /// acceleration exceeded for 0.3 s; `shearSeconds`: S − P, where an S was picked.
  public static func codes(
    _ window: borrowing WaveParameters, noise: Double, level: Double, shearSeconds: Double?
  ) -> Codes {
    let seconds = max(window.seconds, 0.01)
    var codes = Codes(repeating: 0)
    codes[0] = code(seconds, from: -0.6, stepsPerDecade: 64)
    codes[1] = code(window.peakAcceleration, from: -6)
    codes[2] = code(window.peakVelocity, from: -8)
    codes[3] = code(window.peakDisplacement, from: -9)
    codes[4] = code(window.largestAcceleration, from: -6)
    codes[5] = code(window.largestVelocity, from: -8)
    codes[6] = code(window.horizontalDisplacement, from: -9)
    codes[7] = code((window.integralOfVelocitySquared / seconds).squareRoot(), from: -8)
    codes[8] = code(window.cumulativeAbsoluteVelocity / seconds, from: -6)
    codes[9] = code(window.tauC, from: -1.8, stepsPerDecade: 32)
    codes[10] = code(window.largestTauP, from: -1.8, stepsPerDecade: 32)
    codes[11] = code(window.predominantPeriodSeconds, from: -1.8, stepsPerDecade: 32)
    codes[12] = code(window.verticalToHorizontal, from: -2, stepsPerDecade: 32)
    codes[13] = code(window.growthRate, from: -6)
    codes[14] = code(noise > 0 ? window.peakDisplacement / noise : nil, from: -1)
    codes[15] = code(
      window.recentAcceleration / max(window.largestAcceleration, 1e-30), from: -3,
      stepsPerDecade: 42)
    codes[16] = code(window.straightness, from: -2, stepsPerDecade: 63)
    codes[17] = code(level, from: -6)
    codes[18] = code(shearSeconds, from: -0.6, stepsPerDecade: 64)
    codes[19] = window.isStep ? 127 : 1
    return codes
  }

  private static func code(
    _ value: Double?, from lowest: Double, stepsPerDecade: Double = stepsPerDecade
  ) -> UInt8 {
    guard let value, value > 0 else { return 0 }
    let steps = (Elementary.logarithm10(value) - lowest) * stepsPerDecade
    return UInt8(Elementary.nearestInteger(min(max(steps, 0), 126))) + 1
  }
}
