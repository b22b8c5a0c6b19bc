// A visit: its questions, its answers as they are typed, the draft that outlives an interruption, and
// the signed report, of which no byte can be changed.

import Core
import Foundation
import Testing
import Uplink

@testable import Tools

private func station(_ byte: UInt8) throws -> SigningKey {
  let path = FileManager.default.temporaryDirectory
    .appendingPathComponent("onset-visit-\(UUID().uuidString)").path
  defer { unlink(path) }
  try Data(repeating: byte, count: 32).write(to: URL(fileURLWithPath: path))
  chmod(path, 0o600)
  return SigningKey(ofStation: try KeyFiles.read(path))
}

@Suite struct VisitTests {
  private static let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Golden/visit.toml")

  private func answers(_ change: [String: String] = [:]) throws -> [(VisitQuestion, VisitAnswer)] {
    let questions = VisitChecklist.questions(hasRelay: true)
    return try questions.map { question in
      let typed =
        switch question.kind {
        case .yesNo: "yes"
        case .number(let range, _): shortest(range.lowerBound)
        case .text: "something"
        case .remark: ""
        case .consent: "yes, Bo"
        }
      return (question, try VisitAnswer(change[question.key] ?? typed, to: question))
    }
  }

  private func report() throws -> VisitReport {
    VisitReport(
      station: "XX.ONST1.00.EH", means: "self-test", version: "0.2.0",
      begun: "2026-12-01T09:12:03Z", ended: "2026-12-01T09:55:41Z",
      answers: try answers([
        "visitor": "Ada \"the first\" Lovelace\\King", "level": "no, a foot had sunk; level again",
        "battery_volts": "12.7", "stays_on": "- the mains could not be pulled", "photos": "1 to 7",
        "antenna": "yes; the tree is still small",
      ]),
      measured: [
        .init("digitizer", "good: 3 channels, 600 frames"),
        .init(
          "calibration", "doubtful: 3 of 3 components calibrated as velocity, until 2027-01-01"),
        .init("uplink", "good: datagrams to 192.0.2.7 port 6464 have a way"),
        .init("uplink", "BAD: datagrams to 192.0.2.8 port 6464 have no way"),
        .init("pps", "skipped: the board has no [pps]"),
      ])
  }

  // MARK: The report

  @Test func theReportIsAsItWas() throws {
    let text = try report().text(signedBy: try station(7), as: .anOperator)
    if ProcessInfo.processInfo.environment["ONSET_WRITE_GOLDEN"] != nil {
      try text.write(to: Self.golden, atomically: true, encoding: .utf8)
    }
    // ONSET_WRITE_GOLDEN=1 swift test --filter VisitTests writes it anew.
    #expect(try text == String(contentsOf: Self.golden, encoding: .utf8))
  }

  @Test func aReportThatIsWholeTellsWhose() throws {
    let text = try report().text(signedBy: try station(7), as: .theStation)
    let keys = [try station(8).publicKey, try station(7).publicKey]
    let found = try VisitReport.verify(Array(text.utf8), trusted: keys)
    #expect(found.station == "XX.ONST1.00.EH" && found.ended == "2026-12-01T09:55:41Z")
    #expect(found.visitor == "Ada \"the first\" Lovelace\\King")
    #expect(found.signer == "the station itself")
    #expect(found.toMend == "level, calibration, uplink")
  }

  @Test func noByteCanBeChanged() throws {
    let key = try station(7)
    let bytes = Array(try report().text(signedBy: key, as: .anOperator).utf8)
    func refusal(_ bytes: [UInt8]) -> String {
      do {
        _ = try VisitReport.verify(bytes, trusted: [key.publicKey])
        return ""
      } catch { return "\(error)" }
    }
    #expect(refusal(bytes) == "")
    for place in bytes.indices {
      // A letter's case, a digit, a character that is none; all bits over all places.
      for change in [UInt8(1 << (place % 8)), 0x20, 0xFF] {
        var other = bytes
        other[place] ^= change
        #expect(refusal(other).contains(" "), "byte \(place) with \(change)")
      }
      #expect(!refusal(Array(bytes[..<place])).isEmpty, "\(place) bytes of it")
    }
    #expect(refusal(bytes + [10]).contains("its end is missing or was changed"))
    #expect(refusal([10] + bytes).contains("its first line is another"))
    #expect(refusal(bytes + bytes).contains("which") || !refusal(bytes + bytes).isEmpty)
    #expect(refusal([UInt8](repeating: 35, count: 70_000)).contains("larger than 65536 bytes"))
  }

