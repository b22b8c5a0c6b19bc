// GroundWitness: whether what the lanes carry can be the ground's.
//
// An alarm on measured shaking is only as good as what was measured. A threshold on the peak is the
// obvious test, and a peak says nothing of its cause: a loose wire, a converter that settles, hum,
// a knock and an earthquake all exceed 0.05 g.
//
// What they do in the second before differs. The ground swings to both sides and in three
// directions, begins quickly, grows from its P on, goes on for half a second at least without a
// pause, is neither drift nor hiss, and its spectrum is not that of the noise made larger. Each of
// these that fails is a doubt. For an alarm on what is measured no doubt may be left, unless there
// is one lane alone and a picker has seen a P (Decision/Witnesses.swift). The limits lie outside of
// what some fifty strong-motion records do when the ground has exceeded 0.05 g for a tenth of a
// second, and are told beside each.
//
//   doubt        what speaks against the ground
//   active       the samples since the motion began, without a pause of more than a tenth of a
//                second
//   block        a tenth of a second, counted back from the newest sample
//
//     witness.step(sample, motion)
//     let verdict = witness.judge(limit: 0.49)
//     if verdict.doubts.isEmpty && verdict.isSustained { … }

import Conditioning
import Core

/// What speaks against the ground; none when it may well be it.
public struct Doubts: BitSet {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The filters have not settled after a start or a gap.
  public static let settling = Doubts(rawValue: 1)
  /// It has not lasted half a second: a knock, a pulse, a step.
  public static let brief = Doubts(rawValue: 2)
  /// It was once, and now rings down.
  public static let fading = Doubts(rawValue: 4)
  /// It goes to one side: a tilt, an offset.
  public static let oneSided = Doubts(rawValue: 8)
  /// It is slower than any strong shaking.
  public static let drifting = Doubts(rawValue: 16)
  /// It is all above ten hertz: hum, bits, white noise.
  public static let hissing = Doubts(rawValue: 32)
  /// It jumps from one level to another and rests there.
  public static let jumping = Doubts(rawValue: 64)
  /// One waveform on one lane, or the same on all of them.
  public static let straight = Doubts(rawValue: 128)
  /// Each half period is like the one before it, or there is one frequency alone: a machine.
  public static let periodic = Doubts(rawValue: 256)
  /// The noise, larger: a gain that jumped.
  public static let scaled = Doubts(rawValue: 512)
  /// Fewer than two lanes are to be believed, because others are absent, clip, are stuck or dead.
  public static let alone = Doubts(rawValue: 1024)
  /// The second sensor does not move.
  public static let unconfirmed = Doubts(rawValue: 2048)
  /// It begins slower than any P does: the sensor is being carried, or the room tilts.
  public static let slow = Doubts(rawValue: 4096)
  /// All of it lies in one plane: a rotor, a blow and its echo, a fault of two lanes.
  public static let flat = Doubts(rawValue: 8192)
  /// Far beyond the noise at once, without any size between: a gain that jumped with its offset.
  public static let sudden = Doubts(rawValue: 16384)
}

public struct GroundWitness: ~Copyable {
  static let ringSamples = 256
  static let blockSamples = 10
  /// Slower than the resonance of any soft basin (Mexico City's lake bed: 0.4 to 0.5 Hz).
  private static let driftCornerHertz = 0.4
  private static let hissCornerHertz = 10.0
  private static let slowCornerHertz = 3.0
  /// What a clipped amplifier or a stuck converter needs to come back.
  private static let brokenSamples = 200
  /// After five seconds a thirtieth is left of what MotionFilter's high-pass makes of a step.
  private static let settlingSamples = 500
  static let momentCount = 3
  /// The noise is remembered for a minute; what is going on is three seconds away from it.
  private static let noiseWeight = 1 / 60.0
  /// An earthquake's coda teaches the noise slowly: no second may count for more than twice of it.
  private static let noiseGrowthMaximum = 1.4

  var high = InlineArray<256, Lanes>(repeating: .zero)
  var low = InlineArray<256, Lanes>(repeating: .zero)
  var all = InlineArray<256, Lanes>(repeating: .zero)
  var quick = InlineArray<256, Lanes>(repeating: .zero)
  /// Mean sizes of the last ten seconds' tenths.
  private(set) var sizes = InlineArray<100, Lanes>(repeating: .zero)
  private var tenth = Lanes.zero
  /// The largest velocity of any lane in each tenth of a second.
  private var velocities = InlineArray<20, Double>(repeating: 0)
  /// Samples since the last restart; the newest is in place `end − 1`.
  private(set) var end = 0
  private var highPass: Biquad
  private var lowPass: Biquad
  private var quickPass: Biquad
  private var brokenUntil = InlineArray<3, Int>(repeating: 0)
  /// The last half second that was well above the noise and quick, as a P is: the `end` of it.
  private(set) var quickEnd = -1_000_000
  private var halfSecond = (sizes: Lanes.zero, quick: 0.0, all: 0.0)
  private static let quickNoiseRatio = 4.0
  /// How often the motion was lately the noise made larger, 0 to 1.
  var doubtOfGain = 0.0
  /// Lanes that have a calibrated component.
  /// Those that are calibrated.
  let lanes: LaneSet

