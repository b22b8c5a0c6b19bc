// What a description must say, sentence by sentence; batch norms; the orders of weights.

import Foundation
import Network
import Testing

@testable import Tools

@Suite struct ModelDescriptionTests {
  private func said(_ recipe: Recipe) -> String {
    refusal { _ = try recipe.imported() } ?? "accepted"
  }

  @Test func theExamplesAreAccepted() {
    #expect(said(.uNet(fold: 1)) == "accepted")
    #expect(said(.residual(precision: "int16", residual: "\"relu\": true")) == "accepted")
  }

  @Test(arguments: [
    ("name", "\"\"", "the name must be 1 to 32 printable characters"),
    ("name", "\"a name that is longer than any file holds\"", "the name must be 1 to 32"),
    ("name", "7", "name: Expected to decode String"),
    ("sample_rate_millihertz", "100", "sample_rate_millihertz is 1000 to 1000000, not 100"),
    ("sample_rate_millihertz", "-1", "sample_rate_millihertz is 1000 to 1000000, not -1"),
    ("window_rows", "-1", "window_rows is 0 (for streams) to 65536, not -1"),
    ("window_rows", "100000", "window_rows is 0 (for streams) to 65536, not 100000"),
    ("components", "\"\"", "components are 1 to 4 letters such as ENZ"),
    ("components", "\"ENZHX\"", "components are 1 to 4 letters such as ENZ"),
    ("components", "\"EN\"", "layer in: in makes 8 channels of 3; its source input has 2"),
    ("normalization", "\"max\"", "normalization is \"window\" or \"none\", not \"max\""),
    ("weight_order", "\"tap\"", "weight_order is \"tap-in-out\" (TensorFlow) or"),
    ("batch_norm_epsilon", "-1", "batch_norm_epsilon is a number from 0, not -1.0"),
    ("precision", "\"int4\"", "a precision is \"int8\" or \"int16\", not \"int4\""),
    ("input_precision", "\"float\"", "a precision is \"int8\" or \"int16\", not \"float\""),
    ("presision", "\"int8\"", "\"presision\" is no key; there are name"),
  ])
  func wrongHeads(key: String, value: String, sentence: String) {
    var recipe = Recipe.uNet(fold: 1)
    recipe.head[key] = value
    #expect(said(recipe).contains(sentence), "\(said(recipe))")
  }

