// Picker: the picks of the station. The network's where there is one; the baseline's otherwise. The
// baseline runs in both cases: its traces are what picks are measured on, and whether it agrees is
// told.

import Conditioning
import Core

public struct Picker: ~Copyable {
  private var baseline: StaLtaPicker
  private let network: UnsafeMutablePointer<NetworkPicker>?
  private var ownPick: Pick?
  /// Beside a network: STA/LTA's P at the last sample. It is told to nobody, but may be an event.
  public private(set) var untoldOnset: UTC?
  /// The time of the newest pick that was not retracted.
  public private(set) var lastPickTime: UTC?

  /// The network picker must outlive this one.
  public init(
    _ settings: PickerSettings, presentLanes: UInt8,
    network: UnsafeMutablePointer<NetworkPicker>? = nil
  ) {
    baseline = StaLtaPicker(settings, presentLanes: presentLanes)
    self.network = network
  }

  /// Takes the next sample. All picks must be taken before the one after it.
  public mutating func step(_ sample: Sample) {
    let pick = baseline.step(sample)
    untoldOnset = nil
    if let network {
      if let pick, pick.status == .provisional { untoldOnset = pick.time }
      withUnsafeMutablePointer(to: &baseline) {
        network.pointee.step(sample, beside: UnsafePointer($0))
      }
    } else {
      ownPick = pick
    }
  }

  /// The oldest pick that was not taken yet.
  public mutating func next() -> Pick? {
    let pick = ownPick ?? network?.pointee.next()
    ownPick = nil
    if let pick, pick.status == .confirmed { lastPickTime = pick.time }
    return pick
  }

  /// Picks can come: filters, means and the network's past are there.
  public var isLive: Bool { baseline.isLive && (network?.pointee.isLive ?? true) }
  public var pickCount: UInt32 { network?.pointee.pickCount ?? baseline.pickCount }
  public var hasNetwork: Bool { network != nil }

  /// Of the baseline; must stay above `releaseRatio`.
  public var triggerRatio: Double {
    get { baseline.triggerRatio }
    set { baseline.triggerRatio = newValue }
  }
  public var releaseRatio: Double { baseline.releaseRatio }

  /// Of the network; nil where there is none. Two functions, because a property's access in place would
  /// take from the heap.
  public func thresholds() -> NetworkPickerSettings? { network?.pointee.settings }
  public func set(_ thresholds: NetworkPickerSettings) { network?.pointee.settings = thresholds }

  /// Of the network, or "sta-lta".
  public var name: Text<32> { network?.pointee.name ?? Text<32>("sta-lta") }

  /// RMS of the band-passed ground noise, counts.
  public var noiseCounts: Double { baseline.noiseCounts }
  /// The baseline's trigger function.
  public var ratio: Double { baseline.ratio }
}
