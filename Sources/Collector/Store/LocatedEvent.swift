// LocatedEvent: an earthquake as somebody who associates picks has found it: when and where it was,
// and whose picks are of it.
//
//     let event = try LocatedEvent(json: body)

import Core
import Foundation
import Tools
import Uplink

struct LocatedEvent: Equatable, Sendable {
  /// A pick that is of it, by the name that its station gave it for ever.
  struct Arrival: Equatable, Sendable {
    let key: EventKey
    let isShear: Bool
    let residualSeconds: Double
    let distanceKilometres: Double
  }

  let id: String
  /// A higher one replaces a lower one.
  let version: Int64
  let time: UTC
  let latitude: Double
  let longitude: Double
  let depthKilometres: Double
  let rmsSeconds: Double
  /// None: the event has been withdrawn.
  let arrivals: [Arrival]
}

/// What is wrong with what somebody sent.
struct BadRequest: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

extension LocatedEvent {
  /// As lists have it.
  func json(magnitude: Double?, magnitudeCount: Int) -> String {
    let picks = arrivals.map { one in
      JsonLine.object(
        one.key.fields + [
          ("phase", one.isShear ? "\"S\"" : "\"P\""),
          ("residual_s", decimal(one.residualSeconds, 3)),
          ("distance_km", decimal(one.distanceKilometres, 1)),
        ])
    }
    return JsonLine.object([
      ("id", JsonLine.quoted(id)), ("version", "\(version)"), ("time", "\"\(time.iso8601)\""),
      ("latitude", decimal(latitude, 5)), ("longitude", decimal(longitude, 5)),
      ("depth_km", decimal(depthKilometres, 1)), ("rms_s", decimal(rmsSeconds, 3)),
      ("magnitude", orNull(magnitude, 1)), ("magnitude_count", "\(magnitudeCount)"),
      ("station_count", "\(stationCount)"),
      ("picks", "[\(picks.joined(separator: ","))]"),
    ])
  }

  var stationCount: Int { Set(arrivals.map(\.key.station)).count }

  private static let arrivalsMaximum = 5000
  private static let depths = -10.0...800.0

  private struct Report: Decodable {
    struct Pick: Decodable {
      let station, epoch, phase: String
      let boot, number: UInt32
      let residual, distance: Double

      enum CodingKeys: String, CodingKey {
        case station, epoch, phase, boot
        case number = "pick_id"
        case residual = "residual_s"
        case distance = "distance_km"
      }
    }
    let id, time: String
    let version: Int64
    let latitude, longitude, depth, rms: Double
    let picks: [Pick]

    enum CodingKeys: String, CodingKey {
      case id, time, version, latitude, longitude, picks
      case depth = "depth_km"
      case rms = "rms_s"
    }
  }

  init(json: [UInt8]) throws(BadRequest) {
    let report: Report
    do { report = try JSONDecoder().decode(Report.self, from: Data(json)) } catch {
      throw BadRequest("the body is no event: " + LocatedEvent.reason(error))
    }
    func require(_ isRight: Bool, _ sentence: String) throws(BadRequest) {
      if !isRight { throw BadRequest(sentence) }
    }
    let isName = report.id.utf8.allSatisfy {
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 | 0x20
        || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
        || [UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-")].contains($0)
    }
    try require(
      isName && (1...64).contains(report.id.utf8.count),
      "id must be 1 to 64 letters, digits, _, . and -")
    try require((1...1_000_000).contains(report.version), "version must be from 1 to 1000000")
    guard let time = UTC(iso8601: report.time) else {
      throw BadRequest("time is no time in UTC, such as 2026-11-30T10:00:00.5Z")
    }
    try require((-90...90).contains(report.latitude), "latitude must be from -90 to 90 degrees")
    try require(
      (-180...180).contains(report.longitude), "longitude must be from -180 to 180 degrees")
    try require(
      LocatedEvent.depths.contains(report.depth),
      "depth_km must be from \(LocatedEvent.depths.lowerBound) to \(LocatedEvent.depths.upperBound)"
    )
    try require((0...1000).contains(report.rms), "rms_s must be from 0 to 1000")
    try require(
      report.picks.count <= LocatedEvent.arrivalsMaximum,
      "an event has \(LocatedEvent.arrivalsMaximum) picks at most")
    var arrivals: [Arrival] = []
    for pick in report.picks { arrivals.append(try LocatedEvent.arrival(pick)) }
    try require(
      Set(arrivals.map(\.key)).count == arrivals.count, "a pick is of an event once")
    (id, version, self.time, self.arrivals) = (report.id, report.version, time, arrivals)
    (latitude, longitude) = (report.latitude, report.longitude)
    (depthKilometres, rmsSeconds) = (report.depth, report.rms)
  }

  private static func arrival(_ pick: Report.Pick) throws(BadRequest) -> Arrival {
    guard pick.station.utf8.count <= 24, Text<24>(pick.station).isStationCode else {
      throw BadRequest("a pick's station must be NET.STA.LOC.BS, such as XX.ONST1.00.EH")
    }
    guard pick.epoch.utf8.count == 16, let epoch = UInt64(pick.epoch, radix: 16) else {
      throw BadRequest("a pick's epoch must be 16 hexadecimal digits, as the lists have it")
    }
    guard ["P", "S"].contains(pick.phase) else { throw BadRequest("a pick's phase is P or S") }
    guard pick.residual.magnitude <= 1000, (0...20_100).contains(pick.distance) else {
      throw BadRequest("a pick's residual_s is within 1000, its distance_km from 0 to 20100")
    }
    return Arrival(
      key: EventKey(station: pick.station, epoch: epoch, boot: pick.boot, pick: pick.number),
      isShear: pick.phase == "S", residualSeconds: pick.residual,
      distanceKilometres: pick.distance)
  }

  private static func reason(_ error: any Error) -> String {
    func path(_ context: DecodingError.Context, _ last: String? = nil) -> String {
      (context.codingPath.map(\.stringValue) + (last.map { [$0] } ?? [])).joined(separator: ".")
    }
    return switch error as? DecodingError {
    case .keyNotFound(let key, let context): "\(path(context, key.stringValue)) is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      "\(path(context)) is of another kind"
    default:
      "not JSON as it should be, with id, version, time, latitude, longitude, depth_km, rms_s, picks"
    }
  }
}
