// SyntheticEarthquake: an earthquake that a seed decides: the stochastic ω² method (Hanks and
// McGuire 1981; Boore 2003, doi:10.1007/PL00012553) in the time domain, sample by sample.
//
// White noise under a window is shaped by recursive filters: two first-order high-passes at the
// corner frequency make the ω² acceleration spectrum (2πf)²Ω₀ / (1 + (f/fc)²) exactly in magnitude;
// two first-order low-passes stand in for exp(−πft*), with the same −3 dB frequency. P arrives on
// the vertical mostly, S on the horizontals. The noise is coloured as the ground's is: a microseism
// band at 0.2 Hz and a flat part, at the chosen level.
//
//   M0   seismic moment, N·m                 fc   corner frequency, Hz
//   Ω₀   low-frequency displacement level    t*   κ₀ + travel time / Q, s
//
//     var earthquake = SyntheticEarthquake(SyntheticSettings(), rateHertz: 100)
//     let acceleration = earthquake.next()

import Core

public struct SyntheticSettings: Sendable {
  public var magnitude = 4.0
  public var epicentralKilometres = 25.0
  public var depthKilometres = 8.0
  public var seed: UInt64 = 1
  /// Seconds of noise before P.
  public var leadSeconds = 15.0
  /// RMS of the ground noise, m/s²: 2e-5 is a quiet basement in a town (between the Peterson 1993
  /// models).
  public var noiseMetresPerSecondSquared = 2e-5
  /// Brune stress parameter: 10 MPa is the middle of crustal earthquakes (Allmann and Shearer 2009:
  /// 4 MPa by Madariaga's model, which is 10 by Brune's).
  public var stressDropPascal = 1e7
  /// What soft ground makes of S; 1 is hard rock.
  public var siteAmplificationOfS = 1.0
  public init() {}
}

public struct SyntheticEarthquake: ~Copyable {
  // Crust: Boore (2003), table 3, and average values for P.
  private static let densityKilogramsPerCubicMetre = 2800.0
  private static let speedOfP = 6100.0
  private static let speedOfS = 3500.0
  /// κ₀ of a rock site (Anderson and Hough 1984) and Q of an active crust at a few hertz.
  private static let kappaSeconds = 0.035
  private static let qualityOfP = 600.0
  private static let qualityOfS = 400.0

  /// P and S arrival after the first sample, seconds.
  public let timeOfP: Double
  public let timeOfS: Double
  private let rateHertz: Double
  private var random: RandomGenerator
  private var p: Phase
  private var s: Phase
  private var index = 0
  private let noiseLevel: Double
  private var microseism = SIMD4<Double>.zero
  private var microseismRate = SIMD4<Double>.zero

  /// One phase: its window, and the filters' states for each component.
  private struct Phase {
    var start: Double
    var rise: Double
    var duration: Double
    var amplitude: Double
    var highPass: Double
    var lowPass: Double
    var weights: SIMD4<Double>
    var previous = SIMD4<Double>.zero
    var high1 = SIMD4<Double>.zero
    var high2 = SIMD4<Double>.zero
    var low1 = SIMD4<Double>.zero
    var low2 = SIMD4<Double>.zero

    /// Saragoni and Hart's shape in short: linear rise, then exponential decay to 5 % at the end of
    /// the duration, and a scattered coda of 5 % that decays ten times slower (Aki and Chouet
    /// 1975).
    func window(_ time: Double) -> Double {
      let t = time - start
      guard t >= 0, t < 40 * duration else { return 0 }
      guard t >= rise else { return t / rise }
      let decay = 3 * (t - rise) / duration
      return 0.95 * Elementary.exponential(-decay) + 0.05 * Elementary.exponential(-decay / 10)
    }

    mutating func step(_ white: SIMD4<Double>, at time: Double) -> SIMD4<Double> {
      let w = window(time)
      guard w > 0 || time > start else { return .zero }
      let x = white * (w * amplitude) * weights
      let before1 = high1
      high1 = highPass * (high1 + x - previous)
      previous = x
      high2 = highPass * (high2 + high1 - before1)
      low1 += lowPass * (high2 - low1)
      low2 += lowPass * (low1 - low2)
      return low2
    }
  }

