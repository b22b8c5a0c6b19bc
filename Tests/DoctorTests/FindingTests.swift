// What is said of a part, as a line and as JSON, and what is made of a running station's health.
// The self-test itself needs a card in real time: Tests/System/test_firmware.py and test_board.py
// run it.

import CLinux
import Clock
import Core
import Digitizer
import Foundation
import Testing
import Tools
import Uplink

@testable import Doctor

private func healthy() -> (HealthMessage, Header) {
  var health = HealthMessage()
  (health.isLive, health.frames, health.machine.uptimeSeconds) = (true, 8_000_000, 90_000)
  (health.machine.diskFreeMebibytes, health.machine.memoryAvailableMebibytes) = (5000, 400)
  health.noiseCountsBits = Float(12.5).bitPattern
  health.machine.temperatureCentidegrees = 41_50
  health.model.append("onset-picker")
  (health.relay, health.inhibit, health.calibrationDays) = (.atRest, 1, 400)
  let header = Header(
    type: .pong, station: StationCode("XX.T..HN"), epoch: 1, bootCounter: 1, sequence: 1,
    emitted: UTC(nanoseconds: 0), clockState: ClockState.locked.rawValue,
    clockSource: ClockSource.pulse.rawValue, clockUncertaintyNanoseconds: 1200)
  (health.relay, health.calibrationDays) = (.atRest, 300)
  return (health, header)
}

private func verdicts(
  _ change: (inout HealthMessage, inout Header) -> Void = { _, _ in }
) -> [String: (Verdict, String)] {
  var (health, header) = healthy()
  change(&health, &header)
  let findings = HealthFindings.of(health, header)
  return Dictionary(
    uniqueKeysWithValues: findings.map { ("\($0.part)", ($0.verdict, $0.text.string)) })
}

