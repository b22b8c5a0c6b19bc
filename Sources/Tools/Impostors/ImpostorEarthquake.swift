// ImpostorEarthquake: an earthquake during which an impostor comes. It must be heard, and must
// stay well below the limit, so that an alarm is as wrong as without it.

import Core

struct ImpostorEarthquake: Sendable {
  static let smallestPeak = 0.02
  static let limitShare = 0.5
  private static let magnitudes = 3.0...6.5
  private static let kilometres = 5.0...100.0
  private static let rateHertz = Disturbance.rateHertz
  /// The impostor comes between P and so long after S.
  private static let codaSeconds = 10.0
  /// A station that has only just started.
  private static let earlySeconds = 2.0...10.0
  private static let drawsMaximum = 1000
  private static let attemptsMaximum = 10

  let settings: SyntheticSettings
  /// The ground's while the station is watched, m/s².
  let peakMetresPerSecondSquared: Double

  static func ground(_ settings: SyntheticSettings, count: Int) -> [SIMD4<Double>] {
    var earthquake = SyntheticEarthquake(settings, rateHertz: rateHertz)
    return (0..<count).map { _ in earthquake.next() }
  }

  /// An earthquake, its ground motion and where the impostor begins in it; nil where the limit
  /// leaves no room for any, or none was found.
  static func scene(
    _ disturbance: Disturbance, noise: Double, limit: Double, _ draw: inout ImpostorDraw
  ) -> (earthquake: ImpostorEarthquake, ground: [SIMD4<Double>], start: Int)? {
    guard limitShare * limit > smallestPeak else { return nil }
    let peaks = smallestPeak...(limitShare * limit)
    let isEarly = disturbance.beginsStream
    for _ in 0..<attemptsMaximum {
      var settings = settings(peaks, &draw)
      settings.noiseMetresPerSecondSquared = noise
      settings.leadSeconds = isEarly ? draw.between(earlySeconds) : ImpostorTrial.leadSeconds
      let timeOfS = SyntheticEarthquake(settings, rateHertz: rateHertz).timeOfS
      let start =
        isEarly
        ? 0
        : disturbance.missingFrames
          + Int(rateHertz * draw.between(settings.leadSeconds...(timeOfS + codaSeconds)))
      let ground = ground(settings, count: start + disturbance.added.count)
      let peak = Disturbance.largest(ground)
      guard peaks.contains(peak) else { continue }
      draw.note("earthquake_magnitude", settings.magnitude)
      draw.note("earthquake_km", settings.epicentralKilometres)
      draw.note("earthquake_peak_ms2", peak)
      draw.note("earthquake_p_s", settings.leadSeconds)
      draw.note("earthquake_s_s", timeOfS)
      return (
        ImpostorEarthquake(settings: settings, peakMetresPerSecondSquared: peak), ground, start
      )
    }
    return nil
  }

  /// One whose peak is likely within the range.
  private static func settings(
    _ peaks: ClosedRange<Double>, _ draw: inout ImpostorDraw
  ) -> SyntheticSettings {
    var settings = SyntheticSettings()
    for _ in 0..<drawsMaximum {
      settings.magnitude = draw.between(magnitudes)
      settings.epicentralKilometres = draw.logarithmic(kilometres)
      settings.depthKilometres = draw.between(5...20)
      if peaks.contains(likelyPeak(settings)) { break }
    }
    settings.seed = draw.seed()
    return settings
  }

  /// S by random vibration theory (Hanks and McGuire 1981): an acceleration spectrum that is
  /// flat from the corner to where attenuation ends it, spread over the duration. Constants as in
  /// SyntheticEarthquake.
  private static func likelyPeak(_ settings: SyntheticSettings) -> Double {
    let (density, speed) = (2800.0, 3500.0)
    let metres =
      1000
      * (settings.epicentralKilometres * settings.epicentralKilometres
      + settings.depthKilometres * settings.depthKilometres).squareRoot()
    let moment = Elementary.powerOfTen(1.5 * settings.magnitude + 9.1)
    let ratio = Elementary.logarithm(settings.stressDropPascal / moment)
    let corner = 0.49 * speed * Elementary.exponential(ratio / 3)
    let level =
      2 * 0.63 * moment / (2 * twoPi * density * speed * speed * speed * metres)
    let flat = level * twoPi * corner * twoPi * corner
    let attenuation = 0.035 + metres / (speed * 400)
    let duration = 1 / corner + 0.05e-3 * metres
    // The window's energy is a fifth of its length; three standard deviations on a horizontal.
    let bandwidth = 1 / (twoPi * attenuation)
    return 3 * 0.65 * flat * (2 * bandwidth / (0.2 * duration)).squareRoot()
  }
}
