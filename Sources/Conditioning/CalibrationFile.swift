// CalibrationFile: calibration/instruments/<name>.toml: what a count means in ground motion, and
// for which dates that is true.
//
//     let calibration = try CalibrationFile(&file)
//     let metresPerSecond = counts / calibration.countsPerUnit
//     if !calibration.isValid(on: today) { … }

import Core
import Settings

/// What the sensor's output is proportional to.
public enum MotionQuantity: UInt8, Sendable { case velocity, acceleration }

public struct CalibrationFile: Sendable {
  public var model = Text<64>()
  public var serial = Text<40>()
  public var quantity = MotionQuantity.velocity
  /// Counts per m/s or per m/s²: sensor sensitivity times digitizer counts per volt.
  public var countsPerUnit = 1.0
  /// Low corner and damping of a velocity sensor's second-order response; nil for a flat one.
  public var corner: SensorCorner?
  public var measured = CalendarDate(year: 1970, month: 1, day: 1)
  public var validFrom = CalendarDate(year: 1970, month: 1, day: 1)
  public var validUntil = CalendarDate(year: 1970, month: 1, day: 1)

  public init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    _ = file.integer("instrument", "format", in: 1...1)
    model = file.text("instrument", "model", Text<64>.self)
    serial = file.text("instrument", "serial", Text<40>.self)
    let word = file.choice("instrument", "quantity", ["velocity", "acceleration", "", "", ""])
    quantity = MotionQuantity(rawValue: UInt8(word))!
    measured = file.date("instrument", "measured")
    validFrom = file.date("instrument", "valid_from")
    validUntil = file.date("instrument", "valid_until")
    file.demand(
      validFrom.daysSince1970 <= validUntil.daysSince1970, "instrument", "valid_until",
      "must not be before valid_from")
    let sensitivity = CalibrationFile.readSensitivity(&file, quantity)
    let countsPerVolt = file.decimal("digitizer", "counts_per_volt", in: 1e-3...1e12)
    countsPerUnit = sensitivity * countsPerVolt
    if file.has(section: "response") { corner = SensorCorner(&file, quantity) }
    try file.finish()
  }

  private static let sensitivities = 1e-6...1e6

  /// The key that fits the quantity, and no other.
  private static func readSensitivity(
    _ file: inout ConfigurationFile, _ quantity: MotionQuantity
  ) -> Double {
    let ofVelocity: StaticString = "sensitivity_volts_per_metre_per_second"
    let ofAcceleration: StaticString = "sensitivity_volts_per_metre_per_second_squared"
    let isVelocity = quantity == .velocity
    let other = isVelocity ? ofAcceleration : ofVelocity
    if file.has("instrument", other) {
      _ = file.decimal("instrument", other, in: sensitivities)
      file.demand(
        false, "instrument", other, "does not fit the quantity: write the one that does")
    }
    return file.decimal("instrument", isVelocity ? ofVelocity : ofAcceleration, in: sensitivities)
  }

  public func isValid(on date: CalendarDate) -> Bool {
    (validFrom.daysSince1970...validUntil.daysSince1970).contains(date.daysSince1970)
  }
}

/// A velocity sensor is a mass on a spring: s² / (s² + 2hω₀s + ω₀²).
public struct SensorCorner: Equatable, Sendable {
  public var cornerHertz: Double
  public var damping: Double
  /// The corner down to which the station extends the response; the sensor's own where it does not.
  public var extendedCornerHertz: Double

  public init(cornerHertz: Double, damping: Double, extendedCornerHertz: Double) {
    self.cornerHertz = cornerHertz
    self.damping = damping
    self.extendedCornerHertz = extendedCornerHertz
  }
}

extension SensorCorner {
  private static let twoPi = 6.283185307179586

  init(_ file: inout ConfigurationFile, _ quantity: MotionQuantity) {
    file.demand(
      quantity == .velocity, "instrument", "quantity",
      "is acceleration, which is taken as flat to DC: leave [response] out")
    let hasCorner = file.has("response", "corner_hertz")
    let hasPoles = file.has("response", "poles")
    file.demand(
      hasCorner != hasPoles, "response", hasCorner ? "poles" : "corner_hertz",
      hasCorner
        ? "must not stand beside corner_hertz: write one or the other"
        : "[response] has either corner_hertz and damping, or poles and zeros")
    var (corner, damping) = (0.0, 0.0)
    if hasPoles { (corner, damping) = SensorCorner.readPolesAndZeros(&file) }
    if hasCorner {
      corner = file.decimal("response", "corner_hertz", in: 0.001...20)
      damping = file.decimal("response", "damping", in: 0.05...5)
    }
    var extended = corner
    if file.has("response", "extended_corner_hertz") {
      extended = file.decimal("response", "extended_corner_hertz", in: 0.001...20)
    }
    // Each octave below the corner costs 12 dB of sensor noise: ten times is 40 dB.
    file.demand(
      corner == 0 || (extended <= corner && extended >= corner / 10), "response",
      "extended_corner_hertz",
      "must lie between a tenth of the sensor's corner and the corner itself")
    self.init(cornerHertz: corner, damping: damping, extendedCornerHertz: extended)
  }

  /// Poles and zeros in rad/s, numbered from 1. The station equalises a second-order low corner:
  /// two zeros at the origin and one pair of poles; whatever lies above 100 Hz is outside its band.
  private static func readPolesAndZeros(
    _ file: inout ConfigurationFile
  ) -> (corner: Double, damping: Double) {
    let keys: InlineArray<6, (StaticString, StaticString)> = [
      ("pole_1_real", "pole_1_imaginary"), ("pole_2_real", "pole_2_imaginary"),
      ("pole_3_real", "pole_3_imaginary"), ("pole_4_real", "pole_4_imaginary"),
      ("pole_5_real", "pole_5_imaginary"), ("pole_6_real", "pole_6_imaginary"),
    ]
    let poleCount = file.integer("response", "poles", in: 2...6)
    _ = file.integer("response", "zeros_at_origin", in: 2...2)
    let limit = 1e5
    var product = 1.0
    var sum = 0.0
    var first = (real: 0.0, imaginary: 0.0)
    var isPair = false
    var inBand = 0
    for index in 0..<poleCount {
      let real = file.decimal("response", keys[index].0, in: -limit...0)
      let imaginary = file.decimal("response", keys[index].1, in: -limit...limit)
      let magnitude = (real * real + imaginary * imaginary).squareRoot()
      guard magnitude <= twoPi * 100 else { continue }
      if inBand == 0 { first = (real, imaginary) }
      isPair = first.imaginary == -imaginary && (imaginary == 0 || first.real == real)
      inBand += 1
      product *= magnitude
      sum += real
    }
    file.demand(
      inBand == 2 && isPair && product > 0, "response", "poles",
      "must hold one conjugate pair or two real poles below 100 Hz: a second-order sensor")
    let angular = product.squareRoot()
    let (corner, damping) = (angular / twoPi, -sum / (2 * angular))
    file.demand(
      (0.001...20).contains(corner) && (0.05...5).contains(damping), "response", "poles",
      "must make a corner of 0.001 to 20 Hz and a damping of 0.05 to 5")
    return (corner, damping)
  }
}
