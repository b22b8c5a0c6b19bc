// StaLtaPicker: the baseline picker, and the comparator of every other.
//
// An onset brings energy, so that a threshold on energy is the obvious picker. The noise differs by
// orders of magnitude from site to site, and changes from day to night. Spikes and footsteps bring
// energy as well. And a threshold is passed some time after the onset.
//
// The threshold is therefore one on a ratio that follows the noise: a short-term over a long-term
// recursive mean of band-passed energy (Allen 1978; Withers et al. 1998). What passes it for the
// minimum duration is announced as provisional, with an onset by Akaike's criterion. Three seconds
// after the onset it is confirmed, with a refined onset, or retracted when the energy has not
// lasted as an earthquake's does.
//
//   trigger       ratio at which a pick begins; the long-term mean stands still from there on
//   release       ratio below which the event is over
//   refractory    least time from one pick to the next

import Conditioning
import Core

struct StaLtaPicker: ~Copyable {
  static let confirmationSamples = 300
  /// A spike's remains ring for this long in the band-pass.
  private static let spikeGuardSamples = 50
  private static let longestSMinusP: Int64 = 90 * nanosecondsPerSecond
  /// P of a local event comes up within 45° of the vertical: its horizontals carry at most its
  /// energy.
  private static let energyRatioOfS = 4.0

  private(set) var pickCount: UInt32 = 0
  private(set) var isTriggered = false
  private var settings: PickerSettings
  private let minimumSamples: Int
  private var above = 0
  private var quietUntil = 0
  private var spikeGuardUntil = 0
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

  init(_ settings: PickerSettings) {
    self.settings = settings
    minimumSamples = max(settings.minimumDurationMilliseconds / 10, 1)
  }

  /// Looks at the sample that the trace has just taken; returns a pick when there is something to
  /// say of one. The trace comes by its address, because a borrowed one would be copied, all 20 kB
  /// of it.
  mutating func step(_ sample: Sample, on trace: UnsafeMutablePointer<Trace>) -> Pick? {
    if sample.isRestart { above = 0 }
    if trace.pointee.beginsAnew {
      above = 0
      isTriggered = false
    }
    let end = trace.pointee.history.end
    if !sample.flags.spiked.isDisjoint(with: trace.pointee.watchedLanes) {
      spikeGuardUntil = end + StaLtaPicker.spikeGuardSamples
    }
    let isClipped = !sample.flags.clipped.isDisjoint(with: trace.pointee.watchedLanes)
    if var pick = pending, isClipped {
      pick.isClipped = true
      pending = pick
    }
    if let pick = pending, end >= pick.onset + StaLtaPicker.confirmationSamples {
      pending = nil
      return conclude(pick, trace)
    }
    return trace.pointee.isLive ? trigger(trace, isClipped: isClipped) : nil
  }

  private mutating func trigger(_ trace: UnsafeMutablePointer<Trace>, isClipped: Bool) -> Pick? {
    let end = trace.pointee.history.end
    above = trace.pointee.ratio >= settings.triggerRatio ? above + 1 : 0
    if isTriggered {
      if trace.pointee.ratio < settings.releaseRatio && end >= quietUntil { isTriggered = false }
      return nil
    }
    // Energy that came in one burst of the converter must last five times longer to be believed.
    let needed = end < spikeGuardUntil ? 5 * minimumSamples : minimumSamples
    guard above >= needed, end >= quietUntil, pending == nil else { return nil }
    isTriggered = true
    let since = end - above
    // The short-term mean passes the trigger within about its own length after the onset.
    let shortSamples = Int(settings.shortTermSeconds * outputRateHertz)
    let onset =
      trace.pointee.history.onset(in: (since - 2 * shortSamples - 200)..<end)
      ?? (index: since, spreadSamples: Double(shortSamples))
    quietUntil = onset.index + settings.refractoryMilliseconds / 10
    pickCount &+= 1
    trace.pointee.note(onset: onset.index)
    pending = PendingPick(
      id: pickCount, onset: onset.index,
      noiseEnergy: trace.pointee.noiseEnergy(before: onset.index) ?? trace.pointee.noiseEnergy,
      isClipped: isClipped)
    let announced = pick(.provisional, pending!, spreadSamples: onset.spreadSamples, trace)
    pending?.announced = announced
    return announced
  }

