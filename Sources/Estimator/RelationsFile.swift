// Relations: calibration/relations/<name>.toml: the relations between what P brings, what the
// source was and how strong the ground will shake, each with its paper, its region and its standard
// deviation. Logarithms are to base 10; units are SI; distances are hypocentral, in kilometres, as
// magnitudes are.
//
//     let relations = try Relations(&file)
//     let logVelocity = relations.velocityOfDisplacement.value(logDisplacement)

import Core
import Settings

/// y = intercept + slope · x, with the standard deviation of y.
public struct LinearRelation: Equatable, Sendable {
  public var intercept: Double
  public var slope: Double
  public var sigma: Double

  public func value(_ x: Double) -> Double { intercept + slope * x }
}

/// log y = intercept + time · log t + first · log a + second · log b, t seconds after P; its
/// standard deviation falls with log t.
public struct GrowingRelation: Equatable, Sendable {
  public var intercept: Double
  public var time: Double
  public var first: Double
  public var second: Double
  public var sigma: Double
  public var sigmaTime: Double

  public func value(time t: Double, _ a: Double, _ b: Double) -> Double {
    intercept + time * t + first * a + second * b
  }

  public func sigma(time t: Double) -> Double { sigma + sigmaTime * t }
}

/// How good a network's word is beside the relations': the least standard deviation it may claim,
/// because it is sure of what it has learnt, and how much of its error is theirs too.
public struct Companion: Equatable, Sendable {
  public var sigma: Double
  public var correlation: Double

  public init(sigma: Double, correlation: Double) {
    self.sigma = sigma
    self.correlation = correlation
  }
}

public struct Relations: Equatable, Sendable {
  /// log Pd (m) of magnitude and log distance.
  public var attenuation = (intercept: -5.463, magnitude: 0.729, distance: -1.374, sigma: 0.5)
  /// Magnitude of log τc.
  public var magnitudeOfPeriod = LinearRelation(intercept: 6.166, slope: 4.218, sigma: 1.0)
  /// Log distance of log B (m/s³).
  public var distanceOfGrowth = LinearRelation(intercept: 0.969, slope: -0.498, sigma: 0.45)
  /// Log PGV (m/s) of log Pd (m).
  public var velocityOfDisplacement = LinearRelation(intercept: 1.415, slope: 0.903, sigma: 0.62)
  /// Log PGA of the largest acceleration and the largest velocity until now.
  public var acceleration = GrowingRelation(
    intercept: 1.197, time: -0.503, first: 0.503, second: 0.348, sigma: 0.52, sigmaTime: -0.12)
  /// Log PGV of the largest velocity until now and Pd.
  public var velocity = GrowingRelation(
    intercept: 1.273, time: -0.580, first: 0.531, second: 0.380, sigma: 0.64, sigmaTime: -0.09)
  /// JMA's intensity of log PGV (m/s).
  public var intensityOfVelocity = LinearRelation(intercept: 6.12, slope: 1.72, sigma: 0.3)
  /// Before anything is seen.
  public var magnitude = (mean: 5.0, sigma: 1.2)
  public var logDistance = (mean: 1.6, sigma: 0.4)
  /// S − P to distance.
  public var speeds = (p: 6.1, s: 3.5)
  /// How much of two relations' errors for PGV is the same.
  public var correlation = 0.8
  /// How much a network's magnitude, log distance, log PGA and log PGV count.
  public var network = (
    magnitude: Companion(sigma: 0.85, correlation: 0.65),
    distance: Companion(sigma: 0.3, correlation: 0.55),
    acceleration: Companion(sigma: 0.58, correlation: 0.87),
    velocity: Companion(sigma: 0.68, correlation: 0.7)
  )

  @inline(never)
  public init() {}

  public static func == (a: Relations, b: Relations) -> Bool {
    a.attenuation == b.attenuation && a.magnitudeOfPeriod == b.magnitudeOfPeriod
      && a.distanceOfGrowth == b.distanceOfGrowth
      && a.velocityOfDisplacement == b.velocityOfDisplacement && a.acceleration == b.acceleration
      && a.velocity == b.velocity && a.intensityOfVelocity == b.intensityOfVelocity
      && a.magnitude == b.magnitude && a.logDistance == b.logDistance && a.speeds == b.speeds
      && a.correlation == b.correlation && a.network == b.network
  }
}

extension Relations {
  fileprivate static let coefficients = -20.0...20.0
  fileprivate static let sigmas = 0.01...3.0

