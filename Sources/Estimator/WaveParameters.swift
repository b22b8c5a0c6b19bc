// WaveParameters: what the first seconds after P are like, sample by sample as they grow.
//
//   Pa, Pv, Pd   largest acceleration, velocity, displacement of the vertical since P
//   τc           2π √(∫d² / ∫v²), an average period (Kanamori 2005,
//                doi:10.1146/annurev.earth.33.092203.122626)
//   τp           2π √(X/D), a period that follows (Nakamura 1988; Allen and Kanamori 2003,
//                doi:10.1126/science.1080912); its largest value since P
//   IV2          ∫v² of the vertical (Festa et al. 2008, doi:10.1029/2008GL035576)
//   CAV          ∫|a| of the vector (EPRI 1988)
//   B            of B·t·exp(−At), fitted to the envelope: how fast it grows (Odaka et al. 2003,
//                doi:10.1785/0120020008)
//
// Integrals are trapezoids.
//
//     var window = WaveParameters()
//     window.step(motion, tauP: tauP)
//     let (displacement, period) = (window.peakDisplacement, window.tauC)

import Conditioning
import Core

public struct WaveParameters: Sendable {
  /// P-waves are steepest and straightest in their first second.
  static let polarisationSamples = 100
  /// Half a period of 0.6 s and longer would have turned by then.
  private static let stepSamples = 30.0
  private static let stepShare = 0.7
  private static let recentSamples = 50.0
  /// The zero crossings that a period is counted on must be more than a few.
  private static let crossingsMinimum = 2

  /// Since P; the first sample is the onset's.
  public private(set) var sampleCount = 0
  public private(set) var peakAcceleration = 0.0
  public private(set) var peakVelocity = 0.0
  public private(set) var peakDisplacement = 0.0
  /// Peaks of the larger horizontal.
  public private(set) var horizontalAcceleration = 0.0
  public private(set) var horizontalVelocity = 0.0
  public private(set) var horizontalDisplacement = 0.0
  public private(set) var cumulativeAbsoluteVelocity = 0.0
  public private(set) var largestTauP = 0.0
  /// The mean acceleration over the last half second or so, on the component that moved most. Where
  /// it is small beside the peak, the motion is over.
  public private(set) var recentAcceleration = 0.0
  private var velocitySquared = Trapezoid()
  private var displacementSquared = Trapezoid()
  private var horizontalVelocitySquared = Trapezoid()
  private var absolute = Trapezoid()
  /// Peaks of each component's acceleration.
  private var peaks = Lanes.zero
  private var sumsSincePeak = Lanes.zero
  private var samplesSincePeak = Lanes.zero
  private var crossings = 0
  private var wasUp = false
  private var growth = GrowthFit()
  private var covariance = Polarisation()

  public init() {}

  public var seconds: Double { Double(max(sampleCount - 1, 0)) / outputRateHertz }
  public var integralOfVelocitySquared: Double { velocitySquared.value }
  public var integralOfDisplacementSquared: Double { displacementSquared.value }
  /// Peaks of the component that moved most.
  public var largestAcceleration: Double { max(peakAcceleration, horizontalAcceleration) }
  public var largestVelocity: Double { max(peakVelocity, horizontalVelocity) }
  public var growthRate: Double? { growth.rate }
  public var polarisation: BackAzimuth? { covariance.backAzimuth }
  /// 1 for motion on a line; nil where nothing points anywhere.
  public var straightness: Double? { covariance.coherence }

  public var tauC: Double? {
    guard velocitySquared.value > 0, displacementSquared.value > 0 else { return nil }
    return twoPi * (displacementSquared.value / velocitySquared.value).squareRoot()
  }

  /// A step of the sensor's offset, or a tilt: acceleration that stays where its peak was. The mean
  /// of a sine is 2/π of its peak, that of any earthquake less. The high-pass lets it fade, so what
  /// was one remains one.
  public private(set) var isStep = false

  /// The period of the vertical's velocity, from its zero crossings.
  public var predominantPeriodSeconds: Double? {
    crossings >= WaveParameters.crossingsMinimum ? 2 * seconds / Double(crossings) : nil
  }

  /// Energy of the vertical over that of the horizontals: above one in P, below it in S.
  public var verticalToHorizontal: Double? {
    let horizontal = horizontalVelocitySquared.value
    return horizontal > 0 ? velocitySquared.value / horizontal : nil
  }

