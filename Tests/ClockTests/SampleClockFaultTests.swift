// What goes wrong with time in the field, beyond what SampleClockTests has of steps and leaps.

import Core
import Testing

@testable import Clock

@Suite struct SampleClockFaultTests {
  func clock() -> SampleClock { SampleClock(rateMillihertz: SimulatedWorld.nominalMillihertz) }

  /// The antenna is off and the input floats: mains at 49.98 Hz has an edge near every second.
  @Test func humIsNoPulse() {
    var world = SimulatedWorld(seed: 1)
    world.hasPulse = false
    world.systemMaximumErrorNanoseconds = 20_000_000
    var clock = clock()
    var worst: UInt64 = 0
    world.hum(&clock, seconds: 600) { worst = max(worst, $0.error.magnitude) }
    #expect(clock.reading.source == .system)
    #expect(worst < 1_000_000, "hum moved the time by \(worst) ns")
    #expect(clock.counters.rejectedEdges > 29_000)
  }

  /// GPIO chips keep an edge that came while nobody listened, and give it when the line is taken.
  @Test func anEdgeFromBeforeTheStartCostsASecond() {
    var line = PulseLine()
    let begin: Int64 = 100 * nanosecondsPerSecond
    let system = SystemClockReading(
      monotonicNanoseconds: begin, realtime: UTC(nanoseconds: 1_700_000_000 * nanosecondsPerSecond),
      isSynchronised: true, maximumErrorNanoseconds: 1_000_000)
    line.observe(edge: begin - 3_300_000_000, system: system)
    for second in 1...6 {
      line.observe(edge: begin + Int64(second) * nanosecondsPerSecond, system: system)
    }
    line.observe(system)
    let count = (line.edges, line.rejectedEdges)
    #expect(count == (7, 1))
    let (isUsable, time) = (line.isUsable, line.time(atMonotonic: begin + nanosecondsPerSecond))
    #expect(isUsable && time == system.realtime + nanosecondsPerSecond)
  }

  /// The antenna falls off later: the pulse is in holdover, not led away by what follows.
  @Test func humAfterAPulseIsHoldover() {
    var world = SimulatedWorld(seed: 2)
    var clock = clock()
    world.advance(&clock, tenths: 700) { _ in }
    world.hasPulse = false
    var worst: UInt64 = 0
    world.hum(&clock, seconds: 300) { worst = max(worst, $0.error.magnitude) }
    #expect(clock.reading.state == .holdover)
    #expect(worst < 200_000)
  }

  /// Pulses a third of a second off the system clock's seconds are somebody else's.
  @Test func pulseThatContradictsTheSystemClockIsDropped() {
    var world = SimulatedWorld(seed: 3)
    world.systemErrorNanoseconds = 333_000_000
    world.systemMaximumErrorNanoseconds = 10_000_000
    var clock = clock()
    world.advance(&clock, tenths: 600) { _ in }
    #expect(clock.reading.source == .system)
  }

  /// A system clock that knows itself to be seconds off may not label pulses.
  @Test func unsureSystemClockDoesNotMoveLabels() {
    var world = SimulatedWorld(seed: 4)
    var clock = clock()
    world.advance(&clock, tenths: 700) { _ in }
    world.systemErrorNanoseconds = 600_000_000
    world.systemMaximumErrorNanoseconds = 12_000_000_000
    var worst: UInt64 = 0
    world.advance(&clock, tenths: 600) { worst = max(worst, $0.error.magnitude) }
    #expect(worst < 100_000)
    #expect(clock.reading.source == .pulse)
  }

  /// Two hours without a pulse, in which the crystal goes its own way: when it is back the line
  /// follows at once, and no stamp states less than it is off by.
  @Test func aPulseThatComesBackIsFollowed() {
    var world = SimulatedWorld(seed: 9)
    world.systemMaximumErrorNanoseconds = 50_000_000
    var clock = clock()
    world.advance(&clock, tenths: 1200) { _ in }
    world.hasPulse = false
    world.monotonicPartsPerMillion = 0.4
    world.advance(&clock, tenths: 72_000) { _ in }
    world.hasPulse = true
    var honest = true
    var last: UInt64 = 0
    world.advance(&clock, tenths: 600) {
      // Beside what is stated, the jitter of the edge that it stands on and of that which it is
      // measured with.
      if $0.error.magnitude > $0.uncertainty + 100_000 { honest = false }
      last = $0.error.magnitude
    }
    #expect(honest)
    #expect(last < 100_000)
    #expect(clock.reading.state == .locked && clock.reading.source == .pulse)
  }

