// FleetStation: what a collector tells of one station. FleetList: of all, in one answer.
//
//     let list = try FleetList(answer.body, from: "http://127.0.0.1:8080")
//     for station in list.stations { print(station.code, station.isArmed ?? false) }
//
// What is null is unknown. A member that this program does not know stays in `json`. A member of
// another type than it should have makes the whole answer one that is not understood: a number that
// was read wrongly would be believed.

import Core
import Foundation
import Uplink

public struct FleetStation: Decodable, Sendable {
  public let code: String
  /// When its newest health came, by the collector's clock.
  let received: UTC?
  let isArmed: Bool?
  let why: [String]
  let isLive: Bool?
  /// "quiet", or what stands.
  let alarm: String?
  let alarmSince: String?
  let alarmReason: String?
  let alarmIsDrill: Bool?
  let relay: String?
  let clock: String?
  let uncertaintyMilliseconds: Double?
  let delaySeconds: Double?
  let lossPercent: Double?
  let lastPick: String?
  let noiseCounts: Double?
  let temperatureCelsius: Double?
  let diskMebibytes: Double?
  let memoryMebibytes: Double?
  let unacknowledged: Double?
  let uptimeSeconds: Double?
  let software: String?
  let model: String?
  let calibrationDays: Double?
  let latitude: Double?
  let longitude: Double?
  let elevationMetres: Double?
  let quantity: String?
  /// The collector's own object.
  var json = "{}"

  private enum CodingKeys: String, CodingKey {
    case code = "station"
    case received, why, alarm, relay, clock, software, model, unacknowledged
    case latitude, longitude, quantity
    case isArmed = "armed"
    case isLive = "live"
    case alarmSince = "alarm_since"
    case alarmReason = "alarm_reason"
    case alarmIsDrill = "alarm_drill"
    case uncertaintyMilliseconds = "uncertainty_ms"
    case delaySeconds = "delay_s"
    case lossPercent = "loss_percent"
    case lastPick = "last_pick"
    case noiseCounts = "noise_counts"
    case temperatureCelsius = "temperature_c"
    case diskMebibytes = "disk_free_mib"
    case memoryMebibytes = "memory_mib"
    case uptimeSeconds = "uptime_s"
    case calibrationDays = "calibration_days"
    case elevationMetres = "elevation_m"
  }

  public init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: CodingKeys.self)
    func text(_ key: CodingKeys) throws -> String? {
      try members.decodeIfPresent(String.self, forKey: key).map(Terminal.printable)
    }
    func number(_ key: CodingKeys) throws -> Double? {
      try members.decodeIfPresent(Double.self, forKey: key)
    }
    func truth(_ key: CodingKeys) throws -> Bool? {
      try members.decodeIfPresent(Bool.self, forKey: key)
    }
    func refuse(_ key: CodingKeys, _ reason: String) -> DecodingError {
      .dataCorruptedError(forKey: key, in: members, debugDescription: reason)
    }
    code = try members.decode(String.self, forKey: .code)
    // It becomes a file's name.
    guard code.utf8.count <= 24, StationCode(code).isStationCode else {
      throw refuse(.code, "\"\(Terminal.printable(code))\" is no station's code")
    }
    let time = try text(.received)
    received = time.flatMap { UTC(iso8601: $0) }
    guard time == nil || received != nil else { throw refuse(.received, "it is no time") }
    (isArmed, isLive, alarmIsDrill) = (
      try truth(.isArmed), try truth(.isLive), try truth(.alarmIsDrill)
    )
    why = try members.decodeIfPresent([String].self, forKey: .why)?.map(Terminal.printable) ?? []
    (alarm, alarmSince) = (try text(.alarm), try text(.alarmSince))
    (alarmReason, relay, clock) = (try text(.alarmReason), try text(.relay), try text(.clock))
    uncertaintyMilliseconds = try number(.uncertaintyMilliseconds)
    (delaySeconds, lossPercent) = (try number(.delaySeconds), try number(.lossPercent))
    (lastPick, noiseCounts) = (try text(.lastPick), try number(.noiseCounts))
    temperatureCelsius = try number(.temperatureCelsius)
    (diskMebibytes, memoryMebibytes) = (try number(.diskMebibytes), try number(.memoryMebibytes))
    (unacknowledged, uptimeSeconds) = (try number(.unacknowledged), try number(.uptimeSeconds))
    (software, model, quantity) = (try text(.software), try text(.model), try text(.quantity))
    calibrationDays = try number(.calibrationDays)
    (latitude, longitude) = (try number(.latitude), try number(.longitude))
    elevationMetres = try number(.elevationMetres)
  }

  /// Reads one object.
  init(_ json: JsonSlices.Slice, from source: String) throws {
    self = try FleetList.decode(FleetStation.self, json, from: source)
    self.json = JsonSlices.string(json)
  }

  /// An alarm or a watch that is no drill's.
  var hasAlarm: Bool { alarmStands && alarmIsDrill != true && !isDrill }
  var alarmStands: Bool { alarm.map { $0 != "quiet" } ?? false }
  var isDrill: Bool { why.contains("drill") }

  /// For how long nobody has heard it; nil where nobody ever has.
  func silence(at time: UTC) -> Double? {
    // Not in whole numbers: between two absurd times there is more than they hold.
    received.map { max((Double(time.nanoseconds) - Double($0.nanoseconds)) * 1e-9, 0) }
  }
}

public struct FleetList: Sendable {
  /// The collector's.
  public let time: UTC
  public let stations: [FleetStation]

  private struct Answer: Decodable {
    let time: String
    let stations: [FleetStation]
  }

  /// `source`: whom to name where this is none.
  public init(_ body: [UInt8], from source: String) throws {
    let answer = try FleetList.decode(Answer.self, body[...], from: source)
    let slices = JsonSlices.member("stations", of: body[...]).map(JsonSlices.elements) ?? []
    guard let time = UTC(iso8601: answer.time), slices.count == answer.stations.count else {
      throw ToolError("\(source): time is none in UTC; is it a collector's --http?")
    }
    self.time = time
    stations = zip(answer.stations, slices).map { station, slice in
      var station = station
      station.json = JsonSlices.string(slice)
      return station
    }
    guard Set(stations.map(\.code)).count == stations.count else {
      throw ToolError("\(source): a station is there twice; is it a collector's --http?")
    }
  }

  static func decode<Value: Decodable>(
    _ type: Value.Type, _ json: JsonSlices.Slice, from source: String
  ) throws -> Value {
    do { return try JSONDecoder().decode(type, from: Data(json)) } catch {
      throw ToolError("\(source): \(sentence(error)); is it a collector's --http?")
    }
  }

  private static func sentence(_ error: any Error) -> String {
    func place(_ path: [any CodingKey]) -> String {
      let parts = path.map { key in key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)" }
      return Terminal.printable(String(parts.joined().drop { $0 == "." }))
    }
    guard let error = error as? DecodingError else { return "what came is no JSON" }
    switch error {
    case .keyNotFound(let key, let context):
      return "what came has no \(place(context.codingPath + [key]))"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return context.codingPath.isEmpty
        ? "what came is not the object that was asked for"
        : "\(place(context.codingPath)) is of another type than it should be"
    case .dataCorrupted(let context):
      return context.codingPath.isEmpty
        ? "what came is no JSON"
        : "\(place(context.codingPath)): \(Terminal.printable(context.debugDescription))"
    @unknown default: return "what came is not understood"
    }
  }
}
