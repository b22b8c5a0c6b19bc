// config: boards, stations, calibrations, relations, and a collector's files through the parser that
// the station uses.
//
// Promised of every text: it is accepted, and then every value lies in its range, or it is refused
// in a sentence that names the file and, where the grammar is broken, the line.

import Board
import Collector
import Conditioning
import Core
import Digitizer
import Estimator
import Foundation
import Settings
import Tools
import Uplink

struct ConfigurationTarget: Target {
  private static let name: StaticString = "fuzz/input.toml"
  let corpus: [[UInt8]]
  let dialect = Dialect(
    tokens: [
      "=", "[", "]", "\"", "\n", "\r\n", "#", "-", "+", ".", "e", "e99", "e-22", "0", "00", "true",
      "false", "\\", "\t", "\u{0}", "é", "[board]\n", "[station]\n", "[instrument]\n",
      "[response]\n", "[relations]\n", "[relay]\n", "[alarm]\n", "active_low = true\n",
      "[pps]\n", "kind = \"shake\"\n", "kind = \"anyshake\"\n", "private_interface = \"eth1\"\n",
      "kind = \"iio\"\n", "device = \"/dev/pps0\"\n",
      "chrony_socket = \"/run/chrony.onset.sock\"\n", "auxiliary_picks = true\n",
      "[quorum]\n", "needed = 2\n", "when_silent = \"wait\"\n", "within_milliseconds = 1000\n",
      "peer_1 = \"\(String(repeating: "9a", count: 32)) 192.0.2.7 6465\"\n",
      "kind = \"ads1256\"\n",
      "[picker]\n", "[store]\n", "[rule]\n", "url = ", "kind = \"mqtt\"\n", "*",
      "format = 1\n", "999999999999999", "9223372036854775807",
      "9223372036854775808", "-9223372036854775808", "0.000000000000001", "1e22", "\"\"", "/",
      "2026-02-29", "0000-00-00", "9999-12-31", "\"S24_3\"", "\"acceleration\"", "_",
    ].map { Array($0.utf8) },
    maximumByteCount: 6000)

  /// The repository's own files, and texts that give every key there is.
  init() throws {
    let root = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let paths = [
      "boards/host/board.toml", "boards/host/station.toml", "boards/raspberry-pi-4-hat/board.toml",
      "boards/raspberry-pi-5-hat/board.toml", "boards/raspberry-shake/board.toml",
      "boards/anyshake-explorer/board.toml", "boards/adxl355/board.toml",
      "boards/ads1256/board.toml",
      "calibration/instruments/adxl355.toml", "calibration/instruments/broadband-velocity.toml",
      "calibration/instruments/geophone-4.5hz.toml",
      "calibration/instruments/mems-accelerometer.toml", "calibration/relations/on-site.toml",
      "Sources/onset-collector/collector.toml",
    ]
    var texts: [[UInt8]] = []
    for path in paths {
      guard let data = FileManager.default.contents(atPath: root.appendingPathComponent(path).path)
      else { throw ToolError("\(path): cannot be read; the corpus begins with it") }
      texts.append(Self.withoutComments([UInt8](data)))
    }
    corpus =
      texts
      + [Self.everyBoardKey, Self.everyStationKey, Self.everyPole, Self.everyReceiverKey].map {
        Array($0.utf8)
      }
  }

