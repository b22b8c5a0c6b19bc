// The golden networks of calibration/training/goldens.py, whose outputs were computed in NumPy from
// the text of the format: every variant gives them byte for byte, however the input is cut.

import Core
import Foundation
import Kernels
import Network
import Testing
import Tools

private struct Manifest: Decodable {
  struct Output: Decodable {
    var buffer: Int
    var rows: Int
    var at: Int
    var bytes: Int
  }
  struct Run: Decodable {
    var rows: Int
    var outputs: [Output]
    /// Checksums of all buffers, of windows.
    var buffers: [UInt32]?

    enum CodingKeys: String, CodingKey {
      case rows, outputs
      case buffers = "buffers_crc32c"
    }
  }
  struct Entry: Decodable {
    var name: String
    var crc32c: [String: UInt32]
    var windowed: [Run]
    var streamed: Run
  }
  var networks: [Entry]
}

private let folder = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("Golden/networks")

private func checksum(_ bytes: [UInt8]) -> UInt32 {
  var checksum = Checksum()
  bytes.withUnsafeBytes { checksum.add($0) }
  return checksum.value
}

private struct Golden {
  let entry: Manifest.Entry
  let file: NetworkBytes
  let input: [UInt8]
  let windowed: [UInt8]
  let streamed: [UInt8]

  init(_ entry: Manifest.Entry) throws {
    func read(_ ending: String) throws -> [UInt8] {
      let bytes = [UInt8](
        try Data(contentsOf: folder.appendingPathComponent("\(entry.name).\(ending)")))
      #expect(checksum(bytes) == entry.crc32c[ending], "\(entry.name).\(ending)")
      return bytes
    }
    self.entry = entry
    file = NetworkBytes(try read("onet"))
    (input, windowed, streamed) = (
      try read("input.bin"), try read("windowed.bin"), try read("streamed.bin")
    )
  }

  func outputs(of run: Manifest.Run, _ bytes: [UInt8]) -> [[UInt8]] {
    run.outputs.map { Array(bytes[$0.at..<($0.at + $0.bytes)]) }
  }

  func rows(of run: Manifest.Run) -> [UInt8] {
    Array(input.prefix(run.rows * (input.count / entry.streamed.rows)))
  }

  /// Every run with pushes of `chunk` rows; of `Int.max`, all at once.
  func check(_ kernels: KernelVariant, chunk: Int, _ windows: [Manifest.Run]) throws {
    let engine = try Engine(
      file, kernels, maximumRows: min(chunk, entry.streamed.rows))
    let what = "\(entry.name), \(kernels.name), \(chunk) at a time"
    for run in windows {
      let found = engine.window(rows(of: run), chunk: chunk)
      let expected = outputs(of: run, windowed)
      #expect(difference(found, expected) == nil, "\(what): window of \(run.rows)")
      // With all rows in one push nothing has been moved out: the buffers tell where it went wrong.
      guard chunk == Int.max, let checksums = run.buffers else { continue }
      for buffer in checksums.indices {
        #expect(
          checksum(engine.bytes(ofBuffer: buffer)) == checksums[buffer],
          "\(what): window of \(run.rows), buffer \(buffer)")
      }
    }
    let found = engine.stream(input, chunk: chunk)
    let expected = outputs(of: entry.streamed, streamed)
    #expect(difference(found, expected) == nil, "\(what): stream")
  }
}

@Suite struct GoldenTests {
  private let goldens: [Golden]

  init() throws {
    let bytes = try Data(contentsOf: folder.appendingPathComponent("manifest.json"))
    goldens = try JSONDecoder().decode(Manifest.self, from: bytes).networks.map { try Golden($0) }
  }

  @Test func everyGoldenIsListed() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(files.filter { $0.hasSuffix(".onet") }.count == goldens.count)
    #expect(goldens.count == 9)
  }

  @Test(arguments: [1, 5, 7, 64, Int.max]) func everyVariantAndChunk(chunk: Int) throws {
    for golden in goldens {
      for variant in supportedVariants where "\(variant.name)" != "scalar" {
        try golden.check(variant, chunk: chunk, golden.entry.windowed)
      }
    }
  }

  /// The reference takes its time in a debug build: the short windows of the larger networks.
  @Test func theScalarReference() throws {
    for golden in goldens {
      let plan = try golden.file.plan(maximumRows: 1)
      let rows = Int(1_500_000 / plan.multiplicationsPerRow)
      let windows = golden.entry.windowed.filter { $0.rows <= rows }
      #expect(!windows.isEmpty)
      let engine = try Engine(golden.file, .scalar, maximumRows: 7)
      for run in windows {
        let found = engine.window(golden.rows(of: run), chunk: 7)
        #expect(
          difference(found, golden.outputs(of: run, golden.windowed)) == nil,
          "\(golden.entry.name): window of \(run.rows)")
      }
    }
  }
}
