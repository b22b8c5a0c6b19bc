import Core
import Testing

@Suite struct BytesTests {
  /// What `write` writes into a buffer of so many bytes.
  private func bytes(_ capacity: Int, _ write: (inout ByteWriter) -> Void) -> [UInt8] {
    var storage = [UInt8](repeating: 0xEE, count: capacity)
    var count = 0
    storage.withUnsafeMutableBufferPointer {
      var writer = ByteWriter($0)
      write(&writer)
      count = writer.count
    }
    return Array(storage[0..<count])
  }

  private func reading<Result>(_ bytes: [UInt8], _ read: (inout ByteReader) -> Result) -> Result {
    bytes.withUnsafeBufferPointer {
      var reader = ByteReader($0)
      return read(&reader)
    }
  }

  private func roundTrips<Value: FixedWidthInteger>(_ values: [Value]) -> Bool {
    let written = bytes(16 * values.count) { for value in values { $0.write(value) } }
    guard written.count == values.count * Value.bitWidth / 8 else { return false }
    return reading(written) { reader in
      values.allSatisfy { reader.read(Value.self) == $0 } && reader.remaining == 0
        && !reader.isPastEnd
    }
  }

  @Test func everyWidthRoundTrips() {
    #expect(roundTrips([UInt8.min, 1, 0x80, .max]))
    #expect(roundTrips([Int8.min, -1, 0, 1, .max]))
    #expect(roundTrips([UInt16.min, 0x0102, 0x8000, .max]))
    #expect(roundTrips([Int16.min, -2, 0, 0x0102, .max]))
    #expect(roundTrips([UInt32.min, 0x0102_0304, 0x8000_0000, .max]))
    #expect(roundTrips([Int32.min, -2, 0, 0x0102_0304, .max]))
    #expect(roundTrips([UInt64.min, 0x0102_0304_0506_0708, 1 << 63, .max]))
    #expect(roundTrips([Int64.min, -2, 0, 0x0102_0304_0506_0708, .max]))
  }

  @Test func theLeastByteComesFirst() {
    #expect(bytes(4) { $0.write(UInt32(0x0102_0304)) } == [4, 3, 2, 1])
    #expect(bytes(2) { $0.write(Int16(-2)) } == [0xFE, 0xFF])
  }

  @Test func bytesGoThroughAsTheyAre() {
    let source: [UInt8] = [0, 255, 7]
    #expect(source.withUnsafeBufferPointer { source in bytes(3) { $0.write(source) } } == source)
  }

  @Test func pastTheEndIsZeroAndRemembered() {
    reading([1, 2, 3]) { reader in
      #expect(reader.read(UInt16.self) == 0x0201)
      #expect(!reader.isPastEnd)
      #expect(reader.read(UInt16.self) == 0)
      #expect(reader.isPastEnd)
      #expect(reader.offset == 2)
      #expect(reader.read(UInt8.self) == 3)
      #expect(reader.isPastEnd)
      #expect(reader.remaining == 0)
    }
  }

  @Test func anEmptyBufferHoldsNothing() {
    reading([]) { reader in
      #expect(reader.read(UInt8.self) == 0)
      #expect(reader.isPastEnd)
    }
  }

  @Test func textIsPaddedWithZeros() {
    #expect(bytes(5) { $0.write(Text<5>("abc")) } == [0x61, 0x62, 0x63, 0, 0])
    #expect(bytes(3) { $0.write(Text<3>("abc")) } == [0x61, 0x62, 0x63])
  }

  @Test(arguments: ["", "a", "abcde", "~ !"])
  func textRoundTrips(_ string: String) {
    let written = bytes(5) { $0.write(Text<5>(string: string)) }
    reading(written) { reader in
      #expect(reader.readText(Text<5>.self)?.string == string)
      #expect(reader.remaining == 0)
    }
  }

  @Test(
    arguments: [
      [0x61, 0, 0x62], [0x61, 0x80, 0], [0xC3, 0xA9, 0], [0x61, 0x1F, 0], [0x61, 0x7F, 0],
      [0, 0, 0x61], [0x0A, 0, 0],
    ] as [[UInt8]])
  func refusesTextThatIsNotPrintableAscii(_ field: [UInt8]) {
    reading(field) { reader in
      #expect(reader.readText(Text<3>.self) == nil)
      #expect(!reader.isPastEnd)
    }
  }

  @Test func textPastTheEnd() {
    reading([0x61, 0x62]) { reader in
      #expect(reader.readText(Text<3>.self) == nil)
      #expect(reader.isPastEnd)
    }
  }

  @Test func aMessageThatOutgrowsItsBufferTraps() async {
    await #expect(processExitsWith: .failure) {
      // Room behind the buffer, so that only the writer itself can notice.
      let room = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 64)
      var writer = ByteWriter(UnsafeMutableBufferPointer(rebasing: room[0..<3]))
      writer.write(UInt16(1))
      writer.write(UInt16(2))
    }
  }
}