  /// Mean sizes of the high-passed acceleration and of its first and second differences: they tell
  /// one spectrum from another, and a change of gain changes all of them alike. Not squares, in
  /// which the one step that comes with a change of gain would count for a hundred samples.
  private var second = InlineArray<3, Lanes>(repeating: .zero)
  private var waiting = InlineArray<9, Lanes>(repeating: .zero)
  private(set) var noise = InlineArray<3, Lanes>(repeating: .zero)
  private var noiseSeconds = 0
  private var secondsSeen = 0
  private var previous = Lanes.zero
  private var previousDifference = Lanes.zero

  let hasSecondSensor: Bool
  private var secondSensorNoise = 0.0
  private var secondSensorNow = 0.0
  private var secondSensorSamples = 0
  /// Ten times the noise's energy within half a second is beyond any chance.
  private static let secondSensorEnergyRatio = 10.0
  /// Before ten seconds of its noise are known it confirms nothing.
  private static let secondSensorSettlingSamples = 1000
  private static let secondSensorNoiseSamples = 3000

  public init(lanes: LaneSet, hasSecondSensor: Bool = false) {
    self.lanes = lanes
    self.hasSecondSensor = hasSecondSensor
    highPass = Biquad(
      .highPass(cornerHertz: GroundWitness.driftCornerHertz, rateHertz: outputRateHertz))
    quickPass = Biquad(
      .highPass(cornerHertz: GroundWitness.slowCornerHertz, rateHertz: outputRateHertz))
    lowPass = Biquad(
      .lowPass(cornerHertz: GroundWitness.hissCornerHertz, rateHertz: outputRateHertz))
  }

  // MARK: Inputs

  public mutating func step(_ sample: Sample, _ motion: Motion) {
    if sample.isRestart { restart() }
    var a = motion.acceleration
    for lane in 0..<4 where !lanes.contains(lane: lane) { a[lane] = 0 }
    let h = highPass.step(a)
    let place = end % GroundWitness.ringSamples
    all[place] = a
    high[place] = h
    low[place] = lowPass.step(h)
    quick[place] = quickPass.step(a)
    end += 1
    noteSize(h)
    noteVelocity(motion.velocity)
    noteFlags(sample.flags)
    noteMoments(h)
    if hasSecondSensor { noteSecondSensor(sample.counts[3]) }
    noteQuickness(h, quick[place])
    if end % 100 == 0 {
      highPass.flushTinyStates()
      lowPass.flushTinyStates()
      quickPass.flushTinyStates()
    }
  }

  private mutating func restart() {
    end = 0
    highPass.clear()
    lowPass.clear()
    quickPass.clear()
    for index in 0..<3 { brokenUntil[index] = 0 }
    for index in 0..<20 { velocities[index] = 0 }
    for index in 0..<100 { sizes[index] = .zero }
    tenth = .zero
    doubtOfGain = 0
    quickEnd = -1_000_000
    halfSecond = (.zero, 0, 0)
    for index in 0..<GroundWitness.momentCount { second[index] = .zero }
    secondsSeen = 0
    previous = .zero
    previousDifference = .zero
  }

  private mutating func noteSize(_ high: Lanes) {
    tenth += GroundWitness.size(high)
    guard end % GroundWitness.blockSamples == 0 else { return }
    sizes[(end / GroundWitness.blockSamples) % 100] = tenth / Double(GroundWitness.blockSamples)
    tenth = .zero
  }

  /// The mean size of the tenth of a second that so many others have followed, on these lanes
  /// together.
  @inline(never)
  func size(back: Int, lanes: LaneSet) -> Double {
    let tenth = sizes[(end / GroundWitness.blockSamples + 100 - back) % 100]
    return GroundWitness.sum(tenth, lanes)
  }

  @inline(never)
  static func sum(_ value: Lanes, _ lanes: LaneSet) -> Double {
    var sum = 0.0
    for lane in 0..<3 where lanes.contains(lane: lane) { sum += value[lane] }
    return sum
  }

