// DurationHistogram: eight bins an octave, so that a quantile is at most an eighth too large, and
// the exact maximum. This holds from 8 ns to 2³² ns (4.3 s); the last bin takes all that is longer.
//
//     var loopTime = DurationHistogram()
//     loopTime.add(end - begin)
//     let median = loopTime.quantileNanoseconds(0.5)

public struct DurationHistogram: ~Copyable {
  private var bins = InlineArray<256, UInt32>(repeating: 0)
  public private(set) var count: UInt64 = 0
  public private(set) var maximumNanoseconds: Int64 = 0

  public init() {}

  private static func bin(of nanoseconds: Int64) -> Int {
    let value = UInt64(max(nanoseconds, 1))
    let octave = 63 - value.leadingZeroBitCount
    let eighth = octave >= 3 ? Int((value >> UInt64(octave - 3)) & 7) : 0
    return min(octave * 8 + eighth, 255)
  }

  public mutating func add(_ nanoseconds: Int64) {
    bins[DurationHistogram.bin(of: nanoseconds)] &+= 1
    count &+= 1
    maximumNanoseconds = max(maximumNanoseconds, nanoseconds)
  }

  /// The upper edge of the bin in which the given fraction of all durations has been passed.
  public func quantileNanoseconds(_ fraction: Double) -> Int64 {
    guard count > 0 else { return 0 }
    let wanted = Double(count) * fraction
    var seen = 0.0
    for index in 0..<256 {
      seen += Double(bins[index])
      guard seen >= wanted, bins[index] > 0 else { continue }
      guard index < 255 else { break }  // the last bin has no upper edge
      let octave = index / 8
      let edge = octave >= 3 ? Int64(9 + index % 8) << Int64(octave - 3) : Int64(2) << Int64(octave)
      return min(edge, maximumNanoseconds)
    }
    return maximumNanoseconds
  }

  public mutating func reset() {
    bins = InlineArray<256, UInt32>(repeating: 0)
    count = 0
    maximumNanoseconds = 0
  }
}
