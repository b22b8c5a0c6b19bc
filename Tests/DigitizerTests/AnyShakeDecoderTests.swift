// An Explorer's stream in each protocol, made by an encoder that is written from the same table, cut
// wherever it can be cut, damaged, and spoken by devices that are set otherwise.

import Core
import Digitizer
import Testing

/// What an Explorer may send.
private struct Explorer {
  enum Scope { case body, samples, all }
  var version: Int
  var scope = Scope.body
  var widths = [4, 4, 4]
  var rate = 100
  var interval = 100
  var isGnss = false
  /// The first packet's time, ms.
  var begin: Int64 = 1_795_996_800_000

  var samplesPerPacket: Int { version == 3 ? rate * interval / 1000 : 5 }
  var packetMilliseconds: Int { samplesPerPacket * 1000 / rate }

  static func sample(_ frame: Int, _ channel: Int, _ width: Int) -> Int32 {
    // Small ones of both signs, -511 among them, whose bytes look like v3's header.
    let value = (frame * 37 + channel * 11) % 1100 - 550
    return width == 2 ? Int32(Int16(value)) : Int32(value)
  }

  func packet(_ number: Int) -> [UInt8] {
    func bytes(_ value: Int64, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * Int64($0))) }
    }
    var data: [[UInt8]] = []
    for (channel, width) in widths.enumerated() where width > 0 {
      data.append(
        (0..<samplesPerPacket).flatMap {
          bytes(Int64(Self.sample(number * samplesPerPacket + $0, channel, width)), width)
        })
    }
    func xor(_ bytes: [UInt8]) -> UInt8 { bytes.reduce(0, ^) }
    let samples = data.flatMap { $0 }
    let time = bytes(begin + Int64(number * packetMilliseconds), 8)
    func checked(_ header: [UInt8], _ rest: [UInt8]) -> [UInt8] {
      switch scope {
      case .body: [xor(rest + samples)]
      case .samples: [xor(samples)]
      case .all: [xor(header + rest + samples)]
      }
    }
    switch version {
    case 1: return [0xFC, 0x1B] + samples + data.map(xor)
    case 2:
      let rest = time + bytes(0x0102_0304, 4)
      return [0xFA, 0xDE] + rest + samples + checked([0xFA, 0xDE], rest)
    default:
      let intervals = [100, 200, 500, 1000]
      let rates = [10, 20, 50, 100, 200, 250, 500, 1000]
      var bits = UInt32(intervals.firstIndex(of: interval)!) << 30
      bits |= UInt32(rates.firstIndex(of: rate)!) << 27
      bits |= isGnss ? 1 << 26 : 0
      for (channel, width) in widths.enumerated() where width > 0 {
        bits |= UInt32(width - 1) << UInt32(24 - 2 * channel)
      }
      let rest = time + bytes(Int64(bits), 4) + bytes(0x7766_5544, 4)
      return [0x01, 0xFE] + rest + samples + checked([0x01, 0xFE], rest) + [0xEF, 0x10]
    }
  }
}

private final class Listener {
  private var arena = Arena(byteCount: AnyShakeDecoder.byteCount)!
  private(set) var decoder: AnyShakeDecoder
  private let channels: Int
  private(set) var found: [AnyShakeDecoder.Found] = []
  private(set) var frames: [[Int32]] = []
  var gaps: [Gap] { found.map(\.gap).filter { $0 != .none } }

  init(channels: Int = 3, rate: Int = 100) {
    self.channels = channels
    decoder = AnyShakeDecoder(channels: channels, rateMillihertz: rate * 1000, arena: &arena)
  }

  func hear(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let room = decoder.room
      let part = rest.prefix(room.count)
      room.copyBytes(from: part)
      rest = rest.dropFirst(part.count)
      decoder.came(part.count, monotonicNow: Int64(found.count))
      var raw = [Int32](repeating: 0, count: 1000 * channels)
      raw.withUnsafeMutableBytes { raw in
        while let one = decoder.next(into: raw) {
          found.append(one)
          let samples = raw.assumingMemoryBound(to: Int32.self)
          for frame in 0..<one.frames {
            frames.append(Array(samples[(frame * channels)..<((frame + 1) * channels)]))
          }
        }
      }
    }
  }
}

@Suite struct AnyShakeDecoderTests {
  fileprivate static let explorers: [Explorer] = [
    Explorer(version: 1),
    Explorer(version: 2), Explorer(version: 2, scope: .samples), Explorer(version: 2, scope: .all),
    Explorer(version: 3), Explorer(version: 3, scope: .samples), Explorer(version: 3, scope: .all),
    Explorer(version: 3, widths: [3, 3, 3], rate: 250, interval: 200, isGnss: true),
    Explorer(version: 3, widths: [0, 2, 3, 4, 0, 0, 0, 2], rate: 50, interval: 500),
    Explorer(version: 3, widths: [4, 4, 4, 4, 4, 4, 4, 4], rate: 1000, interval: 1000),
  ]

  private func frames(_ explorer: Explorer, _ range: Range<Int>) -> [[Int32]] {
    let on = explorer.widths.enumerated().filter { $0.element > 0 }
    return range.map { frame in on.map { Explorer.sample(frame, $0.offset, $0.element) } }
  }

  private func listener(_ explorer: Explorer) -> Listener {
    Listener(channels: explorer.widths.filter { $0 > 0 }.count, rate: explorer.rate)
  }

