// FleetWaves: something is given to a group of stations in waves, which stop when health falls.
//
// What is wrong with a command or a network shows on the first station that has it, or on the
// tenth, whose processor is another. Given to all at once it leaves a country deaf, and each
// station is a day's drive away. So one station has it first, then two, four, eight; each wave waits until every
// station of it has told its health anew, and is as well as it was before.
//
//     var waves = FleetWaves(order, world, audit) { print($0) }
//     let isFinished = try waves.run(choice, list, resumes: false)
//
//   chosen → skipped   silent, with an alarm, in a drill, or not well: it says so, and goes on
//          → given     intent on disk, then sent, then the result on disk
//          → well      its health came anew, no worse, and its boot is the one that it should be
//          → fallen    anything else, by the end of the patience: the run stops
//
// It is a function of what the world answers; FleetLink is the real one.

import Core
import Foundation

public struct FleetWaveSettings {
  /// The largest wave; nil for a tenth of the group, and 50 at most.
  public var waveMaximum: Int?
  /// For how long a wave's health is waited for.
  public var patienceSeconds = FleetWaveSettings.patienceSecondsUsual
  public var silentSeconds = FleetFindings.silentSecondsUsual
  /// Whose key signs: its file, and its name as stations tell it upstream.
  public var operatorName = ""
  public var operatorKey = ""

  /// Thirty messages of health at the usual interval; a new start settles within one minute.
  public static let patienceSecondsUsual = 300.0
  /// A tenth of a network can be missing, and it still locates.
  static let waveShare = 10
  /// What one wave breaks has to be visited: more than 50 stations are no season's work.
  static let waveLargest = 50

  public init() {}

  func waveMaximum(of count: Int) -> Int {
    waveMaximum ?? min(max(count / Self.waveShare, 1), Self.waveLargest)
  }
}

public struct FleetWaves<World: FleetWorld> {
  let order: FleetOrder
  let settings: FleetWaveSettings
  let audit: FleetAudit
  private let tell: (FleetRecord) -> Void
  private var run = ""
  var world: World
  /// The newest.
  var list: FleetList
  private var counts = (chosen: 0, have: 0, well: 0, leftOut: 0)
  /// They have nothing of it.
  private var untouched: [String] = []
  /// Why it stops; nil as long as it does not.
  private(set) var stop: String?

  public init(
    _ order: FleetOrder, _ settings: FleetWaveSettings, _ world: World, _ list: FleetList,
    _ audit: FleetAudit, tell: @escaping (FleetRecord) -> Void
  ) {
    (self.order, self.settings, self.world, self.list) = (order, settings, world, list)
    (self.audit, self.tell) = (audit, tell)
  }

  /// Whether every chosen station has it and is well.
  public mutating func run(_ choice: FleetChoice, resumes: Bool) throws -> Bool {
    let chosen = try choice.stations(of: list).map(\.code)
    let history = try begin(chosen.count, resumes: resumes)
    var waiting: [String] = []
    var interrupted: [FleetGiven] = []
    for code in chosen {
      switch history?.standings[code] ?? .open {
      case .open: waiting.append(code)
      case .done, .fallen:
        let isWell = if case .done = history!.standings[code]! { true } else { false }
        counts.have += 1
        if isWell { counts.well += 1 }
        let text = "it has it already" + (isWell ? "" : ", and was not as well after it")
        try note(record(.skip, code, text: text))
      case .unknown where choice.names(code): waiting.append(code)
      case .unknown:
        try leaveOut(
          code,
          "it was sent to it and nobody knows whether it came: to give it again, name the station in "
            + "--stations by its code")
      case .given(_, let before, let boot):
        counts.have += 1
        interrupted.append(FleetGiven(before, boot, at: world.seconds))
      }
    }
    // Wave 0: what an interrupted run had given and not judged.
    if !interrupted.isEmpty { try judge(interrupted, wave: 0) }
    try goThrough(waiting[...], choice)
    return try end()
  }

  private mutating func goThrough(_ chosen: ArraySlice<String>, _ choice: FleetChoice) throws {
    var waiting = chosen
    let largest = settings.waveMaximum(of: waiting.count)
    var (wave, size) = (1, order.isQuestion ? waiting.count : 1)
    while !waiting.isEmpty && stop == nil {
      var given: [FleetGiven] = []
      var tried = 0
      while tried < size, stop == nil, let code = waiting.popFirst() {
        guard let before = list.stations.first(where: { $0.code == code }) else {
          try leaveOut(code, "the collector does not tell of it any more")
          continue
        }
        if let reason = reasonToLeaveOut(before), !choice.names(code) {
          try leaveOut(code, reason)
          continue
        }
        tried += 1
        if let one = try give(before, wave) { given.append(one) }
      }
      if !given.isEmpty && !order.isQuestion { try judge(given, wave: wave) }
      (wave, size) = (wave + 1, min(2 * size, largest))
    }
    untouched += waiting
  }

