// Check: is this file a board, a station or a calibration, and is it right? Would onsetd start with
// the station, and do a board and a station that are checked together make an alarm possible?
//
//     print(try Check.file("station.toml"))
//     for remark in try Check.together(["board.toml", "station.toml"]) { print(remark) }

import Board
import Conditioning
import Core
import Digitizer
import Estimator
import Kernels
import Network
import Picker
import Runtime
import Settings
import Station
import Uplink

public enum Check {
  /// One sentence about a good file; throws the parser's about a bad one.
  public static func file(_ path: String) throws(Diagnostic) -> String {
    guard path.utf8.count <= 256 else { throw Diagnostic("a path is longer than 256 bytes") }
    return try Configuration.read(Path(path)) { file throws(Diagnostic) in
      if file.has(section: "board") { return board(try BoardFile(&file)) }
      if file.has(section: "station") { return try station(try StationFile(&file)) }
      if file.has(section: "relations") { return relations(try Relations(&file)) }
      if file.has(section: "instrument") { return calibration(try CalibrationFile(&file)) }
      try file.check()
      var diagnostic = Diagnostic()
      diagnostic.text.append(Path(path))
      diagnostic.text.append(
        ": has none of the sections [board], [station], [instrument] and [relations]")
      throw diagnostic
    }
  }

  /// What is to be known of boards and stations that are right by themselves; throws where onsetd
  /// would refuse a station's calibrations, relations or key, and where a relay waits for an alarm
  /// that cannot come.
  public static func together(_ paths: [String]) throws(Diagnostic) -> [String] {
    var boards: [BoardFile] = []
    var stations: [(path: String, file: StationFile)] = []
    for path in paths {
      try Configuration.read(Path(path)) { file throws(Diagnostic) in
        if file.has(section: "board") {
          boards.append(try BoardFile(&file))
        } else if file.has(section: "station") {
          stations.append((path, try StationFile(&file)))
        }
      }
    }
    for (path, station) in stations {
      if boards.isEmpty { _ = try Configuration.response(station, nil) }
      for board in boards { _ = try Configuration.response(station, board) }
      _ = try Configuration.relations(station)
      let (keys, _) = try UpstreamKeys.read(station.uplink)
      try Configuration.check(peers: station, keys, Path(path))
    }
    var remarks: [String] = []
    for board in boards where board.relay != nil {
      for (path, station) in stations {
        guard let remark = try alarm(board, path, station) else { continue }
        remarks.append(remark)
      }
    }
    return remarks
  }

  private static func alarm(
    _ board: BoardFile, _ path: String, _ station: StationFile
  ) throws(Diagnostic) -> String? {
    let isCalibrated = (0..<3).map { !station.calibrations[$0].isEmpty }
    // Everything else is made of the vertical's P.
    guard isCalibrated[0] else {
      var diagnostic = Diagnostic()
      diagnostic.text.append(Path(path))
      diagnostic.text.append(": the vertical has no calibration, so that no alarm can ever come ")
      diagnostic.text.append("for the [relay] of board ")
      diagnostic.text.append(board.name)
      diagnostic.text.append(": name vertical_calibration in [sensor], ")
      diagnostic.text.append("and the horizontals' beside it")
      throw diagnostic
    }
    guard !(isCalibrated[1] && isCalibrated[2]) else { return nil }
    return "\(path): without both horizontal calibrations nothing is expected of the shaking; "
      + "the relay of board \(board.name.string) closes for the amplitude of P alone, "
      + "and for measured shaking after a P"
  }

  private static func board(_ board: BoardFile) -> String {
    let digitizer = board.digitizer
    let rate = Double(digitizer.sampleRateMillihertz) / 1000
    let names = words(LaneSet.names)
    let lanes = (0..<4).filter { digitizer.lanes[$0].channel >= 0 }.map {
      "\(names[$0]) on channel \(digitizer.lanes[$0].channel)"
    }
    let delay = RateConverter(rateMillihertz: digitizer.sampleRateMillihertz).groupDelaySeconds
    return "board \(board.name.string): \(decimal(rate, 0)) Hz, \(lanes.joined(separator: ", ")); "
      + "\(decimal(delay * 1000, 1)) ms of filter delay; "
      + skew(digitizer) + time(board)
  }

  /// Channels that are not sampled together.
  private static func skew(_ digitizer: DigitizerSettings) -> String {
    guard digitizer.kind == .ads1256, digitizer.channelCount > 1 else { return "" }
    let apart = Double(digitizer.ads.skewNanoseconds(1)) / 1e6
    return "channels are sampled one after the other, \(decimal(apart, 1)) ms apart; "
  }

  private static func time(_ board: BoardFile) -> String {
    if let pulse = board.pulse {
      if !pulse.device.isEmpty { return "a pulse a second from \(pulse.device.string)" }
      return "a pulse a second on \(pulse.chip.string) line \(pulse.line)"
    }
    return switch board.digitizer.kind {
    case .alsa: "time from the system clock"
    case .shake: "time from the Shake at \(board.digitizer.shake.source.string)"
    case .iio, .ads1256: "time of the kernel's stamps on the system clock"
    case .anyshake: "time from its GNSS receiver, and from the system clock without one"
    }
  }

  private static func station(_ station: StationFile) throws(Diagnostic) -> String {
    // Refused here, where somebody reads it; the station itself would do without.
    let networks = StationNetworks(station, kernels: KernelVariant.select().variant)
    if let problem = networks.pickerProblem ?? networks.estimatorProblem { throw problem }
    let picker = networks.pickerModel.map { "the network " + $0.plan.header.name.string }
    let estimator = networks.estimatorModel.map { " and the network " + $0.plan.header.name.string }
    let calibrated = (0..<3).filter { !station.calibrations[$0].isEmpty }.count
    return "station \(station.code.string): "
      + (calibrated == 0
        ? "no calibration, picks only"
        : "\(calibrated) calibrated components, relations\(estimator ?? "") estimate")
      + ", \(picker ?? "STA/LTA") picks, datagrams to \(upstream(station.uplink.first))"
      + (station.uplink.second.map { " and \(upstream($0))" } ?? "")
  }

  private static func upstream(_ settings: UpstreamSettings) -> String {
    "\(settings.host.string):\(settings.port)"
  }

  private static func relations(_ relations: Relations) -> String {
    "relations: 3 s after P log PGA to \(decimal(relations.acceleration.sigma(time: 0.477), 2)), "
      + "log PGV to \(decimal(relations.velocity.sigma(time: 0.477), 2)), "
      + "magnitude from τc to \(decimal(relations.magnitudeOfPeriod.sigma, 2))"
  }

  private static func calibration(_ file: CalibrationFile) -> String {
    var text = Text<32>()
    text.append(file.validFrom)
    text.append(" to ")
    text.append(file.validUntil)
    let unit = file.quantity == .velocity ? "m/s" : "m/s²"
    let corner =
      file.corner.map {
        $0.extendedCornerHertz < $0.cornerHertz
          ? ", corner \(decimal($0.cornerHertz, 3)) Hz extended to \(decimal($0.extendedCornerHertz, 3)) Hz"
          : ", corner \(decimal($0.cornerHertz, 4)) Hz"
      } ?? ""
    return "calibration of \(file.model.string), serial \(file.serial.string): "
      + "\(decimal(file.countsPerUnit, 0)) counts per \(unit)\(corner), valid \(text.string)"
  }
}
