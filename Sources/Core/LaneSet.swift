// LaneSet: some of a digitizer's four lanes, which are the vertical, north, east and an auxiliary
// one, in this order.
//
//     var broken = flags.clipped.union(flags.stuck)
//     broken.insert(lane: 2)
//     for lane in 0..<3 where broken.contains(lane: lane) { … }

public struct LaneSet: BitSet, ExpressibleByIntegerLiteral {
  /// The vertical's bit is the lowest.
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  @inlinable public static var horizontals: LaneSet { LaneSet(rawValue: 0b0110) }
  /// The three that follow the ground.
  @inlinable public static var components: LaneSet { LaneSet(rawValue: 0b0111) }
  @inlinable public static var all: LaneSet { LaneSet(rawValue: 0b1111) }

  /// What the lanes are called, between bars.
  public static let names: StaticString = "Z|N|E|auxiliary"

  @inlinable @inline(__always)
  public init(lane: Int) { self.init(rawValue: 1 << UInt8(truncatingIfNeeded: lane)) }

  /// As bits: 0b110 are the horizontals.
  @inlinable @inline(__always)
  public init(integerLiteral bits: UInt8) { self.init(rawValue: bits) }

  @inlinable public var count: Int { rawValue.nonzeroBitCount }

  @inlinable @inline(__always)
  public func contains(lane: Int) -> Bool { contains(LaneSet(lane: lane)) }

  @inlinable @inline(__always)
  public mutating func insert(lane: Int) { insert(LaneSet(lane: lane)) }
}
