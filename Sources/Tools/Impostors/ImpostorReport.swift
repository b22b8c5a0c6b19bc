// What stations said of impostors, by kind, and beside it what they said of earthquakes: as a
// table, and as one JSON object a line.
//
//     let report = try ImpostorTrials(ReplayOptions()).report(1000, seed: 1)
//     print(report.table)

import Core
import Uplink

/// Trials counted; each has one watch and one alarm at most, by the first alarm's reason.
public struct ImpostorCount: Equatable, Sendable {
  public static let reasons: [AlertReason] = [.expectedShaking, .amplitudeOfP, .measuredShaking]
  public private(set) var trials = 0
  public private(set) var watches = 0
  public private(set) var alarms = 0
  /// In the order of `reasons`.
  public private(set) var byReason = [Int](repeating: 0, count: reasons.count)
  /// Those that the earthquake would have raised without the impostor.
  public private(set) var earthquakes = 0

  mutating func add(_ outcome: ImpostorOutcome) {
    trials += 1
    if outcome.hasWatch { watches += 1 }
    guard let reason = outcome.reason else { return }
    alarms += 1
    if let place = Self.reasons.firstIndex(of: reason) { byReason[place] += 1 }
    if outcome.isEarthquakes { earthquakes += 1 }
  }

  static func + (a: ImpostorCount, b: ImpostorCount) -> ImpostorCount {
    var sum = a
    sum.trials += b.trials
    sum.watches += b.watches
    sum.alarms += b.alarms
    for place in sum.byReason.indices { sum.byReason[place] += b.byReason[place] }
    sum.earthquakes += b.earthquakes
    return sum
  }
}

/// Earthquakes that exceed the limit, and those that do not.
public struct EarthquakeRow: Equatable, Sendable {
  public var name: String
  public var exceeding = 0
  public var alarmed = 0
  public var inTime = 0
  public var below = 0
  public var wrong = 0

  public init(_ outcome: SyntheticTrials.Outcome) {
    name = "synthetic earthquakes"
    (exceeding, alarmed) = (outcome.strong, outcome.inTime + outcome.late)
    inTime = outcome.inTime
    (below, wrong) = (outcome.events - outcome.strong, outcome.wrong)
  }

  /// An alarm on a record is in time when it comes as soon as the limit can have been measured.
  init(_ alarms: StrongMotion.Alarms, records: Int, limitMetresPerSecondSquared limit: Double) {
    name = "records at \(decimal(limit / 9.80665, 2)) g"
    (exceeding, alarmed) = (alarms.right + alarms.missed, alarms.right)
    inTime = alarms.inTime
    (below, wrong) = (records - exceeding, alarms.wrong)
  }
}

extension StrongMotion {
  /// One row for each limit.
  public var rows: [EarthquakeRow] {
    zip(StrongMotion.limits, alarms).map { limit, found in
      EarthquakeRow(found, records: records, limitMetresPerSecondSquared: limit)
    }
  }
}

public struct ImpostorReport: Equatable, Sendable {
  public struct Row: Equatable, Sendable {
    public var name: String
    public var still = ImpostorCount()
    public var during = ImpostorCount()
  }

  /// By kind, as they are listed.
  private var kinds: [ImpostorKind: Row] = [:]
  public var earthquakes: [EarthquakeRow] = []

  public init() {}

  init(_ outcomes: [ImpostorOutcome]) {
    for kind in ImpostorKind.allCases { kinds[kind] = Row(name: kind.name) }
    for outcome in outcomes {
      if outcome.isDuringEarthquake {
        kinds[outcome.kind]?.during.add(outcome)
      } else {
        kinds[outcome.kind]?.still.add(outcome)
      }
    }
  }

  public subscript(kind: ImpostorKind) -> Row { kinds[kind] ?? Row(name: kind.name) }

  /// Over all kinds for which `isIncluded` holds.
  public func total(_ name: String, where isIncluded: (ImpostorKind) -> Bool) -> Row {
    var total = Row(name: name)
    for kind in ImpostorKind.allCases where isIncluded(kind) {
      total.still = total.still + self[kind].still
      total.during = total.during + self[kind].during
    }
    return total
  }

  private var rows: [(key: String, row: Row)] {
    guard !kinds.isEmpty else { return [] }
    return ImpostorKind.allCases.map { ($0.rawValue, self[$0]) }
      + [
        ("electrical", total("electrical", where: \.isElectrical)),
        ("mechanical", total("mechanical") { !$0.isElectrical }),
        ("all", total("all") { _ in true }),
      ]
  }

  // MARK: Text

  private static let nameColumns = 24
  private static let headings = [
    "trials", "watches", "alarms", "expected", "P", "measured",
  ]

  private static func line(_ name: String, _ cells: [String]) -> String {
    name.padded(to: nameColumns) + cells.map { $0.padded(to: 9, atEnd: false) }.joined()
  }

  private static func cells(_ count: ImpostorCount) -> [String] {
    [count.trials, count.watches, count.alarms].map(String.init) + count.byReason.map(String.init)
  }

  public var table: String {
    var lines: [String] = []
    if !kinds.isEmpty {
      let during = Self.line("", Self.headings + ["alone"]).dropFirst(Self.nameColumns)
      let width = Self.line("", Self.headings).count
      lines.append(
        String(repeating: " ", count: width)
          + "  |   during an earthquake; alone: it raises the alarm without the impostor")
      lines.append(Self.line("impostors", Self.headings) + "  |" + during)
      for (_, row) in rows {
        let during = Self.cells(row.during) + [String(row.during.earthquakes)]
        lines.append(
          Self.line(row.name, Self.cells(row.still)) + "  |"
            + Self.line("", during).dropFirst(Self.nameColumns))
      }
    }
    if !earthquakes.isEmpty {
      lines.append(
        Self.line("earthquakes", ["exceed", "alarmed", "in time", "do not", "alarmed"]))
      for row in earthquakes {
        lines.append(
          Self.line(
            row.name,
            [row.exceeding, row.alarmed, row.inTime, row.below, row.wrong].map(String.init)))
      }
    }
    return lines.joined(separator: "\n")
  }

  // MARK: JSON

  private static func object(_ count: ImpostorCount) -> String {
    "{\"trials\":\(count.trials),\"watches\":\(count.watches),\"alarms\":\(count.alarms),"
      + "\"expected_shaking\":\(count.byReason[0]),\"amplitude_of_p\":\(count.byReason[1]),"
      + "\"measured_shaking\":\(count.byReason[2]),\"earthquake_alone\":\(count.earthquakes)}"
  }

  public var json: String {
    let impostors = rows.map { key, row in
      "{\"impostor\":\"\(key)\",\"still\":\(Self.object(row.still)),"
        + "\"during_earthquake\":\(Self.object(row.during))}"
    }
    let earthquakes = earthquakes.map {
      "{\"earthquakes\":\"\($0.name)\",\"exceeding\":\($0.exceeding),\"alarmed\":\($0.alarmed),"
        + "\"in_time\":\($0.inTime),\"below\":\($0.below),\"wrong\":\($0.wrong)}"
    }
    return (impostors + earthquakes).joined(separator: "\n")
  }
}

extension String {
  fileprivate func padded(to columns: Int, atEnd: Bool = true) -> String {
    let space = String(repeating: " ", count: max(columns - count, 0))
    return atEnd ? self + space : space + self
  }
}
