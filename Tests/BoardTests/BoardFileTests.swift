import Board
import Core
import Digitizer
import Foundation
import Testing
import Tools

private let good = Lines(
  """
  [board]
  format = 1
  name = "bench"
  description = "a board on the bench"
  [digitizer]
  device = "hw:0"
  sample_format = "S24_4"
  sample_rate_millihertz = 8000000
  channels = 4
  period_frames = 80
  buffer_frames = 8000
  clip_counts = 8000000
  delay_microseconds = 2250
  vertical_channel = 2
  vertical_polarity = -1
  vertical_gain = 0.5
  north_channel = 1
  east_channel = 0
  east_polarity = 1
  auxiliary_channel = 3
  auxiliary_gain = 4
  [pps]
  chip = "gpiochip0"
  line = 18
  edge = "falling"
  delay_nanoseconds = -150
  chrony_socket = "/run/chrony.onset.sock"
  [relay]
  chip = "gpiochip1"
  line = 17
  active_low = true
  fail_safe = "actuated"
  watch_line = 27
  watch_active_low = true
  heartbeat_line = 22
  inhibit_line = 23
  inhibit_active_low = true
  """)

@Suite struct BoardFileTests {
  private func read(_ lines: Lines) throws -> BoardFile {
    try parse(lines.text) { file throws(Diagnostic) in try BoardFile(&file) }
  }

  private func refused(_ lines: Lines) -> String {
    refusal(lines.text) { file throws(Diagnostic) in try BoardFile(&file) } ?? "accepted"
  }

  @Test func everyKeyArrives() throws {
    let board = try read(good)
    #expect(board.name.string == "bench")
    let digitizer = board.digitizer
    #expect(digitizer.device.string == "hw:0")
    #expect(digitizer.format == .signed24In4Bytes)
    #expect(digitizer.sampleRateMillihertz == 8_000_000)
    #expect(digitizer.channelCount == 4)
    #expect(digitizer.periodFrames == 80)
    #expect(digitizer.bufferFrames == 8000)
    #expect(digitizer.clipCounts == 8_000_000)
    #expect(digitizer.delayMicroseconds == 2250)
    #expect((0..<4).map { digitizer.lanes[$0].channel } == [2, 1, 0, 3])
    #expect((0..<4).map { digitizer.lanes[$0].gain } == [-0.5, 1, 1, 4])
    let relay = try #require(board.relay)
    #expect(relay.chip.string == "gpiochip1" && relay.failSafeIsActive)
    #expect((relay.relay.line, relay.relay.isActiveLow) == (17, true))
    #expect(relay.watchLamp?.line == 27 && relay.watchLamp?.isActiveLow == true)
    #expect(relay.heartbeatLamp?.line == 22 && relay.heartbeatLamp?.isActiveLow == false)
    #expect(relay.inhibit?.line == 23 && relay.inhibit?.isActiveLow == true)
    let pulse = try #require(board.pulse)
    #expect(pulse.chip.string == "gpiochip0")
    #expect(pulse.line == 18)
    #expect(pulse.isFallingEdge)
    #expect(pulse.delayNanoseconds == -150 && pulse.chronySocket.equals("/run/chrony.onset.sock"))
  }

  @Test func whatIsLeftOutHasItsDefault() throws {
    let board = try read(
      Lines(
        """
        [board]
        format = 1
        name = "least"
        description = "only what is needed"
        [digitizer]
        device = "hw:0"
        sample_format = "S32"
        sample_rate_millihertz = 8000000
        channels = 1
        period_frames = 80
        buffer_frames = 160
        vertical_channel = 0
        """))
    #expect(board.pulse == nil)
    #expect(board.digitizer.clipCounts == 2_147_483_647)
    #expect(board.digitizer.delayMicroseconds == 0)
    #expect((0..<4).map { board.digitizer.lanes[$0].channel } == [0, -1, -1, -1])
    #expect(board.digitizer.lanes[0].gain == 1)
  }

  @Test(arguments: [
    ("S16", SampleFormat.signed16, 2, 32_767), ("S24_3", .signed24In3Bytes, 3, 8_388_607),
    ("S24_4", .signed24In4Bytes, 4, 8_388_607), ("S32", .signed32, 4, 2_147_483_647),
  ])
  func sampleFormats(_ word: String, _ format: SampleFormat, _ bytes: Int, _ maximum: Int) throws {
    let lines = good.with("sample_format", "\"\(word)\"").without("clip_counts")
    let digitizer = try read(lines).digitizer
    #expect(digitizer.format == format)
    #expect(format.byteCount == bytes)
    #expect(digitizer.clipCounts == maximum)
    let tooLarge = good.with("sample_format", "\"\(word)\"").with("clip_counts", "\(maximum + 1)")
    #expect(refused(tooLarge).contains("clip_counts must be a whole number from 1 to \(maximum)"))
  }

  @Test(arguments: [
    "format", "name", "description", "device", "sample_format", "sample_rate_millihertz",
    "channels", "period_frames", "buffer_frames", "chip", "line", "edge",
  ])
  func missingKeys(_ key: String) {
    #expect(refused(good.without(key)).hasPrefix("t.toml: missing key \(key) in ["))
  }

