// AlarmDecision: watch → alarm → clear. Small, because people act on it.
//
// An alarm must come before the shaking, and not for a door. One threshold on one number is the
// obvious rule. An expectation can be wrong, a measurement can be a loose plug, a number near its
// threshold would switch the relay on and off, and while an alarm stands the frames may stop
// coming.
//
// So there are several kinds of input, and what each does to each state is AlarmTable's; here is
// when an input is one. Measured shaking needs evidence that it is the ground's (GroundWitness).
// After an operator has ended an alarm, measured shaking must exceed twice what it was then, until
// the ground has been still. An expectation needs a pick that was told, or an onset of STA/LTA
// alone that is still an event after two seconds. Where other stations are waited for, what was
// decided here calls, and counts as long as evidence for it was here lately; theirs alone does
// nothing. The decision is stepped by what is known of the
// ground, and by the passing of time where no frames come. Everything that lasts, lasts on the
// monotonic clock.
//
//     let alert = decision.step(at: now, estimate: estimate, observed: observed, verdict: verdict)
//     if let alert = decision.pass(now, isDelivering: false) { tell(alert) }
//     if let alert = decision.release(at: now) { tell(alert) }

import Core
import Estimator

public struct AlarmDecision: Sendable {
  /// What must be left of what led up to a level; between the two nothing changes.
  public static let hysteresis = 0.5
  /// STA/LTA alone triggers on doors; two seconds later a door is over.
  private static let unsupportedSeconds = 2.0
  /// Pd must be five times the noise's rms, or it is the noise's.
  private static let noiseShareMaximum = 9.0 / 25
  /// A period is drift unless half of it has been seen.
  private static let periodsUnseen = 2.0
  /// The window for which the criterion of amplitude and period was found.
  private static let amplitudeSeconds = 3.0
  private static let watchNanoseconds = 30 * nanosecondsPerSecond
  /// The first message of a level and its three repeats leave within 200 ms.
  private static let repeatNanoseconds: Int64 = 60_000_000
  private static let repeats: UInt8 = 3
  /// An alarm that an operator has ended comes back when the ground shakes twice as much.
  private static let renewal = 2.0

  let settings: AlarmSettings
  public private(set) var state = AlarmState.quiet
  private var alert = Alert()
  private var count: UInt32 = 0
  private var quorum: Quorum
  /// When it was last decided here, by evidence of this station's own.
  private var lastEvidence: Int64?
  /// Since when others are waited for.
  private var called: Int64 = 0
  private var entered = Moment(monotonicNanoseconds: 0, utc: UTC(nanoseconds: 0))
  private var lastClear: Int64?
  private var nextRepeat: Int64?
  /// What had been measured when an operator ended an alarm, until the ground is still.
  private var released: Double?
  private var lastMeasured = 0.0
  /// The ground shakes at half of the limits at least.
  private var isShaking = false
  /// Nobody is to watch twice for an event whose pick was taken back. An alarm it may still raise,
  /// if so much is expected: the network misses emergent P of large events.
  private var retractedTime: UTC?
  private var witnesses = Witnesses()
  /// The largest motion of that pick's event that was the ground's beyond doubt, m/s².
  private var believed = (pickTime: UTC(nanoseconds: .min), peak: 0.0)
  /// An estimate rests on its window's largest motion, whoever's that was.
  private static let unbelievedFactor = 1.5

  public init(_ settings: AlarmSettings, _ quorum: QuorumSettings = QuorumSettings()) {
    self.settings = settings
    self.quorum = Quorum(quorum)
  }

  public var isAlarm: Bool { state == .alarm || state == .blind }
  public var hasAlert: Bool { state != .quiet }
  public var isBlind: Bool { state == .blind }
  public var isCalled: Bool { state == .called }
  /// The alert that stands, as it was last told.
  public var standing: Alert? { hasAlert ? alert : nil }
  /// Whether it matters if what moves is the ground: it moves by a limit, or is expected to.
  public func needsVerdict(_ estimate: Estimate?, _ observed: ObservedShaking) -> Bool {
    observed.acceleration >= judgedLimit
      || !observed.evidence(settings, times: judgedShare).isEmpty
      || estimate.map { probability($0) >= settings.watchProbability } ?? false
  }

  /// What the ground must exceed for `judge` to count it.
  public var judgedLimit: Double { judgedShare * settings.accelerationMetresPerSecondSquared }

  private var judgedShare: Double {
    isAlarm || released != nil ? AlarmDecision.hysteresis : 1
  }

  // MARK: The other stations

  public var neededCount: Int { quorum.settings.needed }

  /// This station's own vote: when it last had evidence of its own, while what it has decided stands.
  public var evidenceTime: Int64? { isAlarm || isCalled ? lastEvidence : nil }

