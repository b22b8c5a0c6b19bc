// BitSet: some of a few named things, one bit of an integer each. The standard library's OptionSet
// can be written as an array, and the firmware has no heap for one.
//
// Its methods are inlined into other modules, because one of them is asked for each sample and lane.
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
  @inlinable @inline(__always)
  public init() { self.init(rawValue: 0) }

  @inlinable @inline(__always)
  public var isEmpty: Bool { rawValue == 0 }

  /// Whether all of the others are among these.
  @inlinable @inline(__always)
  public func contains(_ others: Self) -> Bool { rawValue & others.rawValue == others.rawValue }

  @inlinable @inline(__always)
  public func isSubset(of others: Self) -> Bool { others.contains(self) }

  @inlinable @inline(__always)
  public func isDisjoint(with others: Self) -> Bool { rawValue & others.rawValue == 0 }

  @inlinable @inline(__always)
  public func union(_ others: Self) -> Self { Self(rawValue: rawValue | others.rawValue) }

  @inlinable @inline(__always)
  public func intersection(_ others: Self) -> Self { Self(rawValue: rawValue & others.rawValue) }

  @inlinable @inline(__always)
  public func subtracting(_ others: Self) -> Self { Self(rawValue: rawValue & ~others.rawValue) }

  @inlinable @inline(__always)
  public mutating func insert(_ others: Self) { self = union(others) }
}
