// StaLtaPicker: the baseline picker, and the comparator of every other.
//
// The ratio of a short-term to a long-term recursive mean of band-passed energy (Allen 1978;
// Withers et al. 1998) on the vertical, or on the horizontals where the vertical is absent, dead or
// stuck. What passes the trigger for the minimum duration is announced as provisional with an onset
// by Akaike's criterion. Three seconds later it is confirmed, with a refined onset, or retracted
// when the energy has not lasted as an earthquake's does.
//
//   trigger       ratio at which a pick begins; the long-term mean stands still from there on
//   release       ratio below which the event is over
//   refractory    least time from one pick to the next

import Conditioning
import Core

public struct StaLtaPicker: ~Copyable {
  /// The station is live this long after its first sample, or after a gap that broke the long-term
  /// mean.
  public static let settlingSamples = 500
  static let confirmationSamples = 300
  /// A gap longer than this makes the long-term mean worthless; after a shorter one only the
  /// filters settle.
  private static let longGapSamples: Int64 = 1000
  private static let filterSettlingSamples = 100
  /// The long-term mean moves again after this long in an event: the ground has become louder.
  private static let frozenSamplesMaximum = 6000
  /// A component must be broken, or whole again, for this long before the picker moves.
  private static let changeSamples = 1000
  /// A spike's remains ring for this long in the band-pass.
  private static let spikeGuardSamples = 50
  private static let longestSMinusP: Int64 = 90 * nanosecondsPerSecond
  /// P of a local event comes up within 45° of the vertical: its horizontals carry at most its
  /// energy.
  private static let energyRatioOfS = 4.0
  /// Quantisation noise of one count, 1/12, of which the pass band holds about a third.
  private static let energyFloor = 0.03

  public private(set) var ratio = 0.0
  public private(set) var pickCount: UInt32 = 0
  public private(set) var lastPickTime: UTC?

  private let presentLanes: UInt8
  private var settings: PickerSettings
  private let shortWeight: Double
  private let longWeight: Double
  private let minimumSamples: Int
  private var highPass: Biquad
  private var lowPass: Biquad

  /// The band-passed trace; what the network's picks are measured on.
  private(set) var history = History()
  private var onsets = InlineArray<8, Int>(repeating: .min / 2)
  private var short = 0.0
  private var long = 0.0
  private var settled = 0
  private var settlingNeeded = settlingSamples
  private var lastNumber: Int64 = -1
  private var above = 0
  private var isTriggered = false
  private var frozen = 0
  private var quietUntil = 0
  private var spikeGuardUntil = 0
  private var usesHorizontals = false
  private var wantsOther = 0
  private var pending: PendingPick?
  private var lastConfirmedP: UTC?

  private struct PendingPick {
    var id: UInt32
    var onset: Int
    var noiseEnergy: Double
    var isClipped: Bool
    var announced: Pick?
  }

  /// Above `releaseRatio`.
  var triggerRatio: Double {
    get { settings.triggerRatio }
    set { settings.triggerRatio = newValue }
  }
  var releaseRatio: Double { settings.releaseRatio }

  public init(_ settings: PickerSettings, presentLanes: UInt8) {
    self.settings = settings
    self.presentLanes = presentLanes
    shortWeight = 1 / (settings.shortTermSeconds * outputRateHertz)
    longWeight = 1 / (settings.longTermSeconds * outputRateHertz)
    minimumSamples = max(settings.minimumDurationMilliseconds / 10, 1)
    highPass = Biquad(.highPass(cornerHertz: settings.bandLowHertz, rateHertz: outputRateHertz))
    lowPass = Biquad(.lowPass(cornerHertz: settings.bandHighHertz, rateHertz: outputRateHertz))
  }

  /// RMS of the band-passed ground noise, counts.
  public var noiseCounts: Double { long.squareRoot() }
  public var isLive: Bool { settled >= settlingNeeded }

  /// Whether one of the last eight picks was within so many samples of a place in `history`.
  func hasPicked(near index: Int, samples: Int) -> Bool {
    for slot in 0..<8 where abs(onsets[slot] - index) <= samples {
      return true
    }
    return false
  }

