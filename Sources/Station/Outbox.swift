// Datagrams between the station that makes them and whoever sends them. One block gives rise to a
// few; the runner empties the outbox after every block, so a full one is a programming error.

import Uplink

public struct Outbox: ~Copyable {
  private static let capacity = 16
  private var datagrams = InlineArray<16, Datagram>(repeating: Datagram())
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
