// The synthetic earthquake against the source model that it cites, computed here from the papers'
// formulas:
//
//   A(f) = V Ω₀ (2πf)² / (1 + (f/fc)²) · D(f)    Ω₀ = M0 R F / (4πρβ³r)    fc = 0.49 β (Δσ/M0)^⅓
//
// V is the share of one horizontal component, R the radiation pattern, F the free surface, and D
// two first-order low-passes with the −3 dB frequency of exp(−πft*).

import Core
import Foundation
import Testing
import Tools

@Suite struct SyntheticEarthquakeTests {
  static let rateHertz = 100.0
  static let seeds: ClosedRange<UInt64> = 1...30

  static func settings(
    magnitude: Double = 5, kilometres: Double = 30, seed: UInt64, noise: Double = 0
  ) -> SyntheticSettings {
    var settings = SyntheticSettings()
    settings.magnitude = magnitude
    settings.epicentralKilometres = kilometres
    settings.seed = seed
    settings.leadSeconds = 5
    settings.noiseMetresPerSecondSquared = noise
    return settings
  }

  static func record(_ settings: SyntheticSettings, seconds: Double) -> [SIMD4<Double>] {
    var earthquake = SyntheticEarthquake(settings, rateHertz: rateHertz)
    return (0..<Int(seconds * rateHertz)).map { _ in earthquake.next() }
  }

  static func arrivals(_ settings: SyntheticSettings) -> (p: Double, s: Double) {
    let earthquake = SyntheticEarthquake(settings, rateHertz: rateHertz)
    return (earthquake.timeOfP, earthquake.timeOfS)
  }

  /// The Brune source at a hypocentral distance, without the code under test.
  struct Source {
    let cornerHertz: Double
    let level: Double
    let lowPassHertz: Double

    init(magnitude: Double, kilometres: Double, depth: Double = 8) {
      let metres = 1000 * (kilometres * kilometres + depth * depth).squareRoot()
      let moment = pow(10, 1.5 * magnitude + 9.1)
      cornerHertz = 0.49 * 3500 * cbrt(1e7 / moment)
      level = moment * 0.63 * 2 / (4 * Double.pi * 2800 * pow(3500, 3) * metres)
      let attenuation = 0.035 + metres / (3500 * 400)
      lowPassHertz = log(2) / (2 * Double.pi * attenuation) / (2.0.squareRoot() - 1).squareRoot()
    }

    func attenuation(_ hertz: Double) -> Double { 1 / (1 + pow(hertz / lowPassHertz, 2)) }
  }

  /// Fourier amplitude of what follows S, RMS over the seeds and both horizontals.
  static func amplitudes(magnitude: Double, hertz: [Double]) -> [Double] {
    var power = [Double](repeating: 0, count: hertz.count)
    for seed in seeds {
      let settings = settings(magnitude: magnitude, seed: seed)
      let first = Int((arrivals(settings).s * rateHertz).rounded())
      let samples = record(settings, seconds: 65)[first...]
      for (index, frequency) in hertz.enumerated() {
        let angle = 2 * Double.pi * frequency / rateHertz
        var north = (real: 0.0, imaginary: 0.0)
        var east = (real: 0.0, imaginary: 0.0)
        for (number, sample) in samples.enumerated() {
          let c = cos(angle * Double(number))
          let s = sin(angle * Double(number))
          north = (north.real + c * sample[1], north.imaginary + s * sample[1])
          east = (east.real + c * sample[2], east.imaginary + s * sample[2])
        }
        power[index] +=
          north.real * north.real + north.imaginary * north.imaginary
          + east.real * east.real + east.imaginary * east.imaginary
      }
    }
    return power.map { ($0 / Double(2 * seeds.count)).squareRoot() / rateHertz }
  }

