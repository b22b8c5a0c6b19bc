// Each doubt by its cause, on a sensor that otherwise hears the ground's own noise; and none of
// them in the S of a strong earthquake.

import Conditioning
import Core
import Testing
import Tools

@testable import Estimator

private let turn = 6.283185307179586

/// A sensor at rest for a while, then what is given, in m/s² by the seconds since. By reference, so
/// that an expectation can be about it.
private final class Bench {
  private static let limit = 0.49
  private static let response = Response(
    quantity: .acceleration, unitsPerCount: Lanes(repeating: 1e-6))

  var witness: GroundWitness
  private var filter = MotionFilter(Bench.response)
  private var random = RandomGenerator(seed: 5)
  private var noise = Lanes.zero
  private var number: Int64 = 0
  /// Twenty a second, as the station asks for them, since the noise alone.
  private(set) var verdicts: [(seconds: Double, verdict: GroundVerdict)] = []
  var noiseLevel: Double

  init(
    lanes: LaneSet = 0b111, hasSecondSensor: Bool = false, noiseLevel: Double = 1e-4,
    quietSeconds: Double = 30
  ) {
    witness = GroundWitness(lanes: lanes, hasSecondSensor: hasSecondSensor)
    self.noiseLevel = noiseLevel
    _ = filter.step(.zero)
    run(seconds: quietSeconds, isJudged: false) { _ in .zero }
  }

  /// Below ten hertz, as the ground's is where a town is quiet.
  func nextNoise() -> Lanes {
    let white = Lanes(random.gaussian(), random.gaussian(), random.gaussian(), random.gaussian())
    noise += 0.4 * (white - noise)
    return 2 * noiseLevel * noise
  }

  func run(
    seconds: Double, restarts: Bool = false, isJudged: Bool = true,
    flags: ChannelFlags = ChannelFlags(),
    gain: Double = 1, secondSensor: Double = 0, _ motion: (Double) -> Lanes
  ) {
    for index in 0..<Int(seconds * 100) {
      let moved = motion(Double(index) / 100)
      var counts = 1e6 * (gain * nextNoise() + moved)
      counts[3] = 10 * random.gaussian() + 1e6 * secondSensor * moved[0]
      let sample = Sample(
        number: number, time: UTC(nanoseconds: number * 10_000_000), counts: counts,
        motion: filter.step(counts), flags: flags, isRestart: restarts && index == 0)
      witness.step(sample, sample.motion!)
      number += 1
      if isJudged && index % 5 == 0 {
        verdicts.append((Double(verdicts.count) / 20, witness.judge(limit: Bench.limit)))
      }
    }
  }

  func at(_ seconds: Double) -> Doubts {
    verdicts[Int((seconds * 20).rounded())].verdict.doubts
  }

  /// What would be believed: shaking for long enough, and no doubt.
  var isBelieved: Bool {
    verdicts.contains { $0.verdict.doubts.isEmpty && $0.verdict.isSustained }
  }
}

/// Three components that differ in size and phase, as no mechanism of the sensor moves them.
private func sway(_ hertz: Double, _ time: Double, _ size: Double = 1) -> Lanes {
  size
    * Lanes(
      Elementary.sine(turn * hertz * time), 0.8 * Elementary.sine(turn * hertz * time + 1.3),
      0.6 * Elementary.sine(turn * hertz * time + 2.4), 0)
}

/// Two of them in different planes, quick enough for a P.
private func shake(_ time: Double, _ size: Double = 1) -> Lanes {
  sway(4.1, time, size) + twisted(sway(6.3, time, size))
}

/// A P of half a second, then S.
private func earthquake(_ time: Double) -> Lanes { shake(time, time < 0.5 ? 0.05 : 1) }

private func twisted(_ motion: Lanes) -> Lanes { Lanes(motion[2], motion[0], motion[1], 0) }

@Suite struct GroundWitnessTests {
  @Test func aStepGoesToOneSide() {
    let bench = Bench()
    bench.run(seconds: 3) { _ in Lanes(1, 0.6, 0.3, 0) }
    #expect(bench.at(0.9).contains(.oneSided) && bench.at(0.9).contains(.jumping))
    #expect(!bench.isBelieved)
  }

  @Test func aHalfSineIsBriefAndThenFades() {
    let bench = Bench()
    bench.run(seconds: 3) { time in
      time < 0.3 ? Elementary.sine(turn * time / 0.6) * Lanes(1, 0.8, -0.5, 0) : .zero
    }
    #expect(bench.at(0.3).contains(.brief))
    #expect(bench.at(0.9).contains(.fading))
    #expect(!bench.isBelieved)
  }

  /// Four a second, each at rest before the next.
  @Test func tapsAreBriefHoweverManyThereAre() {
    let bench = Bench()
    bench.run(seconds: 6) { time in
      let since = time.truncatingRemainder(dividingBy: 0.5)
      return Elementary.exponential(-since / 0.03) * sway(22, since, 3)
    }
    for index in stride(from: 5.0, to: 5.9, by: 0.05) {
      #expect(!bench.at(index).isDisjoint(with: Doubts.brief.union(.fading)), "at \(index) s")
    }
    #expect(bench.at(5.1).contains(.brief))
    #expect(!bench.isBelieved)
  }

