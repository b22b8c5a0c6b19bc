// Alert: what was decided, why, and on what evidence. The wire's message is made from it elsewhere.

import Core

public struct Alert: Equatable, Sendable {
  public enum Level: UInt8, Sendable { case watch = 1, alarm, clear }
  public enum Reason: UInt8, Sendable {
    case expectedShaking = 1
    case amplitudeOfP, measuredShaking, estimateFell, timeIsOver, pickRetracted, command
    case instrumentFault
    /// The digitizer was lost, and what was held is over.
    case blind
    /// A latched alarm that stood when the station stopped.
    case restored
    /// Too few of the other stations had decided in time.
    case outvoted
  }

  /// The same for all that is told of one alert.
  public var id: UInt32 = 1
  /// 0 where none is named.
  public var pickID: UInt32 = 0
  public var pickTime: UTC?
  public var decided = UTC(nanoseconds: 0)
  public var level = Level.watch
  public var reason = Reason.expectedShaking
  /// On what measured shaking rests; empty for any other reason.
  public var evidence = Evidence()
  /// Whose decisions it rests on where others are waited for: a bit for each peer, and Quorum.own.
  public var votes: UInt8 = 0
  /// 0 the first time that a level is told.
  public var `repeat`: UInt8 = 0
  public init() {}
}

/// What measured shaking rests on.
public struct Evidence: BitSet {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Acceleration and velocity both exceed their limits.
  public static let motion = Evidence(rawValue: 1)
  public static let jmaIntensity = Evidence(rawValue: 2)
  public static let modifiedMercalli = Evidence(rawValue: 4)
  /// Two components move.
  public static let components = Evidence(rawValue: 8)
  /// One of the pickers had seen a P before.
  public static let pick = Evidence(rawValue: 16)
  /// The second sensor moves as well.
  public static let secondSensor = Evidence(rawValue: 32)
  public static let all = Evidence(rawValue: 63)
}
