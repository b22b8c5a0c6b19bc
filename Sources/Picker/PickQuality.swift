// What an onset's spread and signal-to-noise ratio say of its error.

import Core

/// One standard deviation of an onset by Akaike's criterion, seconds. The criterion's own spread is
/// that of a perfect model; what is left is emergence, which falls with the signal-to-noise ratio.
/// Fitted to the analyst picks of the development records (see README, "What the baseline picker
/// reaches").
func onsetSigmaSeconds(spreadSamples: Double, signalToNoiseDecibels: Double) -> Double {
  let emergence = 0.25 * Elementary.powerOfTen(-max(signalToNoiseDecibels, 0) / 25)
  let spread = 0.01 * spreadSamples
  return (0.02 * 0.02 + spread * spread + emergence * emergence).squareRoot()
}

/// That the sign of a first swing of so many standard deviations of the noise is right, if the
/// noise is Gaussian: the logistic approximation of Φ (Bowling et al. 2009), and never above 0.95,
/// what the best published pickers reach on clean onsets, because an onset can be misplaced.
func firstMotionProbability(swing: Double) -> Double {
  min(1 / (1 + Elementary.exponential(-1.702 * (swing - 1))), 0.95)
}

extension PickQuality {
  init(sigmaSeconds: Double, isClipped: Bool, usesHorizontals: Bool) {
    switch sigmaSeconds {
    case ..<0.05: self = .a
    case ..<0.1: self = .b
    case ..<0.2: self = .c
    default: self = .d
    }
    if (isClipped || usesHorizontals) && rawValue < PickQuality.c.rawValue { self = .c }
  }
}
