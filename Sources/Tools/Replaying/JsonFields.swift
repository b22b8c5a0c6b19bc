// JsonFields: a payload's fields as JSON has them, by the list that also writes and reads them.

import Core
import Uplink

struct JsonFields: FieldVisitor {
  private var fields: [JsonLine.Field] = []

  static func of(_ message: some Payload) -> [JsonLine.Field] {
    var (visitor, message) = (JsonFields(), message)
    message.visit(&visitor)
    return visitor.fields
  }

  mutating func visit<Value: FixedWidthInteger>(
    _ value: inout Value, from least: Value, to most: Value, unknown: Value?, _ field: WireField
  ) {
    if field.name.string == "reserved" { return }
    if case .truths(let names) = field.telling {
      for (bit, name) in words(names).enumerated() {
        fields.append((name, value & (1 << bit) != 0 ? "true" : "false"))
      }
      return
    }
    if case .nibbles(let names) = field.telling {
      for (half, name) in words(names).enumerated() {
        fields.append((name, "\(value >> (4 * half) & 15)"))
      }
      return
    }
    let text = value == unknown ? "null" : Self.text(value, field.telling)
    fields.append((field.jsonName.string, text))
  }

  mutating func visit<let capacity: Int>(_ text: inout Text<capacity>, _ field: WireField) {
    fields.append((field.jsonName.string, JsonLine.quoted(text)))
  }

  mutating func refuse() {}

  private static func text(_ value: some FixedWidthInteger, _ telling: Telling) -> String {
    switch telling {
    case .number, .text, .truths, .nibbles: "\(value)"
    case .decimal(let unit, let digits): decimal(Double(value) * unit, digits)
    case .float(let digits):
      decimal(Double(Float(bitPattern: UInt32(truncatingIfNeeded: value))), digits)
    case .date: JsonLine.time(UTC(nanoseconds: Int64(value)))
    case .day:
      "\"\(UTC(nanoseconds: Int64(value) * 86_400 * nanosecondsPerSecond).iso8601.prefix(10))\""
    case .word(let names): "\"\(words(names)[Int(value)])\""
    case .words(let names): JsonLine.names(value, words(names))
    }
  }
}
