// Moment: one instant on both clocks. What waits, waits on the monotonic one, which no
// synchronisation moves; what is told, is told in UTC.

public struct Moment: Equatable, Sendable {
  public var monotonicNanoseconds: Int64
  public var utc: UTC
  public init(monotonicNanoseconds: Int64, utc: UTC) {
    self.monotonicNanoseconds = monotonicNanoseconds
    self.utc = utc
  }

  /// How much later this is, in nanoseconds of the monotonic clock.
  public func since(_ earlier: Moment) -> Int64 {
    monotonicNanoseconds - earlier.monotonicNanoseconds
  }
}
