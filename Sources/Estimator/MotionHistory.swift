// MotionHistory: the last five seconds of motion, because a pick tells of an onset that is over;
// and the noise before it.

import Conditioning
import Core

struct MotionHistory: ~Copyable {
  static let capacity = 512
  /// The noise's memory.
  private static let noiseWeight = 1 / 3000.0

  /// What one sample was like.
  struct Past {
    var motion = Motion()
    var tauP = 0.0
    /// The acceleration as JMA's intensity weighs it.
    var weighted = 0.0
    var isClipped = false
    /// The vertical's displacement, squared, in the noise until then.
    var noise = 0.0
  }

  private var ring = InlineArray<512, Past>(repeating: Past())
  /// Samples since the last start; the newest is in place `end − 1`.
  private(set) var end = 0
  private var newest = UTC(nanoseconds: 0)
  private var tauP = TauP()
  private var intensity = IntensityFilter()
  private(set) var noiseSquared = 0.0

  /// Takes the next sample. An event is no noise.
  mutating func append(_ sample: Sample, _ motion: Motion, isEvent: Bool) -> Past {
    newest = sample.time
    var past = Past(motion: motion)
    past.tauP = tauP.step(motion.velocity[0])
    let weighted = intensity.step(motion.acceleration)
    past.weighted = (weighted * weighted).sum().squareRoot()
    if !isEvent {
      let d = motion.displacement[0]
      noiseSquared += MotionHistory.noiseWeight * (d * d - noiseSquared)
    }
    if sample.number % 100 == 0 { flushTinyStates() }
    past.noise = noiseSquared
    past.isClipped = !sample.flags.clipped.isEmpty
    ring[end % MotionHistory.capacity] = past
    end += 1
    return past
  }

  mutating func restart() {
    end = 0
    tauP = TauP()
    intensity = IntensityFilter()
  }

  /// Subnormal states cost time.
  private mutating func flushTinyStates() {
    tauP.flushTinyStates()
    intensity.flushTinyStates()
    if noiseSquared < 1e-100 { noiseSquared = 0 }
  }

  subscript(_ place: Int) -> Past { ring[place % MotionHistory.capacity] }

  /// The place of a time; nil where it is no longer there, or not yet.
  func place(of time: UTC) -> Int? {
    let back = Int(Elementary.nearestInteger(Double(newest - time) * 1e-9 * outputRateHertz))
    let place = end - 1 - back
    guard back >= 0, place >= 0, back < MotionHistory.capacity - 11 else { return nil }
    return place
  }

  /// The noise is that before an onset, however late the onset is known.
  mutating func takeNoise(before onset: Int) { noiseSquared = self[max(onset - 10, 0)].noise }
}
