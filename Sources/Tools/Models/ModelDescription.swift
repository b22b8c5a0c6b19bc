// The description of a network that `onset model import` reads: JSON that names the arrays of an
// .npz archive and says how they are wired. What it wires becomes a FloatNetwork
// (FloatNetwork+Description).

import Foundation

package struct ModelDescription: Decodable {
  struct Layer: Decodable {
    enum CodingKeys: String, CodingKey, CaseIterable {
      case name, kind, from, weights, bias, stride, dilation, before, crop, relu, residual
      case precision, fold, factor, classes
      case batchNorm = "batch_norm"
      case reluAfterResidual = "relu_after_residual"
    }

    var name: String
    var kind: String
    var from: Sources
    var weights: String?
    var bias: String?
    var batchNorm: String?
    var stride: Int?
    var dilation: Int?
    var before: Int?
    var crop: Int?
    var relu: Bool?
    var reluAfterResidual: Bool?
    var residual: String?
    var precision: String?
    var fold: Int?
    var factor: Int?
    var classes: String?
  }

  /// A name, or several.
  struct Sources: Decodable {
    var names: [String]

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let name = try? container.decode(String.self) {
        names = [name]
      } else if let several = try? container.decode([String].self) {
        names = several
      } else {
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "it is a name, or a list of names")
      }
    }
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case name, components, normalization, precision, layers
    case sampleRateMillihertz = "sample_rate_millihertz"
    case windowRows = "window_rows"
    case batchNormEpsilon = "batch_norm_epsilon"
    case weightOrder = "weight_order"
    case inputPrecision = "input_precision"
  }

  var name: String
  var sampleRateMillihertz: Int
  var windowRows: Int?
  var components: String
  var normalization: String
  var batchNormEpsilon: Float?
  var weightOrder: String
  var precision: String?
  var inputPrecision: String?
  var layers: [Layer]

  static func read(path: String) throws -> ModelDescription {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
      throw ToolError("\(path): cannot be read")
    }
    do { return try ModelDescription(json: data) } catch {
      throw ToolError("\(path): not a network description: \(error)")
    }
  }

  package init(json: Data) throws {
    do { _ = try JSONSerialization.jsonObject(with: json) } catch {
      throw ToolError("no JSON: " + ModelDescription.place(of: error as NSError, in: json))
    }
    do {
      self = try JSONDecoder().decode(ModelDescription.self, from: json)
      try ModelDescription.checkKeys(json)
    } catch let error as DecodingError {
      throw ToolError(ModelDescription.sentence(error))
    }
  }

  // MARK: Refusals

  /// The keys of an object, whatever they stand for.
  private struct Keys: Decodable {
    struct Key: CodingKey {
      var stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    var names: [String]

    init(from decoder: any Decoder) throws {
      names = try decoder.container(keyedBy: Key.self).allKeys.map(\.stringValue).sorted()
    }
  }

  private struct LayerKeys: Decodable { var layers: [Keys] }

  /// A misspelt key would otherwise say nothing, and the network be another one.
  private static func checkKeys(_ json: Data) throws {
    func check(_ names: [String], _ known: [String], _ place: String) throws {
      for name in names where !known.contains(name) {
        throw ToolError(
          "\(place)\"\(name)\" is no key; there are \(known.joined(separator: " "))")
      }
    }
    let decoder = JSONDecoder()
    try check(
      try decoder.decode(Keys.self, from: json).names, CodingKeys.allCases.map(\.rawValue), "")
    for (index, keys) in try decoder.decode(LayerKeys.self, from: json).layers.enumerated() {
      try check(keys.names, Layer.CodingKeys.allCases.map(\.rawValue), "layers[\(index)]: ")
    }
  }

  /// What the parser says, with a line for its character.
  private static func place(of error: NSError, in json: Data) -> String {
    let said = error.userInfo["NSDebugDescription"] as? String ?? "it cannot be parsed"
    guard let start = said.range(of: "character "),
      let character = Int(said[start.upperBound...].prefix { $0.isNumber })
    else { return said.replacingOccurrences(of: " in Swift", with: " here") }
    let line = json.prefix(character).count { $0 == UInt8(ascii: "\n") } + 1
    return "something is wrong in line \(line)"
  }

  private static func sentence(_ error: DecodingError) -> String {
    func place(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.reduce(into: "") { text, key in
        text += key.intValue.map { "[\($0)]" } ?? (text.isEmpty ? "" : ".") + key.stringValue
      }
      return path.isEmpty ? "" : path + ": "
    }
    switch error {
    case .keyNotFound(let key, let context): return "\(place(context))no \"\(key.stringValue)\""
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      return place(context)
        + context.debugDescription.replacingOccurrences(of: " in Swift", with: " here")
    @unknown default: return "\(error)"
    }
  }
}