  /// Whether that still counts.
  public func votes(at now: Moment) -> Bool { quorum.counts(evidenceTime, at: now) }

  /// How many of the others have evidence that counts.
  public func voteCount(at now: Moment) -> Int { quorum.votes(at: now).nonzeroBitCount }

  /// How many of the others are heard that could decide.
  public func readyCount(at now: Moment) -> Int {
    quorum.readyCount(at: now, since: isCalled ? called : nil)
  }

  /// No alarm can come, because too few are heard and the station file says to wait.
  public func isStranded(at now: Moment) -> Bool {
    !quorum.settings.isAloneWhenSilent && readyCount(at: now) + 1 < neededCount
  }

  /// A peer has told something that is signed and fresh, as Quorum.note has it.
  public mutating func hear(
    _ peer: Int, at now: Moment, evidence: Int64?, isReady: Bool
  ) -> Alert? {
    quorum.note(peer, at: now, evidence: evidence, isReady: isReady)
    return countVotes(at: now)
  }

  /// Only what has been decided here can be agreed to, and only as long as it was here lately.
  private mutating func countVotes(at now: Moment) -> Alert? {
    guard isCalled else { return nil }
    guard quorum.counts(lastEvidence, at: now) else { return take(.outvoted, at: now) }
    return quorum.isReached(at: now, since: called) ? take(.agreed, at: now) : nil
  }

  // MARK: Inputs

  /// A pick of either picker, or what STA/LTA alone saw.
  public mutating func notePick(at now: Moment) { witnesses.note(now) }

  /// What is known of the ground. `estimate` where there is a new one; `verdict` where
  /// `needsVerdict` asks for one.
  public mutating func step(
    at now: Moment, estimate: Estimate?, observed: ObservedShaking, verdict: GroundVerdict?
  ) -> Alert? {
    let half = AlarmDecision.hysteresis
    isShaking = evidence(observed, verdict, at: now, times: half) != nil
    if !isShaking { released = nil }
    lastMeasured = observed.sustainedAcceleration
    let isKnown = released.map { lastMeasured <= AlarmDecision.renewal * $0 } ?? false
    if !isKnown, let evidence = evidence(observed, verdict, at: now) {
      if let told = take(.measured, at: now, estimate, evidence) { return told }
    }
    if let estimate {
      if let told = take(estimate, verdict, at: now) { return told }
    }
    return pass(now)
  }

  /// Time passes. `isDelivering`: the digitizer does.
  public mutating func pass(_ now: Moment, isDelivering: Bool = true) -> Alert? {
    if let told = countVotes(at: now) { return told }
    if let told = take(isDelivering ? .found : .lost, at: now) { return told }
    let age = now.since(entered)
    if age >= AlarmDecision.watchNanoseconds, let told = take(.watchIsOver, at: now) { return told }
    guard age >= settings.holdNanoseconds, !settings.isLatched else { return nil }
    if !isDelivering { isShaking = false }
    return take(isShaking || !isDelivering ? .holdIsOver : .stilled, at: now)
  }

  /// The pick that it rested on was none. An alarm is held all the same.
  public mutating func retract(pickID: UInt32, at now: Moment) -> Alert? {
    witnesses.forget()
    guard alert.pickID == pickID, pickID != 0 else { return nil }
    if state == .watch { retractedTime = alert.pickTime }
    return take(.retracted, at: now)
  }

  /// An operator ends whatever is on, latched or not.
  public mutating func release(at now: Moment) -> Alert? {
    if isAlarm || isCalled { released = lastMeasured }
    return take(.released, at: now)
  }

  /// A latched alarm stood when the station stopped: it stands again.
  public mutating func restore(at now: Moment) -> Alert {
    count += 1
    alert = Alert()
    alert.id = count
    state = .alarm
    entered = now
    return tell(.alarm, .restored, at: now)
  }

  /// The last message again, while it is one of those that are sent again.
  public mutating func repeatIfDue(at now: Moment) -> Alert? {
    guard let due = nextRepeat, now.monotonicNanoseconds >= due else { return nil }
    alert.repeat += 1
    nextRepeat =
      alert.repeat < AlarmDecision.repeats ? due + AlarmDecision.repeatNanoseconds : nil
    return alert
  }

  // MARK: What is expected

  private mutating func take(
    _ estimate: Estimate, _ verdict: GroundVerdict?, at now: Moment
  ) -> Alert? {
    let isGround = isGround(estimate, verdict)
    if let input = expectation(estimate, isGround, at: now),
      let told = take(input, at: now, estimate)
    {
      return told
    }
    // A pick of the network may name the event for which STA/LTA had raised the watch.
    if hasAlert, alert.pickID == 0, estimate.pickTime == alert.pickTime {
      alert.pickID = estimate.pickID
    }
    let probability = probability(estimate)
    if estimate.pickTime == alert.pickTime,
      probability < AlarmDecision.hysteresis * settings.watchProbability,
      let told = take(.fell, at: now)
    {
      return told
    }
    guard estimate.pickTime != retractedTime, probability >= settings.watchProbability,
      mayExpect(estimate, isGround, at: now)
    else { return nil }
    return take(.promising, at: now, estimate)
  }

