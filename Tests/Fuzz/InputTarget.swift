// input: what digitizers send that are no card: a Shake's datagrams, a line each with the
// milliseconds before it, the bytes of an Explorer's serial line, after a first byte of zero, a line
// with the forms of an IIO device's elements and then its scans, after a one, or when conversions of an
// ADS1256 were over and read, after a two: eight bytes each, in nanoseconds after the ones before, or
// chronyd's answer, after a three.
//
// Promised of every list of datagrams and of every stream, in whatever pieces it comes: nothing
// traps, no sample comes out that did not go in, a gap has a length, and what is intact after all
// damage is heard again.

import Clock
import Core
import Digitizer
import Tools

struct InputTarget: Target, ~Copyable {
  private static let begin: Int64 = 1_582_315_130
  private static let shakeChannels = 2
  private static let rateMillihertz = 100_000

  let corpus: [[UInt8]] = InputTarget.makeCorpus()
  let dialect = Dialect(
    tokens: [
      "{'EHZ', ", "{'EHN', ", "}\n", ", ", "'", "-", ".", "2147483647", "-2147483648", "0", "250 ",
      "99999 ", "1582315130.292", "8600000000.999999999",
    ].map { Array($0.utf8) } + [
      [0xFC, 0x1B], [0xFA, 0xDE], [0x01, 0xFE], [0xEF, 0x10], [0],
      [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
    ], maximumByteCount: 2048)
  private var framesHeard = 0
  private var samples = [Int32](repeating: 0, count: ShakeDatagram.sampleMaximum)
  private var raw = [Int32](repeating: 0, count: 8 * 1000)

  var summary: String { "\(framesHeard) frames" }

  private static func makeCorpus() -> [[UInt8]] {
    func cast(_ packet: Int, _ name: String, _ before: Int) -> String {
      let time = "\(begin + Int64(packet / 4)).\(packet % 4 * 25)"
      return "\(before) {'\(name)', \(time), 1, -2, \(packet), 4, 5}\n"
    }
    let whole = (0..<5).map { cast($0, "EHZ", 0) + cast($0, "EHN", 250) }.joined()
    let late = cast(0, "EHZ", 0) + cast(1, "EHN", 250) + cast(0, "EHN", 9) + cast(9, "EHZ", 2000)
    var streams: [[UInt8]] = []
    for version in 1...3 {
      streams.append([0] + (0..<4).flatMap { packet(version, $0) })
    }
    return [whole, late].map { Array($0.utf8) } + streams + [scans, conversions, answer]
  }

  /// A packet of three channels with five samples each.
  private static func packet(_ version: Int, _ number: Int) -> [UInt8] {
    func bytes(_ value: Int64, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * Int64($0))) }
    }
    let channels = (0..<3).map { channel in
      (0..<5).flatMap { bytes(Int64(number * 5 + $0 - 9 * channel), 4) }
    }
    let data = channels.flatMap { $0 }
    let time = bytes((begin + Int64(number)) * 1000, 8)
    func checked(_ body: [UInt8]) -> [UInt8] { body + [body.reduce(0, ^)] }
    switch version {
    case 1: return [0xFC, 0x1B] + data + channels.map { $0.reduce(0, ^) }
    case 2: return [0xFA, 0xDE] + checked(time + [1, 2, 3, 4] + data)
    default:
      // 100 ms, 50 a second, GNSS, three channels of 32 bits.
      let bits: UInt32 = 2 << 27 | 1 << 26 | 3 << 24 | 3 << 22 | 3 << 20
      return [0x01, 0xFE] + checked(time + bytes(Int64(bits), 4) + [0, 0, 0, 0] + data)
        + [0xEF, 0x10]
    }
  }

  /// An accelerometer's, with a lost one among them.
  private static var scans: [UInt8] {
    let forms = "be:s20/32>>4 be:u12/16>>0 le:s64/64>>0\n"
    var bytes: [UInt8] = [1] + Array(forms.utf8)
    for number in [0, 1, 2, 5, 6, 7, 8] {
      let time = Int64(number) * 10_000_000 + 1
      bytes += [0, 0, UInt8(number), 0xF0, 1, 1, 7, 7]
      bytes += withUnsafeBytes(of: time.littleEndian) { Array($0) }
    }
    return bytes
  }

  /// Stratum 2, 2^-5 s there and back.
  private static var answer: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: ChronyTracking.byteCount)
    (bytes[0], bytes[1], bytes[5], bytes[7], bytes[19]) = (6, 2, 33, 5, 9)
    (bytes[31], bytes[53], bytes[92], bytes[97]) = (1, 2, 0xFA, 0x80)
    return [3] + bytes
  }

  private static var conversions: [UInt8] {
    [2]
      + (0..<24).flatMap { number in
        [UInt32(number == 20 ? 9_000_000 : 1_000_000), 90_000].flatMap { word in
          withUnsafeBytes(of: word.littleEndian) { Array($0) }
        }
      }
  }

  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {}

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    let rest = UnsafeBufferPointer(rebasing: bytes.dropFirst())
    switch bytes.first {
    case nil, 0: return try hearLine(rest, iteration)
    case 1: return try hearScans(rest, iteration)
    case 2: return try hearConversions(rest)
    case 3: return try hearChrony(rest)
    default: return try hearCast(bytes)
    }
  }

  // MARK: A Shake

  private mutating func hearCast(_ bytes: UnsafeBufferPointer<UInt8>) throws -> Bool {
    var arena = Arena(byteCount: FrameJoiner.byteCount(channels: Self.shakeChannels))!
    var joiner = FrameJoiner(
      channels: Self.shakeChannels, rateMillihertz: Self.rateMillihertz, patienceMilliseconds: 500,
      arena: &arena)
    var (now, wentIn, cameOut) = (Int64(0), 0, 0)
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      let digits = line.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.prefix(9)
      now += digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) } * 1_000_000
      let text = UnsafeBufferPointer(rebasing: line.dropFirst(digits.count))
      wentIn += samples.withUnsafeMutableBufferPointer { samples in
        guard let datagram = ShakeDatagram(text, samples: samples) else { return 0 }
        let channel = datagram.name == 0x45_485A ? 0 : 1
        joiner.put(datagram.samples, channel: channel, at: datagram.time, monotonicNow: now)
        return datagram.samples.count
      }
      cameOut += try take(&joiner, now)
    }
    try require(cameOut * Self.shakeChannels <= wentIn, "more samples came out than went in")
    framesHeard += cameOut
    return cameOut > 0
  }

  private mutating func take(_ joiner: inout FrameJoiner, _ now: Int64) throws -> Int {
    var count = 0
    while true {
      let found = raw.withUnsafeMutableBytes { joiner.take(into: $0, monotonicNow: now) }
      guard let found else { return count }
      try require(found.count > 0 && found.time.nanoseconds >= 0, "frames of no time")
      try require(length(found.gap) >= 0, "a gap without a length")
      count += found.count
    }
  }

  private func length(_ gap: Gap) -> Int64 {
    switch gap {
    case .frames(let count): count > 0 ? count : -1
    case .none, .unknown: 0
    }
  }

  // MARK: An IIO device

  private mutating func hearScans(
    _ bytes: UnsafeBufferPointer<UInt8>, _ iteration: Int
  ) throws -> Bool {
    let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
    var layout = IioLayout()
    for (index, text) in bytes[..<end].split(separator: UInt8(ascii: " ")).enumerated() {
      guard let form = IioForm(UnsafeBufferPointer(rebasing: text)) else { continue }
      let element: IioLayout.Element =
        form.bits == 64 ? .timestamp : index < 2 ? .channel(index) : .other
      guard layout.add(form, index: index, as: element) else { return false }
    }
    guard layout.byteCount > 0 else { return false }
    var arena = Arena(byteCount: IioScans.byteCount)!
    var stream = IioScans(channels: 2, rateMillihertz: Self.rateMillihertz, arena: &arena)
    stream.begin(layout)
    let scans = bytes[min(end + 1, bytes.endIndex)...]
    var (place, cameOut, last, now) = (scans.startIndex, 0, Int64.min, Int64(0))
    while place < scans.endIndex {
      try require(stream.room.count > 0, "no room for what comes")
      let piece = scans[place..<min(place + 1 + iteration % 100, scans.endIndex)]
      stream.room.copyBytes(from: piece)
      stream.came(piece.count)
      place += piece.count
      now += 1_000_000_000
      while let found = raw.withUnsafeMutableBytes({ stream.next(into: $0, monotonicNow: now) }) {
        try require(found.count > 0, "frames of nothing")
        try require(length(found.gap) >= 0, "a gap without a length")
        if let time = found.time {
          try require(time > last && time <= now, "time that runs backwards, or is still to come")
          last = time
        }
        cameOut += found.count
      }
    }
    try require(cameOut * layout.byteCount <= scans.count, "more scans came out than went in")
    framesHeard += cameOut
    return cameOut > 0
  }

  // MARK: chronyd

  private func hearChrony(_ bytes: UnsafeBufferPointer<UInt8>) throws -> Bool {
    guard let tracking = ChronyTracking(bytes, sequence: 9) else { return false }
    try require(bytes.count == ChronyTracking.byteCount, "an answer of another size")
    try require(tracking.stratum <= 16, "a stratum that there is not")
    let follows = tracking.stratum > 0
    try require(follows || tracking.rootDistanceMicroseconds == 0, "the distance from nobody")
    return true
  }

  // MARK: An ADS1256

  private mutating func hearConversions(_ bytes: UnsafeBufferPointer<UInt8>) throws -> Bool {
    var cycle = AdsCycle(AdsSettings(inputs: 4, conversionHertz: 1000))
    var (time, last, conversion, count) = (Int64(0), Int64.min, Int64(0), 0)
    for place in stride(from: 0, through: bytes.count - 8, by: 8) {
      let words = UnsafeRawBufferPointer(bytes)
      time += Int64(words.loadUnaligned(fromByteOffset: place, as: UInt32.self))
      let delay = Int64(words.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self))
      guard case .exchange = cycle.edge(time) else { continue }
      conversion += 1
      cycle.read(Int32(truncatingIfNeeded: conversion), doneAt: time + delay)
      guard let frame = cycle.takeFrame() else { continue }
      try require(frame.lost >= 0, "fewer than no frames are lost")
      try require(frame.time > last, "time that runs backwards")
      for slot in 1..<4 {
        try require(
          frame.samples[slot] == frame.samples[slot - 1] + 1, "samples of several rounds")
      }
      last = frame.time
      count += 1
    }
    framesHeard += count
    return count > 0
  }

  // MARK: An Explorer

  private mutating func hearLine(
    _ bytes: UnsafeBufferPointer<UInt8>, _ iteration: Int
  ) throws -> Bool {
    var arena = Arena(byteCount: AnyShakeDecoder.byteCount)!
    var decoder = AnyShakeDecoder(
      channels: 3, rateMillihertz: iteration % 2 == 0 ? 100_000 : 50_000, arena: &arena)
    let cameOut = try hear(bytes, &decoder, pieces: 1 + iteration % 200)
    try require(cameOut * 12 <= bytes.count, "more samples came out than went in")
    // Whatever came before, a stream that is intact is heard: after what damage can look like the
    // beginning of, at the latest.
    var healed = 0
    for number in 0..<2000 where healed == 0 {
      let packet = Self.packet(2, number)
      healed = try packet.withUnsafeBufferPointer { try hear($0, &decoder, pieces: 75) }
    }
    try require(healed > 0, "an intact stream is not heard any more")
    framesHeard += cameOut
    return cameOut > 0
  }

  private mutating func hear(
    _ bytes: UnsafeBufferPointer<UInt8>, _ decoder: inout AnyShakeDecoder, pieces size: Int
  ) throws -> Int {
    var (place, count) = (0, 0)
    while place < bytes.count {
      let room = decoder.room
      try require(room.count > 0, "no room for what comes")
      let piece = bytes[place..<min(place + min(size, room.count), bytes.count)]
      room.copyBytes(from: piece)
      decoder.came(piece.count, monotonicNow: Int64(place))
      place += piece.count
      while let found = raw.withUnsafeMutableBytes({ decoder.next(into: $0) }) {
        try require(found.frames > 0 && found.bytesAfter >= 0, "a packet of nothing")
        try require(length(found.gap) >= 0, "a gap without a length")
        count += found.frames
      }
    }
    return count
  }
}
