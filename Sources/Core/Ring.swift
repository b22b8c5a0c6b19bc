// Ring: a queue of fixed size with one writer and one reader, each in a thread of its own. Nobody locks,
// so nobody waits.
//
//     let isTaken = ring.put(order)
//     while let order = ring.take() { … }

import CLinux
import Synchronization

public struct Ring<Element>: ~Copyable {
  private let capacity: Int
  private let elements: UnsafeMutablePointer<Element>
  private let written = Atomic<Int>(0)
  private let read = Atomic<Int>(0)

  /// In pages of its own, which stay until the program ends; nil where the kernel has none.
  public init?(capacity: Int) {
    guard let memory = clinux_map_anonymous(capacity * MemoryLayout<Element>.stride) else {
      return nil
    }
    self.capacity = capacity
    elements = memory.bindMemory(to: Element.self, capacity: capacity)
  }

  /// False when it is full.
  public func put(_ element: Element) -> Bool {
    let place = written.load(ordering: .relaxed)
    guard place - read.load(ordering: .acquiring) < capacity else { return false }
    (elements + place % capacity).initialize(to: element)
    written.store(place + 1, ordering: .releasing)
    return true
  }

  public func take() -> Element? {
    let place = read.load(ordering: .relaxed)
    guard place < written.load(ordering: .acquiring) else { return nil }
    let taken = (elements + place % capacity).move()
    read.store(place + 1, ordering: .releasing)
    return taken
  }
}
