// A world in which everything is known: true UTC, a monotonic clock that drifts from it, a
// digitizer with a rate of its own, pulses with jitter, and a system clock that somebody can step.

import Core

@testable import Clock

/// What the clock said of a block, beside what was true.
struct Moment {
  var served: UTC
  /// Served minus true, leap seconds not counted.
  var error: Int64
  var uncertainty: UInt64
  var elapsed: Int64
  var ratePartsPerMillion: Double
}

struct SimulatedWorld {
  static let nominalMillihertz = 8_000_000
  var random: RandomGenerator
  /// How much faster than true time the clocks run, parts per million.
  var monotonicPartsPerMillion = 0.0
  var samplePartsPerMillion = 30.0
  var edgeJitterNanoseconds = 50_000.0
  var stampLatencyNanoseconds = 50_000.0
  var hasPulse = true
  var isSynchronised = true
  /// What the system clock shows minus the truth.
  var systemErrorNanoseconds: Int64 = 0
  var systemMaximumErrorNanoseconds: Int64 = 2_000_000
  /// By so much the system clock steps at the leap second that it announces.
  var leapSeconds: Int64 = 0
  /// Seconds at which an edge is swallowed, and at which a second one follows 30 ms later.
  var missingEdges: Set<Int> = []
  var doubledEdges: Set<Int> = []

  static let start =
    UTC(CalendarDate(year: 2026, month: 12, day: 31)) + 86_000 * nanosecondsPerSecond

  /// Nanoseconds since the start of true time at which the loop has arrived.
  private(set) var elapsed: Int64 = 0
  private var nextSecond = 1

  init(seed: UInt64) { random = RandomGenerator(seed: seed) }

  func monotonic(_ elapsed: Int64) -> Int64 {
    5_000_000_000 + elapsed + Int64(Double(elapsed) * monotonicPartsPerMillion * 1e-6)
  }

  func frame(_ elapsed: Int64) -> Int64 {
    Int64(Double(elapsed) * 8e-6 * (1 + samplePartsPerMillion * 1e-6))
  }

  /// True UTC of a frame, before any leap.
  func truth(ofFrame frame: Int64) -> UTC {
    SimulatedWorld.start
      + Int64(Double(frame) / (8e-6 * (1 + samplePartsPerMillion * 1e-6)))
  }

  /// Moves on by a tenth of a second: pulses and the system clock are observed when they are due,
  /// then the pair of frame number and time, then the block's time is asked for and handed to
  /// `body`.
  mutating func advance(
    _ clock: inout SampleClock, tenths: Int, _ body: (Moment) -> Void
  ) {
    if elapsed == 0 { observeSystem(&clock, 0) }
    for _ in 0..<tenths {
      let before = elapsed
      elapsed += 100_000_000
      while Int64(nextSecond) * nanosecondsPerSecond <= elapsed {
        observeSecond(&clock)
        nextSecond += 1
      }
      let latency = Int64(random.uniform() * stampLatencyNanoseconds)
      let end = frame(elapsed)
      clock.observe(frame: end, monotonicNanoseconds: monotonic(elapsed) + latency)
      let first = frame(before)
      let served = clock.time(ofBlockAt: first, monotonicNow: monotonic(elapsed) + latency)
      body(
        Moment(
          served: served.first, error: served.first - truth(ofFrame: first),
          uncertainty: UInt64(clock.reading.uncertaintyNanoseconds), elapsed: elapsed,
          ratePartsPerMillion: Double(clock.reading.rateErrorPartsPerBillion) / 1000))
    }
  }

  /// As `advance`, with mains hum of 49.98 Hz on the pulse's line, whose antenna is off.
  mutating func hum(_ clock: inout SampleClock, seconds: Int, _ body: (Moment) -> Void) {
    var flank = elapsed
    for _ in 0..<seconds {
      advance(&clock, tenths: 10, body)
      while flank < elapsed {
        clock.observe(edgeMonotonicNanoseconds: monotonic(flank))
        flank += 20_008_003
      }
    }
  }

  /// Time passes without frames: pulses and the system clock go on.
  mutating func pass(_ clock: inout SampleClock, seconds: Int) {
    for _ in 0..<seconds {
      elapsed += nanosecondsPerSecond
      observeSecond(&clock)
      nextSecond += 1
    }
  }

  private mutating func observeSecond(_ clock: inout SampleClock) {
    let exact = Int64(nextSecond) * nanosecondsPerSecond
    observeSystem(&clock, exact)
    observePulse(&clock, exact)
  }

  private func observeSystem(_ clock: inout SampleClock, _ exact: Int64) {
    var reading = SystemClockReading(
      monotonicNanoseconds: monotonic(exact),
      realtime: SimulatedWorld.start + (exact + systemErrorNanoseconds),
      isSynchronised: isSynchronised, maximumErrorNanoseconds: systemMaximumErrorNanoseconds)
    reading.leapSeconds = leapSeconds
    clock.observe(reading)
  }

  private mutating func observePulse(_ clock: inout SampleClock, _ exact: Int64) {
    guard hasPulse, !missingEdges.contains(nextSecond) else { return }
    let jitter = Int64((2 * random.uniform() - 1) * edgeJitterNanoseconds)
    clock.observe(edgeMonotonicNanoseconds: monotonic(exact) + jitter)
    if doubledEdges.contains(nextSecond) {
      clock.observe(edgeMonotonicNanoseconds: monotonic(exact) + 30_000_000)
    }
  }
}
