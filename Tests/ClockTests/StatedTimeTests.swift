// A digitizer that dates its frames by a clock of its own: a packet of 25 frames every quarter of a
// second, some time on its way.

import Core
import Testing

@testable import Clock

@Suite struct StatedTimeTests {
  private static let second = nanosecondsPerSecond
  /// 2026-11-30T00:00:00Z.
  private static let begin = UTC(nanoseconds: 1_795_996_800 * second)
  private static let quarter = second / 4

  /// A clock, and what it says of a frame after so many packets.
  private struct World: ~Copyable {
    var clock = SampleClock(rateMillihertz: 100_000)
    var monotonic: Int64 = 5 * StatedTimeTests.second
    var packet: Int64 = 0
    var isSynchronised = true
    /// How far the machine's clock, and the digitizer's, are from the truth.
    var systemError: Int64 = 0
    var statedError: Int64 = 0
    /// From the last frame of a packet to its arrival.
    var journey: Int64 = 40_000_000
    /// What the newest packet's first frame is said to be off by.
    var error: Int64 = 0

    mutating func look() {
      let truth = StatedTimeTests.begin + (monotonic - 5 * StatedTimeTests.second)
      clock.observe(
        SystemClockReading(
          monotonicNanoseconds: monotonic, realtime: truth + systemError,
          isSynchronised: isSynchronised, maximumErrorNanoseconds: 2_000_000))
    }

    mutating func packets(_ count: Int) {
      for _ in 0..<count {
        let first = StatedTimeTests.begin + packet * StatedTimeTests.quarter
        packet += 1
        monotonic = 5 * StatedTimeTests.second + packet * StatedTimeTests.quarter + journey
        if packet % 4 == 0 { look() }
        let frame = 25 * (packet - 1)
        clock.observe(
          frame: frame,
          stated: StatedTime(utc: first + statedError, uncertaintyNanoseconds: 10_000_000),
          monotonicNow: monotonic)
        error = clock.time(ofBlockAt: frame, monotonicNow: monotonic).first - first
      }
    }
  }

  @Test func framesHaveTheDigitizersTime() {
    var world = World()
    world.systemError = 80_000_000
    world.look()
    world.packets(400)
    let (reading, error) = (world.clock.reading, world.error)
    #expect(error.magnitude < 1000 && reading.offsetNanoseconds.magnitude < 1000)
    #expect(reading.source == .digitizer && reading.state == .locked)
    #expect((10_000_000...10_001_000).contains(reading.uncertaintyNanoseconds))
    // What leaves now is dated on the same scale: not late by the way that packets have.
    let now = world.clock.time(ofMonotonicNanoseconds: world.monotonic)
    let truth = Self.begin + (world.monotonic - 5 * Self.second)
    #expect((now - truth).magnitude < 90_000_000)
  }

  @Test func nobodyElseIsNeeded() {
    var world = World()
    world.isSynchronised = false
    world.systemError = -86_400 * Self.second
    world.look()
    world.packets(100)
    let (reading, error) = (world.clock.reading, world.error)
    #expect(reading.source == .digitizer && error.magnitude < 1000)
  }

  /// A quarter of a second later in its stamps than a moment ago: worked off, and never backwards.
  @Test func aStepOfTheDigitizersClockIsWorkedOff() {
    var world = World()
    world.look()
    world.packets(40)
    world.statedError = -200_000_000
    var last = world.error
    for _ in 0..<240 {
      world.packets(1)
      #expect(world.error <= last && last - world.error < Self.quarter / 10)
      last = world.error
    }
    #expect((last + 200_000_000).magnitude < 1_000_000)
  }

  @Test func whenItFallsSilentTheMachinesClockGoesOn() {
    var world = World()
    world.look()
    world.packets(40)
    world.monotonic += 4 * Self.second
    world.look()
    world.clock.refresh(monotonicNow: world.monotonic)
    #expect(world.clock.reading.source == .system)
  }

  /// A Shake that has started without a network says a time of long ago, or a wild one.
  @Test(arguments: [-86_400, -11, 2, 3600, 1_000_000_000] as [Int64])
  func aTimeThatTheMachineContradictsIsNotTaken(_ seconds: Int64) {
    var world = World()
    world.statedError = seconds * Self.second
    world.look()
    world.packets(80)
    let (reading, error) = (world.clock.reading, world.error)
    #expect(reading.source == .system && reading.state == .locked, "\(seconds) s")
    // By when they came: late by a packet and its way.
    #expect(error.magnitude < Self.second, "\(seconds) s")
    #expect(reading.uncertaintyNanoseconds >= UInt32(Self.second), "\(seconds) s")
    // Its clock is set: it counts again.
    world.statedError = 0
    world.packets(120)
    let (later, left) = (world.clock.reading, world.error)
    #expect(later.source == .digitizer && left.magnitude < 1_000_000, "\(seconds) s")
  }
}
