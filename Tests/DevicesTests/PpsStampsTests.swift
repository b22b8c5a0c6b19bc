// Edges of a pulse device, which the kernel dates on a clock that may be set.

import Testing

@testable import Pins

@Suite struct PpsStampsTests {
  private static let second: Int64 = 1_000_000_000

  @Test func eachEdgeComesOnceOnTheMonotonicClock() {
    var stamps = PpsStamps()
    var found: [Int64] = []
    for turn in 0..<400 {
      // A look at both clocks is off by microseconds.
      let offset = 1_790_000_000 * Self.second + Int64(turn % 7) * 500
      let edge = UInt32(turn / 100)
      let stamp = 1_790_000_000 * Self.second + (10 + Int64(edge)) * Self.second
      if let time = stamps.edge(sequence: edge, realtime: stamp, offset: offset) {
        found.append(time)
      }
    }
    #expect(found.count == 3, "the first is of any time")
    for (number, time) in found.enumerated() {
      #expect((time - (11 + Int64(number)) * Self.second).magnitude < 4000)
    }
  }

  /// The machine's clock is set after the edge and before the next look.
  @Test(arguments: [-3_600_000_000_000, -30_000, 30_000, 1_000_000_000] as [Int64])
  func anEdgeBeforeAStepIsLeftOut(_ step: Int64) {
    var stamps = PpsStamps()
    let found1 = stamps.edge(sequence: 1, realtime: 5 * Self.second, offset: 0)
    #expect(found1 == nil)
    let found2 = stamps.edge(sequence: 2, realtime: 6 * Self.second, offset: 0)
    #expect(found2 == 6 * Self.second)
    let found3 = stamps.edge(sequence: 3, realtime: 7 * Self.second, offset: step)
    #expect(found3 == nil)
    let found4 = stamps.edge(sequence: 3, realtime: 7 * Self.second, offset: step)
    #expect(found4 == nil)
    let after = 8 * Self.second + step
    guard after > 0 else { return }
    let found5 = stamps.edge(sequence: 4, realtime: after, offset: step)
    #expect(found5 == 8 * Self.second)
  }

  @Test func aDeviceWithoutEdgesHasNone() {
    var stamps = PpsStamps()
    let found6 = stamps.edge(sequence: 0, realtime: 0, offset: 5)
    #expect(found6 == nil)
    let found7 = stamps.edge(sequence: 1, realtime: 0, offset: 5)
    #expect(found7 == nil)
  }
}
