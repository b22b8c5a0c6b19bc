// Checksum: CRC-32C (Castagnoli; RFC 3720, appendix B.4), a byte at a time, because files are
// checked once, at start.
//
//     var checksum = Checksum()
//     checksum.add(bytes)
//     guard checksum.value == stated else { … }

public struct Checksum {
  private var table = InlineArray<256, UInt32>(repeating: 0)
  private var register: UInt32 = 0xFFFF_FFFF

  public init() {
    for byte in 0..<256 {
      var value = UInt32(byte)
      for _ in 0..<8 { value = value & 1 == 0 ? value >> 1 : (value >> 1) ^ 0x82F6_3B78 }
      table[byte] = value
    }
  }

  public mutating func add(_ bytes: UnsafeRawBufferPointer) {
    for index in 0..<bytes.count {
      register = (register >> 8) ^ table[Int(UInt8(truncatingIfNeeded: register) ^ bytes[index])]
    }
  }

  public var value: UInt32 { ~register }
}
