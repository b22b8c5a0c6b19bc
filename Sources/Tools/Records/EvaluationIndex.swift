// EvaluationIndex: what pickers are judged by: an index of records with what analysts say of them,
// and picks of others for records without analysts.
//
// A picks file has file, phase, time_s (from the start of the record) and, if it likes,
// probability.
//
//     let records = try EvaluationIndex.read("INDEX.csv", split: nil)
//     let teachers = try EvaluationIndex.picks("picks.csv")

import Foundation

/// A column of INDEX.csv: the one list of them for whoever reads an index and for `evaluate
/// --help`.
enum IndexColumn: String, CaseIterable {
  case file, source, split, fs
  case p = "p_sample"
  case s = "s_sample"
  case polarity, kind
  case countsPerUnit = "counts_per_unit"
  case magnitude
  case distance = "hypo_km"

  private var meaning: String {
    switch self {
    case .file: "needed: the miniSEED record, beside the index or below its folder"
    case .source: "where it is from; results are told by source"
    case .split: "the set it belongs to, for --split"
    case .fs: "samples a second of p_sample and s_sample, if not the record's own"
    case .p: "an analyst's P, in samples from the record's start"
    case .s: "an analyst's S, likewise"
    case .polarity: "the first motion of that P: up or down, U or D"
    case .kind: "for --strong-motion: \"acceleration\" is judged, and all where there is no kind"
    case .countsPerUnit: "needed for --strong-motion: counts per m/s²"
    case .magnitude: "the event's"
    case .distance: "for --strong-motion: kilometres to the hypocentre"
    }
  }

  static var help: String {
    let lines = allCases.map {
      "  \($0.rawValue)\(String(repeating: " ", count: 16 - $0.rawValue.count))\($0.meaning)"
    }
    return
      ([
        "INDEX.csv names its columns in its first line. What is not needed may be empty or absent,",
        "and other columns are not looked at:",
      ] + lines).joined(separator: "\n")
  }
}

/// An index's rows, and the file's folder that records are named from.
struct IndexTable {
  let rows: [[String]]
  private let table: CommaSeparated
  private let folder: URL
  private let places: [IndexColumn: Int]

  init(_ table: CommaSeparated, folder: URL, needed: [IndexColumn]) throws {
    for column in needed { _ = try table.index(of: column.rawValue) }
    self.table = table
    self.folder = folder
    rows = table.rows
    places = Dictionary(
      uniqueKeysWithValues: IndexColumn.allCases.compactMap { column in
        table.columns.firstIndex(of: column.rawValue).map { (column, $0) }
      })
  }

  func has(_ column: IndexColumn) -> Bool { places[column] != nil }

  /// nil where the field is empty or the column absent.
  func text(_ row: [String], _ column: IndexColumn) -> String? {
    places[column].flatMap { row[$0].isEmpty ? nil : row[$0] }
  }

  func path(_ row: [String]) -> String {
    folder.appendingPathComponent(text(row, .file) ?? "").path
  }

  /// Throws where a split is asked for and the index has none.
  func isOf(_ split: String?, _ row: [String]) throws -> Bool {
    guard let split else { return true }
    return row[try table.index(of: IndexColumn.split.rawValue)] == split
  }
}

public struct EvaluationRecord {
  public var file: String
  public var path: String
  public var source: String
  /// Analysts' picks, in samples from the start.
  var sampleOfP: Double?
  var sampleOfS: Double?
  /// The rate of those samples; nil for the record's own.
  var rateHertz: Double?
  /// +1 up, −1 down
  var motion: Int?
  var magnitude: Double?

  func analyst(rateMillihertz: Int) -> AnalystPicks {
    let hertz = rateHertz ?? Double(rateMillihertz) / 1000
    return AnalystPicks(
      p: sampleOfP.map { $0 / hertz }, s: sampleOfS.map { $0 / hertz }, motion: motion,
      magnitude: magnitude)
  }
}

/// What an analyst says of a record, in seconds from its start.
struct AnalystPicks {
  var p: Double?
  var s: Double?
  /// +1 up, −1 down
  var motion: Int?
  var magnitude: Double?
}

/// A pick of somebody's.
public struct ListedPick: Equatable {
  public enum Phase: String { case p = "P", s = "S" }
  public var phase: Phase
  public var timeSeconds: Double
  public var probability: Double

  public init(phase: Phase, timeSeconds: Double, probability: Double = 1) {
    self.phase = phase
    self.timeSeconds = timeSeconds
    self.probability = probability
  }
}

public enum EvaluationIndex {
  /// `split`: only records of it; nil for all.
  public static func read(_ path: String, split: String?) throws -> [EvaluationRecord] {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    return try of(path) { try records($0, folder: folder, split: split) }
  }

  /// Every file's picks, in order.
  public static func picks(_ path: String) throws -> [String: [ListedPick]] {
    try of(path, picks)
  }

  static func of<Value>(
    _ path: String, _ body: (CommaSeparated) throws -> Value
  ) throws -> Value {
    let table = try CommaSeparated(path: path)
    do { return try body(table) } catch { throw ToolError("\(path): \(error)") }
  }

  /// As bulletins write them.
  private static let motions = ["up": 1, "u": 1, "down": -1, "d": -1]

  private static func records(
    _ table: CommaSeparated, folder: URL, split: String?
  ) throws -> [EvaluationRecord] {
    let index = try IndexTable(table, folder: folder, needed: [.file])
    var seen: Set<String> = []
    var records: [EvaluationRecord] = []
    for (number, row) in index.rows.enumerated() {
      let file = index.text(row, .file) ?? ""
      guard try index.isOf(split, row), seen.insert(file).inserted else { continue }
      func sample(_ column: IndexColumn) throws -> Double? {
        guard let text = index.text(row, column) else { return nil }
        let hertz = index.text(row, .fs).map { Double($0) ?? 0 } ?? 1
        guard let sample = Double(text), hertz > 0, (0..<1e9).contains(sample / hertz) else {
          throw ToolError("row \(number + 1): \(text) is no sample of a rate")
        }
        return sample
      }
      records.append(
        EvaluationRecord(
          file: file, path: index.path(row), source: index.text(row, .source) ?? "unnamed",
          sampleOfP: try sample(.p), sampleOfS: try sample(.s),
          rateHertz: index.text(row, .fs).flatMap(Double.init),
          motion: index.text(row, .polarity).flatMap { motions[$0.lowercased()] },
          magnitude: index.text(row, .magnitude).flatMap(Double.init)))
    }
    guard !records.isEmpty else {
      throw ToolError("no record" + (split.map { " of split \($0)" } ?? ""))
    }
    return records
  }

  public static func picks(_ table: CommaSeparated) throws -> [String: [ListedPick]] {
    let column = table.index(of:)
    let (file, phase, time) = try (column("file"), column("phase"), column("time_s"))
    let probability = table.columns.firstIndex(of: "probability")
    var picks: [String: [ListedPick]] = [:]
    for (number, row) in table.rows.enumerated() {
      guard let kind = ListedPick.Phase(rawValue: row[phase]), let seconds = Double(row[time]),
        seconds.magnitude < 1e9
      else {
        throw ToolError(
          "row \(number + 1): a phase is P or S and time_s a number, not \(row[phase]) and "
            + row[time])
      }
      let sure = probability.flatMap { Double(row[$0]) } ?? 1
      picks[row[file], default: []].append(
        ListedPick(phase: kind, timeSeconds: seconds, probability: sure))
    }
    return picks.mapValues { $0.sorted { $0.timeSeconds < $1.timeSeconds } }
  }
}
