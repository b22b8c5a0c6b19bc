// CommaSeparated: comma-separated values (RFC 4180) with a header line: rows by the names of their
// columns.
//
//     let table = try CommaSeparated(path: "INDEX.csv")
//     let column = try table.index(of: "file")
//     for row in table.rows { print(row[column]) }

import Foundation

public struct CommaSeparated {
  public private(set) var columns: [String] = []
  public private(set) var rows: [[String]] = []

  public init(path: String) throws {
    guard let text = try? String(contentsOf: URL(fileURLWithPath: path), encoding: .utf8) else {
      throw ToolError("\(path): cannot be read as text")
    }
    do { try self.init(text) } catch { throw ToolError("\(path): \(error)") }
  }

  public init(_ text: String) throws {
    var lines = CommaSeparated.fields(text)
    guard !lines.isEmpty else { throw ToolError("line 1: the names of the columns are missing") }
    columns = lines.removeFirst()
    for (number, line) in lines.enumerated() where line != [""] {
      guard line.count == columns.count else {
        throw ToolError(
          "line \(number + 2): \(line.count) fields, but there are \(columns.count) columns")
      }
      rows.append(line)
    }
  }

  public func index(of column: String) throws -> Int {
    guard let index = columns.firstIndex(of: column) else {
      throw ToolError(
        "there is no column \(column); there are \(columns.joined(separator: " "))")
    }
    return index
  }

  private static func fields(_ text: String) -> [[String]] {
    var lines: [[String]] = []
    var line: [String] = []
    var field = ""
    var isQuoted = false
    var wasQuote = false
    for character in text {
      if isQuoted {
        isQuoted = character != "\""
        if isQuoted { field.append(character) } else { wasQuote = true }
        continue
      }
      switch character {
      case "\"":
        if wasQuote { field.append("\"") }
        isQuoted = true
      case ",":
        line.append(field)
        field = ""
      case "\n", "\r\n":
        lines.append(line + [field])
        (line, field) = ([], "")
      default: field.append(character)
      }
      wasQuote = false
    }
    return field.isEmpty && line.isEmpty ? lines : lines + [line + [field]]
  }
}