  /// The layer of a number, changed; what is said, which names it.
  @Test(arguments: [
    (
      0, "\"kind\": \"convolution\"", "\"kind\": \"dense\"",
      "layer in: \"dense\" is no kind of layer"
    ),
    (0, "\"before\": 3", "\"befor\": 3", "layers[0]: \"befor\" is no key"),
    (0, "\"weights\": \"in\",", "", "layer in: it names no weights"),
    (
      0, "\"weights\": \"in\"", "\"weights\": \"on\"",
      "layer in: no array on in the archive; there are"
    ),
    (
      0, "\"weights\": \"in\"", "\"weights\": \"norm/beta\"", "norm/beta has the shape [8]; weights"
    ),
    (0, "\"weights\": \"in\"", "\"weights\": \"down\"", "down makes 12 channels of 8; its source"),
    (0, "\"from\": \"input\"", "\"from\": \"up\"", "layer in: nothing before it is called up"),
    (0, "\"from\": \"input\"", "\"from\": 3", "layers[0].from: it is a name, or a list of names"),
    (0, "\"from\": \"input\"", "\"from\": [\"input\", \"input\"]", "layer in: it reads one layer"),
    (0, "\"from\": \"input\",", "", "layers[0]: no \"from\""),
    (0, "\"batch_norm\": \"norm\"", "\"batch_norm\": \"n\"", "layer in: no array n/gamma"),
    (0, "\"batch_norm\": \"norm\"", "\"batch_norm\": \"norms/down\"", "gamma has 12 values, not 8"),
    (0, "\"before\": 3", "\"before\": -1", "layer in: before must be 0 to 6, not -1"),
    (0, "\"before\": 3", "\"before\": 7", "layer in: before must be 0 to 6, not 7"),
    (
      0, "\"before\": 3", "\"before\": 3, \"stride\": 0", "layer in: stride must be 1 to 256, not 0"
    ),
    (
      0, "\"before\": 3", "\"dilation\": 9223372036854775807", "layer in: dilation must be 1 to 256"
    ),
    (0, "\"before\": 3", "\"crop\": 1", "layer in: crop goes with transposed convolutions alone"),
    (0, "\"fold\": 1", "\"fold\": 0", "layer in: a fold is 1 to 16, not 0"),
    (0, "\"fold\": 1", "\"fold\": 17", "layer in: a fold is 1 to 16, not 17"),
    (
      0, "\"relu\": true", "\"relu_after_residual\": true",
      "relu_after_residual goes with a residual"
    ),
    (0, "\"relu\": true", "\"residual\": \"input\"", "layer in: its residual has other channels"),
    (1, "\"name\": \"down\"", "\"name\": \"in\"", "layer in: the name is taken"),
    (1, "\"relu\": true", "\"precision\": \"int32\"", "layer down: a precision is"),
    (2, "\"stride\": 4", "\"stride\": 3", "layer up: a stride of 3 does not divide the period 4"),
    (
      2, "\"stride\": 4", "\"stride\": 4, \"dilation\": 2",
      "a transposed convolution has no dilation"
    ),
    (2, "\"crop\": 1", "\"crop\": 9999", "layer up: crop must be 0 to 1024, not 9999"),
    (3, "[\"in\", \"up\"]", "[\"in\", \"in\"]", "layer joined: in is joined twice"),
    (3, "[\"in\", \"up\"]", "[\"in\", \"down\"]", "in and down differ in rate, fold or precision"),
    (3, "[\"in\", \"up\"]", "[\"input\", \"up\"]", "layer joined: input cannot be joined"),
    (3, "[\"in\", \"up\"]", "[]", "layer joined: it reads one layer, not 0"),
    (5, "\"from\": \"decoded\"", "\"from\": \"in\"", "layer decoded: no other layer reads it"),
    (
      5, "\"precision\": \"int16\"", "\"precision\": \"int8\"",
      "give its source logits the precision"
    ),
    (6, "\"classes\": \"NPS\"", "\"classes\": \"NP\"", "layer output: it needs classes, a letter"),
    (
      6, "\"from\": \"logits\"", "\"from\": \"joined\"",
      "layer output: it needs logits: the channels"
    ),
    (
      6, "\"kind\": \"softmax\"", "\"kind\": \"upsampling\"", "layer output: it needs a factor of 2"
    ),
  ])
  func wrongLayers(index: Int, part: String, other: String, sentence: String) {
    var recipe = Recipe.uNet(fold: 1)
    let layer = recipe.layers[index].replacingOccurrences(of: part, with: other)
    #expect(layer != recipe.layers[index])
    recipe.layers[index] = layer
    #expect(said(recipe).contains(sentence), "\(said(recipe))")
  }

  @Test func networksWithoutEndAreRefused() {
    var recipe = Recipe.uNet(fold: 1)
    recipe.layers.removeLast()
    #expect(said(recipe).contains("no layer is a softmax or sigmoid"))
    recipe.layers = []
    #expect(said(recipe).contains("0 layers; there must be 1 to 128"))
  }

