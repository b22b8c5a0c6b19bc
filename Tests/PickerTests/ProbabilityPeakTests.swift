import Core
import Testing

@testable import Picker

@Suite struct ProbabilityPeakTests {
  func peaks(
    _ values: [Double], threshold: Double = 0.3, passedShare: Double = 0.5, passedSamples: Int = 12
  ) -> [(told: Int, peak: ProbabilityPeak.Peak)] {
    var finder = ProbabilityPeak(passedShare: passedShare, passedSamples: passedSamples)
    var found: [(Int, ProbabilityPeak.Peak)] = []
    for (index, value) in values.enumerated() {
      if let peak = finder.step(value, at: index, threshold: threshold) {
        found.append((index, peak))
      }
    }
    return found
  }

  func bell(_ centre: Int, height: Double, count: Int = 100) -> [Double] {
    (0..<count).map {
      height * Elementary.exponential(-0.01 * Double(($0 - centre) * ($0 - centre)))
    }
  }

  @Test func oneBellIsOnePeakToldWhenItHasPassed() throws {
    let found = peaks(bell(40, height: 0.9))
    #expect(found.count == 1)
    let first = try #require(found.first)
    #expect(first.peak == ProbabilityPeak.Peak(index: 40, probability: 0.9))
    // Half the height of this bell is 8.3 samples from its centre.
    #expect(first.told == 49)
  }

  @Test func belowTheThresholdThereIsNone() {
    #expect(peaks(bell(40, height: 0.29)).isEmpty)
  }

  @Test func aPlateauIsToldOnce() throws {
    let found = peaks([0, 0.2] + [Double](repeating: 0.8, count: 60) + [0.1, 0])
    #expect(found.count == 1)
    #expect(found[0].peak.index == 2 && found[0].told == 14)
  }

  @Test func twoBellsWantAValleyBetweenThem() {
    let apart = zip(bell(30, height: 0.9), bell(70, height: 0.6)).map { $0 + $1 }
    #expect(peaks(apart).map(\.peak.index) == [30, 70])
    let close = zip(bell(30, height: 0.9), bell(44, height: 0.6)).map { $0 + $1 }
    #expect(peaks(close).count == 1)
  }

  @Test func theHighestOfAStretchCounts() {
    let found = peaks([0.4, 0.5, 0.4, 0.6, 0.9, 0.2, 0])
    #expect(found.map(\.peak.index) == [4])
  }

  @Test func aPeakAtTheEndIsNotToldYet() {
    #expect(peaks(Array(bell(40, height: 0.9)[0...44])).isEmpty)
  }
}
