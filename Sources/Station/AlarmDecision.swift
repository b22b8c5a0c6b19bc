// AlarmDecision: watch → alarm → clear. Small, because people act on it.
//
//   quiet ──► watch ──► alarm      on what is expected or measured, below
//     │         │         │
//     └─◄───────┴────◄────┘        when it fell, was taken back, or is over; never before the hold
//
// Measured shaking is always enough, but for that of which an operator ended the alarm. Expectation
// needs an event that two saw: a pick of the network, or one of STA/LTA that is still an event after
// two seconds.

import Board
import Core
import Estimator
import Uplink

struct AlarmDecision {
  /// Of what led up, what must be left: between the two nothing changes.
  private static let hysteresis = 0.5
  /// STA/LTA alone triggers on doors; two seconds later a door is over.
  private static let unsupportedSeconds = 2.0
  /// Of Pd, for it to be that of P: five times the noise's rms.
  private static let noiseShareMaximum = 9.0 / 25
  /// A period of which not a half has been seen is drift.
  private static let periodsUnseen = 2.0
  /// The window for which the criterion was found.
  private static let amplitudeSeconds = 3.0
  private static let watchNanoseconds = 30 * nanosecondsPerSecond
  /// Between the first message of a level and its three repeats: all within 200 ms.
  private static let repeatNanoseconds: Int64 = 60_000_000
  private static let repeats: UInt8 = 3

  let settings: AlarmSettings
  /// nil: quiet.
  private(set) var level: AlertLevel?
  private var message = AlertMessage()
  private var count: UInt32 = 0
  private var lastClear = UTC(nanoseconds: .min)
  private var nextRepeat: UTC?
  /// What had been measured when an operator ended an alarm: that raises no other, before the
  /// ground is still or shakes twice as much.
  private var released: Double?
  private static let renewal = 2.0
  private var lastMeasured = 0.0
  /// Of the event whose pick was taken back: nobody is to watch for it twice. An alarm it may still
  /// raise, if so much is expected: the network misses emergent P of large events.
  private var retractedTime: UTC?

  init(_ settings: AlarmSettings) { self.settings = settings }

  var isAlarm: Bool { level == .alarm }

  /// What is known, every tenth of a second; `estimate` where there is a new one. What is decided is to
  /// be sent.
  mutating func step(
    at now: UTC, estimate: Estimate?, observed: ObservedShaking
  ) -> AlertMessage? {
    if !observed.isAtLeast(settings, times: AlarmDecision.hysteresis) { released = nil }
    lastMeasured = observed.sustainedAcceleration
    let isKnown = released.map { lastMeasured <= AlarmDecision.renewal * $0 } ?? false
    if observed.isAtLeast(settings), level != .alarm, !isKnown {
      return enter(.alarm, .measuredShaking, at: now, estimate)
    }
    if let estimate, let reason = expectation(estimate, at: now), level != .alarm {
      return enter(.alarm, reason, at: now, estimate)
    }
    // A pick of the network may name the event for which STA/LTA had raised the watch.
    if let estimate, level != nil, message.pickID == 0, estimate.pickTime == message.pickTime {
      message.pickID = estimate.pickID
    }
    switch level {
    case nil:
      guard let estimate, estimate.pickTime != retractedTime,
        probability(estimate) >= settings.watchProbability,
        mayExpect(estimate, at: now)
      else { return nil }
      return enter(.watch, .expectedShaking, at: now, estimate)
    case .watch:
      if let estimate, estimate.pickTime == message.pickTime,
        probability(estimate) < AlarmDecision.hysteresis * settings.watchProbability
      {
        return clear(.estimateFell, at: now)
      }
      let isOver = now - message.decided >= AlarmDecision.watchNanoseconds
      return isOver ? clear(.timeIsOver, at: now) : nil
    default:
      let isHeld = now - message.decided < settings.holdNanoseconds || settings.isLatched
      let isShaking = observed.isAtLeast(settings, times: AlarmDecision.hysteresis)
      return isHeld || isShaking ? nil : clear(.timeIsOver, at: now)
    }
  }

  /// The pick that it rested on was none. An alarm is held all the same.
  mutating func retract(pickID: UInt32, at now: UTC) -> AlertMessage? {
    guard level == .watch, message.pickID == pickID, pickID != 0 else { return nil }
    retractedTime = message.pickTime
    return clear(.pickRetracted, at: now)
  }

  /// By an operator: ends whatever is on, latched or not.
  mutating func release(at now: UTC) -> AlertMessage? {
    guard level != nil else { return nil }
    if level == .alarm { released = lastMeasured }
    return clear(.command, at: now)
  }

