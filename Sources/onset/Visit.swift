// onset doctor --visit: walks through the yearly visit and writes a signed report of it, and
// --verify-visit: whether such a report is as it was signed.

import Board
import Core
import Devices
import Doctor
import Foundation
import Kernels
import Runtime
import Settings
import Station
import Tools
import Uplink

/// The station that is visited, how it is measured, and who signs.
private struct Visited {
  var code: String
  var hasRelay: Bool
  var key: SigningKey
  var signer: VisitReport.Signer
  var means: String
  /// With consent the relay moves.
  var measure: (_ mayMoveRelay: Bool) throws -> [VisitReport.Measured]
}

func visit(_ parsed: CommandLineArguments, report path: String) throws {
  guard !FileManager.default.fileExists(atPath: path) else {
    throw ToolError("\(path) is there already: a report is never written over; name another")
  }
  let visited = try parsed.rest.isEmpty ? visitedHere(parsed) : visitedFromAfar(parsed)
  let given = try parsed.values["--answers"].map { file in
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
      throw ToolError("\(file): cannot be read")
    }
    return try VisitAnswers(text, from: file)
  }
  let standby = try givenStandby(given, parsed, visited)
  try demandAnswers(given, visited)
  var draft = try VisitDraft(path + ".draft", station: visited.code, now: now())
  if draft.isContinued {
    print(
      "going on with the visit of \(draft.answers.begun ?? "before"), which is in \(draft.path)")
  }
  func obtain(_ question: VisitQuestion) throws {
    guard draft.answers.byKey[question.key] == nil else { return }
    try draft.add(question, given?.byKey[question.key] ?? ask(question, draft.path))
  }
  for question in VisitChecklist.arrival { try obtain(question) }
  if draft.measured.isEmpty {
    let consent =
      try visited.hasRelay ? standby ?? ask(VisitChecklist.standby, draft.path) : nil
    print("measuring the station, some seconds …")
    let measured = try visited.measure(consent?.isConsent ?? false)
    for one in measured { print("  \(one.part): \(one.text)") }
    try draft.add(consent, measured)
  }
  let consent = draft.answers.byKey[VisitChecklist.standby.key]
  let hasMoved = draft.measured.contains { $0.text.hasPrefix(relayHasMoved) }
  let questions = VisitChecklist.questions(hasRelay: hasMoved)
  for question in questions { try obtain(question) }
  var answers = questions.map { ($0, draft.answers.byKey[$0.key]!) }
  if let consent {
    answers.insert((VisitChecklist.standby, consent), at: VisitChecklist.arrival.count)
  }
  let report = VisitReport(
    station: visited.code, means: visited.means, version: "\(softwareVersion)",
    begun: draft.answers.begun ?? now(), ended: now(), answers: answers, measured: draft.measured)
  try writeOnce(report.text(signedBy: visited.key, as: visited.signer), path)
  draft.remove()
  print("\(path) is the report, signed by \(visited.signer.rawValue)")
  print(
    report.toMend.isEmpty
      ? "nothing is to be mended" : "to be mended: \(report.toMend.joined(separator: ", "))")
}

func verifyVisit(_ parsed: CommandLineArguments, report path: String) throws {
  guard parsed.rest.isEmpty, parsed.values["--board"] == nil, parsed.values["--key"] == nil else {
    throw UsageError("--verify-visit REPORT takes --public FILE.pub or --station FILE alone")
  }
  var trusted = try parsed.values["--public"].map { [try KeyFiles.publicKey($0)] } ?? []
  var own: PublicKey?
  if let file = parsed.values["--station"] {
    let station = try stationFile(file)
    trusted += (0..<station.operators.count).map { station.operators[$0].key }
    // Whoever may read the station's key can believe what the station has signed.
    if let key = try? KeyFiles.read(station.uplink.first.keyFile.string) {
      own = SigningKey(ofStation: key).publicKey
      trusted.append(own!)
    }
  }
  guard !trusted.isEmpty else {
    throw UsageError(
      "--verify-visit needs the signer's --public FILE.pub, or a --station FILE whose [operators] name the signer"
    )
  }
  guard let data = FileManager.default.contents(atPath: path) else {
    throw ToolError("\(path): cannot be read")
  }
  do {
    let found = try VisitReport.verify([UInt8](data), trusted: trusted)
    // Whoever has the station's key can write what they like of who signed.
    guard found.key.name != own?.name || found.signer == VisitReport.Signer.theStation.rawValue
    else {
      throw ToolError(
        "it says that \(found.signer) signed it, and it is signed with the station's own key, which the "
          + "collector has as well")
    }
    print(
      "\(path) is as it was signed by \(found.signer): a visit to \(found.station) by \(found.visitor), "
        + "which ended \(found.ended); to be mended: \(found.toMend)")
  } catch let error as ToolError { throw ToolError("\(path): \(error)") }
}

// MARK: The station