  /// Mutations of comments are wasted, and two in three would be.
  private static func withoutComments(_ text: [UInt8]) -> [UInt8] {
    let lines = text.split(separator: UInt8(ascii: "\n"))
    return Array(lines.filter { $0.first != UInt8(ascii: "#") }.joined(separator: [0x0A])) + [0x0A]
  }

  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {}

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    var isParsed = false
    var content = Content.board(nil)
    var others = ""
    do throws(Diagnostic) {
      var file = try ConfigurationFile(path: Path(Self.name), bytes: bytes)
      isParsed = true
      do throws(Diagnostic) { content = try Self.read(&file) } catch {
        others = file.errorsBefore.string
        throw error
      }
    } catch {
      try Self.check(errorsBefore: others)
      try Self.check(error, isParsed: isParsed, bytes)
      return false
    }
    switch content {
    case .board(let board): try Self.check(board!)
    case .station(let station): try Self.check(station)
    case .calibration(let calibration): try Self.check(calibration)
    case .relations(let relations): try Self.check(relations)
    case .collector(let settings):
      try require(
        !settings.database.isEmpty && (settings.keys ?? settings.master) != nil
          && (0...65_535).contains(settings.port)
          && settings.mebibytesMaximum.map { $0 >= 16 } ?? true, "a collector of nothing")
    case .receiver(let receiver):
      try require(
        receiver.url.isEmpty == (receiver.kind == .mqtt)
          && (receiver.secretPath != nil) == (receiver.kind == .webhook)
          && receiver.rule.quorum > 0 && receiver.rule.withinSeconds > 0
          && receiver.giveUpSeconds >= 60, "a receiver that cannot be told")
      _ = receiver.rule.concerns("XX.ONST1.00.EH")
    }
    return true
  }

  private static func read(_ file: inout ConfigurationFile) throws(Diagnostic) -> Content {
    if file.has(section: "station") { return .station(try StationFile(&file)) }
    if file.has(section: "instrument") { return .calibration(try CalibrationFile(&file)) }
    if file.has(section: "relations") { return .relations(try Relations(&file)) }
    if file.has(section: "store") { return .collector(try CollectorSettings(&file)) }
    if file.has(section: "rule") { return .receiver(try ReceiverFile(&file)) }
    return .board(try BoardFile(&file))
  }

  private static let everyReceiverKey = """
    [receiver]
    kind = "webhook"
    url = "https://siren.example.org/onset"
    secret_file = "siren.secret"
    give_up_minutes = 30
    [rule]
    stations = "XX.*,YY.*.00.*"
    level = "watch"
    intensity_minimum = 4.5
    quorum = 3
    within_seconds = 7.5
    drills = true

    """

  private enum Content {
    case board(BoardFile?)
    case station(StationFile)
    case calibration(CalibrationFile)
    case relations(Relations)
    case collector(CollectorSettings)
    case receiver(ReceiverFile)
  }

  // MARK: Promises

  /// "FILE:LINE: sentence" or, where the grammar is kept and a key is missing, "FILE: sentence".
  private static func check(
    _ refusal: Diagnostic, isParsed: Bool, _ bytes: UnsafeBufferPointer<UInt8>
  ) throws {
    let text = refusal.text
    let count = name.utf8CodeUnitCount
    try require(text.count > count + 4, "the refusal says nothing: \(text.string)")
    let isNamed = name.withUTF8Buffer { name in
      (0..<count).allSatisfy { text[$0] == name[$0] } && text[count] == UInt8(ascii: ":")
    }
    try require(isNamed, "the refusal does not name the file: \(text.string)")
    for index in 0..<text.count {
      try require(
        (0x20...0x7E).contains(text[index]), "the refusal is not printable: \(text.string)")
    }
    var line = 0
    var index = count + 1
    while index < text.count, (0x30...0x39).contains(text[index]) {
      line = line * 10 + Int(text[index] - 0x30)
      index += 1
    }
    let isTooLong = bytes.count >= ConfigurationFile.maximumByteCount
    try require(
      isParsed || line > 0 || isTooLong, "the parser's refusal has no line: \(text.string)")
    if line > 0 {
      var lines = 1
      for byte in bytes where byte == UInt8(ascii: "\n") { lines += 1 }
      try require(
        line <= lines && text[index] == UInt8(ascii: ":"), "there is no such line: \(text.string)")
    }
  }

  /// Whole lines that name the file, and at last how many more there are.
  private static func check(errorsBefore text: String) throws {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    try require(lines.last == "", "the last line does not end: \(text)")
    for (place, line) in lines.dropLast().enumerated() {
      let isCount = place == lines.count - 2 && line.hasPrefix("and ") && line.hasSuffix(" more")
      let isPrintable = line.utf8.allSatisfy { (0x20...0x7E).contains($0) }
      try require(
        isPrintable && (isCount || line.hasPrefix("\(name):")), "one of the refusals: \(line)")
    }
  }

  private static func check(_ board: BoardFile) throws {
    let digitizer = board.digitizer
    try require(!board.name.isEmpty, "the board has no name")
    try require(
      digitizer.bufferFrames >= 2 * digitizer.periodFrames && digitizer.periodFrames > 0
        && (1...digitizer.format.maximumCounts).contains(digitizer.clipCounts)
        && (0...1_000_000).contains(digitizer.delayMicroseconds), "the digitizer is impossible")
    try require(
      digitizer.kind == .shake ? !digitizer.shake.source.isEmpty : !digitizer.device.isEmpty,
      "frames from nowhere")
    try require(digitizer.lanes[0].channel >= 0, "there is no vertical")
    for lane in 0..<Component.count {
      let assignment = digitizer.lanes[lane]
      try require(
        assignment.channel < digitizer.channelCount && assignment.gain.isFinite
          && assignment.gain != 0, "lane \(lane) is impossible")
    }
    let delay = RateConverter(rateMillihertz: digitizer.sampleRateMillihertz).groupDelaySeconds
    try require(delay >= 0 && delay < 1, "the filters of this rate are \(delay) s late")
    if let pulse = board.pulse {
      try require((0...1023).contains(pulse.line) && !pulse.chip.isEmpty, "no such line")
    }
  }

  private static func check(_ station: StationFile) throws {
    let picker = station.picker
    try require(station.code.isStationCode, "the code is none: \(station.code.string)")
    try require(
      picker.bandHighHertz >= 2 * picker.bandLowHertz && picker.bandHighHertz <= 40
        && picker.longTermSeconds >= 5 * picker.shortTermSeconds && picker.shortTermSeconds > 0
        && picker.releaseRatio < picker.triggerRatio
        && picker.refractoryMilliseconds >= 3000, "the picker is impossible: \(picker)")
    try require(
      isPossible(station.uplink.first) && station.uplink.second.map(isPossible) ?? true
        && !station.stateDirectory.isEmpty, "the uplink is impossible")
  }

  private static func isPossible(_ upstream: UpstreamSettings) -> Bool {
    (1...65_535).contains(upstream.port) && !upstream.host.isEmpty && !upstream.keyFile.isEmpty
  }

  /// Whatever is accepted must leave an uncertainty, at every time at which it is asked.
  private static func check(_ relations: Relations) throws {
    for relation in [relations.acceleration, relations.velocity] {
      for logSeconds in [-0.31, 0, 1] {
        try require(relation.sigma(time: logSeconds) > 0.04, "no uncertainty is left")
        try require(relation.value(time: logSeconds, -3, -4).isFinite, "no number is expected")
      }
    }
    for sigma in [
      relations.attenuation.sigma, relations.magnitudeOfPeriod.sigma, relations.magnitude.sigma,
      relations.logDistance.sigma, relations.velocityOfDisplacement.sigma,
    ] { try require(sigma >= 0.01, "a sigma of nothing") }
    try require(relations.speeds.p > relations.speeds.s, "S before P")
    try require((0..<1).contains(relations.correlation), "a correlation of one")
  }

  private static func check(_ calibration: CalibrationFile) throws {
    try require(
      calibration.countsPerUnit.isFinite && calibration.countsPerUnit > 0,
      "counts per unit: \(calibration.countsPerUnit)")
    try require(calibration.isValid(on: calibration.validFrom), "never valid")
    for date in [calibration.measured, calibration.validFrom, calibration.validUntil] {
      try require(
        CalendarDate(daysSince1970: date.daysSince1970) == date, "no such day: \(date)")
    }
    guard let corner = calibration.corner else { return }
    try require(
      corner.cornerHertz > 0 && corner.damping > 0 && corner.damping.isFinite
        && corner.extendedCornerHertz <= corner.cornerHertz
        && corner.extendedCornerHertz >= corner.cornerHertz / 10,
      "the corner is impossible: \(corner)")
    var filter = MotionFilter(
      Response(quantity: .velocity, unitsPerCount: Lanes(repeating: 1), corner: corner))
    let motion = filter.step(Lanes(repeating: 1))
    try require(motion.velocity[0].isFinite, "the equaliser of \(corner) is none")
  }
}

