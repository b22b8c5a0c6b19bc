// SensorSimulator: a sensor and its digitizer: ground acceleration to counts, for demonstrations
// and tests.
//
//     var sensor = SensorSimulator(
//       quantity: .acceleration, countsPerUnit: 1e6, corner: nil, rateHertz: 100,
//       maximumCounts: 8_388_607)
//     let frame = sensor.step(earthquake.next())

import Conditioning
import Core
import Digitizer

public struct SensorSimulator: ~Copyable {
  private let quantity: MotionQuantity
  private let countsPerUnit: Double
  private let maximumCounts: Double
  private var integral: Biquad
  private var sensor: Biquad

  /// `maximumCounts`: where the converter clips.
  public init(
    quantity: MotionQuantity, countsPerUnit: Double, corner: SensorCorner?, rateHertz: Double,
    maximumCounts: Double
  ) {
    self.quantity = quantity
    self.countsPerUnit = countsPerUnit
    self.maximumCounts = maximumCounts
    // Velocity is the integral down to 0.01 Hz, far below every sensor's own corner.
    integral = Biquad(.integratingHighPass(cornerHertz: 0.01, rateHertz: rateHertz))
    let w = 6.283185307179586 * (corner?.cornerHertz ?? 1)
    sensor =
      corner.map {
        Biquad(
          BiquadCoefficients(
            numerator: (1, 0, 0), denominator: (1, 2 * $0.damping * w, w * w),
            matchedHertz: $0.cornerHertz, rateHertz: rateHertz))
      } ?? Biquad()
  }

  public mutating func step(_ acceleration: SIMD4<Double>) -> Frame {
    var motion = acceleration
    if quantity == .velocity { motion = sensor.step(integral.step(acceleration)) }
    var frame = Frame.zero
    for lane in 0..<4 {
      let counts = (motion[lane] * countsPerUnit).rounded()
      frame[lane] = Int32(min(max(counts, -maximumCounts - 1), maximumCounts))
    }
    return frame
  }
}
