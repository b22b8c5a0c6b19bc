// Uncertain numbers: joined, observed, and how likely they are beyond a limit.

import Core
import Foundation
import Testing

@testable import Estimator

@Suite struct SourceEstimateTests {
  @Test func probabilitiesAreTheNormalDistributions() {
    for z in stride(from: -5.0, through: 5, by: 0.1) {
      let found = Uncertain(0, sigma: 2).probability(atLeast: 2 * z)
      #expect(abs(found - 0.5 * erfc(z / 2.0.squareRoot())) < 1e-7)
    }
  }

  /// No linear combination has less variance.
  @Test(arguments: [0, 0.3, 0.7, -0.5], [(1.0, 1.0), (0.2, 0.5), (0.5, 0.3)])
  func joinedIsBest(correlation: Double, sigmas: (Double, Double)) {
    let (a, b) = (Uncertain(1, sigma: sigmas.0), Uncertain(2, sigma: sigmas.1))
    let joined = Uncertain.joined(a, b, correlation: correlation)
    var least = Double.infinity
    for weight in stride(from: 0.0, through: 1, by: 0.001) {
      let variance =
        pow(weight * a.sigma, 2) + pow((1 - weight) * b.sigma, 2)
        + 2 * weight * (1 - weight) * correlation * a.sigma * b.sigma
      least = min(least, variance)
    }
    #expect(abs(joined.sigma - least.squareRoot()) < 1e-4)
    #expect(joined.sigma <= min(a.sigma, b.sigma) + 1e-12)
    #expect((1...2).contains(joined.value))
  }

  /// A network is sure of what it has learnt: it counts as no better than it was on what it had
  /// not.
  @Test func aNetworkMayNotClaimTooMuch() {
    let relations = Uncertain(1, sigma: 0.4)
    let companion = Companion(sigma: 0.8, correlation: 0.5)
    let sure = Uncertain.joined(relations, Uncertain(2, sigma: 0.1), beside: companion)
    #expect(sure == relations, "half as good, half of the same error: nothing to add")
    let better = Uncertain.joined(
      Uncertain(1, sigma: 0.8), Uncertain(2, sigma: 0.1), beside: companion)
    #expect(abs(better.value - 1.5) < 1e-12 && better.sigma < 0.8)
    let vague = Uncertain.joined(
      Uncertain(1, sigma: 0.8), Uncertain(2, sigma: 1.6), beside: companion)
    #expect(vague == Uncertain(1, sigma: 0.8), "its own doubt counts where that is more")
  }

  @Test func theSameTwiceIsNoMore() {
    let a = Uncertain(1, sigma: 0.4)
    #expect(Uncertain.joined(a, a, correlation: 1) == a)
  }

  /// Magnitude and distance of exact observations come back; a single amplitude leaves the
  /// trade-off.
  @Test func observationsAreTakenIn() {
    let relations = Relations()
    let before = SourceEstimate(relations)
    var one = before
    let (magnitude, logR) = (6.5, 1.2)
    let amplitude = 0.729 * magnitude - 1.374 * logR
    one.observe(SIMD2(0.729, -1.374), amplitude, sigma: 0.3)
    #expect(one.magnitude.sigma < before.magnitude.sigma)
    #expect(one.magnitude.sigma > 0.5)
    var all = one
    all.observe(SIMD2(0, 1), logR, sigma: 0.01)
    for _ in 0..<200 { all.observe(SIMD2(0.729, -1.374), amplitude, sigma: 0.3) }
    #expect(abs(all.magnitude.value - magnitude) < 0.05)
    #expect(abs(all.logKilometres.value - logR) < 0.01)
  }

  /// The mean of what was drawn lies where the estimate says, as often as its sigma says.
  @Test func sigmaIsHonest() {
    var random = RandomGenerator(seed: 4)
    let relations = Relations()
    var inside = 0
    for _ in 0..<2000 {
      let magnitude = relations.magnitude.mean + relations.magnitude.sigma * random.gaussian()
      let logR = relations.logDistance.mean + relations.logDistance.sigma * random.gaussian()
      var source = SourceEstimate(relations)
      source.observe(
        SIMD2(0.729, -1.374), 0.729 * magnitude - 1.374 * logR + 0.5 * random.gaussian(),
        sigma: 0.5)
      source.observe(SIMD2(0, 1), logR + 0.3 * random.gaussian(), sigma: 0.3)
      if abs(source.magnitude.value - magnitude) < source.magnitude.sigma { inside += 1 }
    }
    #expect((1300...1430).contains(inside), "68 % of 2000 are 1366")
  }
}
