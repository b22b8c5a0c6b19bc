// What the window that is open says of the source, of the shaking to come, and whether it is worth
// telling.

import Core

extension Estimator {
  mutating func evaluate() {
    guard window.peakDisplacement > 0, window.largestAcceleration > 0 else { return }
    let logSeconds = Elementary.logarithm10(window.seconds)
    estimate.seconds = window.seconds
    (estimate.peakAcceleration, estimate.peakVelocity) = (
      window.peakAcceleration, window.peakVelocity
    )
    estimate.peakDisplacement = window.peakDisplacement
    // Noise alone has peaks of three times its rms.
    estimate.noiseShare =
      9 * history.noiseSquared / (window.peakDisplacement * window.peakDisplacement)
    estimate.tauC = window.tauC
    estimate.backAzimuth = hasHorizontals ? window.polarisation : nil
    estimate.observed.acceleration = shaking.acceleration
    estimate.observed.velocity = shaking.velocity
    estimate.observed.sustainedAcceleration = shaking.sustainedAcceleration
    estimate.observed.intensity =
      hasHorizontals ? Intensity.jma(level: shaking.level.value) : nil
    let answer = network?.pointee.answer(codes)
    classify(answer)
    evaluateSource(answer)
    evaluateShaking(logSeconds, answer)
    decideWhetherDue()
    isNew = true
  }

  /// What no ground does is known without a network.
  private mutating func classify(_ answer: EstimatorNetwork.Answer?) {
    estimate.isFault = window.isStep
    estimate.eventClass = window.isStep ? .instrumentFault : answer?.likeliest
    estimate.earthquakeProbability = window.isStep ? 0 : answer?.earthquakeProbability
    let isOwn = !window.isStep || answer?.likeliest == .instrumentFault
    estimate.classProbability = isOwn ? answer?.likeliestProbability : nil
  }

  private mutating func evaluateSource(_ answer: EstimatorNetwork.Answer?) {
    var source = SourceEstimate(relations)
    let attenuation = relations.attenuation
    let pd = window.peakDisplacement
    source.observe(
      SIMD2(attenuation.magnitude, attenuation.distance),
      Elementary.logarithm10(pd) - attenuation.intercept,
      sigma: attenuation.sigma * (1 + 3 * min(estimate.noiseShare, 1)))
    if let tauC = window.tauC {
      // What noise would have had of ∫d²: where it is much, τc is that of the noise.
      let noise = history.noiseSquared * window.seconds / window.integralOfDisplacementSquared
      source.observe(
        SIMD2(1, 0), relations.magnitudeOfPeriod.value(Elementary.logarithm10(tauC)),
        sigma: relations.magnitudeOfPeriod.sigma * (1 + 10 * min(noise, 1)))
    }
    if let growth = window.growthRate {
      source.observe(
        SIMD2(0, 1), relations.distanceOfGrowth.value(Elementary.logarithm10(growth)),
        sigma: relations.distanceOfGrowth.sigma)
    }
    let (p, s) = relations.speeds
    let kilometresPerSecond = p * s / (p - s)
    if let shearSeconds {
      // Two picks of a tenth of a second, and a crust that is 5 % different.
      source.observe(
        SIMD2(0, 1), Elementary.logarithm10(kilometresPerSecond * shearSeconds),
        sigma: 0.03 + 0.06 / shearSeconds)
    }
    estimate.magnitude = source.magnitude
    estimate.logKilometres = source.logKilometres
    if let answer {
      estimate.magnitude = .joined(
        source.magnitude, answer.magnitude, beside: relations.network.magnitude)
      // What S − P tells is no matter of experience.
      if shearSeconds == nil {
        estimate.logKilometres = .joined(
          source.logKilometres, answer.logKilometres, beside: relations.network.distance)
      }
    }
    // The opinion that has S earlier counts: what is taken for P must not be S.
    let nearest = min(estimate.logKilometres.value, source.logKilometres.value)
    let shearAfter = Elementary.powerOfTen(nearest) / kilometresPerSecond
    estimate.hasShear = shearSeconds != nil || window.seconds > shearAfter
    // Brune (1970) with 10 MPa, as SyntheticEarthquake has it: 1/fc = 10^(M/2 − 2.534) s.
    let resolved = 2 * (Elementary.logarithm10(2 * window.seconds) + 2.534)
    estimate.isSaturated = estimate.magnitude.value > resolved
  }

