// collector: what arrives at the other end of the uplink.
//
// Promised of every input: only what its station's key has signed and what opens is stored or told,
// once, as well-formed JSON; everything can be committed; and what is refused is counted.

import Collector
import Core
import Foundation
import Tools
import Uplink

struct CollectorTarget: Target, ~Copyable {
  private static let station = "XX.ONST1.00.EH"
  /// So many inputs between two commits, and between two databases.
  private static let gathered = 64
  private static let kept = 16_384

  /// What an intake has told.
  private final class Told {
    var lines: [String] = []
  }

  /// One station's key in a folder, as long as somebody has it.
  private final class Keys {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-fuzz-\(UUID().uuidString)")

    init() throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let file = folder.appendingPathComponent("\(CollectorTarget.station).key")
      try Data(DatagramTarget.keyBytes).write(to: file)
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func intake(_ told: Told) throws -> Intake {
      try Intake(
        databasePath: ":memory:", keys: try KeyFolder(folder.path, master: nil) { _ in },
        tell: { told.lines.append($0) }, complain: { _ in }, send: { _, _ in })
    }
  }

  private var messages: DatagramTarget
  private let keys: Keys
  private let told: Told
  private var intake: Intake
  private var stored = 0
  var summary: String { "\(stored) stored" }
  let corpus: [[UInt8]]
  let dialect: Dialect

  init() throws {
    let (keys, told) = (try Keys(), Told())
    let intake = try keys.intake(told)
    messages = try DatagramTarget()
    corpus = messages.corpus
    dialect = messages.dialect
    (self.keys, self.told, self.intake) = (keys, told, intake)
  }

  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {
    messages.finish(&bytes, &random)
  }

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    let before = intake.counts
    let now = UTC(nanoseconds: Int64(iteration) * 1_000_000)
    intake.take(bytes, at: now, from: Sender())
    let refused = intake.counts.refused.values.reduce(0, +)
    let isTaken = refused == before.refused.values.reduce(0, +)
    try require(!isTaken || messages.isSigned(bytes), "what nobody has signed is taken")
    if iteration % Self.gathered == 0 {
      try require(intake.commit(at: now), "what was taken cannot be committed")
      let counts = intake.counts
      try require(
        counts.stored + counts.doubles + counts.passed + refused == counts.received,
        "\(counts) do not add up")
      try require(told.lines.count == counts.stored, "\(told.lines.count) told of \(counts)")
      for var line in told.lines.suffix(Self.gathered) {
        let isWellFormed = line.withUTF8 { JsonText.isObject($0) }
        try require(isWellFormed, "not JSON: \(line)")
      }
    }
    if iteration % Self.kept == Self.kept - 1 {
      stored += intake.counts.stored
      told.lines.removeAll()
      intake = try keys.intake(told)
    }
    return isTaken
  }
}
