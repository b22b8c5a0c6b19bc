// Estimates and alerts: an estimate that is due goes upstream, and all that the estimator says of
// the ground goes to the decision. When that changes the alert, the line is driven before the alert
// goes upstream. An alert says what the line did, so it waits until that is known.

import Conditioning
import Core
import Decision
import Estimator
import Picker
import Uplink

extension Station {
  /// A drill that nobody ends, ends by itself: a station must not stay unarmed because of one.
  public static let drillNanoseconds = 30 * 60 * nanosecondsPerSecond
  /// Shaking is judged twice as often as estimates come, because each sample of delay is one less
  /// to run.
  private static let judgedSamples: Int64 = 5
  /// A stored counter is above zero.
  private static let (latched, released): (Int64, Int64) = (2, 1)
  private static let alertRank: UInt8 = 0
  private static let storeRank: UInt8 = 1

  var isDrill: Bool { drillEnd != nil }

  /// The relay's place, as long as nothing is broken: closed by an alarm that is no drill, or by a
  /// test.
  public var wantsRelay: Bool {
    !lines.inhibit.keepsRelayOpen && (relayTestEnd != nil || (decision.isAlarm && !isDrill))
  }

  public var hasAlert: Bool { decision.hasAlert }
  /// Also one that stands while the digitizer is lost.
  public var isInAlarm: Bool { decision.isAlarm }
  public var isLatched: Bool { settings.alarm.isLatched }
  /// A decision waits for the site's other stations.
  public var isCalling: Bool { decision.isCalled }

  /// Says where the lines are to stand, when that has changed or the relay does not obey.
  mutating func drive(isRetry: Bool = false) {
    let wanted = (relay: wantsRelay, watchLamp: hasAlert)
    let disobeys = isRetry && lines.relay == .faulty && wanted.relay != lines.isActuated
    guard wanted != driven || disobeys else { return }
    driven = wanted
    actions.put(
      .drive(relay: wanted.relay, watchLamp: wanted.watchLamp), rank: Station.alertRank)
  }

  mutating func endDrill() {
    drillEnd = nil
    changedParameters &= ~CommandParameter.drill.bit
  }

  // MARK: What the site teaches

  /// A stored counter is a whole number above zero, so that the site term is kept in
  /// ten-thousandths, plus this.
  static let noSiteTerm: Int64 = 10_000
  static func stored(_ term: SiteTerm) -> Int64 {
    noSiteTerm + Int64(Elementary.nearestInteger(term.value * 10_000))
  }
  public static func siteTerm(stored: Int64) -> SiteTerm {
    SiteTerm(stored == 0 ? 0 : Double(stored - noSiteTerm) / 10_000)
  }

  mutating func storeSiteTerm() {
    guard let estimator else { return }
    let term = Station.stored(estimator.pointee.siteTerm)
    guard term != storedSiteTerm else { return }
    storedSiteTerm = term
    actions.put(.store(.siteTerm, term), rank: Station.storeRank)
  }

  // MARK: The ground

  /// One more sample has gone through the picker; what it found has been taken.
  mutating func estimate(_ sample: Sample) {
    guard let estimator else { return }
    let estimate = estimator.pointee.next()
    guard estimate != nil || sample.number % Station.judgedSamples == 0 else { return }
    if let estimate, estimate.isDue { send(estimate) }
    let observed = estimator.pointee.observed()
    let verdict =
      decision.needsVerdict(estimate, observed)
      ? estimator.pointee.judge(limit: decision.judgedLimit) : nil
    if let alert = decision.step(
      at: moment, estimate: estimate, observed: observed, verdict: verdict)
    {
      tell(alert)
    }
  }

  mutating func note(_ pick: Pick) {
    switch (pick.phase, pick.status) {
    case (.p, .provisional), (.p, .confirmed):
      estimator?.pointee.begin(id: pick.id, at: pick.time)
      decision.notePick(at: moment)
      notePeaks(of: pick.id)
    case (.s, .confirmed): estimator?.pointee.noteShear(at: pick.time)
    case (.p, .retracted):
      if eventPick == pick.id { eventEnd = nil }
      estimator?.pointee.forget(pickID: pick.id)
      if let alert = decision.retract(pickID: pick.id, at: moment) { tell(alert) }
    default: break
    }
  }

  // MARK: Alerts

  mutating func repeatAlert() {
    while let alert = decision.repeatIfDue(at: moment) { send(alert) }
  }

