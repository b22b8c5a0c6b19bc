// What the station has decided: type 3 of WIRE-FORMAT.md.

import Core

public enum AlertLevel: UInt8, Sendable { case watch = 1, alarm, clear }

public enum AlertReason: UInt8, Sendable {
  case expectedShaking = 1
  case amplitudeOfP, measuredShaking, estimateFell, timeIsOver, pickRetracted, command
  case instrumentFault
  case blind, restored, outvoted
}

/// Where the relay stands.
public enum RelayState: UInt8, Sendable {
  case none, atRest, actuated, faulty

  /// What JSON calls them, between bars.
  public static let names: StaticString = "none|at rest|actuated|faulty"
}

public struct AlertMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.alert
  public static let byteCount = 32
  public static let noTime = UTC(nanoseconds: .min)
  /// The same for all messages about one alert.
  public var id: UInt32 = 1
  public var pickID: UInt32 = 0
  public var pickTime = AlertMessage.noTime
  public var decided = UTC(nanoseconds: 0)
  public var level = AlertLevel.watch
  public var reason = AlertReason.expectedShaking
  public var relay = RelayState.none
  public var isDrill = false
  /// 0 for the first message of a level.
  public var `repeat`: UInt8 = 0
  /// What measured shaking rests on, a mask: 1 acceleration with velocity, 2 JMA's intensity, 4 the
  /// modified Mercalli one, 8 two components, 16 a P before it, 32 a second sensor.
  public var evidence: UInt8 = 0
  /// Whose decisions it rests on where other stations are waited for.
  public var votes: UInt8 = 0
  public init() {}

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&id, "alert_id", "", "the same for all messages about one alert; from 1 at every boot", from: 1)
    v.number(&pickID, "pick_id", "", "the pick that led to it, of the same boot; 0 none")
    v.time(&pickTime, "pick_time_ns", "its time; the least i64: none")
    v.time(&decided, "decided_ns", "when this level was decided; the same in every repeat")
    v.word(&level, "level", "1 watch, 2 alarm, 3 clear")
    v.word(&reason, "reason", "1 expected shaking, 2 P amplitude, 3 measured shaking, 4 estimate fell, 5 time is over, 6 pick retracted, 7 command, 8 instrument fault, 9 the digitizer was lost, 10 an alarm that stood when the station stopped, 11 too few of the site's other stations had decided")
    v.word(&relay, "relay", "0 none fitted, 1 at rest, 2 actuated, 3 faulty")
    v.truth(&isDrill, "drill", "0 real, 1 drill")
    v.number(&`repeat`, "repeat", "", "0 the first message of this level, 1 its first repeat … 255: or more")
    v.number(&evidence, "evidence", "mask", "what measured shaking (reason 3) rests on: table below; 0 for any other reason", to: 63)
    v.number(&votes, "votes", "mask", "whose decisions it rests on where the site's stations wait for each other, else 0: bit n of peer n + 1, bit 7 of this station")
    v.reserved(UInt8.self)
  }
}
