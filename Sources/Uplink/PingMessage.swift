// A question whether the station is there, and its answer: types 5 and 6 of WIRE-FORMAT.md.

import Core

/// The payload of a ping.
public struct PingMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.ping
  public static let byteCount = 16
  /// The name of the public key of whoever asks.
  public var asker: UInt64 = 0
  public var nonce: UInt64 = 0
  public init() {}
  public init(asker: UInt64, nonce: UInt64) { (self.asker, self.nonce) = (asker, nonce) }

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&asker, "operator", "", "the first eight bytes of the public key of whoever asks")
    v.number(&nonce, "nonce", "", "chosen by whoever asks, at random, new for every ping")
  }
}

public struct PongMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.pong
  public static let byteCount = 24 + HealthMessage.byteCount + PublicKey.byteCount
  public var nonce: UInt64 = 0
  /// Drawn at every start: a command must have it.
  public var bootNonce: UInt64 = 0
  /// Since the start, by the station's monotonic clock: commands say when they were given by it.
  public var uptimeMicroseconds: UInt64 = 0
  public var health = HealthMessage()
  /// A new key is encrypted for it; none where the station takes none.
  public var exchange = PublicKey()
  public init() {}

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&nonce, "nonce", "", "that of the ping")
    v.number(&bootNonce, "boot_nonce", "", "drawn at random at every boot; commands have it")
    v.number(&uptimeMicroseconds, "uptime_us", "µs", "since boot, by the station's monotonic clock")
    health.visit(&v)
    v.key(&exchange, "exchange_key", "X25519, drawn at random at every boot: a new key (type 15) is encrypted for it; zeros: the station takes none")
  }
}