  /// The last message again, while it is one of those that are sent again.
  mutating func repeatIfDue(at now: UTC) -> AlertMessage? {
    guard let due = nextRepeat, now >= due else { return nil }
    message.repeat += 1
    nextRepeat =
      message.repeat < AlarmDecision.repeats ? due + AlarmDecision.repeatNanoseconds : nil
    return message
  }

  // MARK: Conditions

  /// Of acceleration with velocity, or of an intensity that was asked for, whichever is likelier.
  private func probability(_ estimate: Estimate) -> Double {
    guard let acceleration = estimate.logAcceleration, let velocity = estimate.logVelocity else {
      return 0
    }
    var probability = min(
      acceleration.probability(
        atLeast: Elementary.logarithm10(settings.accelerationMetresPerSecondSquared)),
      velocity.probability(atLeast: Elementary.logarithm10(settings.velocityMetresPerSecond)))
    if let limit = settings.jmaIntensity, let expected = estimate.jmaIntensity {
      probability = max(probability, expected.probability(atLeast: limit))
    }
    if let limit = settings.modifiedMercalli, let expected = estimate.modifiedMercalli {
      probability = max(probability, expected.probability(atLeast: limit))
    }
    return probability
  }

  private func mayExpect(_ estimate: Estimate, at now: UTC) -> Bool {
    let isSeen =
      estimate.pickID != 0 || estimate.seconds >= AlarmDecision.unsupportedSeconds
    let mayBeEarthquake =
      (estimate.earthquakeProbability ?? 1) >= settings.earthquakeProbability
    return isSeen && !estimate.isFault && mayBeEarthquake
      && (lastClear.nanoseconds == .min || now - lastClear >= settings.refractoryNanoseconds)
  }

  private func expectation(_ estimate: Estimate, at now: UTC) -> AlertReason? {
    guard mayExpect(estimate, at: now) else { return nil }
    let probability = probability(estimate)
    if probability >= settings.alarmProbability { return .expectedShaking }
    // Without horizontals nothing is expected, and P alone must do.
    let mayBe = probability >= settings.watchProbability || estimate.logAcceleration == nil
    guard mayBe, !estimate.hasShear, estimate.noiseShare < AlarmDecision.noiseShareMaximum else {
      return nil
    }
    if let tauC = estimate.tauC, tauC >= settings.periodSeconds,
      tauC <= AlarmDecision.periodsUnseen * estimate.seconds,
      estimate.seconds <= AlarmDecision.amplitudeSeconds,
      estimate.peakDisplacement >= settings.displacementMetres
    {
      return .amplitudeOfP
    }
    return nil
  }

  // MARK: Changes

  private mutating func enter(
    _ level: AlertLevel, _ reason: AlertReason, at now: UTC, _ estimate: Estimate?
  ) -> AlertMessage {
    if self.level == nil {
      count += 1
      message.id = count
      (message.pickID, message.pickTime) = (0, AlertMessage.noTime)
    }
    if let estimate { (message.pickID, message.pickTime) = (estimate.pickID, estimate.pickTime) }
    return tell(level, reason, at: now)
  }

  private mutating func clear(_ reason: AlertReason, at now: UTC) -> AlertMessage {
    if level == .alarm { lastClear = now }
    defer { level = nil }
    return tell(.clear, reason, at: now)
  }

  private mutating func tell(_ level: AlertLevel, _ reason: AlertReason, at now: UTC)
    -> AlertMessage
  {
    self.level = level
    message.level = level
    message.reason = reason
    message.decided = now
    message.repeat = 0
    nextRepeat = now + AlarmDecision.repeatNanoseconds
    return message
  }
}

extension ObservedShaking {
  /// Sustained, so that one knock on the sensor is none.
  fileprivate func isAtLeast(_ settings: AlarmSettings, times factor: Double = 1) -> Bool {
    if sustainedAcceleration >= factor * settings.accelerationMetresPerSecondSquared { return true }
    // Half of the shaking is 0.6 less in JMA's intensity, which is 2 log a, and at least 0.45 in the other.
    let less = -Elementary.logarithm10(factor)
    if let limit = settings.jmaIntensity, let intensity, intensity >= limit - 2 * less {
      return true
    }
    guard let limit = settings.modifiedMercalli else { return false }
    let mercalli = Intensity.lesserMercalli(
      acceleration: sustainedAcceleration, velocity: velocity)
    return mercalli.map { $0 >= limit - 1.5 * less } ?? false
  }
}
