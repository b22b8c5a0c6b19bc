import Core
import Testing

@testable import Clock

@Suite struct SampleClockTests {
  func clock() -> SampleClock { SampleClock(rateMillihertz: SimulatedWorld.nominalMillihertz) }

  /// What the issue of every such station promises: 60 edges with ±50 µs of jitter, a sample clock
  /// 30 ppm fast, and a monotonic clock that is off as well.
  @Test(arguments: 1...40) func sixtyEdgesAreEnough(seed: Int) {
    var world = SimulatedWorld(seed: UInt64(seed))
    world.monotonicPartsPerMillion = -12
    world.systemErrorNanoseconds = 80_000_000
    world.systemMaximumErrorNanoseconds = 100_000_000
    var clock = clock()
    var error: Int64 = 0
    world.advance(&clock, tenths: 609) { error = $0.error }
    #expect(clock.counters.edges == 60)
    #expect(clock.reading.state == .locked)
    #expect(clock.reading.source == .pulse)
    #expect(error.magnitude < 100_000, "the time is off by \(error) ns")
    let rate = Double(clock.reading.rateErrorPartsPerBillion) / 1000
    #expect((rate - 30).magnitude < 0.5, "the rate is \(rate) ppm")
    #expect(clock.reading.uncertaintyNanoseconds < 100_000)
  }

  @Test func systemClockAloneIsAsGoodAsItSays() {
    var world = SimulatedWorld(seed: 3)
    world.hasPulse = false
    world.systemErrorNanoseconds = 1_500_000
    var clock = clock()
    var error: Int64 = 0
    world.advance(&clock, tenths: 600) { error = $0.error }
    #expect(clock.reading.state == .locked)
    #expect(clock.reading.source == .system)
    #expect((error - 1_500_000).magnitude < 300_000)
    #expect(clock.reading.uncertaintyNanoseconds >= 1_500_000)
  }

  @Test func withoutAnySourceItSaysSo() {
    var world = SimulatedWorld(seed: 4)
    world.hasPulse = false
    world.isSynchronised = false
    var clock = clock()
    world.advance(&clock, tenths: 100) { _ in }
    #expect(clock.reading.state == .unsynchronised)
    #expect(clock.reading.source == .none)
    #expect(clock.reading.uncertaintyNanoseconds == .max)
  }

  @Test func lostPulseIsHoldoverThenFreeRunning() {
    var world = SimulatedWorld(seed: 5)
    world.monotonicPartsPerMillion = 20
    var clock = clock()
    world.advance(&clock, tenths: 1200) { _ in }
    world.hasPulse = false
    world.isSynchronised = false
    world.advance(&clock, tenths: 100) { _ in }
    #expect(clock.reading.state == .holdover)
    var last: UInt32 = 0
    for _ in 0..<5 {
      var worst: UInt64 = 0
      world.advance(&clock, tenths: 1000) { worst = max(worst, $0.error.magnitude) }
      #expect(clock.reading.state == .holdover)
      #expect(clock.reading.uncertaintyNanoseconds > last, "the stated uncertainty must grow")
      #expect(worst <= UInt64(clock.reading.uncertaintyNanoseconds) * 3)
      last = clock.reading.uncertaintyNanoseconds
    }
    world.advance(&clock, tenths: 32_000) { _ in }
    #expect(clock.reading.state == .freeRunning)
    world.hasPulse = true
    world.isSynchronised = true
    world.advance(&clock, tenths: 1000) { _ in }
    #expect(clock.reading.state == .locked)
    #expect(clock.reading.source == .pulse)
  }

  @Test func lostPulseFallsBackToTheSystemClockWhenThatIsBetter() {
    var world = SimulatedWorld(seed: 6)
    world.systemMaximumErrorNanoseconds = 300_000
    var clock = clock()
    world.advance(&clock, tenths: 700) { _ in }
    world.hasPulse = false
    world.advance(&clock, tenths: 5000) { _ in }
    #expect(clock.reading.source == .system)
    #expect(clock.reading.state == .locked)
  }

  @Test func missingAndDoubledEdgesAreCountedAndHarmless() {
    var world = SimulatedWorld(seed: 7)
    world.missingEdges = [20, 21, 40, 63]
    world.doubledEdges = [10, 30, 50, 64]
    var clock = clock()
    var error: Int64 = 0
    world.advance(&clock, tenths: 800) { error = $0.error }
    #expect(clock.counters.missedEdges == 4)
    #expect(clock.counters.rejectedEdges == 4)
    #expect(clock.counters.edges == 76)
    #expect(error.magnitude < 100_000)
  }

