// JMA's filter against its definition, and the published points of both scales.

import Conditioning
import Core
import Foundation
import Testing

@testable import Estimator

@Suite struct SeismicIntensityTests {
  /// JMA notification no. 4 of 1996, as the document in the header of SeismicIntensity.swift writes
  /// it.
  private static func definition(_ hertz: Double) -> Double {
    let x = hertz / 10
    let coefficients = [1, 0.694, 0.241, 0.0557, 0.009664, 0.00134, 0.000155]
    let highCut = coefficients.enumerated().reduce(0) {
      $0 + $1.element * pow(x, 2 * Double($1.offset))
    }
    return sqrt(1 / hertz) / sqrt(highCut) * sqrt(1 - exp(-pow(hertz / 0.5, 3)))
  }

  @Test(arguments: [0.1, 0.2, 0.35, 0.5, 0.8, 1.3, 2, 3.5, 6, 10, 15, 22, 30])
  func theFilterWeighsAsTheDefinitionDoes(hertz: Double) {
    var filter = IntensityFilter()
    let settled = Int(30 / hertz * 100)
    var sums = SIMD2<Double>.zero
    for index in 0..<(2 * settled) {
      let phase = 2 * Double.pi * hertz * Double(index) / 100
      let y = filter.step(Lanes(repeating: sin(phase)))[0]
      if index >= settled { sums += y * SIMD2(sin(phase), cos(phase)) }
    }
    let amplitude = 2 * sqrt(sums[0] * sums[0] + sums[1] * sums[1]) / Double(settled)
    #expect(abs(amplitude / Self.definition(hertz) - 1) < 0.003)
  }

  /// Subnormal states cost a hundred cycles an operation. What has decayed so far is zero before;
  /// the slowest stage would need half a day for it, so that this begins with next to nothing.
  @Test func silenceBecomesZero() {
    var filter = IntensityFilter()
    _ = filter.step(Lanes(repeating: 1e-98))
    for index in 1...60_000 {
      _ = filter.step(.zero)
      if index % 100 == 0 { filter.flushTinyStates() }
    }
    #expect(filter.step(.zero) == .zero)
  }

  @Test func aLevelIsExceededForAThirdOfASecond() {
    var (level, tenth) = (LevelOfIntensity(), ExceededLevel<10>())
    var random = RandomGenerator(seed: 3)
    var all: [Double] = []
    for _ in 0..<1000 {
      let x = random.uniform()
      all.append(x)
      level.add(x)
      tenth.add(x)
      let sorted = all.sorted(by: >)
      #expect(level.value == (all.count >= 30 ? sorted[29] : 0))
      #expect(tenth.value == (all.count >= 10 ? sorted[9] : 0))
    }
  }

  @Test func jmaOfALevel() {
    // 2 log₁₀ 100 gal + 0.94
    #expect(abs(Intensity.jma(level: 1)! - 4.94) < 1e-12)
    #expect(Intensity.jma(level: 0) == nil)
    #expect(Intensity.jma(level: 1e-9) == -3)
  }

  /// Worden et al. (2012), equations 3 and 6 with their low branches: at both sides of every bend.
  @Test(arguments: [
    (0.5, 1.0838576), (10.0, 3.33), (37.0, 4.2107131), (100.0, 5.8), (1000.0, 9.5),
  ])
  func mercalliOfAcceleration(gal: Double, expected: Double) {
    #expect(abs(Intensity.modifiedMercalli(acceleration: gal / 100) - expected) < 1e-5)
  }

  @Test(arguments: [(0.01, 0.28), (1.0, 3.78), (3.3, 4.5422156), (10.0, 6.05), (100.0, 9.21)])
  func mercalliOfVelocity(centimetres: Double, expected: Double) {
    #expect(abs(Intensity.modifiedMercalli(velocity: centimetres / 100) - expected) < 1e-5)
  }

  @Test func mercalliIsTheMeanOfBothAndAScale() {
    #expect(
      abs(Intensity.modifiedMercalli(acceleration: 0.1, velocity: 0.01)! - (3.33 + 3.78) / 2) < 1e-9
    )
    #expect(Intensity.modifiedMercalli(acceleration: 1e-6, velocity: 1e-7) == 1)
    #expect(Intensity.modifiedMercalli(acceleration: 100, velocity: 100) == 10)
    #expect(Intensity.modifiedMercalli(acceleration: 0, velocity: 1) == nil)
  }
}
