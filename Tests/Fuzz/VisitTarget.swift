// visit: reports of a visit, files of answers, and drafts.
//
// Promised of every text: a report is refused in a sentence of what can be printed unless it is the
// one that was signed, and answers that are understood are the same when they are written and read
// again.

import Core
import Foundation
import Tools
import Uplink

struct VisitTarget: Target {
  private let key: SigningKey
  private let report: [UInt8]
  let corpus: [[UInt8]]
  let dialect = Dialect(
    tokens: [
      " = ", "\n", "\"", "\\", "#", "yes", "no", "- ", "level = ", "visitor = ", "battery_volts = ",
      "measured = relay good: the relay moved", "begun = ", "station = ", "[signature]\n",
      "public_key = \"", "signature = \"", "# onset visit, format 1\n", "1e308", "nan", "é", "\r",
      "\u{85}",
    ].map { Array($0.utf8) }, maximumByteCount: 6000)

  init() throws {
    let secret = [UInt8](1...32) + (try VisitTarget.publicBytes())
    key = secret.withUnsafeBufferPointer { SigningKey(secret: $0) }
    let answers = try VisitChecklist.questions(hasRelay: true).map { question in
      let typed =
        switch question.kind {
        case .yesNo: "no, \"why\""
        case .number(let range, _): "\(range.upperBound)"
        case .consent: "yes, a \\ word"
        case .text, .remark: "a \\ word"
        }
      return (question, try VisitAnswer(typed, to: question))
    }
    let text = VisitReport(
      station: "XX.ONST1.00.EH", means: "self-test", version: "0", begun: "a", ended: "b",
      answers: answers, measured: [.init("pps", "skipped: none")]
    ).text(signedBy: key, as: .anOperator)
    report = Array(text.utf8)
    let lines = answers.map { "\($0.0.key) = \($0.1.words)" }.joined(separator: "\n") + "\n"
    corpus = [
      report, Array(lines.utf8),
      Array("station = XX.A..EH\nbegun = b\nmeasured = pps good: x\nlevel = no, wet\nseals".utf8),
    ]
  }

  /// The public half of the seed 1…32.
  private static func publicBytes() throws -> [UInt8] {
    guard
      let bytes = bytes(
        hexadecimal: "79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664")
    else { throw ToolError("no public key") }
    return bytes
  }

  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {}

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    let bytes = Array(bytes)
    do {
      _ = try VisitReport.verify(bytes, trusted: [key.publicKey])
      try require(bytes == report, "a report that nobody has signed is believed")
    } catch let error as ToolError {
      try require(bytes != report, "the report that was signed is refused: \(error)")
      try requireSentence(error)
    }
    let text = String(decoding: bytes, as: UTF8.self)
    var isUnderstood = false
    for isDraft in [false, true] {
      do {
        let answers = try VisitAnswers(text, from: "f", isDraft: isDraft)
        isUnderstood = true
        let lines = answers.byKey.map { "\($0.key) = \($0.value.words)\n" }.joined()
        try require(
          try VisitAnswers(lines, from: "f").byKey == answers.byKey, "other answers when read again"
        )
      } catch let error as ToolError { try requireSentence(error) }
    }
    return isUnderstood
  }

  private func requireSentence(_ error: ToolError) throws {
    try require(error.description.count > 8, "a refusal without a sentence: \(error)")
    try require(
      error.description.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F },
      "the refusal is not printable: \(error)")
  }
}
