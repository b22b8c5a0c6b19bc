// FleetOverview: the stations of a list, the worst first, as lines for people or for programs.
//
//     let overview = FleetOverview(list, silentSeconds: 60)
//     for row in overview.rows { print(overview.line(row)) }
//     print(overview.summary)

import Core
import Doctor
import Foundation

public struct FleetOverview {
  public struct Row {
    let station: FleetStation
    let findings: [FleetFinding]
    let rank: Int

    public var isWrong: Bool { !findings.isEmpty }
    var isBad: Bool { findings.contains { $0.verdict == .bad } }

    /// The collector's own object, with what is wrong beside it.
    public var json: String {
      JsonSlices.string(
        Array(station.json.utf8)[...],
        with: [
          ("rank", "\(rank)"),
          ("wrong", "[" + findings.map(\.json).joined(separator: ",") + "]"),
        ])
    }
  }

  public static let silentSecondsUsual = FleetFindings.silentSecondsUsual

  let list: FleetList
  public private(set) var rows: [Row]
  private var findings: FleetFindings

  /// `silentSeconds`: how long nobody may have heard a station.
  public init(_ list: FleetList, silentSeconds: Double) {
    self.list = list
    findings = FleetFindings(at: list.time)
    findings.silentSeconds = silentSeconds
    findings.usualSoftware = FleetOverview.versions(list.stations).first?.version
    let findings = findings
    rows = list.stations.map { station in
      let found = findings.of(station)
      return Row(station: station, findings: found, rank: FleetFindings.rank(found))
    }
    rows.sort {
      ($0.rank, $0.station.received?.nanoseconds ?? .min, $0.station.code)
        < ($1.rank, $1.station.received?.nanoseconds ?? .min, $1.station.code)
    }
  }

  /// Those that a choice has; what most stations run is still that of the whole fleet.
  public mutating func keep(_ choice: FleetChoice) throws {
    let chosen = Set(try choice.stations(of: list).map(\.code))
    rows.removeAll { !chosen.contains($0.station.code) }
  }

  /// Something is not as it should be, for whoever asks by the exit status; as the doctor has it.
  public var hasBad: Bool { rows.contains(where: \.isBad) }

  // MARK: Lines

  private static let codeWidth = 24

  public func line(_ row: Row) -> String {
    let code = row.station.code.padding(to: FleetOverview.codeWidth)
    let mark = row.isBad ? "BAD     " : row.isWrong ? "doubtful" : "good    "
    let text =
      row.isWrong ? row.findings.map(\.text).joined(separator: "; ") : well(row.station)
    return "\(mark) \(code) \(text)"
  }

  private func well(_ s: FleetStation) -> String {
    let state = s.isArmed == true ? "armed" : "no relay, alerts go upstream"
    let heard = s.silence(at: list.time).map { ", heard \(Terminal.duration($0)) ago" } ?? ""
    return "\(state), clock \(s.clock ?? "unknown")\(heard)"
  }

  /// How many stations there are, what is wrong with how many of them, and what they run.
  public var summary: String {
    var parts = ["\(rows.count) station\(rows.count == 1 ? "" : "s")"]
    let well = rows.count { !$0.isWrong }
    parts[0] += well == rows.count ? ", nothing is wrong" : ", \(well) well"
    for part in FleetPart.allCases {
      let count = rows.count { row in row.findings.contains { $0.part == part } }
      if count > 0 { parts.append("\(count) \(FleetOverview.words(part))") }
    }
    let stations = rows.map(\.station)
    parts += [
      FleetOverview.spread("onsetd", FleetOverview.versions(stations)),
      FleetOverview.spread("network", FleetOverview.counted(stations.map(\.model))),
    ].compactMap { $0 }
    return parts.joined(separator: "; ")
  }

  private static func words(_ part: FleetPart) -> String {
    switch part {
    case .alarm: "with an alarm"
    case .watch: "with a watch"
    case .silent: "silent"
    case .live: "not live"
    case .armed: "not armed"
    case .drill: "in a drill"
    case .clock: "with a doubtful clock"
    case .loss: "with losses"
    case .delay: "late"
    case .disk: "with little disk"
    case .memory: "with little memory"
    case .temperature: "too hot"
    case .calibration: "to be calibrated"
    case .software: "with other software"
    }
  }

  private static func spread(
    _ name: String, _ counts: [(version: String, count: Int)]
  ) -> String? {
    guard counts.count > 1 else { return counts.first.map { "\(name) \($0.version)" } }
    return "\(name) " + counts.map { "\($0.version) (\($0.count))" }.joined(separator: ", ")
  }

  /// Those that most run first, and the newer of two that as many run.
  private static func versions(_ stations: [FleetStation]) -> [(version: String, count: Int)] {
    counted(stations.map(\.software)).sorted {
      $0.count != $1.count
        ? $0.count > $1.count : SoftwareVersion.isOlder($1.version, than: $0.version)
    }
  }

  private static func counted(_ names: [String?]) -> [(version: String, count: Int)] {
    Dictionary(names.compactMap { $0 }.map { ($0, 1) }, uniquingKeysWith: +)
      .map { (version: $0.key, count: $0.value) }
      .sorted { ($1.count, $0.version) < ($0.count, $1.version) }
  }
}

/// Which stations are meant: codes, and patterns as a shell has them for files.
public struct FleetChoice {
  private let patterns: [String]

  public init(_ text: String) throws {
    patterns = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard !patterns.contains(where: \.isEmpty) else {
      throw UsageError(
        "--stations \(text): between two commas stands a code or a pattern, such as XX.A*")
    }
  }

  public func chooses(_ code: String) -> Bool { patterns.contains { fnmatch($0, code, 0) == 0 } }

  /// It stands there itself, and no pattern that others match as well.
  func names(_ code: String) -> Bool { patterns.contains(code) }

  /// Those of the list in the order in which they are named here; by their codes within a pattern.
  func stations(of list: FleetList) throws -> [FleetStation] {
    var (chosen, left) = ([FleetStation](), list.stations.sorted { $0.code < $1.code })
    for pattern in patterns {
      let found = left.filter { fnmatch(pattern, $0.code, 0) == 0 }
      left.removeAll { fnmatch(pattern, $0.code, 0) == 0 }
      let isKnown = !found.isEmpty || chosen.contains { fnmatch(pattern, $0.code, 0) == 0 }
      guard isKnown else {
        throw ToolError(
          "--stations \(pattern): the collector has heard no such station; it knows "
            + Terminal.some(list.stations.map(\.code).sorted(), of: 5))
      }
      chosen += found
    }
    return chosen
  }
}
