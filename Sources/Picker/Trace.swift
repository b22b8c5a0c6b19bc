// Trace: what the pickers look at. Both need the same: the ground's motion in the band of local
// earthquakes, how large it is against the noise, and its last ten seconds, on which an onset is
// measured.
//
//   component   the vertical, or the horizontals where the vertical is absent, dead or stuck
//   short, long recursive means of the component's energy; their ratio is the characteristic
//               function of STA/LTA
//   place       index of a sample in the history, one more a sample
//   onset       a place at which STA/LTA has seen something begin

import Conditioning
import Core

struct Trace: ~Copyable {
  /// Means and filters are right this long after the first sample, or after a gap that broke the
  /// long-term mean.
  static let settlingSamples = 500
  /// A gap longer than this makes the long-term mean worthless; after a shorter one only the
  /// filters settle.
  private static let longGapSamples: Int64 = 1000
  private static let filterSettlingSamples = 100
  /// The long-term mean moves again after this long in an event: the ground has become louder.
  private static let frozenSamplesMaximum = 6000
  /// A component must be broken, or whole again, for this long before the trace moves to the other.
  private static let changeSamples = 1000
  /// Quantisation noise of one count is 1/12, and a third of it lies in the pass band.
  static let energyFloor = 0.03
  private static let longAgo = Int.min / 2

  private(set) var history = History()
  private(set) var ratio = 0.0
  private(set) var usesHorizontals = false
  /// The means began anew with the last sample: what was seen before is no longer comparable.
  private(set) var beginsAnew = false
  let presentLanes: LaneSet
  private let shortWeight: Double
  private let longWeight: Double
  private var highPass: Biquad
  private var lowPass: Biquad
  private var short = 0.0
  private var long = 0.0
  private var settled = 0
  private var settlingNeeded = settlingSamples
  private var lastNumber: Int64 = -1
  private var frozen = 0
  private var wantsOther = 0
  private var onsets = InlineArray<8, Int>(repeating: longAgo)
  private var onsetCount = 0

  init(_ settings: PickerSettings, presentLanes: LaneSet) {
    self.presentLanes = presentLanes
    shortWeight = 1 / (settings.shortTermSeconds * outputRateHertz)
    longWeight = 1 / (settings.longTermSeconds * outputRateHertz)
    highPass = Biquad(.highPass(cornerHertz: settings.bandLowHertz, rateHertz: outputRateHertz))
    lowPass = Biquad(.lowPass(cornerHertz: settings.bandHighHertz, rateHertz: outputRateHertz))
  }

  var isLive: Bool { settled >= settlingNeeded }
  /// RMS of the ground's noise in the band, counts.
  var noiseCounts: Double { long.squareRoot() }
  var noiseEnergy: Double { long }
  /// The lanes of the component.
  var watchedLanes: LaneSet { usesHorizontals ? .horizontals : LaneSet(lane: 0) }

  // MARK: Inputs

  /// Takes the next sample. The long-term mean stands still while STA/LTA is triggered, and what
  /// counts as noise is never larger than `triggerRatio` times it.
  mutating func step(_ sample: Sample, isTriggered: Bool, triggerRatio: Double) {
    beginsAnew = false
    if sample.isRestart { restart(sample) }
    lastNumber = sample.number
    let lanes = lowPass.step(highPass.step(sample.counts))
    chooseComponent(sample.flags)
    let horizontal = (lanes[1] * lanes[1] + lanes[2] * lanes[2]).squareRoot()
    let value = usesHorizontals ? horizontal : lanes[0]
    history.append(
      filtered: value, broadband: usesHorizontals ? 0 : sample.counts[0], horizontal: horizontal,
      lanes: lanes, time: sample.time)
    if sample.number % 100 == 0 {
      highPass.flushTinyStates()
      lowPass.flushTinyStates()
    }
    updateMeans(
      value * value, isTriggered: isTriggered && !beginsAnew, triggerRatio: triggerRatio)
  }

  /// STA/LTA has seen something begin there.
  mutating func note(onset place: Int) {
    onsetCount &+= 1
    onsets[onsetCount & 7] = place
  }

  private mutating func restart(_ sample: Sample) {
    let gap = lastNumber < 0 ? Int64.max : sample.number - lastNumber
    _ = highPass.settle(at: sample.counts)
    lowPass.clear()
    history.restart()
    if gap > Trace.longGapSamples {
      short = 0
      long = 0
      beginAnew()
    } else {
      settlingNeeded = max(Trace.settlingSamples, settled + Trace.filterSettlingSamples)
    }
  }

  private mutating func beginAnew() {
    settled = 0
    settlingNeeded = Trace.settlingSamples
    beginsAnew = true
  }

  /// A change of component starts the means anew, so it must last: a quiet site's coarse converter
  /// stands still for a second now and then.
  private mutating func chooseComponent(_ flags: ChannelFlags) {
    let horizontals = presentLanes.intersection(.horizontals)
    let hasHorizontals = !horizontals.isEmpty && flags.silent.isDisjoint(with: horizontals)
    let hasVertical = presentLanes.contains(lane: 0)
    let wanted = !hasVertical || (flags.silent.contains(lane: 0) && hasHorizontals)
    wantsOther = wanted == usesHorizontals ? 0 : wantsOther + 1
    guard wantsOther > Trace.changeSamples || (wantsOther > 0 && !hasVertical) else {
      return
    }
    usesHorizontals = wanted
    wantsOther = 0
    history.restart()
    beginAnew()
  }

  private mutating func updateMeans(_ energy: Double, isTriggered: Bool, triggerRatio: Double) {
    settled += 1
    short += shortWeight * (energy - short)
    // While settling, the plain mean of what there is; then the recursive one.
    let weight = max(longWeight, 1 / Double(settled))
    frozen = isTriggered ? frozen + 1 : 0
    if !isTriggered || frozen > Trace.frozenSamplesMaximum {
      // Bounded, so that neither a spike nor the onset itself, before it is seen, counts as noise.
      let bounded = isLive ? min(energy, triggerRatio * (long + Trace.energyFloor)) : energy
      long += weight * (bounded - long)
    }
    ratio = short / (long + Trace.energyFloor)
  }

  // MARK: What is measured on it

  /// Whether one of STA/LTA's last eight onsets lies within so many samples of a place.
  func hasOnset(near place: Int, samples: Int) -> Bool {
    for slot in 0..<8 where abs(onsets[slot] - place) <= samples { return true }
    return false
  }

  /// The second after a place, as far as it is there, over the noise before it.
  func signalToNoiseDecibels(at place: Int) -> Double {
    signalToNoiseDecibels(at: place, noiseEnergy: noiseEnergy(before: place) ?? long)
  }

  func signalToNoiseDecibels(at place: Int, noiseEnergy: Double) -> Double {
    let signal = history.energy(place..<min(place + 100, history.end)) ?? 0
    return 10
      * Elementary.logarithm10(
        (signal + Trace.energyFloor) / (noiseEnergy + Trace.energyFloor))
  }

  func fingerprint(at onset: Int, lanes: LaneSet) -> UInt64? {
    history.fingerprint(onset: onset, lanes: lanes)
  }

  func noiseEnergy(before place: Int) -> Double? {
    history.energy((place - 300)..<(place - 20))
  }
}
