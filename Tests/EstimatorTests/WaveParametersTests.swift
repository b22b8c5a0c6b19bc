// Each parameter against its definition, on motion of which the answer is known.

import Conditioning
import Core
import Foundation
import Testing

@testable import Estimator

/// A sine of displacement: its velocity and acceleration are exact.
private func sine(
  _ seconds: Double, hertz: Double, amplitude: Double, lanes: SIMD4<Double> = SIMD4(1, 0, 0, 0)
) -> Motion {
  let w = 2 * Double.pi * hertz
  var motion = Motion()
  motion.displacement = amplitude * sin(w * seconds) * lanes
  motion.velocity = amplitude * w * cos(w * seconds) * lanes
  motion.acceleration = -amplitude * w * w * sin(w * seconds) * lanes
  return motion
}

@Suite struct WaveParametersTests {
  @Test(arguments: [0.5, 1, 2, 4]) func aSineHasItsPeriodAndItsPeaks(hertz: Double) throws {
    var parameters = WaveParameters()
    var tauP = TauP()
    for index in -1000...400 {  // the recursion has gone on for ten seconds before
      let motion = sine(Double(index) / 100, hertz: hertz, amplitude: 0.002)
      let period = tauP.step(motion.velocity[0])
      if index >= 0 { parameters.step(motion, tauP: period) }
    }
    let w = 2 * Double.pi * hertz
    #expect(parameters.seconds == 4)
    #expect(abs(parameters.peakDisplacement / 0.002 - 1) < 0.01)
    #expect(abs(parameters.peakVelocity / (0.002 * w) - 1) < 1e-9)
    #expect(abs(parameters.peakAcceleration / (0.002 * w * w) - 1) < 0.01)
    #expect(abs(try #require(parameters.tauC) * hertz - 1) < 1e-6, "whole periods")
    #expect(abs(parameters.largestTauP * hertz - 1) < 0.2, "it follows with a ripple")
    #expect(abs(try #require(parameters.predominantPeriodSeconds) * hertz - 1) < 0.13)
    // ∫ (Aw cos wt)² over whole periods is half of it.
    let expected = 0.5 * (0.002 * w) * (0.002 * w) * 4
    #expect(abs(parameters.integralOfVelocitySquared / expected - 1) < 1e-6)
    // The mean of |sin| is 2/π.
    let cumulative = 0.002 * w * w * 2 / .pi * 4
    #expect(abs(parameters.cumulativeAbsoluteVelocity / cumulative - 1) < 0.01)
  }

  @Test func energiesOfTheComponentsAreCompared() throws {
    var parameters = WaveParameters()
    for index in 0...200 {
      parameters.step(
        sine(Double(index) / 100, hertz: 2, amplitude: 1, lanes: SIMD4(2, 1, 1, 0)), tauP: 0)
    }
    #expect(abs(try #require(parameters.verticalToHorizontal) - 2) < 1e-9)
    #expect(abs(parameters.horizontalVelocity * 2 / parameters.peakVelocity - 1) < 1e-9)
    #expect(parameters.largestAcceleration == parameters.peakAcceleration)
  }

  /// An envelope B·t·exp(−At) up to its peak gives B back, wherever the signs are.
  @Test(arguments: [0.01, 1, 30]) func theGrowthIsFitted(rate: Double) throws {
    var parameters = WaveParameters()
    for index in 0...300 {
      let t = Double(index) / 100
      var motion = Motion()
      motion.acceleration[0] = rate * t * exp(-0.2 * t) * (index % 2 == 0 ? 1 : -1)
      parameters.step(motion, tauP: 0)
    }
    #expect(abs(try #require(parameters.growthRate) / rate - 1) < 1e-6)
  }

  /// The sensor's offset has changed, or somebody has tilted it: that is no motion of the ground,
  /// and it remains one when the high-pass has let it fade. A pulse and a sine are none.
  @Test(arguments: [0, 30, 90]) func aStepIsNoMotion(start: Int) {
    var random = RandomGenerator(seed: 6)
    func isStep(_ shape: (Double) -> Double) -> Bool {
      var parameters = WaveParameters()
      for index in 0..<300 {
        var motion = Motion()
        motion.acceleration[0] = 0.001 * random.gaussian()
        if index >= start { motion.acceleration[0] += shape(Double(index - start) / 100) }
        parameters.step(motion, tauP: 0)
      }
      return parameters.isStep
    }
    #expect(isStep { 0.1 * exp(-0.3 * $0) })
    #expect(isStep { -0.1 * exp(-0.3 * $0) })
    #expect(!isStep { 0.1 * exp(-5 * $0) })
    for hertz in [0.9, 2, 10] { #expect(!isStep { 0.1 * sin(2 * .pi * hertz * $0) }) }
    #expect(!isStep { _ in 0 })
  }

  @Test func silenceHasNoPeriod() {
    var tauP = TauP()
    _ = tauP.step(1)
    for index in 1...60_000 {
      _ = tauP.step(0)
      if index % 100 == 0 { tauP.flushTinyStates() }
    }
    #expect(tauP.step(0) == 0)
  }

  @Test func nothingIsSaidOfNothing() {
    var parameters = WaveParameters()
    #expect(parameters.seconds == 0)
    for _ in 0..<100 { parameters.step(Motion(), tauP: 0) }
    #expect(parameters.tauC == nil && parameters.growthRate == nil)
    #expect(parameters.predominantPeriodSeconds == nil && parameters.polarisation == nil)
    #expect(parameters.verticalToHorizontal == nil)
  }

  /// P moves the ground up and away from the source, or down and towards it.
  @Test(arguments: [0, 30, 135, 200, 359.0], [1, -1.0])
  func motionPointsToTheSource(degrees: Double, sign: Double) throws {
    var parameters = WaveParameters()
    let away = (degrees + 180) * .pi / 180
    let lanes = sign * SIMD4(1, 0.5 * cos(away), 0.5 * sin(away), 0)
    var random = RandomGenerator(seed: 1)
    for index in 0..<100 {
      var motion = sine(Double(index) / 100, hertz: 5, amplitude: 1, lanes: lanes)
      for lane in 0..<3 { motion.velocity[lane] += 0.5 * random.gaussian() }
      parameters.step(motion, tauP: 0)
    }
    let found = try #require(parameters.polarisation)
    let error = abs((found.degrees - degrees + 540).truncatingRemainder(dividingBy: 360) - 180)
    #expect(error < 3)
    #expect((15..<20).contains(found.sigmaDegrees))
  }

  @Test func noisePointsNowhere() {
    var random = RandomGenerator(seed: 2)
    var known = 0
    for _ in 0..<100 {
      var parameters = WaveParameters()
      for _ in 0..<100 {
        var motion = Motion()
        for lane in 0..<3 { motion.velocity[lane] = random.gaussian() }
        parameters.step(motion, tauP: 0)
      }
      if let found = parameters.polarisation, found.sigmaDegrees < 60 { known += 1 }
    }
    #expect(known < 5)
  }
}
