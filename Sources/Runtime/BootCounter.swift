// BootCounter: a number that grows at every start, so that (counter, sequence) orders all datagrams
// of a station for ever. It is on disk before the first datagram leaves, where there is a disk to
// write. It is at least the time in seconds, so that it grows too when the disk that kept it is
// lost.
//
//     let counter = try BootCounter.advance(directory: directory, realtime: realtime)

import Core
import Settings

public enum BootCounter {
  /// A clock that stands before this program was written was never set.
  private static let earliest = UTC(CalendarDate(year: 2026, month: 1, day: 1))

  static func isSet(_ realtime: UTC) -> Bool { realtime >= earliest }

  /// 1 where the clock was never set.
  public static func byClock(_ realtime: UTC) -> UInt32 {
    isSet(realtime)
      ? UInt32(clamping: floorQuotient(realtime.nanoseconds, nanosecondsPerSecond)) : 1
  }

  /// Reads, increments and stores. A missing file is the first boot.
  public static func advance(directory: Path, realtime: UTC) throws(Diagnostic) -> UInt32 {
    let counter = try StoredCounter("boot-counter", in: directory)
    let last = try counter.read(largest: Int(UInt32.max) - 1)
    let next = max(last + 1, Int(byClock(realtime)))
    guard counter.store(next) else { throw counter.unwritable() }
    return UInt32(next)
  }
}