  public init(_ settings: SyntheticSettings, rateHertz: Double) {
    self.rateHertz = rateHertz
    random = RandomGenerator(seed: settings.seed)
    let hypocentralMetres =
      1000
      * (settings.epicentralKilometres * settings.epicentralKilometres
      + settings.depthKilometres * settings.depthKilometres).squareRoot()
    timeOfP = settings.leadSeconds
    timeOfS =
      settings.leadSeconds
      + hypocentralMetres
      * (1 / SyntheticEarthquake.speedOfS - 1 / SyntheticEarthquake.speedOfP)
    let moment = Elementary.powerOfTen(1.5 * settings.magnitude + 9.1)  // Hanks and Kanamori 1979
    // Brune 1970: fc = 0.49 β (Δσ/M0)^⅓; P corners are 1.5 times higher (Hanks and Wyss 1972).
    let cubeRoot = Elementary.exponential(
      Elementary.logarithm(settings.stressDropPascal / moment) / 3)
    let cornerOfS = 0.49 * SyntheticEarthquake.speedOfS * cubeRoot
    let duration = 1 / cornerOfS + 0.05 * hypocentralMetres / 1000  // Boore 2003, source plus path
    let sine = settings.depthKilometres * 1000 / hypocentralMetres
    // Steeper than the ray: the velocity gradient bends it up to within 30° of the vertical near
    // the site.
    let vertical = 0.75 + 0.25 * sine
    let horizontal = (1 - vertical * vertical).squareRoot()
    p = SyntheticEarthquake.phase(
      start: timeOfP, corner: 1.5 * cornerOfS, duration: 0.6 * duration, moment: moment,
      speed: SyntheticEarthquake.speedOfP, radiation: 0.52, quality: SyntheticEarthquake.qualityOfP,
      distance: hypocentralMetres, rateHertz: rateHertz,
      weights: SIMD4(vertical, 0.8 * horizontal, 0.6 * horizontal, 0))
    s = SyntheticEarthquake.phase(
      start: timeOfS, corner: cornerOfS, duration: duration, moment: moment,
      speed: SyntheticEarthquake.speedOfS, radiation: 0.63, quality: SyntheticEarthquake.qualityOfS,
      distance: hypocentralMetres, rateHertz: rateHertz,
      weights: settings.siteAmplificationOfS * SIMD4(0.4, 0.65, 0.65, 0))
    noiseLevel = settings.noiseMetresPerSecondSquared
  }

  private static func phase(
    start: Double, corner: Double, duration: Double, moment: Double, speed: Double,
    radiation: Double, quality: Double, distance: Double, rateHertz: Double,
    weights: SIMD4<Double>
  ) -> Phase {
    let freeSurface = 2.0
    let level =
      moment * radiation * freeSurface
      / (4 * 3.141592653589793 * densityKilogramsPerCubicMetre * speed * speed * speed * distance)
    let angularCorner = 6.283185307179586 * corner
    let dt = 1 / rateHertz
    let rise = 0.08 * duration
    // ∫w² = rise/3 + duration/6 for this window, less its coda; white noise of variance 1/(dt ∫w²)
    // has a mean Fourier amplitude of one.
    let energy = rise / 3 + duration / 6
    let attenuation = kappaSeconds + distance / (speed * quality)
    // exp(−πft*) is 1/√2 at f = ln 2/(2πt*); two equal first-order stages are so at 0.644 of their
    // corner.
    let lowCorner = 0.6931471805599453 / (6.283185307179586 * attenuation) / 0.6435942529055826
    return Phase(
      start: start, rise: rise, duration: duration,
      amplitude: level * angularCorner * angularCorner / (dt * energy).squareRoot(),
      highPass: 1 / (1 + angularCorner * dt),
      lowPass: 1 - Elementary.exponential(-6.283185307179586 * lowCorner * dt), weights: weights)
  }

  /// The next sample of ground acceleration in m/s², vertical, north, east.
  public mutating func next() -> SIMD4<Double> {
    let common = random.gaussian()
    var own = SIMD4<Double>.zero
    var ground = SIMD4<Double>.zero
    for lane in 0..<3 {
      own[lane] = random.gaussian()
      ground[lane] = random.gaussian()
    }
    return motion(common: common, own: own) + noise(ground)
  }

  /// The earthquake's part of the next sample, of white noise common to all components and their
  /// own: what calibration/training/synthesizer.py makes of the same.
  mutating func motion(common: Double, own: SIMD4<Double>) -> SIMD4<Double> {
    let time = Double(index) / rateHertz
    index += 1
    // P is polarised: nine tenths of its motion is common to the components.
    let ofP = SIMD4<Double>(repeating: 0.95 * common) + 0.3 * own
    return p.step(ofP, at: time) + s.step(own, at: time)
  }

  /// White noise to 50 Hz and a resonance at 0.2 Hz with the same power.
  private mutating func noise(_ white: SIMD4<Double>) -> SIMD4<Double> {
    let dt = 1 / rateHertz
    let w = 6.283185307179586 * 0.2
    let damping = 0.3
    // Langevin: x″ + 2ζωx′ + ω²x = √(4ζω³) · white has unit variance.
    let drive = (4 * damping * w * w * w / dt).squareRoot()
    microseismRate += dt * (drive * white - 2 * damping * w * microseismRate - w * w * microseism)
    microseism += dt * microseismRate
    let whiteScale = (rateHertz / 100).squareRoot()
    return noiseLevel * (0.7 * microseism + 0.7 * whiteScale * white)
  }
}
