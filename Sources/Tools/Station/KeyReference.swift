// KeyReference: every key of a station's files, with unit, range and default. The readers of the
// files are asked for it, so that it cannot differ from what they take.
//
//     print(try KeyReference.text("station"))

import Board
import Conditioning
import Core
import Estimator
import Settings

public enum KeyReference {
  public static let files = ["board", "station", "calibration", "relations"]

  /// One file's keys, section by section.
  public static func text(_ file: String) throws -> String {
    let keys = try known(file)
    let width = (keys.map(\.key.string.count).max() ?? 0) + 2
    var lines = ["\(file).toml"]
    var sections: [String] = []
    for key in keys where !sections.contains(key.section.string) {
      sections.append(key.section.string)
    }
    for section in sections {
      lines += ["", "[\(section)]"]
      for key in keys where key.section.string == section {
        lines.append("  \(key.key.string.padding(to: width))\(meaning(key))")
      }
    }
    return lines.joined(separator: "\n")
  }

  public static func known(_ file: String) throws -> [KnownKey] {
    var reference = ConfigurationFile(referenceFor: Path(file + ".toml"))
    switch file {
    case "board": _ = try BoardFile(&reference)
    case "station": _ = try StationFile(&reference)
    case "calibration": _ = try CalibrationFile(&reference)
    case "relations": _ = try Relations(&reference)
    default:
      throw ToolError(
        "\(file) is none of the files with keys: write \(files.joined(separator: ", "))")
    }
    return (0..<reference.keys.count).map { reference.keys[$0] }
  }

  private static func meaning(_ key: KnownKey) -> String {
    var parts: [String] = []
    var initial: String?
    let unit = unit(of: key.key.string)
    switch key.form {
    case .integer(let range, let fallback)?:
      parts.append(
        range.count == 1
          ? "\(range.lowerBound)" : "whole, \(range.lowerBound) to \(range.upperBound)\(unit)")
      initial = fallback.map { "\($0)" }
    case .decimal(let range, let fallback)?:
      parts.append("\(shortest(range.lowerBound)) to \(shortest(range.upperBound))\(unit)")
      initial = fallback.map(shortest)
    case .text(let capacity)?: parts.append("text of at most \(capacity) characters")
    case .path?: parts.append("path, from the file's own folder")
    case .date?: parts.append("date such as \"2026-03-01\"")
    case .flag?: parts.append("true, or left out")
    case .choice(let words)?:
      let all = (0..<words.count).map { words[$0].string }.filter { !$0.isEmpty }
      parts.append(all.map { "\"\($0)\"" }.joined(separator: " or "))
    case nil: break
    }
    if let initial {
      parts.append("default \(initial)")
    } else if case .flag? = key.form {
    } else {
      parts.append(key.isOptional ? "may be left out" : "needed")
    }
    return parts.joined(separator: "; ")
  }

  /// Names end in their units; the longest ending counts.
  private static func unit(of key: String) -> String {
    units.first { key.hasSuffix($0.ending) }.map { " " + $0.unit } ?? ""
  }

  private static let units: [(ending: String, unit: String)] = [
    ("volts_per_metre_per_second_squared", "V/(m/s²)"), ("volts_per_metre_per_second", "V/(m/s)"),
    ("kilometres_per_second", "km/s"), ("metres_per_second_squared", "m/s²"),
    ("metres_per_second", "m/s"), ("counts_per_volt", "counts/V"), ("millihertz", "mHz"),
    ("hertz", "Hz"), ("nanoseconds", "ns"), ("microseconds", "µs"), ("milliseconds", "ms"),
    ("per_log_seconds", ""), ("seconds", "s"), ("per_log_metres", ""),
    ("per_log_kilometres", ""), ("metres", "m"),
    ("frames", "frames"), ("counts", "counts"), ("_real", "rad/s"), ("_imaginary", "rad/s"),
  ].map { (ending: $0.0, unit: $0.1) }
}
