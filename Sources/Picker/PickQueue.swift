// Picks that wait to be taken. A sample can give rise to several: one confirmed, some retracted.

struct PickQueue {
  private static let capacity = 16
  private var picks = InlineArray<16, Pick?>(repeating: nil)
  private var first = 0
  private var count = 0

  /// A full queue is a programming error: it is emptied after every sample.
  mutating func put(_ pick: Pick) {
    precondition(count < PickQueue.capacity, "picks were not taken")
    picks[(first + count) % PickQueue.capacity] = pick
    count += 1
  }

  mutating func take() -> Pick? {
    guard count > 0 else { return nil }
    defer {
      first = (first + 1) % PickQueue.capacity
      count -= 1
    }
    return picks[first]
  }
}