  public init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    _ = file.integer("relations", "format", in: 1...1)
    Relations.readSource("displacement", &file)
    attenuation.intercept = file.decimal(
      "displacement", "intercept", in: Self.coefficients)
    attenuation.magnitude = file.decimal("displacement", "per_magnitude", in: 0.1...2)
    attenuation.distance = file.decimal(
      "displacement", "per_log_kilometres", in: -4...(-0.1))
    attenuation.sigma = file.decimal("displacement", "sigma_log10", in: Self.sigmas)
    magnitudeOfPeriod = LinearRelation(
      "magnitude_from_period", "per_log_seconds", "sigma", &file)
    distanceOfGrowth = LinearRelation(
      "distance_from_growth", "per_log_growth", "sigma_log10", &file)
    velocityOfDisplacement = LinearRelation(
      "velocity_from_displacement", "per_log_metres", "sigma_log10", &file)
    intensityOfVelocity = LinearRelation(
      "intensity_from_velocity", "per_log_metres_per_second", "sigma", &file)
    acceleration = GrowingRelation(
      "acceleration", "per_log_acceleration", "per_log_velocity", &file)
    velocity = GrowingRelation("velocity", "per_log_velocity", "per_log_displacement", &file)
    correlation = file.decimal("velocity", "correlation_with_displacement", in: 0...0.99)
    magnitude.mean = file.decimal("before", "magnitude", in: 0...9)
    magnitude.sigma = file.decimal("before", "magnitude_sigma", in: Self.sigmas)
    logDistance.mean = file.decimal("before", "log_kilometres", in: 0...3)
    logDistance.sigma = file.decimal("before", "log_kilometres_sigma", in: Self.sigmas)
    speeds.p = file.decimal("crust", "p_kilometres_per_second", in: 3...9)
    speeds.s = file.decimal("crust", "s_kilometres_per_second", in: 1.5...5)
    network.magnitude = Companion("magnitude_sigma", "magnitude_correlation", &file)
    network.distance = Companion("distance_sigma_log10", "distance_correlation", &file)
    network.acceleration = Companion(
      "acceleration_sigma_log10", "acceleration_correlation", &file)
    network.velocity = Companion("velocity_sigma_log10", "velocity_correlation", &file)
    file.demand(
      speeds.p > 1.3 * speeds.s, "crust", "s_kilometres_per_second",
      "must leave p_kilometres_per_second 1.3 times it")
    try file.finish()
  }

  /// The paper and its region enter no computation, but a relation whose source nobody knows is
  /// refused.
  @inline(never)
  fileprivate static func readSource(
    _ section: StaticString, _ file: inout ConfigurationFile
  ) {
    _ = file.text(section, "paper", Text<200>.self)
    _ = file.text(section, "region", Text<100>.self)
  }
}

extension LinearRelation {
  @inline(never)
  fileprivate init(
    _ section: StaticString, _ slopeKey: StaticString, _ sigmaKey: StaticString,
    _ file: inout ConfigurationFile
  ) {
    Relations.readSource(section, &file)
    intercept = file.decimal(section, "intercept", in: Relations.coefficients)
    slope = file.decimal(section, slopeKey, in: Relations.coefficients)
    sigma = file.decimal(section, sigmaKey, in: Relations.sigmas)
  }
}

extension Companion {
  @inline(never)
  fileprivate init(
    _ sigmaKey: StaticString, _ correlationKey: StaticString, _ file: inout ConfigurationFile
  ) {
    sigma = file.decimal("network", sigmaKey, in: Relations.sigmas)
    correlation = file.decimal("network", correlationKey, in: 0...0.99)
  }
}

extension GrowingRelation {
  @inline(never)
  fileprivate init(
    _ section: StaticString, _ firstKey: StaticString, _ secondKey: StaticString,
    _ file: inout ConfigurationFile
  ) {
    Relations.readSource(section, &file)
    intercept = file.decimal(section, "intercept", in: Relations.coefficients)
    time = file.decimal(section, "per_log_seconds", in: Relations.coefficients)
    first = file.decimal(section, firstKey, in: 0...2)
    second = file.decimal(section, secondKey, in: 0...2)
    sigma = file.decimal(section, "sigma_log10", in: Relations.sigmas)
    sigmaTime = file.decimal(section, "sigma_per_log_seconds", in: -1...0)
    // At ten seconds something must be left.
    file.demand(
      sigma + sigmaTime > 0.05, section, "sigma_per_log_seconds",
      "must leave a sigma of 0.05 at ten seconds")
  }
}
