// Biquad: a second-order section over four lanes at once. Coefficients and states are doubles (a
// 24-bit sample leaves 29 bits of headroom for corners at 1/10,000 of the rate), and every
// operation is a separately rounded addition or multiplication, so all CPUs agree to the bit.
//
//     var highPass = Biquad(.highPass(cornerHertz: 0.05, rateHertz: 100))
//     _ = highPass.settle(at: first)
//     let y = highPass.step(x)

import Core

/// Four lanes of double precision.
public typealias Lanes = SIMD4<Double>

/// H(z) = (b0 + b1 z⁻¹ + b2 z⁻²) / (1 + a1 z⁻¹ + a2 z⁻²)
public struct BiquadCoefficients: Equatable, Sendable {
  public var b0 = 1.0
  public var b1 = 0.0
  public var b2 = 0.0
  public var a1 = 0.0
  public var a2 = 0.0

  public init() {}

  /// From (n2 s² + n1 s + n0) / (d2 s² + d1 s + d0), s in rad/s, by the bilinear transform; exact
  /// at the frequency `matchedHertz`.
  public init(
    numerator: (s2: Double, s1: Double, s0: Double),
    denominator: (s2: Double, s1: Double, s0: Double), matchedHertz: Double, rateHertz: Double
  ) {
    let angular = 6.283185307179586 * matchedHertz
    let c = angular / Elementary.tangent(angular / (2 * rateHertz))
    func digital(_ q: (s2: Double, s1: Double, s0: Double)) -> (Double, Double, Double) {
      (q.s2 * c * c + q.s1 * c + q.s0, 2 * (q.s0 - q.s2 * c * c), q.s2 * c * c - q.s1 * c + q.s0)
    }
    let n = digital(numerator)
    let d = digital(denominator)
    b0 = n.0 / d.0
    b1 = n.1 / d.0
    b2 = n.2 / d.0
    a1 = d.1 / d.0
    a2 = d.2 / d.0
  }

  private static let butterworthDamping = 1.4142135623730951  // 2 sin 45°

  public static func highPass(cornerHertz: Double, rateHertz: Double) -> BiquadCoefficients {
    let w = 6.283185307179586 * cornerHertz
    return BiquadCoefficients(
      numerator: (1, 0, 0), denominator: (1, butterworthDamping * w, w * w),
      matchedHertz: cornerHertz, rateHertz: rateHertz)
  }

  public static func lowPass(cornerHertz: Double, rateHertz: Double) -> BiquadCoefficients {
    let w = 6.283185307179586 * cornerHertz
    return BiquadCoefficients(
      numerator: (0, 0, w * w), denominator: (1, butterworthDamping * w, w * w),
      matchedHertz: cornerHertz, rateHertz: rateHertz)
  }

  /// One integration and the high-pass after it, s⁻¹ · s²/(s² + …): the integrator's pole at DC
  /// cancels against a zero of the high-pass, so no state can run away however long the station
  /// runs.
  public static func integratingHighPass(
    cornerHertz: Double, rateHertz: Double
  ) -> BiquadCoefficients {
    let w = 6.283185307179586 * cornerHertz
    return BiquadCoefficients(
      numerator: (0, 1, 0), denominator: (1, butterworthDamping * w, w * w),
      matchedHertz: cornerHertz, rateHertz: rateHertz)
  }

  /// A derivative, (1 − z⁻¹)(1 + c z⁻¹) / (1 + a₁ z⁻¹ + a₂ z⁻²). The difference of two samples alone is
  /// 24 % low at four fifths of half the rate. The three were found by minimising the largest error of the
  /// gain up to there, which is 0.04 %; at low frequencies the gain is exact.
  public static func differentiating(rateHertz: Double) -> BiquadCoefficients {
    let (c, a1, a2) = (0.3269898, 0.4966934, 0.0299060)
    let gain = rateHertz * (1 + a1 + a2) / (1 + c)
    var section = BiquadCoefficients()
    (section.b0, section.b1, section.b2) = (gain, gain * (c - 1), -gain * c)
    (section.a1, section.a2) = (a1, a2)
    return section
  }

  public var gainAtZeroHertz: Double { (b0 + b1 + b2) / (1 + a1 + a2) }

  /// −dφ/dω in seconds: of a polynomial Σ cₖ z⁻ᵏ it is Re(Σ k cₖ z⁻ᵏ / Σ cₖ z⁻ᵏ) samples.
  public func groupDelaySeconds(hertz: Double, rateHertz: Double) -> Double {
    let w = 6.283185307179586 * hertz / rateHertz
    let (s1, c1) = Elementary.sineAndCosine(w)
    let (s2, c2) = Elementary.sineAndCosine(2 * w)
    func delay(_ k0: Double, _ k1: Double, _ k2: Double) -> Double {
      let real = k0 + k1 * c1 + k2 * c2
      let imaginary = -(k1 * s1 + k2 * s2)
      let weightedReal = k1 * c1 + 2 * k2 * c2
      let weightedImaginary = -(k1 * s1 + 2 * k2 * s2)
      return (weightedReal * real + weightedImaginary * imaginary)
        / (real * real + imaginary * imaginary)
    }
    return (delay(b0, b1, b2) - delay(1, a1, a2)) / rateHertz
  }
}

/// One section with its state, in transposed direct form II.
public struct Biquad: BitwiseCopyable, Sendable {
  private let b0: Double
  private let b1: Double
  private let b2: Double
  private let a1: Double
  private let a2: Double
  private let gainAtZeroHertz: Double
  private var z1 = Lanes.zero
  private var z2 = Lanes.zero

  public init(_ c: BiquadCoefficients = BiquadCoefficients()) {
    b0 = c.b0
    b1 = c.b1
    b2 = c.b2
    a1 = c.a1
    a2 = c.a2
    gainAtZeroHertz = c.gainAtZeroHertz
  }

  @inline(__always)
  public mutating func step(_ x: Lanes) -> Lanes {
    let y = b0 * x + z1
    z1 = (b1 * x - a1 * y) + z2
    z2 = b2 * x - a2 * y
    return y
  }

  /// The state as if `x` had been the input for ever; returns the output that goes with it.
  public mutating func settle(at x: Lanes) -> Lanes {
    let y = gainAtZeroHertz * x
    z2 = b2 * x - a2 * y
    z1 = (b1 * x - a1 * y) + z2
    return y
  }

  public mutating func clear() {
    z1 = .zero
    z2 = .zero
  }

  /// States that have decayed to nothing become zero before they turn subnormal, which costs a
  /// hundred cycles an operation on many CPUs.
  public mutating func flushTinyStates() {
    z1.replace(with: 0, where: (z1 .< 1e-100) .& (z1 .> -1e-100))
    z2.replace(with: 0, where: (z2 .< 1e-100) .& (z2 .> -1e-100))
  }
}

/// Whether any lane is set. (The standard library's `any` drags an array type into the Embedded
/// build.)
@inline(__always)
func isAnySet(_ mask: SIMDMask<SIMD4<Int64>>) -> Bool {
  SIMD4<Int64>.zero.replacing(with: 1, where: mask).wrappedSum() != 0
}

@inline(__always)
func isAnySet(_ mask: SIMDMask<SIMD4<Int32>>) -> Bool {
  SIMD4<Int32>.zero.replacing(with: 1, where: mask).wrappedSum() != 0
}
