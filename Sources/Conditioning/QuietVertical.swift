// QuietVertical: which vertical the picker hears, of a station that has two sensors.
//
// A geophone hears the small and near that an accelerometer's noise hides, and clips where shaking
// begins to matter. So the picker hears the geophone, which is the auxiliary lane, with the
// horizontals as they are; and what says how strongly it shakes is the accelerometer's. A geophone
// that clips is heard on: what it picked came before. One that is silent, because its cable is off,
// gives way to the accelerometer's vertical until it has been there for a minute.
//
//     picker.step(vertical.heard(sample))

import Core

public struct QuietVertical {
  /// A loose plug comes and goes within seconds.
  private static let trustNanoseconds: Int64 = 60 * nanosecondsPerSecond

  private let isThere: Bool
  /// Since when the auxiliary lane has been silent or has not been trusted again; nil where it is
  /// heard.
  private var silentUntil: UTC?

  /// `isThere`: the auxiliary lane is such a vertical.
  public init(isThere: Bool) { self.isThere = isThere }

  /// The sample as the picker is to have it. After a change of sensors what went before says
  /// nothing about it.
  public mutating func heard(_ sample: Sample) -> Sample {
    guard isThere else { return sample }
    let wasSilent = silentUntil != nil
    if sample.flags.silent.contains(lane: 3) {
      silentUntil = sample.time
    } else if let silentUntil, sample.time - silentUntil >= QuietVertical.trustNanoseconds {
      self.silentUntil = nil
    }
    var heard = sample
    if wasSilent != (silentUntil != nil) { heard.isRestart = true }
    guard silentUntil == nil else { return heard }
    heard.counts[0] = sample.counts[3]
    heard.flags.clipped = QuietVertical.moved(sample.flags.clipped)
    heard.flags.spiked = QuietVertical.moved(sample.flags.spiked)
    heard.flags.stuck = QuietVertical.moved(sample.flags.stuck)
    heard.flags.dead = QuietVertical.moved(sample.flags.dead)
    return heard
  }

  private static func moved(_ lanes: LaneSet) -> LaneSet {
    var moved = lanes.subtracting(1)
    if lanes.contains(lane: 3) { moved.insert(lane: 0) }
    return moved
  }
}
