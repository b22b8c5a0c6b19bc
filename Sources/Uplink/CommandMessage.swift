// A command to a station, and its answer: one payload, type 8 of WIRE-FORMAT.md.

import Core

/// What can be set or asked for.
public enum CommandParameter: UInt16, Sendable {
  case triggerRatio = 1
  case confirmProbability, relayTest, drill, health, announceProbability, shearProbability
  case unseenProbability, eventProbability, announceUnseenProbability
  case release, siteTerm

  /// What the station file, JSON and an operator call them, from 1 on, between bars.
  public static let names: StaticString =
    "trigger_ratio|confirm_probability|relay_test_seconds|drill|health|announce_probability|shear_probability|unseen_probability|event_probability|announce_unseen_probability|release|site_term_log10"
}

public enum CommandResult: UInt8, Sendable {
  /// In a command.
  case none
  case done, unknownParameter, outOfRange, impossible, expired
}

public struct CommandMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.command
  public static let byteCount = 32
  /// A command with this value only asks. An answer with it says that nothing holds.
  public static let noValue = Int64.min
  public static let neverExpires = UTC(nanoseconds: .min)

  /// From 1 to 2⁶³ − 1, above that of every command before.
  public var counter: UInt64 = 1
  /// The sender's own.
  public var id: UInt32 = 0
  /// Not an enumeration: a newer sender may know more of them.
  public var parameter: UInt16 = CommandParameter.health.rawValue
  public var result = CommandResult.none
  public var value = CommandMessage.noValue
  public var expires = CommandMessage.neverExpires
  public init() {}

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&counter, "counter", "", "grows with every command, from 1 to 2⁶³ − 1; a clock in nanoseconds does", from: 1, to: UInt64(Int64.max))
    v.number(&id, "command_id", "", "the sender's own number; comes back in the answer")
    v.number(&parameter, "parameter", "", "table below")
    v.word(&result, "result", "0 in a command; in the answer 1 done, 2 unknown parameter, 3 value out of range, 4 not possible here, 5 expired")
    v.reserved(UInt8.self)
    v.number(&value, "value", "", "what to set; the least i64: only tell. In the answer: what now holds, or the least i64 if nothing does")
    v.time(&expires, "expires_ns", "not to be obeyed after this time, nor by an unsynchronised station (result 5); the least i64: no limit")
  }
}
