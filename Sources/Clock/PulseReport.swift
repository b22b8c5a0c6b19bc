// PulseReport: an edge of the station's pulse, as chronyd is told it.
//
// The obvious report names the second that the edge begins. But the station has that second from the
// machine's clock, which chronyd sets: a second that is wrong would come back to it as its own
// witness. So the report says how far the machine's clock is from the nearest second and leaves it to
// chronyd's other sources which one that is.
//
// A part of a second could come back in the same way. So the first report leaves after a clock that
// knows its own error has confirmed the pulse (`PulseLine.isSure`), and none while it contradicts it.
// The edge is told as it was: through the station's own fit, which is a minute long, chronyd would see
// what it does to the clock a minute later, and overshoot.
//
//     if let edge = clock.observe(edgeMonotonicNanoseconds: stamp) {
//       let report = PulseReport(edge: edge, system: hostClock.systemClock())
//     }

import Core

public struct PulseReport: Equatable, Sendable {
  /// When it was, by the machine's clock.
  public var realtimeNanoseconds: Int64
  /// How much later than the nearest second that is.
  public var aheadNanoseconds: Int64

  /// `system`: both clocks, right after the edge.
  public init(edge: Int64, system: SystemClockReading) {
    realtimeNanoseconds = system.realtime.nanoseconds + (edge - system.monotonicNanoseconds)
    let half = nanosecondsPerSecond / 2
    let seconds = floorQuotient(realtimeNanoseconds + half, nanosecondsPerSecond)
    aheadNanoseconds = realtimeNanoseconds - seconds * nanosecondsPerSecond
  }
}
