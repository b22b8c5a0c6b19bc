// Waves over a fleet, and their audit: what goes out when, what stops it, and who has what after an
// interruption at any place.

import Core
import Foundation
import Testing

@testable import Tools

@Suite struct FleetWavesTests {
  private static let codes = (0..<10).map { "XX.S\($0).00.EH" }
  private let ratio = try! FleetOrder(parameter: "trigger_ratio", value: "7")
  private let restart = try! FleetOrder(parameter: "restart", value: "1")
  private let drill = try! FleetOrder(parameter: "drill", value: "1")

  // MARK: What goes out when

  @Test func wavesGrowToTheirLargest() throws {
    let world = World(Self.codes)
    var run = Run(world)
    run.settings.waveMaximum = 4
    let (isDone, told) = try run(ratio)
    #expect(isDone && world.given == Self.codes)
    let results = told.filter { $0.kind == .result }
    #expect(results.map(\.wave) == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4])
    #expect(told.verdicts.count == 10 && told.allSatisfy { $0.isWell != false })
    #expect(told.last?.text == "10 of 10 have it, 10 as well as before")
    // A wave goes out when the one before is judged.
    for wave in 1...3 {
      let judged = try #require(told.lastIndex { $0.kind == .verdict && $0.wave == wave })
      let next = try #require(told.firstIndex { $0.kind == .intent && $0.wave == wave + 1 })
      #expect(judged < next)
    }
  }

  @Test func withoutASizeAWaveIsATenthAndFiftyAtMost() {
    let settings = FleetWaveSettings()
    let sizes = [1, 5, 10, 39, 400, 5000].map(settings.waveMaximum)
    #expect(sizes == [1, 1, 1, 3, 40, 50])
  }

  /// What it told before it was given anything, and at once after it, says nothing.
  @Test func healthCountsThatCameAfterwards() throws {
    let world = World(["XX.S0.00.EH"])
    world["XX.S0.00.EH"].intervalSeconds = 7
    // It is worse at first, and then well again.
    world["XX.S0.00.EH"].whenGiven = { $0.told.members["live"] = "false" }
    world["XX.S0.00.EH"].later = [(9, { $0.told.members["live"] = "true" })]
    let (isDone, told) = try Run(world)(ratio)
    #expect(isDone && told.verdicts == ["1 XX.S0.00.EH well"])
    #expect(world.passed >= 14)
  }

  /// Some tell it once an hour, and much is lost on the way.
  @Test func whoSaysNothingIsAsked() throws {
    let world = World(["XX.S0.00.EH"])
    world["XX.S0.00.EH"].intervalSeconds = 3600
    var run = Run(world)
    run.settings.silentSeconds = 7200
    let (isDone, _) = try run(ratio)
    #expect(isDone && world.asked == ["XX.S0.00.EH"])
  }

