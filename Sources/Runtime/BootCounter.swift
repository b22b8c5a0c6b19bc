// BootCounter: a number that grows at every start, so that (epoch, boot, sequence) names a datagram
// for ever. It is on disk before the first datagram leaves.
//
//     let counter = try BootCounter.advance(in: directory)

import Core
import Settings

public enum BootCounter {
  /// A clock that stands before this program was written was never set.
  private static let earliest = UTC(CalendarDate(year: 2026, month: 1, day: 1))

  static func isSet(_ realtime: UTC) -> Bool { realtime >= earliest }

  /// Reads, increments and stores. A missing file is the first boot.
  public static func advance(in directory: Path) throws(Diagnostic) -> UInt32 {
    let counter = try StoredCounter("boot-counter", in: directory)
    let next = try counter.read(largest: Int(UInt32.max) - 1) + 1
    guard counter.store(next) else { throw counter.unwritable() }
    return UInt32(next)
  }
}
