// A block is what a digitizer hands to the station: some frames in a row, with the time of the
// first.
//
//   frame    one sample of every lane, at one instant
//   lane     vertical, north, east, auxiliary (Component); an absent one is zero
//   gap      frames that the digitizer produced and nobody received: the number jumps over them

import Clock
import Core

/// Raw counts of the four lanes, before polarity and gain.
public typealias Frame = SIMD4<Int32>

public struct Block {
  public var frames: UnsafeBufferPointer<Frame>
  /// Number of the first frame since the start of the stream, gaps counted.
  public var firstFrame: Int64
  public var firstFrameTime: UTC
  /// From each frame to the next.
  public var nanosecondsPerFrame: Double
  public var clock: ClockReading
  /// When it can be acted on, on the clock that no synchronisation moves; of a record, its own
  /// time.
  public var monotonicNanoseconds: Int64

  public init(
    frames: UnsafeBufferPointer<Frame>, firstFrame: Int64, firstFrameTime: UTC,
    nanosecondsPerFrame: Double, clock: ClockReading, monotonicNanoseconds: Int64? = nil
  ) {
    self.monotonicNanoseconds = monotonicNanoseconds ?? firstFrameTime.nanoseconds
    self.frames = frames
    self.firstFrame = firstFrame
    self.firstFrameTime = firstFrameTime
    self.nanosecondsPerFrame = nanosecondsPerFrame
    self.clock = clock
  }
}

/// What every source counts, since boot.
public struct DigitizerCounters: Equatable, Sendable {
  public var frames: UInt64 = 0
  public var gaps: UInt32 = 0
  public var gapFrames: UInt64 = 0
  public var overruns: UInt32 = 0
  public var shortReads: UInt32 = 0
  public var suspends: UInt32 = 0
  public var reopenings: UInt32 = 0
  public init() {}

  public mutating func countGap(frames: Int64) {
    gaps &+= 1
    gapFrames &+= UInt64(clamping: frames)
  }
}
