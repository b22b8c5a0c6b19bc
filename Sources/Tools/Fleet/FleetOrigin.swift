// FleetOrigin: an earthquake that somebody has located from the stations' picks, as a line.
//
//     for origin in try room.origins() { print(origin.line) }

import Foundation

public struct FleetOrigin: Decodable {
  private struct Pick: Decodable {
    let station: String
  }

  private struct Answer: Decodable {
    let origins: [FleetOrigin]
  }

  private let id: String
  private let time: String
  private let latitude: Double
  private let longitude: Double
  private let depth: Double
  private let rms: Double
  private let magnitude: Double?
  private let picks: [Pick]
  /// The collector's own object.
  public private(set) var json = "{}"

  private enum CodingKeys: String, CodingKey {
    case id, time, latitude, longitude, magnitude, picks
    case depth = "depth_km"
    case rms = "rms_s"
  }

  static func list(_ body: [UInt8], from source: String) throws -> [FleetOrigin] {
    let answer = try FleetList.decode(Answer.self, body[...], from: source)
    let slices = JsonSlices.member("origins", of: body[...]).map(JsonSlices.elements) ?? []
    return zip(answer.origins, slices).map { origin, slice in
      var origin = origin
      origin.json = JsonSlices.string(slice)
      return origin
    }
  }

  /// Whose picks it was located from.
  public var stations: Set<String> { Set(picks.map(\.station)) }

  public var line: String {
    let size = magnitude.map { "M \(decimal($0, 1))" } ?? "M ?"
    return Terminal.printable(
      "\(time)  \(size.padding(to: 6)) \(decimal(latitude, 4)), \(decimal(longitude, 4)), "
        + "\(decimal(depth, 1)) km deep; \(picks.count) picks of \(stations.count) stations, "
        + "within \(decimal(rms, 2)) s; \(id)")
  }
}