  private mutating func evaluateShaking(
    _ logSeconds: Double, _ answer: EstimatorNetwork.Answer?
  ) {
    guard hasHorizontals else { return }
    let largestAcceleration = Elementary.logarithm10(window.largestAcceleration)
    let largestVelocity = Elementary.logarithm10(max(window.largestVelocity, 1e-12))
    let displacement = Elementary.logarithm10(window.peakDisplacement)
    var ofAcceleration = Uncertain(
      relations.acceleration.value(time: logSeconds, largestAcceleration, largestVelocity),
      sigma: relations.acceleration.sigma(time: logSeconds))
    var ofVelocity = Uncertain.joined(
      Uncertain(
        relations.velocity.value(time: logSeconds, largestVelocity, displacement),
        sigma: relations.velocity.sigma(time: logSeconds)),
      Uncertain(
        relations.velocityOfDisplacement.value(displacement),
        sigma: relations.velocityOfDisplacement.sigma),
      correlation: relations.correlation)
    if let answer {
      ofAcceleration = .joined(
        ofAcceleration, answer.logAccelerationGrowth.added(to: largestAcceleration),
        beside: relations.network.acceleration)
      ofVelocity = .joined(
        ofVelocity, answer.logVelocityGrowth.added(to: largestVelocity),
        beside: relations.network.velocity)
    }
    let site = siteTerm.value
    // What has been is the least that will have been.
    estimate.logAcceleration = Uncertain(
      max(ofAcceleration.value + site, largestAcceleration), sigma: ofAcceleration.sigma)
    let logVelocity = max(ofVelocity.value + site, largestVelocity)
    estimate.logVelocity = Uncertain(logVelocity, sigma: ofVelocity.sigma)
    let ofIntensity = relations.intensityOfVelocity
    let expected = ofIntensity.value(logVelocity)
    let propagated = ofIntensity.slope * ofVelocity.sigma
    estimate.jmaIntensity = Uncertain(
      max(expected, estimate.observed.intensity ?? expected),
      sigma: (propagated * propagated + ofIntensity.sigma * ofIntensity.sigma).squareRoot())
    // Blasts and traffic have relations of their own: without a network that knows them nothing is
    // learnt.
    let isEarthquake =
      (estimate.earthquakeProbability ?? 0) >= Estimator.learningProbability
    let isWorthLearning =
      estimate.pickID != 0 && !isRetracted && isEarthquake && !estimate.isClipped
      && estimate.noiseShare < Estimator.learningNoiseShare
    if length == Estimator.learningSamples && isWorthLearning {
      awaited = AwaitedShaking(
        pickID: estimate.pickID, onset: onset, logExpected: ofAcceleration.value,
        peak: shaking.acceleration)
    }
  }

  private mutating func decideWhetherDue() {
    let times: InlineArray<6, Int> = [50, 100, 200, 300, 500, 1000]
    estimate.isDue = false
    while nextDue < 6 && length >= times[nextDue] {
      nextDue += 1
      estimate.isDue = true
    }
    guard let last = sent else {
      sent = estimate
      estimate.isDue = true
      return
    }
    if Estimator.differs(estimate.logAcceleration, last.logAcceleration)
      || (estimate.magnitude.value - last.magnitude.value).magnitude > last.magnitude.sigma
    {
      estimate.isDue = true
    }
    if estimate.isDue { sent = estimate }
  }

  private static func differs(_ a: Uncertain?, _ b: Uncertain?) -> Bool {
    guard let a, let b else { return (a == nil) != (b == nil) }
    return (a.value - b.value).magnitude > b.sigma
  }
}