  @Test func outputsAndConcatenationsHaveTheirPlace() {
    var recipe = Recipe.uNet(fold: 1)
    recipe.layers.append(recipe.layers[6].replacingOccurrences(of: "logits", with: "output"))
    recipe.layers[7] = recipe.layers[7].replacingOccurrences(
      of: "\"output\", \"k", with: "\"o\", \"k")
    #expect(said(recipe).contains("layer o: output is an output, which no layer reads"))
    recipe = .uNet(fold: 1)
    recipe.layers.insert(
      "\"name\": \"j\", \"kind\": \"concatenation\", \"from\": [\"joined\", \"up\"]", at: 4)
    #expect(said(recipe).contains("layer j: joined cannot be joined"))
    recipe.layers[4] =
      "\"name\": \"j\", \"kind\": \"upsampling\", \"from\": \"joined\", \"factor\": 2"
    #expect(said(recipe).contains("layer j: an upsampling reads a convolution"))
    recipe = .residual(precision: "int16", residual: "\"relu\": true")
    recipe.layers[3] += ", \"residual\": \"up\""
    #expect(said(recipe).contains("layer logits: its residual must be the input or a convolution"))
  }

  @Test func whatIsNoJsonIsRefusedInItsPlace() {
    func said(_ json: String) -> String {
      refusal { _ = try ModelDescription(json: Data(json.utf8)) } ?? "accepted"
    }
    #expect(said("{\"name\": ").contains("no JSON: Unexpected end of file"))
    #expect(said("{\n\"name\": \"a\"\n\"layers\": []}").contains("something is wrong in line 3"))
    #expect(said("{\"name\": 1e992}").contains("Number 1e992 is not representable here"))
    #expect(said("[]").contains("Expected to decode Dictionary"))
    let path = "/nonexistent/description.json"
    #expect(refusal { _ = try ModelDescription.read(path: path) } == "\(path): cannot be read")
  }

  @Test func numbersThatAreNoneAreRefused() {
    for value in [Float.nan, .infinity] {
      var recipe = Recipe.uNet(fold: 1)
      var weights = recipe.numbers(24)
      weights[5] = value
      recipe.arrays.members.removeAll { $0.name == "out" }
      recipe.arrays.add("out", [1, 8, 3], weights)
      #expect(said(recipe).contains("layer logits: its weights or bias hold what is no finite"))
    }
    var recipe = Recipe.uNet(fold: 1)
    recipe.arrays.members.removeAll { $0.name == "norm/moving_variance" }
    recipe.arrays.add("norm/moving_variance", [8], [Float](repeating: -1, count: 8))
    #expect(said(recipe).contains("layer in: norm/moving_variance is not above zero everywhere"))
  }

  /// Finite weights, and a network that is not.
  @Test func valuesBeyondAFloatAreRefused() {
    var recipe = Recipe.uNet(fold: 1)
    recipe.arrays.members.removeAll { $0.name == "decode" }
    recipe.arrays.add("decode", [3, 16, 8], [Float](repeating: 3e38, count: 384))
    #expect(said(recipe).contains("layer decoded: its values on the calibration set are beyond"))
  }

  @Test func rowsTooWideForTheFormatAreRefused() {
    var recipe = Recipe.uNet(fold: 1)
    recipe.layers[0] = recipe.layers[0].replacingOccurrences(
      of: "\"weights\": \"in\"", with: "\"weights\": \"wide\"")
    recipe.layers[0] = recipe.layers[0].replacingOccurrences(
      of: "\"batch_norm\": \"norm\",", with: "")
    recipe.arrays.add("wide", [1, 3, 1100], [Float](repeating: 0.1, count: 3300))
    recipe.arrays.add("narrow", [1, 1100, 3], [Float](repeating: 0.1, count: 3300))
    recipe.layers[0] = recipe.layers[0].replacingOccurrences(of: "\"before\": 3,", with: "")
    recipe.layers = [
      recipe.layers[0],
      """
      "name": "logits", "kind": "convolution", "from": "in", "weights": "narrow"
      """, recipe.layers[6],
    ]
    #expect(said(recipe).contains("layer in: a row of 1104 values, padding included; the most is"))
  }

