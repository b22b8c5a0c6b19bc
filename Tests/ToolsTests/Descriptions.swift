// Descriptions of small networks and arrays of random numbers for them.

import Core
import Foundation
import Network

@testable import Tools

/// A description in the making.
struct Recipe {
  var head: [String: String] = [
    "name": "\"small\"", "sample_rate_millihertz": "100000", "window_rows": "61",
    "components": "\"ENZ\"", "normalization": "\"window\"", "weight_order": "\"tap-in-out\"",
    "precision": "\"int16\"",
  ]
  /// Each `"key": value, …` without braces.
  var layers: [String] = []
  var arrays = HandWrittenArchive()
  private var random = RandomGenerator(seed: 21)

  init() {}

  mutating func numbers(_ count: Int, _ deviation: Double = 0.3) -> [Float] {
    (0..<count).map { _ in Float(deviation * random.gaussian()) }
  }

  mutating func add(_ name: String, _ shape: [Int], deviation: Double = 0.3) {
    arrays.add(name, shape, numbers(shape.reduce(1, *), deviation))
  }

  mutating func addNorm(_ prefix: String, _ channels: Int) {
    for part in ["gamma", "beta", "moving_mean", "moving_variance"] {
      let values = numbers(channels)
      arrays.add(
        "\(prefix)/\(part)", [channels],
        part == "gamma" || part == "moving_variance" ? values.map { 0.5 + $0.magnitude } : values)
    }
  }

  var json: String {
    let pairs = head.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
    let list = layers.map { "{\($0)}" }.joined(separator: ",\n")
    return "{\(pairs.joined(separator: ", ")), \"layers\": [\(list)]}"
  }

  func network() throws -> FloatNetwork {
    try FloatNetwork(
      try ModelDescription(json: Data(json.utf8)), arrays: try NumpyArchive(arrays.data))
  }

  func windows(_ count: Int = 4) -> [[Float]] {
    var random = RandomGenerator(seed: 5)
    let rows = max(61, Int(head["window_rows"] ?? "0") ?? 0)
    return (0..<count).map { _ in (0..<(rows * 3)).map { _ in Float(random.gaussian()) } }
  }

  func imported(_ rule: RangeRule = .percentile) throws -> ModelImport {
    try ModelImport(try network(), windows: windows(), rule: rule)
  }

  /// Down by 4, back up, joined with what was there before: fold, crop, batch norms and biases.
  static func uNet(fold: Int, precision: String = "int16") -> Recipe {
    var recipe = Recipe()
    recipe.head["precision"] = "\"\(precision)\""
    recipe.add("in", [7, 1, 3, 8])
    recipe.add("down", [5, 8, 12], deviation: 0.2)
    recipe.add("up", [7, 8, 12], deviation: 0.2)
    recipe.add("decode", [3, 16, 8], deviation: 0.2)
    recipe.add("out", [1, 8, 3])
    recipe.add("bias", [3])
    recipe.addNorm("norm", 8)
    recipe.addNorm("norms/down", 12)
    recipe.layers = [
      """
      "name": "in", "kind": "convolution", "from": "input", "weights": "in", "before": 3,
      "batch_norm": "norm", "relu": true, "fold": \(fold)
      """,
      """
      "name": "down", "kind": "convolution", "from": "in", "weights": "down", "stride": 4,
      "before": 2, "batch_norm": "norms/down", "relu": true
      """,
      """
      "name": "up", "kind": "transposed", "from": "down", "weights": "up", "stride": 4,
      "before": 1, "crop": 1, "relu": true, "fold": \(fold)
      """,
      "\"name\": \"joined\", \"kind\": \"concatenation\", \"from\": [\"in\", \"up\"]",
      """
      "name": "decoded", "kind": "convolution", "from": "joined", "weights": "decode",
      "before": 1, "relu": true, "fold": \(fold)
      """,
      """
      "name": "logits", "kind": "convolution", "from": "decoded", "weights": "out",
      "bias": "bias", "fold": \(fold), "precision": "int16"
      """,
      "\"name\": \"output\", \"kind\": \"softmax\", \"from\": \"logits\", \"classes\": \"NPS\"",
    ]
    return recipe
  }

  /// A stem at half the rate, a layer with a residual, and back up by repetition.
  static func residual(precision: String, residual: String) -> Recipe {
    var recipe = Recipe()
    recipe.head["precision"] = "\"\(precision)\""
    recipe.head["window_rows"] = "0"
    recipe.head["normalization"] = "\"none\""
    recipe.add("stem", [3, 3, 16])
    recipe.add("more", [3, 16, 16], deviation: 0.15)
    recipe.add("out", [2, 16, 3], deviation: 0.2)
    recipe.addNorm("norm", 16)
    recipe.layers = [
      """
      "name": "stem", "kind": "convolution", "from": "input", "weights": "stem", "stride": 2,
      "before": 2
      """,
      """
      "name": "more", "kind": "convolution", "from": "stem", "weights": "more", "before": 6,
      "dilation": 3, "batch_norm": "norm", "residual": "stem", \(residual)
      """,
      "\"name\": \"up\", \"kind\": \"upsampling\", \"from\": \"more\", \"factor\": 2",
      """
      "name": "logits", "kind": "convolution", "from": "up", "weights": "out", "before": 1,
      "precision": "int16"
      """,
      "\"name\": \"output\", \"kind\": \"sigmoid\", \"from\": \"logits\", \"classes\": \"DPS\"",
    ]
    return recipe
  }
}
