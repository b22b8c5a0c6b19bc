// What a decision is told: moments, estimates, shaking, and what a witness says of it.

import Core
import Estimator

/// Both clocks began long before, and not together.
func at(_ seconds: Double) -> Moment {
  let nanoseconds = Int64(seconds * 1e9)
  return Moment(
    monotonicNanoseconds: 1_000_000_000_000 + nanoseconds, utc: start + nanoseconds)
}

let start = UTC(CalendarDate(year: 2026, month: 6, day: 1))

/// Expected acceleration in m/s² and a tenth of it as velocity, with σ 0.2, three seconds after P.
func estimate(
  _ acceleration: Double, pickID: UInt32 = 9, seconds: Double = 3, tauC: Double = 0.3,
  displacement: Double = 1e-4
) -> Estimate {
  var estimate = Estimate()
  estimate.pickID = pickID
  estimate.pickTime = start
  estimate.seconds = seconds
  estimate.tauC = tauC
  estimate.peakDisplacement = displacement
  estimate.logAcceleration = Uncertain(Elementary.logarithm10(acceleration), sigma: 0.2)
  estimate.logVelocity = Uncertain(Elementary.logarithm10(acceleration / 10), sigma: 0.2)
  return estimate
}

/// With a tenth of it as velocity.
func shaking(_ acceleration: Double) -> ObservedShaking {
  var observed = ObservedShaking()
  observed.acceleration = acceleration
  observed.sustainedAcceleration = acceleration
  observed.velocity = acceleration / 10
  return observed
}

let still = ObservedShaking()

/// Two components, for half a second and in three swings, and no doubt.
func groundsVerdict() -> GroundVerdict {
  var verdict = GroundVerdict()
  (verdict.exceedingSamples, verdict.spanSamples, verdict.swings) = (30, 50, 3)
  (verdict.activeSamples, verdict.peak) = (100, 5)
  verdict.movedLanes = 2
  return verdict
}
