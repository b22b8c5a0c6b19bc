// BitSet: some of a few named things, one bit of an integer each. The standard library's OptionSet
// can be written as an array, and the firmware has no heap for one.
//
//     var doubts = Doubts()
//     doubts.insert(.brief)
//     if doubts.contains(.brief) { … }

public protocol BitSet: Equatable, Sendable {
  associatedtype RawValue: FixedWidthInteger
  var rawValue: RawValue { get }
  init(rawValue: RawValue)
}

extension BitSet {
  /// None of them.
  @inline(__always)
  public init() { self.init(rawValue: 0) }

  @inline(__always)
  public var isEmpty: Bool { rawValue == 0 }

  /// Whether all of the others are among these.
  @inline(__always)
  public func contains(_ others: Self) -> Bool { rawValue & others.rawValue == others.rawValue }

  @inline(__always)
  public func isSubset(of others: Self) -> Bool { others.contains(self) }

  @inline(__always)
  public func isDisjoint(with others: Self) -> Bool { rawValue & others.rawValue == 0 }

  @inline(__always)
  public func union(_ others: Self) -> Self { Self(rawValue: rawValue | others.rawValue) }

  @inline(__always)
  public func intersection(_ others: Self) -> Self { Self(rawValue: rawValue & others.rawValue) }

  @inline(__always)
  public func subtracting(_ others: Self) -> Self { Self(rawValue: rawValue & ~others.rawValue) }

  @inline(__always)
  public mutating func insert(_ others: Self) { self = union(others) }
}
