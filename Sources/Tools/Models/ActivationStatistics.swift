// What the activations of one signal do over a calibration set: their extremes, and a sample of
// them from which ranges are chosen.

struct ActivationStatistics {
  private static let sampleLimit = 1 << 15

  /// Each channel's largest magnitude.
  private(set) var largest: [Float]
  private(set) var lowest: Float = 0
  /// No value is beyond what the importer can make scales of.
  private(set) var isFinite = true
  /// Magnitudes of every channel, every `spacing`-th step.
  private var samples: [[Float]]
  private var spacing = 1
  private var stepCount = 0

  init(channels: Int) {
    largest = Array(repeating: 0, count: channels)
    samples = Array(repeating: [], count: channels)
  }

  mutating func add(_ values: [Float]) {
    let channels = largest.count
    for step in 0..<(values.count / channels) {
      for channel in 0..<channels {
        let value = values[step * channels + channel]
        isFinite = isFinite && value.magnitude < 1e30
        lowest = min(lowest, value)
        largest[channel] = max(largest[channel], value.magnitude)
        if stepCount % spacing == 0 { samples[channel].append(value.magnitude) }
      }
      stepCount += 1
      if samples[0].count >= ActivationStatistics.sampleLimit { thinOut() }
    }
  }

  private mutating func thinOut() {
    for channel in samples.indices {
      samples[channel] = stride(from: 0, to: samples[channel].count, by: 2)
        .map { samples[channel][$0] }
    }
    spacing *= 2
  }

  /// The magnitude that each channel's largest code stands for.
  func limits(_ rule: RangeRule) -> [Float] {
    zip(largest, samples).map { largest, samples in
      guard largest > 0 else { return 1e-6 }
      switch rule {
      case .percentile:
        let sorted = samples.sorted()
        let high = sorted[min(sorted.count - 1, Int(Double(sorted.count) * 0.9999))]
        return max(high, largest / 64)
      case .meanSquare: return leastError(samples, largest: largest)
      }
    }
  }

  private func leastError(_ samples: [Float], largest: Float) -> Float {
    var best = (error: Float.infinity, limit: largest)
    // From the whole range down to a 64th, in steps of a sixth.
    var limit = largest
    while limit > largest / 64 {
      let unit = limit / 127
      var error: Float = 0
      for value in samples {
        let difference = value - min(127, (value / unit).rounded()) * unit
        error += difference * difference
      }
      if error < best.error { best = (error, limit) }
      limit *= 0.85
    }
    return best.limit
  }
}