  @Test func theSpectrumIsBrunesWithTheMomentsLevel() {
    let magnitude = 5.0
    let source = Source(magnitude: magnitude, kilometres: 30)
    let low = [0.1, 0.12, 0.15, 0.2, 0.25, 0.3]
    let around = [0.9, 1, 1.1].map { $0 * source.cornerHertz }
    let high = [4.0, 4.5, 5, 5.5, 6]
    let measured = SyntheticEarthquakeTests.amplitudes(
      magnitude: magnitude, hertz: low + around + high)
    // Ω(f) = A / (V (2πf)² D): flat below the corner, half at it, falling with 1/f² above.
    let displacement = zip(low + around + high, measured).map { hertz, amplitude in
      amplitude / (0.65 * pow(2 * Double.pi * hertz, 2) * source.attenuation(hertz))
    }
    func mean(_ values: ArraySlice<Double>) -> Double {
      exp(values.map { log($0) }.reduce(0, +) / Double(values.count))
    }
    let plateau = mean(displacement[..<6])
    let ratio: Double = plateau / source.level
    #expect((0.667...1.5).contains(ratio))
    #expect(abs(mean(displacement[6..<9]) / plateau - 0.5) < 0.08)
    for (hertz, value) in zip(high, displacement[9...]) {
      let model = plateau / (1 + pow(hertz / source.cornerHertz, 2))
      #expect((0.77...1.3).contains(value / model))
    }
    // The slope of the acceleration itself, by least squares, with what the model's own roll-off
    // takes.
    let slope = regression(low.map { log($0) }, measured[..<6].map { log($0) })
    let modelSlope = regression(
      low.map { log($0) },
      low.map { log($0 * $0 / (1 + pow($0 / source.cornerHertz, 2)) * source.attenuation($0)) })
    #expect(abs(slope - modelSlope) < 0.15)
    #expect(abs(slope - 2) < 0.25)
  }

  func regression(_ x: [Double], _ y: [Double]) -> Double {
    let n = Double(x.count)
    let meanX = x.reduce(0, +) / n
    let meanY = y.reduce(0, +) / n
    let covariance = zip(x, y).map { ($0 - meanX) * ($1 - meanY) }.reduce(0, +)
    return covariance / x.map { ($0 - meanX) * ($0 - meanX) }.reduce(0, +)
  }

  /// Geometric mean over some seeds of the peak of both horizontals.
  func peak(magnitude: Double, kilometres: Double) -> Double {
    var sum = 0.0
    for seed in 1...8 as ClosedRange<UInt64> {
      let settings = SyntheticEarthquakeTests.settings(
        magnitude: magnitude, kilometres: kilometres, seed: seed)
      let samples = SyntheticEarthquakeTests.record(settings, seconds: 40)
      sum += log(samples.map { max($0[1].magnitude, $0[2].magnitude) }.reduce(0, max))
    }
    return exp(sum / 8)
  }

  @Test func thePeakGrowsWithMagnitudeAndFallsWithDistance() {
    let byMagnitude = [2.0, 3, 4, 5, 6].map { peak(magnitude: $0, kilometres: 30) }
    for (smaller, larger) in zip(byMagnitude, byMagnitude.dropFirst()) {
      #expect(larger > 1.5 * smaller)
      #expect(larger < 30 * smaller)
    }
    let byDistance = [5.0, 10, 20, 40, 80].map { peak(magnitude: 4.5, kilometres: $0) }
    for (nearer, farther) in zip(byDistance, byDistance.dropFirst()) {
      #expect(farther < nearer / 1.2)
      #expect(farther > nearer / 10)
    }
  }

  /// Mean square over the seeds, sample by sample.
  func power(lane: Int, seconds: Double) -> [Double] {
    var sum = [Double](repeating: 0, count: Int(seconds * SyntheticEarthquakeTests.rateHertz))
    for seed in SyntheticEarthquakeTests.seeds {
      let settings = SyntheticEarthquakeTests.settings(magnitude: 4, seed: seed)
      let samples = SyntheticEarthquakeTests.record(settings, seconds: seconds)
      for index in sum.indices { sum[index] += samples[index][lane] * samples[index][lane] }
    }
    return sum
  }