  /// A change of level: the line first, and what it did in the message.
  mutating func tell(_ alert: Alert) {
    if settings.alarm.isLatched && alert.level != .watch && alert.reason != .restored {
      actions.put(
        .store(.latch, alert.level == .alarm ? Station.latched : Station.released),
        rank: Station.storeRank)
    }
    let before = driven
    drive()
    castVotes()
    guard lines.relay != .none, before != driven else {
      send(alert)
      return
    }
    // An outcome that never came must not swallow an alert.
    if untold.isFull, let old = untold.take() { send(old) }
    untold.put(alert)
  }

  var relayState: RelayState {
    switch lines.relay {
    case .fitted: lines.isActuated ? .actuated : .atRest
    case .none: .none
    case .faulty: .faulty
    }
  }

  mutating func send(_ alert: Alert) {
    var message = AlertMessage()
    message.id = alert.id
    message.pickID = alert.pickID
    message.pickTime = alert.pickTime ?? AlertMessage.noTime
    message.decided = alert.decided
    message.level = AlertLevel(rawValue: alert.level.rawValue) ?? .clear
    message.reason = AlertReason(rawValue: alert.reason.rawValue) ?? .instrumentFault
    message.evidence = alert.evidence.rawValue
    message.votes = alert.votes
    message.repeat = alert.repeat
    message.isDrill = isDrill
    message.relay = relayState
    // Its repeats say the same; what is kept is the first of each level.
    send(.alert, isKept: alert.repeat == 0) { message.write(to: &$0) }
  }

  private var isCalibrationExpired: Bool {
    host.calibrationDays != Wire.unknownDays && host.calibrationDays < 0
  }

  private mutating func send(_ estimate: Estimate) {
    var message = EstimateMessage()
    func scaled(_ value: Double, by factor: Double) -> Int {
      Elementary.nearestInteger(min(max(value * factor, -1e9), 1e9))
    }
    func sigma(_ value: Double, by factor: Double) -> UInt16 {
      UInt16(min(max(scaled(value, by: factor), 0), 65_534))
    }
    message.pickID = estimate.pickID
    message.afterPMilliseconds = UInt16(scaled(estimate.seconds, by: 1000))
    message.eventClass = estimate.eventClass?.rawValue ?? 0
    message.classProbability = Station.wire(probability: estimate.classProbability)
    message.isClipped = estimate.isClipped
    message.hasShear = estimate.hasShear
    message.isCalibrationExpired = isCalibrationExpired
    message.isMagnitudeLowerBound = estimate.isSaturated
    message.pickTime = estimate.pickTime
    message.magnitudeHundredths = Int16(clamping: scaled(estimate.magnitude.value, by: 100))
    message.magnitudeSigmaHundredths = sigma(estimate.magnitude.sigma, by: 100)
    message.distanceMetres = UInt32(
      scaled(Elementary.powerOfTen(min(estimate.logKilometres.value, 5)), by: 1000))
    message.distanceSigma = sigma(estimate.logKilometres.sigma, by: 1000)
    if let azimuth = estimate.backAzimuth {
      message.backAzimuthCentidegrees = UInt16(scaled(azimuth.degrees, by: 100) % 36_000)
      message.backAzimuthSigmaCentidegrees = sigma(azimuth.sigmaDegrees, by: 100)
    }
    message.tauC = WireFloat(estimate.tauC)
    message.peakDisplacement = WireFloat(estimate.peakDisplacement)
    message.peakAcceleration = WireFloat(estimate.peakAcceleration)
    message.peakVelocity = WireFloat(estimate.peakVelocity)
    if let expected = estimate.logAcceleration {
      message.expectedAcceleration = WireFloat(Elementary.powerOfTen(expected.value))
      message.accelerationSigma = sigma(expected.sigma, by: 1000)
    }
    if let expected = estimate.logVelocity {
      message.expectedVelocity = WireFloat(Elementary.powerOfTen(expected.value))
      message.velocitySigma = sigma(expected.sigma, by: 1000)
    }
    if let mercalli = estimate.modifiedMercalli {
      message.modifiedMercalliHundredths = sigma(mercalli.value, by: 100)
    }
    if let intensity = estimate.jmaIntensity {
      message.jmaIntensityHundredths = Int16(clamping: scaled(intensity.value, by: 100))
    }
    message.observedAcceleration = WireFloat(estimate.observed.acceleration)
    message.observedVelocity = WireFloat(estimate.observed.velocity)
    if let intensity = estimate.observed.intensity {
      message.observedIntensityHundredths = Int16(clamping: scaled(intensity, by: 100))
    }
    // Those of what STA/LTA alone saw have no number to replace one another by.
    send(.estimate, isKept: true, about: estimate.pickID) { message.write(to: &$0) }
  }
}
