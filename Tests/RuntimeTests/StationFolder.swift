// A folder with the configuration of a station, for tests that start one.

import Core
import Foundation
import Runtime
import Settings
import Tools

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

  func read(_ name: String) throws -> String {
    try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
  }

  func writeKey(_ bytes: Data, permissions: Int) throws {
    let file = folder.appendingPathComponent("station.key")
    try bytes.write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: file.path)
  }

  func configuration() throws -> Configuration {
    try Configuration(boardPath: path("board.toml"), stationPath: path("station.toml"))
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
