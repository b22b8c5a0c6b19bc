import Conditioning
import Core
import Testing

@testable import Picker

@Suite struct StaLtaPickerTests {
  func picker(_ lanes: LaneSet = 0b111) -> Picker {
    Picker(PickerSettings(), presentLanes: lanes)
  }

  func event(_ time: Double, at onset: Double, amplitude: Double = 3000) -> SIMD4<Double> {
    let p = waveTrain(time, onset: onset, hertz: 6, lasting: 8, amplitude: amplitude)
    return SIMD4(p, 0.3 * p, 0.2 * p, 0)
  }

  @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8])
  func eventIsProvisionalThenConfirmed(seed: Int) throws {
    var picker = picker()
    var stream = SyntheticStream(seed: UInt64(seed))
    let onset = 20 + Double(seed) * 0.0137
    let picks = listen(&picker, &stream, seconds: 60) { event($0, at: onset) }
    #expect(picks.map(\.status) == [.provisional, .confirmed])
    #expect(picks.map(\.id) == [1, 1])
    let first = try #require(picks.first)
    let last = try #require(picks.last)
    let error = SyntheticStream.seconds(last.time) - onset
    #expect(error.magnitude < 0.05, "off by \(error) s")
    #expect(last.timeSigmaSeconds < 0.1)
    #expect(last.firstMotion == .up)
    #expect(first.phase == .p && last.phase == .p)
    #expect(last.signalToNoiseDecibels > 15)
    #expect(last.probability == nil, "no calibrated opinion, and none invented")
    let (lastPickTime, pickCount) = (picker.lastPickTime, picker.pickCount)
    #expect(lastPickTime == last.time)
    #expect(pickCount == 1)
  }

  @Test func provisionalComesSoonAndTheVerdictWithinFourSeconds() {
    var picker = picker()
    var stream = SyntheticStream(seed: 21)
    var told: [Double] = []
    for _ in 0..<4000 {
      let time = SyntheticStream.seconds(SyntheticStream.time(stream.number))
      if !picker.picks(of: stream.next(event(time, at: 20))).isEmpty { told.append(time - 20) }
    }
    #expect(told.count == 2)
    #expect(told[0] < 0.5)
    #expect(told[1] < 4)
  }

  @Test func downwardFirstMotion() {
    var picker = picker()
    var stream = SyntheticStream(seed: 31)
    let picks = listen(&picker, &stream, seconds: 40) { event($0, at: 20, amplitude: -3000) }
    #expect(picks.last?.firstMotion == .down)
  }

  @Test func liveFromFiveSecondsOn() {
    var early = picker()
    var stream = SyntheticStream(seed: 2)
    _ = listen(&early, &stream, seconds: 4.98)
    let isEarly = early.isLive
    #expect(!isEarly)
    let picks = listen(&early, &stream, seconds: 30) { event($0, at: 5.3) }
    let isLive = early.isLive
    #expect(isLive)
    #expect(picks.map(\.status) == [.provisional, .confirmed])
  }

  @Test func footstepIsRetracted() {
    var picker = picker()
    var stream = SyntheticStream(seed: 3)
    let picks = listen(&picker, &stream, seconds: 60) {
      SIMD4(waveTrain($0, onset: 20, hertz: 15, lasting: 0.4, amplitude: 3000), 0, 0, 0)
    }
    #expect(picks.map(\.status) == [.provisional, .retracted])
    #expect(picks.map(\.id) == [1, 1])
  }

  @Test func quietNoiseGivesNoPickInAnHour() {
    var picker = picker()
    var stream = SyntheticStream(seed: 4)
    let picks = listen(&picker, &stream, seconds: 3600)
    #expect(picks.isEmpty, "\(picks.count) picks in stationary noise")
  }

  @Test func digitalSilenceAndItsEndGiveNoPick() {
    var picker = picker()
    var stream = SyntheticStream(seed: 5)
    stream.noiseCounts = .zero
    #expect(listen(&picker, &stream, seconds: 60).isEmpty)
    let ratio = picker.ratio
    #expect(ratio < 1)
    // One count of quantisation noise is no event either.
    stream.noiseCounts = SIMD4(0.3, 0.3, 0.3, 0)
    #expect(listen(&picker, &stream, seconds: 60).isEmpty)
  }

  @Test func horizontalsServeWhenTheVerticalIsDead() throws {
    var picker = picker()
    var stream = SyntheticStream(seed: 6)
    stream.flags.dead = 0b001
    let picks = listen(&picker, &stream, seconds: 80) {
      let p = waveTrain($0, onset: 40, hertz: 6, lasting: 8, amplitude: 3000)
      return SIMD4(0, p, 0.5 * p, 0)
    }
    #expect(picks.map(\.status) == [.provisional, .confirmed])
    let pick = try #require(picks.last)
    #expect(pick.firstMotion == .unclear, "the horizontals know no up")
    #expect(pick.quality.rawValue >= PickQuality.c.rawValue)
  }

  /// A converter that stands still for a few seconds now and then is no broken component.
  @Test func briefStandstillChangesNothing() {
    var picker = picker()
    var stream = SyntheticStream(seed: 13)
    for _ in 0..<20 {
      stream.flags.stuck = 0
      #expect(listen(&picker, &stream, seconds: 2).isEmpty)
      stream.flags.stuck = 0b001
      #expect(listen(&picker, &stream, seconds: 3).isEmpty)
    }
    stream.flags.stuck = 0
    let isLive = picker.isLive
    #expect(isLive)
    let picks = listen(&picker, &stream, seconds: 60) { event($0, at: 110) }
    #expect(picks.map(\.status) == [.provisional, .confirmed])
  }

  @Test func stationWithoutAVerticalListensAtOnce() {
    var picker = picker(0b110)
    var stream = SyntheticStream(seed: 14)
    let picks = listen(&picker, &stream, seconds: 40) {
      let p = waveTrain($0, onset: 8, hertz: 6, lasting: 8, amplitude: 3000)
      return SIMD4(0, p, 0.5 * p, 0)
    }
    #expect(picks.map(\.status) == [.provisional, .confirmed])
  }

  @Test func gapInTheFirstSecondsDoesNotShortenTheSettling() {
    var picker = picker()
    var stream = SyntheticStream(seed: 15)
    _ = listen(&picker, &stream, seconds: 0.5)
    stream.skip(100)
    _ = listen(&picker, &stream, seconds: 3, restart: true)
    let isLive = picker.isLive
    #expect(!isLive)
  }

  @Test func clippingLowersTheQuality() {
    var picker = picker()
    var stream = SyntheticStream(seed: 7)
    var picks = listen(&picker, &stream, seconds: 20.5) { event($0, at: 20, amplitude: 1e6) }
    stream.flags.clipped = 0b001
    picks += listen(&picker, &stream, seconds: 10) { event($0, at: 20, amplitude: 1e6) }
    #expect(picks.first?.quality == .a)
    #expect(picks.last?.status == .confirmed)
    #expect(picks.last.map { $0.quality.rawValue >= PickQuality.c.rawValue } == true)
  }

  @Test func spikeGuardAsksForMore() {
    var guarded = picker()
    var stream = SyntheticStream(seed: 8)
    // A burst that is over within 0.2 s: long enough for an unguarded trigger, too short for a
    // guarded one.
    func burst(_ time: Double) -> SIMD4<Double> {
      SIMD4(waveTrain(time, onset: 20, hertz: 15, lasting: 0.15, amplitude: 1500), 0, 0, 0)
    }
    _ = listen(&guarded, &stream, seconds: 19.9)
    stream.flags.spiked = 0b001
    #expect(listen(&guarded, &stream, seconds: 0.3, burst).isEmpty)
    stream.flags.spiked = 0
    #expect(listen(&guarded, &stream, seconds: 30, burst).isEmpty)
    var plain = picker()
    var same = SyntheticStream(seed: 8)
    let picks = listen(&plain, &same, seconds: 50, burst)
    #expect(picks.map(\.status) == [.provisional, .retracted], "without the flag it would trigger")
  }

  @Test func shortGapKeepsTheNoiseLevelLongOneDoesNot() {
    for (gap, isLiveAfterTwoSeconds) in [(300, true), (3000, false)] as [(Int64, Bool)] {
      var picker = picker()
      var stream = SyntheticStream(seed: 9)
      _ = listen(&picker, &stream, seconds: 60)
      stream.skip(gap)
      let picks = listen(&picker, &stream, seconds: 2, restart: true)
      #expect(picks.isEmpty, "a gap is no earthquake")
      let isLive = picker.isLive
      #expect(isLive == isLiveAfterTwoSeconds)
    }
  }

  /// What comes after a gap neither disproves a pick nor moves it.
  @Test(arguments: [20.3, 20.8, 22.5], [400, 100_000])
  func gapDuringAnEventDoesNotRetractIt(cut: Double, gap: Int) {
    var picker = picker()
    var stream = SyntheticStream(seed: 10)
    var picks = listen(&picker, &stream, seconds: cut) { event($0, at: 20) }
    #expect(picks.map(\.status) == [.provisional])
    stream.skip(Int64(gap))
    picks += listen(&picker, &stream, seconds: 10, restart: true)
    #expect(picks.map(\.status) == [.provisional, .confirmed])
    #expect((SyntheticStream.seconds(picks[1].time) - 20).magnitude < 0.1)
  }

  @Test func laterHorizontalArrivalIsS() throws {
    var picker = picker()
    var stream = SyntheticStream(seed: 11)
    let picks = listen(&picker, &stream, seconds: 60) {
      let p = waveTrain($0, onset: 20, hertz: 6, lasting: 3, amplitude: 2000)
      let s = waveTrain($0, onset: 32, hertz: 3, lasting: 8, amplitude: 8000)
      return SIMD4(p + 0.2 * s, 0.2 * p + s, 0.2 * p + s, 0)
    }
    #expect(picks.map(\.status) == [.provisional, .confirmed, .provisional, .confirmed])
    #expect(picks.map(\.phase) == [.p, .p, .p, .s])
    #expect((SyntheticStream.seconds(try #require(picks.last).time) - 32).magnitude < 0.1)
  }

  @Test func louderGroundIsLearnt() {
    var picker = picker()
    var stream = SyntheticStream(seed: 12)
    _ = listen(&picker, &stream, seconds: 60)
    stream.noiseCounts *= 10
    _ = listen(&picker, &stream, seconds: 240)
    let ratio = picker.ratio
    #expect(ratio < 3, "after four minutes the new level is the normal one")
    #expect(listen(&picker, &stream, seconds: 300).isEmpty)
  }
}
