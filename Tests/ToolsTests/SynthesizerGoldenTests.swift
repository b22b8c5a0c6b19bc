// The same earthquakes as the ones that networks are trained on, from the same chance.

import Foundation
import Testing

@testable import Tools

@Suite struct SynthesizerGoldenTests {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Golden/synthetic")

  struct Manifest: Decodable {
    struct Event: Decodable {
      var magnitude: Double
      var epicentralKilometres: Double
      var depthKilometres: Double
      var leadSeconds: Double
    }
    var samples: Int
    var rateHertz: Double
    var events: [Event]
  }

  static func numbers(_ name: String) throws -> [Double] {
    try Data(contentsOf: folder.appendingPathComponent(name)).withUnsafeBytes { raw in
      (0..<raw.count / 8).map {
        Double(bitPattern: raw.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self))
      }
    }
  }

  @Test func bothSynthesizersAgree() throws {
    let manifest = try JSONDecoder().decode(
      Manifest.self,
      from: Data(contentsOf: Self.folder.appendingPathComponent("manifest.json")))
    let white = try Self.numbers("white.bin")
    let motion = try Self.numbers("motion.bin")
    #expect(motion.count == manifest.events.count * manifest.samples * 3)
    for (number, event) in manifest.events.enumerated() {
      var settings = SyntheticSettings()
      settings.magnitude = event.magnitude
      settings.epicentralKilometres = event.epicentralKilometres
      settings.depthKilometres = event.depthKilometres
      settings.leadSeconds = event.leadSeconds
      var earthquake = SyntheticEarthquake(settings, rateHertz: manifest.rateHertz)
      let expected = motion[(number * manifest.samples * 3)...].prefix(manifest.samples * 3)
      let largest = expected.map(\.magnitude).max()!
      #expect(largest > 0)
      var worst = 0.0
      for sample in 0..<manifest.samples {
        let row = white[(4 * sample)..<(4 * sample + 4)]
        let found = earthquake.motion(
          common: row[row.startIndex],
          own: SIMD4(row[row.startIndex + 1], row[row.startIndex + 2], row[row.startIndex + 3], 0))
        for lane in 0..<3 {
          worst = max(
            worst, (found[lane] - expected[expected.startIndex + 3 * sample + lane]).magnitude)
        }
      }
      // Other roundings in another order; nothing else.
      #expect(worst < 1e-9 * largest, "event \(number): \(worst) of \(largest)")
    }
  }
}
