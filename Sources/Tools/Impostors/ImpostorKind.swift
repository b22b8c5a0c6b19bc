// ImpostorKind: what is no earthquake, by what makes it. A station hears all of these in its life,
// and none of them may raise the alarm.
//
//   electrical   the ground is still; a contact, a converter, an amplifier or the mains makes the
//                signal
//   mechanical   something moves the sensor or the floor under it, but no earthquake does
//
// Each kind draws its parameters and makes a disturbance of them: those of the first sort in
// ImpostorKind+Electrical.swift, those of the second in ImpostorKind+Mechanical.swift.

public enum ImpostorKind: String, CaseIterable, Sendable {
  case contact, step, tilt, bitFault, gainJump, referenceDrift
  case settling, settlingAtStart, settlingAfterGap
  case mains, saturation, lightning, spikes, laneSwap, dropout, bump, microphonics
  case knock, taps, doorSlam, footsteps, machine, vehicle, quarryBlast, handling

  public var isElectrical: Bool {
    switch self {
    case .contact, .step, .tilt, .bitFault, .gainJump, .referenceDrift, .settling,
      .settlingAtStart, .settlingAfterGap, .mains, .saturation, .lightning, .spikes, .laneSwap,
      .dropout, .bump, .microphonics:
      true
    case .knock, .taps, .doorSlam, .footsteps, .machine, .vehicle, .quarryBlast, .handling:
      false
    }
  }

  public var name: String {
    switch self {
    case .contact: "intermittent contact"
    case .step: "step"
    case .tilt: "slow tilt"
    case .bitFault: "bit fault"
    case .gainJump: "gain jump"
    case .referenceDrift: "reference drift"
    case .settling: "settling converter"
    case .settlingAtStart: "settling at the start"
    case .settlingAfterGap: "settling after a gap"
    case .mains: "mains"
    case .saturation: "saturated amplifier"
    case .lightning: "lightning"
    case .spikes: "spikes"
    case .laneSwap: "lanes exchanged"
    case .dropout: "lane at zero"
    case .bump: "half-sine pulse"
    case .microphonics: "cable microphonics"
    case .knock: "knock"
    case .taps: "taps"
    case .doorSlam: "door slam"
    case .footsteps: "footsteps"
    case .machine: "machine starting"
    case .vehicle: "vehicle at the slab"
    case .quarryBlast: "quarry blast"
    case .handling: "sensor handled"
    }
  }

  /// For all that is no earthquake, the largest deviation that is tried.
  public static let peaks = 0.3...20.0
  /// From a quiet basement to a floor beside machines, rms.
  static let noiseLevels = 2e-5...2e-3
  /// Gaussian noise of some seconds has a peak so many times its rms.
  private static let crest = 3.5
  private static let gains = 10.0...1000.0

  /// Metres per second squared.
  public var peaks: ClosedRange<Double> {
    switch self {
    // Beyond, a blast would throw stones at the sensor.
    case .quarryBlast: 0.3...3
    // The strongest noise, a thousand times amplified.
    case .gainJump: 0.3...(Self.crest * Self.gains.upperBound * Self.noiseLevels.upperBound)
    default: Self.peaks
    }
  }

  /// The noise before it, rms in metres per second squared. A gain jumps by no more than a
  /// thousand, so that its peak tells how strong the noise must have been.
  func noiseLevels(forPeak peak: Double) -> ClosedRange<Double> {
    let all = Self.noiseLevels
    guard self == .gainJump else { return all }
    let least = max(peak / (Self.crest * Self.gains.upperBound), all.lowerBound)
    let most = min(peak / (Self.crest * Self.gains.lowerBound), all.upperBound)
    return min(least, most)...most
  }

  /// It happens before the digitizer's low-pass, which spreads its edges. What is wrong with
  /// words, or begins with the stream, has not gone through it; mains has its own say.
  var mayBeBandLimited: Bool {
    switch self {
    case .bitFault, .laneSwap, .settlingAtStart, .settlingAfterGap, .mains: false
    default: true
    }
  }

  func disturbance(_ draw: inout ImpostorDraw) -> Disturbance {
    switch self {
    case .contact: Self.contact(&draw)
    case .step: Self.step(&draw)
    case .tilt: Self.tilt(&draw)
    case .bitFault: Self.bitFault(&draw)
    case .gainJump: Self.gainJump(&draw)
    case .referenceDrift: Self.referenceDrift(&draw)
    case .settling: Self.settling(&draw)
    case .settlingAtStart: Self.settlingAtStart(&draw)
    case .settlingAfterGap: Self.settlingAfterGap(&draw)
    case .mains: Self.mains(&draw)
    case .saturation: Self.saturation(&draw)
    case .lightning: Self.lightning(&draw)
    case .spikes: Self.spikes(&draw)
    case .laneSwap: Self.laneSwap(&draw)
    case .dropout: Self.dropout(&draw)
    case .bump: Self.bump(&draw)
    case .microphonics: Self.microphonics(&draw)
    case .knock: Self.knock(&draw)
    case .taps: Self.taps(&draw)
    case .doorSlam: Self.doorSlam(&draw)
    case .footsteps: Self.footsteps(&draw)
    case .machine: Self.machine(&draw)
    case .vehicle: Self.vehicle(&draw)
    case .quarryBlast: Self.quarryBlast(&draw)
    case .handling: Self.handling(&draw)
    }
  }
}
