// PpsStamps: edges that the kernel has dated on the machine's clock, on the monotonic one.
//
// The obvious way takes off by how much one clock is ahead of the other now. In between somebody may
// have set the machine's clock, and the edge would be elsewhere by as much. So an edge counts when
// both clocks have gone alike since the last look, which is no longer ago than a turn of the loop.
//
//     if let edge = stamps.edge(sequence: 7, realtime: stamp, offset: now) { … }

struct PpsStamps {
  /// The kernel slews both clocks alike, and sets one of them; so what they differ by is a look's own
  /// error, or a step.
  private static let stepNanosecondsMinimum: UInt64 = 20_000

  private var last: (sequence: UInt32, offset: Int64)?

  /// `offset`: of the machine's clock from the monotonic one, looked at after the edge. nil for one
  /// that is known already, or whose time is not.
  mutating func edge(sequence: UInt32, realtime: Int64, offset: Int64) -> Int64? {
    defer { last = (sequence, offset) }
    // The first may be of any time.
    guard let last, sequence != last.sequence, realtime > 0,
      (offset - last.offset).magnitude < PpsStamps.stepNanosecondsMinimum
    else { return nil }
    return realtime - offset
  }

  mutating func restart() { last = nil }
}