  /// `tauP` as the recursion that never stops has it at this sample.
  public mutating func step(_ motion: Motion, tauP: Double) {
    let (a, v, d) = (motion.acceleration, motion.velocity, motion.displacement)
    peakAcceleration = max(peakAcceleration, a[0].magnitude)
    peakVelocity = max(peakVelocity, v[0].magnitude)
    peakDisplacement = max(peakDisplacement, d[0].magnitude)
    horizontalAcceleration = max(horizontalAcceleration, larger(a))
    horizontalVelocity = max(horizontalVelocity, larger(v))
    horizontalDisplacement = max(horizontalDisplacement, larger(d))
    recentAcceleration +=
      (max(a[0].magnitude, larger(a)) - recentAcceleration) / WaveParameters.recentSamples
    for lane in 0..<3 {
      if a[lane].magnitude > peaks[lane] {
        peaks[lane] = a[lane].magnitude
        (sumsSincePeak[lane], samplesSincePeak[lane]) = (0, 0)
      }
      sumsSincePeak[lane] += a[lane].magnitude
      samplesSincePeak[lane] += 1
      if samplesSincePeak[lane] == WaveParameters.stepSamples, peaks[lane] == largestAcceleration,
        sumsSincePeak[lane] > WaveParameters.stepShare * peaks[lane] * WaveParameters.stepSamples
      {
        isStep = true
      }
    }
    velocitySquared.add(v[0] * v[0])
    displacementSquared.add(d[0] * d[0])
    horizontalVelocitySquared.add(v[1] * v[1] + v[2] * v[2])
    absolute.add((a[0] * a[0] + a[1] * a[1] + a[2] * a[2]).squareRoot())
    cumulativeAbsoluteVelocity = absolute.value
    let isUp = v[0] >= 0
    if sampleCount > 0 && isUp != wasUp { crossings += 1 }
    wasUp = isUp
    // The recursion needs a moment after the onset to forget the noise.
    if sampleCount >= 5 { largestTauP = max(largestTauP, tauP) }
    if sampleCount > 0 {
      growth.add(envelope: peakAcceleration, seconds: Double(sampleCount) / outputRateHertz)
    }
    if sampleCount < WaveParameters.polarisationSamples { covariance.add(v) }
    sampleCount += 1
  }
}

let twoPi = 6.283185307179586

/// The larger of the horizontals. (The standard library's `max` of three takes an array.)
@inline(__always)
func larger(_ lanes: Lanes) -> Double { max(lanes[1].magnitude, lanes[2].magnitude) }

/// ∫x dt from the first sample to the newest.
struct Trapezoid: Sendable {
  private(set) var value = 0.0
  private var previous: Double?

  mutating func add(_ x: Double) {
    if let previous { value += (previous + x) / (2 * outputRateHertz) }
    previous = x
  }
}

/// ln(envelope / t) = ln B − A·t by least squares.
struct GrowthFit: Sendable {
  private var count = 0.0
  private var sums = SIMD4<Double>.zero  // t, t², y, ty

  mutating func add(envelope: Double, seconds t: Double) {
    guard envelope > 0 else { return }
    let y = Elementary.logarithm(envelope / t)
    count += 1
    sums += SIMD4(t, t * t, y, t * y)
  }

  /// m/s³; nil before there is enough to fit.
  var rate: Double? {
    let determinant = count * sums[1] - sums[0] * sums[0]
    guard count >= 10, determinant > 0 else { return nil }
    let slope = (count * sums[3] - sums[0] * sums[2]) / determinant
    return Elementary.exponential((sums[2] - slope * sums[0]) / count)
  }
}

/// τp: recursive averages of v² and of its derivative's, α for a second at this rate.
struct TauP: Sendable {
  private static let memory = 1 - 1 / outputRateHertz
  private var velocitySquared = 0.0
  private var derivativeSquared = 0.0
  private var previous = 0.0

  mutating func step(_ velocity: Double) -> Double {
    let derivative = (velocity - previous) * outputRateHertz
    previous = velocity
    velocitySquared = TauP.memory * velocitySquared + velocity * velocity
    derivativeSquared = TauP.memory * derivativeSquared + derivative * derivative
    guard derivativeSquared > 0 else { return 0 }
    return twoPi * (velocitySquared / derivativeSquared).squareRoot()
  }

  /// Subnormal states cost time. Nothing that is squared here is negative.
  mutating func flushTinyStates() {
    if velocitySquared < 1e-100 { velocitySquared = 0 }
    if derivativeSquared < 1e-100 { derivativeSquared = 0 }
  }
}
