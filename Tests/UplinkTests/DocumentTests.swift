import Core
import Foundation
import Testing
import Tools

@testable import Uplink

/// WIRE-FORMAT.md has the rows of the lists that write and read.
@Suite(.serialized) struct DocumentTests {
  @Test(arguments: [
    "Pick", "Estimate", "Alert", "Health", "Ping", "Command", "Acknowledgement", "Instrument",
    "Peaks", "Network", "Trial", "Vote",
  ])
  func theDocumentsTableIsTheCodes(heading: String) throws {
    let path = Golden.folder.deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Sources/Uplink/WIRE-FORMAT.md")
    let document = try String(contentsOf: path, encoding: .utf8)
    let rows = Self.rows(heading)
    if ProcessInfo.processInfo.environment["ONSET_WRITE_GOLDEN"] != nil {
      try Self.replace(heading, in: document, by: rows).write(
        to: path, atomically: true, encoding: .utf8)
      return
    }
    #expect(
      Self.table(heading, in: document)?.map(String.init) == rows,
      "ONSET_WRITE_GOLDEN=1 swift test --filter DocumentTests writes the table anew")
  }

  private static func rows(_ heading: String) -> [String] {
    switch heading {
    case "Pick": DocumentRows.of(PickMessage())
    case "Estimate": DocumentRows.of(EstimateMessage())
    case "Alert": DocumentRows.of(AlertMessage())
    case "Acknowledgement": DocumentRows.of(AcknowledgementMessage())
    case "Health": DocumentRows.of(HealthMessage())
    case "Network": DocumentRows.of(NetworkPiece())
    case "Trial": DocumentRows.of(TrialMessage())
    case "Vote": DocumentRows.of(VoteMessage())
    case "Peaks": DocumentRows.of(PeaksMessage())
    case "Instrument": DocumentRows.of(InstrumentMessage())
    case "Ping": DocumentRows.of(PingMessage())
    default: DocumentRows.of(CommandMessage())
    }
  }

  /// The rows below the first table's head in the section.
  private static func table(_ heading: String, in document: String) -> [Substring]? {
    guard let section = document.range(of: "\n## \(heading) ("),
      let head = document.range(
        of: "|---:|---:|---|---|---|---|\n", range: section.upperBound..<document.endIndex)
    else { return nil }
    return document[head.upperBound...].split(
      separator: "\n", omittingEmptySubsequences: false
    ).prefix { $0.hasPrefix("|") }.map { $0 }
  }

  private static func replace(
    _ heading: String, in document: String, by rows: [String]
  ) throws -> String {
    let old = try #require(table(heading, in: document))
    let first = try #require(old.first).startIndex
    let last = try #require(old.last).endIndex
    return document[..<first] + rows.joined(separator: "\n") + document[last...]
  }
}

private struct DocumentRows: FieldVisitor {
  private var rows: [String] = []
  private var offset = 0

  static func of(_ message: some Payload) -> [String] {
    var (visitor, message) = (DocumentRows(), message)
    message.visit(&visitor)
    return visitor.rows
  }

  mutating func visit<Value: FixedWidthInteger>(
    _ value: inout Value, from least: Value, to most: Value, unknown: Value?, _ field: WireField
  ) {
    var meaning = "\(field.meaning)"
    let isQuantity = "\(field.unit)" != "" && "\(field.unit)" != "mask"
    if isQuantity, most != .max, most != .max - 1 {
      meaning += (meaning.isEmpty ? "" : ": ") + "\(Self.text(least)) to \(Self.text(most))"
    }
    if let unknown {
      let what = field.telling.isDate ? "when there was none" : "unknown"
      meaning += (meaning.isEmpty ? "" : "; ") + "\(Self.text(unknown)) \(what)"
    }
    let sign = Value.isSigned ? "i" : "u"
    let type = field.telling.isFloat ? "f32" : "\(sign)\(Value.bitWidth)"
    add(Value.bitWidth / 8, type, field, meaning)
  }

  mutating func visit<let capacity: Int>(_ text: inout Text<capacity>, _ field: WireField) {
    add(capacity, "text", field, "\(field.meaning)")
  }

  mutating func refuse() {}

  private static func text(_ number: some FixedWidthInteger) -> String {
    "\(number)".replacing("-", with: "−")
  }

  private mutating func add(
    _ size: Int, _ type: String, _ field: WireField, _ meaning: String
  ) {
    let unit = "\(field.unit)".isEmpty ? "" : "\(field.unit) "
    let end = meaning.isEmpty ? "" : "\(meaning) "
    rows.append("| \(offset) | \(size) | \(type) | \(field.name) | \(unit)| \(end)|")
    offset += size
  }
}

extension Telling {
  fileprivate var isDate: Bool { if case .date = self { true } else { false } }
  fileprivate var isFloat: Bool { if case .float = self { true } else { false } }
}
