// Datagrams between the station that makes them and whoever sends them. A block is at most four
// seconds: of picks of one phase and stage at least 0.6 s apart that is fewer than 30, and a few more
// about what was pending and about health. The runner empties the outbox after every block, so a full one is a
// programming error.

import Uplink

public struct Outbox: ~Copyable {
  private static let capacity = 64
  private var datagrams = InlineArray<64, Datagram>(repeating: Datagram())
  private var first = 0
  public private(set) var count = 0

  mutating func put(_ datagram: Datagram) {
    precondition(count < Outbox.capacity, "the outbox was not emptied after the last block")
    datagrams[(first + count) % Outbox.capacity] = datagram
    count += 1
  }

  mutating func take() -> Datagram? {
    guard count > 0 else { return nil }
    let datagram = datagrams[first]
    first = (first + 1) % Outbox.capacity
    count -= 1
    return datagram
  }
}
