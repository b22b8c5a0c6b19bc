// SecondPeaks: how strong it was in each second of UTC: what networks that measure shaking
// everywhere at once work with.
//
//     var peaks = SecondPeaks()
//     if let second = peaks.add(sample, past) { … }

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
  /// JMA's; nil without three components.
  public var intensity: Double?
  public var clipped = LaneSet()
  var level = ExceededLevel()
}

struct SecondPeaks {
  private var current = PeaksOfSecond()

  /// The second that this sample ends, because it is of the next.
  @inline(__always)
  mutating func add(_ sample: Sample, _ past: borrowing MotionHistory.Past) -> PeaksOfSecond? {
    let second = floorQuotient(sample.time.nanoseconds, nanosecondsPerSecond)
    var finished: PeaksOfSecond?
    if second != current.second {
      if current.sampleCount > 0 { finished = current }
      current = PeaksOfSecond()
      current.second = second
    }
    current.sampleCount += 1
    raise(&current.acceleration, past.motion.acceleration)
    raise(&current.velocity, past.motion.velocity)
    raise(&current.displacement, past.motion.displacement)
    current.clipped.insert(sample.flags.clipped)
    current.level.add(past.weighted)
    return finished
  }

  @inline(__always)
  private func raise(_ peaks: inout Lanes, _ motion: Lanes) {
    let size = motion.replacing(with: -motion, where: motion .< 0)
    peaks.replace(with: size, where: size .> peaks)
  }
}
