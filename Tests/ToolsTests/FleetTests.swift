// What a fleet looks like to its operator: what is wrong first, in words, and what a collector tells
// that nobody can use.

import Core
import Foundation
import Testing

@testable import Tools

@Suite struct FleetTests {
  private func overview(_ stations: [Told]) throws -> FleetOverview {
    FleetOverview(try list(stations), silentSeconds: 60)
  }

  private func findings(_ changes: [String: String]) throws -> [FleetFinding] {
    let stations = [Told("XX.A.00.EH", changes), Told("XX.B.00.EH"), Told("XX.C.00.EH")]
    return try overview(stations).rows.first { $0.station.code == "XX.A.00.EH" }!.findings
  }

  /// Each with its place, and words that are there. The worst first, as the list has them.
  private static let table:
    [(changes: [String: String], part: FleetPart, bad: Bool, words: String)] =
      [
        (
          ["alarm": "\"alarm\"", "alarm_reason": "\"a command\""], .alarm, true,
          "alarm (a command): look"
        ),
        (["alarm": "\"alarm, digitizer lost\""], .alarm, true, "digitizer lost"),
        (["alarm": "\"watch\""], .watch, true, "a watch is on"),
        (["received": "\"2026-11-30T09:58:00.000000Z\""], .silent, true, "silent for 2 min"),
        (["received": "null", "armed": "null"], .silent, true, "never"),
        (
          ["live": "false", "armed": "false", "why": "[\"not live\"]"], .live, true,
          "no frames come"
        ),
        (
          ["armed": "false", "why": "[\"inhibited\"]"], .armed, true,
          "switch is on or its wire is cut"
        ),
        (["armed": "false", "why": "[\"a new reason\"]"], .armed, true, "because a new reason"),
        (["clock": "\"free-running\""], .clock, true, "chronyc"),
        (["clock": "null"], .clock, true, "clock unknown"),
        (["loss_percent": "21"], .loss, true, "21.0 % of its messages are lost"),
        (["disk_free_mib": "99"], .disk, true, "99 MiB of disk free: make room"),
        (["calibration_days": "-1"], .calibration, true, "ran out 1 days ago"),
        (["armed": "false", "why": "[\"drill\"]"], .drill, false, "end it by drill 0"),
        (["clock": "\"holdover\""], .clock, false, "antenna"),
        (["uncertainty_ms": "5.1"], .clock, false, "uncertain by 5.1 ms"),
        (["delay_s": "-2.1"], .clock, false, "before they leave"),
        (["loss_percent": "1.01"], .loss, false, "look at its link"),
        (["delay_s": "5.1"], .delay, false, "5.1 s late"),
        (["disk_free_mib": "499"], .disk, false, "make room"),
        (["memory_mib": "49"], .memory, false, "eats the memory"),
        (["temperature_c": "80.1"], .temperature, false, "too hot"),
        (["calibration_days": "89"], .calibration, false, "runs out in 89 days"),
        (["calibration_days": "null"], .calibration, false, "no component is calibrated"),
        (["software": "\"0.1.9\""], .software, false, "0.1.9, where most have 0.2.0: bring it"),
        (["software": "\"0.10.0\""], .software, false, "where most have 0.2.0"),
      ]

  @Test func whatIsWrongIsNamed() throws {
    var last = 0
    for (changes, part, isBad, words) in Self.table {
      let found = try findings(changes)
      #expect(found.map(\.part) == [part], "\(changes)")
      #expect(found.first?.verdict == (isBad ? .bad : .doubtful), "\(changes)")
      #expect(found.first?.text.contains(words) ?? false, "\(found)")
      let rank = FleetFindings.rank(found)
      #expect(rank >= last, "\(changes)")
      last = rank
    }
    #expect(FleetFindings.rank([]) > last)
  }

  @Test func whatIsAtItsLimitIsWell() throws {
    for changes in [
      [:], ["uncertainty_ms": "5.0"], ["loss_percent": "1.00"], ["delay_s": "5.0"],
      ["delay_s": "-2.0"], ["disk_free_mib": "500"], ["memory_mib": "50"],
      ["temperature_c": "80.0"], ["calibration_days": "90"], ["memory_mib": "null"],
      ["received": "\"2026-11-30T09:59:05.100000Z\""],
      // Later than the collector's time: its clock was set back.
      ["received": "\"2026-11-30T10:09:05.000000Z\""],
      // So it was built.
      ["armed": "false", "why": "[\"no relay\"]"],
    ] as [[String: String]] {
      #expect(try findings(changes) == [], "\(changes)")
    }
  }

