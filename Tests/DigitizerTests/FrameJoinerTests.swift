// Packets of three channels at 100 samples a second, 25 samples each, as they come: whole, late,
// twice, in another order, or never.

import Core
import Digitizer
import Testing

private let second = nanosecondsPerSecond
/// 2026-11-30T00:00:00Z.
private let begin: Int64 = 1_795_996_800 * second

@Suite struct FrameJoinerTests {
  private final class Bench {
    private var arena: Arena
    private var joiner: FrameJoiner
    let channels: Int
    /// The frames that came out: number, time and samples; and the gaps before them.
    private(set) var frames: [(number: Int64, time: Int64, samples: [Int32])] = []
    private(set) var gaps: [Gap] = []
    private var next: Int64 = 0

    init(channels: Int = 3, patienceMilliseconds: Int = 500) {
      self.channels = channels
      arena = Arena(byteCount: FrameJoiner.byteCount(channels: channels))!
      joiner = FrameJoiner(
        channels: channels, rateMillihertz: 100_000, patienceMilliseconds: patienceMilliseconds,
        arena: &arena)
    }

    var refused: UInt32 { joiner.refusedCount }

    /// Samples say which frame of which channel they are.
    static func sample(_ frame: Int, _ channel: Int) -> Int32 {
      Int32(truncatingIfNeeded: frame * 4 + channel)
    }

    /// Packet `packet` of a channel, a quarter of a second each, at `seconds` of this machine.
    /// `clock`: by how much the sender's clock is off.
    func hear(_ packet: Int, _ channel: Int, at seconds: Double, clock: Int64 = 0) {
      let samples = (0..<25).map { Self.sample(25 * packet + $0, channel) }
      let now = Int64(seconds * 1e9)
      samples.withUnsafeBufferPointer {
        joiner.put(
          $0, channel: channel,
          at: UTC(nanoseconds: begin + Int64(packet) * second / 4 + clock), monotonicNow: now)
      }
      take(now)
    }

    /// A packet of 25 that begins 12 frames later.
    func hearStaggered(_ packet: Int, _ channel: Int, at seconds: Double, clock: Int64) {
      let samples = (0..<25).map { Self.sample(25 * packet + 12 + $0, channel) }
      samples.withUnsafeBufferPointer {
        joiner.put(
          $0, channel: channel,
          at: UTC(nanoseconds: begin + Int64(packet) * second / 4 + 120_000_000 + clock),
          monotonicNow: Int64(seconds * 1e9))
      }
      take(Int64(seconds * 1e9))
    }

    func take(_ now: Int64) {
      var raw = [Int32](repeating: 0, count: 100 * channels)
      raw.withUnsafeMutableBytes { raw in
        while let found = joiner.take(into: raw, monotonicNow: now) {
          if found.gap != .none { gaps.append(found.gap) }
          if case .frames(let count) = found.gap { next += count }
          let samples = raw.assumingMemoryBound(to: Int32.self)
          for index in 0..<found.count {
            frames.append(
              (
                next, found.time.nanoseconds + Int64(index) * second / 100,
                Array(samples[(index * channels)..<((index + 1) * channels)])
              ))
            next += 1
          }
        }
      }
    }

    /// Whole packets, each when it is over.
    func hearAll(_ packets: Range<Int>, clock: Int64 = 0, after delay: Double = 0) {
      for packet in packets {
        for channel in 0..<channels {
          hear(packet, channel, at: Double(packet + 1) / 4 + delay, clock: clock)
        }
      }
    }

    /// Each frame has the samples of its number, and the time of it.
    var areRight: Bool {
      frames.allSatisfy { frame in
        frame.samples == (0..<channels).map { Self.sample(Int(frame.number), $0) }
          && frame.time == begin + frame.number * second / 100
      }
    }
  }

  @Test func packetsBecomeFramesAtOnce() {
    let bench = Bench()
    bench.hear(0, 2, at: 0.25)
    bench.hear(0, 0, at: 0.25)
    #expect(bench.frames.isEmpty)
    bench.hear(0, 1, at: 0.25)
    #expect(bench.frames.count == 25)
    bench.hearAll(1..<4000)
    #expect(bench.frames.count == 100_000 && bench.areRight && bench.gaps.isEmpty)
    #expect(bench.refused == 0)
  }

