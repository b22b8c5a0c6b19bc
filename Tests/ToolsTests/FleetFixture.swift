// A fleet for tests: what a collector tells of it, and a world in which waves go out without a
// network, where time passes when somebody waits.

import Core
import Foundation
import Testing

@testable import Tools

/// A station as the collector tells it, well unless it is changed.
struct Told {
  var code: String
  var members: [String: String] = [
    "received": "\"2026-11-30T10:00:00.000000Z\"", "armed": "true", "why": "[]", "live": "true",
    "alarm": "\"quiet\"", "alarm_since": "null", "alarm_drill": "null", "relay": "\"at rest\"",
    "clock": "\"locked\"", "uncertainty_ms": "0.5000", "delay_s": "0.100",
    "loss_percent": "0.00", "temperature_c": "40.0", "disk_free_mib": "12000",
    "memory_mib": "900", "software": "\"0.2.0\"", "model": "\"onset-picker\"",
    "calibration_days": "300", "noise_counts": "90.10",
  ]

  init(_ code: String, _ changes: [String: String] = [:]) {
    self.code = code
    members.merge(changes) { $1 }
  }

  var json: String {
    "{\"station\":\"\(code)\","
      + members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }
      .joined(separator: ",") + "}"
  }
}

func listJson(_ stations: [Told], at time: String = "2026-11-30T10:00:05.000000Z") -> [UInt8] {
  Array(
    "{\"time\":\"\(time)\",\"stations\":[\(stations.map(\.json).joined(separator: ","))]}".utf8)
}

func list(_ stations: [Told], at time: String = "2026-11-30T10:00:05.000000Z") throws -> FleetList {
  try FleetList(listJson(stations, at: time), from: "test")
}

/// A file that is gone after the test.
final class TemporaryFile {
  let path: String
  init() {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-fleet-\(UUID().uuidString).jsonl").path
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  var lines: [String] {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }

  func write(_ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }
}

/// Stations that tell their health every ten seconds, as long as they live.
final class World: FleetWorld {
  final class Member {
    /// As it is; and as it told last, which is what the collector tells.
    var told: Told
    var shown: Told?
    var boot = FleetBoot(epoch: 7, counter: 3, nonce: 1 << 63 | 5)
    var isSilent = false
    var answersNothing = false
    /// How often it tells its health; 10 s is the usual one.
    var intervalSeconds = 10.0
    var answer = FleetAnswer(result: .done)
    /// What happens when it has been given something.
    var whenGiven: (Member) -> Void = { _ in }
    /// Before the collector is looked at, so many seconds after it was given something.
    var later: [(seconds: Double, what: (Member) -> Void)] = []
    var givenAt: Double?
    var toldAt = 0.0
    var trialEnds = Double.infinity

    init(_ code: String) { told = Told(code) }

    func startAnew() {
      boot = FleetBoot(epoch: boot.epoch, counter: boot.counter + 1, nonce: boot.nonce + 1)
    }
  }

  static let start = UTC(iso8601: "2026-11-30T10:00:05Z")!
  var members: [Member]
  var passed = 0.0
  var given: [String] = []
  var asked: [String] = []
  var looksThatFail = 0
  /// Before a station is given anything.
  var beforeGiving: (String) -> Void = { _ in }

  init(_ codes: [String]) { members = codes.map { Member($0) } }

  subscript(_ code: String) -> Member { members.first { $0.told.code == code }! }

  private func time(_ seconds: Double) -> UTC { World.start + Int64(seconds * 1e9) }

  private func passTime() {
    for member in members {
      if member.shown == nil { member.shown = member.told }
      member.shown!.code = member.told.code
      if let given = member.givenAt {
        for happening in member.later where passed - given >= happening.seconds {
          happening.what(member)
        }
        member.later.removeAll { passed - given >= $0.seconds }
      }
      guard !member.isSilent, passed - member.toldAt >= member.intervalSeconds else { continue }
      tell(member)
    }
  }

  private func tell(_ member: Member) {
    member.toldAt = passed
    member.told.members["received"] = "\"\(time(passed).iso8601)\""
    member.shown = member.told
  }

  func look() throws -> FleetList {
    passTime()
    if looksThatFail > 0 {
      looksThatFail -= 1
      throw ToolError("the collector cannot be asked")
    }
    return try list(members.map { $0.shown! }, at: time(passed).iso8601)
  }

  func give(_ station: String) -> FleetAnswer {
    beforeGiving(station)
    let member = self[station]
    var answer = member.answer
    answer.boot = member.boot
    given.append(station)
    if answer.result == .done {
      member.givenAt = passed
      member.whenGiven(member)
    }
    return answer
  }

  func boot(_ station: String) -> FleetBoot? {
    self[station].answersNothing || self[station].isSilent ? nil : self[station].boot
  }

  func askHealth(_ station: String) {
    asked.append(station)
    if !self[station].isSilent { tell(self[station]) }
  }

  func hasEndedTrial(_ station: String) -> Bool? { passed >= self[station].trialEnds }

  func wait(seconds: Double) { passed += seconds }
  var seconds: Double { passed }
  var now: UTC { time(passed) }
}

/// Waves over a world, with what they told.
struct Run {
  let world: World
  let file: TemporaryFile
  var settings = FleetWaveSettings()
  var stations = "*"

  init(_ world: World, _ file: TemporaryFile = TemporaryFile()) {
    (self.world, self.file) = (world, file)
    (settings.patienceSeconds, settings.operatorName) = (60, "ada")
    settings.operatorKey = "0123456789abcdef"
  }

  func callAsFunction(
    _ order: FleetOrder, resumes: Bool = false
  ) throws -> (isDone: Bool, told: [FleetRecord]) {
    for member in world.members { member.shown = nil }
    var told: [FleetRecord] = []
    let audit = try FleetAudit(file.path)
    var waves = FleetWaves(order, settings, world, try world.look(), audit) { told.append($0) }
    let isDone = try waves.run(try FleetChoice(stations), resumes: resumes)
    return (isDone, told)
  }
}

extension [FleetRecord] {
  /// "1 XX.A.00.EH well"
  var verdicts: [String] {
    filter { $0.kind == .verdict }.map {
      "\($0.wave!) \($0.station!) \($0.isWell! ? "well" : "fallen")"
    }
  }

  func text(_ kind: FleetRecord.Kind) -> String {
    filter { $0.kind == kind }.map { "\($0.station ?? ""): \($0.text ?? "")" }
      .joined(separator: "\n")
  }
}