  private mutating func conclude(_ pending: PendingPick, _ trace: UnsafeMutablePointer<Trace>)
    -> Pick
  {
    // A gap that swallowed those seconds disproves nothing, and what came after it refines nothing.
    if trace.pointee.history.first > pending.onset, var unrefined = pending.announced {
      unrefined.status = .confirmed
      lastConfirmedP = unrefined.time
      return unrefined
    }
    var refined = pending
    var spread = 10.0
    if let onset = trace.pointee.history.onset(in: (pending.onset - 200)..<(pending.onset + 100)),
      abs(onset.index - pending.onset) <= 100
    {
      refined.onset = onset.index
      spread = onset.spreadSamples
    }
    refined.noiseEnergy =
      trace.pointee.noiseEnergy(before: refined.onset) ?? pending.noiseEnergy
    // A footstep or a spike is over within half a second; the smallest local event's coda is not.
    let floor = refined.noiseEnergy + Trace.energyFloor
    let lasting = trace.pointee.history.energy((refined.onset + 100)..<(refined.onset + 250)) ?? 0
    let isLasting = lasting >= settings.releaseRatio * floor
    return pick(isLasting ? .confirmed : .retracted, refined, spreadSamples: spread, trace)
  }

  /// An arrival within a minute and a half of a confirmed P (800 km) whose horizontals carry four
  /// times the vertical's energy in its first second is that event's S. The provisional message
  /// cannot know.
  private func phase(
    of pending: PendingPick, _ status: PickStatus, _ trace: UnsafeMutablePointer<Trace>
  ) -> PickPhase {
    guard status == .confirmed, !trace.pointee.usesHorizontals,
      trace.pointee.presentLanes.contains(.horizontals),
      let p = lastConfirmedP,
      trace.pointee.history.time(at: pending.onset) - p < StaLtaPicker.longestSMinusP,
      let vertical = trace.pointee.history.energy(pending.onset..<(pending.onset + 100)),
      let horizontal = trace.pointee.history.horizontalEnergy(pending.onset..<(pending.onset + 100))
    else { return .p }
    return horizontal > StaLtaPicker.energyRatioOfS * vertical ? .s : .p
  }

  private mutating func pick(
    _ status: PickStatus, _ pending: PendingPick, spreadSamples: Double,
    _ trace: UnsafeMutablePointer<Trace>
  ) -> Pick {
    let decibels = trace.pointee.signalToNoiseDecibels(
      at: pending.onset, noiseEnergy: pending.noiseEnergy)
    let swing =
      trace.pointee.usesHorizontals ? nil : trace.pointee.history.firstSwing(at: pending.onset)
    let phase = phase(of: pending, status, trace)
    let sigma = onsetSigmaSeconds(spreadSamples: spreadSamples, signalToNoiseDecibels: decibels)
    let time = trace.pointee.history.time(at: pending.onset)
    if status == .confirmed && phase == .p { lastConfirmedP = time }
    return Pick(
      id: pending.id, status: status, phase: phase, time: time, timeSigmaSeconds: sigma,
      probability: nil, firstMotion: swing.map { $0 > 0 ? .up : .down } ?? .unclear,
      firstMotionProbability: swing.map { firstMotionProbability(swing: $0.magnitude) },
      signalToNoiseDecibels: decibels,
      quality: PickQuality(
        sigmaSeconds: sigma, isClipped: pending.isClipped,
        usesHorizontals: trace.pointee.usesHorizontals))
  }
}
