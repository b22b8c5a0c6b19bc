// Finding: what a self-test says of one part of a station, as a line for people or for programs.
//
//     let finding = Finding("key", .good, "32 bytes that others cannot read")
//     finding.line.write(to: 1)

import Core

public enum Verdict: Sendable {
  case good
  /// It works, and something about it wants to be looked at.
  case doubtful
  case bad
  /// Not tried, and why.
  case skipped
}

public struct Finding: Sendable {
  public var part: StaticString
  public var verdict: Verdict
  public var text: Text<320>

  public init(_ part: StaticString, _ verdict: Verdict, _ text: Text<320>) {
    (self.part, self.verdict, self.text) = (part, verdict, text)
  }

  public init(_ part: StaticString, _ verdict: Verdict, _ sentence: StaticString) {
    self.init(part, verdict, Text<320>(sentence))
  }

  public init(_ part: StaticString, _ problem: Diagnostic) {
    self.init(part, .bad, problem.text)
  }

  /// "BAD      key         key file station.key ...", with a line's end.
  public var line: Text<480> {
    var line = Text<480>()
    switch verdict {
    case .good: line.append("good     ")
    case .doubtful: line.append("doubtful ")
    case .bad: line.append("BAD      ")
    case .skipped: line.append("skipped  ")
    }
    line.append(part)
    for _ in part.utf8CodeUnitCount..<12 { line.append(byte: UInt8(ascii: " ")) }
    line.append(text)
    line.append("\n")
    return line
  }

  /// The same as a JSON object, with a line's end.
  public var json: Text<720> {
    var line = Text<720>("{\"type\":\"finding\",\"part\":\"")
    line.append(part)
    line.append("\",\"verdict\":\"")
    switch verdict {
    case .good: line.append("good")
    case .doubtful: line.append("doubtful")
    case .bad: line.append("bad")
    case .skipped: line.append("skipped")
    }
    line.append("\",\"text\":\"")
    for index in 0..<text.count {
      let byte = text[index]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
        line.append(byte: UInt8(ascii: "\\"))
      }
      // A file can be named with anything; JSON cannot have all of it as it is. Lines are joined.
      let isLineEnd = byte == UInt8(ascii: "\n")
      let isPrintable = byte >= 0x20 && byte <= 0x7e
      line.append(byte: isLineEnd ? UInt8(ascii: " ") : isPrintable ? byte : UInt8(ascii: "?"))
    }
    line.append("\"}\n")
    return line
  }
}
