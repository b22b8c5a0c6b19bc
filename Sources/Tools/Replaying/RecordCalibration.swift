// RecordCalibration: what a replay's records are in ground motion. A calibration belongs to one
// sensor and to some years; a file may hold other sensors, and any year.
//
//     let calibration = RecordCalibration.kind(.acceleration, countsPerUnit: 1e6)
//     options.response = calibration.response(for: record, among: records) { print($0) }

import Conditioning
import Core

public enum RecordCalibration {
  case none
  /// What an operator says of the records.
  case kind(MotionQuantity, countsPerUnit: Double)
  case station(ReplayStation)

  /// Nil for an instrument that it does not fit, which `say` is told.
  public func response(
    for record: InstrumentRecord, among records: [InstrumentRecord], say: (String) -> Void
  ) -> Response? {
    switch self {
    case .none: return nil
    case .kind(let quantity, let countsPerUnit):
      guard records.count == 1 || (record.quantity ?? quantity) == quantity else {
        say(
          "\(record.code): its code is no \(quantity) sensor's, so that --kind is not for it: "
            + "replayed in counts")
        return nil
      }
      return Response(quantity: quantity, unitsPerCount: Lanes(repeating: 1 / countsPerUnit))
    case .station(let station):
      guard let response = station.response else { return nil }
      let code = station.file.code.string
      if record.code != code {
        guard records.count == 1 else {
          say("\(record.code): \(station.path) calibrates \(code) alone: replayed in counts")
          return nil
        }
        say("\(record.code): calibrated as \(station.path) has it for \(code)")
      }
      for sentence in station.dateRemarks(record) { say("\(record.code): \(sentence)") }
      return response
    }
  }
}

extension InstrumentRecord {
  /// The instrument's letter in the FDSN code: what the sensor is sensitive to, where that says it.
  var quantity: MotionQuantity? {
    switch code.last {
    case "H", "L", "P": .velocity
    case "N", "G": .acceleration
    default: nil
    }
  }
}
