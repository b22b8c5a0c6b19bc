// A question whether the station is there, and its answer: types 5 and 6 of WIRE-FORMAT.md.

import Core

/// The payload of a ping, and the first eight bytes of the pong that answers it.
public struct PingMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.ping
  public static let byteCount = 8
  public var nonce: UInt64 = 0
  public init() {}
  public init(nonce: UInt64) { self.nonce = nonce }

  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&nonce, "nonce", "", "chosen by whoever asks, at random, new for every ping")
  }
}

public struct PongMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.pong
  public static let byteCount = PingMessage.byteCount + HealthMessage.byteCount
  public var nonce: UInt64 = 0
  public var health = HealthMessage()
  public init() {}
  public init(nonce: UInt64, health: HealthMessage) {
    self.nonce = nonce
    self.health = health
  }

  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&nonce, "nonce", "", "that of the ping")
    health.visit(&v)
  }
}
