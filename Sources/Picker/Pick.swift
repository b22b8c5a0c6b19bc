// Pick: the arrival of a phase, as far as it is known.

import Core

public enum PickStatus: UInt8, Sendable { case provisional = 1, confirmed, retracted }
public enum PickPhase: UInt8, Sendable { case p = 1, s }
public enum FirstMotion: Int8, Sendable {
  case down = -1, unclear, up
  /// Below this a network's opinion is none.
  static let leastProbability = 0.6
}

/// How far a pick can be trusted in time: A, B, C, D as in every bulletin (see PickQuality.swift).
public enum PickQuality: UInt8, Sendable { case a = 1, b, c, d }

public struct Pick: Equatable, Sendable {
  /// The same for all messages about one arrival; counts from 1 at every boot.
  public var id: UInt32
  public var status: PickStatus
  public var phase: PickPhase
  public var time: UTC
  /// One standard deviation of `time`, seconds.
  public var timeSigmaSeconds: Double
  /// How probable it is that this is the phase it claims to be; nil when the picker has no
  /// calibrated opinion.
  public var probability: Double?
  public var firstMotion: FirstMotion
  public var firstMotionProbability: Double?
  public var signalToNoiseDecibels: Double
  public var quality: PickQuality
  /// By an energy trigger beside the network; nil where that is the picker.
  public var isSeenByBaseline: Bool?
  /// What repeats of its event have in common (Fingerprint.swift); a confirmed P has one.
  public var fingerprint: UInt64?

  public init(
    id: UInt32, status: PickStatus, phase: PickPhase, time: UTC, timeSigmaSeconds: Double,
    probability: Double?, firstMotion: FirstMotion, firstMotionProbability: Double?,
    signalToNoiseDecibels: Double, quality: PickQuality, isSeenByBaseline: Bool? = nil,
    fingerprint: UInt64? = nil
  ) {
    self.id = id
    self.status = status
    self.phase = phase
    self.time = time
    self.timeSigmaSeconds = timeSigmaSeconds
    self.probability = probability
    self.firstMotion = firstMotion
    self.firstMotionProbability = firstMotionProbability
    self.signalToNoiseDecibels = signalToNoiseDecibels
    self.quality = quality
    self.isSeenByBaseline = isSeenByBaseline
    self.fingerprint = fingerprint
  }
}
