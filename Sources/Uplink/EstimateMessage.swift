// What is known of an event some time after its P: type 2 of WIRE-FORMAT.md.

import Core

public struct EstimateMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.estimate
  public static let byteCount = 76
  public var pickID: UInt32 = 0
  public var afterPMilliseconds: UInt16 = 0
  /// 0 unknown, 1 earthquake, 2 blast, 3 collapse or other local impact, 4 noise, 5 teleseism,
  /// 6 instrument fault
  public var eventClass: UInt8 = 0
  public var isClipped = false
  /// The sensor's calibration has run out: amplitudes are what it once said.
  public var isCalibrationExpired = false
  public var hasShear = false
  public var isMagnitudeLowerBound = false
  public var pickTime = UTC(nanoseconds: 0)
  public var classProbability = Wire.noProbability
  public var magnitudeHundredths = Int16.min
  public var magnitudeSigmaHundredths = UInt16.max
  /// The standard deviation of the logarithm, in thousandths.
  public var distanceSigma = UInt16.max
  public var distanceMetres = UInt32.max
  public var backAzimuthCentidegrees = UInt16.max
  public var backAzimuthSigmaCentidegrees = UInt16.max
  public var tauC = WireFloat.unknown
  public var peakDisplacement = WireFloat.unknown
  public var peakAcceleration = WireFloat.unknown
  public var peakVelocity = WireFloat.unknown
  public var expectedAcceleration = WireFloat.unknown
  public var expectedVelocity = WireFloat.unknown
  /// Standard deviations of the logarithms, in thousandths.
  public var accelerationSigma = UInt16.max
  public var velocitySigma = UInt16.max
  public var modifiedMercalliHundredths = UInt16.max
  public var jmaIntensityHundredths = Int16.min
  public var observedAcceleration = WireFloat.unknown
  public var observedVelocity = WireFloat.unknown
  public var observedIntensityHundredths = Int16.min
  public init() {}

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&pickID, "pick_id", "", "the P pick it rests on, of the same boot; 0 where STA/LTA triggered and the network told nothing")
    v.number(&afterPMilliseconds, "after_p_ms", "ms", "length of the window after P; never unknown", to: .max - 1)
    v.number(&eventClass, "event_class", "", "0 unknown, 1 earthquake, 2 blast, 3 collapse or other local impact, 4 noise, 5 teleseism, 6 instrument fault", to: 6)
    v.truths(&isClipped, &hasShear, &isMagnitudeLowerBound, &isCalibrationExpired, "flags", "bit 0: clipped in the window, amplitudes are lower bounds; bit 1: S has probably arrived in it; bit 2: the window is shorter than half such a source lasts, the magnitude is a lower bound; bit 3: the calibration has run out, amplitudes are as it once was; others 0")
    v.time(&pickTime, "pick_time_ns", "P arrival; never unknown")
    v.number(&classProbability, "class_probability", "1/10000", "", to: 10_000, unknown: .max)
    v.number(&magnitudeHundredths, "magnitude", "0.01", "", unknown: .min)
    v.number(&magnitudeSigmaHundredths, "magnitude_sigma", "0.01", "", unknown: .max)
    v.number(&distanceSigma, "distance_sigma_log10", "0.001", "of the logarithm of the distance", unknown: .max)
    v.number(&distanceMetres, "distance_m", "m", "hypocentral", unknown: .max)
    v.number(&backAzimuthCentidegrees, "back_azimuth", "0.01°", "from station to source, clockwise from north", to: 35_999, unknown: .max)
    v.number(&backAzimuthSigmaCentidegrees, "back_azimuth_sigma", "0.01°", "", to: 18_000, unknown: .max)
    v.quantity(&tauC, "tau_c_s", "s", "τc in the window")
    v.quantity(&peakDisplacement, "pd_m", "m", "peak displacement of the vertical in the window")
    v.quantity(&peakAcceleration, "pa_ms2", "m/s²", "peak acceleration, likewise")
    v.quantity(&peakVelocity, "pv_ms", "m/s", "peak velocity, likewise")
    v.quantity(&expectedAcceleration, "pga_ms2", "m/s²", "peak acceleration to be expected here")
    v.quantity(&expectedVelocity, "pgv_ms", "m/s", "peak velocity to be expected here")
    v.number(&accelerationSigma, "pga_sigma_log10", "0.001", "", unknown: .max)
    v.number(&velocitySigma, "pgv_sigma_log10", "0.001", "", unknown: .max)
    v.number(&modifiedMercalliHundredths, "mmi", "0.01", "Modified Mercalli intensity to be expected here", to: 1200, unknown: .max)
    v.number(&jmaIntensityHundredths, "jma", "0.01", "JMA's instrumental intensity to be expected here", unknown: .min)
    v.quantity(&observedAcceleration, "observed_pga_ms2", "m/s²", "largest acceleration in the window")
    v.quantity(&observedVelocity, "observed_pgv_ms", "m/s", "largest velocity in the window")
    v.number(&observedIntensityHundredths, "observed_jma", "0.01", "JMA's instrumental intensity of the window", unknown: .min)
    v.reserved(UInt16.self)
  }
}
