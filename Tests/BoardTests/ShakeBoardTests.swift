// [digitizer] with kind = "shake".

import Board
import Core
import Digitizer
import Testing
import Tools

private let good = Lines(
  """
  [board]
  format = 1
  name = "shake"
  description = "beside a Shake 4D"
  [digitizer]
  kind = "shake"
  source = "192.0.2.7"
  sample_rate_millihertz = 100000
  channel_names = "EHZ,ENN,ENE,ENZ"
  vertical_channel = 0
  north_channel = 1
  east_channel = 2
  auxiliary_channel = 3
  """)

private let relay = "[relay]\nchip = \"gpiochip0\"\nline = 17\nfail_safe = \"released\""

@Suite struct ShakeBoardTests {
  private func read(_ lines: Lines) throws -> BoardFile {
    try parse(lines.text) { file throws(Diagnostic) in try BoardFile(&file) }
  }

  private func refused(_ text: String) -> String {
    refusal(text) { file throws(Diagnostic) in try BoardFile(&file) } ?? "accepted"
  }

  @Test func everyKeyArrives() throws {
    let digitizer = try read(good).digitizer
    #expect(digitizer.kind == .shake && digitizer.format == .signed32)
    #expect(digitizer.channelCount == 4 && digitizer.sampleRateMillihertz == 100_000)
    #expect(digitizer.periodFrames == 25 && digitizer.clipCounts == 8_388_607)
    let shake = digitizer.shake
    #expect(shake.port == 8888 && shake.source.string == "192.0.2.7" && shake.interface.isEmpty)
    #expect(shake.patienceMilliseconds == 500)
    // Within one sample, by its maker.
    #expect(shake.clockUncertaintyMicroseconds == 10_000)
    let names = ["EHZ", "ENN", "ENE", "ENZ", "HDF"].map { name in
      shake.channel(of: name.utf8.reduce(0) { $0 << 8 | UInt32($1) })
    }
    #expect(names == [0, 1, 2, 3, nil])
    let slow = try read(good.with("sample_rate_millihertz", "50000")).digitizer
    #expect(slow.periodFrames == 12 && slow.shake.clockUncertaintyMicroseconds == 20_000)
    let told = try read(
      good.adding(
        "port = 9\npatience_milliseconds = 90\nclock_uncertainty_microseconds = 70\nprivate_interface = \"eth1\"",
        after: "source")
    ).digitizer.shake
    #expect(
      (told.port, told.patienceMilliseconds, told.clockUncertaintyMicroseconds) == (9, 90, 70))
    #expect(told.interface.string == "eth1")
  }

  @Test(arguments: [
    ("channel_names", "\"EHZ,EHZ,ENE,ENZ\""), ("channel_names", "\"EHZ,,ENE\""),
    ("channel_names", "\"EHZ, ENN\""), ("channel_names", "\"ehz\""),
    ("channel_names", "\"EHZ,\""), ("channel_names", "\"A,B,C,D,E\""),
    ("channel_names", "\"EHZZZ\""), ("kind", "\"Shake\""), ("sample_rate_millihertz", "10000"),
    ("east_channel", "4"),
  ])
  func valuesThatAreWrong(_ key: String, _ value: String) {
    #expect(refused(good.with(key, value).text).contains("t.toml:\(good.number(of: key)): \(key) "))
  }

  @Test func whatIsOfACardIsUnknown() {
    #expect(
      refused(good.adding("device = \"hw:0\"", after: "kind").text).contains("unknown key device"))
    #expect(refused(good.without("source").text).contains("missing key source"))
    #expect(
      refused(good.without("vertical_channel").text).contains("channel_names needs a vertical"))
    let pulse = good.text + "\n[pps]\nchip = \"gpiochip0\"\nline = 18\nedge = \"rising\""
    #expect(refused(pulse).contains("chip says nothing beside a Shake"))
  }

  /// Anybody who reaches the port could close the relay.
  @Test func aRelayWantsAWireOfItsOwn() throws {
    #expect(refused("\(good.text)\n\(relay)").contains("source is believed by its address alone"))
    for own in [
      good.with("source", "\"127.0.0.1\""), good.with("source", "\"::1\""),
      good.adding("private_interface = \"eth1\"", after: "source"),
    ] {
      let text = "\(own.text)\n\(relay)"
      #expect(refused(text) == "accepted", "\(text)")
    }
  }
}
