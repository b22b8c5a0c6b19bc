// Elementary: functions whose last bit is the same on every machine.
//
//     let decibels = 10 * Elementary.logarithm10(energy)
//     let (sine, cosine) = Elementary.sineAndCosine(angle)
//
// libm implementations differ between C libraries and between CPUs of one library (FMA variants),
// and the station promises byte-identical datagrams everywhere. These use IEEE 754 addition,
// multiplication, division and square root alone, which are exactly specified, in a fixed order,
// and Swift never contracts a multiplication and an addition into one rounding.
//
// The largest differences from the C library's results over 10⁶ seeded arguments each, which
// ElementaryFunctionsTests measures again:
//   exponential    1 ulp for |x| ≤ 700
//   logarithm      2 ulp from 10⁻³⁰⁴ to 10³⁰⁴, next to 1 too
//   logarithm10    2 ulp there
//   powerOfTen     5|x| + 2 ulp for |x| ≤ 300: the rounding of x ln 10 is magnified
//   sine, cosine   2⁻⁵³ absolute for |x| ≤ 10⁵
//   tangent        3 ulp for |x| ≤ 1.5
// Sine, cosine and tangent trap beyond 10¹⁹ and for NaN, which no filter design asks them.

public enum Elementary {
  /// ln 2 split so that the first part times an exponent of up to 11 bits is exact (Cody and Waite
  /// 1980).
  private static let ln2High = 0x1.62e42fee00000p-1
  private static let ln2Low = 0x1.a39ef35793c76p-33

  @inline(never)
  public static func exponential(_ x: Double) -> Double {
    guard x == x else { return x }
    if x > 709.0 { return .infinity }
    if x < -708.0 { return 0 }
    let exponent = nearestInteger(x * 1.4426950408889634)  // 1 / ln 2
    let r = (x - Double(exponent) * ln2High) - Double(exponent) * ln2Low
    // |r| ≤ 0.347: the Taylor series to r¹³ leaves a remainder below 2⁻⁵⁷.
    var sum = 1.0
    var divisor = 13.0
    while divisor >= 1 {
      sum = 1 + sum * (r / divisor)
      divisor -= 1
    }
    return sum * Double(sign: .plus, exponent: exponent, significand: 1)
  }

  /// Natural logarithm; −∞ at zero, NaN below it.
  @inline(never)
  public static func logarithm(_ x: Double) -> Double {
    guard x > 0 else { return x == 0 ? -.infinity : .nan }
    guard x < .infinity else { return x }
    var exponent = Int(x.exponent)
    var mantissa = x.significand
    if mantissa > 1.4142135623730951 {
      mantissa *= 0.5
      exponent += 1
    }
    // ln m = 2 artanh((m − 1)/(m + 1)), |f| ≤ 0.172: the terms beyond f²³ stay below 2⁻⁶⁰.
    let f = (mantissa - 1) / (mantissa + 1)
    let square = f * f
    var sum = 0.0
    var odd = 23.0
    while odd >= 3 {
      sum = (sum + 1 / odd) * square
      odd -= 2
    }
    let fraction = 2 * f + 2 * f * sum
    return Double(exponent) * ln2High + (fraction + Double(exponent) * ln2Low)
  }

  public static func logarithm10(_ x: Double) -> Double { logarithm(x) * 0.4342944819032518 }

  /// 10 to the power x.
  public static func powerOfTen(_ x: Double) -> Double { exponential(x * 2.302585092994046) }

  public static func sine(_ x: Double) -> Double { sineAndCosine(x).sine }
  public static func cosine(_ x: Double) -> Double { sineAndCosine(x).cosine }

  public static func tangent(_ x: Double) -> Double {
    let (sine, cosine) = sineAndCosine(x)
    return sine / cosine
  }

  @inline(never)
  public static func sineAndCosine(_ x: Double) -> (sine: Double, cosine: Double) {
    let quadrant = nearestInteger(x * 0.6366197723675814)  // 2 / π
    // π/2 in two parts (Cody and Waite 1980): the first has 33 significant bits.
    let r = (x - Double(quadrant) * 0x1.921fb54400000p+0) - Double(quadrant) * 0x1.0b4611a626331p-34
    let square = r * r
    var sine = 1.0
    var cosine = 1.0
    var n = 18.0
    while n >= 2 {  // |r| ≤ π/4: r¹⁹/19! is below 2⁻⁶³
      sine = 1 - sine * square / (n * (n + 1))
      cosine = 1 - cosine * square / (n * (n - 1))
      n -= 2
    }
    sine *= r
    switch quadrant & 3 {
    case 0: return (sine, cosine)
    case 1: return (cosine, -sine)
    case 2: return (-sine, -cosine)
    default: return (-cosine, sine)
    }
  }

  /// The angle of the point (x, y) from the x axis, −π to π; 0 at the origin.
  @inline(never)
  public static func arcTangent(y: Double, x: Double) -> Double {
    let (across, along) = (min(x.magnitude, y.magnitude), max(x.magnitude, y.magnitude))
    guard along > 0 else { return 0 }
    var t = across / along
    // Beyond tan(π/12), from π/6: atan t = π/6 + atan((√3·t − 1) / (√3 + t)).
    let isSteep = t > 0.2679491924311227
    if isSteep { t = (1.7320508075688772 * t - 1) / (1.7320508075688772 + t) }
    let square = t * t
    var series = 0.0
    var n = 27.0
    while n >= 1 {  // |t| ≤ tan(π/12): t²⁹/29 is below 2⁻⁵⁸
      series = 1 / n - square * series
      n -= 2
    }
    var angle = t * series + (isSteep ? 0.5235987755982989 : 0)
    if y.magnitude > x.magnitude { angle = 1.5707963267948966 - angle }
    if x < 0 { angle = 3.141592653589793 - angle }
    return y < 0 ? -angle : angle
  }

  /// The nearest integer, halves away from zero, without a call into libm.
  public static func nearestInteger(_ x: Double) -> Int { Int(x < 0 ? x - 0.5 : x + 0.5) }
}
