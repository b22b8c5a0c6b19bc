// What the upstream has on its disk: type 7 of WIRE-FORMAT.md.

import Core

public struct AcknowledgementMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.acknowledgement
  public static let byteCount = 16
  /// So many numbers does one message speak of.
  public static let reach: UInt32 = 64
  /// The station's boot counter that the numbers belong to.
  public var boot: UInt32 = 0
  public var sequence: UInt32 = 0
  /// Bit n: number `sequence` − n.
  public var stored: UInt64 = 0
  public init() {}

  public init(boot: UInt32, sequence: UInt32) {
    (self.boot, self.sequence) = (boot, sequence)
    stored = 1
  }

  /// Whether it says that a number is stored.
  public func settles(_ number: UInt32) -> Bool {
    guard number <= sequence, sequence - number < Self.reach else { return false }
    return stored >> UInt64(sequence - number) & 1 == 1
  }

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&boot, "acknowledged_boot", "", "the station's boot counter that the numbers belong to")
    v.number(&sequence, "newest", "", "the highest number that this message speaks of")
    v.number(&stored, "stored", "mask", "bit n: number newest − n is on the upstream's disk; where it is 0 nothing is said")
  }
}