  private mutating func noteVelocity(_ velocity: Lanes) {
    let block = (end / 10) % 20
    if end % 10 == 0 { velocities[block] = 0 }
    var largest = velocities[block]
    for lane in 0..<3 where lanes.contains(lane: lane) {
      largest = max(largest, velocity[lane].magnitude)
    }
    velocities[block] = largest
  }

  private mutating func noteQuickness(_ high: Lanes, _ quick: Lanes) {
    halfSecond.sizes += GroundWitness.size(high)
    halfSecond.all += (high * high).sum()
    halfSecond.quick += (quick * quick).sum()
    guard end % 50 == 0 else { return }
    var isMoving = false
    for lane in 0..<3
    where halfSecond.sizes[lane] > 50 * GroundWitness.quickNoiseRatio * noise[0][lane] {
      isMoving = true
    }
    if knowsNoise && isMoving
      && halfSecond.quick >= GroundWitness.quickEnergyShare * halfSecond.all
    {
      quickEnd = end
    }
    halfSecond = (.zero, 0, 0)
  }

  private mutating func noteFlags(_ flags: ChannelFlags) {
    let broken = flags.clipped.union(flags.silent)
    guard !broken.isDisjoint(with: .components) else { return }
    for lane in 0..<3 where broken.contains(lane: lane) {
      brokenUntil[lane] = end + GroundWitness.brokenSamples
    }
  }

  private mutating func noteMoments(_ h: Lanes) {
    let difference = h - previous
    second[0] += GroundWitness.size(h)
    second[1] += GroundWitness.size(difference)
    second[2] += GroundWitness.size(difference - previousDifference)
    (previous, previousDifference) = (h, difference)
    guard end % 100 == 0 else { return }
    learnNoise()
    for index in 0..<GroundWitness.momentCount { second[index] = .zero }
  }

  @inline(__always)
  static func size(_ x: Lanes) -> Lanes { x.replacing(with: -x, where: x .< 0) }

  /// A second that has waited three becomes noise, unless it is the noise made larger.
  private mutating func learnNoise() {
    let slot = 3 * (secondsSeen % 3)
    defer {
      for index in 0..<GroundWitness.momentCount { waiting[slot + index] = second[index] / 100 }
      secondsSeen += 1
    }
    // The first three have a start's transient in them.
    guard secondsSeen >= 6 else { return }
    var old = InlineArray<3, Lanes>(repeating: .zero)
    for index in 0..<GroundWitness.momentCount { old[index] = waiting[slot + index] }
    guard noiseSeconds == 0 || !GroundWitness.isScaled(old, noise, lanes: lanes) else { return }
    noiseSeconds += 1
    let weight = max(1 / Double(noiseSeconds), GroundWitness.noiseWeight)
    for index in 0..<GroundWitness.momentCount {
      let limit = GroundWitness.noiseGrowthMaximum * noise[index]
      let bounded =
        noiseSeconds < 5
        ? old[index] : old[index].replacing(with: limit, where: old[index] .> limit)
      noise[index] += weight * (bounded - noise[index])
    }
  }

  private mutating func noteSecondSensor(_ counts: Double) {
    let energy = counts * counts
    secondSensorNow += 0.02 * (energy - secondSensorNow)
    secondSensorSamples = min(secondSensorSamples + 1, GroundWitness.secondSensorNoiseSamples)
    let isKnown = secondSensorSamples > GroundWitness.secondSensorSettlingSamples
    let bounded = isKnown ? min(energy, 4 * secondSensorNoise + 1) : energy
    secondSensorNoise += (bounded - secondSensorNoise) / Double(secondSensorSamples)
  }

  // MARK: What is known

  var isSettling: Bool { end < GroundWitness.settlingSamples }
  var knowsNoise: Bool { noiseSeconds >= 5 }

  var isUnconfirmed: Bool {
    hasSecondSensor
      && (secondSensorSamples <= GroundWitness.secondSensorSettlingSamples
        || secondSensorNow < GroundWitness.secondSensorEnergyRatio * secondSensorNoise)
  }

  /// The lanes that are there and well.
  public var believedLanes: LaneSet {
    var believed = LaneSet()
    for lane in 0..<3 where lanes.contains(lane: lane) && end >= brokenUntil[lane] {
      believed.insert(lane: lane)
    }
    return believed
  }

  public var laneCount: Int { lanes.count }

  /// In the last two seconds, m/s.
  public var velocity: Double {
    var largest = 0.0
    for index in 0..<20 { largest = max(largest, velocities[index]) }
    return largest
  }
}
