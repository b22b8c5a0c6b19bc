// SyntheticTrials: thousands of synthetic earthquakes, each through a station of its own, and days
// of noise with spikes, steps, footsteps, blasts and dropouts in it (`onset evaluate --synthetic`).
// Does the alarm come when it must, and never else?
//
//     let trials = SyntheticTrials(ReplayOptions())
//     print(try trials.earthquakes(1000, seed: 1).text)
//     print(try trials.quiet(days: 1, seed: 1).text)

import Clock
import Conditioning
import Core
import Digitizer
import Estimator
import Foundation
import Picker
import Station
import Uplink

public struct SyntheticTrials: Sendable {
  static let rateHertz = 100.0
  static let countsPerUnit = 1e8
  private static let blockFrames = 4
  private static let leadSeconds = 12.0
  /// An alarm is in time this long after P, or when the limits can have been measured if that is
  /// later.
  private static let secondsAfterP = 3.0
  /// An alarm on measured shaking may come this long after the limit was exceeded for a tenth of a
  /// second: one blow is waited out for 0.22 s, and the decision follows each 0.05 s.
  static let measuringSeconds = 0.3

  /// What became of events whose shaking reaches the limit or does not.
  public struct Outcome {
    public var events = 0
    public var strong = 0
    public var inTime = 0
    public var late = 0
    public var missed = 0
    public var wrong = 0
    public var leads: [Double] = []

    public var recall: Double? { strong > 0 ? Double(inTime) / Double(strong) : nil }
    public var precision: Double? {
      let right = inTime + late
      return right + wrong > 0 ? Double(right) / Double(right + wrong) : nil
    }
  }

  public struct Quiet {
    public var days = 0.0
    public var alarms = 0
    public var watches = 0
    public var confirmed = 0
    public var impostors = 0
  }

  private let options: ReplayOptions

  public init(_ options: ReplayOptions) {
    self.options = options
  }

  private var settings: StationSettings {
    StationSettings(
      code: StationCode("XX.TRIAL..HN"), epoch: 0, bootCounter: 0, bootNonce: 0,
      keys: UpstreamKeys(replayKey),
      conditioner: ConditionerSettings(
        rateMillihertz: Int(Self.rateHertz * 1000), presentLanes: .components,
        response: Response(
          quantity: .acceleration, unitsPerCount: Lanes(repeating: 1 / Self.countsPerUnit))),
      picker: options.picker, alarm: options.alarm)
  }

  // MARK: Earthquakes

  /// Magnitude 2 to 8 at 5 to 200 km, uniform in the logarithm; stress drop and site as they
  /// scatter.
  public func earthquakes(
    _ count: Int, seed: UInt64, progress: ProgressTold = { _, _ in }
  ) throws -> Outcome {
    var outcome = Outcome()
    var random = RandomGenerator(seed: seed)
    for number in 0..<count {
      var synthetic = SyntheticSettings()
      synthetic.seed = random.next()
      synthetic.magnitude = 2 + 6 * random.uniform()
      synthetic.epicentralKilometres =
        5 * Elementary.powerOfTen(random.uniform() * Elementary.logarithm10(40))
      synthetic.depthKilometres = 5 + 15 * random.uniform()
      synthetic.leadSeconds = Self.leadSeconds
      synthetic.noiseMetresPerSecondSquared = 1e-4
      // Scatter of stress drops (Allmann and Shearer 2009); generic soil, three times rock (Boore
      // and Joyner 1997).
      synthetic.stressDropPascal = 1e7 * Elementary.powerOfTen(0.3 * random.gaussian())
      synthetic.siteAmplificationOfS = Elementary.powerOfTen(0.45 + 0.2 * random.gaussian())
      try judge(synthetic, &outcome)
      progress(number + 1, count)
    }
    return outcome
  }

