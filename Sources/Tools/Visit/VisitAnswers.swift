// VisitAnswers: what was answered at a visit, as lines "key = answer". A script gives them as a file,
// and a visit that is interrupted leaves them in its draft.
//
//     let answers = try VisitAnswers("level = no, a foot had sunk\n", from: "answers")
//     let answer = answers.byKey["level"]

import Core

public enum VisitAnswer: Equatable, Sendable {
  case yes(String)
  case no(String)
  case number(Double)
  case text(String)
  case notLookedAt(String)

  /// What somebody typed; a sentence says what would be right.
  public init(_ typed: String, to question: VisitQuestion) throws {
    self = try Self.understand(typed, question)
    guard words.utf8.count <= VisitAnswers.byteMaximum else {
      throw ToolError("\(question.key): longer than \(VisitAnswers.byteMaximum) bytes")
    }
  }

  private static func understand(_ typed: String, _ question: VisitQuestion) throws -> VisitAnswer {
    let text = String(typed.drop { $0 == " " })
    guard isPrintable(text) else {
      throw ToolError("\(question.key): has a character that cannot be printed")
    }
    // A dash alone, or before a reason: nothing that a name or a number would begin with.
    if text == "-" || text.hasPrefix("- "), question.kind != .text, question.kind != .remark,
      question.kind != .consent
    {
      return .notLookedAt(trimmed(text.dropFirst()))
    }
    switch question.kind {
    case .yesNo:
      let word = text.prefix { $0.isASCII && $0.isLetter }
      let rest = text.dropFirst(word.count)
      let remark = trimmed(rest.drop { ",;:. ".contains($0) })
      // "yes/no" is neither.
      switch rest.first.map({ ",;:. ".contains($0) }) ?? true ? word.lowercased() : "" {
      case "yes", "y": return .yes(remark)
      case "no", "n": return .no(remark)
      default:
        throw ToolError("\(question.key): \(quoted(text)) is no answer: \(question.hint)")
      }
    case .number(let range, _):
      guard let number = Double(trimmed(text[...])), range.contains(number) else {
        throw ToolError("\(question.key): \(quoted(text)) is no answer: \(question.hint)")
      }
      return .number(number)
    case .consent:
      // "yes" and a name: whatever else somebody types in haste moves nothing.
      let word = text.prefix { $0.isASCII && $0.isLetter }
      let rest = text.dropFirst(word.count)
      let name = trimmed(rest.drop { ",;:. ".contains($0) })
      let isApart = rest.first.map { ",;:. ".contains($0) } ?? true
      switch isApart ? word.lowercased() : "" {
      case "yes" where name.contains(where: \.isLetter): return .yes(name)
      case "no": return .no(name)
      default:
        throw ToolError("\(question.key): \(quoted(text)) is no answer: \(question.hint)")
      }
    case .text, .remark:
      let words = trimmed(text[...])
      guard !words.isEmpty || question.kind == .remark else {
        throw ToolError("\(question.key): nothing is no answer: \(question.hint)")
      }
      return .text(words)
    }
  }

  static func isPrintable(_ text: some StringProtocol) -> Bool {
    text.unicodeScalars.allSatisfy { scalar in
      // U+2028 and U+2029 end a line where somebody looks for one.
      !(0..<0x20).contains(scalar.value) && !(0x7F...0x9F).contains(scalar.value)
        && !(0x2028...0x2029).contains(scalar.value)
    }
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text.drop { $0 == " " }
    while text.last == " " { text.removeLast() }
    return String(text)
  }

  private static func quoted(_ text: String) -> String { text.isEmpty ? "nothing" : text }

  /// As it stands in a report, and as it can be typed again.
  public var words: String {
    func with(_ word: String, _ remark: String) -> String {
      remark.isEmpty ? word : "\(word), \(remark)"
    }
    return switch self {
    case .yes(let remark): with("yes", remark)
    case .no(let remark): with("no", remark)
    case .number(let number): shortest(number)
    case .text(let text): text
    case .notLookedAt(let reason): reason.isEmpty ? "-" : "- \(reason)"
    }
  }

  var isNo: Bool {
    if case .no = self { true } else { false }
  }

  /// Somebody has agreed to what was asked, by name.
  public var isConsent: Bool {
    if case .yes(let name) = self { !name.isEmpty } else { false }
  }
}

public struct VisitAnswers: Equatable {
  static let byteMaximum = 300

  public private(set) var byKey: [String: VisitAnswer] = [:]
  /// Lines of a draft that are no answers: what was measured, and when.
  public private(set) var measured: [String] = []
  private var hasEnd = false
  public private(set) var begun: String?
  public private(set) var station: String?

  public init() {}

  var hasTornMeasurements: Bool { !measured.isEmpty && !hasEnd }

  /// `name`: of the file, for whoever is told what is wrong. Of a draft the last line may be torn.
  public init(_ text: String, from name: String, isDraft: Bool = false) throws {
    var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    if isDraft { lines.removeLast() }
    for (number, line) in lines.enumerated() {
      do { try take(line, isDraft) } catch {
        throw ToolError("\(name):\(number + 1): \(error)")
      }
    }
  }

  private mutating func take(_ line: Substring, _ isDraft: Bool) throws {
    let bare = line.drop { $0 == " " || $0 == "\t" }
    guard let first = bare.first, first != "#" else { return }
    guard let sign = bare.firstIndex(of: "=") else {
      throw ToolError("a line is KEY = ANSWER, such as level = yes")
    }
    var key = bare[..<sign]
    while key.last == " " || key.last == "\t" { key.removeLast() }
    let value = String(bare[bare.index(after: sign)...].drop { $0 == " " })
    if isDraft {
      switch key {
      case "measured":
        measured.append(value)
        return
      case "measured_end":
        hasEnd = true
        return
      case "begun":
        begun = value
        return
      case "station":
        station = value
        return
      default: break
      }
    }
    guard let question = VisitChecklist.find(String(key)) else {
      guard VisitAnswer.isPrintable(key), key.count <= 40 else {
        throw ToolError("a line is KEY = ANSWER, such as level = yes")
      }
      let meant = Spelling.nearest(to: String(key), among: VisitChecklist.keys)
      throw ToolError(
        "there is no question \(key)" + (meant.map { "; did you mean \($0)?" } ?? ""))
    }
    guard byKey[question.key] == nil else { throw ToolError("\(question.key) is answered twice") }
    byKey[question.key] = try VisitAnswer(value, to: question)
  }

  /// Lines that a draft has got.
  mutating func take(_ draft: String) throws {
    for line in draft.split(separator: "\n") { try take(line, true) }
  }
}
