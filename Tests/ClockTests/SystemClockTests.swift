// What a system clock may say against a pulse, and what it may not.

import Core
import Testing

@testable import Clock

@Suite struct SystemClockTests {
  func clock() -> SampleClock { SampleClock(rateMillihertz: SimulatedWorld.nominalMillihertz) }

  /// Locked to a pulse for a while, beside a clock that is right and says so.
  func locked(_ world: inout SimulatedWorld) -> SampleClock {
    var clock = clock()
    world.advance(&clock, tenths: 1200) { _ in }
    #expect(clock.reading.source == .pulse && clock.reading.state == .locked)
    return clock
  }

  /// systemd-timesyncd says that it is right to the microsecond at every poll, while it slews for
  /// minutes what its server, or the way to it, had wrong.
  @Test(arguments: [-300, -20, 20, 300])
  func aClockThatStatesNothingIsNotHeardOverAPulse(millisecondsOff: Int64) {
    var world = SimulatedWorld(seed: 21)
    world.systemMaximumErrorNanoseconds = 0
    var clock = locked(&world)
    world.systemErrorNanoseconds = millisecondsOff * 1_000_000
    var worst: UInt64 = 0
    var isPulse = true
    var isHonest = true
    for _ in 0..<600 {
      world.advance(&clock, tenths: 10) {
        worst = max(worst, $0.error.magnitude)
        if $0.error.magnitude > $0.uncertainty + 100_000 { isHonest = false }
      }
      if clock.reading.source != .pulse || clock.reading.state != .locked { isPulse = false }
    }
    #expect(isPulse, "the pulse must stay the source")
    #expect(worst < 100_000, "the time moved by \(worst) ns")
    #expect(isHonest)
    #expect(clock.reading.uncertaintyNanoseconds < 100_000)
  }

  /// It is heard first where it is the only one.
  @Test func aClockThatStatesNothingIsUncertain() {
    var world = SimulatedWorld(seed: 22)
    world.hasPulse = false
    world.systemMaximumErrorNanoseconds = 0
    world.systemErrorNanoseconds = 20_000_000
    var clock = clock()
    world.advance(&clock, tenths: 600) { _ in }
    #expect(clock.reading.source == .system && clock.reading.state == .locked)
    #expect(clock.reading.uncertaintyNanoseconds >= 50_000_000)
  }

  /// At the first start, too.
  @Test func aClockThatStatesNothingLabelsAPulse() {
    var world = SimulatedWorld(seed: 23)
    world.systemMaximumErrorNanoseconds = 0
    world.systemErrorNanoseconds = 20_000_000
    var clock = clock()
    var error: Int64 = 0
    world.advance(&clock, tenths: 900) { error = $0.error }
    #expect(clock.reading.source == .pulse && clock.reading.state == .locked)
    #expect(error.magnitude < 100_000)
  }

  /// A daemon that believes itself and is wrong: a way that takes 40 ms more there than back.
  @Test func aClockThatIsSureAndWrongDoesNotDropAPulse() {
    var world = SimulatedWorld(seed: 24)
    var clock = locked(&world)
    world.systemErrorNanoseconds = 20_000_000
    var worst: UInt64 = 0
    world.advance(&clock, tenths: 6000) { worst = max(worst, $0.error.magnitude) }
    #expect(clock.reading.source == .pulse && clock.reading.state == .locked)
    #expect(worst < 100_000)
  }

  /// The wrong edge of the pulse, 100 ms late, seems right to a clock that is not sure. It is
  /// dropped when that knows better.
  @Test func whatAnUnsureClockLetByASureOneDrops() {
    var world = SimulatedWorld(seed: 25)
    world.systemErrorNanoseconds = -100_000_000
    world.systemMaximumErrorNanoseconds = 300_000_000
    var clock = clock()
    world.advance(&clock, tenths: 600) { _ in }
    #expect(clock.reading.source == .pulse)
    world.systemMaximumErrorNanoseconds = 10_000_000
    world.advance(&clock, tenths: 100) { _ in }
    #expect(clock.reading.source == .system)
  }

  /// To a nanosecond, as no clock is.
  @Test func aSurerClockDoesNotOutrankAPulse() {
    var world = SimulatedWorld(seed: 26)
    world.systemErrorNanoseconds = 600_000
    world.systemMaximumErrorNanoseconds = 1
    var clock = clock()
    var error: Int64 = 0
    world.advance(&clock, tenths: 900) { error = $0.error }
    #expect(clock.reading.source == .pulse)
    #expect(error.magnitude < 100_000)
  }

  /// Announced, it moves the labels within three seconds, once.
  @Test(arguments: [-1, 1]) func anAnnouncedLeapSecondMovesTheLabels(leap: Int64) {
    var world = SimulatedWorld(seed: 27)
    var clock = locked(&world)
    world.leapSeconds = leap
    world.advance(&clock, tenths: 600) { _ in }
    #expect(clock.reading.uncertaintyNanoseconds < 100_000, "announced, it has not come yet")
    world.systemErrorNanoseconds = leap * nanosecondsPerSecond
    var isHonest = true
    var error: Int64 = 0
    func truth(_ moment: Moment) { error = moment.error - leap * nanosecondsPerSecond }
    world.advance(&clock, tenths: 11, truth)
    world.advance(&clock, tenths: 600) {
      truth($0)
      if error.magnitude > $0.uncertainty + 100_000 { isHonest = false }
    }
    #expect(isHonest)
    #expect(error.magnitude < 1_000_000, "\(error) ns are left")
    // While the flag stays, the clock makes the same step again: that is no leap second.
    world.systemErrorNanoseconds = 2 * leap * nanosecondsPerSecond
    world.advance(&clock, tenths: 600, truth)
    #expect(error.magnitude < 1_000_000)
    #expect(clock.reading.uncertaintyNanoseconds >= 1_000_000_000)
  }

