// [alarm] of a station file: from when on an alarm is raised, and how long it stands.

import Core
import Settings

/// When the relay closes. Defaults: 0.05 g, from which on things fall from shelves (MMI V to VI).
public struct AlarmSettings: Equatable, Sendable {
  public static let accelerations = 0.001...20.0
  public var accelerationMetresPerSecondSquared = 0.49
  /// Both limits must be reached: shaking that is all acceleration hurts nobody (MMI V by Worden et
  /// al. 2012).
  public var velocityMetresPerSecond = 0.02
  /// A watch is raised from this probability on that the peaks here will reach both limits.
  public var watchProbability = 0.2
  /// An alarm is raised from this one on: the table in Tests/README.md has precision, recall and
  /// lead for each choice. Below it more alarms are wrong than that warn, above it the ground is
  /// first.
  public var alarmProbability = 0.7
  /// An intensity is enough where one is given: JMA's, or the modified Mercalli one.
  public var jmaIntensity: Double?
  public var modifiedMercalli: Double?
  /// An expectation counts from this probability of an earthquake on, where a network says how
  /// likely that is; what is measured needs no class.
  public var earthquakeProbability = 0.3
  /// Pd (Wu and Kanamori 2005, doi:10.1785/0120040193) and τc (Zollo et al. 2010,
  /// doi:10.1785/0120090184) of a damaging event.
  public var displacementMetres = 0.005
  public var periodSeconds = 0.6
  /// How long an alarm stands at least; and after it, how long expectation alone raises none.
  public var holdSeconds = 30
  public var refractorySeconds = 10
  /// An alarm stands until a command ends it.
  public var isLatched = false
  public init() {}

  public var holdNanoseconds: Int64 { Int64(holdSeconds) * nanosecondsPerSecond }
  public var refractoryNanoseconds: Int64 { Int64(refractorySeconds) * nanosecondsPerSecond }
}

extension AlarmSettings {
  public init(_ file: inout ConfigurationFile) {
    accelerationMetresPerSecondSquared = file.decimal(
      "alarm", "acceleration_metres_per_second_squared", in: Self.accelerations,
      default: accelerationMetresPerSecondSquared)
    velocityMetresPerSecond = file.decimal(
      "alarm", "velocity_metres_per_second", in: 1e-4...2, default: velocityMetresPerSecond)
    alarmProbability = AlarmSettings.probability(
      &file, "alarm_probability", "false_alarm_cost", default: alarmProbability)
    watchProbability = AlarmSettings.probability(
      &file, "watch_probability", "false_watch_cost", default: watchProbability)
    file.demand(
      watchProbability <= alarmProbability, "alarm",
      file.stated("alarm", "watch_probability", or: "alarm_probability"),
      "must leave the watch's probability or cost at or below the alarm's")
    if file.has("alarm", "jma_intensity") {
      jmaIntensity = file.decimal("alarm", "jma_intensity", in: 0...7)
    }
    if file.has("alarm", "modified_mercalli") {
      modifiedMercalli = file.decimal("alarm", "modified_mercalli", in: 2...10)
    }
    earthquakeProbability = file.decimal(
      "alarm", "earthquake_probability", in: 0...0.99, default: earthquakeProbability)
    displacementMetres = file.decimal(
      "alarm", "displacement_metres", in: 1e-5...1, default: displacementMetres)
    periodSeconds = file.decimal(
      "alarm", "period_seconds", in: 0.1...10, default: periodSeconds)
    holdSeconds = file.integer("alarm", "hold_seconds", in: 1...3600, default: holdSeconds)
    refractorySeconds = file.integer(
      "alarm", "refractory_seconds", in: 0...3600, default: refractorySeconds)
    isLatched = file.flag("alarm", "latch")
  }

  /// As such, or from what is at stake: to act on what is expected with probability p is right where p
  /// of what a missed one costs is more than 1 − p of what a false one does. A cost is how many
  /// missed ones a false one is worth.
  private static func probability(
    _ file: inout ConfigurationFile, _ key: StaticString, _ costKey: StaticString,
    default fallback: Double
  ) -> Double {
    let isCost = file.has("alarm", costKey)
    file.demand(
      !isCost || !file.has("alarm", key), "alarm", costKey,
      "and the probability say the same: drop one of them")
    var stated = fallback
    if !isCost || file.wantsAllKeys {
      stated = file.decimal("alarm", key, in: 0.01...0.999, default: fallback)
    }
    guard isCost || file.wantsAllKeys else { return stated }
    let cost = file.decimal("alarm", costKey, in: 0.02...500, default: fallback / (1 - fallback))
    return isCost ? cost / (1 + cost) : stated
  }
}
