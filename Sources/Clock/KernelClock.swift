// KernelClock: what the kernel says of its own clock, and how far that is believed.
//
//   maximum error    what a time daemon wrote at its last update, and 0.5 ms more a second since
//   estimated error  what the daemon wrote for its jitter; one that states nothing writes 0 to both
//   leap flags       a second is to be inserted or deleted at the end of the day, or has just been
//
// chrony and ntpd write the distance to their source, half of the way's delay included.
// systemd-timesyncd writes zeros at every poll, though it may be off by 0.4 s, up to which it
// slews the clock instead of setting it, for minutes.
//
//     let reading = SystemClockReading(
//       monotonicNanoseconds: monotonic, realtime: realtime, kernel: KernelClock.now)
//     clock.observe(reading)

import CLinux
import Core

public struct KernelClock: Equatable, Sendable {
  /// What adjtimex returns: TIME_OK, TIME_OOP …; negative where a container forbids to ask, which
  /// must not read as synchronised.
  public var state: Int32 = 0
  /// STA_UNSYNC, STA_INS …
  public var status: Int32 = 0
  public var maximumErrorMicroseconds = 0
  public var estimatedErrorMicroseconds = 0

  /// A server in the same building is heard through switches and interrupts that take some tenths
  /// of a millisecond, and not the same both ways: whoever states less has only computed it.
  static let leastErrorNanoseconds: Int64 = 1_000_000
  /// A daemon that states nothing: a mobile network's round trip of 100 ms can be all on one
  /// way, and half of it is what the daemon is then wrong by.
  static let unstatedErrorNanoseconds: Int64 = 50_000_000
  /// What the kernel adds to the maximum error each second (MAXFREQ, 500 ppm).
  private static let growthMicroseconds = 500

  public init() {}

  public init(
    state: Int32, status: Int32, maximumErrorMicroseconds: Int, estimatedErrorMicroseconds: Int
  ) {
    self.state = state
    self.status = status
    self.maximumErrorMicroseconds = maximumErrorMicroseconds
    self.estimatedErrorMicroseconds = estimatedErrorMicroseconds
  }

  var isSynchronised: Bool { state >= 0 && status & STA_UNSYNC == 0 }

  /// Both errors are those that somebody has set to zero, as systemd-timesyncd does. It uses the
  /// kernel's phase-locked loop; chrony does not, so that its estimate of less than a microsecond
  /// beside a receiver is not taken for none.
  var statesNothing: Bool {
    guard estimatedErrorMicroseconds == 0 else { return false }
    let isGrownFromZero = maximumErrorMicroseconds % KernelClock.growthMicroseconds == 0
    return maximumErrorMicroseconds == 0 || (isGrownFromZero && status & STA_PLL != 0)
  }

  /// The flags stay set until the daemon takes them back, some time after the leap.
  var leapSeconds: Int64 {
    if status & STA_INS != 0 || state == TIME_OOP { return -1 }
    return status & STA_DEL != 0 ? 1 : 0
  }

  /// The kernel's own limit is 16 s; what is beyond an hour was not written by a time daemon.
  var statedErrorNanoseconds: Int64 {
    let stated = Int64(min(max(maximumErrorMicroseconds, 0), 3_600_000_000)) * 1000
    return statesNothing
      ? stated + KernelClock.unstatedErrorNanoseconds
      : max(stated, KernelClock.leastErrorNanoseconds)
  }
}

/// One look at the system's clock: both clocks read together, and how good it is.
public struct SystemClockReading: Sendable {
  public var monotonicNanoseconds: Int64
  public var realtime: UTC
  public var isSynchronised: Bool
  public var maximumErrorNanoseconds: Int64
  /// Whoever keeps the clock says nothing of its error; the one above is assumed.
  public var isErrorAssumed = false
  /// By so much the clock steps, or has stepped, at a leap second: −1, 1, or 0 where none is
  /// announced.
  public var leapSeconds: Int64 = 0

  /// A clock whose error is known. No clock is right to the nanosecond, so that an error of
  /// zero is taken for none that was stated.
  public init(
    monotonicNanoseconds: Int64, realtime: UTC, isSynchronised: Bool, maximumErrorNanoseconds: Int64
  ) {
    self.monotonicNanoseconds = monotonicNanoseconds
    self.realtime = realtime
    self.isSynchronised = isSynchronised
    isErrorAssumed = maximumErrorNanoseconds <= 0
    self.maximumErrorNanoseconds =
      isErrorAssumed ? KernelClock.unstatedErrorNanoseconds : maximumErrorNanoseconds
  }

  /// The kernel's clock.
  public init(monotonicNanoseconds: Int64, realtime: UTC, kernel: KernelClock) {
    self.init(
      monotonicNanoseconds: monotonicNanoseconds, realtime: realtime,
      isSynchronised: kernel.isSynchronised,
      maximumErrorNanoseconds: kernel.statedErrorNanoseconds)
    isErrorAssumed = kernel.statesNothing
    leapSeconds = kernel.leapSeconds
  }
}
