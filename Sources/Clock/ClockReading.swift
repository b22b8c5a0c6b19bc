// ClockReading: what a station knows of its own time, and says with everything that it tells.

import Core

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

public enum ClockSource: UInt8, Sendable { case none, system, pulse, record, digitizer }

/// What a digitizer with a clock of its own says of a frame.
public struct StatedTime: Equatable, Sendable {
  public var utc: UTC
  public var uncertaintyNanoseconds: Int64
  public init(utc: UTC, uncertaintyNanoseconds: Int64) {
    self.utc = utc
    self.uncertaintyNanoseconds = uncertaintyNanoseconds
  }
}

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
