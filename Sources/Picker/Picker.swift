// Picker: the picks of the station.
//
// A network finds onsets that an energy trigger misses. Its file can be missing, damaged or made
// for something else, and a network by itself has nobody who contradicts it. A choice of one of two
// pickers at start would leave each pick without a second opinion, and what only STA/LTA sees would
// be lost on the estimator.
//
// So STA/LTA always runs, on the trace that the network's picks are measured on too. Where there is
// a network, its picks are told upstream, each with whether STA/LTA agrees, and what STA/LTA sees
// is handed on as an onset that may be an event. Where there is none, STA/LTA's own picks are told.
//
//     picker.step(sample)
//     while let found = picker.next() { … }

import Conditioning
import Core

/// What a picker has found at a sample.
public enum Found {
  /// It is told upstream.
  case pick(Pick)
  /// Something begins that STA/LTA sees, whether the network tells it or not: it may be an event.
  case onset(UTC)
}

public struct Picker: ~Copyable {
  private var trace: Trace
  private var baseline: StaLtaPicker
  private let network: UnsafeMutablePointer<NetworkPicker>?
  private var ownPick: Pick?
  private var untold: UTC?
  /// Picks can come: filters, means and the network's past are there. It is stored, because whoever
  /// computed it for another module would copy all of this.
  public private(set) var isLive = false
  /// The time of the newest pick that was not retracted.
  public private(set) var lastPickTime: UTC?

  /// The network picker must outlive this one.
  public init(
    _ settings: PickerSettings, presentLanes: LaneSet,
    network: UnsafeMutablePointer<NetworkPicker>? = nil
  ) {
    trace = Trace(settings, presentLanes: presentLanes)
    baseline = StaLtaPicker(settings)
    self.network = network
  }

  /// Takes the next sample. All that it finds must be taken before the one after it.
  public mutating func step(_ sample: Sample) {
    trace.step(sample, isTriggered: baseline.isTriggered, triggerRatio: baseline.triggerRatio)
    withUnsafeMutablePointer(to: &trace) { trace in
      isLive = trace.pointee.isLive
      let pick = baseline.step(sample, on: trace)
      guard let network else {
        ownPick = pick
        return
      }
      if let pick, pick.status == .provisional { untold = pick.time }
      network.pointee.step(sample, on: trace)
      isLive = trace.pointee.isLive && network.pointee.isLive
    }
  }

  /// The oldest that was not taken yet: picks first.
  public mutating func next() -> Found? {
    if let pick = ownPick ?? network?.pointee.next() {
      ownPick = nil
      if pick.status == .confirmed { lastPickTime = pick.time }
      return .pick(pick)
    }
    guard let time = untold else { return nil }
    untold = nil
    return .onset(time)
  }

  public var pickCount: UInt32 { network?.pointee.pickCount ?? baseline.pickCount }
  public var hasNetwork: Bool { network != nil }

  /// The ratio from which on STA/LTA triggers. It must stay above `releaseRatio`.
  public var triggerRatio: Double {
    get { baseline.triggerRatio }
    set { baseline.triggerRatio = newValue }
  }
  public var releaseRatio: Double { baseline.releaseRatio }

  /// The network's limits; nil where there is none. Two functions, because a property's access in
  /// place would take from the heap.
  public func thresholds() -> NetworkPickerSettings? { network?.pointee.settings }
  public func set(_ thresholds: NetworkPickerSettings) { network?.pointee.settings = thresholds }

  /// The network's name, or "sta-lta".
  public var name: Text<32> { network?.pointee.name ?? Text<32>("sta-lta") }

  /// RMS of the band-passed ground noise, counts.
  public var noiseCounts: Double { trace.noiseCounts }
  /// The trigger function of STA/LTA.
  public var ratio: Double { trace.ratio }
}
