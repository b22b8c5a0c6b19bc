// FrameJoiner: samples that come channel by channel, each packet with the time of its first, become
// frames.
//
// Packets come late, twice, in another order or never, and the sender's clock is stepped now and
// then. A frame is whole when every channel has told it. Those that wait for a packet longer than
// the patience allows are a gap of known length, and the frames after them go on. A packet for
// frames that have been delivered is too late and counted.
//
// Where a packet belongs is told by its time, counted from the newest packet before it, so that a
// crystal that is off by some ppm adds up to nothing. Stamps are good to a sample or two, so one
// that nearly follows its channel's last packet follows it. One whose time has run otherwise than
// this machine's, or that tells what its channel has told, is a stranger and not followed, unless
// strangers of every channel come and nobody else: then the sender's clock was set, and the stream
// begins anew.
//
//     var joiner = FrameJoiner(channels: 3, rateMillihertz: 100_000, patience: …, arena: &arena)
//     joiner.put(datagram.samples, channel: 0, at: datagram.time, monotonicNow: now)
//     while let found = joiner.take(into: raw, monotonicNow: now) { … }

import Core

public struct FrameJoiner {
  /// What is kept of a stream: ten seconds at 100 samples a second.
  public static let frameCount = 1024
  /// Packets may stay on their way for as long as is kept, and be early by what two clocks that
  /// are steered differ in.
  private static let earlyNanoseconds: Int64 = 2 * nanosecondsPerSecond
  private static let lateNanoseconds: Int64 = 10 * nanosecondsPerSecond
  /// A Shake's stamps are within one sample of its clock (manual.raspberryshake.org, "NTP and GPS
  /// timing details"), each of two that are compared.
  private static let jitterFrames: Int64 = 2
  /// So many strangers at least: a second of one channel.
  private static let strangersMinimum = 4

  private let channelCount: Int
  private let nanosecondsPerFrame: Double
  private let patienceNanoseconds: Int64
  /// One sample of each channel a frame, and which of them are there.
  private let samples: UnsafeMutableBufferPointer<Int32>
  private let present: UnsafeMutableBufferPointer<UInt8>
  /// UTC of each frame, by the packet that told it first, and when it was first heard of.
  private let times: UnsafeMutableBufferPointer<Int64>
  private let arrivals: UnsafeMutableBufferPointer<Int64>

  /// The number of the frame that is delivered next.
  private var head: Int64 = 0
  /// One past the newest frame that any channel has told.
  private var end: Int64 = 0
  /// Lost frames that no whole ones have followed yet.
  private var lostCount: Int64 = 0
  private var isInterrupted = false
  /// One past the last frame that each channel has told; 0 where it has told none.
  private var ends = InlineArray<8, Int64>(repeating: 0)
  /// The newest packet: its first frame, that frame's time, and when it came.
  private var newest: (frame: Int64, time: UTC, arrival: Int64)?
  /// Strangers in a row: how many, of which channels, and the last one's time.
  private var strangers = (count: 0, channels: UInt8(0), time: UTC(nanoseconds: 0))
  /// Packets that were late, came twice, were strangers, or lacked another channel's.
  public private(set) var refusedCount: UInt32 = 0

  public struct Found {
    public var count: Int
    public var time: UTC
    /// What is lost just before these: of unknown length where the sender's clock was set.
    public var gap: Gap
  }

  public static func byteCount(channels: Int) -> Int {
    let alignments = 4 * 64
    return frameCount * (channels * 4 + 1 + 8 + 8) + alignments
  }

  public init(
    channels: Int, rateMillihertz: Int, patienceMilliseconds: Int, arena: inout Arena
  ) {
    channelCount = channels
    nanosecondsPerFrame = 1e12 / Double(rateMillihertz)
    patienceNanoseconds = Int64(patienceMilliseconds) * 1_000_000
    samples = arena.take(Int32.self, count: FrameJoiner.frameCount * channels)
    present = arena.take(UInt8.self, count: FrameJoiner.frameCount)
    times = arena.take(Int64.self, count: FrameJoiner.frameCount)
    arrivals = arena.take(Int64.self, count: FrameJoiner.frameCount)
  }

  private func slot(_ frame: Int64) -> Int { Int(frame % Int64(FrameJoiner.frameCount)) }
  private var whole: UInt8 { UInt8(truncatingIfNeeded: 1 << channelCount &- 1) }

  private func nanoseconds(_ frames: Int64) -> Int64 {
    Int64(Elementary.nearestInteger(Double(frames) * nanosecondsPerFrame))
  }

  // MARK: What comes

  /// A packet of one channel.
  public mutating func put(
    _ packet: UnsafeBufferPointer<Int32>, channel: Int, at time: UTC, monotonicNow now: Int64
  ) {
    guard let first = place(time, packet.count, channel, now) else {
      refusedCount &+= 1
      return
    }
    let isNewest = newest == nil || first + Int64(packet.count) >= end
    ends[channel] = max(ends[channel], first + Int64(packet.count))
    var isNew = false
    for index in 0..<packet.count {
      let frame = first + Int64(index)
      guard frame >= head else { continue }
      while end <= frame { begin(now) }
      let slot = slot(frame)
      guard present[slot] & (1 << channel) == 0 else { continue }
      isNew = true
      if present[slot] == 0 { times[slot] = time.nanoseconds + nanoseconds(Int64(index)) }
      present[slot] |= 1 << channel
      samples[slot * channelCount + channel] = packet[index]
    }
    if !isNew { refusedCount &+= 1 }
    if isNewest { newest = (first, time, now) }
  }

