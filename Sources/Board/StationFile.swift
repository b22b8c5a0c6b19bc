// station.toml: what is true of one site: its code, its sensor, where its datagrams go.

import Core
import Decision
import Picker
import Settings
import Uplink

public struct StationFile: Sendable {
  public var code = StationCode()
  public var site = SiteSettings()
  /// One calibration a component; empty where none is given. The auxiliary lane has none.
  public var calibrations = InlineArray<3, Path>(repeating: Path())
  public var picker = PickerSettings()
  /// The network that picks; empty where STA/LTA is to.
  public var network = Path()
  /// Relations between P and shaking; empty for those that the program carries.
  public var relations = Path()
  /// The network that says what P means; empty for relations alone.
  public var estimatorNetwork = Path()
  /// Who must have signed both networks; nil where anybody's are taken.
  public var networkSigner: PublicKey?
  public var alarm = AlarmSettings()
  /// The other stations of the site, and what they are asked for.
  public var peers = Peers()
  public var quorum = QuorumSettings()
  public var uplink: UplinkSettings
  public var operators: Operators
  /// Where the boot counter and all else that outlives the program are kept.
  public var stateDirectory = Path()

  public init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    _ = file.integer("station", "format", in: 1...1)
    code = file.text("station", "code", StationCode.self)
    file.demand(
      code.isStationCode, "station", "code",
      "must be NET.STA.LOC.BS such as \"XX.ONST1.00.EH\": capitals and digits, LOC may be empty")
    site = SiteSettings(&file)
    calibrations[0] = file.path("sensor", "vertical_calibration", isOptional: true)
    calibrations[1] = file.path("sensor", "north_calibration", isOptional: true)
    calibrations[2] = file.path("sensor", "east_calibration", isOptional: true)
    picker = PickerSettings(&file)
    network = file.path("picker", "network", isOptional: true)
    relations = file.path("estimator", "relations", isOptional: true)
    estimatorNetwork = file.path("estimator", "network", isOptional: true)
    let signer = file.text("networks", "public_key", Text<128>.self, isOptional: true)
    if !signer.isEmpty {
      networkSigner = PublicKey(hexadecimal: signer)
      file.demand(
        networkSigner != nil && signer.count == 2 * PublicKey.byteCount, "networks", "public_key",
        "must be 64 hexadecimal digits, the public key of whoever signs networks")
    }
    alarm = AlarmSettings(&file)
    if file.has(section: "quorum") {
      quorum = QuorumSettings(&file)
      peers = Peers(&file)
      file.demand(
        quorum.needed <= peers.count + 1, "quorum", "needed",
        "must be at most the number of peers and one more, for this station decides as well")
    }
    uplink = UplinkSettings(&file)
    operators = Operators(&file)
    stateDirectory = file.path("state", "directory")
    try file.finish()
  }
}
