// Fingerprint: whether this event was here before.
//
// Quarries blast at the same place, and aftershocks repeat. Whoever has the waveforms sees it: two
// events from one place look alike on one station. The station sends none, for want of bandwidth.
// A hash of the samples would do, and differs in half of its bits when an onset is two samples off
// or the noise another. The network's activations are nearer to one another for all events than
// for those of one place, since they are made to be: they leave out what distinguishes.
//
// What is left of a waveform when phases and sizes are taken away is when its energy comes, on
// which component. So each bit says of one lane and a seventh of a second whether there is more
// energy than a straight decay of this lane's would have, over the first three seconds. Gains and
// magnitudes do not matter, and there is nothing to be learnt. Two of them are compared by the
// number of bits that differ; calibration/training/README.md says what to make of it.
//
//     let bits = history.fingerprint(onset: place, lanes: .components)
//     let distance = (bits ^ others).nonzeroBitCount

import Core

private let bins = 21
private let binSamples = 14

extension History {
  /// Bit 21 · lane + bin; bits of lanes that are not there are 0. nil where three seconds after the
  /// onset are not all there.
  func fingerprint(onset: Int, lanes: LaneSet) -> UInt64? {
    guard onset >= first, onset + bins * binSamples <= end else { return nil }
    var bits: UInt64 = 0
    for lane in 0..<3 where lanes.contains(lane: lane) {
      var levels = InlineArray<21, Double>(repeating: 0)
      var (sum, moment, squares) = (0.0, 0.0, 0.0)
      for bin in 0..<bins {
        let begin = onset + bin * binSamples
        let energy = energy(ofLane: lane, begin..<(begin + binSamples))
        levels[bin] = Elementary.logarithm(energy + Trace.energyFloor)
        let place = Double(bin - bins / 2)
        sum += levels[bin]
        moment += levels[bin] * place
        squares += place * place
      }
      for bin in 0..<bins {
        let decay = sum / Double(bins) + moment / squares * Double(bin - bins / 2)
        if levels[bin] > decay { bits |= 1 << UInt64(lane * bins + bin) }
      }
    }
    return bits == 0 ? nil : bits
  }
}
