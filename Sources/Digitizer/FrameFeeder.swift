// FrameFeeder: what a digitizer delivered, in its own format, becomes blocks: unpacked, numbered
// over gaps, and dated by the sample clock. The loop, a recording and the doctor feed from one.
//
//     var feeder = FrameFeeder(settings, chunkFrames: 40, arena: &arena)
//     let count = read(into: feeder.raw)
//     let delivery = Delivery(count: count, stampedFrames: count, stamp: now)
//     station.process(feeder.block(delivery, &clock, monotonicNow: now))

import Clock
import Core

/// What was lost before a delivery.
public enum Gap: Equatable, Sendable {
  case none
  case frames(Int64)
  /// How long it was is for the clock to tell.
  case unknown
}

/// `count` frames lie in the feeder's buffer; `stampedFrames` from the first of them on had been
/// taken at `stamp`, on the monotonic clock, or by now where there is none.
public struct Delivery {
  public var count: Int
  public var stampedFrames: Int
  public var stamp: Int64?
  /// What lies between the frames before and these.
  public var gap: Gap
  /// The first frame's time, where the digitizer has a clock of its own.
  public var stated: StatedTime?
  /// It may be worth to ask again at once.
  public var hasMore: Bool

  public init(
    count: Int, stampedFrames: Int, stamp: Int64?, gap: Gap = .none,
    stated: StatedTime? = nil, hasMore: Bool = false
  ) {
    self.count = count
    self.stampedFrames = stampedFrames
    self.stamp = stamp
    self.gap = gap
    self.stated = stated
    self.hasMore = hasMore
  }
}

public struct FrameFeeder {
  /// Where the digitizer's bytes go.
  public let raw: UnsafeMutableRawBufferPointer
  private let frames: UnsafeMutableBufferPointer<Frame>
  private let unpacker: FrameUnpacker
  private let nanosecondsPerFrame: Double
  /// The number of the frame that comes next, gaps counted.
  public private(set) var nextFrame: Int64 = 0
  private var hasGap = false

  public static func byteCount(_ settings: DigitizerSettings, chunkFrames: Int) -> Int {
    let alignment = 64
    return chunkFrames * (FrameUnpacker(settings).bytesPerFrame + MemoryLayout<Frame>.stride)
      + 2 * alignment
  }

  public init(_ settings: DigitizerSettings, chunkFrames: Int, arena: inout Arena) {
    unpacker = FrameUnpacker(settings)
    raw = UnsafeMutableRawBufferPointer(
      arena.take(UInt8.self, count: chunkFrames * unpacker.bytesPerFrame))
    frames = arena.take(Frame.self, count: chunkFrames)
    nanosecondsPerFrame = 1e12 / Double(settings.sampleRateMillihertz)
  }

  public var bytesPerFrame: Int { unpacker.bytesPerFrame }
  /// How many frames fit.
  public var capacity: Int { frames.count }

  /// The stream has stopped: what comes next comes after a gap.
  public mutating func interrupt() { hasGap = true }

  /// How many frames nobody received before this delivery; nil where there was no gap.
  public mutating func resume(
    _ delivery: Delivery, _ clock: inout SampleClock, monotonicNow: Int64
  ) -> Int64? {
    if case .frames(let count) = delivery.gap, !hasGap {
      clock.skip()
      nextFrame += count
      return count
    }
    guard hasGap || delivery.gap == .unknown else { return nil }
    hasGap = false
    let stamp = delivery.stamp ?? monotonicNow
    let first =
      delivery.stated.map { clock.monotonic(of: $0, monotonicNow: stamp) }
      ?? stamp - Int64(Double(delivery.stampedFrames) * nanosecondsPerFrame)
    let number = clock.resume(atMonotonicNanoseconds: first, after: nextFrame)
    defer { nextFrame = number }
    return number - nextFrame
  }

  @inline(never)
  public mutating func block(
    _ delivery: Delivery, _ clock: inout SampleClock, monotonicNow: Int64
  ) -> Block {
    let stamp = delivery.stamp ?? monotonicNow
    if let stated = delivery.stated {
      clock.observe(frame: nextFrame, stated: stated, monotonicNow: stamp)
    } else {
      let stamped = nextFrame + Int64(delivery.stampedFrames)
      clock.observe(frame: stamped, monotonicNanoseconds: stamp)
    }
    let (start, nanosecondsPerFrame) = clock.time(ofBlockAt: nextFrame, monotonicNow: stamp)
    let block = Block(
      frames: unpack(delivery.count), firstFrame: nextFrame, firstFrameTime: start,
      nanosecondsPerFrame: nanosecondsPerFrame, clock: clock.reading,
      monotonicNanoseconds: monotonicNow)
    nextFrame += Int64(block.frames.count)
    return block
  }

  /// The first `count` frames in the buffer, for whoever needs no time.
  public func unpack(_ count: Int) -> UnsafeBufferPointer<Frame> {
    let bytes = UnsafeRawBufferPointer(rebasing: raw[0..<(count * unpacker.bytesPerFrame)])
    return UnsafeBufferPointer(rebasing: frames[0..<unpacker.unpack(bytes, into: frames)])
  }
}
