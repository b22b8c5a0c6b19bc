// import: what `onset model import` reads. An input is a description, a zero byte, and an archive.
//
// Promised of every pair: it is refused in a sentence, or it becomes a network file that the
// station would take, and an archive holds as many values as its shapes say.

import Core
import Foundation
import Tools

struct ImportTarget: Target {
  let corpus: [[UInt8]]
  let dialect: Dialect
  private static let rows = 24
  private var window: [Float] = []
  private(set) var importedCount = 0

  init() throws {
    let keys = [
      "name", "kind", "from", "weights", "bias", "batch_norm", "stride", "dilation", "before",
      "crop", "relu", "relu_after_residual", "residual", "precision", "fold", "factor", "classes",
    ]
    let values = [
      "\"int8\"", "\"int16\"", "\"convolution\"", "\"transposed\"", "\"upsampling\"",
      "\"concatenation\"", "\"sigmoid\"", "\"input\"", "[\"a\", \"b\"]", "\"a\"", "\"b\"", "\"c\"",
      "0", "1", "2", "3", "-1", "16", "4096", "9223372036854775807", "-9223372036854775808", "1e99",
      "true", "null", "\"out-in-tap\"", "{}", "[", "\"", "{\"a\":",
    ]
    let numpy = [
      "'<f4'", "'<f8'", "'|u1'", "(0,", "(4611686018427387904,", "False", "PK\u{3}\u{4}",
    ]
    dialect = Dialect(
      tokens: (keys.map { ", \"\($0)\": " } + values + values + numpy).map { Array($0.utf8) }
        + [
          [0x50, 0x4B, 5, 6], [0x50, 0x4B, 6, 6], Array(repeating: 0xFF, count: 8), [0xC0, 0x7F],
        ],
      maximumByteCount: 16_000)
    var random = RandomGenerator(seed: 9)
    corpus = Self.descriptions.flatMap { description in
      var archive = HandWrittenArchive()
      for (name, shape) in Self.shapes {
        let count = shape.reduce(1, *)
        let isVariance = name.hasSuffix("variance")
        let values = (0..<count).map { _ in
          isVariance ? Float(0.5 + random.uniform()) : 0.3 * Float(random.gaussian())
        }
        archive.add(name, shape, values)
      }
      return [false, true].map {
        archive.isZip64 = $0
        return Array(description.utf8) + [0] + archive.bytes
      }
    }
    window = (0..<(Self.rows * 3)).map { _ in Float(random.gaussian()) }
  }

  var summary: String { "\(importedCount) imported" }

  /// Checksums made good for most, so that what lies behind them is reached.
  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {
    guard random.below(8) > 0, let zero = bytes.firstIndex(of: 0) else { return }
    var place = zero + 1
    while place + 46 < bytes.count {
      guard bytes[place] == 0x50, bytes[place + 1] == 0x4B, bytes[place + 2] == 1,
        bytes[place + 3] == 2
      else {
        place += 1
        continue
      }
      repair(&bytes, start: zero + 1, entry: place)
      place += 46
    }
  }

