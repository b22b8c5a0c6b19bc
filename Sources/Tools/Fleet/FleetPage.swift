// FleetPage: one station as the collector's page shows it: what is wrong, all that is known, its
// last day and its events. FleetEvent: an arrival, as a line.
//
//     let page = try room.page(of: "XX.ONST1.00.EH", silentSeconds: 60)
//     print(page.text)

import Core
import Foundation

public struct FleetEvent: Decodable {
  public let station: String
  private let time: String
  private let phase: String
  private let status: String
  private let magnitude: Double?
  private let magnitudeSigma: Double?
  private let distanceKilometres: Double?
  private let acceleration: Double?
  private let intensity: Double?
  private let eventClass: String?
  private let level: String
  private let isDrill: Bool
  private let toldSeconds: Double?
  /// The collector's own object.
  public private(set) var json = "{}"

  private enum CodingKeys: String, CodingKey {
    case station, time, phase, status, magnitude, level
    case magnitudeSigma = "magnitude_sigma"
    case distanceKilometres = "distance_km"
    case acceleration = "pga_ms2"
    case intensity = "mmi"
    case eventClass = "class"
    case isDrill = "drill"
    case toldSeconds = "told_s"
  }

  private struct Answer: Decodable {
    let events: [FleetEvent]
  }

  /// Those of an object's member `events`.
  static func list(_ json: JsonSlices.Slice, from source: String) throws -> [FleetEvent] {
    let answer = try FleetList.decode(Answer.self, json, from: source)
    let slices = JsonSlices.member("events", of: json).map(JsonSlices.elements) ?? []
    return zip(answer.events, slices).map { event, slice in
      var event = event
      event.json = JsonSlices.string(slice)
      return event
    }
  }

  /// When, where, what, what was expected, and whether there was an alarm.
  public var line: String {
    var parts = ["\(phase) \(status)"]
    if let magnitude {
      let sigma = magnitudeSigma.map { " ± \(decimal($0, 1))" } ?? ""
      let far = distanceKilometres.map { ", \(decimal($0, 0)) km" } ?? ""
      parts.append("M \(decimal(magnitude, 1))\(sigma)\(far)")
    }
    if let acceleration {
      let felt = intensity.map { ", intensity \(decimal($0, 1))" } ?? ""
      parts.append("\(decimal(acceleration, 2)) m/s² expected\(felt)")
    }
    if let eventClass, eventClass != "unknown" { parts.append(eventClass) }
    if level != "none" { parts.append((isDrill ? "a drill's " : "") + level) }
    if let toldSeconds { parts.append("told after \(decimal(toldSeconds, 1)) s") }
    return Terminal.printable(
      "\(time)  \(station.padding(to: 16)) " + parts.joined(separator: "; "))
  }
}

public struct FleetPage {
  private let row: FleetOverview.Row
  private let time: UTC
  private let history: [[String: Double?]]
  private let events: [FleetEvent]
  private let members: (history: String, events: String)

  /// What the last day has of a station, with how it is called and its unit.
  private static let courses: [(key: String, name: String, digits: Int, unit: String)] = [
    ("noise_counts", "noise", 1, "counts"), ("temperature_c", "temperature", 1, "degrees"),
    ("uncertainty_ms", "clock uncertainty", 3, "ms"), ("loop_us", "turn of the loop", 0, "µs"),
    ("delay_s", "delay", 2, "s"),
  ]

  private struct Point: Decodable {
    var values: [String: Double?] = [:]

    private struct Name: CodingKey {
      let stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
      let members = try decoder.container(keyedBy: Name.self)
      for course in FleetPage.courses {
        values[course.key] = try members.decodeIfPresent(
          Double.self, forKey: Name(stringValue: course.key))
      }
    }
  }

  private struct Answer: Decodable {
    let history: [Point]
  }

  init(_ body: [UInt8], _ row: FleetOverview.Row, at time: UTC, from source: String) throws {
    (self.row, self.time) = (row, time)
    history = try FleetList.decode(Answer.self, body[...], from: source).history.map(\.values)
    events = try FleetEvent.list(body[...], from: source)
    func member(_ name: String) -> String {
      JsonSlices.member(name, of: body[...]).map(JsonSlices.string) ?? "[]"
    }
    members = (member("history"), member("events"))
  }

  public var hasBad: Bool { row.isBad }

  /// The collector's own answer, with what is wrong in its station.
  public var json: String {
    JsonLine.object([
      ("station", row.json), ("history", members.history), ("events", members.events),
    ])
  }

  public var text: String {
    var lines = [row.station.code]
    lines += row.findings.map { finding in
      "\(finding.verdict == .bad ? "BAD     " : "doubtful") \(finding.part.rawValue.padding(to: 12)) \(finding.text)"
    }
    if row.findings.isEmpty { lines.append("good     nothing is wrong") }
    lines += ["", "now"] + facts.map { name, value in "  \(name.padding(to: 18)) \(value)" }
    lines += ["", "the last day, of \(history.count) health messages"] + day
    lines += ["", events.isEmpty ? "no event" : "events, the newest first"]
    lines += events.map { "  " + $0.line }
    return lines.joined(separator: "\n")
  }

  private var facts: [(String, String)] {
    let s = row.station
    func number(_ value: Double?, _ digits: Int, _ unit: String) -> String {
      value.map { "\(decimal($0, digits)) \(unit)" } ?? "unknown"
    }
    func truth(_ value: Bool?) -> String { value.map { $0 ? "yes" : "no" } ?? "unknown" }
    let place = [s.latitude, s.longitude].compactMap { $0 }.map { decimal($0, 5) }
    return [
      ("heard", s.silence(at: time).map { "\(Terminal.duration($0)) ago" } ?? "never"),
      ("armed", truth(s.isArmed) + (s.why.isEmpty ? "" : ": \(s.why.joined(separator: ", "))")),
      ("live", truth(s.isLive)), ("alarm", s.alarm ?? "unknown"), ("relay", s.relay ?? "unknown"),
      ("clock", "\(s.clock ?? "unknown"), \(number(s.uncertaintyMilliseconds, 3, "ms"))"),
      ("delay", number(s.delaySeconds, 2, "s")), ("loss", number(s.lossPercent, 2, "%")),
      ("unacknowledged", number(s.unacknowledged, 0, "messages")),
      ("last pick", s.lastPick ?? "none"), ("noise", number(s.noiseCounts, 1, "counts")),
      ("quantity", s.quantity ?? "unknown"),
      ("calibration", number(s.calibrationDays, 0, "days")),
      ("temperature", number(s.temperatureCelsius, 1, "degrees")),
      ("disk free", number(s.diskMebibytes, 0, "MiB")),
      ("memory free", number(s.memoryMebibytes, 0, "MiB")),
      ("up for", s.uptimeSeconds.map(Terminal.duration) ?? "unknown"),
      ("onsetd", s.software ?? "unknown"), ("network", s.model ?? "unknown"),
      (
        "place",
        place.count == 2
          ? place.joined(separator: ", ") + ", \(number(s.elevationMetres, 0, "m"))" : "unknown"
      ),
    ]
  }

  /// The least, the middle and the most of each.
  private var day: [String] {
    FleetPage.courses.map { course in
      let values = history.compactMap { $0[course.key] ?? nil }.sorted()
      guard !values.isEmpty else { return "  \(course.name.padding(to: 18)) unknown" }
      let told = [values[0], values[values.count / 2], values[values.count - 1]].map {
        decimal($0, course.digits)
      }
      return
        "  \(course.name.padding(to: 18)) \(told[0]) to \(told[2]) \(course.unit), the middle \(told[1])"
    }
  }
}