// MARK: Corpus

extension ConfigurationTarget {
  private static let everyBoardKey = """
    [board]
    format = 1
    name = "everything"
    description = "every key"
    [digitizer]
    device = "hw:0"
    sample_format = "S24_4"
    sample_rate_millihertz = 51200000
    channels = 8
    period_frames = 512
    buffer_frames = 51200
    clip_counts = 8300000
    delay_microseconds = 375
    vertical_channel = 0
    vertical_polarity = -1
    vertical_gain = 1.5
    north_channel = 1
    north_polarity = 1
    north_gain = 2e0
    east_channel = 2
    east_polarity = 1
    east_gain = 0.5
    auxiliary_channel = 7
    auxiliary_polarity = -1
    auxiliary_gain = 1e-3
    [pps]
    chip = "gpiochip0"
    line = 18
    edge = "falling"
    delay_nanoseconds = -50

    """

  private static let everyStationKey = """
    [station]
    format = 1
    code = "XX.ONST1..EH"
    [sensor]
    vertical_calibration = "a/z.toml"
    north_calibration = "/etc/n.toml"
    east_calibration = "e.toml"
    [picker]
    band_low_hertz = 1.0
    band_high_hertz = 15
    short_term_seconds = 0.2
    long_term_seconds = 20.0
    trigger_ratio = 4.5
    release_ratio = 1.2
    minimum_duration_milliseconds = 150
    refractory_milliseconds = 5000
    [uplink]
    host = "192.0.2.1"
    port = 6464
    listen_port = 6465
    key_file = "station.key"
    [state]
    directory = "state"

    """

  private static let everyPole = """
    [instrument]
    format = 1
    model = "six poles"
    serial = "1"
    quantity = "velocity"
    measured = "2024-02-29"
    valid_from = "2024-03-01"
    valid_until = "2034-03-01"
    sensitivity_volts_per_metre_per_second = 1500.0
    [digitizer]
    counts_per_volt = 4.2e5
    [response]
    zeros_at_origin = 2
    poles = 6
    pole_1_real = -0.037
    pole_1_imaginary = 0.037
    pole_2_real = -0.037
    pole_2_imaginary = -0.037
    pole_3_real = -700
    pole_3_imaginary = 0
    pole_4_real = -800.5
    pole_4_imaginary = 100
    pole_5_real = -800.5
    pole_5_imaginary = -100
    pole_6_real = -9e4
    pole_6_imaginary = 0
    extended_corner_hertz = 0.0083

    """
}
