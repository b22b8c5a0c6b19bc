// What more than one suite of Core needs.

import Core
import Foundation

extension Text {
  init(string: String) {
    self.init()
    for byte in string.utf8 { append(byte: byte) }
  }

  var string: String { withBytes { String(decoding: $0, as: UTF8.self) } }
}

extension RandomGenerator {
  mutating func uniform(in range: ClosedRange<Double>) -> Double {
    range.lowerBound + uniform() * (range.upperBound - range.lowerBound)
  }
}

/// A folder of its own for one test, removed afterwards.
func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("onset-core-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder.path)
}
