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
public func words(_ names: StaticString) -> [String] {
  names.string.split(separator: "|").map(String.init)
}

extension UTC {
  /// "2014-05-01", with "T00:12:07.43" where there is a time of day, and "Z" or without.
  public init?(iso8601 text: String) {
    let bytes = Array(text.hasSuffix("Z") ? text.dropLast().utf8 : text[...].utf8)
    guard bytes.count >= 10,
      let date = bytes[..<10].withUnsafeBufferPointer({ CalendarDate(ascii: $0) }),
      // What nanoseconds in 64 bits reach.
      (1678...2261).contains(date.year)
    else { return nil }
    self.init(date)
    guard bytes.count > 10 else { return }
    let parts = String(decoding: bytes[10...], as: UTF8.self).split(
      separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].count == 3, parts[0].hasPrefix("T"), parts[1].count == 2,
      parts[2].prefix(2).allSatisfy(\.isASCIIDigit), parts[2].count >= 2,
      let hour = Int(parts[0].dropFirst()), (0..<24).contains(hour), let minute = Int(parts[1]),
      (0..<60).contains(minute), let seconds = Double(parts[2]), (0..<60).contains(seconds)
    else { return nil }
    let whole = Int64(hour * 3600 + minute * 60) * nanosecondsPerSecond
    self = self + (whole + Int64((seconds * 1e9).rounded()))
  }

  /// "2014-05-01T00:12:07.430000Z"
  public var iso8601: String {
    var text = Text<32>()
    text.append(self)
    return text.string
  }
}

extension Character {
  fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}

extension CalendarDate {
  /// "2014-05-01"
  var iso8601: String {
    var text = Text<16>()
    text.append(self)
    return text.string
  }
}

/// Two digits a byte.
public func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(
    decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

/// What `hexadecimal` made; nil where it is something else.
public func bytes(hexadecimal text: String) -> [UInt8]? {
  let digits = text.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
  guard digits.count % 2 == 0, !digits.contains(nil) else { return nil }
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(16 * digits[$0]! + digits[$0 + 1]!) }
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
