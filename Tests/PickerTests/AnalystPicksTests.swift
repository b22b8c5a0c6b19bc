// The baseline picker against analysts' picks, on the development records where they are at hand.

import Core
import Foundation
import Testing
import Tools
import Uplink

@Suite struct AnalystPicksTests {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("../shared/data/waveforms").standardizedFileURL

  struct Row {
    var file: URL
    var timeOfP: Double
  }

  /// Records with a manual P at least five seconds after their start.
  static func rows() throws -> [Row] {
    let text = try String(
      contentsOf: folder.appendingPathComponent("index.csv"), encoding: .utf8)
    var lines = text.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    let header = lines.removeFirst().map(String.init)
    func field(_ line: [Substring], _ name: String) -> Substring {
      line[header.firstIndex(of: name)!]
    }
    return lines.compactMap { line in
      guard line.count == header.count, field(line, "pick_kind") == "manual",
        let sample = Double(field(line, "p_sample")), let rate = Double(field(line, "fs")),
        sample >= 5 * rate
      else { return nil }
      return Row(
        file: folder.appendingPathComponent(String(field(line, "file"))), timeOfP: sample / rate)
    }
  }

  @Test(
    .enabled(
      if: FileManager.default.fileExists(atPath: folder.appendingPathComponent("index.csv").path),
      "the development records are not beside this repository"))
  func mostOnsetsAreWithinATenthOfASecond() throws {
    var errors: [Double] = []
    var covered = 0
    let rows = try Self.rows()
    for row in rows {
      let (instruments, _) = try MiniSeed.read([try Data(contentsOf: row.file)])
      let start = instruments[0].segments[0].start
      var best: (error: Double, sigma: Double)?
      var options = ReplayOptions()
      options.network = nil
      var replay = Replay(options)
      try replay.run(instruments[0]) { datagram in
        try datagram.withBytes { bytes throws in
          let opened = try OpenedDatagram(bytes, key: nil)
          guard opened.header.type == .pick else { return }
          let pick = try PickMessage(opened.payload)
          let error = Double(pick.time - start) * 1e-9 - row.timeOfP
          if pick.status == 2, error.magnitude < best?.error.magnitude ?? .infinity {
            best = (error, Double(pick.timeSigmaMicroseconds) * 1e-6)
          }
        }
      }
      guard let best else { continue }
      errors.append(best.error)
      if best.error.magnitude <= best.sigma { covered += 1 }
    }
    let within = errors.filter { $0.magnitude < 0.1 }.count
    // 44 of 54 when it was written; a figure below four fifths of that is a picker that broke.
    #expect(within >= rows.count * 7 / 10, "\(within) of \(rows.count)")
    #expect(covered >= errors.count * 6 / 10, "the stated σ covers \(covered) of \(errors.count)")
  }
}
