// Payload: what a message carries, as one list of fields.
//
// A field has a place on the wire, a range, a row in WIRE-FORMAT.md and, in health, a name in JSON.
// Where writing, reading, telling and documenting have a list each, the four drift apart, and a
// field that one of them forgets shifts all that come after it.
//
// So the list stands once, in the message's `visit`. To write a message, to read one, to tell
// health as JSON and to hold WIRE-FORMAT.md to it is to go through that list: what is added to it
// is in all of them.
//
//     mutating func visit(_ v: inout some FieldVisitor) {
//       v.number(&nonce, "nonce", "", "chosen by whoever asks, at random, new for every ping")
//     }
//     message.write(to: &writer)
//     let message = try PingMessage(datagram.payload)

import Core

/// One row of WIRE-FORMAT.md, except offset and type, which follow from where and what the field
/// is.
public struct WireField: Sendable {
  public let name: StaticString
  /// "mask" where bits have meanings of their own.
  public let unit: StaticString
  public let meaning: StaticString
  /// What JSON calls it, and how it tells it.
  public let jsonName: StaticString
  public let telling: Telling
}

/// How JSON tells a field's value.
public enum Telling: Sendable {
  case number
  /// So many of its units, with so many digits after the point.
  case decimal(unit: Double, digits: Int)
  /// The bits of an IEEE 754 binary32.
  case float(digits: Int)
  /// Nanoseconds since 1970 as a date.
  case date
  /// Days since 1970 as a date.
  case day
  case text
  /// The words for 0, 1 and so on, between bars.
  case word(StaticString)
  /// The words for the bits that are set, the lowest first.
  case words(StaticString)
  /// A truth of its own for every bit, the lowest first; the names between bars.
  case truths(StaticString)
  /// Two numbers, the lower four bits and those above them; the names between bars.
  case nibbles(StaticString)
}

public protocol FieldVisitor {
  /// A whole number from `least` to `most`, or `unknown`.
  mutating func visit<Value: FixedWidthInteger>(
    _ value: inout Value, from least: Value, to most: Value, unknown: Value?, _ field: WireField)
  mutating func visit<let capacity: Int>(_ text: inout Text<capacity>, _ field: WireField)
  /// The value that was last visited is none.
  mutating func refuse()
}

public protocol Payload {
  static var type: MessageType { get }
  static var byteCount: Int { get }
  init()
  /// Goes through all fields in the order of the wire.
  mutating func visit(_ visitor: inout some FieldVisitor)
  /// Whether fields that are right one by one fit each other.
  var isConsistent: Bool { get }
}

extension Payload {
  public var isConsistent: Bool { true }

  public func write(to writer: inout ByteWriter) {
    var fields = FieldWriter(writer: writer)
    var message = self
    message.visit(&fields)
    writer = fields.writer
  }

  @inlinable
  public init(_ payload: UnsafeBufferPointer<UInt8>) throws(DatagramError) {
    guard payload.count == Self.byteCount else { throw .malformed }
    self.init()
    var reader = FieldReader(payload)
    visit(&reader)
    guard reader.isValid, isConsistent else { throw .malformed }
  }
}

struct FieldWriter: FieldVisitor {
  var writer: ByteWriter

  @inline(__always)
  mutating func visit<Value: FixedWidthInteger>(
    _ value: inout Value, from least: Value, to most: Value, unknown: Value?, _ field: WireField
  ) {
    writer.write(value)
  }

  @inline(__always)
  mutating func visit<let capacity: Int>(_ text: inout Text<capacity>, _ field: WireField) {
    writer.write(text)
  }

  mutating func refuse() {}
}

@usableFromInline
struct FieldReader: FieldVisitor {
  @usableFromInline var reader: ByteReader
  /// Every field so far was there and in its range.
  @usableFromInline var isValid = true

  @usableFromInline
  init(_ payload: UnsafeBufferPointer<UInt8>) { reader = ByteReader(payload) }

  @inlinable @inline(__always)
  mutating func visit<Value: FixedWidthInteger>(
    _ value: inout Value, from least: Value, to most: Value, unknown: Value?, _ field: WireField
  ) {
    value = reader.read(Value.self)
    isValid =
      isValid && !reader.isPastEnd && ((value >= least && value <= most) || value == unknown)
  }

  @inlinable @inline(__always)
  mutating func visit<let capacity: Int>(_ text: inout Text<capacity>, _ field: WireField) {
    guard let there = reader.readText(Text<capacity>.self) else { return refuse() }
    text = there
  }

  @inlinable
  mutating func refuse() { isValid = false }
}

