// Whether a line is one JSON object (RFC 8259), without building it: a million times a minute.

struct JsonText {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var index = 0

  static func isObject(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var text = JsonText(bytes: bytes)
    return bytes.first == UInt8(ascii: "{") && text.value() && text.index == bytes.count
  }

  private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard index < bytes.count, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  private mutating func take(_ word: StaticString) -> Bool {
    word.withUTF8Buffer { word in
      for byte in word where !take(byte) { return false }
      return true
    }
  }

  private mutating func value() -> Bool {
    guard index < bytes.count else { return false }
    switch bytes[index] {
    case UInt8(ascii: "{"): return members(from: "{", to: "}", named: true)
    case UInt8(ascii: "["): return members(from: "[", to: "]", named: false)
    case UInt8(ascii: "\""): return string()
    case UInt8(ascii: "t"): return take("true")
    case UInt8(ascii: "f"): return take("false")
    case UInt8(ascii: "n"): return take("null")
    default: return number()
    }
  }

  private mutating func members(
    from open: Unicode.Scalar, to close: Unicode.Scalar, named: Bool
  ) -> Bool {
    guard take(UInt8(ascii: open)) else { return false }
    if take(UInt8(ascii: close)) { return true }
    repeat {
      if named { guard string(), take(UInt8(ascii: ":")) else { return false } }
      guard value() else { return false }
    } while take(UInt8(ascii: ","))
    return take(UInt8(ascii: close))
  }

  private mutating func string() -> Bool {
    guard take(UInt8(ascii: "\"")) else { return false }
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      switch byte {
      case UInt8(ascii: "\""): return true
      case UInt8(ascii: "\\"):
        guard index < bytes.count, bytes[index] == 0x22 || bytes[index] == 0x5C else {
          return false
        }
        index += 1
      case ..<0x20: return false
      default: continue
      }
    }
    return false
  }

  private mutating func digits() -> Int {
    let start = index
    while index < bytes.count, (0x30...0x39).contains(bytes[index]) { index += 1 }
    return index - start
  }

  private mutating func number() -> Bool {
    _ = take(UInt8(ascii: "-"))
    let start = index
    let whole = digits()
    guard whole == 1 || (whole > 1 && bytes[start] != UInt8(ascii: "0")) else { return false }
    if take(UInt8(ascii: ".")) { guard digits() > 0 else { return false } }
    if take(UInt8(ascii: "e")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      guard digits() > 0 else { return false }
    }
    return true
  }
}