  @Test(arguments: explorers.indices)
  func everyProtocolIsFoundOut(_ index: Int) {
    let explorer = Self.explorers[index]
    let listener = listener(explorer)
    for number in 0..<20 { listener.hear(explorer.packet(number)) }
    #expect(listener.frames == frames(explorer, 0..<(20 * explorer.samplesPerPacket)))
    #expect(listener.gaps.isEmpty && listener.decoder.refusedCount == 0)
    let first = listener.found[0]
    #expect(first.milliseconds == (explorer.version == 1 ? nil : explorer.begin))
    #expect(first.isGnss == explorer.isGnss)
    #expect(first.byteCount == explorer.packet(0).count)
  }

  /// Somebody begins to listen anywhere, and bytes come in pieces of any size.
  @Test(arguments: explorers.indices)
  func everySplitOfTheStream(_ index: Int) {
    let explorer = Self.explorers[index]
    let stream = (0..<6).flatMap { explorer.packet($0) }
    let size = explorer.packet(0).count
    for begin in stride(from: 0, through: size, by: max(size / 80, 1)) {
      let listener = listener(explorer)
      let cut = begin * 7 % size
      listener.hear(Array(stream[begin..<(begin + cut)]))
      listener.hear(Array(stream[(begin + cut)...]))
      let first = (begin + size - 1) / size
      let count = explorer.samplesPerPacket
      let isRight = listener.frames == frames(explorer, (first * count)..<(6 * count))
      #expect(isRight, "from byte \(begin)")
      #expect(listener.gaps.isEmpty)
    }
    let byByte = listener(explorer)
    for byte in stream.prefix(3000) { byByte.hear([byte]) }
    #expect(byByte.frames == frames(explorer, 0..<byByte.frames.count))
  }

  /// One byte is lost or changed, at every place of a packet: that packet is lost and no other.
  @Test(arguments: [0, 1, 2, 3, 4, 5, 6, 7, 8])
  func aDamagedPacketIsAGapOfItsLength(_ index: Int) {
    let explorer = Self.explorers[index]
    let size = explorer.packet(0).count
    for place in stride(from: 0, to: size, by: max(size / 80, 1)) {
      for isLost in [true, false] {
        // v2's scope of samples alone does not protect what is before them, nor v3's.
        var packet = explorer.packet(4)
        if isLost { packet.remove(at: place) } else { packet[place] ^= 0x55 }
        let header = explorer.version == 2 ? 2..<14 : 2..<18
        if !isLost, explorer.version > 1, explorer.scope == .samples, header.contains(place) {
          continue
        }
        let listener = listener(explorer)
        for number in 0..<4 { listener.hear(explorer.packet(number)) }
        listener.hear(packet)
        for number in 5..<12 { listener.hear(explorer.packet(number)) }
        let count = explorer.samplesPerPacket
        let rest = frames(explorer, (5 * count)..<(12 * count))
        let isRight = listener.frames == frames(explorer, 0..<(4 * count)) + rest
        #expect(isRight, "byte \(place)")
        #expect(
          listener.gaps == [explorer.version == 1 ? .unknown : .frames(Int64(count))],
          "byte \(place)")
        #expect(listener.decoder.refusedCount > 0)
      }
    }
  }

  @Test func whatAnotherRateSendsIsRefusedAndSaid() {
    let explorer = Explorer(version: 3, rate: 250, interval: 200)
    let listener = Listener(channels: 3, rate: 100)
    for number in 0..<5 { listener.hear(explorer.packet(number)) }
    #expect(listener.frames.isEmpty && listener.decoder.otherRateHertz == 250)
    #expect(listener.decoder.refusedCount >= 4)
    let two = Listener(channels: 2, rate: 250)
    for number in 0..<5 { two.hear(explorer.packet(number)) }
    #expect(two.frames.isEmpty && two.decoder.otherRateHertz == nil)
  }

  /// Bytes can look like a packet of another protocol once.
  @Test func onePacketIsNotBelieved() {
    let listener = Listener()
    listener.hear(Explorer(version: 1).packet(0))
    let explorer = Explorer(version: 2)
    for number in 0..<20 { listener.hear(explorer.packet(number)) }
    #expect(listener.frames.first == frames(explorer, 0..<1).first)
    #expect(listener.frames.count == 100 && listener.gaps.isEmpty)
  }

  /// The device is set anew while it is listened to.
  @Test func anotherProtocolIsFoundOutAgain() {
    let listener = Listener()
    let (old, new) = (Explorer(version: 2), Explorer(version: 3))
    for number in 0..<5 { listener.hear(old.packet(number)) }
    for number in 5..<40 { listener.hear(new.packet(number)) }
    let last = frames(new, 390..<400)
    #expect(Array(listener.frames.suffix(10)) == last)
    #expect(listener.gaps.count == 1)
  }

  @Test func clocksThatJump() {
    for (jump, gap) in [
      (Int64(3_600_000), Gap.unknown), (-1, .none), (1, .none), (-60_000, .unknown),
      (2000, .frames(200)), (.max / 2, .unknown), (.min / 2, .unknown),
    ] {
      let listener = Listener()
      for number in 0..<4 { listener.hear(Explorer(version: 3).packet(number)) }
      let later = Explorer(version: 3, begin: 1_795_996_800_000 &+ jump)
      for number in 4..<8 { listener.hear(later.packet(number)) }
      #expect(listener.gaps == (gap == .none ? [] : [gap]), "\(jump) ms")
      #expect(listener.frames.count == 80)
    }
  }

  @Test func noiseIsNoStream() {
    var random = RandomGenerator(seed: 7)
    let listener = Listener()
    for _ in 0..<200 {
      listener.hear((0..<2000).map { _ in UInt8.random(in: 0...255, using: &random) })
    }
    #expect(listener.frames.isEmpty && listener.decoder.refusedCount > 0)
    let explorer = Explorer(version: 2)
    for number in 0..<2000 { listener.hear(explorer.packet(number)) }
    #expect(Array(listener.frames.suffix(5)) == frames(explorer, 9995..<10_000))
  }
}