  @Test func phasesArriveWhenTheyShould() {
    let settings = SyntheticEarthquakeTests.settings(magnitude: 4, seed: 1)
    let (p, s) = SyntheticEarthquakeTests.arrivals(settings)
    let metres: Double = 1000 * 964.0.squareRoot()  // 30 km away, 8 km deep
    let wantedDelay: Double = metres / 3500 - metres / 6100
    #expect(p == 5)
    #expect(abs(s - p - wantedDelay) < 1e-9)

    // In the motion: where the power of the half second after exceeds that of the half before most.
    for (lane, from, to, wanted) in [(0, 0.6, s - 0.6, p), (2, p + 1, s + 3, s)] {
      let power = power(lane: lane, seconds: 14)
      func sum(_ range: Range<Int>) -> Double { power[range].reduce(1e-20, +) }
      var best = (ratio: 0.0, index: 0)
      for index in Int(from * 100)..<Int(to * 100) {
        let ratio = sum(index..<(index + 50)) / sum((index - 50)..<index)
        if ratio > best.ratio { best = (ratio, index) }
      }
      #expect(abs(Double(best.index) / 100 - wanted) < 0.1)
      #expect(best.ratio > 10)
    }

    // P moves the vertical most, S the horizontals.
    let vertical = power(lane: 0, seconds: 14)
    let north = power(lane: 1, seconds: 14)
    func energy(_ power: [Double], after time: Double) -> Double {
      power[Int(time * 100)..<Int(time * 100 + 100)].reduce(0, +)
    }
    #expect(energy(vertical, after: p) > 2 * energy(north, after: p))
    #expect(energy(north, after: s) > 2 * energy(vertical, after: s))
  }

  @Test func nothingPrecedesPButNoise() {
    for seed in 1...5 as ClosedRange<UInt64> {
      let silent = SyntheticEarthquakeTests.record(
        SyntheticEarthquakeTests.settings(magnitude: 7, seed: seed), seconds: 6)
      #expect(silent[..<500].allSatisfy { $0 == .zero })
      #expect(silent[500...].contains { $0[0] != 0 })
      // The noise before P does not know what will come.
      let small = SyntheticEarthquakeTests.record(
        SyntheticEarthquakeTests.settings(magnitude: 1, seed: seed, noise: 2e-5), seconds: 5)
      let large = SyntheticEarthquakeTests.record(
        SyntheticEarthquakeTests.settings(magnitude: 8, seed: seed, noise: 2e-5), seconds: 5)
      #expect(small == large)
    }
  }

  /// Five minutes before P: the microseisms' period is 5 s.
  @Test func theNoiseHasTheStatedLevel() {
    var settings = SyntheticEarthquakeTests.settings(seed: 3, noise: 2e-5)
    settings.leadSeconds = 1000
    let noise = SyntheticEarthquakeTests.record(settings, seconds: 300)
    for lane in 0..<3 {
      let square = noise.map { $0[lane] * $0[lane] }.reduce(0, +) / Double(noise.count)
      #expect(abs(square.squareRoot() / 2e-5 - 1) < 0.1)
    }
    #expect(noise.allSatisfy { $0[3] == 0 })
  }

  /// FNV-1a over the bits. A change of this number is a change of every demonstration and golden
  /// record.
  @Test func theSameSeedGivesTheSameEarthquakeToTheBit() {
    func hash(_ seed: UInt64) -> UInt64 {
      var hash: UInt64 = 0xCBF2_9CE4_8422_2325
      let settings = SyntheticEarthquakeTests.settings(magnitude: 4, seed: seed, noise: 2e-5)
      for sample in SyntheticEarthquakeTests.record(settings, seconds: 20) {
        for lane in 0..<3 {
          hash ^= sample[lane].bitPattern
          hash = hash &* 0x100_0000_01B3
        }
      }
      return hash
    }
    #expect(hash(1) == 10_258_653_044_159_297_800)
    #expect(hash(1) != hash(2))
  }
}
