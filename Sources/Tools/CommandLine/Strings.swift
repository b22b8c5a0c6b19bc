// Between the station's fixed texts and the tools' strings.

import Core
import Uplink

extension Text {
  public init(_ string: String) {
    self.init()
    for byte in string.utf8 { append(byte: byte) }
  }

  public var string: String {
    withBytes { String(decoding: $0, as: UTF8.self) }
  }
}

extension StaticString {
  var string: String { withUTF8Buffer { String(decoding: $0, as: UTF8.self) } }
}

/// The words between bars.
func words(_ names: StaticString) -> [String] {
  names.string.split(separator: "|").map(String.init)
}

extension UTC {
  /// "2014-05-01T00:12:07.430000Z"
  public var iso8601: String {
    var text = Text<32>()
    text.append(self)
    return text.string
  }
}

extension CalendarDate {
  /// "2014-05-01"
  var iso8601: String {
    var text = Text<16>()
    text.append(self)
    return text.string
  }
}

/// What a tool cannot do, in one sentence.
public struct ToolError: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

extension Diagnostic: CustomStringConvertible {
  public var description: String { text.string }
}

/// A number with so many decimals, independent of any locale.
public func decimal(_ value: Double, _ places: Int) -> String {
  guard value.isFinite else { return "null" }
  var scale = 1.0
  for _ in 0..<places { scale *= 10 }
  guard value.magnitude * scale < 9e15 else { return "\(value)" }
  let scaled = Int((value * scale).rounded())
  let (whole, fraction) = scaled.magnitude.quotientAndRemainder(dividingBy: UInt(scale))
  let sign = scaled < 0 ? "-" : ""
  guard places > 0 else { return "\(sign)\(whole)" }
  let digits = String(fraction)
  return "\(sign)\(whole)." + String(repeating: "0", count: places - digits.count) + digits
}
