// An arrival: type 1 of WIRE-FORMAT.md.

import Core

public struct PickMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.pick
  public static let byteCount = 36
  public var id: UInt32 = 0
  /// 1 provisional, 2 confirmed, 3 retracted
  public var status: UInt8 = 1
  /// 1 P, 2 S
  public var phase: UInt8 = 1
  /// −1 down, 0 unclear, 1 up
  public var firstMotion: Int8 = 0
  /// 1 A … 4 D
  public var quality: UInt8 = 4
  public var time = UTC(nanoseconds: 0)
  public var timeSigmaMicroseconds: UInt32 = 0
  /// In ten-thousandths; Wire.noProbability for none.
  public var probability: UInt16 = Wire.noProbability
  public var firstMotionProbability: UInt16 = Wire.noProbability
  public var signalToNoiseCentidecibels: Int16 = 0
  /// 1 STA/LTA, 2 network
  public var picker: UInt8 = 1
  /// STA/LTA has triggered within half a second of a network's pick.
  public var isSeenByBaseline = false
  /// 0 for none.
  public var fingerprint: UInt64 = 0
  public init() {}

  /// Only a network's pick can be seen by STA/LTA as well, and only a P that it has confirmed has a
  /// fingerprint.
  public var isConsistent: Bool {
    (!isSeenByBaseline || picker == 2)
      && (fingerprint == 0 || (picker == 2 && status == 2 && phase == 1))
  }

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&id, "id", "", "the same in all messages about one arrival; from 1 at every boot")
    v.number(&status, "status", "", "1 provisional, 2 confirmed, 3 retracted", from: 1, to: 3)
    v.number(&phase, "phase", "", "1 P, 2 S", from: 1, to: 2)
    v.number(&firstMotion, "first_motion", "", "−1 down, 0 unclear, 1 up", from: -1, to: 1)
    v.number(&quality, "quality", "", "1 A (best), 2 B, 3 C, 4 D", from: 1, to: 4)
    v.time(&time, "time_ns", "arrival at the sensor")
    v.number(&timeSigmaMicroseconds, "sigma_us", "µs", "one standard deviation of the time")
    v.number(&probability, "probability", "1/10000", "that this is the phase it claims to be", to: 10_000, unknown: Wire.noProbability)
    v.number(&firstMotionProbability, "first_motion_probability", "1/10000", "that the first motion is right", to: 10_000, unknown: Wire.noProbability)
    v.number(&signalToNoiseCentidecibels, "snr_centidecibels", "0.01 dB", "signal-to-noise ratio; hundredths of a decibel")
    v.number(&picker, "picker", "", "1 STA/LTA, 2 network", from: 1, to: 2)
    v.truth(&isSeenByBaseline, "flags", "bit 0: STA/LTA has triggered within half a second of a network's pick; others 0, and all of STA/LTA's own")
    v.number(&fingerprint, "fingerprint", "mask", "of a network's confirmed P, else 0: bit 21 · lane + k is 1 where the k-th 0.14 s after the onset have more energy than a straight decay of that lane over 2.94 s; repeats at one station differ in few bits", to: UInt64(Int64.max))
  }
}
