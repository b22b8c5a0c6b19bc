// Polarisation: from where P came. Its motion is along the ray: where the ground moves up it moves
// away from the source. The horizontals' covariance with the vertical over the first second points
// there (Magotra et al. 1987, doi:10.1785/BSSA0770030958; sign by the vertical, as in Noda et al.
// 2012, doi:10.1785/0120110245).

import Conditioning
import Core

public struct BackAzimuth: Equatable, Sendable {
  /// From station to source, clockwise from north, 0 to 360.
  public var degrees: Double
  public var sigmaDegrees: Double
}

struct Polarisation: Sendable {
  /// What rays bend on their way, even where the motion is as straight as can be (Noda et al. 2012
  /// find 15° to 20° for single stations).
  private static let structureDegrees = 15.0
  /// Independent samples in a second of a signal of a few hertz.
  private static let independentSamples = 10.0
  private static let samplesMinimum = 30

  private var count = 0
  private var vertical = 0.0
  private var withVertical = SIMD2<Double>.zero
  private var horizontal = SIMD2<Double>.zero

  mutating func add(_ velocity: Lanes) {
    count += 1
    let h = SIMD2(velocity[1], velocity[2])
    vertical += velocity[0] * velocity[0]
    withVertical += velocity[0] * h
    horizontal += h * h
  }

  /// 1 for motion on a line. nil without horizontals, before a third of a second, and where nothing
  /// points anywhere.
  var coherence: Double? {
    guard count >= Polarisation.samplesMinimum, horizontal[0] > 0, horizontal[1] > 0, vertical > 0
    else { return nil }
    let length =
      (withVertical[0] * withVertical[0] + withVertical[1] * withVertical[1]).squareRoot()
    let energy = (vertical * (horizontal[0] + horizontal[1])).squareRoot()
    return length > 0 ? min(length / energy, 1) : nil
  }

  var backAzimuth: BackAzimuth? {
    guard let coherence else { return nil }
    let scatter = (1 - coherence * coherence) / (coherence * coherence)
    let radians = (scatter / Polarisation.independentSamples).squareRoot()
    let statistical = radians * 57.29577951308232
    let structure = Polarisation.structureDegrees
    let sigma = (statistical * statistical + structure * structure).squareRoot()
    // Beyond this it says no more than nothing does (a uniform circle has 104°).
    guard sigma < 90 else { return nil }
    let degrees =
      Elementary.arcTangent(y: -withVertical[1], x: -withVertical[0]) * 57.29577951308232
    return BackAzimuth(degrees: degrees < 0 ? degrees + 360 : degrees, sigmaDegrees: sigma)
  }
}
