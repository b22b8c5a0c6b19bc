// ByteWriter, ByteReader: little-endian fields in a fixed buffer. The writer traps when a message
// outgrows its buffer (a programming error; in release too, where a buffer's own subscript checks
// nothing). The reader returns zero past the end and remembers that it did (an operating error).
//
//     var writer = ByteWriter(buffer)
//     writer.write(UInt32(7))
//     var reader = ByteReader(UnsafeBufferPointer(buffer))
//     let seven = reader.read(UInt32.self)

public struct ByteWriter {
  private let buffer: UnsafeMutableBufferPointer<UInt8>
  public private(set) var count = 0

  public init(_ buffer: UnsafeMutableBufferPointer<UInt8>) { self.buffer = buffer }

  public mutating func write<Value: FixedWidthInteger>(_ value: Value) {
    precondition(Value.bitWidth / 8 <= buffer.count - count, "the message outgrows its buffer")
    var rest = value
    for _ in 0..<(Value.bitWidth / 8) {
      buffer[count] = UInt8(truncatingIfNeeded: rest)
      rest = Value.bitWidth > 8 ? rest >> 8 : rest
      count += 1
    }
  }

  /// The text, padded with zeros to its fixed width.
  public mutating func write<let capacity: Int>(_ text: Text<capacity>) {
    for index in 0..<capacity { write(index < text.count ? text[index] : 0) }
  }

  public mutating func write(_ bytes: UnsafeBufferPointer<UInt8>) {
    for byte in bytes { write(byte) }
  }
}

public struct ByteReader {
  @usableFromInline let buffer: UnsafeBufferPointer<UInt8>
  public var offset: Int { place }
  public var isPastEnd: Bool { isShort }
  @usableFromInline var place = 0
  @usableFromInline var isShort = false

  public init(_ buffer: UnsafeBufferPointer<UInt8>) { self.buffer = buffer }

  @inlinable
  public var remaining: Int { buffer.count - place }

  /// Inlined into other modules: a collector reads a hundred thousand messages a second.
  @inlinable
  public mutating func read<Value: FixedWidthInteger>(_ type: Value.Type) -> Value {
    let size = Value.bitWidth / 8
    guard remaining >= size else {
      isShort = true
      return 0
    }
    var value: Value = 0
    for index in 0..<size {
      value |= Value(truncatingIfNeeded: buffer[place + index]) << (8 * index)
    }
    place += size
    return value
  }

  /// A fixed-width field of printable ASCII padded with zeros; nil when anything else is in it.
  public mutating func readText<let capacity: Int>(
    _ type: Text<capacity>.Type
  ) -> Text<capacity>? {
    guard remaining >= capacity else {
      isShort = true
      return nil
    }
    var text = Text<capacity>()
    var ended = false
    for index in place..<(place + capacity) {
      let byte = buffer[index]
      if byte == 0 { ended = true } else if ended || byte < 0x20 || byte > 0x7E { return nil }
      if !ended { text.append(byte: byte) }
    }
    place += capacity
    return text
  }
}
