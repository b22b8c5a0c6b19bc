// VisitDraft: what was answered so far, a line an answer, on disk before the next question is put.
// A visit that is interrupted goes on from it.
//
//     var draft = try VisitDraft("visit.toml.draft", station: "XX.ONST1.00.EH", now: now)
//     try draft.add(question, answer)

import Foundation

public struct VisitDraft {
  public let path: String
  public private(set) var answers: VisitAnswers
  /// There was one already.
  public let isContinued: Bool

  public init(_ path: String, station: String, now: String) throws {
    self.path = path
    guard let bytes = FileManager.default.contents(atPath: path) else {
      answers = VisitAnswers()
      isContinued = false
      try append(["station = \(station)", "begun = \(now)"])
      return
    }
    let text = String(decoding: bytes, as: UTF8.self)
    answers = try VisitAnswers(text, from: path, isDraft: true)
    guard answers.station ?? station == station else {
      throw ToolError(
        "\(path) is of a visit to \(answers.station!), not to \(station): end that one, or move it away"
      )
    }
    isContinued = !answers.byKey.isEmpty || !answers.measured.isEmpty
    // What a power cut has torn counts for nothing: a line without its end, measurements without theirs.
    var whole = text.lastIndex(of: "\n").map { text[...$0] } ?? ""
    if answers.hasTornMeasurements, let torn = whole.range(of: "\nmeasured = ") {
      whole = whole[...torn.lowerBound]
      answers = try VisitAnswers(String(whole), from: path, isDraft: true)
    }
    let begin = answers.begun == nil ? ["station = \(station)", "begun = \(now)"] : []
    if whole.utf8.count < text.utf8.count { try cut(to: whole.utf8.count) }
    if !begin.isEmpty { try append(begin) }
  }

  public mutating func add(_ question: VisitQuestion, _ answer: VisitAnswer) throws {
    try append(["\(question.key) = \(answer.words)"])
  }

  /// Who agreed to what moved, and all that was measured then: both or neither.
  public mutating func add(_ standby: VisitAnswer?, _ measured: [VisitReport.Measured]) throws {
    try append(
      measured.map { "measured = \($0.part) \(printable($0.text))" }
        + (standby.map { ["\(VisitChecklist.standby.key) = \($0.words)"] } ?? [])
        + ["measured_end = \(measured.count)"])
  }

  private func printable(_ text: String) -> String {
    String(text.map { VisitAnswer.isPrintable("\($0)") ? $0 : " " })
  }

  public var measured: [VisitReport.Measured] {
    answers.measured.map { line in
      let part = line.prefix { $0 != " " }
      return VisitReport.Measured(String(part), String(line.dropFirst(part.count + 1)))
    }
  }

  public func remove() { unlink(path) }

  private func cut(to count: Int) throws {
    guard truncate(path, off_t(count)) == 0 else { throw unwritable }
  }

  private mutating func append(_ lines: [String]) throws {
    let text = lines.map { $0 + "\n" }.joined()
    let bytes = Array(text.utf8)
    let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    defer { if file >= 0 { close(file) } }
    guard file >= 0, write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0 else {
      throw unwritable
    }
    try answers.take(text)
  }

  private var unwritable: ToolError {
    ToolError("\(path): cannot be written (\(String(cString: strerror(errno))))")
  }
}