  @Test(arguments: [
    ("format", "2", "a whole number from 1 to 1"),
    ("name", "\"\"", "1 to 40 characters"),
    ("sample_format", "\"S20\"", "one of \"S16\" \"S24_3\" \"S24_4\" \"S32\""),
    ("sample_rate_millihertz", "8000500", "a multiple of 1000"),
    ("sample_rate_millihertz", "99000", "from 100000 to 192000000"),
    ("sample_rate_millihertz", "192001000", "from 100000 to 192000000"),
    ("channels", "0", "from 1 to 32"),
    ("channels", "33", "from 1 to 32"),
    ("period_frames", "0", "from 1 to 19200"),
    ("period_frames", "8001", "at most one second of frames"),
    ("buffer_frames", "159", "at least twice period_frames"),
    ("buffer_frames", "768001", "from 2 to 768000"),
    ("clip_counts", "0", "from 1 to 8388607"),
    ("delay_microseconds", "-1", "from 0 to 1000000"),
    ("vertical_channel", "32", "from 0 to 31"),
    ("vertical_channel", "4", "below channels"),
    ("auxiliary_channel", "7", "below channels"),
    ("vertical_polarity", "0", "must be 1 or -1"),
    ("vertical_polarity", "2", "from -1 to 1"),
    ("vertical_gain", "0", "from 1e-6 to 1000000"),
    ("vertical_gain", "-1.0", "from 1e-6 to 1000000"),
    ("line", "1024", "from 0 to 1023"),
    ("edge", "\"both\"", "one of \"rising\" \"falling\""),
    ("delay_nanoseconds", "1000001", "from -1000000 to 1000000"),
    ("chrony_socket", "\"chrony.onset.sock\"", "the whole path"),
  ])
  func valuesThatAreWrong(_ key: String, _ value: String, _ phrase: String) {
    let sentence = refused(good.with(key, value))
    #expect(sentence.hasPrefix("t.toml:\(good.number(of: key)): \(key) "))
    #expect(sentence.contains(phrase))
  }

  @Test func theLimitsThemselvesAreFine() throws {
    #expect(try read(good.with("buffer_frames", "160")).digitizer.bufferFrames == 160)
    let channels = good.with("channels", "32").with("auxiliary_channel", "31")
    #expect(try read(channels).digitizer.lanes[3].channel == 31)
    #expect(try read(good.with("edge", "\"rising\"")).pulse?.isFallingEdge == false)
  }

  @Test func aPolarityWithoutAChannelIsRefused() {
    let lines = good.without("vertical_channel", "vertical_gain")
    #expect(
      refused(lines).hasPrefix(
        "t.toml:\(lines.number(of: "vertical_polarity")): vertical_polarity is given for a"))
  }

  @Test func aGainWithoutAChannelIsRefused() {
    let lines = good.without("auxiliary_channel")
    #expect(
      refused(lines).hasPrefix(
        "t.toml:\(lines.number(of: "auxiliary_gain")): auxiliary_gain is given for a component"))
  }

  @Test func theVerticalComponentIsNeeded() {
    let lines = good.without("vertical_channel", "vertical_polarity", "vertical_gain")
    #expect(refused(lines).hasPrefix("t.toml:9: channels needs a vertical_channel beside it"))
  }

  @Test(arguments: [
    ("north_channel", "2"), ("east_channel", "2"), ("east_channel", "1"),
    ("auxiliary_channel", "0"), ("auxiliary_channel", "1"),
  ])
  func twoComponentsCannotShareAChannel(_ key: String, _ value: String) {
    let sentence = refused(good.with(key, value))
    #expect(sentence.hasPrefix("t.toml:\(good.number(of: key)): \(key) names a channel that"))
  }

  @Test func unknownKeysAreRefusedWithTheNearest() {
    let lines = good.adding("nroth_polarity = 1", after: "north_channel")
    #expect(
      refused(lines)
        == "t.toml:18: unknown key nroth_polarity in [digitizer]; "
        + "did you mean north_polarity in [digitizer]?")
  }

  @Test func aWholeSectionMayBeUnknown() {
    let lines = good.adding("[lamp]\npin = 1", after: "delay_nanoseconds")
    #expect(refused(lines) == "t.toml:28: unknown key pin in [lamp]; remove it")
  }

  @Test func aBoardMayHaveNoRelay() throws {
    let text = good.text.components(separatedBy: "[relay]")[0]
    #expect(try read(Lines(text)).relay == nil)
  }

  @Test(arguments: [
    ("fail_safe", "\"open\"", "one of \"released\" \"actuated\""),
    ("watch_line", "17", "names a line that something else has"),
    ("inhibit_line", "22", "names a line that something else has"),
    ("heartbeat_line", "1024", "from 0 to 1023"), ("active_low", "1", "must be true"),
  ])
  func relaysThatAreWrong(_ key: String, _ value: String, _ phrase: String) {
    let sentence = refused(good.with(key, value))
    #expect(sentence.hasPrefix("t.toml:\(good.number(of: key)): \(key) "))
    #expect(sentence.contains(phrase))
  }

  @Test func aPolarityWithoutALineIsRefused() {
    #expect(refused(good.without("watch_line")).contains("watch_active_low is given for a line"))
    #expect(
      refused(good.without("fail_safe")).hasPrefix("t.toml: missing key fail_safe in [relay]"))
  }

  /// A [pps] whose keys are all commented out must not pass for a board without a pulse.
  @Test func anEmptyPulseSectionIsRefused() {
    let lines = good.without("chip", "line", "edge", "delay_nanoseconds", "chrony_socket")
    #expect(refused(lines).hasPrefix("t.toml:22: this section has no keys"))
  }
}
