// A command to a station, its answer and what is told upstream of it: one payload, types 8 to 10 of
// WIRE-FORMAT.md.

import Core

/// What can be set or asked for.
public enum CommandParameter: UInt16, Sendable {
  case triggerRatio = 1
  case confirmProbability, relayTest, drill, health, announceProbability, shearProbability
  case unseenProbability, eventProbability, announceUnseenProbability
  case release, siteTerm, restart, healthInterval, instrument, peaks, network, uplinkKey

  /// What the station file, JSON and an operator call them, from 1 on, between bars.
  public static let names: StaticString =
    "trigger_ratio|confirm_probability|relay_test_seconds|drill|health|announce_probability|shear_probability|unseen_probability|event_probability|announce_unseen_probability|release|site_term_log10|restart|health_interval_seconds|instrument|peaks_seconds|network_shadow_seconds|uplink_key"
}

public enum CommandResult: UInt8, Sendable {
  /// In a command.
  case none
  case done, unknownParameter, outOfRange, impossible, expired, notPermitted, tooOften
  /// It has begun; an audit tells how it ends.
  case begun
}

public struct CommandMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.command
  public static let byteCount = 48
  /// A command with this value only asks. An answer with it says that nothing holds.
  public static let noValue = Int64.min
  /// The longest that a command may live.
  public static let lifeMaximum: UInt32 = 600_000

  /// The name of the public key of whoever gives it.
  public var giver: UInt64 = 0
  public var bootNonce: UInt64 = 0
  /// When it was given, since the station's start; above that of the operator's command before.
  public var issuedMicroseconds: UInt64 = 0
  /// How long after that it is obeyed.
  public var lifeMilliseconds: UInt32 = 60_000
  /// The sender's own.
  public var id: UInt32 = 0
  /// Not an enumeration: a newer sender may know more of them.
  public var parameter: UInt16 = CommandParameter.health.rawValue
  public var result = CommandResult.none
  public var value = CommandMessage.noValue
  public init() {}

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&giver, "operator", "", "the first eight bytes of the public key of whoever commands")
    v.number(&bootNonce, "boot_nonce", "", "the station's, from its pong")
    v.number(&issuedMicroseconds, "issued_us", "µs", "when it was given, since the station's boot: from its pong, and the time since; grows with every command of an operator", to: UInt64(Int64.max))
    v.number(&lifeMilliseconds, "life_ms", "ms", "how long after that it is obeyed", from: 1, to: CommandMessage.lifeMaximum)
    v.number(&id, "command_id", "", "the sender's own number; comes back in the answer")
    v.number(&parameter, "parameter", "", "table below")
    v.word(&result, "result", "0 in a command; in the answer 1 done, 2 unknown parameter, 3 value out of range, 4 not possible here, 5 expired, 6 the operator has no right to it, 7 too often, 8 begun: an audit with the same number tells how it ends")
    v.reserved(UInt8.self)
    v.reserved(UInt32.self)
    v.number(&value, "value", "", "what to set; the least i64: only tell. In the answer: what now holds, or the least i64 if nothing does")
  }
}

/// What became of a command.
public protocol CommandOutcome: Payload {
  var command: CommandMessage { get set }
}

extension CommandOutcome {
  public static var byteCount: Int { CommandMessage.byteCount }
  public var isConsistent: Bool { command.result != .none }

  public init(_ command: CommandMessage) {
    self.init()
    self.command = command
  }

  public mutating func visit(_ visitor: inout some FieldVisitor) { command.visit(&visitor) }
}

/// To whoever gave it.
public struct AnswerMessage: CommandOutcome, Equatable, Sendable {
  public static let type = MessageType.answer
  public var command = CommandMessage()
  public init() {}
}

/// To the upstream, which keeps who told the station to do what.
public struct AuditMessage: CommandOutcome, Equatable, Sendable {
  public static let type = MessageType.audit
  public var command = CommandMessage()
  public init() {}
}
