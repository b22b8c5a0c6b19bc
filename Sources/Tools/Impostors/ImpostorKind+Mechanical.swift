// What moves the sensor or its floor and is no earthquake.

import Core

/// Damped, from rest at its start.
func ring(_ since: Double, hertz: Double, decaySeconds: Double) -> Double {
  guard since > 0, since < 20 * decaySeconds else { return 0 }
  return Elementary.exponential(-since / decaySeconds) * Elementary.sine(twoPi * hertz * since)
}

/// One hump between 0 and 1.
func halfSine(_ share: Double) -> Double {
  (0...1).contains(share) ? Elementary.sine(0.5 * twoPi * share) : 0
}

/// From 0 to 1, with horizontal ends.
func smoothStep(_ share: Double) -> Double {
  0.5 - 0.5 * Elementary.cosine(0.5 * twoPi * min(max(share, 0), 1))
}

/// 1 between 0 and 1, with edges of a share of it on both sides.
func envelope(_ share: Double, edge: Double) -> Double {
  guard (0...1).contains(share) else { return 0 }
  return edge > 0 ? smoothStep(share / edge) * smoothStep((1 - share) / edge) : 1
}

/// Band-limited motion that repeats nowhere: lines at random within a band (Shinozuka and Deodatis
/// 1991).
private struct Rumble {
  private var lines: [(hertz: Double, phases: SIMD4<Double>)] = []

  init(_ draw: inout ImpostorDraw, hertz: ClosedRange<Double>, lines count: Int) {
    for _ in 0..<count {
      lines.append(
        (draw.between(hertz), SIMD4(draw.phase(), draw.phase(), draw.phase(), 0)))
    }
  }

  func value(_ t: Double, _ lanes: SIMD4<Double>) -> SIMD4<Double> {
    var sum = SIMD4<Double>.zero
    for line in lines {
      for lane in 0..<3 where lanes[lane] != 0 {
        sum[lane] += Elementary.sine(twoPi * line.hertz * t + line.phases[lane])
      }
    }
    // The sum of so many lines has an rms of one.
    return lanes * sum * (2 / Double(lines.count)).squareRoot()
  }
}

extension ImpostorKind {
  static func knock(_ draw: inout ImpostorDraw) -> Disturbance {
    let isRing = draw.isTrue("rings", 0.7)
    let hertz = draw.scale("hertz", 5...40)
    let decaySeconds = draw.scale("decay_s", 0.02...0.2)
    let lanes = draw.lanes()
    return Disturbance(seconds: isRing ? 8 * decaySeconds : 0.5 / hertz) { t in
      lanes
        * (isRing
          ? ring(t, hertz: hertz, decaySeconds: decaySeconds) : halfSine(2 * hertz * t))
    }
  }

  static func taps(_ draw: inout ImpostorDraw) -> Disturbance {
    let taps = draw.whole("taps", 2...10)
    let seconds = draw.scale("seconds", 0.3...5)
    let hertz = draw.scale("hertz", 5...40)
    let decaySeconds = draw.scale("decay_s", 0.02...0.2)
    let lanes = draw.lanes()
    let isRegular = draw.isTrue("regular", 0.5)
    let times = (0..<taps).map { index in
      let regular = seconds * Double(index) / Double(taps)
      return isRegular || index == 0 ? regular : seconds * draw.between(0...1)
    }
    let sizes = (0..<taps).map { _ in draw.between(0.3...1) }
    return Disturbance(seconds: seconds + 8 * decaySeconds) { t in
      var sum = 0.0
      for (time, size) in zip(times, sizes) {
        sum += size * ring(t - time, hertz: hertz, decaySeconds: decaySeconds)
      }
      return sum * lanes
    }
  }

  /// The slam itself, and the wall that swings after it.
  static func doorSlam(_ draw: inout ImpostorDraw) -> Disturbance {
    let hertz = draw.scale("hertz", 3...20)
    let decaySeconds = draw.uniform("decay_s", 0.08...0.3)
    let slam = draw.uniform("slam", 0...0.6)
    let lanes = draw.lanes()
    let slamHertz = draw.scale("slam_hertz", 15...40)
    return Disturbance(seconds: 8 * decaySeconds) { t in
      let swing = ring(t, hertz: hertz, decaySeconds: decaySeconds)
      return lanes * (swing + slam * ring(t, hertz: slamHertz, decaySeconds: 0.03))
    }
  }

  /// Somebody comes and goes.
  static func footsteps(_ draw: inout ImpostorDraw) -> Disturbance {
    let steps = draw.whole("steps", 6...24)
    let intervalSeconds = draw.uniform("interval_s", 0.4...0.7)
    let hertz = draw.scale("hertz", 8...30)
    let decaySeconds = draw.scale("decay_s", 0.03...0.1)
    let lanes = draw.lanes()
    let middle = Double(steps - 1) / 2
    var times: [Double] = []
    var sizes: [Double] = []
    for step in 0..<steps {
      let away = (Double(step) - middle) / (0.4 * middle + 1)
      times.append(intervalSeconds * Double(step) + draw.between(0...0.05))
      sizes.append(Elementary.exponential(-away * away) * draw.between(0.6...1))
    }
    return Disturbance(seconds: intervalSeconds * Double(steps) + 6 * decaySeconds) { t in
      var sum = 0.0
      for (time, size) in zip(times, sizes) {
        sum += size * ring(t - time, hertz: hertz, decaySeconds: decaySeconds)
        // The ball of the foot follows the heel.
        sum += 0.5 * size * ring(t - time - 0.12, hertz: hertz, decaySeconds: decaySeconds)
      }
      return sum * lanes
    }
  }

