// onset replay --parameters SECONDS: what is measured of the waves after a P, and what the
// estimator's network sees of it, as JSON lines.

import Core
import Estimator

struct ParameterLines {
  private let station: String
  private let seconds: Double
  private var pickTime: UTC?
  private var told = 0

  init(station: String, seconds: Double) {
    self.station = station
    self.seconds = seconds
  }

  /// A line where another so many seconds have passed since P.
  mutating func next(_ estimator: UnsafeMutablePointer<Estimator>?) -> String? {
    guard let measured = estimator?.pointee.measured else { return nil }
    if measured.pickTime != pickTime { (pickTime, told) = (measured.pickTime, 0) }
    let number = Int(measured.window.seconds / seconds)
    guard number > told else { return nil }
    told = number
    return line(measured)
  }

  private func line(_ measured: Estimator.Measured) -> String {
    let (window, codes) = (measured.window, measured.codes)
    func number(_ value: Double?) -> String { value.map { "\(Float($0))" } ?? "null" }
    return JsonLine.object([
      ("type", "\"parameters\""), ("station", "\"\(station)\""),
      ("pick_id", measured.pickID == 0 ? "null" : "\(measured.pickID)"),
      ("pick_time", JsonLine.time(measured.pickTime)),
      ("after_p_s", decimal(window.seconds, 2)), ("pa_ms2", number(window.peakAcceleration)),
      ("pv_ms", number(window.peakVelocity)), ("pd_m", number(window.peakDisplacement)),
      ("tau_c_s", number(window.tauC)), ("tau_p_s", number(window.largestTauP)),
      ("iv2_m2s", number(window.integralOfVelocitySquared)),
      ("cav_ms", number(window.cumulativeAbsoluteVelocity)),
      ("predominant_period_s", number(window.predominantPeriodSeconds)),
      ("vertical_to_horizontal", number(window.verticalToHorizontal)),
      ("growth_ms3", number(window.growthRate)),
      ("straightness", number(window.straightness)),
      ("recent_ms2", number(window.recentAcceleration)),
      ("observed_pga_ms2", number(window.largestAcceleration)),
      ("observed_pgv_ms", number(window.largestVelocity)),
      ("codes", "[\(codes.indices.map { "\(codes[$0])" }.joined(separator: ","))]"),
    ])
  }
}
