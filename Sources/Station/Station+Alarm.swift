// Estimates and alerts: what the estimator says of the ground goes to the decision every tenth of a
// second, and both go upstream.

import Conditioning
import Core
import Estimator
import Picker
import Uplink

extension Station {
  /// The relay's place, as long as nothing is broken: closed by an alarm that is no drill, or by a test.
  public var wantsRelay: Bool {
    let isTested = relayTestEnd.map { now < $0 } ?? false
    return !host.isInhibited && (isTested || (decision.isAlarm && !isDrill))
  }

  /// As a file of whole numbers above zero has it: ten-thousandths, and so many more.
  static let noSiteTerm = 10_000
  var storedSiteTerm: Int {
    get {
      let value = estimator?.pointee.siteTerm.value ?? 0
      return Station.noSiteTerm + Elementary.nearestInteger(value * 10_000)
    }
    nonmutating set {
      estimator?.pointee.siteTerm = SiteTerm(Double(newValue - Station.noSiteTerm) / 10_000)
    }
  }

  public var hasAlert: Bool { decision.level != nil }

  /// One more sample has gone through the picker; its picks are told by `note`.
  mutating func estimate(_ sample: Sample) {
    guard let estimator else { return }
    if let onset = picker.untoldOnset { estimator.pointee.begin(id: 0, at: onset) }
    let estimate = estimator.pointee.next()
    guard estimate != nil || sample.number % Int64(Estimator.stepSamples) == 0 else { return }
    if let estimate, estimate.isDue { send(estimate) }
    let alert = decision.step(
      at: now, estimate: estimate, observed: estimator.pointee.observed)
    if let alert { send(alert) }
  }

  mutating func note(_ pick: Pick) {
    switch (pick.phase, pick.status) {
    case (.p, .provisional), (.p, .confirmed): estimator?.pointee.begin(id: pick.id, at: pick.time)
    case (.s, .confirmed): estimator?.pointee.noteShear(at: pick.time)
    case (.p, .retracted):
      estimator?.pointee.forget(pickID: pick.id)
      if let alert = decision.retract(pickID: pick.id, at: now) { send(alert) }
    default: break
    }
  }

  mutating func repeatAlert() {
    while let alert = decision.repeatIfDue(at: now) { send(alert) }
  }

  mutating func send(_ alert: AlertMessage) {
    var alert = alert
    alert.isDrill = isDrill
    alert.relay =
      switch host.relay {
      case .fitted: wantsRelay ? .actuated : .atRest
      case .none: .none
      case .faulty: .faulty
      }
    send(.alert) { alert.write(to: &$0) }
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
    send(.estimate) { message.write(to: &$0) }
  }
}
