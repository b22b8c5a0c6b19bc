// ReplayStation: a station file as a replay reads it.
//
//     let station = try ReplayStation("station.toml")
//     options.picker = station.file.picker

import Board
import Conditioning
import Core
import Estimator
import Runtime
import Settings

/// What a replay takes from a station file: its calibrations, its picker, its relations and its
/// alarm.
public struct ReplayStation {
  public let path: String
  public let file: StationFile
  public let response: Response?
  public let relations: Relations

  public init(_ path: String) throws(Diagnostic) {
    self.path = path
    file = try Configuration.read(Path(path)) { file throws(Diagnostic) in try StationFile(&file) }
    response = try Configuration.response(file, nil)
    relations = try Configuration.relations(file)
  }

  /// A sentence for each calibration that does not hold on the record's first day.
  func dateRemarks(_ record: InstrumentRecord) -> [String] {
    let day = record.segments[0].start.date
    var paths: [String] = []
    for lane in 0..<3 where !file.calibrations[lane].isEmpty {
      let path = file.calibrations[lane].string
      if !paths.contains(path) { paths.append(path) }
    }
    return paths.compactMap { path in
      let read = try? Configuration.read(Path(path)) { file throws(Diagnostic) in
        try CalibrationFile(&file)
      }
      guard let calibration = read, !calibration.isValid(on: day) else { return nil }
      return "\(path) holds from \(calibration.validFrom.iso8601) to "
        + "\(calibration.validUntil.iso8601), and the record is of \(day.iso8601)"
    }
  }
}
