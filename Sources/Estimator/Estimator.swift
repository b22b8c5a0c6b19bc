// Estimator: from half a second to ten seconds after a P, every tenth of a second: what was it, and how
// strong will it get here? And always: how strong is it now?
//
// A pick comes a fraction of a second after its onset, or seconds after: the last five seconds of motion
// are kept, and a window opens in the past.

import Conditioning
import Core
import Kernels
import Network

public struct Estimator: ~Copyable {
  public static let stepSamples = 10
  private static let firstSamples = 50
  private static let lastSamples = 1000
  private static let historySamples = 512
  /// A pick this long after the last window's opens a new one; before, it is the same event's.
  private static let sameEventSamples = 300
  /// What has shaken counts for one to two such blocks.
  private static let blockSamples = 300
  /// Of acceleration, that more than a knock has.
  private static let sustainedSamples = 10
  /// When what is expected is compared with what comes.
  private static let learningSamples = 300
  private static let learningNoiseShare = 0.1
  private static let learningProbability = 0.7
  /// The noise's memory.
  private static let noiseWeight = 1 / 3000.0

  private struct Past {
    var motion = Motion()
    var tauP = 0.0
    var weighted = 0.0
    var isClipped = false
    /// Of the vertical's displacement, squared, until then.
    var noise = 0.0
  }

  /// Peaks and intensity of a while.
  private struct Shaking {
    var acceleration = 0.0
    var velocity = 0.0
    var level = ExceededLevel()
    var sustained = ExceededLevel()

    @inline(__always)
    mutating func add(_ past: borrowing Past) {
      let (a, v) = (past.motion.acceleration, past.motion.velocity)
      let largest = max(a[0].magnitude, larger(a))
      acceleration = max(acceleration, largest)
      velocity = max(velocity, max(v[0].magnitude, larger(v)))
      sustained.add(largest)
      level.add(past.weighted)
    }
  }

  private let relations: Relations
  private let network: UnsafeMutablePointer<EstimatorNetwork>?
  private let hasHorizontals: Bool
  private var history = InlineArray<512, Past>(repeating: Past())
  /// Samples since the last start; the newest is in place `end − 1`.
  private var end = 0
  private var newest = UTC(nanoseconds: 0)
  private var tauP = TauP()
  private var intensity = IntensityFilter()
  private var noiseSquared = 0.0
  private var newerBlock = Shaking()
  private var olderBlock = Shaking()

  private var isOpen = false
  private var isRetracted = false
  private var onset = 0
  private var window = WaveParameters()
  private var shaking = Shaking()
  private var estimate = Estimate()
  private var shearSeconds: Double?
  private var sent: Estimate?
  private var nextDue = 0
  private var isNew = false
  private var awaited: AwaitedShaking?
  public var siteTerm = SiteTerm()
  // Not public: what reads a value that cannot be copied from another module takes memory for it.
  private var witness: GroundWitness

  /// Makes one in the arena, of which it takes `arenaByteCount(model)` bytes and which must outlive it. nil
  /// where counts mean nothing: what is not known of the ground is not estimated.
  public static func make(
    _ relations: Relations, model: EstimatorModel? = nil, kernels: KernelVariant = .scalar,
    for conditioner: ConditionerSettings, arena: inout Arena
  ) -> UnsafeMutablePointer<Estimator>? {
    guard let response = conditioner.response, response.unitsPerCount[0] != 0 else { return nil }
    let hasHorizontals =
      conditioner.presentLanes & 0b110 == 0b110 && response.unitsPerCount[1] != 0
      && response.unitsPerCount[2] != 0
    var network: UnsafeMutablePointer<EstimatorNetwork>?
    if let model {
      let place = room(EstimatorNetwork.self, &arena)
      place.initialize(to: EstimatorNetwork(model, kernels: kernels, arena: &arena))
      network = place
    }
    let place = room(Estimator.self, &arena)
    var lanes: UInt8 = 0
    for lane in 0..<3 where response.unitsPerCount[lane] != 0 { lanes |= 1 << UInt8(lane) }
    place.initialize(
      to: Estimator(
        relations, network, hasHorizontals: hasHorizontals, lanes: lanes & conditioner.presentLanes,
        hasSecondSensor: conditioner.hasSecondSensor))
    return place
  }
  public static func arenaByteCount(_ model: EstimatorModel? = nil) -> Int {
    MemoryLayout<Estimator>.stride + 64 + (model?.arenaByteCount ?? 0)
  }

