// Estimates and alerts as JSON lines. What is unknown is null.

import Core
import Uplink

extension JsonLine {
  public static let classes = [
    "earthquake", "blast", "local impact", "noise", "teleseism", "instrument fault",
  ]

  static func text(_ e: EstimateMessage, _ header: Header) -> String {
    func hundredths(_ value: Int16) -> String {
      value == .min ? "null" : decimal(Double(value) / 100, 2)
    }
    func parts(_ value: UInt16, of unit: Double, _ digits: Int) -> String {
      value == .max ? "null" : decimal(Double(value) / unit, digits)
    }
    func exact(_ value: WireFloat) -> String { value.value.map(threeDigits) ?? "null" }
    let magnitude = [
      ("class", e.eventClass == 0 ? "null" : "\"\(classes[Int(e.eventClass) - 1])\""),
      ("class_probability", probability(e.classProbability)),
      ("magnitude", hundredths(e.magnitudeHundredths)),
      ("magnitude_sigma", parts(e.magnitudeSigmaHundredths, of: 100, 2)),
      ("magnitude_is_lower_bound", e.isMagnitudeLowerBound ? "true" : "false"),
      (
        "distance_km",
        e.distanceMetres == .max ? "null" : decimal(Double(e.distanceMetres) / 1000, 1)
      ),
      ("distance_sigma_log10", parts(e.distanceSigma, of: 1000, 3)),
      ("back_azimuth_deg", parts(e.backAzimuthCentidegrees, of: 100, 1)),
      ("back_azimuth_sigma_deg", parts(e.backAzimuthSigmaCentidegrees, of: 100, 1)),
    ]
    let measured = [
      ("tau_c_s", exact(e.tauC)), ("pd_m", exact(e.peakDisplacement)),
      ("pa_ms2", exact(e.peakAcceleration)), ("pv_ms", exact(e.peakVelocity)),
    ]
    let shaking = [
      ("pga_ms2", exact(e.expectedAcceleration)),
      ("pga_sigma_log10", parts(e.accelerationSigma, of: 1000, 3)),
      ("pgv_ms", exact(e.expectedVelocity)),
      ("pgv_sigma_log10", parts(e.velocitySigma, of: 1000, 3)),
      ("mmi", parts(e.modifiedMercalliHundredths, of: 100, 1)),
      ("jma", hundredths(e.jmaIntensityHundredths)),
      ("observed_pga_ms2", exact(e.observedAcceleration)),
      ("observed_pgv_ms", exact(e.observedVelocity)),
      ("observed_jma", hundredths(e.observedIntensityHundredths)),
      ("s_arrived", e.hasShear ? "true" : "false"), ("clipped", e.isClipped ? "true" : "false"),
      ("calibration_expired", e.isCalibrationExpired ? "true" : "false"),
    ]
    return object(
      [
        ("type", "\"estimate\""), ("station", quoted(header.station)),
        ("pick_id", e.pickID == 0 ? "null" : "\(e.pickID)"), ("pick_time", time(e.pickTime)),
        ("after_p_s", decimal(Double(e.afterPMilliseconds) / 1000, 2)),
      ] + magnitude + measured + shaking + origin(header))
  }

  static func text(_ alert: AlertMessage, _ header: Header) -> String {
    let relay = words(RelayState.names)[Int(alert.relay.rawValue)]
    return object(
      [
        ("type", "\"alert\""), ("station", quoted(header.station)), ("id", "\(alert.id)"),
        ("level", "\"\(alert.level)\""), ("reason", "\"\(sentence(alert.reason))\""),
        ("pick_id", alert.pickID == 0 ? "null" : "\(alert.pickID)"),
        (
          "pick_time", alert.pickTime == AlertMessage.noTime ? "null" : time(alert.pickTime)
        ),
        ("decided", time(alert.decided)), ("relay", "\"\(relay)\""),
        ("drill", alert.isDrill ? "true" : "false"), ("repeat", "\(alert.repeat)"),
        ("evidence", names(alert.evidence, evidence)),
        ("votes", names(alert.votes, voters)),
      ] + origin(header))
  }

  public static func sentence(_ reason: AlertReason) -> String {
    switch reason {
    case .expectedShaking: "the shaking that is expected"
    case .amplitudeOfP: "amplitude and period of P"
    case .measuredShaking: "the shaking that was measured"
    case .estimateFell: "less is expected now"
    case .timeIsOver: "it is over"
    case .pickRetracted: "the pick was none"
    case .command: "a command"
    case .instrumentFault: "the instrument is at fault"
    case .blind: "the digitizer is gone"
    case .restored: "it stood when the station stopped"
    case .outvoted: "too few of the site's other stations had decided"
    }
  }

  private static let evidence = [
    "acceleration and velocity", "jma", "mmi", "two components", "p before it", "second sensor",
  ]

  private static let voters = (1...7).map { "peer \($0)" } + ["this station"]

  /// The names of a mask's bits, as a list.
  public static func names(_ mask: some BinaryInteger, _ names: [String]) -> String {
    let set = names.indices.filter { mask & (1 << $0) != 0 }
    return "[" + set.map { "\"\(names[$0])\"" }.joined(separator: ",") + "]"
  }

  /// A number in scientific notation with four digits, as JSON has it.
  private static func threeDigits(_ value: Double) -> String {
    guard value > 0 else { return "0" }
    let exponent = Int(Elementary.logarithm10(value).rounded(.down))
    return "\(decimal(value / Elementary.powerOfTen(Double(exponent)), 3))e\(exponent)"
  }
}
