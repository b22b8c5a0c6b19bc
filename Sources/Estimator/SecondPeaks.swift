// SecondPeaks: how strong it was in each second of UTC: what networks that measure shaking
// everywhere at once work with.
//
//     var peaks = SecondPeaks()
//     peaks.add(sample, past)
//     if peaks.isFinished { tell(peaks.finished) }

import Conditioning
import Core

/// One second of motion. A component that is not calibrated does not move.
public struct PeaksOfSecond: Sendable {
  /// Since 1970.
  public var second: Int64 = .min
  public var sampleCount = 0
  /// m/s², m/s and m, of each component.
  public var acceleration = Lanes.zero
  public var velocity = Lanes.zero
  public var displacement = Lanes.zero
  public var clipped = LaneSet()
  /// There are three components.
  var hasHorizontals = false
  /// Acceleration as JMA weighs it. Where a clock makes a second longer, the end of it.
  private var weighted = InlineArray<100, Double>(repeating: 0)

  /// JMA's; nil without three components. Few seconds are told, so it is worked out when one is.
  public var intensity: Double? {
    guard hasHorizontals else { return nil }
    var level = LevelOfIntensity()
    for index in 0..<100 { level.add(weighted[index]) }
    return Intensity.jma(level: level.value)
  }

  @inline(__always)
  mutating func add(weighted acceleration: Double) {
    weighted[sampleCount % 100] = acceleration
    sampleCount += 1
  }
}

struct SecondPeaks {
  private var current = PeaksOfSecond()
  /// The second before, and whether nobody has taken it. Not an optional, which would be copied at
  /// every sample.
  private(set) var finished = PeaksOfSecond()
  var isFinished = false

  /// A sample of the next second ends one.
  @inline(__always)
  mutating func add(_ sample: Sample, _ past: borrowing MotionHistory.Past) {
    let second = floorQuotient(sample.time.nanoseconds, nanosecondsPerSecond)
    if second != current.second {
      if current.sampleCount > 0 { (finished, isFinished) = (current, true) }
      current = PeaksOfSecond()
      current.second = second
    }
    raise(&current.acceleration, past.motion.acceleration)
    raise(&current.velocity, past.motion.velocity)
    raise(&current.displacement, past.motion.displacement)
    current.clipped.insert(sample.flags.clipped)
    current.add(weighted: past.weighted)
  }

  @inline(__always)
  private func raise(_ peaks: inout Lanes, _ motion: Lanes) {
    let size = motion.replacing(with: -motion, where: motion .< 0)
    peaks.replace(with: size, where: size .> peaks)
  }
}
