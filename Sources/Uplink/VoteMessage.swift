// What a station tells another of its site: type 16 of WIRE-FORMAT.md.

import Core

public struct VoteMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.vote
  public static let byteCount = 56
  /// It has decided nothing.
  public static let noEvidence = UInt16.max

  /// The names of both public keys.
  public var voter: UInt64 = 0
  public var receiver: UInt64 = 0
  /// What the receiver's boot drew, as the voter knows it; 0: it does not.
  public var receiverNonce: UInt64 = 0
  /// What the voter's boot drew.
  public var bootNonce: UInt64 = 0
  public var sentMicroseconds: UInt64 = 0
  /// When the receiver's newest vote had left, 0: there was none; and how long the voter had had it.
  public var heardMicroseconds: UInt64 = 0
  public var heldMicroseconds: UInt32 = 0
  public var evidenceMilliseconds = VoteMessage.noEvidence
  /// It could decide: frames come, and enough components can be believed.
  public var isReady = false
  public init() {}

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&voter, "voter", "", "the first eight bytes of the public key of the station that votes")
    v.number(&receiver, "receiver", "", "and of the one that it is for")
    v.number(&receiverNonce, "receiver_nonce", "", "the `boot_nonce` of the receiver's newest vote; 0: the voter knows none")
    v.number(&bootNonce, "boot_nonce", "", "drawn at random at every boot of the voter")
    v.number(&sentMicroseconds, "sent_us", "µs", "when it left, since the voter's boot; grows with every vote to this receiver", to: UInt64(Int64.max))
    v.number(&heardMicroseconds, "heard_us", "µs", "`sent_us` of the receiver's newest vote; 0: none", to: UInt64(Int64.max))
    v.number(&heldMicroseconds, "held_us", "µs", "how long the voter had had that when this left; 4294967295: or longer")
    v.number(&evidenceMilliseconds, "evidence_ms", "ms", "how long ago the voter last had evidence of its own for an alarm, while what it has decided stands; 65535: it has decided nothing")
    v.truth(&isReady, "ready", "1: the voter could decide; 0: no frames come, or too few of its components are calibrated or believed")
    v.reserved(UInt8.self)
  }
}