  private static func room<Value: ~Copyable>(
    _ type: Value.Type, _ arena: inout Arena
  ) -> UnsafeMutablePointer<Value> {
    let bytes = arena.take(UInt8.self, count: MemoryLayout<Value>.stride)
    return UnsafeMutableRawPointer(bytes.baseAddress!).bindMemory(to: type, capacity: 1)
  }

  private init(
    _ relations: Relations, _ network: UnsafeMutablePointer<EstimatorNetwork>?,
    hasHorizontals: Bool, lanes: UInt8, hasSecondSensor: Bool
  ) {
    self.relations = relations
    self.network = network
    self.hasHorizontals = hasHorizontals
    witness = GroundWitness(lanes: lanes, hasSecondSensor: hasSecondSensor)
  }

  // MARK: Inputs

  public mutating func step(_ sample: Sample) {
    guard let motion = sample.motion else { return }
    if sample.isRestart { restart() }
    newest = sample.time
    witness.step(sample, motion)
    var past = Past(motion: motion)
    past.tauP = tauP.step(motion.velocity[0])
    let weighted = intensity.step(motion.acceleration)
    past.weighted = (weighted * weighted).sum().squareRoot()
    if !isOpen {
      let d = motion.displacement[0]
      noiseSquared += Estimator.noiseWeight * (d * d - noiseSquared)
    }
    if sample.number % 100 == 0 { flushTinyStates() }
    past.noise = noiseSquared
    past.isClipped = sample.flags.clipped != 0
    history[end % Estimator.historySamples] = past
    end += 1
    observe(past)
    if isOpen {
      take(past)
      let length = end - 1 - onset
      if length >= Estimator.firstSamples && length % Estimator.stepSamples == 0 { evaluate() }
      if length == Estimator.lastSamples { isOpen = false }
    }
  }

  /// At the conditioner's rhythm, because subnormal states cost time.
  private mutating func flushTinyStates() {
    tauP.flushTinyStates()
    intensity.flushTinyStates()
    if noiseSquared < 1e-100 { noiseSquared = 0 }
  }

  /// A P, of the network or of STA/LTA. One soon after the last belongs to that event, unless the
  /// network says so of a pick whose window STA/LTA had opened.
  public mutating func begin(id: UInt32, at time: UTC) {
    let back = Int(Elementary.nearestInteger(Double(newest - time) * 1e-9 * outputRateHertz))
    let place = end - 1 - back
    guard back >= 0, place >= 0, back < Estimator.historySamples - 11 else { return }
    if isOpen && place - onset < Estimator.sameEventSamples {
      if estimate.pickID == 0 { estimate.pickID = id }
      return
    }
    isOpen = true
    isRetracted = false
    awaited = nil
    onset = place
    window = WaveParameters()
    shaking = Shaking()
    estimate = Estimate()
    estimate.pickID = id
    estimate.pickTime = time
    shearSeconds = nil
    sent = nil
    nextDue = 0
    // Of what came before the onset, however late it is known.
    noiseSquared = history[max(place - 10, 0) % Estimator.historySamples].noise
    for index in place..<end { take(history[index % Estimator.historySamples]) }
    if end - 1 - onset >= Estimator.firstSamples { evaluate() }
  }

  /// An S: how long after P it came tells how far it came.
  public mutating func noteShear(at time: UTC) {
    let seconds = Double(time - estimate.pickTime) * 1e-9
    if isOpen && seconds > 0.3 && seconds < window.seconds { shearSeconds = seconds }
  }

  private mutating func restart() {
    end = 0
    isOpen = false
    isNew = false
    awaited = nil
    tauP = TauP()
    intensity = IntensityFilter()
    newerBlock = Shaking()
    olderBlock = Shaking()
  }

  // MARK: Outputs

  /// The newest estimate, once.
  public mutating func next() -> Estimate? {
    guard isNew else { return nil }
    isNew = false
    return estimate
  }

  /// The window that is open, and what the network sees of it.
  public var measured: Measured? {
    guard isOpen, window.sampleCount > Estimator.firstSamples else { return nil }
    return Measured(
      pickID: estimate.pickID, pickTime: estimate.pickTime, window: window, codes: codes)
  }
  public struct Measured {
    public var pickID: UInt32
    public var pickTime: UTC
    public var window: WaveParameters
    public var codes: EstimatorFeatures.Codes
  }