  /// A loose bit of the converter, for as long as it is loose.
  @Test func aBitThatFlickersJumps() {
    var random = RandomGenerator(seed: 9)
    var isSet = false
    let bench = Bench()
    bench.run(seconds: 5) { _ in
      if random.below(8) == 0 { isSet.toggle() }
      return isSet ? Lanes(1.5, 0, 0, 0) : .zero
    }
    for index in stride(from: 2.0, to: 4.9, by: 0.1) {
      #expect(bench.at(index).contains(.jumping), "at \(index) s")
    }
    #expect(bench.at(3).contains(.straight), "on one lane alone")
    #expect(!bench.isBelieved)
  }

  @Test func theRailwaysMainsHiss() {
    let bench = Bench()
    bench.run(seconds: 4) { sway(16.7, $0) }
    for index in [1.0, 2, 3] { #expect(bench.at(index).contains(.hissing)) }
    #expect(!bench.isBelieved)
  }

  @Test func aGainThatJumpsMakesTheNoiseLarger() {
    let bench = Bench(noiseLevel: 2e-3)
    bench.run(seconds: 5, gain: 400) { _ in .zero }
    let loud = bench.verdicts.filter { $0.verdict.isSustained && $0.seconds > 1 }
    #expect(loud.count > 60, "it is strong enough to be taken for shaking")
    #expect(loud.allSatisfy { $0.verdict.doubts.contains(.scaled) })
  }

  @Test func aGainThatJumpsWithItsOffsetIsSudden() {
    let bench = Bench(noiseLevel: 1e-3)
    bench.run(seconds: 8, gain: 400) { _ in Lanes(0.5, -0.4, 0.6, 0) }
    let loud = bench.verdicts.filter { $0.verdict.isSustained }
    #expect(loud.count > 60, "it is strong enough to be taken for shaking")
    #expect(loud.allSatisfy { $0.verdict.doubts.contains(.sudden) })
  }

  @Test func whatHasAPBeforeItIsNotSudden() {
    let bench = Bench()
    bench.run(seconds: 4) { earthquake($0) }
    #expect(bench.at(0.4).contains(.sudden))
    for second in [0.9, 2, 3] { #expect(!bench.at(second).contains(.sudden)) }
  }

  @Test func anOffsetThatGoesAndLeavesStillnessHasJumped() {
    let bench = Bench()
    bench.run(seconds: 1.3, gain: 400) { _ in Lanes(0.9, 0.8, 0.7, 0) }
    bench.run(seconds: 1) { _ in .zero }
    for second in [1.55, 1.8, 2] { #expect(bench.at(second).contains(.jumping)) }
    #expect(!bench.isBelieved)
  }

  @Test func whatSettlesDrifts() {
    let bench = Bench()
    bench.run(seconds: 6) { Elementary.exponential(-$0 / 3) * Lanes(4, 3, -2, 0) }
    for index in [1.2, 3] {
      #expect(bench.at(index).contains(.drifting) && bench.at(index).contains(.oneSided))
    }
    #expect(!bench.isBelieved)
  }

  @Test func oneLaneAloneIsNoWitness() {
    let bench = Bench(lanes: 0b001)
    bench.run(seconds: 3) { sway(2.1, $0) + sway(3.3, $0) }
    #expect(bench.at(1).contains(.alone) && bench.at(2).contains(.alone))
    #expect(bench.witness.laneCount == 1)
    let one = Bench()
    one.run(seconds: 3) { time in Lanes((sway(2.1, time) + sway(3.3, time))[0], 0, 0, 0) }
    #expect(one.at(1).contains(.straight) && !one.at(1).contains(.alone))
    #expect(!bench.isBelieved && !one.isBelieved)
  }

  @Test func theSameWaveOnAllLanesIsStraight() {
    let bench = Bench()
    bench.run(seconds: 3) { time in
      Lanes(repeating: (sway(2.1, time) + sway(3.3, time))[0]) * Lanes(1, -0.7, 0.4, 0)
    }
    #expect(bench.at(1).contains(.straight) && bench.at(2).contains(.straight))
    #expect(!bench.isBelieved)
  }

  /// What clips is not believed for two seconds more, and two lanes are needed.
  @Test func aLaneThatClipsIsNotBelieved() {
    let bench = Bench()
    var clipped = ChannelFlags()
    clipped.clipped = 0b010
    bench.run(seconds: 0.1, flags: clipped) { sway(2.1, $0) }
    #expect(bench.witness.believedLanes == 0b101)
    #expect(!bench.at(0.05).contains(.alone))
    clipped.clipped = 0b110
    bench.run(seconds: 0.1, flags: clipped) { sway(2.1, $0) }
    #expect(bench.witness.believedLanes == 0b001 && bench.at(0.15).contains(.alone))
    bench.run(seconds: 1.9) { sway(2.1, $0) }
    #expect(bench.witness.believedLanes == 0b001)
    bench.run(seconds: 0.2) { sway(2.1, $0) }
    #expect(bench.witness.believedLanes == 0b111)
    for (index, set) in [\ChannelFlags.stuck, \ChannelFlags.dead].enumerated() {
      var flags = ChannelFlags()
      flags[keyPath: set] = 0b011
      bench.run(seconds: 0.1, flags: flags) { sway(2.1, $0) }
      #expect(bench.witness.believedLanes == 0b100, "\(index)")
    }
  }

  /// Eight hertz with a harmonic, on two axes: a machine at its speed.
  @Test func aMachineIsPeriodic() {
    let bench = Bench()
    bench.run(seconds: 8) { sway(8, $0) + sway(16, $0, 0.3) }
    for index in [4.0, 5, 6, 7] { #expect(bench.at(index).contains(.periodic), "at \(index) s") }
  }

  @Test func nothingIsBelievedUntilTheFiltersHaveSettled() {
    let bench = Bench()
    bench.run(seconds: 4.9, restarts: true) { sway(2.1, $0) + sway(3.3, $0) }
    #expect(bench.verdicts.allSatisfy { $0.verdict.doubts.contains(.settling) })
    bench.run(seconds: 2) { sway(2.1, $0) + sway(3.3, $0) }
    #expect(!bench.at(5.5).contains(.settling))
  }

  @Test func aSecondSensorMustMoveAsWell() {
    for (share, isConfirmed) in [(0.0, false), (1.0, true)] {
      let bench = Bench(hasSecondSensor: true, quietSeconds: 120)
      bench.run(seconds: 3, secondSensor: share) { earthquake($0) }
      #expect(bench.at(1.5).contains(.unconfirmed) != isConfirmed)
      #expect(bench.verdicts[30].verdict.isConfirmed == isConfirmed)
      #expect(bench.isBelieved == isConfirmed)
    }
  }

  @Test func aSecondSensorConfirmsNothingBeforeItsNoiseIsKnown() {
    let bench = Bench(hasSecondSensor: true, quietSeconds: 6)
    bench.run(seconds: 3, secondSensor: 1) { shake($0) }
    #expect(bench.at(1.5).contains(.unconfirmed) && !bench.isBelieved)
  }

  /// Whatever turns or swings about one axis moves in one plane; the ground does not.
  @Test func aRotorsMotionIsFlat() {
    let bench = Bench()
    bench.run(seconds: 4) { sway(5, $0) + sway(8.3, $0) }
    for index in [1.2, 2, 3] { #expect(bench.at(index).contains(.flat), "at \(index) s") }
    #expect(!bench.isBelieved)
    let ground = Bench()
    ground.run(seconds: 4) { earthquake($0) }
    #expect(ground.isBelieved)
    #expect(ground.verdicts.allSatisfy { $0.seconds < 0.5 || !$0.verdict.doubts.contains(.flat) })
  }

  /// A hand is slow from its first moment on, however long it lasts; S is so behind a quick P.
  @Test func whatHasNeverBeenQuickIsSlow() {
    func hand(_ time: Double) -> Lanes { sway(1.1, time) + twisted(sway(1.9, time)) }
    let carried = Bench()
    carried.run(seconds: 8) { hand($0) }
    for index in [1.0, 3, 7] { #expect(carried.at(index).contains(.slow), "at \(index) s") }
    #expect(!carried.isBelieved)
    let shaken = Bench()
    shaken.run(seconds: 2) { shake($0, 0.02) }
    shaken.run(seconds: 8) { hand($0) }
    for index in [3.0, 5, 9] { #expect(!shaken.at(index).contains(.slow), "at \(index) s") }
    #expect(shaken.isBelieved)
  }

  /// M 6.5 in 20 km: in what decides, that it has not lasted, that it fades, and nothing else.
  @Test(arguments: [UInt64(1), 2, 3, 4, 5]) func nothingIsDoubtedOfAStrongEarthquake(seed: UInt64) {
    var settings = SyntheticSettings()
    (settings.magnitude, settings.epicentralKilometres, settings.seed) = (6.5, 20, seed)
    settings.leadSeconds = 10
    var earthquake = SyntheticEarthquake(settings, rateHertz: 100)
    let shear = earthquake.timeOfS
    let bench = Bench()
    bench.run(seconds: shear + 3) { _ in earthquake.next() }
    let strong = bench.verdicts.filter {
      $0.seconds > shear && $0.seconds < shear + 1.5 && $0.verdict.isSustained
    }
    let others = strong.filter { !$0.verdict.doubts.isSubset(of: Doubts.brief.union(.fading)) }
    #expect(others.isEmpty, "\(others.map { ($0.seconds - shear, $0.verdict.doubts.rawValue) })")
    #expect(strong.allSatisfy { $0.verdict.movedLanes >= 2 })
    let believed = strong.filter { $0.verdict.doubts.isEmpty }
    #expect(
      believed.count > 2, "\(strong.map { ($0.seconds - shear, $0.verdict.doubts.rawValue) })")
  }
}
