// [site] of a station file: where the station stands. What it picks and warns of does not depend on
// it; whoever locates earthquakes with it has to know.

import Core
import Settings

public struct SiteSettings: Sendable {
  /// In the wire's units; unknown where the file says nothing.
  public var latitude = InstrumentMessage.unknownPlace
  public var longitude = InstrumentMessage.unknownPlace
  public var elevationCentimetres = InstrumentMessage.unknownPlace
  public var depthCentimetres = InstrumentMessage.unknownPlace
  public var northAzimuthCentidegrees: UInt16 = 0

  public init() {}

  public init(_ file: inout ConfigurationFile) {
    guard file.has(section: "site") else { return }
    func value(_ key: StaticString, in range: ClosedRange<Double>, _ unit: Double) -> Int32 {
      Int32(Elementary.nearestInteger(file.decimal("site", key, in: range) * unit))
    }
    latitude = value("latitude_degrees", in: -90...90, 1e7)
    longitude = value("longitude_degrees", in: -180...180, 1e7)
    elevationCentimetres = value("elevation_metres", in: -10_000...10_000, 100)
    let depth = file.decimal("site", "depth_metres", in: 0...10_000, default: 0)
    depthCentimetres = Int32(Elementary.nearestInteger(depth * 100))
    let azimuth = file.decimal("site", "north_azimuth_degrees", in: 0...359.99, default: 0)
    northAzimuthCentidegrees = UInt16(Elementary.nearestInteger(azimuth * 100))
  }
}