  /// Neither what moves now nor what the estimate rests on is to be doubted. Without a verdict
  /// nothing moves.
  private mutating func isGround(_ estimate: Estimate, _ verdict: GroundVerdict?) -> Bool {
    guard let verdict else { return true }
    if believed.pickTime != estimate.pickTime { believed = (estimate.pickTime, 0) }
    // A sharp P of a large event nearby is as sudden as a gain that jumps, but an estimate tells
    // the one from the other.
    guard verdict.doubts.isSubset(of: .sudden) else { return false }
    believed.peak = max(believed.peak, verdict.peak)
    return estimate.observed.acceleration <= AlarmDecision.unbelievedFactor * believed.peak
  }

  /// How probable it is that acceleration with velocity, or an intensity that was asked for,
  /// reaches its limit: whichever is likelier.
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

  private func mayExpect(_ estimate: Estimate, _ isGround: Bool, at now: Moment) -> Bool {
    let isSeen =
      estimate.pickID != 0 || estimate.seconds >= AlarmDecision.unsupportedSeconds
    let mayBeEarthquake =
      (estimate.earthquakeProbability ?? 1) >= settings.earthquakeProbability
    let isRested =
      lastClear.map { now.monotonicNanoseconds - $0 >= settings.refractoryNanoseconds } ?? true
    return isSeen && !estimate.isFault && isGround && mayBeEarthquake && isRested
  }

  private func expectation(
    _ estimate: Estimate, _ isGround: Bool, at now: Moment
  ) -> AlarmInput? {
    guard mayExpect(estimate, isGround, at: now) else { return nil }
    let probability = probability(estimate)
    if probability >= settings.alarmProbability { return .expected }
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
      return .amplitude
    }
    return nil
  }

  // MARK: What is measured

  private func evidence(
    _ observed: ObservedShaking, _ verdict: GroundVerdict?, at now: Moment, times factor: Double = 1
  ) -> Evidence? {
    guard let verdict, witnesses.believe(verdict, at: now) else { return nil }
    var evidence = observed.evidence(
      settings, isSustained: verdict.isSustained, times: factor)
    guard !evidence.isEmpty else { return nil }
    if verdict.movedLanes >= 2 { evidence.insert(.components) }
    if witnesses.hasPick(at: now) { evidence.insert(.pick) }
    if verdict.isConfirmed { evidence.insert(.secondSensor) }
    return evidence.isDisjoint(with: Evidence.components.union(.pick)) ? nil : evidence
  }

  // MARK: Changes

  private mutating func take(
    _ input: AlarmInput, at now: Moment, _ estimate: Estimate? = nil,
    _ evidence: Evidence = Evidence()
  ) -> Alert? {
    var transition = AlarmTable.transition(state, input)
    let was = state
    state = transition.next
    if input.isDecision { lastEvidence = now.monotonicNanoseconds }
    if isCalled && was != .called {
      called = now.monotonicNanoseconds
      // Those who are waited for may have decided already, or there is nobody to wait for.
      if quorum.isReached(at: now, since: called) {
        let agreed = AlarmTable.transition(.called, .agreed)
        (state, transition.told) = (agreed.next, agreed.told)
      }
    }
    guard let level = transition.told else { return nil }
    if was == .quiet {
      count += 1
      alert = Alert()
      alert.id = count
    }
    if level == .clear {
      // Whoever ends a call does not want the next estimate to call again.
      if was == .alarm || was == .blind || (was == .called && input == .released) {
        lastClear = now.monotonicNanoseconds
      }
    } else {
      entered = now
      if let estimate {
        (alert.pickID, alert.pickTime) = (estimate.pickID, estimate.pickTime)
      }
    }
    alert.votes = 0
    if quorum.isAsked, input.isDecision || was == .called {
      alert.votes = quorum.votes(at: now) | (quorum.counts(evidenceTime, at: now) ? Quorum.own : 0)
    }
    // What was called for is alarmed about on the same evidence.
    if input != .agreed { alert.evidence = evidence }
    return tell(level, transition.reason ?? alert.reason, at: now)
  }

  private mutating func tell(_ level: Alert.Level, _ reason: Alert.Reason, at now: Moment) -> Alert
  {
    alert.level = level
    alert.reason = reason
    alert.decided = now.utc
    alert.repeat = 0
    nextRepeat = now.monotonicNanoseconds + AlarmDecision.repeatNanoseconds
    return alert
  }
}
