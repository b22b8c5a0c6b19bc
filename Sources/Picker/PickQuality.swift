// What an onset's spread and signal-to-noise ratio say of its error.

import Core

/// One standard deviation of an onset by Akaike's criterion, seconds. The criterion's own spread is
/// that of a perfect model; what is left is emergence, which falls with the signal-to-noise ratio.
/// Fitted to the analyst picks of the development records (see Tests/README.md, "What the baseline
/// picker reaches").
func onsetSigmaSeconds(spreadSamples: Double, signalToNoiseDecibels: Double) -> Double {
  let emergence = 0.25 * Elementary.powerOfTen(-max(signalToNoiseDecibels, 0) / 25)
  let spread = 0.01 * spreadSamples
  return (0.02 * 0.02 + spread * spread + emergence * emergence).squareRoot()
}

/// One standard deviation of a network's pick, seconds. Fitted to analysts' picks of four sources
/// so that on each, left out in turn, it covers what it should (`pick_errors.py`; the figures are
/// on the model's card). What only the early stage has seen scatters half as much again.
func networkSigmaSeconds(
  phase: PickPhase, status: PickStatus, probability: Double, signalToNoiseDecibels: Double
) -> Double {
  let (least, emergence, doubt) = phase == .p ? (0.009, 0.014, 0.56) : (0.015, 0.016, 0.49)
  let emergent = emergence * Elementary.powerOfTen(-max(signalToNoiseDecibels, 0) / 25)
  let doubtful = doubt * (1 - probability)
  let sigma = (least * least + emergent * emergent + doubtful * doubtful).squareRoot()
  return status == .provisional ? 1.5 * sigma : sigma
}

/// How probable it is that the sign of a first swing of so many standard deviations of the noise is
/// right, if the noise is Gaussian: the logistic approximation of Φ (Bowling et al. 2009), and
/// never above 0.95, what the best published pickers reach on clean onsets, because an onset can be
/// misplaced.
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