  @Test func calibrationSetsThatDoNotFitAreRefused() throws {
    let network = try Recipe.uNet(fold: 1).network()
    #expect(
      refusal { _ = try ModelImport(network, windows: [], rule: .percentile) }
        == "the calibration set is empty")
    func said(_ shape: [Int], _ value: Float = 0) -> String {
      let array = NumpyArray(
        shape: shape, values: [Float](repeating: value, count: shape.reduce(1, *)))
      return refusal { _ = try ModelImport.windows(array, components: 3) } ?? "accepted"
    }
    #expect(said([2, 5, 3]) == "accepted")
    #expect(said([2, 5, 2]) == "windows have the shape [windows, rows, 3], not [2, 5, 2]")
    #expect(said([5, 3]).contains("not [5, 3]"))
    #expect(said([1, 65_537, 3]) == "windows have 65536 rows at most, not 65537")
    #expect(said([1, 5, 3], .nan) == "a window holds what is no finite number")
  }

  // MARK: What the arrays mean

  @Test func batchNormsAreFolded() throws {
    var recipe = Recipe.uNet(fold: 1)
    recipe.head["batch_norm_epsilon"] = "0.25"
    let network = try recipe.network()
    guard case .convolution(let folded) = network.signals[1].operation else { return }
    let archive = try NumpyArchive(recipe.arrays.data)
    let plain = try archive.array("in").values
    let parts = try ["gamma", "beta", "moving_mean", "moving_variance"].map {
      try archive.array("norm/" + $0).values
    }
    for channel in 0..<8 {
      let factor = parts[0][channel] / (parts[3][channel] + 0.25).squareRoot()
      #expect(
        (folded.bias[channel] - (parts[1][channel] - parts[2][channel] * factor)).magnitude < 1e-6)
      for row in 0..<21 {
        let weight = plain[row * 8 + channel] * factor
        #expect((folded.weights[row * 8 + channel] - weight).magnitude < 1e-6)
      }
    }
  }

  /// The same network as TensorFlow and as PyTorch keep it.
  @Test(arguments: [3, 4])
  func bothOrdersOfWeightsGiveTheSameFile(dimensions: Int) throws {
    let recipe = Recipe.uNet(fold: 2)
    var other = recipe
    other.head["weight_order"] = "\"out-in-tap\""
    let archive = try NumpyArchive(recipe.arrays.data)
    other.arrays.members.removeAll { ["in", "down", "up", "decode", "out"].contains($0.name) }
    for name in ["in", "down", "up", "decode", "out"] {
      let array = try archive.array(name)
      // [taps][in][out] to [out][in][taps]; transposed [taps][out][in] to [in][out][taps].
      let shape = array.shape.filter { $0 != 1 || array.shape.count == 3 }
      let (a, b, c) = (shape[0], shape[1], shape[2])
      let values = (0..<c).flatMap { z in
        (0..<b).flatMap { y in (0..<a).map { x in array.values[(x * b + y) * c + z] } }
      }
      other.arrays.add(name, dimensions == 4 ? [c, b, a, 1] : [c, b, a], values)
    }
    #expect(try other.imported().file.bytes == recipe.imported().file.bytes)
  }

  @Test func aTransposedConvolutionScatters() throws {
    let recipe = Recipe.uNet(fold: 1)
    let network = try recipe.network()
    let values = network.run(recipe.windows(1)[0])
    let kernel = try NumpyArchive(recipe.arrays.data).array("up").values
    let steps = values[2].count / 12
    var expected = [Float](repeating: 0, count: (4 * steps + 8) * 8)
    for step in 0..<steps {
      for tap in 0..<7 {
        for output in 0..<8 {
          for input in 0..<12 {
            expected[(4 * step + tap) * 8 + output] +=
              values[2][step * 12 + input] * kernel[(tap * 8 + output) * 12 + input]
          }
        }
      }
    }
    // `before` and `crop` drop what lies in front.
    for (index, found) in values[3].enumerated() {
      #expect((found - max(0, expected[2 * 8 + index])).magnitude < 1e-4)
    }
  }
}
