// SeismicIntensity: how strong shaking is called. JMA's instrumental intensity, sample by sample,
// and Modified Mercalli intensity from peak values by Worden et al. (2012, doi:10.1785/0120110156).
//
// JMA weighs acceleration over frequency (√(1/f), less below 0.5 Hz and above 10 Hz), takes the
// vector sum of three components in gal, and of it the level that is exceeded for 0.3 s in all: I =
// 2 log₁₀ a + 0.94. Six recursive second-order stages weigh it here, as those of Kunugi et al.
// (2013, doi:10.4294/zisin.65.223) do; calibration/filters/intensity.py fits them to the
// definition.
//
//     var meter = IntensityMeter()
//     meter.step(motion.acceleration)
//     let jma = meter.intensity
//     let mercalli = Intensity.modifiedMercalli(acceleration: 0.49, velocity: 0.02)

import Conditioning
import Core

struct IntensityFilter: ~Copyable {
  private static let gain = 0.0234769264066476
  private var stages: InlineArray<6, Stage> = [
    Stage(-2, 1, -1.93726945542448, 0.938777675506993),
    Stage(-1.94515428972034, 0.947745319360803, -1.98761728904084, 0.987618014267323),
    Stage(-1.00536080480072, 0.182719198397712, -1.49621625534367, 0.549046520110118),
    Stage(-1.90286147039716, 0.903894946905571, -0.749021225246898, 0.193320756016603),
    Stage(0.385800946162514, 0.0757849852117099, -1.94775111720579, 0.950053284856344),
    Stage(1.01807314623143, 0.226690477818587, -0.366437504875017, 0.175403060198323),
  ]

  private struct Stage {
    let (b1, b2, a1, a2): (Double, Double, Double, Double)
    var first = Lanes.zero
    var second = Lanes.zero

    init(_ b1: Double, _ b2: Double, _ a1: Double, _ a2: Double) {
      (self.b1, self.b2, self.a1, self.a2) = (b1, b2, a1, a2)
    }

    /// Transposed direct form II.
    @inline(__always)
    mutating func step(_ x: Lanes) -> Lanes {
      let y = x + first
      first = b1 * x - a1 * y + second
      second = b2 * x - a2 * y
      return y
    }

    mutating func flushTinyStates() {
      first.replace(with: 0, where: (first .< 1e-100) .& (first .> -1e-100))
      second.replace(with: 0, where: (second .< 1e-100) .& (second .> -1e-100))
    }
  }

  @inline(__always)
  mutating func step(_ acceleration: Lanes) -> Lanes {
    var x = IntensityFilter.gain * acceleration
    for index in 0..<6 { x = stages[index].step(x) }
    return x
  }

  /// Subnormal states cost time.
  mutating func flushTinyStates() {
    for index in 0..<6 { stages[index].flushTinyStates() }
  }
}

/// The level that was exceeded in so many samples: the least of the largest.
struct ExceededLevel<let count: Int>: Sendable {
  private var largest = InlineArray<count, Double>(repeating: 0)  // descending
  var value: Double { largest[count - 1] }

  mutating func add(_ x: Double) {
    guard x > value else { return }
    var place = count - 1
    while place > 0 && largest[place - 1] < x {
      largest[place] = largest[place - 1]
      place -= 1
    }
    largest[place] = x
  }
}

/// That which was exceeded for 0.3 s in all.
typealias LevelOfIntensity = ExceededLevel<30>

/// JMA's intensity of all that has come so far.
public struct IntensityMeter: ~Copyable {
  private var filter = IntensityFilter()
  private var level = LevelOfIntensity()

  public init() {}

  public mutating func step(_ acceleration: Lanes) {
    let weighted = filter.step(acceleration)
    level.add((weighted * weighted).sum().squareRoot())
  }

  public var intensity: Double? { Intensity.jma(level: level.value) }
}

public enum Intensity {
  /// The standard deviation of the mean of both relations of Worden et al. (2012): each has 0.63 to
  /// 0.66.
  static let mercalliSigma = 0.65
  /// No instrument reports a lower one.
  public static let leastOfJma = -3.0

  /// JMA's intensity of a level in m/s²; nil where nothing moves.
  public static func jma(level: Double) -> Double? {
    guard level > 0 else { return nil }
    return max(2 * Elementary.logarithm10(level * 100) + 0.94, leastOfJma)
  }

  /// The intensity of the larger horizontal's peaks, m/s² and m/s: the mean of both relations, as
  /// the paper advises. Its low branches are for intensities below 2; the scale begins at 1.
  public static func modifiedMercalli(acceleration: Double, velocity: Double) -> Double? {
    guard acceleration > 0, velocity > 0 else { return nil }
    let ofAcceleration = modifiedMercalli(acceleration: acceleration)
    let ofVelocity = modifiedMercalli(velocity: velocity)
    return min(max((ofAcceleration + ofVelocity) / 2, 1), 10)
  }

  /// What both say: of an offset that was moved, velocity alone says a lot.
  public static func lesserMercalli(acceleration: Double, velocity: Double) -> Double? {
    guard acceleration > 0, velocity > 0 else { return nil }
    return min(modifiedMercalli(acceleration: acceleration), modifiedMercalli(velocity: velocity))
  }

  static func modifiedMercalli(acceleration: Double) -> Double {
    let x = Elementary.logarithm10(acceleration * 100)
    if x < 0.14 { return 1.71 + 2.08 * x }
    return x <= 1.57 ? 1.78 + 1.55 * x : -1.60 + 3.70 * x
  }

  static func modifiedMercalli(velocity: Double) -> Double {
    let x = Elementary.logarithm10(velocity * 100)
    if x < -1.21 { return 4.62 + 2.17 * x }
    return x <= 0.53 ? 3.78 + 1.47 * x : 2.89 + 3.16 * x
  }
}
