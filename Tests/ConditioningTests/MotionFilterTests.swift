// Ground motion from counts, against the analog operators that MotionFilter.swift names:
// integration and one-pass two-pole Butterworth high-passes.

import Conditioning
import Core
import Foundation
import Testing
import Tools

@Suite struct MotionFilterTests {
  /// Complex gains from the ground quantity to acceleration, velocity and displacement, of the last
  /// of 100 seconds at 100 samples a second.
  func gains(
    _ response: Response, hertz: Double
  ) -> (acceleration: Complex, velocity: Complex, displacement: Complex) {
    var filter = MotionFilter(response)
    filter.restart(at: .zero)
    var result = (Complex(), Complex(), Complex())
    for index in 0..<10_000 {
      let time = Double(index) / 100
      let input = pairs(hertz, hertz, at: time) * (rise(time, seconds: 20) * 1e6)
      let motion = filter.step(input)
      guard index == 9_999 else { continue }
      func gain(_ value: Lanes) -> Complex {
        Point(value: value, time: time, now: time).gain(pair: 0, hertz: hertz)
      }
      result = (gain(motion.acceleration), gain(motion.velocity), gain(motion.displacement))
    }
    return result
  }

  func error(_ measured: Complex, _ wanted: Complex) -> (decibels: Double, degrees: Double) {
    let ratio = measured / wanted
    return (decibels(ratio.magnitude), ratio.angle * 180 / Double.pi)
  }

  /// What the trapezoidal rule leaves of an integral: (ωT/2)/tan(ωT/2).
  func trapezoid(_ hertz: Double) -> Double {
    let half = Double.pi * hertz / 100
    return decibels(half / tan(half))
  }

  @Test(arguments: [0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 20])
  func accelerationIsIntegratedOnceAndTwice(_ hertz: Double) {
    let (a, v, d) = gains(ConditionerTests.response, hertz: hertz)
    let highPass = butterworthHighPass(
      cornerHertz: MotionFilter.highPassCornerHertz, atHertz: hertz)
    let wantedV = highPass * highPass * integration(atHertz: hertz)
    let wantedD = highPass * wantedV * integration(atHertz: hertz)
    let ofA = error(a, highPass)
    let ofV = error(v, wantedV)
    let ofD = error(d, wantedD)
    for (error, integrations) in [(ofA, 0.0), (ofV, 1), (ofD, 2)] {
      #expect(abs(error.degrees) < 0.15)
      #expect(abs(error.decibels - integrations * trapezoid(hertz)) < 0.01)
      // What that comes to where displacement and τc are measured, below 5 Hz.
      if hertz <= 5 { #expect(abs(error.decibels) < 0.08 * integrations + 0.01) }
    }
    if hertz == 10 { #expect(abs(ofV.decibels + 0.29) < 0.01) }
    if hertz == 20 { #expect(abs(ofV.decibels + 1.27) < 0.02) }
  }

  @Test(arguments: [0.5, 1, 5, 12, 25, 35, 40])
  func velocityIsDifferencedAndIntegrated(_ hertz: Double) {
    let (a, v, d) = gains(
      Response(quantity: .velocity, unitsPerCount: Lanes(repeating: 1e-6)), hertz: hertz)
    let highPass = butterworthHighPass(
      cornerHertz: MotionFilter.highPassCornerHertz, atHertz: hertz)
    #expect(abs(error(v, highPass).decibels) < 0.01)
    let wantedD = highPass * highPass * integration(atHertz: hertz)
    #expect(abs(error(d, wantedD).decibels - trapezoid(hertz)) < 0.01)
    let ofA = error(a, highPass / integration(atHertz: hertz))
    #expect(abs(-ofA.degrees / 360 / hertz - 0.0041) < 0.0003)
    #expect(abs(ofA.decibels) < 0.009, "0.1 %")
  }

  /// A 4.5 Hz geophone on an 8 kHz digitizer, through the whole chain.
  @Test(arguments: [1, 1.2, 1.5, 2, 3, 4.5, 7, 10, 14, 20])
  func aGeophonesVelocityIsRecoveredBelowItsCorner(_ hertz: Double) {
    let rate = 8000.0
    let corner = SensorCorner(cornerHertz: 4.5, damping: 0.56, extendedCornerHertz: 0.5)
    var sensor = SensorSimulator(
      quantity: .velocity, countsPerUnit: 1e9, corner: corner, rateHertz: rate,
      maximumCounts: 2_147_483_647)
    let seconds = 16.0
    let speed = 1e-2
    let recorded = (0..<Int(seconds * rate)).map { index in
      let time = Double(index) / rate
      // The derivative of speed · sine; the envelope is slow enough to be left alone.
      let slope = pairs(hertz, hertz, at: time) * (rise(time, seconds: 5) * speed * twoPi * hertz)
      return sensor.step(Lanes(slope[1], -slope[0], 0, 0))
    }
    var conditioner = Conditioner(
      ConditionerSettings(
        rateMillihertz: 8_000_000, presentLanes: 0b0011,
        response: Response(
          quantity: .velocity, unitsPerCount: Lanes(repeating: 1e-9), corner: corner)))
    var gain = Complex()
    feed(&conditioner, recorded, rateMillihertz: 8_000_000) { sample in
      let time = secondsAfterStart(sample.time)
      gain = Point(value: sample.motion!.velocity * (1 / speed), time: time, now: time)
        .gain(pair: 0, hertz: hertz)
    }
    let stated =
      butterworthHighPass(cornerHertz: 0.5, atHertz: hertz)
      * butterworthHighPass(cornerHertz: MotionFilter.highPassCornerHertz, atHertz: hertz)
    let ofGround = error(gain, Complex(real: 1))
    let ofStated = error(gain, stated)
    #expect(abs(ofGround.decibels) < 0.2)
    // The transform is exact at 4.5 Hz; one octave above 0.5 Hz the Butterworth corner takes 0.26
    // dB of the ground, and the transform gives 0.11 dB of it back.
    #expect(abs(ofStated.decibels) < 0.12)
    #expect(abs(ofStated.degrees) < max(1.5, 360 * 0.002 * hertz))
  }

  /// Ten minutes after a sensor has been knocked over, nothing is left of it.
  @Test func aStepOffsetDoesNotDrift() {
    for quantity in [MotionQuantity.acceleration, .velocity] {
      var filter = MotionFilter(
        Response(quantity: quantity, unitsPerCount: Lanes(repeating: 1e-6)))
      filter.restart(at: .zero)
      var last = Motion()
      var peak = 0.0
      for index in 0..<60_000 {
        last = filter.step(Lanes(repeating: index < 100 ? 0 : 1e6))
        peak = max(peak, last.displacement[0].magnitude)
      }
      #expect(peak > 0.1)
      #expect(last.acceleration[0].magnitude < 1e-9)
      #expect(last.velocity[0].magnitude < 1e-9)
      #expect(last.displacement[0].magnitude < 1e-9)

      // And where it stood so at the start, nothing moves at all.
      filter.restart(at: Lanes(repeating: 1e6))
      for _ in 0..<1000 { last = filter.step(Lanes(repeating: 1e6)) }
      #expect(last.displacement[0].magnitude < 1e-9)
    }
  }
}
