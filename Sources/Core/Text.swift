// Text: ASCII in a fixed buffer. The station has no String: everything it says about itself
// (errors, file names, station codes) is built here, truncated at the capacity and never allocated.
//
//     var text = Text<64>("line ")
//     text.append(17)
//     text.write(to: 1)

import CLinux

public struct Text<let capacity: Int>: Sendable {
  public private(set) var bytes = InlineArray<capacity, UInt8>(repeating: 0)
  public private(set) var count = 0

  public init() {}
  public init(_ literal: StaticString) { append(literal) }

  public var isEmpty: Bool { count == 0 }
  public var capacityLeft: Int { capacity - count }
  public subscript(index: Int) -> UInt8 { bytes[index] }

  @inline(never)
  public mutating func append(byte: UInt8) {
    guard count < capacity else { return }
    bytes[count] = byte
    count += 1
  }

  @inline(never)
  public mutating func append(_ literal: StaticString) {
    literal.withUTF8Buffer { for byte in $0 { append(byte: byte) } }
  }

  @inline(never)
  public mutating func append<let other: Int>(_ text: Text<other>) {
    for index in 0..<text.count { append(byte: text[index]) }
  }

  public mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    for byte in bytes { append(byte: byte) }
  }

  /// Bytes up to a terminating zero: what C libraries hand out as messages and arguments.
  public mutating func append(cString: UnsafePointer<CChar>?) {
    guard var pointer = cString else { return }
    while pointer.pointee != 0 {
      append(byte: UInt8(bitPattern: pointer.pointee))
      pointer += 1
    }
  }

  public mutating func append(_ value: Int) { append(digitsOf: value, minimumWidth: 1) }

  @inline(never)
  public mutating func append(digitsOf value: Int, minimumWidth: Int) {
    if value < 0 { append(byte: UInt8(ascii: "-")) }
    var magnitude = value.magnitude
    var digits = InlineArray<20, UInt8>(repeating: UInt8(ascii: "0"))
    var used = 0
    while magnitude > 0 || used < minimumWidth {
      digits[used] = UInt8(ascii: "0") + UInt8(magnitude % 10)
      magnitude /= 10
      used += 1
    }
    while used > 0 {
      used -= 1
      append(byte: digits[used])
    }
  }

  /// A value in thousandths written as a decimal: 8_000_000 becomes "8000", 31_250 becomes "31.25".
  public mutating func append(thousandths value: Int) {
    if value < 0 && value > -1000 { append(byte: UInt8(ascii: "-")) }
    append(value / 1000)
    var fraction = Int(value.magnitude % 1000)
    guard fraction > 0 else { return }
    append(byte: UInt8(ascii: "."))
    var unit = 100
    while fraction > 0 {
      append(byte: UInt8(ascii: "0") + UInt8(fraction / unit))
      fraction %= unit
      unit /= 10
    }
  }

  @inline(never)
  public func equals(_ literal: StaticString) -> Bool {
    guard literal.utf8CodeUnitCount == count else { return false }
    return literal.withUTF8Buffer { other in
      for index in 0..<count where other[index] != bytes[index] { return false }
      return true
    }
  }

  public func equals<let other: Int>(_ text: Text<other>) -> Bool {
    guard text.count == count else { return false }
    for index in 0..<count where text[index] != bytes[index] { return false }
    return true
  }

  /// Calls `body` with the text as a zero-terminated C string.
  public func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity + 1) { buffer in
      for index in 0..<count { buffer[index] = CChar(bitPattern: bytes[index]) }
      buffer[count] = 0
      return body(UnsafePointer(buffer.baseAddress!))
    }
  }

  /// Calls `body` with the bytes, without terminator.
  public func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    bytes.span.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[0..<count])) }
  }

  /// Writes the text to a descriptor, a line at the end of a program's life or at its start.
  public func write(to descriptor: Int32) {
    withBytes { _ = CLinux.write(descriptor, $0.baseAddress, $0.count) }
  }
}

/// An operating error at set-up: a sentence that names what is wrong and what would be right.
public struct Diagnostic: Error, Sendable {
  public var text = Text<320>()
  public init() {}
  public init(_ literal: StaticString) { text.append(literal) }

  /// "key file ", its path, and what is wrong with it.
  public init<let capacity: Int>(
    _ what: StaticString, _ path: Text<capacity>, _ sentence: StaticString
  ) {
    text.append(what)
    text.append(path)
    text.append(sentence)
  }
}