// The kinds of fields, so that a list reads as a table.
extension FieldVisitor {
  @inline(__always)
  mutating func number<Value: FixedWidthInteger>(
    _ value: inout Value, _ name: StaticString, _ unit: StaticString, _ meaning: StaticString,
    from least: Value = .min, to most: Value = .max, unknown: Value? = nil,
    json: StaticString? = nil, as telling: Telling = .number
  ) {
    visit(
      &value, from: least, to: most, unknown: unknown,
      WireField(
        name: name, unit: unit, meaning: meaning, jsonName: json ?? name, telling: telling))
  }

  @inline(__always)
  mutating func time(
    _ time: inout UTC, _ name: StaticString, _ meaning: StaticString, unknown: Int64? = nil,
    json: StaticString? = nil
  ) {
    var nanoseconds = time.nanoseconds
    number(&nanoseconds, name, "ns", meaning, unknown: unknown, json: json, as: .date)
    time = UTC(nanoseconds: nanoseconds)
  }

  @inline(__always)
  mutating func text<let capacity: Int>(
    _ text: inout Text<capacity>, _ name: StaticString, _ meaning: StaticString
  ) {
    visit(&text, WireField(name: name, unit: "", meaning: meaning, jsonName: name, telling: .text))
  }

  /// 32 bytes, as four numbers.
  @inline(__always)
  mutating func key(_ key: inout PublicKey, _ name: StaticString, _ meaning: StaticString) {
    for index in 0..<4 { number(&key[word: index], name, "", meaning) }
  }

  /// One of a few named things.
  @inline(__always)
  mutating func word<Word: RawRepresentable>(
    _ word: inout Word, _ name: StaticString, _ meaning: StaticString, _ words: StaticString = "",
    json: StaticString? = nil
  ) where Word.RawValue: FixedWidthInteger {
    var value = word.rawValue
    number(&value, name, "", meaning, json: json, as: .word(words))
    if let there = Word(rawValue: value) { word = there } else { refuse() }
  }

  /// Some of a few named things.
  @inline(__always)
  mutating func words<Words: BitSet>(
    _ set: inout Words, of all: Words, _ name: StaticString, _ meaning: StaticString,
    _ words: StaticString = "", json: StaticString? = nil
  ) {
    var value = set.rawValue
    number(&value, name, "mask", meaning, json: json, as: .words(words))
    set = Words(rawValue: value)
    if !set.isSubset(of: all) { refuse() }
  }

  /// A byte of truths, the first in its lowest bit.
  @inline(__always)
  mutating func truths(
    _ a: inout Bool, _ b: inout Bool, _ c: inout Bool, _ d: inout Bool, _ name: StaticString,
    _ meaning: StaticString, json: StaticString = "", to most: UInt8 = 15
  ) {
    var bits = UInt8((a ? 1 : 0) | (b ? 2 : 0) | (c ? 4 : 0) | (d ? 8 : 0))
    number(&bits, name, "", meaning, to: most, as: .truths(json))
    (a, b, c, d) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0, bits & 8 != 0)
  }

  /// A byte of two truths.
  @inline(__always)
  mutating func truths(
    _ a: inout Bool, _ b: inout Bool, _ name: StaticString, _ meaning: StaticString,
    json: StaticString = ""
  ) {
    var (c, d) = (false, false)
    truths(&a, &b, &c, &d, name, meaning, json: json, to: 3)
  }

  /// A byte of two small numbers, the first in its lower half.
  @inline(__always)
  mutating func nibbles(
    _ low: inout UInt8, _ high: inout UInt8, _ name: StaticString, _ meaning: StaticString,
    json: StaticString, to most: UInt8
  ) {
    var bits = low & 15 | high << 4
    number(&bits, name, "", meaning, to: most, as: .nibbles(json))
    (low, high) = (bits & 15, bits >> 4)
  }

  /// A byte that is 1 or 0.
  @inline(__always)
  mutating func truth(
    _ truth: inout Bool, _ name: StaticString, _ meaning: StaticString
  ) {
    var bits: UInt8 = truth ? 1 : 0
    number(&bits, name, "", meaning, to: 1)
    truth = bits == 1
  }

  @inline(__always)
  mutating func quantity(
    _ value: inout WireFloat, _ name: StaticString, _ unit: StaticString, _ meaning: StaticString
  ) {
    var bits = value.bits
    number(&bits, name, unit, meaning, as: .float(digits: 0))
    if let there = WireFloat(bits: bits) { value = there } else { refuse() }
  }

  @inline(__always)
  mutating func reserved<Value: FixedWidthInteger>(_ type: Value.Type) {
    var value: Value = 0
    number(&value, "reserved", "", "0", to: 0)
  }
}
