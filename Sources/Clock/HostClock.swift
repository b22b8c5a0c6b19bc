// HostClock, the clock seam: the machine's clocks, or a simulated pair of them.
//
//     var clock = FrameClock(start: start, rateMillihertz: 100_000)
//     clock.delivered(frames: 40)
//     let (now, system) = (clock.monotonicNanoseconds(), clock.systemClock())

import Core

public protocol HostClock: ~Copyable {
  /// CLOCK_MONOTONIC, nanoseconds.
  mutating func monotonicNanoseconds() -> Int64
  /// Both clocks read together.
  mutating func systemClock() -> SystemClockReading
  /// The digitizer delivered so many frames. A simulated clock moves by them; the machine's does
  /// not care.
  mutating func delivered(frames: Int)
}

/// Time that moves with the frames: for recordings, demonstrations and tests. It begins at `start`,
/// and its system clock counts as synchronised to a microsecond.
public struct FrameClock: HostClock {
  private let start: UTC
  private let nanosecondsPerFrame: Double
  private var frames: Int64 = 0

  public init(start: UTC, rateMillihertz: Int) {
    self.start = start
    nanosecondsPerFrame = 1e12 / Double(rateMillihertz)
  }

  /// One second past zero at the first frame: a monotonic clock that reads zero would be taken for
  /// none.
  public func monotonicNanoseconds() -> Int64 {
    nanosecondsPerSecond
      + Int64(Elementary.nearestInteger(Double(frames) * nanosecondsPerFrame))
  }

  public func systemClock() -> SystemClockReading {
    let monotonic = monotonicNanoseconds()
    return SystemClockReading(
      monotonicNanoseconds: monotonic, realtime: start + (monotonic - nanosecondsPerSecond),
      isSynchronised: true, maximumErrorNanoseconds: 1000)
  }

  public mutating func delivered(frames count: Int) { frames += Int64(count) }
}