  @Test func orderSaysNothing() {
    for seed in 1...20 {
      var random = RandomGenerator(seed: UInt64(seed))
      let bench = Bench()
      bench.hearAll(0..<1)
      // In groups of eight packets, shuffled and some of them twice.
      for group in 0..<20 {
        var packets = (0..<8).flatMap { packet in (0..<3).map { (1 + 8 * group + packet, $0) } }
        packets += packets.filter { _ in Int.random(in: 0..<4, using: &random) == 0 }
        packets.shuffle(using: &random)
        for (packet, channel) in packets {
          bench.hear(packet, channel, at: 0.25 + 2 * Double(group + 1))
        }
      }
      #expect(bench.frames.count == 25 * 161 && bench.areRight && bench.gaps.isEmpty)
    }
  }

  @Test func alostPacketIsAGapOfItsLength() {
    let bench = Bench()
    bench.hearAll(0..<4)
    bench.hear(4, 0, at: 1.25)
    bench.hear(4, 2, at: 1.25)
    bench.hearAll(5..<6)
    #expect(bench.frames.count == 100)  // it may still come
    bench.hearAll(6..<40)
    #expect(bench.gaps == [.frames(25)] && bench.areRight && bench.frames.count == 39 * 25)
    // It comes after all, and nothing is done twice.
    let before = bench.refused
    bench.hear(4, 1, at: 10)
    #expect(bench.refused == before + 1 && bench.frames.count == 39 * 25)
  }

  /// Nothing comes any more: what waits is given up when its time is over, without another packet.
  @Test func whatIsLateWithinThePatienceIsTaken() {
    let bench = Bench()
    bench.hearAll(0..<4)
    bench.hear(4, 0, at: 1.25)
    bench.hear(4, 2, at: 1.25)
    bench.hear(4, 1, at: 1.74)
    #expect(bench.frames.count == 125 && bench.gaps.isEmpty)
  }

  /// The longest is a year.
  @Test func anOutageIsKnownToTheFrame() {
    for packets in [3, 36, 37, 38, 39, 40, 41, 42, 4000, 400_000, 126_144_000] {
      let bench = Bench()
      bench.hearAll(0..<4)
      bench.hearAll((4 + packets)..<(12 + packets))
      bench.hearAll((12 + packets)..<(20 + packets))
      #expect(bench.gaps == [.frames(Int64(25 * packets))], "\(packets) packets")
      #expect(bench.areRight && bench.frames.count == 20 * 25)
    }
  }

  /// The link stalls and then brings all at once.
  @Test func aStalledLinkLosesNothing() {
    let bench = Bench()
    bench.hearAll(0..<4)
    for packet in 4..<36 { for channel in 0..<3 { bench.hear(packet, channel, at: 9.1) } }
    bench.hearAll(36..<60)
    #expect(bench.frames.count == 60 * 25 && bench.areRight && bench.gaps.isEmpty)
  }

  /// One channel lags: the frames that lack it are lost, its late packets are refused, and it is
  /// no reason to begin anew.
  @Test func alaggingChannelIsNoStranger() {
    let bench = Bench()
    bench.hearAll(0..<4)
    for packet in 4..<16 {
      for channel in 0..<2 { bench.hear(packet, channel, at: Double(packet + 1) / 4) }
    }
    for packet in 4..<16 { bench.hear(packet, 2, at: 4.01) }
    bench.hearAll(16..<40)
    #expect(bench.areRight && bench.gaps.count == 1)
    #expect(bench.gaps != [.unknown])
    #expect(bench.frames.last?.number == 999)
  }

  @Test func aStrayPacketIsNotFollowed() {
    for clock in [-86_400 * second, 3 * second, 9 * second, 86_400 * second, -11 * second] {
      let bench = Bench()
      bench.hearAll(0..<4)
      bench.hear(4, 1, at: 1.2, clock: clock)
      bench.hearAll(4..<20)
      #expect(bench.areRight && bench.gaps.isEmpty && bench.refused == 1, "\(clock / second) s")
    }
  }

