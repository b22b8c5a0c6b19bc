// Witnesses: who besides the sensor's size speaks for the ground.

import Core
import Estimator

/// Whether a picker has seen a P, and what may be believed with it and without.
struct Witnesses: Sendable {
  /// A P is told before what it heralds; what is told at once with the shaking heralds nothing.
  private static let leadNanoseconds: Int64 = 300_000_000
  /// S comes within a minute of P up to 500 km, beyond which nothing exceeds 0.05 g.
  private static let memoryNanoseconds = 60 * nanosecondsPerSecond

  private var told: Int64?

  /// The first one counts as long as it is remembered.
  mutating func note(_ now: Moment) {
    if let told, now.monotonicNanoseconds - told < Witnesses.memoryNanoseconds { return }
    told = now.monotonicNanoseconds
  }

  mutating func forget() { told = nil }

  func hasPick(at now: Moment) -> Bool {
    guard let told else { return false }
    let age = now.monotonicNanoseconds - told
    return age >= Witnesses.leadNanoseconds && age < Witnesses.memoryNanoseconds
  }

  /// One lane alone cannot show two directions; a P must have been seen instead.
  func believe(_ verdict: GroundVerdict, at now: Moment) -> Bool {
    if verdict.doubts.isEmpty { return true }
    return verdict.doubts.contains(.alone)
      && verdict.doubts.isSubset(of: Doubts.alone.union(.straight)) && hasPick(at: now)
  }
}

extension ObservedShaking {
  /// Which of the limits is reached, all of them times a factor. An intensity counts what has
  /// lasted; of a peak the verdict says whether it has.
  func evidence(
    _ settings: AlarmSettings, isSustained: Bool = true, times factor: Double = 1
  ) -> Evidence {
    var evidence = Evidence()
    if isSustained, acceleration >= factor * settings.accelerationMetresPerSecondSquared,
      velocity >= factor * settings.velocityMetresPerSecond
    {
      evidence.insert(.motion)
    }
    // Half of the shaking is 0.6 less in JMA's intensity, which is 2 log a, and at least 0.45 in
    // the other.
    let less = -Elementary.logarithm10(factor)
    if let limit = settings.jmaIntensity, let intensity, intensity >= limit - 2 * less {
      evidence.insert(.jmaIntensity)
    }
    if let limit = settings.modifiedMercalli,
      let mercalli = Intensity.lesserMercalli(
        acceleration: sustainedAcceleration, velocity: velocity),
      mercalli >= limit - 1.5 * less
    {
      evidence.insert(.modifiedMercalli)
    }
    return evidence
  }
}