  @Test func aQuestionGoesToAllAndWaitsForNothing() throws {
    let world = World(Self.codes)
    world[Self.codes[1]].answer = FleetAnswer(result: .notReached, text: "no answer")
    world[Self.codes[2]].told.members["received"] = "\"2026-11-29T00:00:00Z\""
    world[Self.codes[2]].isSilent = true
    // Whoever asks changes nothing.
    world[Self.codes[3]].told.members["alarm"] = "\"alarm\""
    for code in Self.codes { world[code].answer.value = "5" }
    let (isDone, told) = try Run(world)(try FleetOrder(parameter: "trigger_ratio", value: nil))
    #expect(!isDone && world.given.count == 9 && told.verdicts.isEmpty)
    #expect(
      told.last?.text == "8 of 10 have answered, 1 left out; untouched: XX.S1.00.EH")
    #expect(told.filter { $0.answer == "5" }.count == 9 && world.passed == 0)
  }

  // MARK: What stops it

  private static let falls:
    [(name: String, change: @Sendable (World.Member) -> Void, words: String)] =
      [
        ("armed", { $0.told.members["armed"] = "false" }, "not armed any more"),
        (
          "why",
          {
            $0.told.members["armed"] = "false"
            $0.told.members["why"] = "[\"lanes broken\"]"
          }, "too few components"
        ),
        ("live", { $0.told.members["live"] = "false" }, "not live any more"),
        ("clock", { $0.told.members["clock"] = "\"holdover\"" }, "holdover now and was locked"),
        ("clock", { $0.told.members["clock"] = "null" }, "unknown now and was locked"),
        ("relay", { $0.told.members["relay"] = "\"faulty\"" }, "relay is faulty"),
        ("alarm", { $0.told.members["alarm"] = "\"watch\"" }, "has the watch now"),
        ("disk", { $0.told.members["disk_free_mib"] = "3" }, "3 MiB of disk"),
        ("boot", { $0.startAnew() }, "which nobody had asked for"),
        ("silence", { $0.isSilent = true }, "has not told its health since"),
        ("answers", { $0.answersNothing = true }, "does not answer"),
        ("gone", { $0.told.code = "XX.GONE.00.EH" }, "does not tell of it"),
      ]

  @Test(arguments: falls.indices) func itStopsWhenHealthFalls(_ index: Int) throws {
    let (name, change, words) = Self.falls[index]
    let world = World(Self.codes)
    world[Self.codes[2]].whenGiven = change
    var run = Run(world)
    run.settings.waveMaximum = 4
    let (isDone, told) = try run(ratio)
    #expect(!isDone && world.given == Array(Self.codes[..<3]), "\(name)")
    // The other one of its wave is judged too.
    #expect(
      Set(told.verdicts) == [
        "1 XX.S0.00.EH well", "2 XX.S1.00.EH well", "2 XX.S2.00.EH fallen",
      ], "\(name)")
    let end = try #require(told.last)
    #expect(end.isFinished == false && end.untouched == Array(Self.codes[3...]))
    #expect(end.text?.hasPrefix("stopped, because of XX.S2.00.EH: ") ?? false)
    #expect(end.text?.contains(words) ?? false, "\(end.text!)")
    #expect(end.text?.contains("3 of 10 have it, 2 as well as before") ?? false)
  }

  /// An alarm is not waited out.
  @Test func anAlarmStopsAtOnce() throws {
    let world = World(Self.codes)
    world[Self.codes[0]].whenGiven = { $0.told.members["alarm"] = "\"alarm\"" }
    _ = try Run(world)(ratio)
    #expect(world.passed < 20 && world.given.count == 1)
  }

  @Test(arguments: [FleetRecord.Result.refused, .notReached, .unknown])
  func itStopsWhereAStationDoesNotObey(_ result: FleetRecord.Result) throws {
    let world = World(Self.codes)
    world[Self.codes[1]].answer = FleetAnswer(result: result, text: "out of range")
    var run = Run(world)
    run.settings.waveMaximum = 4
    let (isDone, told) = try run(ratio)
    #expect(!isDone && world.given == Array(Self.codes[..<2]))
    let end = try #require(told.last)
    #expect(end.text?.contains("XX.S1.00.EH: \(result.rawValue), out of range") ?? false)
    // Where nobody knows, it is not untouched.
    let untouched = Self.codes[(result == .unknown ? 2 : 1)...]
    #expect(Set(end.untouched ?? []) == Set(untouched))
  }

  /// A collector that starts anew is waited for, as long as everything is.
  @Test func aCollectorThatIsAwayForAMoment() throws {
    let world = World(["XX.S0.00.EH"])
    var run = Run(world)
    world["XX.S0.00.EH"].whenGiven = { _ in world.looksThatFail = 8 }
    #expect(try run(ratio).isDone)
    world["XX.S0.00.EH"].whenGiven = { _ in world.looksThatFail = 10_000 }
    run.stations = "XX.S0.00.EH"
    let (isDone, told) = try run(try FleetOrder(parameter: "trigger_ratio", value: "8"))
    #expect(!isDone && told.text(.verdict).contains("the collector cannot be asked"))
  }

  // MARK: A new start

  @Test func aRestartIsOneNewStartAndHealthAfterIt() throws {
    let world = World(Array(Self.codes[..<2]))
    for code in Self.codes[..<2] {
      world[code].whenGiven = { $0.told.members["live"] = "false" }
      world[code].later = [
        (5, { $0.startAnew() }), (30, { $0.told.members["live"] = "true" }),
      ]
    }
    let (isDone, told) = try Run(world)(restart)
    #expect(isDone && told.verdicts.count == 2 && world.passed >= 60)
  }

  @Test func aRestartThatIsNone() throws {
    func verdict(_ happens: @escaping (World.Member) -> Void) throws -> String {
      let world = World(["XX.S0.00.EH"])
      world["XX.S0.00.EH"].whenGiven = happens
      return try Run(world)(restart).told.text(.verdict)
    }
    #expect(try verdict { _ in }.contains("has not started anew"))
    #expect(
      try verdict {
        $0.startAnew()
        $0.startAnew()
      }.contains("started anew 2 times"))
    #expect(
      try verdict { $0.boot = FleetBoot(epoch: 8, counter: 1, nonce: 9) }.contains("folder is new"))
    #expect(
      try verdict { $0.boot = FleetBoot(epoch: 7, counter: 2, nonce: 9) }.contains("an older one"))
    #expect(
      try verdict {
        $0.startAnew()
        $0.answersNothing = true
      }.contains("does not answer since"))
  }

  private func network(shadowSeconds: Int?) throws -> FleetOrder {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "../../calibration/models/onset-picker.onet").path
    return try FleetOrder(networkPath: path, shadowSeconds: shadowSeconds)
  }

  @Test func aNetworkIsWaitedForUntilItsTrialIsOver() throws {
    let order = try network(shadowSeconds: 3600)
    #expect(order.words.contains("(onset-picker), 3600 s in the shadow") && order.startsAnew)
    let world = World(Array(Self.codes[..<2]))
    for code in Self.codes[..<2] {
      world[code].told.members["model"] = "\"another\""
      world[code].later = [
        (
          3605,
          {
            $0.startAnew()
            $0.told.members["model"] = "\"onset-picker\""
            $0.trialEnds = world.passed + 20
          }
        )
      ]
    }
    #expect(try Run(world)(order).isDone && world.passed > 7240)
    // After a roll-back another one picks.
    let other = World(["XX.S0.00.EH"])
    other["XX.S0.00.EH"].told.members["model"] = "\"another\""
    other["XX.S0.00.EH"].later = [(3605, { $0.startAnew() })]
    #expect(
      try Run(other)(order).told.text(.verdict).contains(
        "another picks there, and not onset-picker"))
    // One that waits in the shadow is given its end by a command.
    func shadow(_ seconds: String) throws -> FleetOrder {
      try FleetOrder(parameter: "network_shadow_seconds", value: seconds)
    }
    let later = try shadow("60")
    #expect(later.startsAnew && later.isTried && later.secondsBefore == 60)
    #expect(try !shadow("-1").startsAnew && !FleetOrder(parameter: "drill", value: "1").startsAnew)
    #expect(try restart.startsAnew && !restart.isTried)
    // Without an end of the shadow nothing starts anew.
    let still = World(["XX.S0.00.EH"])
    #expect(try Run(still)(network(shadowSeconds: nil)).isDone)
  }

  // MARK: Who is left out

  @Test func whatIsNotWellIsLeftOutUnlessItIsNamed() throws {
    let world = World(Array(Self.codes[..<6]))
    world[Self.codes[0]].isSilent = true
    world[Self.codes[0]].told.members["received"] = "\"2026-11-29T00:00:00Z\""
    world[Self.codes[1]].told.members["alarm"] = "\"alarm\""
    world[Self.codes[2]].told.members.merge(["armed": "false", "why": "[\"drill\"]"]) { $1 }
    world[Self.codes[3]].told.members["disk_free_mib"] = "9"
    // Somebody should look at it some day.
    world[Self.codes[4]].told.members["calibration_days"] = "30"
    var run = Run(world)
    let (isDone, told) = try run(ratio)
    #expect(!isDone && world.given == Array(Self.codes[4...5]))
    let skipped = told.text(.skip)
    for words in ["XX.S0.00.EH: silent", "XX.S1.00.EH: alarm:", "S2.00.EH: a drill is on", "9 MiB"]
    {
      #expect(skipped.contains(words), "\(skipped)")
    }
    #expect(told.last?.text == "2 of 6 have it, 2 as well as before, 4 left out")
    #expect(told.last?.isFinished == true)
    run.stations = "XX.S3.00.EH,XX.S2.00.EH"
    #expect(try run(try FleetOrder(parameter: "trigger_ratio", value: "8")).isDone)
    #expect(world.given.suffix(2) == ["XX.S3.00.EH", "XX.S2.00.EH"])
  }

  /// What an order is there for is no reason to leave a station out, and no fall.
  @Test func drillsAndReleases() throws {
    let world = World(Array(Self.codes[..<2]))
    world[Self.codes[0]].told.members["alarm"] = "\"alarm\""
    world[Self.codes[0]].whenGiven = { $0.told.members["alarm"] = "\"quiet\"" }
    #expect(try Run(world)(try FleetOrder(parameter: "release", value: nil)).isDone)
    let quiet = World(Array(Self.codes[..<2]))
    for code in Self.codes[..<2] {
      quiet[code].whenGiven = {
        $0.told.members.merge(["armed": "false", "why": "[\"drill\"]"]) { $1 }
      }
    }
    #expect(try Run(quiet)(drill).isDone)
    for code in Self.codes[..<2] {
      quiet[code].whenGiven = { $0.told.members.merge(["armed": "true", "why": "[]"]) { $1 } }
    }
    #expect(try Run(quiet)(try FleetOrder(parameter: "drill", value: "0")).isDone)
  }

  // MARK: The audit

  @Test func eachStepIsWrittenBeforeTheNext() throws {
    let (world, file) = (World(Array(Self.codes[..<3])), TemporaryFile())
    var seen: [Int] = []
    world.beforeGiving = { station in
      seen.append(file.lines.count)
      let last = file.lines.last ?? ""
      #expect(last.contains("\"type\":\"intent\"") && last.contains("\"station\":\"\(station)\""))
    }
    _ = try Run(world, file)(ratio)
    #expect(seen == [2, 5, 8])
    let line = file.lines[2]
    for part in [
      "\"type\":\"result\"", "\"operator\":\"ada\",\"key\":\"0123456789abcdef\"",
      "\"parameter\":\"trigger_ratio\"",
      "\"value\":\"7\"", "\"station\":\"XX.S0.00.EH\"", "\"wave\":1", "\"result\":\"done\"",
      "\"boot\":{\"epoch\":\"7\",\"counter\":3,\"nonce\":\"8000000000000005\"}",
    ] { #expect(line.contains(part), "\(part)") }
    // Each is what it was when it is read.
    let read = try FleetAudit(file.path).records
    #expect(read.map(\.json) == file.lines)
  }

  /// Cut off after any line, going on gives the order to nobody twice, and to everybody once.
  @Test func goingOnAfterAnInterruptionAnywhere() throws {
    let first = TemporaryFile()
    _ = try Run(World(Array(Self.codes[..<4])), first)(ratio)
    let lines = first.lines
    #expect(lines.count == 14)
    for count in 1..<lines.count {
      for torn in ["", String(lines[count].dropLast(7))] {
        let file = TemporaryFile()
        try file.write(lines[..<count].map { $0 + "\n" }.joined() + torn)
        let world = World(Array(Self.codes[..<4]))
        #expect(throws: ToolError.self) { try Run(world, file)(ratio) }
        let before = lines[..<count].map(Array.init).filter { String($0).contains("\"intent\"") }
          .count
        let isUnknown = lines[count - 1].contains("\"intent\"")
        let (isDone, told) = try Run(world, file)(ratio, resumes: true)
        #expect(world.given == Array(Self.codes[before..<4]), "\(count)")
        #expect(isDone == !isUnknown, "\(count) \(told.text(.end))")
        // What had been given and not judged is judged first.
        let isUnjudged = lines[count - 1].contains("\"result\"")
        #expect(told.verdicts.contains { $0.hasPrefix("0 ") } == isUnjudged, "\(count)")
        if isUnknown { #expect(told.text(.skip).contains("nobody knows whether it came")) }
        // Whoever is named gets it once more.
        guard isUnknown else { continue }
        var run = Run(world, file)
        run.stations = Self.codes[before - 1]
        #expect(try run(ratio, resumes: true).isDone && world.given.last == run.stations)
      }
    }
  }

  /// What was given before an interruption is compared with how it was then.
  @Test func whatFellDuringTheInterruptionIsSeen() throws {
    let file = TemporaryFile()
    _ = try Run(World(Array(Self.codes[..<4])), file)(ratio)
    try file.write(file.lines[..<3].map { $0 + "\n" }.joined())
    let world = World(Array(Self.codes[..<4]))
    world[Self.codes[0]].told.members["clock"] = "\"free-running\""
    let (isDone, told) = try Run(world, file)(ratio, resumes: true)
    #expect(!isDone && world.given.isEmpty && told.verdicts == ["0 XX.S0.00.EH fallen"])
    // Whoever goes on has seen it, and it is not given again.
    let (_, later) = try Run(world, file)(ratio, resumes: true)
    #expect(world.given == Array(Self.codes[1...3]))
    #expect(later.text(.skip).contains("was not as well after it"))
  }

  @Test func goingOnLaterReachesWhoWasLeftOutOrRefused() throws {
    let (world, file) = (World(Array(Self.codes[..<3])), TemporaryFile())
    world[Self.codes[0]].told.members["disk_free_mib"] = "9"
    world[Self.codes[1]].answer = FleetAnswer(result: .refused)
    #expect(try !Run(world, file)(ratio).isDone)
    world[Self.codes[0]].told.members["disk_free_mib"] = "900"
    world[Self.codes[1]].answer = FleetAnswer(result: .done)
    #expect(try Run(world, file)(ratio, resumes: true).isDone)
    #expect(world.given == [1, 0, 1, 2].map { Self.codes[$0] })
    // It came to its end, and the same may be given once more.
    #expect(try Run(world, file)(ratio).isDone && world.given.count == 7)
  }

  /// It was sent and no answer came: it may have it.
  @Test func whereNobodyKnowsItIsNotGivenTwice() throws {
    let (world, file) = (World(Array(Self.codes[..<2])), TemporaryFile())
    world[Self.codes[0]].answer = FleetAnswer(result: .unknown, text: "no answer")
    #expect(try !Run(world, file)(ratio).isDone)
    world[Self.codes[0]].answer = FleetAnswer(result: .done)
    let (isDone, told) = try Run(world, file)(ratio, resumes: true)
    #expect(!isDone && world.given == Array(Self.codes[..<2]))
    #expect(told.text(.skip).contains("XX.S0.00.EH: it was sent to it and nobody knows"))
    var run = Run(world, file)
    run.stations = Self.codes[0]
    #expect(try run(ratio, resumes: true).isDone && world.given.count == 3)
  }

  @Test func anotherOrderIsNoneToGoOnWith() throws {
    let (world, file) = (World(Self.codes), TemporaryFile())
    _ = try Run(world, file)(ratio)
    for other in [restart, drill, try FleetOrder(parameter: "trigger_ratio", value: "7.5")] {
      #expect(throws: ToolError.self) { try Run(world, file)(other, resumes: true) }
    }
    let same = try FleetOrder(parameter: "trigger_ratio", value: "7.0")
    #expect(try Run(world, file)(same, resumes: true).isDone && world.given.count == 10)
  }

  @Test func anAuditThatIsNoneOrIsTaken() throws {
    let file = TemporaryFile()
    try file.write("{\"time\":\"2026-11-30T10:00:00Z\"}\nx\n")
    let error = #expect(throws: ToolError.self) { try FleetAudit(file.path) }
    #expect(error?.description.contains("\(file.path):1: it is no line of an audit") ?? false)
    let other = TemporaryFile()
    let held = try FleetAudit(other.path)
    #expect(throws: ToolError("\(other.path): another onset fleet is at work with it")) {
      try FleetAudit(other.path)
    }
    withExtendedLifetime(held) {}
    #expect(throws: ToolError.self) { try FleetAudit("/nowhere/audit") }
  }

  /// A full disk: nothing is sent that is not written down.
  @Test func anAuditThatTakesNothing() throws {
    let world = World(Self.codes)
    let audit = try FleetAudit("/dev/full")
    var waves = FleetWaves(ratio, FleetWaveSettings(), world, try world.look(), audit) { _ in }
    let error = #expect(throws: ToolError.self) {
      try waves.run(try FleetChoice("*"), resumes: false)
    }
    #expect(error?.description.contains("/dev/full: takes nothing") ?? false)
    #expect(world.given.isEmpty)
  }

  @Test func ordersThatAreNone() {
    #expect(throws: UsageError.self) { try FleetOrder(parameter: "trigger", value: nil) }
    #expect(throws: UsageError.self) { try FleetOrder(parameter: "uplink_key", value: "1") }
    #expect(throws: ToolError.self) { try FleetOrder(parameter: "trigger_ratio", value: "much") }
    #expect(throws: (any Error).self) {
      try FleetOrder(networkPath: "/dev/null", shadowSeconds: nil)
    }
  }
}
