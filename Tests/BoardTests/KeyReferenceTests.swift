// The reference of keys says what the readers do: every shipped file's keys are in it, and what it
// calls out of range is refused.

import Core
import Foundation
import Settings
import Testing
import Tools

@Suite struct KeyReferenceTests {
  @Test(arguments: shippedFiles())
  func everyShippedKeyIsInIt(_ path: String) throws {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let known = try KeyReference.known(kind(text))
    var section = ""
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      if line.hasPrefix("[") {
        section = String(line.dropFirst().prefix { $0 != "]" })
      } else {
        let key = line.prefix { $0 != " " && $0 != "=" }
        #expect(
          known.contains { $0.section.text == section && $0.key.text == key && $0.form != nil },
          "\(key) in [\(section)]")
      }
    }
  }

  @Test(arguments: shippedFiles())
  func whatIsOutsideItsRangeIsRefused(_ path: String) throws {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let lines = Lines(text)
    var tried = 0
    for known in try KeyReference.known(kind(text)) {
      let key = known.key.text
      guard text.contains("\n\(key) = "), let value = beyond(known.form) else { continue }
      let changed = lines.with(key, value).text
      let sentence = try refusal(of: changed)
      #expect(sentence.contains("\(key) must be "), "\(key) = \(value): \(sentence)")
      tried += 1
    }
    #expect(tried > 0)
  }

  @Test func linesReadAsWritten() throws {
    let station = try KeyReference.text("station")
    for line in [
      "band_low_hertz                          0.1 to 20 Hz; default 2",
      "hold_seconds                            whole, 1 to 3600 s; default 30",
      "code                                    text of at most 24 characters; needed",
      "jma_intensity                           0 to 7; may be left out",
      "latch                                   true, or left out",
    ] {
      #expect(station.contains("\n  \(line)\n"), "\(line)")
    }
    let calibration = try KeyReference.text("calibration")
    #expect(calibration.contains("pole_6_imaginary ") && calibration.contains("V/(m/s²)"))
    #expect(calibration.contains("\"velocity\" or \"acceleration\"; needed"))
    #expect(throws: ToolError.self) { try KeyReference.text("stations") }
  }

  private func kind(_ text: String) -> String {
    text.contains("[board]")
      ? "board"
      : text.contains("[station]")
        ? "station" : text.contains("[relations]") ? "relations" : "calibration"
  }

  private func beyond(_ form: KeyForm?) -> String? {
    switch form {
    case .integer(let range, _)? where range.upperBound < Int.max: "\(range.upperBound + 1)"
    case .decimal(let range, _)?: "\(Int(range.upperBound.rounded(.down)) + 1)"
    case .choice?: "\"none of these\""
    case .date?: "\"2026-02-30\""
    case .flag?: "1"
    default: nil
    }
  }

  private func refusal(of text: String) throws -> String {
    let file = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-\(UUID().uuidString).toml")
    try text.write(to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    do {
      return try Check.file(file.path)
    } catch { return error.description }
  }
}

extension StaticString {
  fileprivate var text: String { "\(self)" }
}
