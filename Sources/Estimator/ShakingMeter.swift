// ShakingMeter: how strong it is now. Two blocks of three seconds take turns, so that what has
// shaken counts for three to six seconds.

import Conditioning
import Core

/// Peaks and intensity of a while.
struct Shaking {
  private(set) var acceleration = 0.0
  private(set) var velocity = 0.0
  private(set) var level = LevelOfIntensity()
  /// Acceleration must have lasted for a tenth of a second: a knock has not.
  private var sustained = ExceededLevel<10>()

  @inline(__always)
  mutating func add(_ past: borrowing MotionHistory.Past) {
    let (a, v) = (past.motion.acceleration, past.motion.velocity)
    let largest = max(a[0].magnitude, larger(a))
    acceleration = max(acceleration, largest)
    velocity = max(velocity, max(v[0].magnitude, larger(v)))
    sustained.add(largest)
    level.add(past.weighted)
  }

  var sustainedAcceleration: Double { sustained.value }
}

struct ShakingMeter {
  private static let blockSamples = 300
  private var newer = Shaking()
  private var older = Shaking()

  /// `end`: how many samples there are with this one.
  mutating func add(_ past: borrowing MotionHistory.Past, end: Int) {
    if end % ShakingMeter.blockSamples == 0 {
      older = newer
      newer = Shaking()
    }
    newer.add(past)
  }

  /// In the last three to six seconds. An intensity needs both horizontals.
  func observed(hasHorizontals: Bool) -> ObservedShaking {
    var observed = ObservedShaking()
    observed.acceleration = max(newer.acceleration, older.acceleration)
    observed.velocity = max(newer.velocity, older.velocity)
    observed.sustainedAcceleration = max(newer.sustainedAcceleration, older.sustainedAcceleration)
    if hasHorizontals {
      observed.intensity = Intensity.jma(level: max(newer.level.value, older.level.value))
    }
    return observed
  }
}
