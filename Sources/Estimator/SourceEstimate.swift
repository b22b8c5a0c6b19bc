// SourceEstimate: magnitude and distance together, because amplitude alone cannot tell a small
// event nearby from a large one far away. A Gaussian of (M, log R) that begins with what is usual
// and takes in one linear observation after the other (Kalman 1960): attenuation ties the two, the
// period speaks of M, the envelope's growth and S − P of R. Every observation is weighed by its
// variance, and their joint covariance is carried along.

import Core

struct SourceEstimate {
  private(set) var mean: SIMD2<Double>
  private var covariance: (mm: Double, mr: Double, rr: Double)

  init(_ relations: Relations) {
    mean = SIMD2(relations.magnitude.mean, relations.logDistance.mean)
    covariance = (
      relations.magnitude.sigma * relations.magnitude.sigma, 0,
      relations.logDistance.sigma * relations.logDistance.sigma
    )
  }

  /// weights · (M, log R) was observed as `value`.
  mutating func observe(_ weights: SIMD2<Double>, _ value: Double, sigma: Double) {
    let ofM = covariance.mm * weights[0] + covariance.mr * weights[1]
    let ofR = covariance.mr * weights[0] + covariance.rr * weights[1]
    let variance = weights[0] * ofM + weights[1] * ofR + sigma * sigma
    let innovation = value - (weights * mean).sum()
    mean += SIMD2(ofM, ofR) * (innovation / variance)
    covariance.mm -= ofM * ofM / variance
    covariance.mr -= ofM * ofR / variance
    covariance.rr -= ofR * ofR / variance
  }

  var magnitude: Uncertain { Uncertain(mean[0], sigma: covariance.mm.squareRoot()) }
  var logKilometres: Uncertain { Uncertain(mean[1], sigma: covariance.rr.squareRoot()) }
}

extension Uncertain {
  func added(to base: Double) -> Uncertain { Uncertain(base + value, sigma: sigma) }

  /// The relations' estimate and the network's.
  static func joined(
    _ relations: Uncertain, _ network: Uncertain, beside companion: Companion
  ) -> Uncertain {
    joined(
      relations, Uncertain(network.value, sigma: max(network.sigma, companion.sigma)),
      correlation: companion.correlation)
  }

  /// Two estimates of one quantity whose errors are correlated: the linear combination of least
  /// variance (Aitken 1935). Where correlation leaves one of them nothing to add, the better one.
  static func joined(_ a: Uncertain, _ b: Uncertain, correlation: Double) -> Uncertain {
    let (va, vb) = (a.sigma * a.sigma, b.sigma * b.sigma)
    let shared = correlation * a.sigma * b.sigma
    let sum = va + vb - 2 * shared
    guard sum > 0 else { return va <= vb ? a : b }
    let weight = min(max((vb - shared) / sum, 0), 1)
    let variance =
      weight * weight * va + (1 - weight) * (1 - weight) * vb + 2 * weight * (1 - weight) * shared
    return Uncertain(
      weight * a.value + (1 - weight) * b.value, sigma: variance.squareRoot())
  }
}
