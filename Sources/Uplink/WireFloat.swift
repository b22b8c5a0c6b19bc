// WireFloat: a physical quantity that may be unknown, as messages carry it.
//
//     message.tauC = WireFloat(estimate.tauC)
//     let seconds = message.tauC.value

import Core

/// Four bytes of a physical quantity that is not negative. By its bits, so that messages compare.
public struct WireFloat: Equatable, Sendable {
  public static let unknown = WireFloat(known: 0x7FC0_0000)
  public let bits: UInt32

  private init(known bits: UInt32) { self.bits = bits }

  /// Unknown where there is none, or none that fits.
  public init(_ value: Double?) {
    let float = Float(value ?? -1)
    self = float >= 0 && float.isFinite ? WireFloat(known: float.bitPattern) : .unknown
  }

  /// Nil for other NaNs than the unknown one, infinities and what has a negative sign.
  init?(bits: UInt32) {
    let float = Float(bitPattern: bits)
    self.bits = bits
    guard self == .unknown || (float >= 0 && float.isFinite && float.sign == .plus) else {
      return nil
    }
  }

  public var value: Double? { self == .unknown ? nil : Double(Float(bitPattern: bits)) }
}
