// A new station: what is plugged in, answers that are right and wrong, and the files that come of
// them.

import Core
import Digitizer
import Foundation
import Testing

@testable import Tools

/// A folder that is gone after the test.
private final class TemporaryFolder {
  let path = FileManager.default.temporaryDirectory
    .appendingPathComponent("onset-setup-\(UUID().uuidString)").path
  init() {
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Suite struct SetupTests {
  private static let package = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  private let folder = TemporaryFolder()

  private func setup() throws -> Setup {
    try Setup(
      folder: folder.path + "/etc", share: Self.package, state: folder.path + "/state")
  }

  private func answers(
    _ device: PluggedIn, sensors: [String] = [], operators: [String] = []
  ) throws -> SetupAnswers {
    SetupAnswers(
      device: device, code: "XX.ONST1.00.EH", upstream: try SetupAnswers.upstream("192.0.2.1"),
      sensors: sensors, place: try SetupAnswers.place("47.3769,8.5417,408"), operators: operators)
  }

  @Test func everyShippedBoardMakesAStation() throws {
    let setup = try setup()
    #expect(setup.boardNames.count >= 5 && !setup.boardNames.contains("host"))
    let sensors = try SetupAnswers.sensors("geophone-4.5hz", folder: setup.instruments)
    for name in setup.boardNames {
      unlink(setup.boardPath)
      let board = try SetupAnswers.device(name, boards: setup.boardNames)
      let said = try setup.write(try answers(board, sensors: sensors), replaces: true)
      #expect(said[0].hasPrefix("board \(name): "), "\(said)")
      #expect(said[1].hasPrefix("station XX.ONST1.00.EH"), "\(said)")
    }
    let text = try String(contentsOfFile: setup.stationPath, encoding: .utf8)
    #expect(text.contains("latitude_degrees = 47.3769") && text.contains("port = 6464"))
    let key = try FileManager.default.attributesOfItem(atPath: setup.keyPath)
    #expect(key[.size] as? Int == 32)
  }

  @Test func whatIsThereIsKept() throws {
    let setup = try setup()
    let board = try SetupAnswers.device("usb-audio=hw:CARD=X", boards: setup.boardNames)
    _ = try setup.write(try answers(board), replaces: false)
    let (first, key) = (
      try String(contentsOfFile: setup.boardPath, encoding: .utf8),
      FileManager.default.contents(atPath: setup.keyPath)
    )
    #expect(first.contains("device = \"hw:CARD=X\""))
    let error = #expect(throws: ToolError.self) {
      try setup.write(try answers(board), replaces: false)
    }
    #expect(error?.description.contains("--replace keeps it") ?? false)
    // Wrong together: nothing is put in place.
    let broken = PluggedIn(board: "usb-audio", changes: [.init("channels", "99")], text: "")
    #expect(throws: (any Error).self) { try setup.write(try answers(broken), replaces: true) }
    #expect(try String(contentsOfFile: setup.boardPath, encoding: .utf8) == first)
    #expect(!FileManager.default.fileExists(atPath: setup.boardPath + ".new"))
    // What somebody has written by hand is not thrown away.
    let relay = "\n[relay]\nchip = \"gpiochip0\"\nline = 17\nfail_safe = \"released\"\n"
    try (first + relay).write(toFile: setup.boardPath, atomically: true, encoding: .utf8)
    let forgotten = #expect(throws: ToolError.self) {
      try setup.write(try answers(board), replaces: true)
    }
    #expect(forgotten?.description.contains("has [relay], which a new one") ?? false)
    try first.write(toFile: setup.boardPath, atomically: true, encoding: .utf8)
    // A sensor's file comes along.
    let sensor = folder.path + "/mine.toml"
    try FileManager.default.copyItem(
      atPath: setup.instruments + "/geophone-4.5hz.toml", toPath: sensor)
    let sensors = try SetupAnswers.sensors(sensor, folder: setup.instruments)
    _ = try setup.write(try answers(board, sensors: sensors), replaces: true)
    #expect(
      try String(contentsOfFile: setup.stationPath, encoding: .utf8)
        .contains("\"\(setup.folder)/instruments/mine.toml\""))
    unlink(setup.stationPath)
    let other = try SetupAnswers.device("anyshake-explorer=/dev/ttyS9", boards: setup.boardNames)
    _ = try setup.write(try answers(other), replaces: true)
    #expect(try String(contentsOfFile: setup.boardPath + ".before", encoding: .utf8) == first)
    #expect(FileManager.default.contents(atPath: setup.keyPath) == key)
  }

  @Test(arguments: [
    ("collector.example.org", "collector.example.org", 6464), ("192.0.2.1:77", "192.0.2.1", 77),
    ("[2001:db8::1]:9", "2001:db8::1", 9), ("[2001:db8::1]", "2001:db8::1", 6464),
    ("2001:db8::1", "2001:db8::1", 6464),
  ])
  func placesToSendTo(_ text: String, _ host: String, _ port: Int) throws {
    #expect(try SetupAnswers.upstream(text) == SetupAnswers.Upstream(host: host, port: port))
  }

  @Test func answersThatAreWrongSayWhatIsRight() throws {
    let setup = try setup()
    func refusal(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return "accepted"
    }
    for text in ["", ":6464", "host:0", "host:x", "host:65536", "a b", "a\"b"] {
      #expect(
        refusal { _ = try SetupAnswers.upstream(text) }.contains("no place to send to"), "\(text)")
    }
    for text in ["XX", "xx.onst1.00.EH", "XX.ONST1.00.EHZZZZZZZZZZZZZZZZ", ""] {
      #expect(refusal { _ = try SetupAnswers.code(text) }.contains("is no code"), "\(text)")
    }
    for text in ["47,8", "91,0,0", "0,181,0", "a,b,c"] {
      #expect(refusal { _ = try SetupAnswers.place(text) }.contains("is no place"), "\(text)")
    }
    #expect(
      refusal { _ = try SetupAnswers.sensors("geofone", folder: setup.instruments) }
        .contains("there is no such file"))
    #expect(
      refusal { _ = try SetupAnswers.sensors("a,b", folder: "") }.contains("one instrument file"))
    #expect(try SetupAnswers.sensors("none", folder: "") == [])
    #expect(
      refusal { _ = try SetupAnswers.device("raspbery-shake", boards: setup.boardNames) }
        .contains("did you mean raspberry-shake?"))
    #expect(
      refusal { _ = try Setup(folder: "x", share: "/nowhere", state: "x") }.contains("--share"))
    let lines = folder.path + "/ada.lines"
    try "[operators]\noperator_1 = \"00 watch\"\n".write(
      toFile: lines, atomically: true, encoding: .utf8)
    #expect(try SetupAnswers.operators(lines) == ["operator_1 = \"00 watch\""])
    #expect(refusal { _ = try SetupAnswers.operators("/nowhere") }.contains("cannot be read"))
  }

  // MARK: What is plugged in

  @Test func cardsAndLinesAreFound() throws {
    let root = folder.path + "/"
    for (path, text) in [
      (
        "proc/asound/pcm",
        "00-00: bcm : bcm : playback 8\n02-00: x : x : capture 1\n03-01: y : y : playback 1 : capture 1\n"
      ),
      ("proc/asound/card2/id", "seeed4micvoicec\n"), ("proc/asound/card3/id", "ES9\n"),
      ("sys/bus/iio/devices/iio:device0/name", "tmp117\n"),
      ("sys/bus/iio/devices/iio:device1/name", "adxl355\n"),
      ("sys/bus/iio/devices/iio:device1/scan_elements/in_accel_z_en", "0\n"),
      ("dev/serial/by-id/usb-Silicon_Labs_CP2102-if00", ""),
    ] {
      let file = URL(fileURLWithPath: root + path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    let found = PluggedIn.devices(root: root)
    #expect(
      found.map(\.board) == ["raspberry-pi-4-hat", "usb-audio", "adxl355", "anyshake-explorer"])
    #expect(
      found.map { $0.changes.map(\.value) } == [
        ["\"hw:CARD=seeed4micvoicec,DEV=0\""], ["\"hw:CARD=ES9,DEV=1\""], ["\"adxl355\""],
        ["\"/dev/serial/by-id/usb-Silicon_Labs_CP2102-if00\""],
      ])
    #expect(PluggedIn.devices(root: "/nowhere/") == [])
  }

  @Test func aCastIsAShake() throws {
    var heard = HeardCasts()
    let shake = try #require(Address(numeric: Text<128>("192.0.2.7"), port: 4000))
    func hear(_ text: String) {
      let bytes = Array(text.utf8)
      bytes.withUnsafeBufferPointer { heard.take($0, shake) }
    }
    hear("nonsense")
    let samples = Array(repeating: "5", count: 25).joined(separator: ", ")
    for packet in 0..<9 {
      for name in ["EHZ", "ENE", "ENN", "ENZ", "HDF"] {
        hear("{'\(name)', \(1_582_315_130 + packet / 4).\(packet % 4 * 25), \(samples)}")
      }
    }
    let found = try #require(heard.found(8888).first)
    #expect(found.text == "Raspberry Shake at 192.0.2.7, ENZ ENN ENE EHZ, 100 a second")
    let setup = try setup()
    _ = try setup.write(try answers(found), replaces: true)
    let board = try String(contentsOfFile: setup.boardPath, encoding: .utf8)
    for line in [
      "source = \"192.0.2.7\"", "channel_names = \"ENZ,ENN,ENE,EHZ\"", "auxiliary_channel = 3",
      "auxiliary_picks = true",
    ] {
      #expect(board.contains(line), "\(line)")
    }
    #expect(HeardCasts.order(["SHZ"]) == ["SHZ"] && HeardCasts.order(["HDF"]) == [])
    #expect(HeardCasts.order(["EHZ", "EHN", "EHE"]) == ["EHZ", "EHN", "EHE"])
  }

  @Test func boardsKeepTheirComments() {
    var text = BoardText(
      "[board]\nname = \"a\"\n[digitizer]\nport = 1    # here\nsource = \"#\" # x\n[pps]\nport = 2")
    text.set("port", to: "8888")
    text.set("source", to: "\"b#\"")
    text.set("north_channel", to: "1")
    text.set("absent", to: "")
    #expect(
      text.text
        == "[board]\nname = \"a\"\n[digitizer]\nnorth_channel = 1\nport = 8888 # here\nsource = \"b#\" # x\n[pps]\nport = 2"
    )
    text.set("port", to: "")
    #expect(!text.text.contains("8888") && text.text.contains("port = 2"))
  }
}
