// What the electronics make of a ground that is still.

import Core

extension ImpostorKind {
  /// A loose plug: a lane sits at another level, once or several times, and may chatter between
  /// the two.
  static func contact(_ draw: inout ImpostorDraw) -> Disturbance {
    let bursts = draw.whole("bursts", 1...8)
    let pauseSeconds = draw.scale("pause_s", 0.02...1)
    let chatters = draw.isTrue("chatters", 0.4)
    let isOpen = draw.isTrue("at_minus_g", 0.25)
    let isRandom = draw.isTrue("random_levels", 0.4)
    var lanes = draw.lanes()
    // An open input of a vertical accelerometer reads free fall.
    if isOpen { lanes = SIMD4.zero.replacing(with: -1, where: lanes .!= .zero) }
    var pieces: [(start: Int, count: Int, level: Double)] = []
    var start = 0
    for _ in 0..<bursts {
      let count = max(Int(100 * draw.logarithmic(0.01...0.3)), 1)
      let level = isRandom && !isOpen ? draw.between(-1...1) : 1
      if chatters {
        for frame in 0..<count where frame == 0 || draw.chance(0.5) {
          pieces.append((start + frame, 1, level))
        }
      } else {
        pieces.append((start, count, level))
      }
      start += count + Int(100 * pauseSeconds * draw.between(0.3...1.7)) + 1
    }
    var result = Disturbance(seconds: Double(start) / 100)
    for piece in pieces {
      result.replace(lanes, from: piece.start, count: piece.count, level: piece.level)
    }
    if isOpen { result.peakMetresPerSecondSquared = 9.80665 }
    return result
  }

  /// From one sample to the next another offset, for good.
  static func step(_ draw: inout ImpostorDraw) -> Disturbance {
    let lanes = draw.lanes()
    return Disturbance(seconds: 0.01) { _ in lanes }
  }

  static func tilt(_ draw: inout ImpostorDraw) -> Disturbance {
    let lanes = draw.lanes()
    let riseSeconds = draw.scale("rise_s", 0.05...3)
    let isSmooth = draw.isTrue("smooth", 0.5)
    return Disturbance(seconds: riseSeconds) { t in
      let share = min(t / riseSeconds, 1)
      return lanes * (isSmooth ? smoothStep(share) : share)
    }
  }

  /// A bit of the converter's words: where it is stuck, it changes the samples of one sign alone,
  /// because the high bits of small numbers are their sign.
  static func bitFault(_ draw: inout ImpostorDraw) -> Disturbance {
    let seconds = draw.scale("seconds", 0.05...5)
    let bit = draw.whole("bit", 25...30)
    let mode = draw.whole("mode", 0...3)
    let lanes = draw.lanes()
    let isFaulty = SIMD4<Double>.zero.replacing(with: 1, where: lanes .!= .zero)
    var result = Disturbance(seconds: seconds)
    let count = result.frameCount
    switch mode {
    case 0:
      let share = draw.scale("share", 0.02...0.9)
      for index in 0..<count where index == 0 || draw.chance(share) {
        result.added[index] = draw.sign() * isFaulty
      }
    case 1:
      for index in 0..<count { result.added[index] = index % 2 == 0 ? isFaulty : .zero }
    case 2:
      for index in 0..<count { result.added[index] = index % 2 == 0 ? isFaulty : -isFaulty }
    default:
      let isStuckAtOne = draw.isTrue("stuck_at_one", 0.5)
      // The first for a burst in which the ground has one sign throughout.
      result.added[0] = isStuckAtOne ? isFaulty : -isFaulty
      result.ofGround = { index, ground in
        guard (1..<count).contains(index) else { return .zero }
        return isStuckAtOne
          ? isFaulty.replacing(with: 0, where: ground .< 0)
          : -isFaulty.replacing(with: 0, where: ground .>= 0)
      }
    }
    result.peakMetresPerSecondSquared = Double(1 << bit) / SyntheticTrials.countsPerUnit
    return result
  }

  /// Noise and all, from one sample to the next.
  static func gainJump(_ draw: inout ImpostorDraw) -> Disturbance {
    let lasts = draw.isTrue("forever", 0.3)
    let seconds = lasts ? 5 : draw.scale("seconds", 1...10)
    let lanes = draw.lanes()
    let isAll = draw.isTrue("all_lanes", 0.5)
    let offset = draw.isTrue("with_offset", 0.3) ? draw.uniform("offset", -1...1) : 0
    let amplified =
      isAll ? SIMD4(1, 1, 1, 0) : SIMD4<Double>.zero.replacing(with: 1, where: lanes .!= .zero)
    var result = Disturbance(seconds: seconds)
    let end = lasts ? result.added.count : result.frameCount
    for index in 0..<end { result.added[index] = offset * amplified }
    result.ofGround = { index, ground in index < end ? amplified * ground : .zero }
    return result
  }

