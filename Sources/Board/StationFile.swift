// station.toml: what is true of one site: its code, its sensor, where its datagrams go.

import Core
import Decision
import Picker
import Settings
import Uplink

public struct StationFile: Sendable {
  public var code = StationCode()
  /// One calibration a component; empty where none is given. The auxiliary lane has none.
  public var calibrations = InlineArray<3, Path>(repeating: Path())
  public var picker = PickerSettings()
  /// The network that picks; empty where STA/LTA is to.
  public var network = Path()
  /// Relations between P and shaking; empty for those that the program carries.
  public var relations = Path()
  /// The network that says what P means; empty for relations alone.
  public var estimatorNetwork = Path()
  public var alarm = AlarmSettings()
  public var uplink: UplinkSettings
  /// Where the boot counter lives.
  public var stateDirectory = Path()

  public init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    _ = try file.integer("station", "format", in: 1...1)
    code = try file.text("station", "code", StationCode.self)
    guard code.isStationCode else {
      throw file.contradiction(
        "station", "code",
        "must be NET.STA.LOC.BS such as \"XX.ONST1.00.EH\": capitals and digits, LOC may be empty")
    }
    calibrations[0] = try file.relativePath("sensor", "vertical_calibration")
    calibrations[1] = try file.relativePath("sensor", "north_calibration")
    calibrations[2] = try file.relativePath("sensor", "east_calibration")
    picker = try PickerSettings(&file)
    network = try file.relativePath("picker", "network")
    relations = try file.relativePath("estimator", "relations")
    estimatorNetwork = try file.relativePath("estimator", "network")
    alarm = try AlarmSettings(&file)
    uplink = try UplinkSettings(&file)
    guard file.has("state", "directory") else {
      throw file.contradiction("state", "directory", "missing key directory in [state]")
    }
    stateDirectory = try file.relativePath("state", "directory")
    try file.finish()
  }
}
