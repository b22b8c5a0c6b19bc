// Every kind of rate that a digitizer or a record may have: as many outputs as there should be, each with
// the right time and the right amplitude, and nothing beside the signal.

import Conditioning
import Core
import Foundation
import Testing

@Suite struct RateConverterTests {
  static let fast = [
    192_000_000, 48_000_000, 44_100_000, 11_025_000, 8_013_000, 8_000_000, 3_200_000, 1_000_000,
    848_080, 500_000, 333_333, 250_000, 200_000, 125_000, 100_010, 100_000,
  ]
  static let slow = [99_990, 62_500, 50_000, 40_000, 31_250, 20_000]

  /// Long enough for the slowest pole, whose time constant scales with the pass-band.
  static func settlingSeconds(_ rateMillihertz: Int) -> Double {
    2.5 * max(100_000 / Double(rateMillihertz), 1)
  }

  @Test(arguments: fast + slow)
  func outputsCome100ASecondEvenlySpaced(_ rateMillihertz: Int) {
    let seconds = 6.0
    let points = convert(rateMillihertz: rateMillihertz, seconds: seconds) { _ in .zero }
    // Interpolation looks ahead by three values of a working rate of 1600 Hz or more.
    #expect(abs(Double(points.count) - seconds * 100) <= 6, "\(points.count)")
    for (before, after) in zip(points, points.dropFirst()) {
      #expect(abs(after.time - before.time - 0.01) < 1e-9)
    }
  }

  @Test(arguments: fast + slow)
  func tonesKeepAmplitudeAndNothingElseAppears(_ rateMillihertz: Int) {
    // 35 Hz is the edge of what is promised, and so much of a slower record's pass-band.
    let high = 35 * min(Double(rateMillihertz) / 100_000, 1)
    let settling = RateConverterTests.settlingSeconds(rateMillihertz)
    let points = convert(rateMillihertz: rateMillihertz, seconds: settling + 1) {
      pairs(5, high, at: $0) * rise($0)
    }.suffix(90)
    let five = fit(points, pair: 0, hertz: 5)
    let edge = fit(points, pair: 1, hertz: high)
    report(
      "rate \(rateMillihertz): 5 Hz \(decibels(five.gain.magnitude)) dB, rest \(decibels(five.residual))"
        + " dB, time error \(-five.gain.angle / twoPi / 5 * 1e3) ms; \(high) Hz"
        + " \(decibels(edge.gain.magnitude)) dB, rest \(decibels(edge.residual)) dB")
    #expect(abs(decibels(five.gain.magnitude)) < 0.1)
    #expect(abs(decibels(edge.gain.magnitude)) < 0.1)
    #expect(decibels(five.residual) < -100)
    #expect(decibels(edge.residual) < -100)
  }

  @Test(arguments: fast + slow)
  func timesAreRight(_ rateMillihertz: Int) {
    // The upper end stays within the pass-band and within the range of the same relative delay.
    let scale = min(Double(rateMillihertz) / 100_000, 1)
    for (from, to) in [(1.0, 10.0), (1, 2), (3, 7)] {
      let chirp = Chirp(
        start: 0.3, seconds: 2 / scale, fromHertz: from, toHertz: min(to, 30 * scale))
      let points = convert(rateMillihertz: rateMillihertz, seconds: chirp.seconds + 1 / scale) {
        Lanes(repeating: chirp($0))
      }
      let shift = chirp.shift(of: points.map { ($0.time, $0.value[0]) })
      report("chirp \(rateMillihertz) \(from)-\(to) Hz: \(shift * 1e3) ms")
    }
  }

  @Test(arguments: fast + slow)
  func delays(_ rateMillihertz: Int) {
    let rate = Double(rateMillihertz) / 1000
    let stated = RateConverter(rateMillihertz: rateMillihertz).groupDelaySeconds
    let points = convert(rateMillihertz: rateMillihertz, seconds: 3) { _ in .zero }
    // The least and the most that an output lags behind the newest frame.
    let lags = points.map { $0.now - $0.time }
    report(
      "delay \(rate) Hz: stated \(stated * 1e3) ms, lag \(lags.min()! * 1e3)...\(lags.max()! * 1e3)")
  }
}
