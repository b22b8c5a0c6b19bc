// ProbabilityPeak: finds the peaks of a probability that comes value by value. A peak is told when
// it has certainly passed, and the next one wants a valley before it.

struct ProbabilityPeak {
  struct Peak: Equatable {
    var index: Int
    var probability: Double
  }

  /// It has passed when the probability fell below this share of it, or after so many samples.
  private let passedShare: Double
  private let passedSamples: Int
  private var best: Peak?
  private var isSpent = false

  init(passedShare: Double, passedSamples: Int) {
    self.passedShare = passedShare
    self.passedSamples = passedSamples
  }

  mutating func restart() {
    best = nil
    isSpent = false
  }

  /// Takes the value at `index`, the next one; returns the peak that it shows to have passed.
  mutating func step(_ probability: Double, at index: Int, threshold: Double) -> Peak? {
    if isSpent {
      isSpent = probability >= 0.5 * threshold
      return nil
    }
    guard let peak = best else {
      if probability >= threshold { best = Peak(index: index, probability: probability) }
      return nil
    }
    if probability > peak.probability {
      best = Peak(index: index, probability: probability)
      return nil
    }
    guard
      probability < passedShare * peak.probability
        || index - peak.index >= passedSamples
    else { return nil }
    best = nil
    isSpent = probability >= 0.5 * threshold
    return peak
  }
}
