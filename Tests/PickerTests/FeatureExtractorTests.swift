// What the network sees, against what training computes of the same frames.

import Conditioning
import Core
import Foundation
import Testing

@testable import Picker

@Suite struct FeatureExtractorTests {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Golden/features")

  struct Manifest: Decodable {
    struct Case: Decodable {
      var present: UInt8
      var samples: Int
    }
    var seed: Int
    var cases: [Case]
  }

  @Test func theGoldensToTheBit() throws {
    let manifest = try JSONDecoder().decode(
      Manifest.self,
      from: Data(contentsOf: Self.folder.appendingPathComponent("manifest.json")))
    let counts = try Data(contentsOf: Self.folder.appendingPathComponent("counts.bin"))
    let codes = try [UInt8](Data(contentsOf: Self.folder.appendingPathComponent("codes.bin")))
    #expect(manifest.cases.count >= 6)
    var (place, row) = (0, 0)
    for (number, golden) in manifest.cases.enumerated() {
      var features = FeatureExtractor()
      for sample in 0..<golden.samples {
        var lanes = Lanes.zero
        for lane in 0..<3 {
          let value = counts[(place + 4 * lane)..<(place + 4 * lane + 4)].reversed()
            .reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
          lanes[lane] = Double(Int32(bitPattern: value))
        }
        if sample == 0 { features.restart(at: lanes, knowsNoise: false) }
        let found = features.step(lanes, lanes: LaneSet(rawValue: golden.present))
        let expected = codes[row..<(row + 12)]
        guard (0..<12).allSatisfy({ found[$0] == expected[row + $0] }) else {
          Issue.record("case \(number), sample \(sample): \(found), not \(Array(expected))")
          return
        }
        place += 12
        row += 12
      }
    }
    #expect(place == counts.count && row == codes.count)
  }

  /// What wakes with a start was padding or a cable that was off; quiet ground wakes by a count.
  @Test(arguments: [(1000.0, true), (0.4, false)]) func aStillLaneWakes(
    noise: Double, isRevival: Bool
  ) {
    var features = FeatureExtractor()
    var random = RandomGenerator(seed: 5)
    features.restart(at: .zero, knowsNoise: false)
    for _ in 0..<300 {
      _ = features.step(.zero, lanes: .components)
      #expect(!features.hasWoken)
    }
    var woken: [Int] = []
    for index in 0..<500 {
      _ = features.step(
        Lanes(repeating: (noise * random.gaussian()).rounded()), lanes: .components)
      if features.hasWoken { woken.append(index) }
    }
    #expect(woken.isEmpty == !isRevival && woken.count <= 1 && (woken.first ?? 0) < 10)
    if isRevival { #expect((300...1200).contains(features.scale[0])) }
  }

  @Test func afterAShortGapTheNoiseIsStillKnown() {
    var features = FeatureExtractor()
    var random = RandomGenerator(seed: 4)
    func noise() -> Lanes { Lanes(repeating: 100 * random.gaussian()) }
    features.restart(at: noise(), knowsNoise: false)
    for _ in 0..<3000 { _ = features.step(noise(), lanes: 0b111) }
    let known = features.scale[0]
    #expect((30...100).contains(known), "the median of what passes 1 Hz of 100 counts")
    features.restart(at: noise(), knowsNoise: true)
    let codes = features.step(noise(), lanes: 0b111)
    #expect((features.scale[0] / known - 1).magnitude < 0.01)
    #expect(codes[6] > 100, "but the network is told that it has no past")
    features.restart(at: Lanes(repeating: 1e6), knowsNoise: false)
    _ = features.step(Lanes(repeating: 1e6), lanes: 0b111)
    #expect(features.scale[0] < 1, "a constant is no noise")
  }
}
