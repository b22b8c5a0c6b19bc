// ImpostorTrial: one impostor on the noise of a day, or in the middle of an earthquake that itself
// stays well below the limit of the alarm. Trial k of a seed is the same alone and among all the
// others.

import Core

struct ImpostorTrial: Sendable {
  /// Until the station knows the noise.
  static let leadSeconds = 25.0
  private static let rateHertz = Disturbance.rateHertz
  private static let earthquakeProbability = 0.25
  private static let bandLimitProbability = 0.5

  let index: Int
  let kind: ImpostorKind
  let peakMetresPerSecondSquared: Double
  /// Names and values of all that was drawn for it.
  let parameters: [(name: String, value: Double)]
  /// nil where the ground is as still as it ever is.
  let earthquake: ImpostorEarthquake?
  /// Without the impostor, and with it; metres per second squared.
  let ground: [SIMD4<Double>]
  let frames: [SIMD4<Double>]
  /// Those that never came.
  let missing: Range<Int>
  let start: Int
  /// Where it is over, unless it is for good.
  let end: Int

  /// `limit`: the alarm's acceleration, which an earthquake must not come near.
  init(seed: UInt64, index: Int, limitMetresPerSecondSquared limit: Double) {
    self.index = index
    kind = ImpostorKind.allCases[index % ImpostorKind.allCases.count]
    var draw = ImpostorDraw(RandomGenerator(seed: seed << 32 ^ UInt64(index)))
    let disturbance = kind.disturbance(&draw)
    let drawn = draw.logarithmic(kind.peaks)
    peakMetresPerSecondSquared = disturbance.peakMetresPerSecondSquared ?? drawn
    draw.note("peak_ms2", peakMetresPerSecondSquared)
    let noise = draw.scale(
      "noise_ms2", kind.noiseLevels(forPeak: peakMetresPerSecondSquared))
    let isBandLimited =
      kind.mayBeBandLimited && draw.isTrue("band_limited", Self.bandLimitProbability)
    let isDuring = draw.chance(Self.earthquakeProbability)

    let scene =
      isDuring
      ? ImpostorEarthquake.scene(disturbance, noise: noise, limit: limit, &draw) : nil
    if let scene {
      (earthquake, ground, start) = (scene.earthquake, scene.ground, scene.start)
    } else {
      earthquake = nil
      let quiet = disturbance.beginsStream ? 0 : Int(Self.leadSeconds * Self.rateHertz)
      start = quiet + disturbance.missingFrames
      var settings = SyntheticSettings()
      settings.seed = draw.seed()
      // None ever comes.
      (settings.magnitude, settings.leadSeconds) = (-9, 1e12)
      settings.noiseMetresPerSecondSquared = noise
      ground = ImpostorEarthquake.ground(settings, count: start + disturbance.added.count)
    }
    missing = (start - disturbance.missingFrames)..<start
    end = start + disturbance.frameCount
    frames = disturbance.play(
      on: ground, from: start, peak: peakMetresPerSecondSquared, isBandLimited: isBandLimited)
    parameters = draw.parameters
  }

  /// What another station of the site feels, some metres away: this share of what moves the floor, a
  /// hundredth of a second later, and nothing of what happens in the first one or in somebody's hand.
  func atAnotherStation(share: Double) -> [SIMD4<Double>] {
    let isFelt = !kind.isElectrical && kind != .handling
    return ground.indices.map { index in
      // Other noise: the same of another time.
      let place = earthquake == nil ? (index + ground.count / 2) % ground.count : index
      let still = ground[place]
      guard isFelt, index > 0 else { return still }
      return still + share * (frames[index - 1] - ground[index - 1])
    }
  }
}
