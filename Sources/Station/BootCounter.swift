// The boot counter grows by one at every start, so that (counter, sequence) orders all datagrams of a
// station for ever. It is on disk before the first datagram leaves.

import Board
import Core

public enum BootCounter {
  /// Reads, increments and stores. A missing file is the first boot.
  public static func advance(directory: Path) throws(Diagnostic) -> UInt32 {
    let counter = try StoredCounter("boot-counter", in: directory)
    let next = try counter.read(largest: Int(UInt32.max) - 1) + 1
    guard counter.store(next) else { throw counter.unwritable() }
    return UInt32(next)
  }
}
