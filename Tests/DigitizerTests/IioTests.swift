// Scans of an IIO device: their form, in whatever pieces they come, and what is missing.

import Core
import Digitizer
import Testing

@Suite struct IioLayoutTests {
  private func read(_ text: String) -> IioForm? {
    var copy = text
    return copy.withUTF8 { IioForm($0) }
  }

  private func takes(
    _ layout: inout IioLayout, _ form: IioForm, _ index: Int, _ element: IioLayout.Element
  ) -> Bool { layout.add(form, index: index, as: element) }

  @Test(arguments: [
    ("be:s20/32>>4", 20, 4, 4, 1), ("le:s64/64>>0\n", 64, 8, 0, 1), ("be:u12/16>>0", 12, 2, 0, 1),
    ("le:s16/16X3>>0", 16, 2, 0, 3), ("le:u8/8>>0", 8, 1, 0, 1),
  ])
  func aFormIsRead(_ text: String, _ bits: Int, _ bytes: Int, _ shift: Int, _ repeats: Int) throws {
    let form = try #require(read(text))
    #expect(
      (form.bits, form.byteCount, form.shift, form.repeats) == (bits, bytes, shift, repeats))
    #expect(form.isBigEndian == text.hasPrefix("be"))
    #expect(form.isSigned == text.contains(":s"))
  }

  @Test(arguments: [
    "", "be", "be:", "be:s20/32", "be:s20/32>4", "be:s20/32>>", "be:s0/32>>0", "be:s33/32>>0",
    "be:s20/32>>13", "be:s20/24>>0", "xe:s20/32>>4", "bx:s20/32>>4", "be:f32/32>>0",
    "be:s20/32>>4 ", "be:s20/32>>4\n\n", "be:s20/32X0>>4", "be:s20/32X17>>4", "be:s20/32X>>4",
    "be:s99999999999999999999/32>>4",
  ])
  func whatIsNoFormIsNone(_ text: String) { #expect(read(text) == nil) }

  /// What the ADXL355's driver says of itself, and what it delivers: 24 bytes.
  @Test func anAccelerometersScanIsWhereItsDriverPutsIt() throws {
    var layout = IioLayout()
    // In the order of a folder's listing, which is none.
    let elements: [(String, Int, IioLayout.Element)] = [
      ("le:s64/64>>0", 4, .timestamp), ("be:s20/32>>4", 2, .channel(0)),
      ("be:u12/16>>0", 3, .other), ("be:s20/32>>4", 0, .channel(2)),
      ("be:s20/32>>4", 1, .channel(1)),
    ]
    for (text, index, element) in elements {
      #expect(takes(&layout, try #require(read(text)), index, element))
    }
    #expect(layout.byteCount == 24)
    var scan: [UInt8] = [0, 0x12, 0x34, 0x5F, 0, 0xFF, 0xFF, 0xE0, 0, 0x80, 0, 0x0F]
    scan += [7, 7, 0xAA, 0xAA] + [0, 0x3C, 0x14, 1, 0, 0, 0, 0]
    let (samples, time) = scan.withUnsafeBytes { scan in
      ((0..<3).map { layout.sample(of: $0, in: scan) }, layout.time(of: scan))
    }
    #expect(samples == [-0x80000, -2, 0x12345])
    #expect(time == 0x1143C00)
  }

  @Test func withoutASignTheMiddleIsZero() throws {
    var layout = IioLayout()
    #expect(takes(&layout, try #require(read("le:u24/32>>0")), 0, .channel(0)))
    for (bytes, value) in [([0, 0, 0, 9], -8_388_608), ([0, 0, 0x80, 0], 0)] as [([UInt8], Int32)] {
      #expect(bytes.withUnsafeBytes { layout.sample(of: 0, in: $0) } == value)
    }
  }

  @Test func whatDoesNotFitIsRefused() throws {
    var layout = IioLayout()
    let word = try #require(read("le:s32/32>>0"))
    let long = try #require(read("le:s64/64>>0"))
    #expect(!takes(&layout, long, 0, .channel(0)))
    #expect(!takes(&layout, word, 0, .timestamp))
    #expect(takes(&layout, word, 0, .channel(0)))
    #expect(!takes(&layout, word, 0, .channel(1)))
    #expect(!takes(&layout, word, 1, .channel(8)))
    for index in 1..<16 { #expect(takes(&layout, word, index, .other)) }
    #expect(!takes(&layout, word, 16, .other))
    var wide = IioLayout()
    #expect(takes(&wide, try #require(read("le:s64/64X16>>0")), 0, .other))
    #expect(!takes(&wide, word, 1, .channel(0)))
  }
}

@Suite struct IioScansTests {
  private static let interval: Int64 = 8_000_000

  /// Two channels and the time: 16 bytes.
  private static func layout(hasTime: Bool = true) -> IioLayout {
    func form(_ text: StaticString) -> IioForm {
      text.withUTF8Buffer { IioForm($0)! }
    }
    var layout = IioLayout()
    _ = layout.add(form("be:s20/32>>4"), index: 0, as: .channel(0))
    _ = layout.add(form("be:s20/32>>4"), index: 1, as: .channel(1))
    if hasTime { _ = layout.add(form("le:s64/64>>0"), index: 2, as: .timestamp) }
    return layout
  }

  private static func scan(_ number: Int32, at time: Int64?) -> [UInt8] {
    func bytes(_ word: UInt32) -> [UInt8] { withUnsafeBytes(of: word.bigEndian) { Array($0) } }
    let samples = bytes(UInt32(bitPattern: number) << 4) + bytes(UInt32(bitPattern: -number) << 4)
    return samples + (time.map { withUnsafeBytes(of: $0.littleEndian) { Array($0) } } ?? [])
  }

  private struct Heard: Equatable {
    var samples: [Int32]
    var time: Int64?
    var gap: Gap
  }

  /// What comes of it when so many bytes come at a time.
  private static func hear(
    _ bytes: [UInt8], pieces: [Int], now: Int64, hasTime: Bool = true, capacity: Int = 40
  ) -> (heard: [Heard], refused: UInt32) {
    var arena = Arena(byteCount: IioScans.byteCount)!
    var scans = IioScans(channels: 2, rateMillihertz: 125_000, arena: &arena)
    arena.seal()
    scans.begin(layout(hasTime: hasTime))
    var raw = [Int32](repeating: 0, count: 2 * capacity)
    var heard: [Heard] = []
    var (place, piece) = (0, 0)
    while place < bytes.count {
      let count = min(pieces[piece % pieces.count], bytes.count - place, scans.room.count)
      scans.room.copyBytes(from: bytes[place..<(place + count)])
      scans.came(count)
      place += count
      piece += 1
      while let found = raw.withUnsafeMutableBytes({ scans.next(into: $0, monotonicNow: now) }) {
        heard.append(
          Heard(
            samples: (0..<found.count).map { raw[2 * $0] }, time: found.time, gap: found.gap))
        let isMirrored = (0..<found.count).allSatisfy { raw[2 * $0] == -raw[2 * $0 + 1] }
        #expect(isMirrored)
      }
    }
    return (heard, scans.refusedCount)
  }

  /// Frame numbers as a station counts them, by what is delivered.
  private static func numbers(_ heard: [Heard]) -> [(number: Int64, sample: Int32)] {
    var next: Int64 = 0
    return heard.flatMap { found in
      if case .frames(let lost) = found.gap { next += lost }
      return found.samples.map { sample in
        defer { next += 1 }
        return (next, sample)
      }
    }
  }

  @Test func everySplitGivesTheSameFrames() {
    let times = (0..<12).map { Int64($0) * Self.interval + 5_000_000 }
    let bytes = times.enumerated().flatMap { Self.scan(Int32($0.offset), at: $0.element) }
    for size in 1...(bytes.count) {
      let (heard, refused) = Self.hear(bytes, pieces: [size], now: times.last!)
      let isWhole = heard.flatMap(\.samples) == Array(0..<12)
      #expect(isWhole)
      #expect(heard.allSatisfy { $0.gap == .none })
      #expect(heard.last?.time == times.last)
      #expect(refused == 0)
    }
  }

  @Test func lostScansAreAGapOfTheirNumber() {
    let kept = [0, 1, 2, 3, 5, 6, 10, 11, 12, 912, 913, 914]
    let bytes = kept.flatMap { Self.scan(Int32($0), at: Int64($0) * Self.interval + 1) }
    for pieces in [[bytes.count], [16], [7], [40, 3]] {
      let numbers = Self.numbers(Self.hear(bytes, pieces: pieces, now: 1_000_000_000_000).heard)
      #expect(numbers.map { Int64($0.sample) } == kept.map(Int64.init))
      #expect(numbers.allSatisfy { $0.number == Int64($0.sample) })
    }
  }

  @Test func aYearWithoutAScanIsCountedToTheFrame() {
    let year: Int64 = 365 * 86400 * 125
    let kept = [0, 1, 2, year, year + 1, year + 2]
    let bytes = kept.flatMap { Self.scan(Int32($0 % 100_000), at: $0 * Self.interval + 1) }
    let (heard, _) = Self.hear(bytes, pieces: [16], now: .max / 2)
    #expect(heard.compactMap { $0.gap == .none ? nil : $0.gap } == [.frames(year - 3)])
  }

  /// Interrupts that are held up by up to two thirds of a step, a sensor that is two percent fast, and scans
  /// that are really lost: each in its place.
  @Test(arguments: 0..<20)
  func aLateInterruptIsNoGap(_ seed: UInt64) {
    var random = RandomGenerator(seed: seed)
    var kept: [Int] = []
    for number in 0..<4000 where number < 600 || random.next() % 50 > 0 { kept.append(number) }
    let times = kept.map { number in
      Int64(Double(number) * 0.98 * Double(Self.interval)) + 1
        + (number > 600 && random.next() % 10 == 0 ? Int64(random.next() % 5_000_000) : 0)
    }
    let bytes = zip(kept, times).flatMap { Self.scan(Int32($0), at: $1) }
    let (heard, refused) = Self.hear(bytes, pieces: [160, 16, 33], now: .max / 2)
    #expect(refused == 0)
    let numbers = Self.numbers(heard)
    #expect(numbers.map(\.sample) == kept.dropLast(kept.count - numbers.count).map(Int32.init))
    #expect(kept.count - numbers.count <= 2)
    let wrong = numbers.filter { $0.number != Int64($0.sample) }
    #expect(wrong.isEmpty)
  }

  @Test func timesThatAreNoneAreCountedAndLeftOut() {
    let now: Int64 = 10_000_000_000
    let begin = now - 10 * Self.interval
    func time(_ number: Int) -> Int64 { begin + Int64(number) * Self.interval }
    // By another clock, twice the same, and back.
    let scans = [
      (0, time(0)), (1, 1_790_000_000_000_000_000), (1, time(1)), (1, time(1)), (9, time(0)),
      (2, time(2)),
    ]
    let bytes = scans.flatMap { Self.scan(Int32($0.0), at: $0.1) }
    let (heard, refused) = Self.hear(bytes, pieces: [16], now: now)
    #expect(heard.flatMap(\.samples) == [0, 1, 2])
    #expect(heard.allSatisfy { $0.gap == .none })
    #expect(refused == 3)
  }

  /// Whoever looks at the clock first and reads then finds scans that are younger.
  @Test func whatIsYoungerThanTheClockWaits() {
    let now: Int64 = 1_000_000_000
    let bytes = Self.scan(1, at: now) + Self.scan(2, at: now + 1)
    #expect(Self.hear(bytes, pieces: [32], now: now).heard.flatMap(\.samples) == [1])
    #expect(Self.hear(bytes, pieces: [32], now: now + 1).heard.flatMap(\.samples) == [1, 2])
  }

  @Test func aDeviceThatDoesNotTellTheTimeIsHeard() {
    let bytes = (0..<5).flatMap { Self.scan($0, at: nil) }
    let (heard, _) = Self.hear(bytes, pieces: [11], now: 1, hasTime: false)
    #expect(heard.flatMap(\.samples) == [0, 1, 2, 3, 4])
    #expect(heard.allSatisfy { $0.time == nil && $0.gap == .none })
  }
}
