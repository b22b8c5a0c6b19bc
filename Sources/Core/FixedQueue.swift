// FixedQueue: first in, first out, of a capacity that is known when the program is built. Whoever
// fills it knows how much it takes between two emptyings, so a full one is a programming error and
// traps.
//
//     var queue = FixedQueue<Int, 16>()
//     queue.put(7)
//     while let element = queue.take() { … }

public struct FixedQueue<Element, let capacity: Int>: ~Copyable {
  private var elements = InlineArray<capacity, Element?>(repeating: nil)
  private var first = 0
  public private(set) var count = 0

  public init() {}

  public var isFull: Bool { count == capacity }

  public mutating func put(_ element: Element) {
    precondition(count < capacity, "the queue was not emptied")
    elements[(first + count) % capacity] = element
    count += 1
  }

  /// The oldest element, which is then no longer there.
  public mutating func take() -> Element? {
    guard count > 0 else { return nil }
    let element = elements[first]
    first = (first + 1) % capacity
    count -= 1
    return element
  }
}
