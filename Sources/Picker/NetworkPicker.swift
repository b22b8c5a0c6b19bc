// NetworkPicker: picks of the two-stage network (PickerModel.swift).
//
// A P must be told within half a second, and it must be one. No single look does both: a network
// that waits for the seconds after an onset is right and too late, and one that has seen a third of
// a second of them is in time and more often wrong.
//
// So two looks are taken. What the early stage sees is announced. What the late stage sees, three
// seconds later, is confirmed under the number of what was announced there, and what it does not
// see is retracted. S are told by the late stage alone. A P that STA/LTA sees as well needs less
// probability than one that it does not, because what only one of two sees must be surer.
//
// Places are those of the trace.
//
//     let network = NetworkPicker.make(
//       model, kernels: kernels, settings: settings, presentLanes: .components, arena: &arena)
//     var picker = Picker(PickerSettings(), presentLanes: .components, network: network)

import Conditioning
import Core
import Kernels
import Network

public struct NetworkPicker: ~Copyable {
  public static let settlingSamples = 500
  private static let longGapSamples: Int64 = 1000
  /// A sensor of few bits can be still for moments, and what ends such a moment may be an event;
  /// behind a longer stillness that ends with a jump are padding and dead cables. The flags have
  /// taken a second of it.
  private static let longStillSamples = 400
  private static let revivalSamples = 20
  /// Two picks of one phase are no closer: two events closer than this are one to any network of
  /// this rate.
  private static let separationSamples = 60
  /// An announced P and a confirmed one are the same up to here.
  private static let sameSamples = 50
  private static let pendingMaximum = 8
  /// From the onset, for STA/LTA to see what the early stage is not sure enough of: an emergent
  /// onset takes it half a second longer.
  private static let patienceSamples = 100
  /// P to S of an event 800 km away.
  private static let longestSMinusPSamples = 9000
  /// An S without a P before it must be surer by this factor.
  private static let unassociatedFactor = 1.5

  /// A place before all others that leaves room for differences.
  private static let longAgo = Int.min / 2

  public private(set) var isLive = false
  public let name: Text<32>
  var settings: NetworkPickerSettings
  private let heads: PickerModel.Heads
  private let presentLanes: LaneSet
  /// The present lanes that are neither dead nor stuck.
  private var soundLanes = LaneSet()
  private var network: Network
  private var features = FeatureExtractor()
  private var lastNumber: Int64 = -1
  private var settled = 0

  /// Place of the network's row 0.
  private var origin = 0
  private var values = StageValues()
  /// The early stage must not wait for all of a peak; the late stage measures it.
  private var earlyP = ProbabilityPeak(passedShare: 0.7, passedSamples: 6)
  private var lateP = ProbabilityPeak(passedShare: 0.5, passedSamples: 12)
  private var lateS = ProbabilityPeak(passedShare: 0.5, passedSamples: 12)
  private var waiting: ProbabilityPeak.Peak?
  private var pending = InlineArray<8, Pending>(repeating: Pending())
  private var pendingCount = 0
  private var lastAnnounced = longAgo
  private var lastConfirmed = longAgo
  private var lastShear = longAgo
  private var lastClipped = longAgo
  /// When something came again after all lanes had long been still: it looks like an onset.
  private var revived = longAgo
  private var stillSamples = 0
  private var lastStill = longAgo
  private var lastWoken = longAgo / 2
  /// A sample can give rise to several: one confirmed, all that were pending before a gap.
  private var outbox = FixedQueue<Pick, 16>()
  public private(set) var pickCount: UInt32 = 0

  private struct Pending {
    var place = 0
    var pick: Pick?
  }

  /// Makes one in the arena, which gives `model.arenaByteCount` bytes and must outlive
  /// it. By its pointer: an optional of something this large is moved out and back at every touch.
  public static func make(
    _ model: PickerModel, kernels: KernelVariant, settings: NetworkPickerSettings,
    presentLanes: LaneSet, arena: inout Arena
  ) -> UnsafeMutablePointer<NetworkPicker> {
    let bytes = arena.take(UInt8.self, count: MemoryLayout<NetworkPicker>.stride)
    let place = UnsafeMutableRawPointer(bytes.baseAddress!)
      .bindMemory(to: NetworkPicker.self, capacity: 1)
    place.initialize(
      to: NetworkPicker(
        model, kernels: kernels, settings: settings, presentLanes: presentLanes, arena: &arena))
    return place
  }

  private init(
    _ model: PickerModel, kernels: KernelVariant, settings: NetworkPickerSettings,
    presentLanes: LaneSet, arena: inout Arena
  ) {
    heads = model.heads
    self.settings = settings
    self.presentLanes = presentLanes
    name = model.plan.header.name
    network = Network(model.plan, kernels: kernels, arena: &arena)
  }

  /// The oldest pick that was not taken yet.
  public mutating func next() -> Pick? { outbox.take() }

