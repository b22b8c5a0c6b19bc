// Estimator: from half a second to ten seconds after a P, every tenth of a second: what was it, and
// how strong will it get here? And always: how strong is it now?
//
// The answer is worth most before S, when there is least to go by. The largest amplitude alone
// cannot tell a small event nearby from a large one far away. A window that opens when the pick
// comes misses the onset, because a pick comes a fraction of a second after it, or seconds after.
//
// So the last five seconds of motion are kept, and a window opens in the past. What it holds
// (WaveParameters) goes through relations into magnitude and distance together (SourceEstimate) and
// into the shaking to be expected, and a network adds its opinion where there is one. What the
// ground has already done is the least that is expected of it.
//
//     estimator.pointee.step(sample)
//     estimator.pointee.begin(id: pick.id, at: pick.time)
//     if let estimate = estimator.pointee.next() { … }

import Conditioning
import Core
import Kernels
import Network

public struct Estimator: ~Copyable {
  public static let stepSamples = 10
  private static let firstSamples = 50
  private static let lastSamples = 1000
  /// A pick this long after the last window's opens a new one; before, it is the same event's.
  private static let sameEventSamples = 300
  /// When what is expected is compared with what comes.
  static let learningSamples = 300
  static let learningNoiseShare = 0.1
  static let learningProbability = 0.7

  let relations: Relations
  let network: UnsafeMutablePointer<EstimatorNetwork>?
  let hasHorizontals: Bool
  var history = MotionHistory()
  private var meter = ShakingMeter()
  private var seconds = SecondPeaks()

  private var isOpen = false
  var isRetracted = false
  var onset = 0
  var window = WaveParameters()
  var shaking = Shaking()
  var estimate = Estimate()
  var shearSeconds: Double?
  var sent: Estimate?
  var nextDue = 0
  var isNew = false
  var awaited: AwaitedShaking?
  public var siteTerm = SiteTerm()
  // Not public: what reads a value that cannot be copied from another module takes memory for it.
  private var witness: GroundWitness

  /// Makes one in the arena, which gives `arenaByteCount(model)` bytes and must outlive
  /// it. nil where counts mean nothing: what is not known of the ground is not estimated.
  public static func make(
    _ relations: Relations, model: EstimatorModel? = nil, kernels: KernelVariant = .scalar,
    for conditioner: ConditionerSettings, arena: inout Arena
  ) -> UnsafeMutablePointer<Estimator>? {
    guard let response = conditioner.response, response.unitsPerCount[0] != 0 else { return nil }
    let hasHorizontals =
      conditioner.presentLanes.contains(.horizontals) && response.unitsPerCount[1] != 0
      && response.unitsPerCount[2] != 0
    var network: UnsafeMutablePointer<EstimatorNetwork>?
    if let model {
      let place = room(EstimatorNetwork.self, &arena)
      place.initialize(to: EstimatorNetwork(model, kernels: kernels, arena: &arena))
      network = place
    }
    let place = room(Estimator.self, &arena)
    var lanes = LaneSet()
    for lane in 0..<3 where response.unitsPerCount[lane] != 0 { lanes.insert(lane: lane) }
    place.initialize(
      to: Estimator(
        relations, network, hasHorizontals: hasHorizontals,
        lanes: lanes.intersection(conditioner.presentLanes),
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
    hasHorizontals: Bool, lanes: LaneSet, hasSecondSensor: Bool
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
    witness.step(sample, motion)
    let past = history.append(sample, motion, isEvent: isOpen)
    observe(past, sample)
    if isOpen {
      take(past)
      if length >= Estimator.firstSamples && length % Estimator.stepSamples == 0 { evaluate() }
      if length == Estimator.lastSamples { isOpen = false }
    }
  }

  /// A P, of the network or of STA/LTA. One soon after the last belongs to that event. A window
  /// that STA/LTA had opened without a pick's number takes that of the network's pick.
  public mutating func begin(id: UInt32, at time: UTC) {
    guard let place = history.place(of: time) else { return }
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
    history.takeNoise(before: place)
    for index in place..<history.end { take(history[index]) }
    if length >= Estimator.firstSamples { evaluate() }
  }

  /// An S: how long after P it came tells how far it came.
  public mutating func noteShear(at time: UTC) {
    let seconds = Double(time - estimate.pickTime) * 1e-9
    if isOpen && seconds > 0.3 && seconds < window.seconds { shearSeconds = seconds }
  }

  private mutating func restart() {
    history.restart()
    meter = ShakingMeter()
    seconds = SecondPeaks()
    isOpen = false
    isNew = false
    awaited = nil
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

  var codes: EstimatorFeatures.Codes {
    EstimatorFeatures.codes(
      window, noise: history.noiseSquared.squareRoot(), level: shaking.level.value,
      shearSeconds: shearSeconds)
  }

  /// Whether what the lanes carry can be the ground's; `limit`: the acceleration to be exceeded,
  /// m/s².
  public mutating func judge(limit: Double) -> GroundVerdict { witness.judge(limit: limit) }

  /// The calibrated lanes that are well, and how many there are.
  public var believedLanes: LaneSet { witness.believedLanes }
  public var laneCount: Int { witness.laneCount }
  public var calibratedLanes: LaneSet { witness.lanes }

  /// In the last three to six seconds.
  /// A property would be read from another module with a copy of all of this, 100 kB.
  public mutating func observed() -> ObservedShaking {
    meter.observed(hasHorizontals: hasHorizontals)
  }

  /// A second is over that nobody has taken.
  public mutating func hasSecond() -> Bool { seconds.isFinished }

  public mutating func takeSecond() -> PeaksOfSecond {
    seconds.isFinished = false
    var finished = seconds.finished
    finished.hasHorizontals = hasHorizontals
    return finished
  }

  /// How many samples after its P the open window ends.
  var length: Int { history.end - 1 - onset }

  // MARK: Measuring

  private mutating func observe(_ past: MotionHistory.Past, _ sample: Sample) {
    // The filters start with a transient of a tenth of their corner's period.
    guard history.end > Estimator.firstSamples else { return }
    meter.add(past, end: history.end)
    seconds.add(sample, past)
    awaitShaking(past)
  }

  /// A minute after a P its shaking is what it was.
  private mutating func awaitShaking(_ past: borrowing MotionHistory.Past) {
    guard let event = awaited else { return }
    let a = past.motion.acceleration
    awaited?.peak = max(event.peak, max(a[0].magnitude, larger(a)))
    guard history.end - event.onset >= AwaitedShaking.samples else { return }
    awaited = nil
    if event.peak > 0 { siteTerm.learn(Elementary.logarithm10(event.peak) - event.logExpected) }
  }

  /// A pick that was none teaches nothing.
  public mutating func forget(pickID: UInt32) {
    if let event = awaited, event.pickID == pickID { awaited = nil }
    if isOpen && estimate.pickID == pickID { isRetracted = true }
  }

  private mutating func take(_ past: MotionHistory.Past) {
    if past.isClipped { estimate.isClipped = true }
    window.step(past.motion, tauP: past.tauP)
    shaking.add(past)
  }
}