  /// Takes the next sample; returns a pick when there is something to say of one.
  public mutating func step(_ sample: Sample) -> Pick? {
    if sample.isRestart { restart(sample) }
    lastNumber = sample.number
    let lanes = lowPass.step(highPass.step(sample.counts))
    chooseComponent(sample.flags)
    let value =
      usesHorizontals ? (lanes[1] * lanes[1] + lanes[2] * lanes[2]).squareRoot() : lanes[0]
    history.append(
      filtered: value, broadband: usesHorizontals ? 0 : sample.counts[0],
      horizontal: (lanes[1] * lanes[1] + lanes[2] * lanes[2]).squareRoot(), time: sample.time)
    if sample.number % 100 == 0 {
      highPass.flushTinyStates()
      lowPass.flushTinyStates()
    }
    let watched: UInt8 = usesHorizontals ? 0b110 : 0b001
    if sample.flags.spiked & watched != 0 {
      spikeGuardUntil = history.end + StaLtaPicker.spikeGuardSamples
    }
    updateMeans(value * value)
    if var pick = pending, sample.flags.clipped & watched != 0 {
      pick.isClipped = true
      pending = pick
    }
    if let pick = pending, history.end >= pick.onset + StaLtaPicker.confirmationSamples {
      pending = nil
      return conclude(pick)
    }
    return isLive ? trigger(isClipped: sample.flags.clipped & watched != 0) : nil
  }

  private mutating func restart(_ sample: Sample) {
    let gap = lastNumber < 0 ? Int64.max : sample.number - lastNumber
    _ = highPass.settle(at: sample.counts)
    lowPass.clear()
    history.restart()
    above = 0
    if gap > StaLtaPicker.longGapSamples {
      settled = 0
      short = 0
      long = 0
      settlingNeeded = StaLtaPicker.settlingSamples
      isTriggered = false
    } else {
      settlingNeeded = max(
        StaLtaPicker.settlingSamples, settled + StaLtaPicker.filterSettlingSamples)
    }
  }

  /// The vertical while it is alive. A change of component starts the means anew, so it must last:
  /// a quiet site's coarse converter stands still for a second now and then.
  private mutating func chooseComponent(_ flags: ChannelFlags) {
    let broken = flags.dead | flags.stuck
    let hasHorizontals = presentLanes & 0b110 != 0 && broken & 0b110 & presentLanes == 0
    let wanted = presentLanes & 1 == 0 || (broken & 1 != 0 && hasHorizontals)
    wantsOther = wanted == usesHorizontals ? 0 : wantsOther + 1
    guard wantsOther > StaLtaPicker.changeSamples || (wantsOther > 0 && presentLanes & 1 == 0)
    else {
      return
    }
    usesHorizontals = wanted
    wantsOther = 0
    settled = 0
    above = 0
    settlingNeeded = StaLtaPicker.settlingSamples
    isTriggered = false
    history.restart()
  }

  private mutating func updateMeans(_ energy: Double) {
    settled += 1
    short += shortWeight * (energy - short)
    // While settling, the plain mean of what there is; then the recursive one.
    let weight = max(longWeight, 1 / Double(settled))
    frozen = isTriggered ? frozen + 1 : 0
    if !isTriggered || frozen > StaLtaPicker.frozenSamplesMaximum {
      // Bounded, so that neither a spike nor the onset itself, before it is seen, counts as noise.
      let bounded =
        isLive ? min(energy, settings.triggerRatio * (long + StaLtaPicker.energyFloor)) : energy
      long += weight * (bounded - long)
    }
    ratio = short / (long + StaLtaPicker.energyFloor)
  }

  private mutating func trigger(isClipped: Bool) -> Pick? {
    above = ratio >= settings.triggerRatio ? above + 1 : 0
    if isTriggered {
      if ratio < settings.releaseRatio && history.end >= quietUntil { isTriggered = false }
      return nil
    }
    // Energy that came in one burst of the converter must last five times longer to be believed.
    let needed = history.end < spikeGuardUntil ? 5 * minimumSamples : minimumSamples
    guard above >= needed, history.end >= quietUntil, pending == nil else { return nil }
    isTriggered = true
    let since = history.end - above
    // The short-term mean passes the trigger within about its own length after the onset.
    let shortSamples = Int(settings.shortTermSeconds * outputRateHertz)
    let onset =
      history.onset(in: (since - 2 * shortSamples - 200)..<history.end)
      ?? (index: since, spreadSamples: Double(shortSamples))
    quietUntil = onset.index + settings.refractoryMilliseconds / 10
    pickCount &+= 1
    onsets[Int(pickCount) & 7] = onset.index
    pending = PendingPick(
      id: pickCount, onset: onset.index,
      noiseEnergy: history.energy((onset.index - 300)..<(onset.index - 20)) ?? long,
      isClipped: isClipped)
    let announced = pick(.provisional, pending!, spreadSamples: onset.spreadSamples)
    pending?.announced = announced
    return announced
  }