  /// All lanes against one reference, each by a factor of its own.
  static func referenceDrift(_ draw: inout ImpostorDraw) -> Disturbance {
    let seconds = draw.scale("seconds", 0.5...20)
    let mode = draw.whole("mode", 0...2)
    let lanes = SIMD4(
      draw.uniform("vertical", 0.3...1), draw.uniform("north", 0.3...1),
      draw.uniform("east", 0.3...1), 0)
    let sign = draw.sign()
    if mode < 2 {
      return Disturbance(seconds: seconds) { t in
        let share = min(t / seconds, 1)
        return sign * lanes * (mode == 0 ? share : 1 - Elementary.exponential(-5 * share))
      }
    }
    var result = Disturbance(seconds: seconds)
    var walk = 0.0
    for index in result.added.indices {
      if index < result.frameCount { walk += draw.gaussian() }
      result.added[index] = walk * lanes
    }
    return result
  }

  // MARK: Settling

  static func settling(_ draw: inout ImpostorDraw) -> Disturbance {
    let lanes = draw.lanes()
    let decaySeconds = draw.scale("decay_s", 0.05...5)
    return Disturbance(seconds: 5 * decaySeconds) { t in
      lanes * Elementary.exponential(-t / decaySeconds)
    }
  }

  static func settlingAtStart(_ draw: inout ImpostorDraw) -> Disturbance {
    var result = settling(&draw)
    result.beginsStream = true
    return result
  }

  static func settlingAfterGap(_ draw: inout ImpostorDraw) -> Disturbance {
    var result = settling(&draw)
    result.missingFrames = Int(100 * draw.scale("gap_s", 0.5...5))
    return result
  }

  /// An amplifier at its rail, and how it comes back: exponentially, and beyond.
  static func saturation(_ draw: inout ImpostorDraw) -> Disturbance {
    let lanes = draw.lanes()
    let railSeconds = draw.scale("rail_s", 0.05...1)
    let decaySeconds = draw.scale("decay_s", 0.03...1)
    let overshoot = draw.uniform("overshoot", 0...0.8)
    return Disturbance(seconds: railSeconds + 8 * decaySeconds) { t in
      guard t >= railSeconds else { return lanes }
      let since = (t - railSeconds) / decaySeconds
      let fast = Elementary.exponential(-since)
      let slow = Elementary.exponential(-since / 3)
      return lanes * ((1 + overshoot) * fast - overshoot * slow)
    }
  }

  // MARK: Pulses

  /// A railway's or a network's mains and its harmonics. They are sampled as they are, so that
  /// what lies beyond 50 Hz is folded back, unless a filter takes all beyond 35 Hz.
  static func mains(_ draw: inout ImpostorDraw) -> Disturbance {
    let nominalHertz = [16.7, 50, 60][draw.whole("network", 0...2)]
    let hertz = nominalHertz + draw.uniform("off_hertz", -0.1...0.1)
    let seconds = draw.scale("seconds", 0.1...10)
    let edge = draw.isTrue("smooth", 0.5) ? draw.uniform("edge", 0.05...0.5) : 0
    let isFiltered = draw.isTrue("filtered", 0.3) && hertz < 35
    let lanes = draw.lanes()
    let phases = SIMD4(draw.phase(), draw.phase(), draw.phase(), 0)
    var lines: [(hertz: Double, share: Double, phase: Double)] = []
    for harmonic in 1...7 where !isFiltered || Double(harmonic) * hertz <= 35 {
      let share = harmonic == 1 ? 1 : draw.between(0...0.5) / Double(harmonic)
      lines.append((Double(harmonic) * hertz, share, draw.phase()))
    }
    return Disturbance(seconds: seconds) { t in
      guard t < seconds else { return .zero }
      var sum = SIMD4<Double>.zero
      for line in lines {
        for lane in 0..<3 where lanes[lane] != 0 {
          let phase = twoPi * line.hertz * t + line.phase + phases[lane]
          sum[lane] += line.share * Elementary.sine(phase)
        }
      }
      return lanes * sum * envelope(t / seconds, edge: edge)
    }
  }

