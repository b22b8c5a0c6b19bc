// What chronyd answers about how it keeps the clock.

import Clock
import Testing

@Suite struct ChronyTrackingTests {
  /// An answer of chronyd 4.3 that follows its own clock at stratum 5, to the sequence 01020304.
  private static let own = bytes(
    "060200000021000500000000000000000102030400000000000000007f7f010100000000000000000000000000000000"
      + "0000000000050000000000006b0e33cd15a65aa1000000000000000000000000000000000000000000000000000000"
      + "000000000000000000")

  private static func bytes(_ digits: String) -> [UInt8] {
    stride(from: 0, to: digits.count, by: 2).map { offset in
      UInt8(digits.dropFirst(offset).prefix(2), radix: 16)!
    }
  }

  private func read(_ bytes: [UInt8], sequence: UInt32 = 0x0102_0304) -> ChronyTracking? {
    bytes.withUnsafeBufferPointer { ChronyTracking($0, sequence: sequence) }
  }

  private func with(_ changes: [Int: UInt8]) -> [UInt8] {
    var bytes = Self.own
    for (place, value) in changes { bytes[place] = value }
    return bytes
  }

  @Test func anAnswerIsRead() throws {
    let tracking = try #require(read(Self.own))
    #expect(tracking.reference == 0x7F7F_0101 && tracking.stratum == 5)
    #expect(tracking.rootDistanceMicroseconds == 0)
  }

  /// 2^-5 s of delay there and back, and 3 · 2^-10 s of dispersion: chrony's own floating point.
  @Test func distanceIsHalfTheDelayAndTheDispersion() throws {
    func word(_ exponent: Int32, _ fraction: Int32) -> [UInt8] {
      let word = UInt32(bitPattern: exponent << 25 | fraction & 0x1FF_FFFF)
      return (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * UInt32($0))) }
    }
    var bytes = Self.own
    bytes.replaceSubrange(92..<96, with: word(-3, 1 << 23))
    bytes.replaceSubrange(96..<100, with: word(-7, 3 << 22))
    let tracking = try #require(read(bytes))
    #expect(tracking.rootDistanceMicroseconds == 15_625 + 2930)
    for (exponent, expected) in [(63, UInt32(4_000_000_000)), (-64, 0)] {
      bytes.replaceSubrange(92..<96, with: word(Int32(exponent), 1 << 23))
      bytes.replaceSubrange(96..<100, with: word(0, 0))
      #expect(read(bytes)?.rootDistanceMicroseconds == expected)
    }
    bytes.replaceSubrange(92..<96, with: word(10, -1 << 24))
    #expect(read(bytes)?.rootDistanceMicroseconds == 0)
  }

  @Test func oneThatFollowsNobodyHasNoStratum() {
    let tracking = read(with([55: 3]))
    #expect(tracking?.stratum == 0 && tracking?.reference == 0)
  }

  /// Another version, type, command, reply, status or sequence; a stratum that there is not; a byte more or less.
  @Test func whatIsNoAnswerIsNone() {
    for place in [0, 1, 4, 5, 6, 7, 8, 9, 16, 17, 18, 19] {
      #expect(read(with([place: Self.own[place] ^ 1])) == nil, "\(place)")
    }
    #expect(read(with([53: 17])) == nil)
    #expect(read(Self.own + [0]) == nil)
    #expect(read(Self.own.dropLast()) == nil)
    #expect(read([]) == nil)
    #expect(read(Self.own, sequence: 1) == nil)
  }

  @Test func aQuestionIsAsLongAsItsAnswer() {
    let request = ChronyTracking.request(sequence: 0x0102_0304)
    #expect(request.count == 104)
    #expect((0..<12).map { request[$0] } == [6, 1, 0, 0, 0, 33, 0, 0, 1, 2, 3, 4])
    #expect((12..<104).allSatisfy { request[$0] == 0 })
  }
}