  /// A station that is not well is not to be tried on: what falls there says nothing.
  private func reasonToLeaveOut(_ station: FleetStation) -> String? {
    var findings = FleetFindings(at: list.time)
    findings.silentSeconds = settings.silentSeconds
    let found = findings.of(station)
    // Whoever asks changes nothing, and waits for those alone that can answer.
    if order.isQuestion { return found.first { $0.part == .silent }?.text }
    if station.hasAlarm && !order.endsAlarms { return found.first?.text ?? "an alarm stands" }
    if station.isDrill && !order.concernsDrills { return "a drill is on" }
    return found.first { finding in
      finding.verdict == .bad
        && !(order.endsAlarms && (finding.part == .alarm || finding.part == .watch))
    }?.text
  }

  /// nil: there is nothing to be judged.
  private mutating func give(_ before: FleetStation, _ wave: Int) throws -> FleetGiven? {
    let code = before.code
    var intent = record(.intent, code, wave: wave)
    intent.before = before
    try note(intent)
    let answer = world.give(code)
    var result = record(.result, code, wave: wave, text: answer.text)
    (result.result, result.answer, result.boot) = (answer.result, answer.value, answer.boot)
    try note(result)
    guard answer.result == .done else {
      if answer.result != .unknown { untouched.append(code) }
      if !order.isQuestion {
        stopFor("\(code): \(answer.result.rawValue)\(answer.text.map { ", \($0)" } ?? "")")
      }
      return nil
    }
    counts.have += 1
    if order.isQuestion { counts.well += 1 }
    return FleetGiven(before, answer.boot, at: world.seconds)
  }

  mutating func stopFor(_ reason: String) {
    if stop == nil { stop = reason }
  }

  /// `reasons`: empty where it is as well as before.
  mutating func conclude(_ station: String, wave: Int, _ reasons: [String]) throws {
    let text = reasons.isEmpty ? nil : reasons.joined(separator: "; ")
    var verdict = record(.verdict, station, wave: wave, text: text)
    verdict.isWell = reasons.isEmpty
    try note(verdict)
    if reasons.isEmpty { counts.well += 1 } else { stopFor("\(station): \(text!)") }
  }

  // MARK: What is written down

  private mutating func begin(_ count: Int, resumes: Bool) throws -> FleetAudit.History? {
    let history = order.isQuestion ? nil : audit.history(of: order)
    if resumes && history == nil {
      throw ToolError(
        "the audit has no run of \(order.words) to go on with: leave --resume out, or name its --audit"
      )
    }
    if let history, !resumes, !history.isFinished {
      throw ToolError(
        "the last run of \(order.words) in this audit did not come to its end: --resume goes on with it, "
          + "and another --audit begins anew")
    }
    counts.chosen = count
    run = resumes ? history!.run : String(UInt64.random(in: .min ... .max), radix: 16)
    let text = "\(order.words) to \(count) station\(count == 1 ? "" : "s")"
    try note(record(.begin, nil, text: text + (resumes ? ", going on" : "")))
    return resumes ? history : nil
  }

  private mutating func end() throws -> Bool {
    let isDone = stop == nil && counts.well == counts.chosen
    var text = stop.map { "stopped, because of \($0). " } ?? ""
    text += "\(counts.have) of \(counts.chosen) "
    text += order.isQuestion ? "have answered" : "have it, \(counts.well) as well as before"
    if counts.leftOut > 0 { text += ", \(counts.leftOut) left out" }
    if !untouched.isEmpty {
      text += "; untouched: " + Terminal.some(untouched, of: 10)
    }
    var last = record(.end, nil, text: text)
    (last.isFinished, last.untouched) = (stop == nil, untouched)
    try note(last)
    return isDone
  }

  private mutating func leaveOut(_ station: String, _ reason: String) throws {
    counts.leftOut += 1
    try note(record(.skip, station, text: reason))
  }

  private mutating func record(
    _ kind: FleetRecord.Kind, _ station: String?, wave: Int? = nil, text: String? = nil
  ) -> FleetRecord {
    FleetRecord(
      kind, order, run: run, by: settings, at: world.now, station: station,
      wave: wave, text: text)
  }

  private func note(_ record: FleetRecord) throws {
    try audit.append(record)
    tell(record)
  }
}