  /// 2026 ends with a leap second in this world: the system clock shows the last second twice.
  @Test(arguments: [true, false]) func leapSecondIsSlewedAndStated(hasPulse: Bool) {
    var world = SimulatedWorld(seed: 8)
    world.hasPulse = hasPulse
    var clock = clock()
    var last = UTC(nanoseconds: .min)
    var steps = 0
    func check(_ served: UTC) {
      if served <= last { steps += 1 }
      last = served
    }
    world.advance(&clock, tenths: 1200) { check($0.served) }
    world.systemErrorNanoseconds = -nanosecondsPerSecond
    // Without it a pulse's labels would not move: see SystemClockTests.
    world.leapSeconds = -1
    var unstated = 0
    world.advance(&clock, tenths: 400) {
      check($0.served)
      let error = $0.error + nanosecondsPerSecond
      // The system clock is looked at once a second. From then on the error must be stated, though
      // three looks must agree on a pulse's new label.
      let isDecided = $0.elapsed > 121 * nanosecondsPerSecond
      if isDecided && error.magnitude > $0.uncertainty + 1_000_000 { unstated += 1 }
    }
    var error: Int64 = 0
    world.advance(&clock, tenths: 300) {
      check($0.served)
      error = $0.error + nanosecondsPerSecond
    }
    #expect(steps == 0, "time ran backwards \(steps) times")
    #expect(unstated == 0, "the error was larger than stated in \(unstated) blocks")
    #expect(error.magnitude < 5_000_000, "\(error) ns are left")
    #expect(clock.reading.state == .locked)
  }

  /// A board without a battery clock boots in the past and learns the time a minute later.
  @Test func forwardStepIsFollowedAtOnce() {
    var world = SimulatedWorld(seed: 9)
    world.hasPulse = false
    world.isSynchronised = false
    world.systemErrorNanoseconds = -3600 * nanosecondsPerSecond
    var clock = clock()
    world.advance(&clock, tenths: 600) { _ in }
    world.systemErrorNanoseconds = 0
    world.isSynchronised = true
    var error: Int64 = 0
    world.advance(&clock, tenths: 50) { error = $0.error }
    #expect(clock.counters.forwardSteps == 1)
    #expect(error.magnitude < 1_000_000)
    #expect(clock.reading.state == .locked)
  }

  @Test func backwardStepIsRefusedCountedAndShown() {
    var world = SimulatedWorld(seed: 10)
    world.hasPulse = false
    var clock = clock()
    var last = UTC(nanoseconds: .min)
    var backwards = 0
    func check(_ served: UTC) {
      if served <= last { backwards += 1 }
      last = served
    }
    world.advance(&clock, tenths: 600) { check($0.served) }
    world.systemErrorNanoseconds = -3600 * nanosecondsPerSecond
    world.advance(&clock, tenths: 600) { check($0.served) }
    #expect(backwards == 0)
    #expect(clock.counters.refusedBackwardSteps == 1)
    #expect(clock.reading.state == .unsynchronised)
    #expect(clock.reading.offsetNanoseconds < -3599 * nanosecondsPerSecond)
    #expect(clock.reading.uncertaintyNanoseconds == .max)
    // The operator corrects it: the station is back without a restart, and without a jump.
    world.systemErrorNanoseconds = 0
    world.advance(&clock, tenths: 600) { check($0.served) }
    #expect(backwards == 0)
    #expect(clock.reading.state == .locked)
    #expect(clock.counters.forwardSteps == 0)
  }

  @Test func stepWhileThePulseIsThereMovesTheLabelsOnlyWhenItLasts() {
    var world = SimulatedWorld(seed: 11)
    var clock = clock()
    world.advance(&clock, tenths: 700) { _ in }
    world.systemErrorNanoseconds = 3 * nanosecondsPerSecond
    world.advance(&clock, tenths: 20) { _ in }
    world.systemErrorNanoseconds = 0
    var error: Int64 = 0
    world.advance(&clock, tenths: 100) { error = $0.error }
    #expect(error.magnitude < 100_000, "a glitch of two seconds moved the time by \(error) ns")
  }

  @Test func afterAnInterruptionTheGapHasItsLength() {
    var world = SimulatedWorld(seed: 12)
    var clock = clock()
    world.advance(&clock, tenths: 300) { _ in }
    let before = world.frame(world.elapsed)
    let later = world.elapsed + 2_345_600_000
    let number = clock.resume(
      atMonotonicNanoseconds: world.monotonic(later), after: before)
    let truth = world.frame(later)
    // The stamps' latency of up to 0.2 ms is 1.6 frames.
    #expect(abs(number - truth) <= 3, "\(number) instead of \(truth)")
    let never = clock.resume(atMonotonicNanoseconds: world.monotonic(0), after: number)
    #expect(never >= number, "frame numbers never go back")
  }

  @Test func lineFitSurvivesOutliers() {
    var fit = LineFit()
    for index in 0..<60 {
      let x = Int64(index) * nanosecondsPerSecond
      let late: Int64 = index % 13 == 5 ? 900_000 : Int64(index * 7919 % 41) * 100
      fit.add(x: x, y: x + x / 50_000 + late)
    }
    #expect((fit.slopeError - 2e-5).magnitude < 1e-7)
    let x: Int64 = 30 * nanosecondsPerSecond
    #expect((fit.y(at: x) - (x + x / 50_000)).magnitude < 5000)
    #expect((fit.x(at: fit.y(at: x)) - x).magnitude <= 1)
  }

  /// Whose median residual is exactly zero, because most points lie on the line; the newest does
  /// not.
  @Test func lineFitDropsOutliersOfAPerfectLine() {
    var fit = LineFit()
    for index in 0..<9 {
      let late: Int64 = index == 4 ? -80_000 : index % 8 == 0 ? 40_000 : 0
      fit.add(x: Int64(index) * 1_000_000, y: Int64(index) * 1_000_000 + late)
    }
    #expect(fit.residualNanoseconds < 1)
    #expect((fit.newestResidualNanoseconds - 40_000).magnitude < 1)
  }
}