@Suite struct FindingTests {
  @Test func aLineIsForPeople() {
    #expect(
      Finding("key", .bad, "is open").line.string == "BAD      key         is open\n")
    #expect(
      Finding("calibration", .doubtful, "old").line.string == "doubtful calibration old\n")
    #expect(Finding("pps", .skipped, "none").line.string == "skipped  pps         none\n")
  }

  @Test func jsonIsJsonWhateverAFileIsCalled() throws {
    let nasty = Diagnostic("key file ", Text<40>("a\"b\\c\u{1}ä"), " cannot be read")
    let text = Finding("key", nasty).json.string
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String]
    #expect(object?["text"] == "key file a\"b\\c??? cannot be read")
    #expect(object?["verdict"] == "bad" && object?["part"] == "key" && object?["type"] == "finding")
    var long = Text<320>()
    for _ in 0..<320 { long.append(byte: UInt8(ascii: "\"")) }
    let full = Finding("calibration", .doubtful, long).json.string
    #expect(try JSONSerialization.jsonObject(with: Data(full.utf8)) is [String: String])
  }

  @Test func aStateFolderThatForgetsIsNamed() {
    let memory = SelfTest.state(Int32(CLINUX_KEPT_IN_MEMORY))
    #expect(memory?.verdict == .doubtful)
    #expect(memory?.text.string.hasPrefix("the state folder is in memory (tmpfs)") == true)
    let overlay = SelfTest.state(Int32(CLINUX_KEPT_BY_OVERLAY))
    #expect(overlay?.verdict == .doubtful)
    #expect(overlay?.text.string.hasPrefix("the state folder is on an overlay") == true)
    for found in [memory, overlay] {
      // The longest of both is told to its end.
      #expect(found?.text.string.contains("waiting detections, the site term, a latch") == true)
      #expect(found?.text.string.hasSuffix("boards/README.md") == true)
    }
    #expect(SelfTest.state(Int32(CLINUX_KEPT_ON_DISK)) == nil)
  }

  @Test func allIsWell() {
    let all = verdicts()
    #expect(all.count == 12)
    for (part, found) in all { #expect(found.0 == .good, "\(part): \(found.1)") }
    #expect(all["clock"]!.1.contains("locked to the pulse, uncertain by 0.001 ms"))
    #expect(all["station"]!.1.contains("25.0 hours"))
    #expect(all["alarm"]!.1.hasPrefix("armed, an alarm closes the relay"))
    #expect(verdicts { h, _ in h.isLatched = true }["alarm"]!.1.contains("until a command"))
  }

  @Test func whatIsWrongIsNamed() {
    typealias Change = (inout HealthMessage, inout Header) -> Void
    let cases: [(String, Verdict, String, Change)] = [
      (
        "alarm", .bad, "NOT armed, because the inhibiting switch is on",
        { h, _ in h.incapacity = .inhibited }
      ),
      (
        "alarm", .doubtful, "a drill is on for 2 min",
        { h, _ in (h.incapacity, h.drillSeconds) = (.drill, 61) }
      ),
      ("alarm", .bad, "cannot be read", { h, _ in h.incapacity = .inhibitUnreadable }),
      ("relay", .doubtful, "an alarm stands", { h, _ in h.alarmState = 2 }),
      ("relay", .bad, "the digitizer is lost", { h, _ in h.alarmState = 3 }),
      ("relay", .doubtful, "waits for the site's others", { h, _ in h.alarmState = 4 }),
      ("calibration", .doubtful, "runs out in 89 days", { h, _ in h.calibrationDays = 89 }),
      ("calibration", .bad, "ran out 1 days ago", { h, _ in h.calibrationDays = -1 }),
      ("parameters", .doubtful, "trigger_ratio", { h, _ in h.changedParameters = 1 }),
      ("state", .bad, "the disk does not take", { h, _ in h.losesState = true }),
      ("station", .bad, "not live", { h, _ in h.isLive = false }),
      ("clock", .doubtful, "is gone", { _, header in header.clockState = 2 }),
      ("clock", .bad, "nobody tells", { _, header in header.clockState = 0 }),
      (
        "clock", .bad, "chrony.conf lacks rtcsync",
        { h, header in (header.clockState, h.machine.timeStratum) = (0, 2) }
      ),
      (
        "clock", .doubtful, "nearer time server",
        { _, header in header.clockUncertaintyNanoseconds = 6_000_000 }
      ),
      (
        "clock", .doubtful, "chrony where it is systemd-timesyncd",
        { _, header in
          header.clockSource = ClockSource.system.rawValue
          header.clockUncertaintyNanoseconds = 50_000_000
        }
      ),
      (
        "clock", .doubtful, "contradicts the pulse by whole seconds",
        { _, header in header.clockUncertaintyNanoseconds = 1_000_001_200 }
      ),
      (
        "clock", .doubtful, "nobody takes the pulse's edges",
        { h, _ in h.machine.pulseFeed = .refused }
      ),
      ("digitizer", .bad, "gives nothing", { h, _ in h.frames = 0 }),
      ("digitizer", .doubtful, "went away", { h, _ in h.reopenings = 1 }),
      ("digitizer", .doubtful, "holds the loop up", { h, _ in h.overruns = 2 }),
      ("digitizer", .doubtful, "3 gaps", { h, _ in h.gaps = 3 }),
      ("channels", .bad, "vertical and east: nothing but zeros", { h, _ in h.deadLanes = 0b101 }),
      ("channels", .bad, "north: always the same", { h, _ in h.stuckLanes = 0b010 }),
      ("channels", .doubtful, "full scale", { h, _ in h.clippedLanes = 1 }),
      ("channels", .doubtful, "spikes", { h, _ in h.spikedLanes = 1 }),
      ("networks", .bad, "picker's is missing", { h, _ in h.lacksNetwork = true }),
      ("networks", .bad, "relations estimate alone", { h, _ in h.lacksEstimator = true }),
      ("networks", .doubtful, "self-test", { h, _ in h.hasRejectedKernels = true }),
      ("uplink", .doubtful, "link was down", { h, _ in h.sendFailures = 1 }),
      ("uplink", .doubtful, "another key", { h, _ in h.datagramsRejected = 1 }),
      ("machine", .bad, "make room", { h, _ in h.machine.diskFreeMebibytes = 99 }),
      ("machine", .doubtful, "memory", { h, _ in h.machine.memoryAvailableMebibytes = 49 }),
      ("machine", .doubtful, "too hot", { h, _ in h.machine.temperatureCentidegrees = 80_01 }),
      ("machine", .doubtful, "7 messages were dropped", { h, _ in h.droppedActions = 7 }),
      ("machine", .doubtful, "3 detections were given up", { h, _ in h.givenUp = 3 }),
      ("state", .bad, "does not take", { h, _ in h.losesState = true }),
      ("calibration", .bad, "ran out 17 days ago", { h, _ in h.calibrationDays = -17 }),
      ("calibration", .doubtful, "runs out in 3 days", { h, _ in h.calibrationDays = 3 }),
      (
        "calibration", .doubtful, "no component", { h, _ in h.calibrationDays = Wire.unknownDays }
      ),
      ("relay", .doubtful, "a watch is on", { h, _ in h.alarmState = 1 }),
      ("relay", .doubtful, "it ends by itself", { h, _ in h.alarmState = 2 }),
      ("relay", .bad, "nothing is seen", { h, _ in h.alarmState = 3 }),
      ("parameters", .doubtful, "trigger_ratio:", { h, _ in h.changedParameters = 0b1001 }),
    ]
    for (part, verdict, phrase, change) in cases {
      let all = verdicts(change)
      #expect(all[part]!.0 == verdict && all[part]!.1.contains(phrase), "\(part): \(all[part]!.1)")
      #expect(all.filter { $0.value.0 != .good }.count == 1, "\(phrase)")
    }
  }

  @Test func whoTakesThePulsesEdgesIsSaid() {
    let clock = verdicts { h, _ in h.machine.pulseFeed = .taken }["clock"]!
    #expect(clock.0 == .good && clock.1.contains("chrony takes the pulse's edges"))
  }

  @Test func theSitesOtherStationsAreSaid() {
    #expect(verdicts { _, _ in }["peers"] == nil)
    let heard = verdicts { h, _ in (h.quorumNeeded, h.peersReady) = (2, 1) }["peers"]!
    #expect(heard.0 == .good && heard.1.hasPrefix("1 of the site's other stations are heard"))
    let silent = verdicts { h, _ in (h.quorumNeeded, h.peersReady) = (3, 1) }["peers"]!
    #expect(silent.0 == .doubtful && silent.1.contains("an alarm comes without them"))
    let waiting = verdicts { h, _ in
      (h.quorumNeeded, h.incapacity) = (2, .peersSilent)
    }["peers"]!
    #expect(waiting.0 == .doubtful && waiting.1.contains("no alarm can come"))
  }

  /// Each reason for which no alarm can come, and how bad that is.
  @Test func whatIsNotArmedIsNamed() {
    let cases: [(Incapacity, Verdict, String)] = [
      (.noRelay, .skipped, "no [relay]"), (.relayFaulty, .bad, "does not obey"),
      (.inhibited, .bad, "switch is on"), (.inhibitUnreadable, .bad, "cannot be read"),
      (.drill, .doubtful, "for 2 min more"), (.notLive, .bad, "no frames come"),
      (.uncalibrated, .bad, "no calibration"), (.lanesBroken, .bad, "can be believed"),
      (.peersSilent, .bad, "other stations are heard"),
      (Incapacity.noRelay.union(.uncalibrated), .doubtful, ", and "),
    ]
    for (incapacity, verdict, phrase) in cases {
      let found = verdicts { h, _ in (h.incapacity, h.drillSeconds) = (incapacity, 61) }["alarm"]!
      #expect(found.0 == verdict, "\(found.1)")
      #expect(found.1.hasPrefix("NOT armed, because ") && found.1.contains(phrase), "\(found.1)")
    }
    // There can be no more at once.
    let many = Incapacity.relayFaulty.union(.inhibitUnreadable).union(.drill).union(.notLive)
      .union(.lanesBroken)
    let all = verdicts { h, _ in (h.incapacity, h.drillSeconds) = (many, 1800) }["alarm"]!
    #expect(all.1.components(separatedBy: ", and ").count == 5, "\(all.1)")
    #expect(all.1.hasSuffix(")"), "none is cut")
  }

  /// What the self-test says of the kernel's words about its clock, with and without a pulse.
  @Test func whoKeepsTheClockIsNamed() {
    func time(
      maximum: Int, estimated: Int, status: Int32 = 0, hasPulse: Bool = true,
      hasTimesyncd: Bool = false, datesItself: Bool = false
    ) -> (Verdict, String) {
      let reading = SystemClockReading(
        monotonicNanoseconds: 1, realtime: UTC(CalendarDate(year: 2026, month: 11, day: 25)),
        kernel: KernelClock(
          state: 0, status: status, maximumErrorMicroseconds: maximum,
          estimatedErrorMicroseconds: estimated))
      let finding = SelfTest.time(
        reading, hasPulse: hasPulse, hasTimesyncd: hasTimesyncd, datesItself: datesItself)
      return (finding.verdict, finding.text.string)
    }
    let chrony = time(maximum: 12_500, estimated: 300)
    #expect(chrony.0 == .good && chrony.1.contains("wrong by at most 12.5 ms; the pulse gives"))
    let far = time(maximum: 20_001, estimated: 300, hasPulse: false)
    #expect(far.0 == .doubtful && far.1.contains("no pulse to do better"))
    for hasPulse in [true, false] {
      let silent = time(maximum: 0, estimated: 0, hasPulse: hasPulse)
      #expect(silent.0 == .doubtful && silent.1.contains("seems to be systemd-timesyncd"))
      #expect(silent.1.contains("50 ms is assumed. Install chrony"))
    }
    // Between two polls its zeros have grown, and another daemon may have written the same.
    let running = time(maximum: 4000, estimated: 0, hasTimesyncd: true)
    #expect(running.0 == .doubtful && running.1.contains("by systemd-timesyncd, which"))
    #expect(running.1.utf8.count < 320)
    let nobody = time(maximum: 16_000_000, estimated: 16_000_000, status: 0x40)
    #expect(nobody.0 == .bad && nobody.1.contains("nobody keeps it right"))
    let shake = time(maximum: 16_000_000, estimated: 16_000_000, status: 0x40, datesItself: true)
    #expect(shake.0 == .doubtful && shake.1.contains("Samples have the digitizer's time"))
  }

  @Test func edgesAreASecondApart() {
    var edges = EdgeStatistics()
    for edge: Int64 in [4_300_000_000, 5_000_000_000, 6_000_010_000, 6_999_990_000] {
      edges.add(edge)
    }
    #expect(edges.count == 3 && edges.worst == 20_000)
  }

  @Test func levelsOfALargeOffsetAreExact() {
    var levels = LevelStatistics(settings())
    for index in 0..<1000 {
      levels.add(Frame(1_000_000_000 + (index % 2 == 0 ? 3 : -3), 0, 7, 0))
    }
    #expect(abs(levels.mean(0) - 1e9) < 1e-3 && abs(levels.deviation(0) - 3) < 1e-9)
    #expect(levels.deviation(1) == 0 && levels.lowest[2] == 7 && levels.highest[2] == 7)
  }

  @Test func theRateIsThatOfTheStamps() throws {
    var levels = LevelStatistics(settings())
    var random = RandomGenerator(seed: 3)
    for block in 1...600 {
      // 50 ppm fast: every 80 frames take 9.9995 ms. Most stamps are late, by up to 5 ms.
      let late = block % 10 == 0 ? 0 : Int64(5e6 * random.uniform())
      levels.note(stamp: 1_000_000_000 + Int64(block) * 9_999_500 + late, frames: 80 * block)
      if block == 150 { #expect(levels.rateError == nil) }
    }
    #expect(abs(try #require(levels.rateError) - 50e-6) < 1e-8)
  }

  private func settings() -> DigitizerSettings {
    var settings = DigitizerSettings()
    settings.sampleRateMillihertz = 8_000_000
    return settings
  }
}
