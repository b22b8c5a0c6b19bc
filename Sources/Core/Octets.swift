// Octets: a few words' bytes. Swift copies an array of bytes one by one, and keys are copied often;
// these are copied by words.
//
//     var key = Octets<4>()
//     key.withMutableBytes { read(descriptor, $0.baseAddress, $0.count) }

public struct Octets<let wordCount: Int>: Equatable, Sendable {
  private var words: InlineArray<wordCount, UInt64>

  public static var count: Int { 8 * wordCount }

  public init(repeating byte: UInt8 = 0) {
    let word = UInt64(byte) &* 0x0101_0101_0101_0101
    words = InlineArray(repeating: word)
  }

  /// The first of these.
  public init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.init()
    withMutableBytes { for index in 0..<$0.count { $0[index] = bytes[index] } }
  }

  public func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    words.span.withUnsafeBufferPointer {
      $0.baseAddress!.withMemoryRebound(to: UInt8.self, capacity: Octets.count) {
        body(UnsafeBufferPointer(start: $0, count: Octets.count))
      }
    }
  }

  public mutating func withMutableBytes<Result>(
    _ body: (UnsafeMutableBufferPointer<UInt8>) -> Result
  ) -> Result {
    var span = words.mutableSpan
    return span.withUnsafeMutableBufferPointer {
      $0.baseAddress!.withMemoryRebound(to: UInt8.self, capacity: Octets.count) {
        body(UnsafeMutableBufferPointer(start: $0, count: Octets.count))
      }
    }
  }

  /// Not in constant time.
  public static func == (a: Octets, b: Octets) -> Bool {
    for index in 0..<wordCount where a.words[index] != b.words[index] { return false }
    return true
  }

  public var isZero: Bool { self == Octets() }

  public subscript(index: Int) -> UInt8 {
    get { UInt8(truncatingIfNeeded: self[word: index / 8] >> UInt64(index % 8 * 8)) }
    set {
      let shift = UInt64(index % 8 * 8)
      self[word: index / 8] = self[word: index / 8] & ~(0xFF << shift) | UInt64(newValue) << shift
    }
  }

  /// As numbers go over the wire: the first byte counts least.
  public subscript(word index: Int) -> UInt64 {
    get { UInt64(littleEndian: words[index]) }
    set { words[index] = newValue.littleEndian }
  }
}
