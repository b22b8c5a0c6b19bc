// A block is what a digitizer hands to the station: some frames in a row, with the time of the
// first.
//
//   frame    one sample of every lane, at one instant
//   lane     vertical, north, east, auxiliary (Board.Component); an absent one is zero
//   gap      frames that the digitizer produced and nobody received: the number jumps over them

import Board
import Core

/// Raw counts of the four lanes, before polarity and gain.
public typealias Frame = SIMD4<Int32>

public enum ClockState: UInt8, Sendable {
  /// No source has ever told the time.
  case unsynchronised
  /// The source has been gone for so long that only the crystal is left.
  case freeRunning
  /// The source is gone; its last rate carries on, and the stated uncertainty grows.
  case holdover
  /// Disciplined by a source that is there now.
  case locked
}

public enum ClockSource: UInt8, Sendable { case none, system, pulse, record }

/// What the station says about its time in every datagram.
public struct ClockReading: Equatable, Sendable {
  public var state = ClockState.unsynchronised
  public var source = ClockSource.none
  /// How far a time stamp may be off, one standard deviation, by what the source says of itself;
  /// saturates at 4.29 s.
  public var uncertaintyNanoseconds: UInt32 = .max
  /// Where the time is being steered to, minus what the stamps say now.
  public var offsetNanoseconds: Int64 = 0
  /// How much faster than nominal the sample clock runs.
  public var rateErrorPartsPerBillion: Int32 = 0
  public init() {}
}

public struct Block {
  public var frames: UnsafeBufferPointer<Frame>
  /// Number of the first frame since the start of the stream, gaps counted.
  public var firstFrame: Int64
  public var firstFrameTime: UTC
  public var clock: ClockReading
  /// When it can be acted on, on the clock that no synchronisation moves; of a record, its own time.
  public var monotonicNanoseconds: Int64

  public init(
    frames: UnsafeBufferPointer<Frame>, firstFrame: Int64, firstFrameTime: UTC,
    clock: ClockReading, monotonicNanoseconds: Int64? = nil
  ) {
    self.monotonicNanoseconds = monotonicNanoseconds ?? firstFrameTime.nanoseconds
    self.frames = frames
    self.firstFrame = firstFrame
    self.firstFrameTime = firstFrameTime
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
}