  /// Strokes within half a second, each a pulse of some milliseconds, on all lanes at once.
  static func lightning(_ draw: inout ImpostorDraw) -> Disturbance {
    let strokes = draw.whole("strokes", 1...6)
    let decaySeconds = draw.scale("decay_s", 0.001...0.03)
    let isDamped = draw.isTrue("damped", 0.4)
    let hertz = isDamped ? draw.scale("hertz", 10...200) : 0
    let lanes = draw.lanes(fewest: 3)
    // A stroke falls between two samples.
    let times = (0..<strokes).map { index in
      index == 0 ? draw.between(0...0.01) : draw.between(0.02...0.5)
    }
    let sizes = (0..<strokes).map { index in index == 0 ? 1 : draw.sign() * draw.between(0.2...1) }
    return Disturbance(seconds: 0.5 + 8 * decaySeconds) { t in
      var sum = 0.0
      for (time, size) in zip(times, sizes) where t >= time {
        let since = t - time
        let pulse = Elementary.exponential(-since / decaySeconds)
        let rise = 1 - Elementary.exponential(-since / (0.1 * decaySeconds))
        sum += size * pulse * (isDamped ? Elementary.cosine(twoPi * hertz * since) : rise)
      }
      return sum * lanes
    }
  }

  static func spikes(_ draw: inout ImpostorDraw) -> Disturbance {
    let spikes = draw.whole("spikes", 1...10)
    let samples = draw.whole("samples", 1...5)
    let seconds = draw.scale("seconds", 0.02...2)
    let isAlternating = draw.isTrue("alternating", 0.3)
    let lanes = draw.lanes()
    var result = Disturbance(seconds: seconds + 0.1)
    for spike in 0..<spikes {
      let start = spike == 0 ? 0 : Int(100 * seconds * draw.between(0...1))
      let size = spike == 0 ? 1 : draw.sign() * draw.between(0.2...1)
      for sample in 0..<samples {
        result.added[start + sample] = lanes * (isAlternating && sample % 2 == 1 ? -size : size)
      }
    }
    return result
  }

  static func bump(_ draw: inout ImpostorDraw) -> Disturbance {
    let seconds = draw.scale("seconds", 0.02...0.4)
    let lanes = draw.lanes()
    return Disturbance(seconds: seconds) { t in lanes * halfSine(t / seconds) }
  }

  /// A cable that was struck: its charge rings as it does, in all cores alike.
  static func microphonics(_ draw: inout ImpostorDraw) -> Disturbance {
    let strikes = draw.whole("strikes", 1...5)
    let hertz = draw.scale("hertz", 5...45)
    let decaySeconds = draw.scale("decay_s", 0.03...0.5)
    let lanes = draw.lanes(fewest: 2)
    let times = (0..<strikes).map { index in index == 0 ? 0 : draw.between(0.05...3) }
    let sizes = (0..<strikes).map { index in index == 0 ? 1 : draw.between(0.3...1) }
    return Disturbance(seconds: 3 + 6 * decaySeconds) { t in
      var sum = 0.0
      for (time, size) in zip(times, sizes) {
        sum += size * ring(t - time, hertz: hertz, decaySeconds: decaySeconds)
      }
      return sum * lanes
    }
  }

  // MARK: Lanes

  /// Two lanes change places, and their offsets with them: gravity is on one of them.
  static func laneSwap(_ draw: inout ImpostorDraw) -> Disturbance {
    let lasts = draw.isTrue("forever", 0.3)
    let seconds = lasts ? 0.05 : draw.scale("seconds", 0.02...5)
    let kept = draw.whole("kept_lane", 0...2)
    let (first, second) = ((kept + 1) % 3, (kept + 2) % 3)
    var lanes = SIMD4<Double>.zero
    lanes[first] = draw.sign()
    lanes[second] = -lanes[first]
    var result = Disturbance(seconds: seconds)
    let end = lasts ? result.added.count : result.frameCount
    for index in 0..<end { result.added[index] = lanes }
    result.exchanged = (first, second, end)
    return result
  }

  /// A lane that reads zero has lost its offset, which is the disturbance.
  static func dropout(_ draw: inout ImpostorDraw) -> Disturbance {
    let seconds = draw.scale("seconds", 0.01...10)
    let lanes = draw.lanes()
    var result = Disturbance(seconds: seconds)
    result.replace(lanes, from: 0, count: result.frameCount, level: 1)
    return result
  }
}
