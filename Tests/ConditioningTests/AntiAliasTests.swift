// From the usual 8 kHz to 100 samples a second: what must not come through, what must come through
// unchanged, and how late.

import Conditioning
import Core
import Foundation
import Testing

@Suite struct AntiAliasTests {
  static let rateMillihertz = 8_000_000
  /// What the first stage leaves; tones next to its multiples fold into the pass-band at once.
  static let intermediateHertz = 1600.0

  /// Next to the output's Nyquist frequency, next to the multiples of the intermediate rate, and at
  /// the converter's own Nyquist frequency.
  static let worst: [Double] = {
    var tones = [50.5, 52, 64.5, 99.5, 100.5, 149.75, 799, 3999]
    for multiple in [1.0, 2.0] {
      for offset in [-50.5, -49.5, -35, -1, 0, 5, 35, 50.5] {
        tones.append(multiple * intermediateHertz + offset)
      }
    }
    return tones
  }()

  static let seeded: [Double] = {
    var random = RandomGenerator(seed: 50)
    return (0..<40).map { _ in 50.5 + random.uniform() * (3999 - 50.5) }
  }()

  static let tones = worst + seeded
  static let couples = (0..<(tones.count / 2)).map { (tones[2 * $0], tones[2 * $0 + 1]) }

  static let passed: [(Double, Double)] = (0..<18).map { index in
    let hertz = Double(2 * index) + 0.5
    return (hertz, min(hertz + 1, 35))
  }

  /// Amplitudes in the last tenth of a second of two; the start of the tones has decayed by then.
  func amplitudes(_ first: Double, _ second: Double) -> (Double, Double) {
    let points = convert(rateMillihertz: AntiAliasTests.rateMillihertz, seconds: 2.1) {
      pairs(first, second, at: $0) * rise($0)
    }.suffix(10)
    let a = points.map { $0.gain(pair: 0, hertz: 0).magnitude }
    let b = points.map { $0.gain(pair: 1, hertz: 0).magnitude }
    return (a.reduce(0, max), b.reduce(0, max))
  }

  @Test(arguments: couples)
  func tonesAboveTheOutputsBandAreRejectedBy100Decibels(_ first: Double, _ second: Double) {
    let (a, b) = amplitudes(first, second)
    #expect(decibels(a) < -100, "\(first) Hz")
    #expect(decibels(b) < -100, "\(second) Hz")
  }

  @Test(arguments: AntiAliasTests.passed)
  func tonesUpTo35HertzKeepTheirAmplitudeWithin0Point1Decibels(_ first: Double, _ second: Double) {
    let (a, b) = amplitudes(first, second)
    #expect(abs(decibels(a)) < 0.1, "\(first) Hz")
    #expect(abs(decibels(b)) < 0.1, "\(second) Hz")
  }

  /// Group delay from the phases of two tones around 5 Hz against the newest frame's time.
  @Test func delayAt5HertzIsAtMost40MillisecondsAndAsStated() {
    let points = convert(rateMillihertz: AntiAliasTests.rateMillihertz, seconds: 2) {
      pairs(4.5, 5.5, at: $0) * rise($0)
    }
    let last = points[points.count - 1]
    func phase(_ pair: Int, _ hertz: Double) -> Double {
      var point = last
      point.time = last.now
      return point.gain(pair: pair, hertz: hertz).angle
    }
    let delay = -(phase(1, 5.5) - phase(0, 4.5)) / twoPi
    let stated = RateConverter(rateMillihertz: AntiAliasTests.rateMillihertz).groupDelaySeconds
    #expect(delay < 0.040)
    #expect(abs(delay - stated) < 0.0001)
    let whole = Conditioner(
      ConditionerSettings(rateMillihertz: AntiAliasTests.rateMillihertz, presentLanes: 0b1111)
    ).delaySeconds
    #expect(whole < 0.040)
    #expect(abs(whole - stated - 2 / 8000.0) < 1e-9)
  }
}