  /// Between its first edge and the next frames, too.
  @Test func howFarAPulseThatComesBackIsOffIsKnownAtOnce() {
    var world = SimulatedWorld(seed: 12)
    world.edgeJitterNanoseconds = 0
    world.systemMaximumErrorNanoseconds = 50_000_000
    var clock = clock()
    world.advance(&clock, tenths: 1200) { _ in }
    world.hasPulse = false
    world.monotonicPartsPerMillion = 0.3
    world.advance(&clock, tenths: 36_000) { _ in }
    let now = world.elapsed
    clock.observe(edgeMonotonicNanoseconds: world.monotonic(now))
    clock.refresh(monotonicNow: world.monotonic(now))
    let error =
      clock.time(ofMonotonicNanoseconds: world.monotonic(now)) - (SimulatedWorld.start + now)
    #expect(error.magnitude > 500_000)
    #expect(clock.reading.state == .locked)
    // 50 µs is what the stamps of the frames are late by.
    #expect(error.magnitude <= UInt64(clock.reading.uncertaintyNanoseconds) + 50_000)
    let known = clock.reading.offsetNanoseconds
    clock.refresh(monotonicNow: world.monotonic(now) + 100_000)
    #expect(
      (clock.reading.offsetNanoseconds - known).magnitude < 1000, "whatever part of a frame it is")
  }

  /// The receiver comes back without a fix and pulses a third of a second off, while nobody else
  /// knows the time: what nobody has checked is not believed.
  @Test(arguments: [300, 72_000]) func pulseThatComesBackUnalignedIsNotTrusted(tenths: Int) {
    var world = SimulatedWorld(seed: 10)
    var clock = clock()
    world.advance(&clock, tenths: 700) { _ in }
    world.hasPulse = false
    world.isSynchronised = false
    world.advance(&clock, tenths: tenths) { _ in }
    var worst: UInt64 = 0
    for _ in 0..<60 {
      world.advance(&clock, tenths: 10) { worst = max(worst, $0.error.magnitude) }
      clock.observe(edgeMonotonicNanoseconds: world.monotonic(world.elapsed) - 700_000_000)
    }
    #expect(worst < 5_000_000, "the time moved by \(worst) ns")
    #expect(clock.reading.state != .locked)
  }

  /// The kernel's clock is slewed by 1000 ppm while the first edges come: that is no crystal, and
  /// once it is over the pulse is believed.
  @Test func pulseSurvivesASlewAtTheStart() {
    var world = SimulatedWorld(seed: 11)
    var clock = clock()
    world.advance(&clock, tenths: 10) { _ in }
    for second in 1...10 {
      clock.observe(
        edgeMonotonicNanoseconds: world.monotonic(world.elapsed) + Int64(second) * 1_000_900_000)
    }
    world.pass(&clock, seconds: 12)
    world.advance(&clock, tenths: 900) { _ in }
    #expect(clock.reading.source == .pulse)
    #expect(clock.reading.state == .locked)
  }

  /// While an error is being worked off the digitizer is gone for an hour: the correction ends with
  /// the error, it is not carried through the gap.
  @Test(arguments: [60, 3600, 36_000]) func gapDuringACorrection(seconds: Int) {
    var world = SimulatedWorld(seed: 5)
    world.hasPulse = false
    var clock = clock()
    world.advance(&clock, tenths: 600) { _ in }
    world.systemErrorNanoseconds = 1_000_000_000
    world.advance(&clock, tenths: 20) { _ in }
    world.pass(&clock, seconds: seconds)
    let number = clock.resume(
      atMonotonicNanoseconds: world.monotonic(world.elapsed), after: world.frame(world.elapsed) - 1)
    #expect(
      abs(number - world.frame(world.elapsed)) < 8 * seconds, "30 ppm of rate are known to 1 ppm")
    var last: Int64 = 0
    world.advance(&clock, tenths: 300) { last = $0.error - 1_000_000_000 }
    #expect(last.magnitude < 5_000_000)
    #expect(clock.counters.refusedBackwardSteps == 0)
    #expect(clock.reading.state == .locked)
  }

  /// A clock chip that was 5 s fast at boot: refused at first, then only a restart can help, and
  /// soon.
  @Test func clockThatWasAheadAtBootAsksForARestart() {
    var world = SimulatedWorld(seed: 6)
    world.hasPulse = false
    world.isSynchronised = false
    world.systemErrorNanoseconds = 5_000_000_000
    var clock = clock()
    world.advance(&clock, tenths: 300) { _ in }
    let needs1 = clock.needsRestart(monotonicNow: world.monotonic(world.elapsed))
    #expect(!needs1)
    world.isSynchronised = true
    world.systemErrorNanoseconds = 0
    world.advance(&clock, tenths: 50) { _ in }
    #expect(clock.reading.state == .unsynchronised)
    let needs2 = clock.needsRestart(monotonicNow: world.monotonic(world.elapsed))
    #expect(!needs2)
    world.advance(&clock, tenths: 100) { _ in }
    let needs3 = clock.needsRestart(monotonicNow: world.monotonic(world.elapsed))
    #expect(needs3)
  }

  /// A step back of an hour that lasts, at a station that was locked: five minutes of doubt. They
  /// begin when a pulse's labels have moved, for which the system's clock must insist for more
  /// than an hour.
  @Test(arguments: [true, false]) func lastingStepBackAsksForARestartAfterDoubt(hasPulse: Bool) {
    var world = SimulatedWorld(seed: 7)
    world.hasPulse = hasPulse
    var clock = clock()
    world.advance(&clock, tenths: 700) { _ in }
    world.systemErrorNanoseconds = -3600 * nanosecondsPerSecond
    if hasPulse { world.advance(&clock, tenths: 40_960) { _ in } }
    world.advance(&clock, tenths: 2900) { _ in }
    let needs4 = clock.needsRestart(monotonicNow: world.monotonic(world.elapsed))
    #expect(!needs4)
    world.advance(&clock, tenths: 200) { _ in }
    let needs5 = clock.needsRestart(monotonicNow: world.monotonic(world.elapsed))
    #expect(needs5)
  }

  @Test func stateGoesOnWhileTheDigitizerIsGone() {
    var world = SimulatedWorld(seed: 8)
    var clock = clock()
    world.advance(&clock, tenths: 700) { _ in }
    world.hasPulse = false
    world.isSynchronised = false
    world.pass(&clock, seconds: 100)
    clock.refresh(monotonicNow: world.monotonic(world.elapsed))
    #expect(clock.reading.state == .holdover)
    let early = clock.reading.uncertaintyNanoseconds
    world.pass(&clock, seconds: 4000)
    clock.refresh(monotonicNow: world.monotonic(world.elapsed))
    #expect(clock.reading.state == .freeRunning)
    #expect(clock.reading.uncertaintyNanoseconds > early)
  }

  /// After an overrun the known rate carries on until the new points give a better one.
  @Test func rateSurvivesAnOverrun() {
    var world = SimulatedWorld(seed: 9)
    var clock = clock()
    world.advance(&clock, tenths: 1200) { _ in }
    _ = clock.resume(
      atMonotonicNanoseconds: world.monotonic(world.elapsed), after: world.frame(world.elapsed))
    var worst: UInt64 = 0
    var worstRate = 0.0
    world.advance(&clock, tenths: 600) {
      worst = max(worst, $0.error.magnitude)
      worstRate = max(worstRate, ($0.ratePartsPerMillion - 30).magnitude)
    }
    #expect(worst < 100_000)
    #expect(worstRate < 3, "the rate was \(worstRate) ppm off")
  }
}
