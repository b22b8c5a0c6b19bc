// MotionFilter: counts at 100 samples a second to ground acceleration, velocity and displacement.
//
// Every integration is followed by a one-pass two-pole Butterworth high-pass at 0.075 Hz
// (seismology of on-site warning: Wu and Kanamori 2005; two poles give the lowest scatter of τc).
// Nothing is zero-phase.
//
//   accelerometer   a = high-pass(x), v = high-pass(∫a), d = high-pass(∫v)
//   velocity sensor v = high-pass(equalised x), d = high-pass(∫v), a = derivative of v, which is
//                   right to 0.1 % up to 40 Hz and 4 ms late
//
// An integration is the trapezoidal rule: without phase error, and low by 0.07 dB at 5 Hz, 0.3 dB
// at 10 Hz, 1.3 dB at 20 Hz.
//
//     var filter = MotionFilter(response)
//     filter.restart(at: first)
//     let motion = filter.step(counts)

import Core

public struct Motion: Equatable, Sendable {
  /// m/s²
  public var acceleration = Lanes.zero
  /// m/s
  public var velocity = Lanes.zero
  /// m
  public var displacement = Lanes.zero
  public init() {}
}

/// What the lanes' counts mean; one quantity for all of a station's components.
public struct Response: Equatable, Sendable {
  public var quantity: MotionQuantity
  /// Ground unit per count, zero for a lane without calibration.
  public var unitsPerCount: Lanes
  public var corner: SensorCorner?
  /// The last day on which all calibrations hold; nil where nobody says.
  public var validUntil: CalendarDate?
  public init(quantity: MotionQuantity, unitsPerCount: Lanes, corner: SensorCorner? = nil) {
    self.quantity = quantity
    self.unitsPerCount = unitsPerCount
    self.corner = corner
  }
}

public struct MotionFilter: ~Copyable {
  public static let highPassCornerHertz = 0.075

  private let response: Response
  private let isEqualised: Bool
  private var equaliser: Biquad
  private var baseline: Biquad
  private var firstIntegral: Biquad
  private var secondIntegral: Biquad
  private var differentiator: Biquad

  public init(_ response: Response) {
    self.response = response
    let corner = MotionFilter.highPassCornerHertz
    isEqualised = response.corner.map { $0.extendedCornerHertz < $0.cornerHertz } ?? false
    equaliser = Biquad(
      response.corner.map(MotionFilter.equaliser) ?? BiquadCoefficients())
    baseline = Biquad(.highPass(cornerHertz: corner, rateHertz: outputRateHertz))
    let integral = BiquadCoefficients.integratingHighPass(
      cornerHertz: corner, rateHertz: outputRateHertz)
    firstIntegral = Biquad(integral)
    secondIntegral = Biquad(integral)
    differentiator = Biquad(.differentiating(rateHertz: outputRateHertz))
  }

  /// Undoes s²/(s² + 2hω₀s + ω₀²) and puts a Butterworth corner at the extended frequency instead.
  public static func equaliser(_ corner: SensorCorner) -> BiquadCoefficients {
    let own = 6.283185307179586 * corner.cornerHertz
    let wanted = 6.283185307179586 * corner.extendedCornerHertz
    return BiquadCoefficients(
      numerator: (1, 2 * corner.damping * own, own * own),
      denominator: (1, 1.4142135623730951 * wanted, wanted * wanted),
      matchedHertz: corner.cornerHertz, rateHertz: outputRateHertz)
  }

  /// The ground has been at rest, with the sensor at this offset.
  public mutating func restart(at counts: Lanes) {
    var x = counts * response.unitsPerCount
    if isEqualised { x = equaliser.settle(at: x) }
    _ = baseline.settle(at: x)
    firstIntegral.clear()
    secondIntegral.clear()
    differentiator.clear()
  }

  @inline(__always)
  public mutating func step(_ counts: Lanes) -> Motion {
    var motion = Motion()
    var x = counts * response.unitsPerCount
    if isEqualised { x = equaliser.step(x) }
    switch response.quantity {
    case .acceleration:
      motion.acceleration = baseline.step(x)
      motion.velocity = firstIntegral.step(motion.acceleration)
      motion.displacement = secondIntegral.step(motion.velocity)
    case .velocity:
      motion.velocity = baseline.step(x)
      motion.displacement = firstIntegral.step(motion.velocity)
      motion.acceleration = differentiator.step(motion.velocity)
    }
    return motion
  }

  public mutating func flushTinyStates() {
    equaliser.flushTinyStates()
    baseline.flushTinyStates()
    firstIntegral.flushTinyStates()
    secondIntegral.flushTinyStates()
    differentiator.flushTinyStates()
  }
}
