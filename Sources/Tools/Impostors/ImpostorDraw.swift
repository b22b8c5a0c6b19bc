// ImpostorDraw: chance, which remembers by name what it has drawn, so that a trial can tell what
// it was.
// Disturbance: what an impostor does to the stream, frame by frame.

import Core

struct ImpostorDraw {
  private(set) var random: RandomGenerator
  private(set) var parameters: [(name: String, value: Double)] = []

  init(_ random: RandomGenerator) { self.random = random }

  mutating func seed() -> UInt64 { random.next() }

  // MARK: Unnamed: details that are many

  mutating func between(_ range: ClosedRange<Double>) -> Double {
    range.lowerBound + (range.upperBound - range.lowerBound) * random.uniform()
  }

  /// Uniform in the logarithm.
  mutating func logarithmic(_ range: ClosedRange<Double>) -> Double {
    let logarithms =
      Elementary.logarithm10(range.lowerBound)...Elementary.logarithm10(range.upperBound)
    // The rounding of a power may leave the range.
    return min(max(Elementary.powerOfTen(between(logarithms)), range.lowerBound), range.upperBound)
  }

  mutating func chance(_ probability: Double) -> Bool { random.uniform() < probability }

  mutating func sign() -> Double { chance(0.5) ? 1 : -1 }

  mutating func phase() -> Double { between(0...twoPi) }

  mutating func gaussian() -> Double { random.gaussian() }

  // MARK: Named: what the trial is

  mutating func note(_ name: String, _ value: Double) { parameters.append((name, value)) }

  mutating func uniform(_ name: String, _ range: ClosedRange<Double>) -> Double {
    let value = between(range)
    note(name, value)
    return value
  }

  /// Uniform in the logarithm.
  mutating func scale(_ name: String, _ range: ClosedRange<Double>) -> Double {
    let value = logarithmic(range)
    note(name, value)
    return value
  }

  mutating func whole(_ name: String, _ range: ClosedRange<Int>) -> Int {
    let value = range.lowerBound + random.below(range.count)
    note(name, Double(value))
    return value
  }

  mutating func isTrue(_ name: String, _ probability: Double) -> Bool {
    let value = chance(probability)
    note(name, value ? 1 : 0)
    return value
  }

  /// One to three lanes, each with its share and its sign. The first has all of it.
  mutating func lanes(fewest: Int = 1) -> SIMD4<Double> {
    var order = [0, 1, 2]
    order.shuffle(using: &random)
    var shares = SIMD4<Double>.zero
    for lane in order.prefix(fewest + random.below(4 - fewest)) {
      shares[lane] = sign() * (shares == .zero ? 1 : between(0.2...1))
    }
    note("vertical", shares[0])
    note("north", shares[1])
    note("east", shares[2])
    return shares
  }
}

struct Disturbance {
  static let rateHertz = 100.0
  /// How long a station is watched after it is over.
  static let observedSeconds = 15.0

  /// What it adds to the lanes, in any unit: it is scaled to the trial's peak. It ends so long
  /// after the disturbance as the station is watched.
  var added: [SIMD4<Double>]
  /// 0 where a lane no longer hears the ground, otherwise 1; empty where all of them hear it
  /// always.
  var hearing: [SIMD4<Double>] = []
  /// What it adds of the ground itself, which is scaled to a peak of one before `added` is added.
  var ofGround: ((Int, SIMD4<Double>) -> SIMD4<Double>)?
  /// Two lanes that change places, until a frame.
  var exchanged: (first: Int, second: Int, endFrame: Int)?
  /// The frames before it that never came.
  var missingFrames = 0
  /// It is there when the station starts.
  var beginsStream = false
  /// Where the kind knows it better than the trial.
  var peakMetresPerSecondSquared: Double?
  let frameCount: Int

  /// Still, to be filled in.
  init(seconds: Double) {
    frameCount = max(Int((seconds * Self.rateHertz).rounded(.up)), 1)
    added = Array(
      repeating: .zero, count: frameCount + Int(Self.observedSeconds * Self.rateHertz))
  }

  /// `body` of the time since its start, in seconds.
  init(seconds: Double, _ body: (Double) -> SIMD4<Double>) {
    self.init(seconds: seconds)
    for index in added.indices { added[index] = body(Double(index) / Self.rateHertz) }
  }

  /// Lets what `body` says be added to `lanes` instead of the ground, from a time on.
  mutating func replace(_ lanes: SIMD4<Double>, from start: Int, count: Int, level: Double) {
    if hearing.isEmpty { hearing = Array(repeating: .one, count: added.count) }
    for index in start..<min(start + count, added.count) {
      added[index] = level * lanes
      hearing[index] = SIMD4<Double>.one.replacing(with: 0, where: lanes .!= SIMD4.zero)
    }
  }

  /// The stream, which was `ground`'s, with the disturbance from `start` on. `isBandLimited`: it
  /// has gone through the digitizer's low-pass.
  func play(
    on ground: [SIMD4<Double>], from start: Int, peak: Double, isBandLimited: Bool
  ) -> [SIMD4<Double>] {
    var added = added
    if let ofGround {
      let own = added.indices.map { ofGround($0, ground[start + $0]) }
      let scale = Self.scale(own, toPeak: 1)
      for index in added.indices { added[index] += scale * own[index] }
    }
    let scale = Self.scale(added, toPeak: peak)
    var differences = added.indices.map { index in
      let frame = ground[start + index]
      let heard = hearing.isEmpty ? frame : hearing[index] * frame
      return exchange(heard, at: index) + scale * added[index] - frame
    }
    if isBandLimited {
      differences = BandLimit.filtered(differences)
      let scale = Self.scale(differences, toPeak: peak)
      for index in differences.indices { differences[index] *= scale }
    }
    var frames = ground
    for index in differences.indices { frames[start + index] += differences[index] }
    return frames
  }

  private func exchange(_ frame: SIMD4<Double>, at index: Int) -> SIMD4<Double> {
    guard let exchanged, index < exchanged.endFrame else { return frame }
    var frame = frame
    let first = frame[exchanged.first]
    frame[exchanged.first] = frame[exchanged.second]
    frame[exchanged.second] = first
    return frame
  }

  private static func scale(_ frames: [SIMD4<Double>], toPeak peak: Double) -> Double {
    let largest = largest(frames)
    return largest > 0 ? peak / largest : 0
  }

  static func largest(_ frames: some Sequence<SIMD4<Double>>) -> Double {
    frames.reduce(0) { max($0, $1[0].magnitude, $1[1].magnitude, $1[2].magnitude) }
  }
}
