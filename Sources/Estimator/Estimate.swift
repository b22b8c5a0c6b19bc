// Estimate: what is known of an event some time after its P, and how well.
//
//     let magnitude = Uncertain(6.1, sigma: 0.5)
//     let isLarge = magnitude.probability(atLeast: 6.5) > 0.5

import Core

/// A value and its standard deviation.
public struct Uncertain: Equatable, Sendable {
  public var value: Double
  public var sigma: Double
  public init(_ value: Double, sigma: Double) {
    self.value = value
    self.sigma = sigma
  }

  /// How probable it is that the value is `limit` or more, if its error is normal.
  public func probability(atLeast limit: Double) -> Double {
    let z = (limit - value) / sigma
    return z < 0 ? 1 - Uncertain.upperTail(-z) : Uncertain.upperTail(z)
  }

  /// The normal distribution's share beyond z ≥ 0, to 10⁻⁷ (Abramowitz and Stegun 1964, 26.2.17).
  private static func upperTail(_ z: Double) -> Double {
    let t = 1 / (1 + 0.2316419 * z)
    let series =
      t
      * (0.319381530
        + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    return series * Elementary.exponential(-z * z / 2) * 0.3989422804014327
  }
}

/// How strong the ground has shaken.
public struct ObservedShaking: Equatable, Sendable {
  /// Peaks of the component that moved most, m/s² and m/s.
  public var acceleration = 0.0
  public var velocity = 0.0
  /// What the acceleration exceeded for a tenth of a second in all.
  public var sustainedAcceleration = 0.0
  /// JMA's instrumental one; nil without three components.
  public var intensity: Double?
  public init() {}
}

public struct Estimate: Equatable, Sendable {
  /// 0 where STA/LTA triggered and the network's picker told nothing.
  public var pickID: UInt32 = 0
  public var pickTime = UTC(nanoseconds: 0)
  public var seconds = 0.0
  /// A component was at full scale: amplitudes are lower bounds.
  public var isClipped = false
  /// S has arrived, or should have.
  public var hasShear = false
  /// The window is shorter than half of such a source lasts: its magnitude is a lower bound.
  public var isSaturated = false
  /// No motion of the ground does this: the sensor was moved, or its offset has changed.
  public var isFault = false
  /// The likeliest, and how likely it is; nil without a network. A fault is told as one, however
  /// likely.
  public var eventClass: EventClass?
  public var classProbability: Double?
  public var earthquakeProbability: Double?
  public var magnitude = Uncertain(0, sigma: 0)
  public var logKilometres = Uncertain(0, sigma: 0)
  public var backAzimuth: BackAzimuth?
  public var tauC: Double?
  public var peakAcceleration = 0.0
  public var peakVelocity = 0.0
  public var peakDisplacement = 0.0
  /// How much of that the noise would have had: 1 and more where the peak is the noise's.
  public var noiseShare = 0.0
  /// What is to be expected here; nil without horizontals. Logarithms of m/s² and m/s.
  public var logAcceleration: Uncertain?
  public var logVelocity: Uncertain?
  /// JMA's, to be expected.
  public var jmaIntensity: Uncertain?
  public var observed = ObservedShaking()
  /// At one of the times when one is due, or different from the last that was.
  public var isDue = false
  public init() {}

  /// To be expected. Its σ is what a σ more of shaking would change, and the relation's own.
  public var modifiedMercalli: Uncertain? {
    guard let mercalli = modifiedMercalli(beyond: 0), let beyond = modifiedMercalli(beyond: 1)
    else { return nil }
    let change = beyond - mercalli
    let own = Intensity.mercalliSigma
    return Uncertain(mercalli, sigma: (change * change + own * own).squareRoot())
  }

  private func modifiedMercalli(beyond sigmas: Double) -> Double? {
    guard let logAcceleration, let logVelocity else { return nil }
    return Intensity.modifiedMercalli(
      acceleration: Elementary.powerOfTen(
        logAcceleration.value + sigmas * logAcceleration.sigma),
      velocity: Elementary.powerOfTen(logVelocity.value + sigmas * logVelocity.sigma))
  }
}