  /// Looks at the sample that the trace has just taken. The trace comes by its address, because a
  /// borrowed one would be copied.
  mutating func step(_ sample: Sample, on trace: UnsafePointer<Trace>) {
    let place = trace.pointee.history.end - 1
    if sample.isRestart { restart(sample, at: place) }
    lastNumber = sample.number
    settled += 1
    let lanes = presentLanes.subtracting(sample.flags.silent)
    soundLanes = lanes
    var codes = features.step(sample.counts, lanes: lanes)
    if features.hasWoken { lastWoken = place }
    if lanes.isEmpty {
      stillSamples += 1
    } else {
      if stillSamples >= NetworkPicker.longStillSamples { lastStill = place }
      stillSamples = 0
    }
    // The flags come every tenth of a second: the one may come before the other.
    let isRevival = (lastStill - lastWoken).magnitude <= NetworkPicker.revivalSamples
    if isRevival && max(lastStill, lastWoken) == place { revived = place }
    isLive =
      settled >= NetworkPicker.settlingSamples
      && place - revived >= NetworkPicker.settlingSamples
    if !sample.flags.clipped.isDisjoint(with: lanes) { lastClipped = place }
    if sample.number % 100 == 0 { features.flushTinyStates() }
    withUnsafeBytes(of: &codes) { network.push($0.baseAddress!, count: 1) }
    var more = true
    while more {
      more = network.advance()
      readMotion()
      readEarly(trace)
      readLate(trace)
    }
  }

  private mutating func restart(_ sample: Sample, at place: Int) {
    // What was announced before a gap is neither proved nor disproved by what comes after it.
    for index in 0..<pendingCount { conclude(pending[index], .confirmed) }
    pendingCount = 0
    let gap = lastNumber < 0 ? Int64.max : sample.number - lastNumber
    features.restart(at: sample.counts, knowsNoise: gap <= NetworkPicker.longGapSamples)
    network.reset()
    origin = place
    settled = 0
    earlyP.restart()
    waiting = nil
    lateP.restart()
    lateS.restart()
  }

  private mutating func readMotion() {
    let output = network.output(heads.motion)
    for step in 0..<(output.rowCount * PickerModel.rowSamples) {
      values.setUp(
        output.probability(step, class: 0), at: output.firstRow * PickerModel.rowSamples + step)
    }
  }

  // MARK: Early

  private mutating func readEarly(_ trace: UnsafePointer<Trace>) {
    let output = network.output(heads.early)
    guard output.rowCount > 0 else { return }
    for step in 0..<(output.rowCount * PickerModel.rowSamples) {
      let place = origin + output.firstRow * PickerModel.rowSamples + step
      let peak = earlyP.step(
        output.probability(step, class: 1), at: place, threshold: settings.announceProbability)
      if let peak, hasSettled(by: peak.index) { waiting = peak }
      if let peak = waiting {
        let isSure =
          peak.probability >= settings.announceUnseenProbability || isSeen(peak, trace)
        if isSure { announce(peak, trace) }
        if isSure || place - peak.index > NetworkPicker.patienceSamples { waiting = nil }
      }
    }
  }

  private func isSeen(
    _ peak: ProbabilityPeak.Peak, _ trace: UnsafePointer<Trace>
  ) -> Bool {
    trace.pointee.hasOnset(near: peak.index, samples: NetworkPicker.sameSamples)
  }

  private func hasSettled(by place: Int) -> Bool {
    // The revival is seen with the last samples before it; a peak may be told seconds after it.
    place - origin >= NetworkPicker.settlingSamples
      && !(revived - NetworkPicker.sameSamples..<revived + NetworkPicker.settlingSamples)
        .contains(place)
  }

  private mutating func announce(
    _ peak: ProbabilityPeak.Peak, _ trace: UnsafePointer<Trace>
  ) {
    guard peak.index - lastAnnounced >= NetworkPicker.separationSamples,
      pendingCount < NetworkPicker.pendingMaximum
    else { return }
    lastAnnounced = peak.index
    pickCount &+= 1
    let pick = measured(
      .provisional, .p, id: pickCount, place: Double(peak.index), probability: peak.probability,
      upProbability: values.up(at: peak.index - origin), trace)
    pending[pendingCount] = Pending(place: peak.index, pick: pick)
    pendingCount += 1
    outbox.put(pick)
  }

  // MARK: Late

  private mutating func readLate(_ trace: UnsafePointer<Trace>) {
    let events = network.output(heads.event)
    for row in 0..<events.rowCount {
      values.setEvent(events.probability(row, class: 0), row: events.firstRow + row)
    }
    let output = network.output(heads.late)
    for step in 0..<(output.rowCount * PickerModel.rowSamples) {
      let index = output.firstRow * PickerModel.rowSamples + step
      let (p, s) = (output.probability(step, class: 1), output.probability(step, class: 2))
      values.set(p: p, s: s, at: index)
      let place = origin + index
      if let peak = lateP.step(p, at: place, threshold: settings.confirmProbability) {
        confirm(peak, trace)
      }
      if let peak = lateS.step(s, at: place, threshold: settings.shearProbability) {
        confirmShear(peak, trace)
      }
      retractPending(before: place - NetworkPicker.separationSamples)
    }
  }