  /// The checksum in a directory's entry, where the member is as the entry says.
  private func repair(_ bytes: inout [UInt8], start: Int, entry: Int) {
    func number(_ place: Int, _ count: Int) -> Int {
      (0..<count).reversed().reduce(0) { $0 << 8 | Int(bytes[place + $1]) }
    }
    let local = start + number(entry + 42, 4)
    guard local + 30 <= bytes.count else { return }
    let begin = local + 30 + number(local + 26, 2) + number(local + 28, 2)
    let end = begin + number(entry + 24, 4)
    guard begin <= bytes.count, end <= bytes.count else { return }
    let checksum = NumpyArchive.checksum(Array(bytes[begin..<end]))
    bytes.replaceSubrange((entry + 16)..<(entry + 20), with: HandWrittenArchive.number(checksum, 4))
  }

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    let split = bytes.firstIndex(of: 0) ?? bytes.count
    let json = Data(bytes[..<split])
    let archive: NumpyArchive
    do {
      archive = try NumpyArchive(Data(bytes[min(split + 1, bytes.count)...]))
      try readAll(archive, byteCount: bytes.count)
    } catch let error as ToolError {
      try check(error)
      return false
    }
    do {
      let network = try FloatNetwork(try ModelDescription(json: json), arrays: archive)
      let channels = network.signals[0].channels
      let windows = [
        Array(window.prefix(Self.rows * channels / 3 * 3).prefix(Self.rows * channels))
      ]
      guard !windows[0].isEmpty, windows[0].count % channels == 0 else { return true }
      let rule: RangeRule = bytes.count % 2 == 0 ? .percentile : .meanSquare
      let imported = try ModelImport(network, windows: windows, rule: rule)
      importedCount += 1
      try require(
        imported.outputError.isFinite && imported.outputError <= 1,
        "the output is \(imported.outputError) off")
    } catch let error as ToolError {
      try check(error)
    }
    return true
  }

  private func readAll(_ archive: NumpyArchive, byteCount: Int) throws {
    for name in archive.names {
      do {
        let array = try archive.array(name)
        try require(
          array.values.count == array.shape.reduce(1, *) && array.values.count <= byteCount,
          "\(array.values.count) values of the shape \(array.shape)")
      } catch let error as ToolError { try check(error) }
    }
  }

  private func check(_ refusal: ToolError) throws {
    try require(refusal.description.count > 8, "a refusal without a word: \(refusal)")
    try require(
      !refusal.description.contains("Swift."), "a refusal in the compiler's words: \(refusal)")
  }
}

// MARK: Corpus

extension ImportTarget {
  private static var shapes: [(String, [Int])] {
    let vectors = ["gamma", "beta", "moving_mean", "moving_variance"].map { ("n/" + $0, [4]) }
    return [
      ("w0", [3, 1, 3, 4]), ("w1", [3, 4, 4]), ("w2", [4, 4, 4]), ("w3", [1, 8, 3]), ("b3", [3]),
      ("w4", [3, 4, 4]),
    ] + vectors
  }

  private static let descriptions: [String] = [
    """
    {"name": "u", "sample_rate_millihertz": 100000, "window_rows": 24, "components": "ENZ",
     "normalization": "window", "weight_order": "tap-in-out", "precision": "int16", "layers": [
     {"name": "a", "kind": "convolution", "from": "input", "weights": "w0", "batch_norm": "n",
      "before": 1, "relu": true, "fold": 2},
     {"name": "b", "kind": "convolution", "from": "a", "weights": "w1", "stride": 4, "before": 1,
      "relu": true},
     {"name": "c", "kind": "transposed", "from": "b", "weights": "w2", "stride": 4, "crop": 1,
      "relu": true, "fold": 2},
     {"name": "d", "kind": "concatenation", "from": ["a", "c"]},
     {"name": "e", "kind": "convolution", "from": "d", "weights": "w3", "bias": "b3", "fold": 2},
     {"name": "f", "kind": "softmax", "from": "e", "classes": "NPS"}]}
    """,
    """
    {"name": "t", "sample_rate_millihertz": 100000, "components": "ENZ", "normalization": "none",
     "weight_order": "tap-in-out", "input_precision": "int8", "layers": [
     {"name": "a", "kind": "convolution", "from": "input", "weights": "w0", "stride": 2,
      "before": 2, "relu": true},
     {"name": "b", "kind": "convolution", "from": "a", "weights": "w1", "dilation": 2,
      "before": 4, "relu": true, "residual": "a", "relu_after_residual": true},
     {"name": "c", "kind": "upsampling", "from": "b", "factor": 2},
     {"name": "d", "kind": "upsampling", "from": "a", "factor": 2},
     {"name": "g", "kind": "concatenation", "from": ["c", "d"]},
     {"name": "e", "kind": "convolution", "from": "g", "weights": "w3", "precision": "int16"},
     {"name": "f", "kind": "sigmoid", "from": "e", "classes": "DPS"}]}
    """,
  ]
}