  /// An unbalanced rotor runs up through the floor's resonance, stays at its speed and is switched
  /// off.
  static func machine(_ draw: inout ImpostorDraw) -> Disturbance {
    let hertz = draw.uniform("hertz", 10...40)
    let riseSeconds = draw.scale("rise_s", 1...10)
    let steadySeconds = draw.uniform("steady_s", 5...20)
    let resonanceHertz = draw.scale("resonance_hertz", 4...40)
    let damping = draw.scale("damping", 0.03...0.3)
    let lanes = draw.lanes()
    let phases = SIMD4(draw.phase(), draw.phase(), draw.phase(), 0)
    let seconds = riseSeconds + steadySeconds + 2
    return Disturbance(seconds: seconds) { t in
      let share = min(t / riseSeconds, 1)
      // Its turns until now: a parabola, then a line.
      let turns = hertz * (0.5 * riseSeconds * share * share + max(t - riseSeconds, 0))
      let ratio = hertz * share / resonanceHertz
      let (stiff, damped) = (1 - ratio * ratio, 2 * damping * ratio)
      // The force of a rotor that is out of balance grows with its speed squared.
      let response = ratio * ratio / (stiff * stiff + damped * damped).squareRoot()
      let fade = smoothStep((seconds - t) / 2)
      var motion = SIMD4<Double>.zero
      for lane in 0..<3 where lanes[lane] != 0 {
        motion[lane] = Elementary.sine(twoPi * turns + phases[lane])
      }
      return response * fade * lanes * motion
    }
  }

  /// A wheel or a bumper hits the slab, and the engine is heard in it.
  static func vehicle(_ draw: inout ImpostorDraw) -> Disturbance {
    let bumpSeconds = draw.scale("bump_s", 0.05...0.2)
    let seconds = draw.scale("seconds", 1...5)
    let rumble = draw.scale("rumble", 0.02...0.3)
    let bumpTime = draw.uniform("bump_at", 0...0.5) * seconds
    let lanes = draw.lanes()
    let engine = Rumble(&draw, hertz: 8...15, lines: 8)
    return Disturbance(seconds: seconds + bumpSeconds) { t in
      let hit = halfSine((t - bumpTime) / bumpSeconds)
      let back = 0.4 * halfSine((t - bumpTime - bumpSeconds) / (1.5 * bumpSeconds))
      return lanes * (hit - back)
        + rumble * envelope(t / seconds, edge: 0.3) * engine.value(t, lanes)
    }
  }

  /// P and a surface wave behind it, each a spindle of a few hertz.
  static func quarryBlast(_ draw: inout ImpostorDraw) -> Disturbance {
    let hertzOfP = draw.scale("p_hertz", 4...15)
    let hertz = draw.scale("surface_hertz", 1.5...5)
    let widthOfP = draw.scale("p_width_s", 0.08...0.3)
    let width = draw.scale("surface_width_s", 0.2...0.6)
    let delaySeconds = draw.uniform("delay_s", 0.3...1.5)
    let share = draw.uniform("p_share", 0.2...1)
    let lanes = draw.lanes(fewest: 2)
    let lanesOfP = draw.lanes(fewest: 2)
    func spindle(_ since: Double, _ hertz: Double, _ width: Double) -> Double {
      let away = (since - 4 * width) / width
      guard away > -4, away < 6 else { return 0 }
      return Elementary.exponential(-0.5 * away * away) * Elementary.sine(twoPi * hertz * since)
    }
    return Disturbance(seconds: delaySeconds + 8 * width + 8 * widthOfP) { t in
      lanesOfP * (share * spindle(t, hertzOfP, widthOfP))
        + lanes * spindle(t - delaySeconds, hertz, width)
    }
  }

  /// Lifted, turned and put down again: slow motion of the hand, and gravity on other lanes.
  static func handling(_ draw: inout ImpostorDraw) -> Disturbance {
    let seconds = draw.uniform("seconds", 2...8)
    let tilts = draw.whole("tilts", 0...4)
    let tilt = draw.scale("tilt", 0.3...5)
    let lanes = draw.lanes(fewest: 2)
    let hand = Rumble(&draw, hertz: 0.3...3, lines: 10)
    var turns: [(start: Double, length: Double, lanes: SIMD4<Double>)] = []
    for _ in 0..<tilts {
      let length = draw.between(0.2...1)
      let lanes = SIMD4(draw.between(-1...1), draw.between(-1...1), draw.between(-1...1), 0)
      turns.append((draw.between(0...1) * (seconds - length), length, lanes))
    }
    return Disturbance(seconds: seconds) { t in
      var motion = envelope(t / seconds, edge: 0.2) * hand.value(t, lanes)
      for turn in turns {
        motion += tilt * smoothStep((t - turn.start) / turn.length) * turn.lanes
      }
      return motion
    }
  }
}