private func visitedHere(_ parsed: CommandLineArguments) throws -> Visited {
  guard let board = parsed.values["--board"], let station = parsed.values["--station"],
    parsed.values["--public"] == nil
  else {
    throw UsageError(
      "--visit REPORT needs --board FILE and --station FILE, or HOST:PORT, --key FILE and --public FILE.pub"
    )
  }
  let file = try stationFile(station)
  let wired = try Configuration.read(Path(board)) { file throws(Diagnostic) in
    try BoardFile(&file)
  }
  let signer: VisitReport.Signer
  let key: SigningKey
  if let own = parsed.values["--key"] {
    (key, signer) = (try KeyFiles.signingKey(own), .anOperator)
    if file.operators.place(of: key.publicKey.name) == nil {
      StandardError.say("onset doctor: \(station) does not name the key \(own) in [operators]")
    }
  } else {
    signer = .theStation
    key = SigningKey(ofStation: try KeyFiles.read(file.uplink.first.keyFile.string))
  }
  return Visited(
    code: file.code.string, hasRelay: wired.relay != nil, key: key, signer: signer,
    means: "self-test"
  ) { mayMoveRelay in
    var measured: [VisitReport.Measured] = []
    var test = SelfTest(board: Path(board), station: Path(station), mayMoveRelay: mayMoveRelay)
    test.run(MachineClock(), kernels: KernelVariant.select()) { measured.append(line($0)) }
    return measured
  }
}

private func visitedFromAfar(_ parsed: CommandLineArguments) throws -> Visited {
  guard parsed.rest.count == 1, let key = parsed.values["--key"],
    let station = parsed.values["--public"], parsed.values["--board"] == nil,
    parsed.values["--station"] == nil
  else {
    throw UsageError(
      "--visit of a running station needs HOST:PORT, --key FILE and --public FILE.pub")
  }
  let (target, via) = (parsed.rest[0], parsed.values["--via"])
  let ping = try Ping(target: target, via: via, keyPath: key, stationPath: station)
  let (code, hasRelay) = try ping.subject()
  return Visited(
    code: code, hasRelay: hasRelay, key: try KeyFiles.signingKey(key), signer: .anOperator,
    means: "health of the running station"
  ) { mayMoveRelay in
    guard mayMoveRelay else { return try ping.findings().map(line) }
    let (_, isDone, remark) = try Command(
      target: target, via: via, keyPath: key, stationPath: station, parameter: "relay_test",
      value: "1", lifeSeconds: 60
    ).run()
    let relay =
      isDone
      ? "\(relayHasMoved) for a second, by command"
      : "BAD: the station did not move the relay" + (remark.map { "; \($0)" } ?? "")
    return [VisitReport.Measured("relay_test", relay)] + (try ping.findings().map(line))
  }
}

/// How what was measured begins where the relay has moved: `SelfTest`'s sentence, and the one above.
private let relayHasMoved = "good: the relay moved"

private func line(_ finding: Finding) -> VisitReport.Measured {
  let verdict =
    switch finding.verdict {
    case .good: "good"
    case .doubtful: "doubtful"
    case .bad: "BAD"
    case .skipped: "skipped"
    }
  return VisitReport.Measured("\(finding.part)", "\(verdict): \(finding.text.string)")
}

private func stationFile(_ path: String) throws -> StationFile {
  guard path.utf8.count <= 256 else { throw ToolError("\(path): longer than 256 bytes") }
  return try Configuration.read(Path(path)) { file throws(Diagnostic) in try StationFile(&file) }
}

// MARK: Answers

/// A file cannot agree to what moves: whoever runs the script does, by --relay.
private func givenStandby(
  _ given: VisitAnswers?, _ parsed: CommandLineArguments, _ visited: Visited
) throws -> VisitAnswer? {
  guard let answer = given?.byKey[VisitChecklist.standby.key] else { return nil }
  guard visited.hasRelay || !answer.isConsent else {
    throw ToolError("relay_standby: the board has no [relay] that could move")
  }
  guard !answer.isConsent || parsed.flags.contains("--relay") else {
    throw UsageError("relay_standby = \(answer.words) moves the relay only with --relay beside it")
  }
  return answer
}

/// Before anything is begun: a script is told of all that it lacks.
private func demandAnswers(_ given: VisitAnswers?, _ visited: Visited) throws {
  guard isatty(STDIN_FILENO) == 0 else { return }
  var wanted = VisitChecklist.questions(hasRelay: false)
  if visited.hasRelay { wanted.append(VisitChecklist.standby) }
  if given?.byKey[VisitChecklist.standby.key]?.isConsent ?? false {
    wanted = VisitChecklist.questions(hasRelay: true)
  }
  let missing = wanted.filter { given?.byKey[$0.key] == nil }
  guard missing.isEmpty else {
    throw UsageError(
      "--answers FILE must answer what nobody can be asked here: "
        + missing.map(\.key).joined(separator: ", "))
  }
}

private func ask(_ question: VisitQuestion, _ draft: String) throws -> VisitAnswer {
  try ask("\(question.question)\n  (\(question.hint))") {
    try VisitAnswer($0, to: question)
  } orElse: {
    ToolError(
      "the answers ended before the questions: what was answered is in \(draft), and the same "
        + "command goes on from there")
  }
}

private func now() -> String {
  String(MachineClock().systemClock().realtime.iso8601.prefix(19)) + "Z"
}

/// In one step, and never over another.
private func writeOnce(_ text: String, _ path: String) throws {
  let bytes = Array(text.utf8)
  // What an interrupted visit has left; nothing that somebody has put there is followed.
  unlink(path + ".new")
  let file = open(path + ".new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
  let folder = open(URL(fileURLWithPath: path).deletingLastPathComponent().path, O_RDONLY)
  defer { for descriptor in [file, folder] where descriptor >= 0 { close(descriptor) } }
  guard file >= 0, write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0,
    link(path + ".new", path) == 0, unlink(path + ".new") == 0, fsync(folder) == 0
  else {
    throw ToolError("\(path): cannot be written (\(String(cString: strerror(errno))))")
  }
}
