// How strong it was in one second: type 12 of WIRE-FORMAT.md.

import Core

public struct PeaksMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.peaks
  public static let byteCount = 40
  public static let noIntensity = Int16.min
  /// A clock that is set back makes a second longer than it is.
  public static let samplesMaximum: UInt16 = 1000

  /// When the second began.
  public var time = UTC(nanoseconds: 0)
  public var sampleCount: UInt16 = 0
  public var clippedLanes = LaneSet()
  public var jmaIntensityHundredths = PeaksMessage.noIntensity
  public var verticalAcceleration = WireFloat.unknown
  public var verticalVelocity = WireFloat.unknown
  public var verticalDisplacement = WireFloat.unknown
  public var horizontalAcceleration = WireFloat.unknown
  public var horizontalVelocity = WireFloat.unknown
  public var horizontalDisplacement = WireFloat.unknown
  public init() {}

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.time(&time, "second_ns", "when the second began: a whole second of UTC", json: "time")
    v.number(&sampleCount, "samples", "", "how many of its hundred samples there were", to: Self.samplesMaximum)
    v.words(&clippedLanes, of: .all, "clipped_lanes", "at full scale: peaks are lower bounds", LaneSet.names, json: "clipped")
    v.reserved(UInt8.self)
    v.number(&jmaIntensityHundredths, "jma", "0.01", "JMA's instrumental intensity of the second: of the level that was exceeded for 0.3 s", unknown: Self.noIntensity, json: "jma_intensity", as: .decimal(unit: 0.01, digits: 2))
    v.reserved(UInt16.self)
    v.quantity(&verticalAcceleration, "vertical_pga_ms2", "m/s²", "largest acceleration")
    v.quantity(&verticalVelocity, "vertical_pgv_ms", "m/s", "largest velocity")
    v.quantity(&verticalDisplacement, "vertical_pd_m", "m", "largest displacement")
    v.quantity(&horizontalAcceleration, "horizontal_pga_ms2", "m/s²", "likewise, of the horizontal that moved more")
    v.quantity(&horizontalVelocity, "horizontal_pgv_ms", "m/s", "")
    v.quantity(&horizontalDisplacement, "horizontal_pd_m", "m", "")
  }
}
