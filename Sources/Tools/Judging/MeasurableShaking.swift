// MeasurableShaking: when shaking of the alarm's limits can have been measured: within a second one
// component has exceeded that of acceleration for a tenth of it, and one has exceeded that of
// velocity.

import Conditioning
import Core
import Decision

struct MeasurableShaking: ~Copyable {
  private static let samplesMinimum = 10.0
  private let settings: AlarmSettings
  /// The station's own, without its converter: ground motion comes at 100 samples a second.
  private var filter = MotionFilter(
    Response(quantity: .acceleration, unitsPerCount: Lanes(repeating: 1)))
  private var samples = Lanes.zero
  private var lastSecond = InlineArray<100, Lanes>(repeating: .zero)
  private var count = 0
  private var isFast = false
  private(set) var seconds: Double?

  init(_ settings: AlarmSettings) { self.settings = settings }

  mutating func add(_ acceleration: Lanes, at time: Double) {
    add(filter.step(acceleration), at: time)
  }

  mutating func add(_ motion: Motion, at time: Double) {
    func isReached(_ value: Lanes, _ limit: Double) -> Lanes {
      let size = value.replacing(with: -value, where: value .< 0)
      return Lanes.zero.replacing(with: 1, where: size .>= limit)
    }
    let reached = isReached(motion.acceleration, settings.accelerationMetresPerSecondSquared)
    samples += reached - lastSecond[count % 100]
    lastSecond[count % 100] = reached
    count += 1
    isFast = isFast || isReached(motion.velocity, settings.velocityMetresPerSecond).sum() > 0
    guard seconds == nil, isFast,
      max(samples[0], samples[1], samples[2]) >= MeasurableShaking.samplesMinimum
    else { return }
    seconds = time
  }
}
