// A device of the kernel's Industrial I/O, set up through a folder that looks like /sys and heard through a pipe that looks
// like its own. `make test-sensor` has the kernel's.

import Board
import CLinux
import Core
import Devices
import Digitizer
import Foundation
import Settings
import Testing
import Tools

/// The folder and the pipe; they are gone with it.
private final class Driver {
  let root: URL
  private var pipe: Int32 = -1

  init() throws {
    root = FileManager.default.temporaryDirectory.appending(path: "iio-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: root.appending(path: "dev"), withIntermediateDirectories: true)
    try put("trigger0/name", "timer\n")
    try put("trigger0/sampling_frequency", "1.000000\n")
    try put("iio:device0/name", "tmp117\n")
    try put("iio:device3/name", "adxl355\n")
    try put("iio:device3/in_accel_sampling_frequency", "4000.000000\n")
    try put("iio:device3/current_timestamp_clock", "realtime\n")
    try put("iio:device3/trigger/current_trigger", "\n")
    for (file, text) in [("enable", "1\n"), ("length", "2\n"), ("watermark", "1\n")] {
      try put("iio:device3/buffer/" + file, text)
    }
    let elements = [
      ("accel_x", "be:s20/32>>4"), ("accel_y", "be:s20/32>>4"), ("accel_z", "be:s20/32>>4"),
      ("temp", "be:u12/16>>0"), ("timestamp", "le:s64/64>>0"),
    ]
    for (index, (name, form)) in elements.enumerated() {
      try put("iio:device3/scan_elements/in_\(name)_en", "0\n")
      try put("iio:device3/scan_elements/in_\(name)_index", "\(index)\n")
      try put("iio:device3/scan_elements/in_\(name)_type", form + "\n")
    }
    mkfifo(pipePath, 0o600)
    plugIn()
  }

  deinit {
    unplug()
    try? FileManager.default.removeItem(at: root)
  }

  private var pipePath: String { root.appending(path: "dev/iio:device3").path }
  private var devices: URL { root.appending(path: "sys/bus/iio/devices") }

  func url(_ file: String) -> URL { devices.appending(path: file) }

  func put(_ file: String, _ text: String) throws {
    try FileManager.default.createDirectory(
      at: url(file).deletingLastPathComponent(), withIntermediateDirectories: true)
    try text.write(to: url(file), atomically: false, encoding: .utf8)
  }

  func value(_ file: String) throws -> String {
    try String(contentsOf: url("iio:device3/" + file), encoding: .utf8)
      .trimmingCharacters(in: .newlines)
  }

  /// Whoever reads a pipe that nobody holds finds its end.
  func plugIn() { pipe = open(pipePath, O_RDWR | O_NONBLOCK) }
  func unplug() {
    close(pipe)
    pipe = -1
  }

  func deliver(_ bytes: [UInt8]) { #expect(write(pipe, bytes, bytes.count) == bytes.count) }

  /// x, y, z and the time, as the kernel lays them out with or without the temperature in between.
  static func scan(_ number: Int32, at time: Int64) -> [UInt8] {
    func bytes(_ word: UInt32) -> [UInt8] { withUnsafeBytes(of: word.bigEndian) { Array($0) } }
    let axes = [number, -number, 2 * number].flatMap { bytes(UInt32(bitPattern: $0) << 4 | 0xF) }
    return axes + [0xEE, 0xEE, 0xEE, 0xEE] + withUnsafeBytes(of: time.littleEndian) { Array($0) }
  }

  func settings(_ lines: String = "trigger = \"timer\"", names: String = "accel_z,accel_x") throws
    -> DigitizerSettings
  {
    let text = """
      [board]
      format = 1
      name = "sensor"
      description = "by the kernel's driver"
      [digitizer]
      kind = "iio"
      device = "adxl355"
      channel_names = "\(names)"
      sample_rate_millihertz = 125000
      clip_counts = 524287
      vertical_channel = 0
      \(lines)
      """
    let bytes = Array(text.utf8)
    return try bytes.withUnsafeBufferPointer { bytes in
      var file = try ConfigurationFile(path: Path("board.toml"), bytes: bytes)
      return try BoardFile(&file).digitizer
    }
  }

  func capture(_ settings: DigitizerSettings) throws -> IioCapture {
    var place = Text<64>()
    for byte in root.path.utf8 { place.append(byte: byte) }
    return try IioCapture(settings, root: place)
  }

  func refusal(_ settings: DigitizerSettings) -> String {
    do throws(Diagnostic) {
      var place = Text<64>()
      for byte in root.path.utf8 { place.append(byte: byte) }
      _ = try IioCapture(settings, root: place)
      return "none"
    } catch {
      return error.text.string
    }
  }
}

@Suite(.serialized) struct IioCaptureTests {
  private static let begin: Int64 = 50_000_000_000
  private static let step: Int64 = 8_000_000

  private func read(
    _ capture: inout IioCapture, now: Int64
  ) -> (result: CaptureResult, samples: [Int32]) {
    var raw = [Int32](repeating: 0, count: 64)
    let result = raw.withUnsafeMutableBytes { capture.read($0, monotonicNow: now) }
    guard case .frames(let delivery) = result else { return (result, []) }
    return (result, Array(raw[0..<(2 * delivery.count)]))
  }

  @Test func itSetsUpWhatIsOtherwise() throws {
    let driver = try Driver()
    do {
      _ = try driver.capture(driver.settings())
      #expect(try driver.value("buffer/enable") == "0")
    }
    let capture = try driver.capture(driver.settings())
    let files = [
      ("buffer/enable", "1"), ("buffer/length", "250"), ("buffer/watermark", "1"),
      ("current_timestamp_clock", "monotonic"), ("in_accel_sampling_frequency", "125"),
      ("trigger/current_trigger", "timer"), ("scan_elements/in_accel_x_en", "1"),
      ("scan_elements/in_accel_y_en", "0"), ("scan_elements/in_accel_z_en", "1"),
      ("scan_elements/in_timestamp_en", "1"), ("scan_elements/in_temp_en", "0"),
    ]
    for (file, value) in files { #expect(try driver.value(file) == value, "\(file)") }
    let timer = try String(contentsOf: driver.url("trigger0/sampling_frequency"), encoding: .utf8)
    #expect(timer == "125")
    _ = consume capture
  }

  /// The layout is that of all that is on, also of what somebody else has switched on.
  @Test func framesGapsAPulledCableAndAnotherLayout() throws {
    let driver = try Driver()
    for name in ["accel_y", "temp"] {
      try driver.put("iio:device3/scan_elements/in_\(name)_en", "1\n")
    }
    var capture = try driver.capture(driver.settings())
    let times = [0, 1, 2, 6, 7, 8].map { Self.begin + Int64($0) * Self.step }
    for (index, time) in times.enumerated() {
      driver.deliver(Driver.scan(Int32(index + 1), at: time))
    }
    let now = times.last! + 1000
    let (first, before) = read(&capture, now: now)
    #expect(before == [2, 1, 4, 2, 6, 3])
    guard case .frames(let delivery) = first else { return #expect(Bool(false), "\(first)") }
    #expect(delivery.gap == .none && delivery.stamp == times[2] && delivery.stampedFrames == 2)
    #expect(delivery.hasMore)
    let (second, after) = read(&capture, now: now)
    #expect(after == [8, 4, 10, 5, 12, 6])
    guard case .frames(let late) = second else { return #expect(Bool(false), "\(second)") }
    #expect(late.gap == .frames(3) && late.stamp == times[5])

    driver.unplug()
    guard case .lost = read(&capture, now: now).result else { return #expect(Bool(false)) }
    let isEarly = capture.reopenIfDue(monotonicNow: now + 99_000_000)
    #expect(!isEarly)
    driver.plugIn()
    try driver.put("iio:device3/buffer/enable", "0\n")
    try driver.put("iio:device3/current_timestamp_clock", "realtime\n")
    let isThere = capture.reopenIfDue(monotonicNow: now + 101_000_000)
    #expect(isThere)
    #expect(try driver.value("current_timestamp_clock") == "monotonic")
    driver.deliver(Driver.scan(9, at: now + 200_000_000))
    let again = read(&capture, now: now + 200_000_001).samples
    #expect(again == [18, 9])
    let counters = capture.counters
    #expect(counters.frames == 7 && counters.reopenings == 1 && counters.shortReads == 0)
  }

  @Test func aDeviceThatFallsSilentIsSetUpAnew() throws {
    let driver = try Driver()
    var capture = try driver.capture(driver.settings())
    guard case .nothingYet = read(&capture, now: Self.begin).result else {
      return #expect(Bool(false))
    }
    try driver.put("iio:device3/buffer/enable", "0\n")
    let late = Self.begin + 3_000_000_000
    guard case .nothingYet = read(&capture, now: late - 1).result else {
      return #expect(Bool(false))
    }
    guard case .lost = read(&capture, now: late).result else { return #expect(Bool(false)) }
    let isThere = capture.reopenIfDue(monotonicNow: late + 100_000_000)
    #expect(isThere)
    #expect(try driver.value("buffer/enable") == "1")
  }

  @Test func whatCannotBeIsSaidInOneSentence() throws {
    let driver = try Driver()
    var settings = try driver.settings()
    settings.device = Text<128>("lis3dh")
    #expect(
      driver.refusal(settings).hasPrefix("digitizer: no device lis3dh has a driver here: cat /sys"))
    #expect(
      driver.refusal(try driver.settings(names: "accel_w"))
        .hasPrefix("digitizer: channel_names has accel_w, which the device has not: ls "))
    #expect(
      driver.refusal(try driver.settings(""))
        .hasPrefix("digitizer: nothing makes the device take samples: name a trigger"))
    try driver.put("iio:device3/scan_elements/in_accel_y_en", "1\n")
    try driver.put("iio:device3/scan_elements/in_accel_y_type", "nonsense\n")
    #expect(
      driver.refusal(try driver.settings()).contains("in_accel_y_type is no form that is known"))
    try driver.put("iio:device3/scan_elements/in_accel_y_en", "0\n")
    try driver.put("iio:device3/scan_elements/in_accel_x_type", "le:s40/64>>0\n")
    #expect(driver.refusal(try driver.settings()).contains("in_accel_x_type does not fit"))
    // What the driver does not take is named with the value.
    let clock = driver.url("iio:device3/current_timestamp_clock")
    try FileManager.default.removeItem(at: clock)
    try FileManager.default.createSymbolicLink(
      atPath: clock.path, withDestinationPath: "/proc/version")
    let said = driver.refusal(try driver.settings())
    #expect(said.contains("current_timestamp_clock cannot be set to monotonic ("))
    #expect(said.contains("): the package's udev rule"))
    try FileManager.default.removeItem(at: driver.root.appending(path: "dev/iio:device3"))
    #expect(
      driver.refusal(try driver.settings()).contains(
        "/dev/iio:device3 cannot be opened (No such file"))
  }

  @Test(arguments: [
    ("accel_x,accel_x", "channel_names"), ("", "channel_names"), ("../x", "channel_names"),
    ("a,b,c,d,e,f,g,h,i", "channel_names"), ("abcdefghijklmnopqrstuvwxy", "channel_names"),
  ])
  func namesThatAreWrong(_ names: String, _ key: String) throws {
    let driver = try Driver()
    do {
      _ = try driver.settings(names: names)
      #expect(Bool(false), "it was taken")
    } catch let error as Diagnostic {
      #expect(error.text.string.contains(key), "\(error.text.string)")
    }
  }
}