  private func judge(_ synthetic: SyntheticSettings, _ outcome: inout Outcome) throws {
    var earthquake = SyntheticEarthquake(synthetic, rateHertz: Self.rateHertz)
    // Until S is over: 1/fc and a twentieth of a second a kilometre, as the synthesizer has it.
    let corner = Elementary.powerOfTen(0.5 * synthetic.magnitude - 2.534)
    let seconds = min(
      earthquake.timeOfS + 1.2 * (corner + 0.05 * synthetic.epicentralKilometres) + 5, 180)
    let limit = options.alarm.accelerationMetresPerSecondSquared
    var exceeded: Double?
    var alarm: Double?
    var truth = MeasurableShaking(options.alarm)
    try run(seconds: seconds) { index in
      let ground = earthquake.next()
      let largest = max(ground[0].magnitude, ground[1].magnitude, ground[2].magnitude)
      if exceeded == nil && largest >= limit { exceeded = Double(index) / Self.rateHertz }
      truth.add(ground, at: Double(index) / Self.rateHertz)
      return ground
    } told: { messages, time in
      if alarm == nil, messages.alerts.contains(where: { $0.message.level == .alarm }) {
        alarm = time
      }
    }
    outcome.events += 1
    let measured = truth.seconds
    if measured != nil { outcome.strong += 1 }
    switch (alarm, measured) {
    case (let alarm?, let measured?):
      let due = max(measured + Self.measuringSeconds, earthquake.timeOfP + Self.secondsAfterP)
      if alarm <= due { outcome.inTime += 1 } else { outcome.late += 1 }
      outcome.leads.append((exceeded ?? measured) - alarm)
    case (nil, _?): outcome.missed += 1
    // What exceeded the limit for less than that is neither missed nor wrong.
    case (_?, nil): outcome.wrong += exceeded == nil ? 1 : 0
    case (nil, nil): break
    }
  }

  // MARK: No earthquakes

  /// Ground noise of a town with spikes, steps, footsteps, small blasts and dropouts: 200 a day.
  public func quiet(
    days: Double, seed: UInt64, progress: ProgressTold = { _, _ in }
  ) throws -> Quiet {
    var quiet = Quiet(days: days)
    var impostors = Impostors(seed: seed, rateHertz: Self.rateHertz)
    let all = Int(days * 86_400 * Self.rateHertz)
    try run(seconds: days * 86_400) { index in
      progress(index + 1, all)
      return impostors.next()
    } told: { messages, _ in
      quiet.alarms += messages.alerts.filter { $0.message.level == .alarm }.count
      quiet.watches += messages.alerts.filter { $0.message.level == .watch }.count
      quiet.confirmed +=
        messages.picks.filter { $0.message.status == 2 && $0.message.phase == 1 }.count
    } isMissing: {
      impostors.isMissing
    }
    quiet.impostors = impostors.count
    return quiet
  }

  /// Runs a station over what `ground` gives; `told` what each block gave rise to. `other`: the
  /// ground of another station of its site, which it waits for.
  func run(
    seconds: Double, ground: (Int) -> SIMD4<Double>, other: ((Int) -> SIMD4<Double>)? = nil,
    told: (DrawnMessages, Double) -> Void, isMissing: () -> Bool = { false }
  ) throws {
    var site = try TrialSite(options, settings, isPair: other != nil)
    var (frames, others): ([Frame], [Frame]) = ([], [])
    var firstFrame: Int64 = 0
    let count = Int(seconds * Self.rateHertz)
    for index in 0..<count {
      let own = ground(index)
      if let other {
        others.append(Self.frame(other(index)))
        if others.count == Self.blockFrames {
          site.feedOther(others, at: Int64(index + 1 - others.count))
          others.removeAll(keepingCapacity: true)
        }
      }
      if isMissing() {
        firstFrame = Int64(index) + 1
        frames.removeAll(keepingCapacity: true)
        continue
      }
      frames.append(Self.frame(own))
      guard frames.count == Self.blockFrames else { continue }
      site.feed(frames, at: firstFrame)
      firstFrame += Int64(frames.count)
      frames.removeAll(keepingCapacity: true)
      var messages = DrawnMessages()
      var hasTold = false
      while let datagram = site.next() {
        hasTold = true
        try datagram.withBytes { bytes throws in
          try messages.take(try OpenedDatagram(bytes, key: nil))
        }
      }
      if hasTold { told(messages, Double(firstFrame) / Self.rateHertz) }
    }
  }

  private static func frame(_ ground: SIMD4<Double>) -> Frame {
    let limited = (countsPerUnit * ground).clamped(
      lowerBound: SIMD4(repeating: -2_147_483_648), upperBound: SIMD4(repeating: 2_147_483_647))
    return Frame(limited.rounded(.toNearestOrEven))
  }
}