  private mutating func confirm(
    _ peak: ProbabilityPeak.Peak, _ trace: UnsafePointer<Trace>
  ) {
    let index = peak.index - origin
    let event = values.event(at: index)
    guard event >= settings.eventProbability, hasSettled(by: peak.index),
      peak.probability >= settings.unseenProbability || isSeen(peak, trace),
      peak.index - lastConfirmed >= NetworkPicker.separationSamples
    else { return }
    lastConfirmed = peak.index
    let place = Double(origin) + values.centre(ofP: true, at: index)
    let id = takePending(near: peak.index)
    outbox.put(
      measured(
        .confirmed, .p, id: id, place: place, probability: peak.probability,
        upProbability: values.up(at: index), trace))
  }

  private mutating func confirmShear(
    _ peak: ProbabilityPeak.Peak, _ trace: UnsafePointer<Trace>
  ) {
    let index = peak.index - origin
    let follows =
      (0...NetworkPicker.longestSMinusPSamples).contains(peak.index - lastConfirmed)
    let factor = follows ? 1 : NetworkPicker.unassociatedFactor
    guard peak.probability >= factor * settings.shearProbability,
      hasSettled(by: peak.index),
      peak.index - lastShear >= NetworkPicker.separationSamples
    else { return }
    lastShear = peak.index
    pickCount &+= 1
    outbox.put(
      measured(
        .confirmed, .s, id: pickCount, place: Double(origin) + values.centre(ofP: false, at: index),
        probability: peak.probability, upProbability: nil, trace))
  }

  /// The number of what was announced there, which is no longer pending; a new one where nothing
  /// was.
  private mutating func takePending(near place: Int) -> UInt32 {
    for index in 0..<pendingCount
    where abs(pending[index].place - place) <= NetworkPicker.sameSamples {
      if let pick = pending[index].pick {
        removePending(index)
        return pick.id
      }
    }
    pickCount &+= 1
    return pickCount
  }

  private mutating func retractPending(before place: Int) {
    while pendingCount > 0 && pending[0].place < place {
      conclude(pending[0], .retracted)
      removePending(0)
    }
  }

  private mutating func removePending(_ removed: Int) {
    for index in removed..<(pendingCount - 1) { pending[index] = pending[index + 1] }
    pendingCount -= 1
  }

  private mutating func conclude(_ pending: Pending, _ status: PickStatus) {
    guard var pick = pending.pick else { return }
    pick.status = status
    outbox.put(pick)
  }

  // MARK: What is said of a pick

  private func measured(
    _ status: PickStatus, _ phase: PickPhase, id: UInt32, place: Double, probability: Double,
    upProbability: Double?, _ trace: UnsafePointer<Trace>
  ) -> Pick {
    let index = Elementary.nearestInteger(place)
    let decibels = trace.pointee.signalToNoiseDecibels(at: index)
    let sigma = networkSigmaSeconds(
      phase: phase, status: status, probability: probability, signalToNoiseDecibels: decibels)
    let up = upProbability ?? 0.5
    let certainty = max(up, 1 - up)
    return Pick(
      id: id, status: status, phase: phase, time: trace.pointee.history.time(atPlace: place),
      timeSigmaSeconds: sigma, probability: probability,
      firstMotion: certainty < FirstMotion.leastProbability ? .unclear : up > 0.5 ? .up : .down,
      firstMotionProbability: certainty < FirstMotion.leastProbability ? nil : certainty,
      signalToNoiseDecibels: decibels,
      // Flags are a tenth of a second old at most.
      quality: PickQuality(
        sigmaSeconds: sigma, isClipped: lastClipped >= index - 10,
        usesHorizontals: !presentLanes.contains(lane: 0)),
      isSeenByBaseline: trace.pointee.hasOnset(near: index, samples: NetworkPicker.sameSamples),
      fingerprint: status == .confirmed && phase == .p
        ? trace.pointee.fingerprint(at: index, lanes: soundLanes) : nil)
  }
}

extension NetworkOutput {
  /// The probability of a class at step `step` of those that are new; a row has four classes' steps
  /// side by side.
  @inline(__always)
  fileprivate func probability(_ step: Int, class place: Int) -> Double {
    let classes = width >= PickerModel.rowSamples ? width / PickerModel.rowSamples : 1
    let value = values.load(fromByteOffset: 2 * (step * classes + place), as: UInt16.self)
    return Double(value) / 32768
  }
}
