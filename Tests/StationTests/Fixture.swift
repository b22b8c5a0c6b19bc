// A folder with the configuration of a station, for tests that start one.

import Board
import Conditioning
import Core
import Digitizer
import Foundation
import Station
import Tools
import Uplink

final class StationFolder {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-station-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try write("board.toml", StationFolder.board)
    try write("station.toml", StationFolder.station)
    try write("sensor.toml", StationFolder.sensor)
    try writeKey(Data(0..<32), permissions: 0o600)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func path(_ name: String) -> Path { Path(folder.appendingPathComponent(name).path) }

  func write(_ name: String, _ text: String) throws {
    try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
  }

  func writeKey(_ bytes: Data, permissions: Int) throws {
    let file = folder.appendingPathComponent("station.key")
    try bytes.write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: file.path)
  }

  func configuration(
    today: CalendarDate = CalendarDate(year: 2026, month: 6, day: 1)
  ) throws -> Configuration {
    try Configuration(
      boardPath: path("board.toml"), stationPath: path("station.toml"), today: today)
  }

  static let board = """
    [board]
    format = 1
    name = "test"
    description = "a simulated card"
    [digitizer]
    device = "onset_simulated"
    sample_format = "S32"
    sample_rate_millihertz = 8000000
    channels = 3
    period_frames = 80
    buffer_frames = 8000
    vertical_channel = 0
    north_channel = 1
    east_channel = 2

    """
  static let station = """
    [station]
    format = 1
    code = "XX.TEST..EH"
    [sensor]
    vertical_calibration = "sensor.toml"
    [uplink]
    host = "127.0.0.1"
    port = 9
    listen_port = 6999
    key_file = "station.key"
    [state]
    directory = "."

    """
  static let sensor = """
    [instrument]
    format = 1
    model = "test"
    serial = "1"
    quantity = "acceleration"
    measured = "2026-01-01"
    valid_from = "2026-01-01"
    valid_until = "2026-12-31"
    sensitivity_volts_per_metre_per_second_squared = 0.5
    [digitizer]
    counts_per_volt = 1000000

    """
}

let testKey: Key = {
  var bytes = InlineArray<32, UInt8>(repeating: 0)
  for index in 0..<32 { bytes[index] = UInt8(index) }
  return Key(bytes)
}()

func stationSettings(rateHertz: Int = 100) -> StationSettings {
  StationSettings(
    code: StationCode("XX.TEST..EH"), bootCounter: 5, key: testKey,
    conditioner: ConditionerSettings(
      rateMillihertz: rateHertz * 1000, presentLanes: 0b111,
      response: Response(quantity: .acceleration, unitsPerCount: Lanes(repeating: 1e-6))),
    picker: PickerSettings())
}

/// Noise with an earthquake in the middle, as an accelerometer of 10⁶ counts per m/s² would give
/// it.
func earthquakeFrames(seconds: Int, rateHertz: Int = 100, seed: UInt64 = 1) -> [Frame] {
  var synthetic = SyntheticSettings()
  synthetic.seed = seed
  synthetic.leadSeconds = Double(seconds) / 2
  var earthquake = SyntheticEarthquake(synthetic, rateHertz: Double(rateHertz))
  var sensor = SensorSimulator(
    quantity: .acceleration, countsPerUnit: 1e6, corner: nil, rateHertz: Double(rateHertz),
    maximumCounts: 8_388_607)
  return (0..<(seconds * rateHertz)).map { _ in sensor.step(earthquake.next()) }
}

let streamStart = UTC(CalendarDate(year: 2026, month: 6, day: 1))

func lockedClock() -> ClockReading {
  var clock = ClockReading()
  clock.state = .locked
  clock.source = .pulse
  clock.uncertaintyNanoseconds = 2000
  return clock
}

/// Feeds frames in blocks and hands every datagram to `receive`.
func feed(
  _ station: inout Station, _ frames: [Frame], rateHertz: Int = 100, blockFrames: Int = 4,
  firstFrame: Int64 = 0, _ receive: (Datagram) -> Void = { _ in }
) {
  let nanosecondsPerFrame = 1e9 / Double(rateHertz)
  frames.withUnsafeBufferPointer { frames in
    var index = 0
    while index < frames.count {
      let end = min(index + blockFrames, frames.count)
      let offset = Int64(Double(firstFrame + Int64(index)) * nanosecondsPerFrame)
      station.process(
        Block(
          frames: UnsafeBufferPointer(rebasing: frames[index..<end]),
          firstFrame: firstFrame + Int64(index), firstFrameTime: streamStart + offset,
          clock: lockedClock()),
        nanosecondsPerFrame: nanosecondsPerFrame)
      while let datagram = station.nextDatagram() { receive(datagram) }
      index = end
    }
  }
}

func open(_ datagram: Datagram) throws -> Header {
  try datagram.withBytes { bytes throws in try OpenedDatagram(bytes, key: testKey).header }
}

func health(_ datagram: Datagram) throws -> HealthMessage? {
  try datagram.withBytes { bytes throws in
    let opened = try OpenedDatagram(bytes, key: testKey)
    return opened.header.type == .health ? try HealthMessage(opened.payload) : nil
  }
}

func pick(_ datagram: Datagram) throws -> PickMessage? {
  try datagram.withBytes { bytes throws in
    let opened = try OpenedDatagram(bytes, key: testKey)
    return opened.header.type == .pick ? try PickMessage(opened.payload) : nil
  }
}