  /// Without flags it may be the clock's fault: what is not known is stated until the clock has
  /// insisted.
  @Test func aLeapSecondThatNobodyAnnouncedIsDoubtFirst() {
    var world = SimulatedWorld(seed: 28)
    var clock = locked(&world)
    world.systemErrorNanoseconds = -nanosecondsPerSecond
    world.advance(&clock, tenths: 20) { _ in }
    var isStated = true
    world.advance(&clock, tenths: 40_900) {
      if $0.error.magnitude > 100_000 || $0.uncertainty < 1_000_000_000 { isStated = false }
    }
    #expect(isStated)
    #expect(clock.reading.source == .pulse && clock.reading.state == .locked)
    var error: Int64 = 0
    world.advance(&clock, tenths: 900) { error = $0.error + nanosecondsPerSecond }
    #expect(error.magnitude < 1_000_000, "\(error) ns are left")
    #expect(clock.reading.uncertaintyNanoseconds < 1_000_000)
  }

  @Test(arguments: [-1, 3600]) func aClockThatIsWrongForAnHourMovesNothing(seconds: Int64) {
    var world = SimulatedWorld(seed: 29)
    var clock = locked(&world)
    world.systemErrorNanoseconds = seconds * nanosecondsPerSecond
    world.advance(&clock, tenths: 20) { _ in }
    var worst: UInt64 = 0
    var isStated = true
    let doubt = UInt64(clamping: min(seconds.magnitude * 1_000_000_000, UInt64(UInt32.max)))
    world.advance(&clock, tenths: 36_000) {
      worst = max(worst, $0.error.magnitude)
      if $0.uncertainty < doubt { isStated = false }
    }
    #expect(isStated, "as many seconds must be stated as the two are apart")
    #expect(clock.reading.source == .pulse)
    world.systemErrorNanoseconds = 0
    world.advance(&clock, tenths: 20) { worst = max(worst, $0.error.magnitude) }
    #expect(worst < 100_000, "the time moved by \(worst) ns")
    #expect(clock.reading.uncertaintyNanoseconds < 100_000, "the doubt is over")
    #expect(clock.counters.forwardSteps == 0 && clock.counters.refusedBackwardSteps == 0)
  }

  /// A few edges are missing just then.
  @Test func aClockThatIsWrongIsNotTurnedToInHoldover() {
    var world = SimulatedWorld(seed: 30)
    var clock = locked(&world)
    world.systemErrorNanoseconds = 3600 * nanosecondsPerSecond
    world.systemMaximumErrorNanoseconds = 1000
    world.advance(&clock, tenths: 100) { _ in }
    world.hasPulse = false
    var worst: UInt64 = 0
    world.advance(&clock, tenths: 6000) { worst = max(worst, $0.error.magnitude) }
    #expect(worst < 1_000_000)
    #expect(clock.reading.state == .holdover && clock.reading.source == .pulse)
    #expect(clock.reading.uncertaintyNanoseconds == .max)
  }

  /// Who insists must agree with the pulse on where a second begins, and vouch for itself.
  @Test(arguments: [
    (true, 2_000_000, 500_000_000 / 2), (true, 150_000_000, 0), (false, 2_000_000, 0),
  ])
  func insistenceIsNoMatterOfTimeAlone(
    isSynchronised: Bool, maximumErrorNanoseconds: Int64, restNanoseconds: Int64
  ) {
    var world = SimulatedWorld(seed: 31)
    var clock = locked(&world)
    world.isSynchronised = isSynchronised
    world.systemMaximumErrorNanoseconds = maximumErrorNanoseconds
    world.systemErrorNanoseconds = nanosecondsPerSecond + restNanoseconds
    var worst: UInt64 = 0
    world.advance(&clock, tenths: 42_000) { worst = max(worst, $0.error.magnitude) }
    #expect(worst < 100_000, "the time moved by \(worst) ns")
    #expect(clock.reading.source == .pulse)
  }

  /// Booted an hour off, with pulses from the first second on: the first who knows is followed at
  /// once.
  @Test func theFirstSynchronisationLabelsThePulse() {
    var world = SimulatedWorld(seed: 32)
    world.isSynchronised = false
    world.systemErrorNanoseconds = -3_600_300_000_000
    var clock = clock()
    world.advance(&clock, tenths: 600) { _ in }
    #expect(clock.reading.source == .none)
    world.isSynchronised = true
    world.systemErrorNanoseconds = 1_000_000
    var error: Int64 = 0
    world.advance(&clock, tenths: 60) { _ in }
    #expect(clock.reading.source == .pulse && clock.reading.state == .locked)
    // It was served by the system's clock for a moment, and works that off.
    world.advance(&clock, tenths: 300) { error = $0.error }
    #expect(error.magnitude < 100_000)
    #expect(clock.reading.uncertaintyNanoseconds < 100_000)
  }
}