  private var codes: EstimatorFeatures.Codes {
    EstimatorFeatures.codes(
      window, noise: noiseSquared.squareRoot(), level: shaking.level.value,
      shearSeconds: shearSeconds)
  }

  /// Whether what the lanes carry can be the ground's; `limit`: the acceleration to be exceeded, m/s².
  public mutating func judge(limit: Double) -> GroundVerdict { witness.judge(limit: limit) }

  /// The calibrated lanes that are well, and how many there are.
  public var believedLanes: UInt8 { witness.believedLanes }
  public var laneCount: Int { witness.laneCount }

  /// In the last three to six seconds.
  public var observed: ObservedShaking {
    var observed = ObservedShaking()
    observed.acceleration = max(newerBlock.acceleration, olderBlock.acceleration)
    observed.velocity = max(newerBlock.velocity, olderBlock.velocity)
    observed.sustainedAcceleration = max(
      newerBlock.sustained.level(samples: Estimator.sustainedSamples),
      olderBlock.sustained.level(samples: Estimator.sustainedSamples))
    if hasHorizontals {
      observed.intensity = Intensity.jma(level: max(newerBlock.level.value, olderBlock.level.value))
    }
    return observed
  }

  // MARK: Measuring

  private mutating func observe(_ past: Past) {
    // The filters start with a transient of a tenth of their corner's period.
    guard end > Estimator.firstSamples else { return }
    if end % Estimator.blockSamples == 0 {
      olderBlock = newerBlock
      newerBlock = Shaking()
    }
    newerBlock.add(past)
    awaitShaking(past)
  }

  /// A minute after a P its shaking is what it was.
  private mutating func awaitShaking(_ past: borrowing Past) {
    guard let event = awaited else { return }
    let a = past.motion.acceleration
    awaited?.peak = max(event.peak, max(a[0].magnitude, larger(a)))
    guard end - event.onset >= AwaitedShaking.samples else { return }
    awaited = nil
    if event.peak > 0 { siteTerm.learn(Elementary.logarithm10(event.peak) - event.logExpected) }
  }

  /// A pick that was none teaches nothing.
  public mutating func forget(pickID: UInt32) {
    if let event = awaited, event.pickID == pickID { awaited = nil }
    if isOpen && estimate.pickID == pickID { isRetracted = true }
  }

  private mutating func take(_ past: Past) {
    if past.isClipped { estimate.isClipped = true }
    window.step(past.motion, tauP: past.tauP)
    shaking.add(past)
  }

  // MARK: Estimating

  private mutating func evaluate() {
    guard window.peakDisplacement > 0, window.largestAcceleration > 0 else { return }
    let logSeconds = Elementary.logarithm10(window.seconds)
    estimate.seconds = window.seconds
    (estimate.peakAcceleration, estimate.peakVelocity) = (
      window.peakAcceleration, window.peakVelocity
    )
    estimate.peakDisplacement = window.peakDisplacement
    // Noise alone has peaks of three times its rms.
    estimate.noiseShare = 9 * noiseSquared / (window.peakDisplacement * window.peakDisplacement)
    estimate.tauC = window.tauC
    estimate.backAzimuth = hasHorizontals ? window.polarisation : nil
    estimate.observed.acceleration = shaking.acceleration
    estimate.observed.velocity = shaking.velocity
    estimate.observed.sustainedAcceleration = shaking.sustained.level(
      samples: Estimator.sustainedSamples)
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
      let noise = noiseSquared * window.seconds / window.integralOfDisplacementSquared
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
    // Of two opinions the one by which S is there earlier: what is taken for P must not be S.
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
    // Blasts and traffic have relations of their own: without a network that knows them nothing is learnt.
    let isEarthquake =
      (estimate.earthquakeProbability ?? 0) >= Estimator.learningProbability
    let isWorthLearning =
      estimate.pickID != 0 && !isRetracted && isEarthquake && !estimate.isClipped
      && estimate.noiseShare < Estimator.learningNoiseShare
    if end - 1 - onset == Estimator.learningSamples && isWorthLearning {
      awaited = AwaitedShaking(
        pickID: estimate.pickID, onset: onset, logExpected: ofAcceleration.value,
        peak: shaking.acceleration)
    }
  }

  private mutating func decideWhetherDue() {
    let times: InlineArray<6, Int> = [50, 100, 200, 300, 500, 1000]
    let length = end - 1 - onset
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
