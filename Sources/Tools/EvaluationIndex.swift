// What pickers are judged by: an index of records with what analysts say of them, and picks of others
// for records without analysts.
//
// INDEX.csv has the columns file (relative to it), source, split, fs, p_sample, s_sample, polarity; of the
// last three, what is empty is not known. A picks file has file, phase, time_s (from the start of the
// record) and, if it likes, probability.

import Foundation

public struct EvaluationRecord {
  public var file: String
  public var path: String
  public var source: String
  /// Analysts' picks, seconds from the start.
  public var analystP: Double?
  public var analystS: Double?
  /// +1 up, −1 down
  public var analystMotion: Int?
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

  /// Of every file its picks, in order.
  public static func picks(_ path: String) throws -> [String: [ListedPick]] {
    try of(path, picks)
  }

  static func of<Value>(
    _ path: String, _ body: (CommaSeparated) throws -> Value
  ) throws -> Value {
    let table = try CommaSeparated(path: path)
    do { return try body(table) } catch { throw ToolError("\(path): \(error)") }
  }

  static func records(
    _ table: CommaSeparated, folder: URL, split: String?
  ) throws -> [EvaluationRecord] {
    let column = table.index(of:)
    let (file, source, part) = try (column("file"), column("source"), column("split"))
    let (rate, p, s) = try (column("fs"), column("p_sample"), column("s_sample"))
    let polarity = try column("polarity")
    var seen: Set<String> = []
    var records: [EvaluationRecord] = []
    for (number, row) in table.rows.enumerated() {
      guard split == nil || row[part] == split, seen.insert(row[file]).inserted else { continue }
      func seconds(_ field: Int) throws -> Double? {
        if row[field].isEmpty { return nil }
        guard let sample = Double(row[field]), let hertz = Double(row[rate]), hertz > 0,
          (0..<1e9).contains(sample / hertz)
        else { throw ToolError("row \(number + 1): \(row[field]) is no sample of a rate") }
        return sample / hertz
      }
      records.append(
        EvaluationRecord(
          file: row[file], path: folder.appendingPathComponent(row[file]).path,
          source: row[source], analystP: try seconds(p), analystS: try seconds(s),
          analystMotion: ["up": 1, "down": -1][row[polarity]]))
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