/// What is no earthquake, one after another, on noise.
struct Impostors: ~Copyable {
  private enum Kind: CaseIterable { case spike, step, footsteps, blast, dropout }
  /// On average.
  private static let intervalSeconds = 432.0

  private(set) var count = 0
  private(set) var isMissing = false
  private let rateHertz: Double
  private var random: RandomGenerator
  private var noise: SyntheticEarthquake
  private var kind: Kind?
  private var age = 0
  private var wait: Int
  private var size = 0.0
  private var hertz = 0.0
  private var steps = 0
  private var offset = SIMD4<Double>.zero

  init(seed: UInt64, rateHertz: Double) {
    self.rateHertz = rateHertz
    random = RandomGenerator(seed: seed)
    var settings = SyntheticSettings()
    settings.seed = random.next()
    // No earthquake ever comes; 2e-4 m/s² is a street.
    (settings.magnitude, settings.leadSeconds) = (-9, 1e12)
    settings.noiseMetresPerSecondSquared = 2e-4
    noise = SyntheticEarthquake(settings, rateHertz: rateHertz)
    wait = Int(60 * rateHertz)
  }

  private mutating func begin() {
    count += 1
    kind = Kind.allCases[random.below(Kind.allCases.count)]
    age = 0
    wait = Int(-Elementary.logarithm(1 - random.uniform()) * Impostors.intervalSeconds * rateHertz)
    hertz = 8 + 22 * random.uniform()
    steps = 1 + random.below(40)
    // A heavy foot beside the sensor has a hundredth of g.
    size = 0.1 * Elementary.powerOfTen(-2 * random.uniform())
  }

  mutating func next() -> SIMD4<Double> {
    var ground = noise.next() + offset
    isMissing = false
    if let kind {
      let t = Double(age) / rateHertz
      age += 1
      switch kind {
      case .spike:
        ground[random.below(3)] += 15 * (random.uniform() < 0.5 ? 1 : -1)
        self.kind = nil
      case .step:
        offset[random.below(3)] += 0.1 * (random.uniform() - 0.5)
        self.kind = nil
      case .footsteps: ground += footstep(t)
      case .blast: ground += blast(t)
      case .dropout:
        isMissing = true
        if t > 3 { self.kind = nil }
      }
    } else {
      wait -= 1
      if wait <= 0 { begin() }
    }
    return ground
  }

  /// Every 0.55 s a knock that rings for a twentieth of a second.
  private mutating func footstep(_ t: Double) -> SIMD4<Double> {
    let number = Int(t / 0.55)
    if number >= steps { kind = nil }
    let since = t - 0.55 * Double(number)
    let ring = size * Elementary.exponential(-since / 0.05) * Elementary.sine(twoPi * hertz * since)
    return ring * SIMD4(1, 0.4, 0.3, 0)
  }

  /// A quarry's: P and a surface wave half a second later, at 5 to 15 and 2 to 4 Hz, two seconds in
  /// all.
  private mutating func blast(_ t: Double) -> SIMD4<Double> {
    if t > 6 { kind = nil }
    // Under a Gaussian, so that the ground comes back to where it was.
    func packet(_ start: Double, _ hertz: Double, _ width: Double) -> Double {
      let since = t - start - 2.5 * width
      return Elementary.exponential(-since * since / (2 * width * width))
        * Elementary.sine(twoPi * hertz * since)
    }
    let p = packet(0, hertz / 2, 0.2)
    let surface = packet(0.6, hertz / 6, 0.5)
    return size * (p * SIMD4(1, 0.3, 0.2, 0) + surface * SIMD4(0.8, 0.6, 0.5, 0))
  }
}

let twoPi = 6.283185307179586

extension SyntheticTrials.Outcome {
  public var text: String {
    func share(_ value: Double?) -> String { value.map { decimal(100 * $0, 1) + " %" } ?? "–" }
    return
      "\(events) synthetic earthquakes, \(strong) reach the limit: in time \(inTime), late \(late), "
      + "missed \(missed), wrong \(wrong); recall \(share(recall)), precision \(share(precision)); "
      + "lead median \(decimal(quantile(leads, 0.5) ?? .nan, 1)) s"
  }
}

extension SyntheticTrials.Quiet {
  public var text: String {
    "\(decimal(days, 1)) days of noise with \(impostors) impostors: \(alarms) alarms, \(watches) watches, "
      + "\(confirmed) confirmed P"
  }
}
