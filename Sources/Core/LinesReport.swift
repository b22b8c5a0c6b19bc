// What the relay's lines did, and what the switch says that keeps the relay open.

public enum Inhibit: UInt8, Sendable {
  /// The board has no switch.
  case none
  case off, on
  /// The switch cannot be read: nobody knows that it is off.
  case unreadable

  /// Only a switch that is known to be off lets the relay close.
  public var keepsRelayOpen: Bool { self == .on || self == .unreadable }
}

public enum RelayHealth: UInt8, Sendable { case none, fitted, faulty }

/// What the lines did, and what the switch says.
public struct LinesReport: Equatable, Sendable {
  public var relay = RelayHealth.none
  public var isActuated = false
  public var inhibit = Inhibit.none
  public init() {}
}
