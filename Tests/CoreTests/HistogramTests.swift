import Core
import Testing

@Suite struct HistogramTests {
  /// Log-uniform durations from `low` to `high`, as loop times are: most short, a few long.
  private func durations(_ low: Double, _ high: Double, seed: UInt64, count: Int) -> [Int64] {
    var random = RandomGenerator(seed: seed)
    let span = Elementary.logarithm(high / low)
    return (0..<count).map { _ in Int64(low * Elementary.exponential(random.uniform() * span)) }
  }

  @Test(arguments: [(10.0, 1e3), (1e3, 1e6), (1e5, 4e9), (8.0, 4.2e9)], [1, 2] as [UInt64])
  func quantilesAreAtMostAnEighthTooLarge(_ range: (Double, Double), _ seed: UInt64) {
    let values = durations(range.0, range.1, seed: seed, count: 5000)
    var histogram = DurationHistogram()
    for value in values { histogram.add(value) }
    let sorted = values.sorted()
    for fraction in [0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1] {
      let rank = max(Int((Double(values.count) * fraction).rounded(.up)) - 1, 0)
      let truth = Double(sorted[rank])
      let stated = Double(histogram.quantileNanoseconds(fraction))
      #expect(stated >= truth && stated <= truth * 1.125, "quantile \(fraction)")
    }
    #expect(histogram.maximumNanoseconds == sorted.last)
    #expect(histogram.count == 5000)
  }

  @Test func everyDurationLiesBelowTheEdgeOfItsBin() {
    for value in Array(Int64(8)...5000) + [1 << 20, (1 << 20) - 1, (1 << 32) - 1] {
      var histogram = DurationHistogram()
      histogram.add(value)
      histogram.add(1 << 40)  // so that the edge is not cut at the maximum
      let edge = histogram.quantileNanoseconds(0.5)
      if value < (15 << 28) {
        #expect(edge > value && Double(edge) <= Double(value) * 1.125)
      } else {
        #expect(edge == 1 << 40)  // the last bin, which ends at the maximum
      }
    }
  }

  @Test func anEmptyOneSaysZero() {
    let histogram = DurationHistogram()
    let (count, maximum) = (histogram.count, histogram.maximumNanoseconds)
    #expect(count == 0)
    #expect(maximum == 0)
    #expect(histogram.quantileNanoseconds(0.5) == 0)
  }

  @Test func aSingleDurationIsExact() {
    var histogram = DurationHistogram()
    histogram.add(1_234_567)
    #expect(histogram.quantileNanoseconds(0) == 1_234_567)
    #expect(histogram.quantileNanoseconds(0.5) == 1_234_567)
    #expect(histogram.quantileNanoseconds(1) == 1_234_567)
  }

  @Test func beyondTheLastBinOnlyTheMaximumIsKnown() {
    var histogram = DurationHistogram()
    histogram.add(5_000_000_000)
    histogram.add(60_000_000_000)
    #expect(histogram.quantileNanoseconds(0.5) == 60_000_000_000)
    histogram.add(Int64.max)
    #expect(histogram.quantileNanoseconds(1) == Int64.max)
  }

  @Test(arguments: [0, -5, Int64.min])
  func aClockThatStandsOrGoesBackDoesNoHarm(_ duration: Int64) {
    var histogram = DurationHistogram()
    histogram.add(duration)
    let count = histogram.count
    #expect(count == 1)
    #expect(histogram.quantileNanoseconds(0.5) == 0)
  }

  @Test func resetForgets() {
    var histogram = DurationHistogram()
    histogram.add(1000)
    histogram.reset()
    let (count, maximum) = (histogram.count, histogram.maximumNanoseconds)
    #expect(count == 0)
    #expect(maximum == 0)
    histogram.add(10)
    #expect(histogram.quantileNanoseconds(1) == 10)
  }
}
