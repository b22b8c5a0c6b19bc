// ShakeDatagram: one datagram of a Raspberry Shake's data cast: a channel's name, the UTC of its
// first sample in seconds, and its samples, as ASCII.
//
//     {'EHZ', 1582315130.292, 14168, 14927, 16112}
//
//     if let datagram = ShakeDatagram(bytes, samples: buffer) { … }

import Core

public struct ShakeDatagram {
  /// The longest that is read. A cast's are of 25 samples and some 250 bytes.
  public static let byteMaximum = 4096
  public static let sampleMaximum = 512

  /// As `ShakeSettings.channel(of:)` takes it.
  public let name: UInt32
  public let time: UTC
  public let samples: UnsafeBufferPointer<Int32>

  /// nil for whatever is no such datagram to its last byte. `samples`: where they are put.
  public init?(
    _ bytes: UnsafeBufferPointer<UInt8>, samples buffer: UnsafeMutableBufferPointer<Int32>
  ) {
    guard bytes.count <= ShakeDatagram.byteMaximum else { return nil }
    var reader = AsciiReader(bytes)
    guard reader.skips("{"), let quote = reader.quote(), let name = reader.name(),
      reader.skips(quote), reader.skips(","), let time = reader.seconds()
    else { return nil }
    var count = 0
    while reader.skips(",") {
      guard count < buffer.count, let sample = reader.sample() else { return nil }
      buffer[count] = sample
      count += 1
    }
    guard count > 0, reader.skips("}"), reader.isAtEnd else { return nil }
    self.name = name
    self.time = time
    samples = UnsafeBufferPointer(rebasing: buffer[0..<count])
  }
}

/// Reads parts of a line; blanks before each of them say nothing.
private struct AsciiReader {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var place = 0

  init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  private mutating func skipBlanks() {
    while let byte = next, byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") { place += 1 }
  }

  /// The rest is blank.
  var isAtEnd: Bool {
    mutating get {
      skipBlanks()
      return place == bytes.count
    }
  }

  mutating func skips(_ mark: Unicode.Scalar) -> Bool {
    skipBlanks()
    guard next == UInt8(ascii: mark) else { return false }
    place += 1
    return true
  }

  /// The one that begins a text, which must end it too.
  mutating func quote() -> Unicode.Scalar? {
    if skips("'") { return "'" }
    return skips("\"") ? "\"" : nil
  }

  mutating func name() -> UInt32? {
    var name: UInt32 = 0
    while let byte = next, ChannelName.isPart(byte) {
      guard name >> 24 == 0 else { return nil }
      name = name << 8 | UInt32(byte)
      place += 1
    }
    return name == 0 ? nil : name
  }

  /// So many digits at most, as a whole number.
  private mutating func digits(atMost maximum: Int) -> (value: Int64, count: Int)? {
    var (value, count) = (Int64(0), 0)
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      guard count < maximum else { return nil }
      value = value * 10 + Int64(byte - UInt8(ascii: "0"))
      count += 1
      place += 1
    }
    return count > 0 ? (value, count) : nil
  }

  /// Seconds since 1970, up to the year 2242, with up to nine decimals.
  mutating func seconds() -> UTC? {
    let secondsMaximum: Int64 = 8_600_000_000
    skipBlanks()
    guard let whole = digits(atMost: 10), whole.value <= secondsMaximum else { return nil }
    var nanoseconds = whole.value * nanosecondsPerSecond
    if next == UInt8(ascii: ".") {
      place += 1
      guard let decimals = digits(atMost: 9) else { return nil }
      var unit = decimals.value
      for _ in decimals.count..<9 { unit *= 10 }
      nanoseconds += unit
    }
    return UTC(nanoseconds: nanoseconds)
  }

  mutating func sample() -> Int32? {
    skipBlanks()
    let isNegative = next == UInt8(ascii: "-")
    if isNegative { place += 1 }
    guard let digits = digits(atMost: 10) else { return nil }
    return Int32(exactly: isNegative ? -digits.value : digits.value)
  }
}
