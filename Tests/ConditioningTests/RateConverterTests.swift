// Every kind of rate that a digitizer or a record may have: as many outputs as there should be,
// each with the right time and the right amplitude, and nothing beside the signal.

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
    let seconds = 3.0
    let points = convert(rateMillihertz: rateMillihertz, seconds: seconds) { _ in .zero }
    // Interpolation looks ahead by three values of a working rate of 1600 Hz or more.
    #expect(abs(Double(points.count) - seconds * 100) <= 4, "\(points.count)")
    for (before, after) in zip(points, points.dropFirst()) {
      #expect(abs(after.time - before.time - 0.01) < 1e-9)
    }
  }

  /// Images of the zeros that were stuffed: the filter leaves 104 dB of each of up to sixteen,
  /// together 92 dB. Where none are, only the polynomial's error and the rounding remain.
  static func residualDecibels(_ rateMillihertz: Int) -> Double {
    let unstuffed = [
      192_000_000, 48_000_000, 44_100_000, 8_013_000, 8_000_000, 3_200_000, 1_000_000,
    ]
    return unstuffed.contains(rateMillihertz) ? -140 : -92
  }

  @Test(arguments: fast + slow)
  func tonesKeepTheirAmplitudeAndNothingElseAppears(_ rateMillihertz: Int) {
    // 35 Hz is the edge of what is promised, and in a slower record as much of its pass-band.
    let high = 35 * min(Double(rateMillihertz) / 100_000, 1)
    let settling = RateConverterTests.settlingSeconds(rateMillihertz)
    let points = convert(rateMillihertz: rateMillihertz, seconds: settling + 1) {
      pairs(5, high, at: $0) * rise($0)
    }.suffix(90)
    for (pair, hertz) in [(0, 5), (1, high)] {
      let (gain, residual) = fit(points, pair: pair, hertz: hertz)
      #expect(abs(decibels(gain.magnitude)) < 0.1, "\(hertz) Hz")
      #expect(
        decibels(residual) < RateConverterTests.residualDecibels(rateMillihertz), "\(hertz) Hz")
    }
  }

  /// 20 frames a second hold nothing above 10 Hz, and nothing above it must be invented: bins of 1
  /// Hz of the output of a 5 Hz tone, under a window whose side lobes are below −90 dB.
  @Test(arguments: [20_000, 31_250, 40_000, 50_000, 62_500])
  func aSlowRecordsToneHasNoImages(_ rateMillihertz: Int) {
    let points = convert(rateMillihertz: rateMillihertz, seconds: 18) {
      pairs(5, 5, at: $0) * rise($0)
    }.suffix(300)
    func amplitude(_ hertz: Double) -> Double {
      var sum = Complex()
      for (index, point) in points.enumerated() {
        // Blackman and Harris's four terms (1978, doi:10.1109/PROC.1978.10837), −92 dB.
        let x = twoPi * (Double(index) + 0.5) / 300
        let window = 0.35875 - 0.48829 * cos(x) + 0.14128 * cos(2 * x) - 0.01168 * cos(3 * x)
        let angle = twoPi * hertz * Double(index) / 100
        sum.real += window * point.value[0] * cos(angle)
        sum.imaginary -= window * point.value[0] * sin(angle)
      }
      return sum.magnitude
    }
    let tone = amplitude(5)
    for bin in 0...50 where abs(bin - 5) > 1 {
      #expect(decibels(amplitude(Double(bin)) / tone) < -80, "\(bin) Hz")
    }
  }

  @Test(arguments: fast)
  func timesAreRightToAMillisecond(_ rateMillihertz: Int) {
    for (from, to) in [(1.0, 10.0), (1, 2)] {
      let chirp = Chirp(fromHertz: from, toHertz: to)
      let points = convert(rateMillihertz: rateMillihertz, seconds: 2.4) {
        Lanes(repeating: chirp($0))
      }
      let shift = chirp.shift(of: points.map { ($0.time, $0.value[0]) })
      #expect(abs(shift) < 0.001, "\(from) to \(to) Hz")
    }
  }

  /// Below 100 Hz the filter's delay and its dispersion scale with the period: a millisecond
  /// becomes 5 ms at 20 frames a second over the same part of the pass-band. From 1 to 2 Hz, where
  /// distant earthquakes' onsets are, it stays below 2 ms.
  @Test(arguments: slow)
  func timesOfSlowRecordsAreRightToAMillisecondScaled(_ rateMillihertz: Int) {
    let scale = Double(rateMillihertz) / 100_000
    for (from, to, bound) in [(scale, 10 * scale, 0.001 / scale), (1.0, 2.0, 0.002)] {
      let chirp = Chirp(seconds: 2 / scale, fromHertz: from, toHertz: to)
      let points = convert(rateMillihertz: rateMillihertz, seconds: 2.5 / scale) {
        Lanes(repeating: chirp($0))
      }
      let shift = chirp.shift(of: points.map { ($0.time, $0.value[0]) })
      #expect(abs(shift) < bound, "\(from) to \(to) Hz")
    }
  }

  /// An output comes out up to one frame, or one value of the working rate, before the stated delay
  /// and with interpolation up to three such values after it.
  @Test(arguments: fast + slow)
  func outputsLagByTheStatedDelay(_ rateMillihertz: Int) {
    let rate = Double(rateMillihertz) / 1000
    let stated = RateConverter(rateMillihertz: rateMillihertz).groupDelaySeconds
    let lags = convert(rateMillihertz: rateMillihertz, seconds: 1) { _ in .zero }.map {
      $0.now - $0.time
    }
    #expect(lags.max()! < stated + 3 / 1600.0 + 1e-9)
    #expect(lags.min()! > stated - max(1 / rate, 1 / 1600.0) - 1e-9)
    if rate > 100 { #expect(lags.max()! < 0.040) }
  }
}