  @Test func theWorstComesFirst() throws {
    let codes = (0..<Self.table.count).map { "XX.S\($0).00.EH" }
    // Many are well, so that what most run stays the same.
    let others = (0..<30).map { Told("XX.W\($0).00.EH") }
    let stations = zip(codes, Self.table).map { Told($0, $1.changes) }
    let overview = try overview(others + stations.reversed())
    let ranks = overview.rows.map(\.rank)
    #expect(ranks == ranks.sorted())
    #expect(overview.rows[0].station.alarmStands && !overview.rows.last!.isWrong)
    #expect(overview.hasBad)
    #expect(
      overview.summary.hasPrefix("56 stations, 30 well; 2 with an alarm; 1 with a watch; 2 silent"))
    #expect(
      overview.summary.contains("onsetd 0.2.0 (54), 0.10.0 (1), 0.1.9 (1)"), "\(overview.summary)")
    #expect(overview.line(overview.rows.last!).contains("armed, clock locked, heard 5 s ago"))
  }

  /// What it said before it fell silent says nothing of now; an alarm stands until somebody looks.
  @Test func aSilentStationIsSilentAlone() throws {
    var changes = [
      "received": "\"2026-11-30T09:00:00.000000Z\"", "clock": "\"holdover\"", "live": "false",
    ]
    #expect(try findings(changes).map(\.part) == [.silent])
    changes["alarm"] = "\"alarm\""
    #expect(try findings(changes).map(\.part) == [.alarm, .silent])
    let loud = try list([Told("XX.A.00.EH", changes)])
    #expect(
      FleetOverview(loud, silentSeconds: 7200).rows[0].findings.map(\.part) == [
        .alarm, .live, .clock,
      ])
  }

  /// A list that somebody has damaged is refused, or read; nothing falls.
  @Test func damagedLists() throws {
    var random = RandomGenerator(seed: 1)
    let whole = listJson([Told("XX.A.00.EH"), Told("XX.B.00.EH")])
    var readCount = 0
    for _ in 0..<3000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        default: bytes.insert(bytes.randomElement(using: &random)!, at: place)
        }
      }
      guard let list = try? FleetList(bytes, from: "test") else { continue }
      readCount += 1
      let overview = FleetOverview(list, silentSeconds: 60)
      for row in overview.rows {
        let line = overview.line(row) + row.json + overview.summary
        #expect(line.contains(row.station.code))
      }
    }
    #expect(readCount > 100)
  }

  @Test func aDrillIsNoAlarm() throws {
    let drill = [
      "alarm": "\"alarm\"", "alarm_drill": "true", "armed": "false", "why": "[\"drill\"]",
    ]
    #expect(try findings(drill).allSatisfy { $0.part == .drill && $0.verdict == .doubtful })
    #expect(try !overview([Told("XX.A.00.EH", drill)]).hasBad)
    let more = ["armed": "false", "why": "[\"drill\",\"a new reason\"]"]
    #expect(try findings(more).map(\.verdict) == [.bad])
  }

  /// Where as many stations have one version as another, the newer is the usual one.
  @Test func theUsualSoftware() throws {
    let two = [
      Told("XX.A.00.EH", ["software": "\"0.10.0\""]), Told("XX.B.00.EH", ["software": "\"0.9.1\""]),
    ]
    let found = try overview(two).rows.filter(\.isWrong)
    #expect(found.map(\.station.code) == ["XX.B.00.EH"])
    #expect(
      SoftwareVersion.isOlder("0.9", than: "0.9.1") && !SoftwareVersion.isOlder("1", than: "1"))
    // A part that no number holds is no reason to fall.
    #expect(SoftwareVersion.isOlder("1.0", than: "1.99999999999999999999999"))
  }

  @Test func theCollectorsObjectGoesOnAsItIs() throws {
    let row = try overview([Told("XX.A.00.EH", ["new": "{\"x\":[1.50,\"},\\\"]\"]}"])]).rows[0]
    #expect(row.json.contains("\"new\":{\"x\":[1.50,\"},\\\"]\"]}"))
    #expect(row.json.contains("\"noise_counts\":90.10"))
    #expect(row.json.hasSuffix(",\"rank\":28,\"wrong\":[]}"))
    let object = try JSONSerialization.jsonObject(with: Data(row.json.utf8)) as? [String: Any]
    #expect(object?["station"] as? String == "XX.A.00.EH")
    var chosen = try overview([Told("XX.A.00.EH"), Told("XX.B.00.EH")])
    try chosen.keep(try FleetChoice("XX.B*"))
    #expect(chosen.rows.map(\.station.code) == ["XX.B.00.EH"])
    #expect(throws: ToolError.self) { try chosen.keep(try FleetChoice("XX.C*")) }
    let silent = FleetOverview(try list([Told("XX.A.00.EH")]), silentSeconds: 1).rows[0]
    #expect(silent.json.contains("\"wrong\":[{\"part\":\"silent\",\"verdict\":\"bad\",\"text\":"))
  }

  // MARK: Located earthquakes

  private func origins(_ members: String) throws -> [FleetOrigin] {
    let text =
      "{\"origins\":[{\"id\":\"a1\",\"time\":\"2026-11-30T10:00:00.250000Z\",\(members),"
      + "\"latitude\":46.25,\"longitude\":-7.5,\"depth_km\":9.6,\"rms_s\":0.123}]}"
    return try FleetOrigin.list(Array(text.utf8), from: "URL")
  }

  @Test func anOriginIsALine() throws {
    let picks = "\"picks\":[{\"station\":\"XX.A\"},{\"station\":\"XX.B\"},{\"station\":\"XX.A\"}]"
    let one = try #require(try origins("\"magnitude\":4.53,\(picks)").first)
    #expect(
      one.line
        == "2026-11-30T10:00:00.250000Z  M 4.5  46.2500, -7.5000, 9.6 km deep; "
        + "3 picks of 2 stations, within 0.12 s; a1")
    #expect(one.stations == ["XX.A", "XX.B"])
    #expect(one.json.hasPrefix("{\"id\":\"a1\"") && one.json.hasSuffix("\"rms_s\":0.123}"))
    let unsized = try #require(try origins("\"magnitude\":null,\"picks\":[]").first)
    #expect(unsized.line.contains("  M ?    46.2500, ") && unsized.stations == [])
    let error = #expect(throws: ToolError.self) { try origins("\"magnitude\":null") }
    #expect(error?.description.contains("no origins[0].picks") ?? false)
  }

  // MARK: Which stations

  @Test func patternsChooseAsAShellHasThem() throws {
    let known = try list(["B2", "A2", "A1", "C1"].map { Told("XX.\($0).00.EH") })
    func chosen(_ text: String) throws -> [String] {
      try FleetChoice(text).stations(of: known).map { String($0.code.dropFirst(3).prefix(2)) }
    }
    #expect(try chosen("*") == ["A1", "A2", "B2", "C1"])
    // In the order of the patterns, each once.
    #expect(try chosen("XX.C1.00.EH,XX.A*,*") == ["C1", "A1", "A2", "B2"])
    #expect(try chosen("XX.?2.00.EH,XX.A2.00.EH") == ["A2", "B2"])
    #expect(throws: ToolError.self) { try chosen("XX.D*") }
    #expect(throws: UsageError.self) { try chosen("XX.A*,") }
    #expect(try FleetChoice("XX.A1.00.EH,XX.B*").chooses("XX.B2.00.EH"))
    #expect(try !FleetChoice("XX.A1.00.EH,XX.B*").chooses("XX.A2.00.EH"))
    #expect(try FleetChoice("XX.A1.00.EH,XX.B*").names("XX.A1.00.EH"))
    #expect(try !FleetChoice("XX.A1.00.EH,XX.B*").names("XX.B2.00.EH"))
  }

  // MARK: Strange collectors

  @Test(arguments: [
    ("", "no JSON"), ("<html>", "no JSON"), ("[]", "not the object"), ("{}", "has no time"),
    ("{\"time\":\"2026-11-30T10:00:00Z\"}", "has no stations"),
    ("{\"time\":\"noon\",\"stations\":[]}", "time is none"),
    ("{\"time\":1,\"stations\":[]}", "time is of another type"),
    ("{\"time\":\"2026-11-30T10:00:00Z\",\"stations\":{}}", "stations is of another type"),
    ("{\"time\":\"2026-11-30T10:00:00Z\",\"stations\":[3]}", "stations[0] is of another type"),
    ("{\"time\":\"2026-11-30T10:00:00Z\",\"stations\":[{}]}", "no stations[0].station"),
  ])
  func whatIsNoListIsRefused(_ text: String, _ words: String) {
    let error = #expect(throws: ToolError.self) { try FleetList(Array(text.utf8), from: "URL") }
    #expect(error?.description.hasPrefix("URL: ") ?? false)
    #expect(error?.description.contains(words) ?? false, "\(error!)")
  }

  @Test(arguments: [
    ("armed", "\"yes\"", "armed is of another type"), ("armed", "1", "armed is of another type"),
    ("why", "\"drill\"", "why is of another type"), ("loss_percent", "\"1\"", "loss_percent is"),
    ("received", "\"now\"", "received: it is no time"), ("software", "2", "software is of another"),
    ("disk_free_mib", "true", "disk_free_mib is of another type"),
    ("station", "\"../../etc\"", "no station's code"),
    ("station", "\"XX.\\u001b[2J.00.EH\"", "?[2J"),
  ])
  func aStrangeMemberIsRefused(_ name: String, _ value: String, _ words: String) throws {
    // The first of two members of a name, so that a code can be another one.
    let text = String(decoding: listJson([Told("XX.A.00.EH")]), as: UTF8.self)
    let own = try #require(text.firstMatch(of: try Regex("\"\(name)\":(\\[\\]|\"[^\"]*\"|[^,}]+)")))
    let changed = text.replacingCharacters(in: own.range, with: "\"\(name)\":\(value)")
    let error = #expect(throws: ToolError.self) { try FleetList(Array(changed.utf8), from: "URL") }
    #expect(error?.description.contains(words) ?? false, "\(error!)")
  }

  @Test func twiceTheSameStationIsRefused() {
    #expect(throws: ToolError.self) { try list([Told("XX.A.00.EH"), Told("XX.A.00.EH")]) }
  }

  @Test func absurdNumbersAreToldAndNotReckonedWith() throws {
    let absurd = [
      "calibration_days": "-1e300", "disk_free_mib": "-1e300", "delay_s": "1e300",
      "uncertainty_ms": "1e300", "received": "\"1678-01-01T00:00:00.000000Z\"",
      "loss_percent": "1e300",
    ]
    let overview = FleetOverview(
      try list([Told("XX.A.00.EH", absurd)], at: "2261-12-31T00:00:00.000000Z"), silentSeconds: 60)
    #expect(overview.rows[0].findings.map(\.part) == [.silent])
    #expect(try findings(absurd.filter { $0.key != "received" }).count == 5)
  }

  /// What another program says moves no cursor.
  @Test func controlCharactersAreNotShown() throws {
    let found = try findings(["armed": "false", "why": "[\"\\u001b[2Jx\"]"])
    #expect(found[0].text.contains("?[2Jx") && !found[0].text.contains("\u{1B}"))
  }

  @Test func slicesOfWhatIsNoJson() {
    func bytes(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }
    for text in [
      "", "{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":\"\\", "{\"a\":[", "[", "]", "{]",
    ] {
      #expect(JsonSlices.member("a", of: bytes(text)) == nil, "\(text)")
      #expect(JsonSlices.elements(bytes(text)).isEmpty, "\(text)")
    }
    let text = " { \"b\" : [ 1 , \"x,]\" , { } , null ] , \"a\":-1.5e3} "
    #expect(JsonSlices.member("a", of: bytes(text)).map(JsonSlices.string) == "-1.5e3")
    let array = JsonSlices.member("b", of: bytes(text))!
    #expect(JsonSlices.elements(array).map(JsonSlices.string) == ["1", "\"x,]\"", "{ }", "null"])
    #expect(JsonSlices.string(bytes("{ }"), with: [("a", "1")]) == "{ \"a\":1}")
    #expect(JsonSlices.string(bytes("{\"x\":{}}"), with: [("a", "1")]) == "{\"x\":{},\"a\":1}")
  }

  @Test func troublesOfTheCollector() {
    func all(_ text: String) -> [String] { FleetTrouble.all(Array(text.utf8)).map(\.line) }
    #expect(
      all("") == [] && all("onset_collector_storing 1.0\nonset_collector_lost_total 0.0\n") == [])
    #expect(all("# x\nonset_collector_storing 0.0\n")[0].contains("does not store"))
    #expect(all("onset_collector_clock_wrong 1.0\nonset_collector_lost_total 3.0").count == 2)
  }
}