  private mutating func conclude(_ pending: PendingPick) -> Pick {
    // A gap that swallowed those seconds disproves nothing, and what came after it refines nothing.
    if history.first > pending.onset, var unrefined = pending.announced {
      unrefined.status = .confirmed
      lastPickTime = unrefined.time
      lastConfirmedP = unrefined.time
      return unrefined
    }
    var refined = pending
    var spread = 10.0
    if let onset = history.onset(in: (pending.onset - 200)..<(pending.onset + 100)),
      abs(onset.index - pending.onset) <= 100
    {
      refined.onset = onset.index
      spread = onset.spreadSamples
    }
    refined.noiseEnergy =
      history.energy((refined.onset - 300)..<(refined.onset - 20)) ?? pending.noiseEnergy
    // A footstep or a spike is over within half a second; the smallest local event's coda is not.
    let floor = refined.noiseEnergy + StaLtaPicker.energyFloor
    let lasting = history.energy((refined.onset + 100)..<(refined.onset + 250)) ?? 0
    let isLasting = lasting >= settings.releaseRatio * floor
    return pick(isLasting ? .confirmed : .retracted, refined, spreadSamples: spread)
  }

  /// An arrival within a minute and a half of a confirmed P (800 km) whose horizontals carry four
  /// times the vertical's energy in its first second is that event's S. The provisional message
  /// cannot know.
  private func phase(of pending: PendingPick, _ status: PickStatus) -> PickPhase {
    guard status == .confirmed, !usesHorizontals, presentLanes & 0b110 == 0b110,
      let p = lastConfirmedP, history.time(at: pending.onset) - p < StaLtaPicker.longestSMinusP,
      let vertical = history.energy(pending.onset..<(pending.onset + 100)),
      let horizontal = history.horizontalEnergy(pending.onset..<(pending.onset + 100))
    else { return .p }
    return horizontal > StaLtaPicker.energyRatioOfS * vertical ? .s : .p
  }

  /// Of the second after an onset, as far as it is there, over the noise before it.
  func signalToNoiseDecibels(at onset: Int) -> Double {
    decibels(
      at: onset, noiseEnergy: history.energy((onset - 300)..<(onset - 20)) ?? long)
  }

  private func decibels(at onset: Int, noiseEnergy: Double) -> Double {
    let signal = history.energy(onset..<min(onset + 100, history.end)) ?? 0
    return 10
      * Elementary.logarithm10(
        (signal + StaLtaPicker.energyFloor) / (noiseEnergy + StaLtaPicker.energyFloor))
  }

  private mutating func pick(
    _ status: PickStatus, _ pending: PendingPick, spreadSamples: Double
  ) -> Pick {
    let decibels = decibels(at: pending.onset, noiseEnergy: pending.noiseEnergy)
    let swing = usesHorizontals ? nil : history.firstSwing(at: pending.onset)
    let phase = phase(of: pending, status)
    let sigma = onsetSigmaSeconds(spreadSamples: spreadSamples, signalToNoiseDecibels: decibels)
    let time = history.time(at: pending.onset)
    if status == .confirmed {
      lastPickTime = time
      if phase == .p { lastConfirmedP = time }
    }
    return Pick(
      id: pending.id, status: status, phase: phase, time: time, timeSigmaSeconds: sigma,
      probability: nil, firstMotion: swing.map { $0 > 0 ? .up : .down } ?? .unclear,
      firstMotionProbability: swing.map { firstMotionProbability(swing: $0.magnitude) },
      signalToNoiseDecibels: decibels,
      quality: PickQuality(
        sigmaSeconds: sigma, isClipped: pending.isClipped, usesHorizontals: usesHorizontals))
  }
}
