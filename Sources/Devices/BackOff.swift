// BackOff: when a device that is gone is looked for again: soon, then less and less often.

import Core

struct BackOff {
  private static let firstNanoseconds: Int64 = 100_000_000
  private static let longestNanoseconds: Int64 = 10 * nanosecondsPerSecond
  private var delayNanoseconds: Int64 = 0
  private var dueMonotonic: Int64 = 0

  func isDue(_ now: Int64) -> Bool { now >= dueMonotonic }

  /// It is not there.
  mutating func wait(from now: Int64) {
    delayNanoseconds = min(
      max(2 * delayNanoseconds, BackOff.firstNanoseconds), BackOff.longestNanoseconds)
    dueMonotonic = now + delayNanoseconds
  }

  /// It delivers: one that only opens is no better than an absent one.
  mutating func reset() { delayNanoseconds = 0 }
}
