// AnyShakeForm: how a packet of an AnyShake Explorer lies in its serial stream. There are three
// protocols, little-endian throughout, channel after channel:
//
//   v1   FC 1B, 3 × 5 samples of 32 bits, an XOR of each channel's bytes
//   v2   FA DE, milliseconds (64 bits), 32 variable bits, 3 × 5 samples of 32 bits, XOR
//   v3   01 FE, milliseconds (64 bits), 32 configuration bits, 32 variable ones, samples, XOR, EF 10
//
// v3's configuration: bits 31–30 the packet's interval, 29–27 the rate, 26 that the time is GNSS's,
// 25–10 eight channels of two bits each: off, or samples of 16, 24 or 32 bits.
//
// Over what v2 and v3 take their XOR is not among these facts. So the three ways there are to take
// it are all known, and which one holds is found out by listening.

import Core

/// Over which bytes of a packet its checksum goes.
enum ChecksumScope: UInt8 {
  /// From the header's end to the checksum.
  case body
  case samples
  case all
}

struct AnyShakeForm: Equatable {
  enum Version: UInt8 { case one = 1, two, three }
  let version: Version
  let scope: ChecksumScope

  static let headerByteCount = 2
  /// All forms, by number.
  static let count = 7
  static func form(_ number: Int) -> AnyShakeForm {
    guard number > 0 else { return AnyShakeForm(version: .one, scope: .samples) }
    return AnyShakeForm(
      version: number <= 3 ? .two : .three,
      scope: ChecksumScope(rawValue: UInt8((number - 1) % 3))!)
  }

  private var header: (UInt8, UInt8) {
    switch version {
    case .one: (0xFC, 0x1B)
    case .two: (0xFA, 0xDE)
    case .three: (0x01, 0xFE)
    }
  }

  /// A packet of this form at the beginning; nil where there is none.
  func packet(_ bytes: UnsafeRawBufferPointer) -> AnyShakePacket? {
    guard bytes.count >= 18, bytes[0] == header.0, bytes[1] == header.1 else { return nil }
    var packet = AnyShakePacket()
    if version != .one {
      packet.milliseconds = Int64(
        littleEndian: bytes.loadUnaligned(fromByteOffset: 2, as: Int64.self))
    }
    switch version {
    case .one: packet.take(channels: 3, bytesPerSample: 4, samples: 5, at: 2, trailer: 3)
    case .two: packet.take(channels: 3, bytesPerSample: 4, samples: 5, at: 14, trailer: 1)
    case .three:
      let bits = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 10, as: UInt32.self))
      guard packet.take(configuration: bits) else { return nil }
    }
    guard bytes.count >= packet.byteCount, isIntact(bytes, packet) else { return nil }
    return packet
  }

  private func isIntact(_ bytes: UnsafeRawBufferPointer, _ packet: AnyShakePacket) -> Bool {
    let end = packet.dataOffset + packet.dataByteCount
    func xor(_ range: Range<Int>) -> UInt8 {
      var sum: UInt8 = 0
      for index in range { sum ^= bytes[index] }
      return sum
    }
    guard version != .one else {
      let size = packet.dataByteCount / 3
      for channel in 0..<3 {
        let begin = packet.dataOffset + channel * size
        guard bytes[end + channel] == xor(begin..<(begin + size)) else { return false }
      }
      return true
    }
    let begin =
      switch scope {
      case .body: AnyShakeForm.headerByteCount
      case .samples: packet.dataOffset
      case .all: 0
      }
    guard bytes[end] == xor(begin..<end) else { return false }
    return version == .two || (bytes[end + 1] == 0xEF && bytes[end + 2] == 0x10)
  }
}

/// What a packet holds, and where.
struct AnyShakePacket {
  /// The largest that a configuration can ask for.
  static let byteMaximum = 18 + 8 * 1000 * 4 + 3

  /// Since 1970 where the device knows the time; nil where the protocol has none.
  var milliseconds: Int64?
  var isGnss = false
  /// nil where the protocol does not tell.
  var sampleRateHertz: Int?
  private(set) var channelCount = 0
  private(set) var sampleCount = 0
  private(set) var dataOffset = 0
  private(set) var dataByteCount = 0
  private(set) var byteCount = 0
  /// Bytes of a sample of each channel that is on.
  private(set) var widths = InlineArray<8, UInt8>(repeating: 0)

  mutating func take(
    channels: Int, bytesPerSample: UInt8, samples: Int, at offset: Int, trailer: Int
  ) {
    channelCount = channels
    for channel in 0..<channels { widths[channel] = bytesPerSample }
    sampleCount = samples
    dataOffset = offset
    dataByteCount = channels * samples * Int(bytesPerSample)
    byteCount = offset + dataByteCount + trailer
  }

  /// False where no stream has such a configuration.
  mutating func take(configuration bits: UInt32) -> Bool {
    let intervals: InlineArray<4, Int> = [100, 200, 500, 1000]
    let rates: InlineArray<8, Int> = [10, 20, 50, 100, 200, 250, 500, 1000]
    let rate = rates[Int(bits >> 27 & 7)]
    sampleRateHertz = rate
    isGnss = bits >> 26 & 1 == 1
    sampleCount = rate * intervals[Int(bits >> 30)] / 1000
    var frameByteCount = 0
    for channel in 0..<8 {
      let width = UInt8(bits >> UInt32(24 - 2 * channel) & 3)
      guard width > 0 else { continue }
      widths[channelCount] = width + 1
      channelCount += 1
      frameByteCount += Int(width) + 1
    }
    dataOffset = 18
    dataByteCount = frameByteCount * sampleCount
    byteCount = dataOffset + dataByteCount + 3
    return channelCount > 0 && sampleCount > 0
  }

  /// The samples as frames, interleaved, 32 bits each. `bytes`: the whole packet.
  func unpack(_ bytes: UnsafeRawBufferPointer, into raw: UnsafeMutableRawBufferPointer) {
    var place = dataOffset
    for channel in 0..<channelCount {
      for sample in 0..<sampleCount {
        raw.storeBytes(
          of: AnyShakePacket.number(bytes, place, Int(widths[channel])).littleEndian,
          toByteOffset: (sample * channelCount + channel) * 4, as: Int32.self)
        place += Int(widths[channel])
      }
    }
  }

  private static func number(_ bytes: UnsafeRawBufferPointer, _ place: Int, _ width: Int) -> Int32 {
    var bits: UInt32 = 0
    for byte in 0..<width { bits |= UInt32(bytes[place + byte]) << UInt32(8 * (4 - width + byte)) }
    return Int32(bitPattern: bits) >> Int32(8 * (4 - width))
  }
}