  @Test func anotherOnesSignatureIsRefused() throws {
    let text = try report().text(signedBy: try station(9), as: .anOperator)
    let error = #expect(throws: ToolError.self) {
      try VisitReport.verify(Array(text.utf8), trusted: [try station(7).publicKey])
    }
    #expect(error?.description.contains("which is none of those that were named") == true)
    #expect(throws: ToolError.self) { try VisitReport.verify(Array(text.utf8), trusted: []) }
  }

  // MARK: Answers

  @Test func answersAreUnderstoodAsTheyAreTyped() throws {
    let level = try #require(VisitChecklist.find("level"))
    let volts = try #require(VisitChecklist.find("battery_volts"))
    let photos = try #require(VisitChecklist.find("photos"))
    let visitor = try #require(VisitChecklist.find("visitor"))
    let right: [(String, VisitQuestion, VisitAnswer)] = [
      ("yes", level, .yes("")), ("Y", level, .yes("")),
      (" yes, by a hair ", level, .yes("by a hair")),
      ("no: a foot had sunk", level, .no("a foot had sunk")), ("-", level, .notLookedAt("")),
      ("- dark", level, .notLookedAt("dark")), ("12.7", volts, .number(12.7)),
      ("- none here", volts, .notLookedAt("none here")), ("", photos, .text("")),
      ("Zoë = \"Z\" #1", visitor, .text("Zoë = \"Z\" #1")),
    ]
    for (typed, question, answer) in right {
      #expect(try VisitAnswer(typed, to: question) == answer, "\(typed)")
      // What a draft keeps is read again as the same.
      #expect(try VisitAnswer(answer.words, to: question) == answer, "\(typed)")
    }
    let wrong: [(String, VisitQuestion)] = [
      ("", level), ("maybe", level), ("yesno", level), ("yes/no", level), ("-1", level),
      ("12,7", volts),
      ("101", volts),
      ("nan", volts), ("", volts), ("", visitor), ("a\u{1}b", visitor),
      (String(repeating: "a", count: 301), visitor),
    ]
    for (typed, question) in wrong {
      let error = #expect(throws: ToolError.self) { try VisitAnswer(typed, to: question) }
      #expect(error?.description.hasPrefix("\(question.key): ") == true, "\(typed)")
    }
  }

  /// The relay moves for a name alone.
  @Test func consentIsAName() throws {
    for (typed, answer, isConsent) in [
      ("yes, Bo Li", VisitAnswer.yes("Bo Li"), true), ("YES Nora", .yes("Nora"), true),
      ("no", .no(""), false), ("No, not today", .no("not today"), false),
    ] {
      let found = try VisitAnswer(typed, to: VisitChecklist.standby)
      #expect(found == answer && found.isConsent == isConsent, "\(typed)")
      #expect(try VisitAnswer(found.words, to: VisitChecklist.standby).isConsent == isConsent)
    }
    for typed in [
      "", "yes", "yes,", "y Bo", "Bo Li", "nope", "skip", "quit", "don't", "nein", "not now", "-",
      "- why", "?", "1", "yes 1", "yesterday Bo",
    ] {
      let error = #expect(throws: ToolError.self) {
        try VisitAnswer(typed, to: VisitChecklist.standby)
      }
      #expect(error?.description.contains("yes and the name of who stands by") == true, "\(typed)")
    }
    #expect(!VisitAnswer.yes("").isConsent && !VisitAnswer.notLookedAt("").isConsent)
  }

  @Test func aFileOfAnswersNamesItsMistakes() throws {
    let good = try VisitAnswers(
      "# a comment\n\nvisitor = Ada = A\n  level=no, sunk\nbattery_volts = 12.7\n", from: "f")
    #expect(good.byKey.count == 3 && good.byKey["level"] == .no("sunk"))
    #expect(good.byKey["visitor"] == .text("Ada = A"))
    for (text, phrase) in [
      ("visitor = A\nlevle = yes\n", "f:2: there is no question levle; did you mean level?"),
      ("level = yes\nlevel = no\n", "f:2: level is answered twice"), ("level\n", "KEY = ANSWER"),
      ("level = perhaps\n", "f:1: level: perhaps is no answer: yes or no"),
      // What a draft alone has.
      ("begun = 2026-12-01T09:12:03Z\n", "there is no question begun"),
    ] {
      let error = #expect(throws: ToolError.self) { try VisitAnswers(text, from: "f") }
      #expect(error?.description.contains(phrase) == true, "\(text): \(error?.description ?? "")")
    }
  }

  @Test func keysAreUniqueAndOfToml() {
    let keys = VisitChecklist.keys
    #expect(Set(keys).count == keys.count && keys.count > 15)
    #expect(keys.allSatisfy { $0.allSatisfy { $0.isLowercase || $0 == "_" } })
    // A section that is left and entered again would be a table twice.
    let sections = VisitChecklist.questions(hasRelay: true).map(\.section)
    let entered = zip([""] + sections, sections).filter { $0 != $1 }.map(\.1)
    #expect(Set(entered).count == entered.count, "\(entered)")
  }

  // MARK: The draft

  private func inFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-draft-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder + "/visit.toml.draft")
  }

  @Test func aVisitGoesOnFromItsDraft() throws {
    try inFolder { path in
      let level = try #require(VisitChecklist.find("level"))
      let moved = VisitReport.Measured("relay", "good: the relay moved for a second and came back")
      var draft = try VisitDraft(path, station: "XX.A..EH", now: "2026-12-01T09:12:03Z")
      #expect(!draft.isContinued)
      try draft.add(level, .no("sunk"))
      try draft.add(.yes("Bo"), [moved, .init("pps", "skipped: a line\nthat is two")])
      let next = try VisitDraft(path, station: "XX.A..EH", now: "2026-12-02T00:00:00Z")
      #expect(next.isContinued && next.answers == draft.answers && next.measured == draft.measured)
      #expect(next.answers.begun == "2026-12-01T09:12:03Z" && next.measured[0] == moved)
      #expect(next.answers.byKey == ["level": .no("sunk"), "relay_standby": .yes("Bo")])
      let error = #expect(throws: ToolError.self) {
        try VisitDraft(path, station: "XX.B..EH", now: "")
      }
      #expect(error?.description.contains("is of a visit to XX.A..EH, not to XX.B..EH") == true)
    }
  }

  /// Half of what was measured, or the consent without it, is measured again.
  @Test func tornMeasurementsCountForNothing() throws {
    try inFolder { path in
      var draft = try VisitDraft(path, station: "XX.A..EH", now: "2026-12-01T09:12:03Z")
      try draft.add(#require(VisitChecklist.find("visitor")), .text("measured = me"))
      let before = try #require(FileManager.default.contents(atPath: path))
      try draft.add(.yes("Bo"), [.init("relay", "good"), .init("pps", "good")])
      let whole = try #require(FileManager.default.contents(atPath: path))
      for count in before.count...whole.count {
        try whole.prefix(count).write(to: URL(fileURLWithPath: path))
        let next = try VisitDraft(path, station: "XX.A..EH", now: "later")
        let isWhole = count == whole.count
        #expect(next.measured.count == (isWhole ? 2 : 0), "\(count)")
        #expect(next.answers.byKey.count == (isWhole ? 2 : 1), "\(count)")
        if !isWhole { #expect(FileManager.default.contents(atPath: path) == before) }
      }
    }
  }

  /// A power cut leaves any beginning of what was written; what is whole of it counts.
  @Test func aTornDraftLosesOneAnswer() throws {
    try inFolder { path in
      let level = try #require(VisitChecklist.find("level"))
      let seals = try #require(VisitChecklist.find("seals"))
      var draft = try VisitDraft(path, station: "XX.A..EH", now: "2026-12-01T09:12:03Z")
      try draft.add(level, .yes(""))
      let whole = try #require(FileManager.default.contents(atPath: path))
      for count in 0...whole.count {
        try whole.prefix(count).write(to: URL(fileURLWithPath: path))
        var next = try VisitDraft(path, station: "XX.A..EH", now: "later")
        #expect(next.answers.byKey.count == (count == whole.count ? 1 : 0), "\(count)")
        try next.add(seals, .no("wet"))
        let last = try VisitDraft(path, station: "XX.A..EH", now: "later still")
        #expect(last.answers.byKey["seals"] == .no("wet") && last.answers.begun != "later still")
      }
    }
  }
}
