// BandLimit: what a digitizer's own low-pass makes of an edge, which at a hundred samples a second
// rings for some samples. Without it every fault would begin within one sample, and be too easily
// told from the ground.

import Core

enum BandLimit {
  /// Flat to 35 Hz and 100 dB down at 50 Hz: Kaiser's window (Kaiser 1974,
  /// doi:10.1109/PROC.1974.9567), where 0.1102 (100 − 8.7) is its shape, and (100 − 8) / (14.4 ·
  /// 0.15) the number of taps for a transition of 15 of 100 Hz.
  static let taps: [Double] = {
    let (count, shape, cornerShare) = (43, 10.06, 0.85)
    let middle = Double(count / 2)
    var taps = (0..<count).map { index in
      let away = Double(index) - middle
      let angle = 0.5 * twoPi * away
      let sinc =
        away == 0 ? cornerShare : Elementary.sine(cornerShare * angle) / angle
      let share = away / middle
      return sinc * bessel(shape * max(1 - share * share, 0).squareRoot())
    }
    let sum = taps.reduce(0, +)
    for index in taps.indices { taps[index] /= sum }
    return taps
  }()

  /// I₀, by its power series.
  private static func bessel(_ x: Double) -> Double {
    var (sum, term, n) = (1.0, 1.0, 1.0)
    while term > 1e-17 * sum {
      term *= (0.5 * x / n) * (0.5 * x / n)
      sum += term
      n += 1
    }
    return sum
  }

  /// Frames before which all was zero; late by half the filter's length.
  static func filtered(_ frames: [SIMD4<Double>]) -> [SIMD4<Double>] {
    frames.indices.map { index in
      var sum = SIMD4<Double>.zero
      for place in 0..<min(taps.count, index + 1) { sum += taps[place] * frames[index - place] }
      return sum
    }
  }
}
