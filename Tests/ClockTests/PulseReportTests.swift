// What chronyd is told of the pulse, and when it is told anything.

import Core
import Testing

@testable import Clock

@Suite struct PulseReportTests {
  private static let begin = UTC(year: 2026, month: 12, day: 1)

  /// A machine whose clock is so much ahead of a pulse that comes once a second, and says that it is
  /// wrong by so much at most. The edges of which something is told.
  private func edgesTold(
    ahead: Int64, error: Int64, seconds: Int, isSynchronised: Bool = true,
    shift: (Int) -> Int64 = { _ in 0 }
  ) -> [Int] {
    var clock = SampleClock(rateMillihertz: 100_000)
    var told: [Int] = []
    for second in 0..<seconds {
      let edge = Int64(second + 10) * nanosecondsPerSecond
      let now = edge + 2_000_000
      clock.observe(
        SystemClockReading(
          monotonicNanoseconds: now,
          realtime: Self.begin + (Int64(second) * nanosecondsPerSecond + 2_000_000 + ahead)
            + shift(second),
          isSynchronised: isSynchronised, maximumErrorNanoseconds: error))
      if clock.observe(edgeMonotonicNanoseconds: edge) != nil { told.append(second) }
    }
    return told
  }

  @Test func aSurePulseIsTold() {
    let told = edgesTold(ahead: 3_000_000, error: 5_000_000, seconds: 20)
    #expect(told.count > 10 && told == Array(told[0]..<20))
    // Neither the rate nor the second is known from fewer.
    #expect(told[0] >= 5)
  }

  /// chronyd would be told that its clock is right to 300 ms by edges that nobody knows.
  @Test func nothingIsToldBeforeASureClockHasConfirmedIt() {
    #expect(edgesTold(ahead: 3_000_000, error: 300_000_000, seconds: 100).isEmpty)
    #expect(
      edgesTold(ahead: 0, error: 5_000_000, seconds: 100, isSynchronised: false).isEmpty)
  }

  /// A trailing edge, or another's.
  @Test func anEdgeThatIsNotTheSecondsIsNotTold() {
    #expect(edgesTold(ahead: 100_000_000, error: 5_000_000, seconds: 100).isEmpty)
  }

  /// Somebody sets the clock by a second: which of both is wrong nobody knows.
  @Test func nothingIsToldInDoubt() {
    let told = edgesTold(ahead: 3_000_000, error: 5_000_000, seconds: 60) { second in
      (30..<40).contains(second) ? nanosecondsPerSecond : 0
    }
    #expect(told.contains(29) && !told.contains { (31..<40).contains($0) } && told.contains(41))
  }

  @Test func aLateEdgeIsToldAsItWas() {
    var clock = SampleClock(rateMillihertz: 100_000, pulseDelayNanoseconds: 500)
    var found: Int64?
    for second in 10..<30 as Range<Int64> {
      let edge = second * nanosecondsPerSecond
      clock.observe(
        SystemClockReading(
          monotonicNanoseconds: edge, realtime: Self.begin + edge, isSynchronised: true,
          maximumErrorNanoseconds: 1_000_000))
      found = clock.observe(edgeMonotonicNanoseconds: edge + 500 + (second == 29 ? 7000 : 0))
    }
    #expect(found == 29 * nanosecondsPerSecond + 7000)
  }

  @Test(arguments: [
    (3_000_000, 3_000_000), (-3_000_000, -3_000_000), (499_999_999, 499_999_999),
    (500_000_000, -500_000_000), (7_000_000_001, 1), (0, 0),
  ] as [(Int64, Int64)])
  func aReportHasNoWholeSecond(_ ahead: Int64, _ told: Int64) {
    // The look comes 40 us after the edge.
    let report = PulseReport(
      edge: 100,
      system: SystemClockReading(
        monotonicNanoseconds: 40_100, realtime: Self.begin + (40_000 + ahead),
        isSynchronised: true, maximumErrorNanoseconds: 1000))
    #expect(report.aheadNanoseconds == told)
    #expect(report.realtimeNanoseconds == Self.begin.nanoseconds + ahead)
  }
}