  /// The sender's clock is set: the stream begins anew, and how long that took is for another clock
  /// to tell.
  @Test(arguments: [-86_400, -20, -5, -1, 5, 86_400])
  func aClockThatIsSetIsFollowed(_ seconds: Int) {
    let bench = Bench()
    bench.hearAll(0..<40)
    bench.hearAll(40..<80, clock: Int64(seconds) * second)
    #expect(bench.gaps == [.unknown], "\(seconds) s")
    #expect(bench.frames.last?.time == begin + 20 * second - second / 100 + Int64(seconds) * second)
    // A second of it is missing, and no more.
    #expect(bench.frames.count >= 40 * 25 + 35 * 25)
  }

  /// Set back by less than a packet: the one that overlaps is lost, and the gap is as long as the
  /// sender's clock has it.
  @Test func aSmallStepBackIsTold() {
    let bench = Bench()
    bench.hearAll(0..<40)
    bench.hearAll(40..<80, clock: -second / 10)
    #expect(bench.gaps == [.frames(15)])
    #expect(bench.frames.last?.time == begin + 20 * second - second / 100 - second / 10)
  }

  /// A crystal that is off by 200 ppm adds up to nothing: each packet is counted from the last.
  @Test func driftIsNoGap() {
    let bench = Bench(channels: 1)
    for packet in 0..<20_000 {
      bench.hear(packet, 0, at: Double(packet + 1) / 4, clock: Int64(packet) * 50_000)
    }
    #expect(bench.frames.count == 500_000 && bench.gaps.isEmpty && bench.refused == 0)
  }

  /// Stamps that are off by a sample either way cut nothing out and tell no gap.
  @Test func jitterOfStampsIsNoGap() {
    for seed in 1...10 {
      var random = RandomGenerator(seed: UInt64(seed))
      let bench = Bench()
      for packet in 0..<400 {
        let jitter = Int64.random(in: -9_900_000...9_900_000, using: &random)
        for channel in 0..<3 {
          bench.hear(packet, channel, at: Double(packet + 1) / 4, clock: jitter)
        }
      }
      #expect(bench.gaps.isEmpty && bench.refused == 0 && bench.frames.count == 10_000)
      let isRight = bench.frames.allSatisfy { frame in
        frame.samples == (0..<3).map { Bench.sample(Int(frame.number), $0) }
      }
      #expect(isRight, "seed \(seed)")
    }
  }

  /// Channels whose packets begin at other times, by a clock that drifts away.
  @Test func channelsMayBeStaggered() {
    let bench = Bench(channels: 2)
    for packet in 0..<8000 {
      bench.hear(packet, 0, at: Double(packet + 1) / 4, clock: Int64(packet) * 500_000)
      bench.hearStaggered(
        packet, 1, at: Double(packet + 1) / 4 + 0.12, clock: Int64(packet) * 500_000)
    }
    // The first dozen frames have one of the two alone.
    #expect(bench.gaps == [.frames(12)] && bench.refused == 1)
    #expect(bench.frames.count > 8000 * 25 - 50)
  }

  /// A channel that never comes: no frames, and it is counted.
  @Test func achannelThatNeverComesIsCounted() {
    let bench = Bench()
    for packet in 0..<40 {
      for channel in 0..<2 { bench.hear(packet, channel, at: Double(packet + 1) / 4) }
    }
    #expect(bench.frames.isEmpty && bench.refused > 10)
  }

  /// Frames of one delivery have one line of time.
  @Test func aSmallStepBeginsAnotherDelivery() {
    let bench = Bench(channels: 1)
    bench.hear(0, 0, at: 0.25)
    bench.hear(1, 0, at: 0.5, clock: 4_000_000)
    #expect(bench.frames.count == 50)
    #expect(bench.frames[25].time == begin + second / 4 + 4_000_000)
  }
}