  /// One frame more is heard of.
  private mutating func begin(_ now: Int64) {
    (present[slot(end)], arrivals[slot(end)]) = (0, now)
    end += 1
  }

  /// The number of the packet's first frame; nil where it is not to be taken.
  private mutating func place(
    _ time: UTC, _ count: Int, _ channel: Int, _ now: Int64
  ) -> Int64? {
    guard let newest else { return head }
    let elapsed = time - newest.time
    let early = elapsed - (now - newest.arrival)
    guard early <= FrameJoiner.earlyNanoseconds, early >= -FrameJoiner.lateNanoseconds else {
      return follow(time, channel)
    }
    var frame =
      newest.frame + Int64(Elementary.nearestInteger(Double(elapsed) / nanosecondsPerFrame))
    let beyond = frame - ends[channel]
    if ends[channel] > 0 {
      if beyond.magnitude <= UInt64(FrameJoiner.jitterFrames) {
        frame = ends[channel]
      } else if beyond < 0, hasTold(frame, count, channel) {
        return follow(time, channel)
      }
    }
    guard frame + Int64(count) > head else { return follow(time, channel) }
    strangers.count = 0
    let newHead = frame + Int64(count) - Int64(FrameJoiner.frameCount)
    while head < newHead, head < end, present[slot(head)] != whole { loseHead() }
    if head < newHead {
      // Nobody was heard for longer than is kept.
      lostCount += frame - head
      (head, end) = (frame, frame)
    }
    return frame
  }

  /// The channel has told more of these frames than jitter makes of its neighbours: it is no packet
  /// that others have overtaken.
  private func hasTold(_ first: Int64, _ count: Int, _ channel: Int) -> Bool {
    var told = 0
    for frame in first..<(first + Int64(count)) where frame < end {
      if frame < head || present[slot(frame)] & (1 << channel) != 0 { told += 1 }
    }
    return told > min(2 * Int(FrameJoiner.jitterFrames), count / 2)
  }

  /// A stranger. Where there is nobody else any more, it is the first of another time.
  private mutating func follow(_ time: UTC, _ channel: Int) -> Int64? {
    let step = time - strangers.time
    let isNext = step >= 0 && step <= FrameJoiner.earlyNanoseconds
    if strangers.count == 0 || !isNext { strangers = (0, 0, time) }
    strangers.count += 1
    strangers.channels |= 1 << channel
    strangers.time = time
    let needed = max(2 * channelCount, FrameJoiner.strangersMinimum)
    guard strangers.count >= needed, strangers.channels == whole else { return nil }
    strangers.count = 0
    isInterrupted = true
    head = end
    for channel in 0..<channelCount { ends[channel] = 0 }
    return head
  }

  /// Half of what is kept waits to be taken: what comes meanwhile had better wait elsewhere.
  public var isHalfFull: Bool { end - head >= Int64(FrameJoiner.frameCount / 2) }

  // MARK: What goes

  /// The next whole frames in a row, interleaved; nil where there are none.
  public mutating func take(
    into raw: UnsafeMutableRawBufferPointer, monotonicNow: Int64
  ) -> Found? {
    giveUp(monotonicNow)
    let capacity = raw.count / (channelCount * 4)
    let begin = slot(head)
    var count = 0
    while count < capacity, isNext(count, after: times[begin]) {
      let slot = slot(head)
      for channel in 0..<channelCount {
        raw.storeBytes(
          of: samples[slot * channelCount + channel].littleEndian,
          toByteOffset: (count * channelCount + channel) * 4, as: Int32.self)
      }
      head += 1
      count += 1
    }
    guard count > 0 else { return nil }
    defer { (isInterrupted, lostCount) = (false, 0) }
    let gap: Gap = isInterrupted ? .unknown : lostCount > 0 ? .frames(lostCount) : .none
    return Found(count: count, time: UTC(nanoseconds: times[begin]), gap: gap)
  }

  /// The frame at the head is whole and on the line of time that began `count` frames ago: a clock
  /// that was set by more than half a frame begins another.
  private func isNext(_ count: Int, after begin: Int64) -> Bool {
    guard head < end, present[slot(head)] == whole else { return false }
    let beyond = times[slot(head)] - begin - nanoseconds(Int64(count))
    return Double(beyond.magnitude) <= nanosecondsPerFrame / 2
  }

  /// Frames at the head that have waited too long for what they lack are lost.
  private mutating func giveUp(_ now: Int64) {
    let begin = head
    defer { if head > begin { refusedCount &+= 1 } }
    while head < end, present[slot(head)] != whole,
      now - arrivals[slot(head)] >= patienceNanoseconds
    {
      loseHead()
    }
  }

  private mutating func loseHead() {
    head += 1
    lostCount += 1
  }
}
