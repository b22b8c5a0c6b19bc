// AnyShakeDecoder: an AnyShake Explorer's serial stream, in whatever pieces it comes, to packets.
//
// Nobody says which protocol is spoken, and a byte may be lost anywhere. So a form is believed when
// two packets of it follow each other without a byte between them, and from then on as long as
// packets of it are whole. What is no packet is passed over, byte by byte, and counted: the frames
// after it come after a gap.
//
//     var decoder = AnyShakeDecoder(channels: 3, rateMillihertz: 100_000, arena: &arena)
//     decoder.put(bytes)
//     while let found = decoder.next(into: raw) { … }

import Core

public struct AnyShakeDecoder {
  /// Who begins to listen in the midst of a packet wants two more.
  private static let searchByteCount = 3 * AnyShakePacket.byteMaximum
  private static let bufferByteCount = searchByteCount + 4096
  /// A known stream that has had no packet for so many of its packets is another one.
  private static let strangePacketsMaximum = 4

  public static var byteCount: Int { bufferByteCount + 64 }

  private let channelCount: Int
  private let rateMillihertz: Int
  private let buffer: UnsafeMutableRawBufferPointer
  private var count = 0
  /// Bytes since the beginning, and when the newest pieces of them came.
  public private(set) var total: Int64 = 0
  private var pieces = InlineArray<32, (end: Int64, time: Int64)>(repeating: (0, .min))
  private var nextPiece = 0
  /// What is spoken, and how long a packet is.
  private var known: (form: AnyShakeForm, byteCount: Int)?
  private var hasGap = false
  private var lastMilliseconds: Int64?
  /// How many samples the last packet had that was delivered; 0 before the first.
  private var lastSampleCount: Int64 = 0
  /// Pieces of the stream that were no packet, and packets of another rate or number of channels.
  public private(set) var refusedCount: UInt32 = 0
  /// What the device says of its rate, where that is another one.
  public private(set) var otherRateHertz: Int?

  public struct Found {
    public var frames: Int
    public var byteCount: Int
    /// By the device's clock, of the first frame; nil where the protocol has none.
    public var milliseconds: Int64?
    public var isGnss: Bool
    public var gap: Gap
    /// When the piece came that its last byte was in, and how many bytes of it are after that one.
    public var arrival: Int64
    public var bytesAfter: Int
    /// Another packet may be whole already.
    public var hasMore: Bool
  }

  public init(channels: Int, rateMillihertz: Int, arena: inout Arena) {
    channelCount = channels
    self.rateMillihertz = rateMillihertz
    buffer = UnsafeMutableRawBufferPointer(
      arena.take(UInt8.self, count: AnyShakeDecoder.bufferByteCount))
  }

  /// Where the next bytes of the stream go.
  public var room: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
  }

  /// So many bytes have been put there.
  public mutating func came(_ bytes: Int, monotonicNow: Int64) {
    count += bytes
    total += Int64(bytes)
    pieces[nextPiece] = (total, monotonicNow)
    nextPiece = (nextPiece + 1) % pieces.count
  }

  /// The piece that this byte of the stream came in, or the oldest that is known.
  private func piece(of place: Int64) -> (end: Int64, time: Int64) {
    for index in 0..<pieces.count {
      let piece = pieces[(nextPiece + index) % pieces.count]
      if piece.time != .min, piece.end >= place { return piece }
    }
    return (place, .min)
  }

  /// The stream was interrupted.
  public mutating func restart() {
    count = 0
    known = nil
    hasGap = true
  }

  /// The next whole packet as frames; nil where more has to come first.
  public mutating func next(into raw: UnsafeMutableRawBufferPointer) -> Found? {
    while let (place, packet) = find() {
      if place > 0 { passOver(place) }
      let bytes = UnsafeRawBufferPointer(rebasing: buffer[0..<packet.byteCount])
      guard fits(packet), packet.sampleCount * packet.channelCount * 4 <= raw.count else {
        passOver(packet.byteCount)
        continue
      }
      packet.unpack(bytes, into: raw)
      drop(packet.byteCount)
      let end = total - Int64(count)
      let piece = piece(of: end)
      return Found(
        frames: packet.sampleCount, byteCount: packet.byteCount, milliseconds: packet.milliseconds,
        isGnss: packet.isGnss, gap: gap(before: packet), arrival: piece.time,
        bytesAfter: Int(piece.end - end), hasMore: count > 0)
    }
    return nil
  }

  private mutating func find() -> (place: Int, packet: AnyShakePacket)? {
    if let known {
      var place = 0
      while place + known.byteCount <= count {
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[place..<count])
        if let packet = known.form.packet(bytes), packet.byteCount == known.byteCount {
          return (place, packet)
        }
        place += 1
      }
      guard count >= AnyShakeDecoder.strangePacketsMaximum * known.byteCount else { return nil }
      self.known = nil
    }
    for place in 0..<count {
      if let packet = recognise(UnsafeRawBufferPointer(rebasing: buffer[place..<count])) {
        return (place, packet)
      }
    }
    if count >= AnyShakeDecoder.searchByteCount { passOver(count / 2) }
    return nil
  }

  /// Two packets of one form, one right after the other.
  private mutating func recognise(_ bytes: UnsafeRawBufferPointer) -> AnyShakePacket? {
    for number in 0..<AnyShakeForm.count {
      let form = AnyShakeForm.form(number)
      guard let first = form.packet(bytes) else { continue }
      let rest = UnsafeRawBufferPointer(rebasing: bytes[first.byteCount...])
      guard let second = form.packet(rest), second.byteCount == first.byteCount else { continue }
      known = (form, first.byteCount)
      return first
    }
    return nil
  }

  private mutating func passOver(_ bytes: Int) {
    refusedCount &+= 1
    hasGap = true
    drop(bytes)
  }

  private mutating func drop(_ bytes: Int) {
    count -= bytes
    buffer.baseAddress!.copyMemory(from: buffer.baseAddress! + bytes, byteCount: count)
  }

  private mutating func fits(_ packet: AnyShakePacket) -> Bool {
    otherRateHertz = packet.sampleRateHertz.flatMap { $0 * 1000 == rateMillihertz ? nil : $0 }
    return otherRateHertz == nil && packet.channelCount == channelCount
  }

  /// By the device's clock, where it has one that goes on; by ours where not. Whole packets are
  /// lost, and a millisecond more or less is its clock's.
  private mutating func gap(before packet: AnyShakePacket) -> Gap {
    let (had, last, wasTorn) = (lastSampleCount, lastMilliseconds, hasGap)
    (lastMilliseconds, lastSampleCount) = (packet.milliseconds, Int64(packet.sampleCount))
    hasGap = false
    guard had > 0 else { return .none }
    guard let last, let now = packet.milliseconds else { return wasTorn ? .unknown : .none }
    let (elapsed, overflows) = now.subtractingReportingOverflow(last)
    guard !overflows, elapsed >= 0, elapsed < AnyShakeDecoder.elapsedMaximum else {
      return .unknown
    }
    // Milliseconds times millihertz are millionths of a frame.
    let lost = (elapsed * Int64(rateMillihertz) + 500_000) / 1_000_000 - had
    let tolerance = max(had / 2, 1)
    return lost > tolerance ? .frames(lost) : lost < -tolerance ? .unknown : .none
  }

  /// An hour: a clock that goes on by more was set.
  private static let elapsedMaximum: Int64 = 3_600_000
}
