// Where a station stands and what it measures with: type 11 of WIRE-FORMAT.md.

import Core

/// One component of the ground's motion.
public struct ComponentDescription: Equatable, Sendable {
  public var serial = Text<24>()
  /// Days since 1970 on which the sensor was calibrated, and on which that runs out.
  public var measuredDay = InstrumentMessage.unknownDay
  public var validUntilDay = InstrumentMessage.unknownDay
  public var countsPerUnit = WireFloat.unknown
  public init() {}

  public static func == (a: ComponentDescription, b: ComponentDescription) -> Bool {
    a.serial.equals(b.serial) && a.measuredDay == b.measuredDay
      && a.validUntilDay == b.validUntilDay && a.countsPerUnit == b.countsPerUnit
  }

  // swift-format-ignore
  fileprivate mutating func visit(
    _ v: inout some FieldVisitor, _ names: (StaticString, StaticString, StaticString, StaticString)
  ) {
    v.text(&serial, names.0, "of its sensor; empty: not calibrated")
    v.number(&measuredDay, names.1, "d", "days since 1970 on which it was calibrated", unknown: InstrumentMessage.unknownDay, as: .day)
    v.number(&validUntilDay, names.2, "d", "and on which that runs out", unknown: InstrumentMessage.unknownDay, as: .day)
    v.quantity(&countsPerUnit, names.3, "", "counts per m/s or m/s², after the board's gain")
  }
}

public struct InstrumentMessage: Payload, Sendable {
  public static let type = MessageType.instrument
  public static let byteCount = 248
  public static let unknownPlace = Int32.min
  public static let unknownDay: UInt16 = .max

  public var latitude = InstrumentMessage.unknownPlace
  public var longitude = InstrumentMessage.unknownPlace
  public var elevationCentimetres = InstrumentMessage.unknownPlace
  public var depthCentimetres = InstrumentMessage.unknownPlace
  public var northAzimuthCentidegrees: UInt16 = 0
  public var presentLanes = LaneSet()
  public var quantity = MeasuredQuantity.none
  public var rateMillihertz: UInt32 = 0
  public var vertical = ComponentDescription()
  public var north = ComponentDescription()
  public var east = ComponentDescription()
  public var sensor = Text<40>()
  public var board = Text<40>()
  public var boardSerial = Text<24>()
  public var software = Text<16>()
  public var pickerChecksum: UInt32 = 0
  public var estimatorChecksum: UInt32 = 0
  public init() {}

  /// What the counts are proportional to.
  public enum MeasuredQuantity: UInt8, Sendable { case none, velocity, acceleration }

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&latitude, "latitude", "10⁻⁷°", "north of the equator, WGS 84", from: -900_000_000, to: 900_000_000, unknown: Self.unknownPlace, json: "latitude_deg", as: .decimal(unit: 1e-7, digits: 7))
    v.number(&longitude, "longitude", "10⁻⁷°", "east of Greenwich", from: -1_800_000_000, to: 1_800_000_000, unknown: Self.unknownPlace, json: "longitude_deg", as: .decimal(unit: 1e-7, digits: 7))
    v.number(&elevationCentimetres, "elevation_cm", "cm", "of the ground above the sea", from: -1_000_000, to: 1_000_000, unknown: Self.unknownPlace, json: "elevation_m", as: .decimal(unit: 0.01, digits: 2))
    v.number(&depthCentimetres, "depth_cm", "cm", "of the sensor below the ground", from: 0, to: 1_000_000, unknown: Self.unknownPlace, json: "depth_m", as: .decimal(unit: 0.01, digits: 2))
    v.number(&northAzimuthCentidegrees, "north_azimuth", "0.01°", "direction of the north component, clockwise from north; east is 90° further, and vertical is up", to: 35_999, json: "north_azimuth_deg", as: .decimal(unit: 0.01, digits: 2))
    v.words(&presentLanes, of: .all, "lanes", "to which the board gives a channel", LaneSet.names)
    v.word(&quantity, "quantity", "what counts are proportional to: 0 unknown, 1 velocity, 2 acceleration", "unknown|velocity|acceleration")
    v.number(&rateMillihertz, "rate_mhz", "mHz", "frames a second of the digitizer", json: "rate_hz", as: .decimal(unit: 0.001, digits: 3))
    vertical.visit(&v, ("vertical_serial", "vertical_measured", "vertical_until", "vertical_counts"))
    north.visit(&v, ("north_serial", "north_measured", "north_until", "north_counts"))
    east.visit(&v, ("east_serial", "east_measured", "east_until", "east_counts"))
    v.text(&sensor, "sensor", "model of the first sensor that is calibrated")
    v.text(&board, "board", "name of the board, with its digitizer")
    v.text(&boardSerial, "board_serial", "")
    v.text(&software, "software", "version of the station's program")
    v.number(&pickerChecksum, "picker_checksum", "", "CRC-32C of the picker's network, as its file has it; 0: none")
    v.number(&estimatorChecksum, "estimator_checksum", "", "the same of the estimator's")
  }
}
