// Mutants: an entry of the corpus, changed a few times at random. The same seed gives the same
// mutants.

import Core

/// What a format is made of, so that mutations hit where it hurts.
struct Dialect {
  /// Pieces of the grammar, inserted and written over what is there.
  var tokens: [[UInt8]] = []
  /// Pieces of this size change places; 0: lines do.
  var unitByteCount = 0
  /// The first bytes of every unit, where half of the mutations go; 0: everywhere alike.
  var headByteCount = 0
  var maximumByteCount = 4096
}

struct Mutator {
  var random: RandomGenerator
  var bytes: [UInt8] = []
  let maximumByteCount: Int
  private let corpus: [[UInt8]]
  private let dialect: Dialect

  /// Where ranges and signs change, and what damaged clocks and counters say.
  private static let interesting: [UInt64] = [
    0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 48, 63, 64, 99, 100, 127, 128, 255, 256, 365, 366, 367,
    511,
    512, 1000, 1001, 1023, 1024, 1900, 1970, 2000, 2100, 2262, 4095, 4096, 9999, 10_000, 10_001,
    32_767,
    32_768, 65_535, 65_536, 1 << 20, 1 << 24, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 62,
    1 << 63,
    (1 << 63) - 1, .max, .max - 1, 0x7FC0_0000, 0x7F80_0000, 0x7FF0_0000_0000_0000,
  ]

  init(seed: UInt64, corpus: [[UInt8]], dialect: Dialect) {
    random = RandomGenerator(seed: seed)
    self.corpus = corpus
    self.dialect = dialect
    maximumByteCount = max(dialect.maximumByteCount, corpus.map(\.count).max() ?? 0)
    bytes.reserveCapacity(2 * maximumByteCount)
  }

  /// The next mutant, in `bytes`. One in 32 is the entry itself: the corpus stays good.
  mutating func mutate() {
    let entry = corpus[random.below(corpus.count)]
    bytes.removeAll(keepingCapacity: true)
    bytes.append(contentsOf: entry)
    guard random.below(32) > 0 else { return }
    for _ in 0...random.below(4) { mutateOnce() }
    if bytes.count > maximumByteCount { bytes.removeLast(bytes.count - maximumByteCount) }
  }

  private mutating func mutateOnce() {
    guard !bytes.isEmpty else {
      bytes.append(UInt8(truncatingIfNeeded: random.next()))
      return
    }
    switch random.below(12) {
    case 0, 1:
      bytes[position()] ^= 1 << UInt8(random.below(8))
    case 2:
      bytes[position()] = UInt8(truncatingIfNeeded: random.next())
    case 3, 4, 5:
      writeInterestingNumber()
    case 6:
      splice()
    case 7:
      if random.below(4) == 0 { bytes.removeLast(random.below(bytes.count)) } else { removeRange() }
    case 8:
      duplicateRange()
    case 9:
      swapUnits()
    default:
      placeToken()
    }
  }

  private mutating func position() -> Int {
    guard dialect.headByteCount > 0, random.below(2) == 0 else { return random.below(bytes.count) }
    let units = (bytes.count + dialect.unitByteCount - 1) / dialect.unitByteCount
    let position = random.below(units) * dialect.unitByteCount + random.below(dialect.headByteCount)
    return min(position, bytes.count - 1)
  }

  /// A range of up to `longest` bytes, mostly short.
  private mutating func range(longest: Int) -> Range<Int> {
    let start = position()
    let limit = random.below(4) == 0 ? longest : min(longest, 16)
    return start..<min(start + 1 + random.below(limit), bytes.count)
  }

  private mutating func writeInterestingNumber() {
    let value = Mutator.interesting[random.below(Mutator.interesting.count)]
    let size = 1 << random.below(4)
    let isBigEndian = random.below(2) == 0
    let start = position()
    for index in 0..<size where start + index < bytes.count {
      let shift = UInt64(8 * (isBigEndian ? size - 1 - index : index))
      bytes[start + index] = UInt8(truncatingIfNeeded: value >> shift)
    }
  }

  /// The end of another entry after the beginning of this one, or a piece of it in between.
  private mutating func splice() {
    let other = corpus[random.below(corpus.count)]
    guard !other.isEmpty else { return }
    let from = random.below(other.count)
    let at = random.below(bytes.count)
    if random.below(2) == 0 {
      bytes.replaceSubrange(at..., with: other[from...])
    } else {
      let end = min(from + 1 + random.below(64), other.count)
      bytes.insert(contentsOf: other[from..<end], at: at)
    }
  }

  private mutating func removeRange() {
    bytes.removeSubrange(range(longest: 512))
  }

  private mutating func duplicateRange() {
    let piece = Array(bytes[range(longest: 512)])
    bytes.insert(contentsOf: piece, at: random.below(bytes.count))
  }

  private mutating func swapUnits() {
    if dialect.unitByteCount > 0 {
      let units = bytes.count / dialect.unitByteCount
      guard units >= 2 else { return }
      let a = random.below(units) * dialect.unitByteCount
      let b = random.below(units) * dialect.unitByteCount
      for index in 0..<dialect.unitByteCount { bytes.swapAt(a + index, b + index) }
      return
    }
    // Lines: one moves to the front of another.
    let line = lineRange(around: random.below(bytes.count))
    let piece = Array(bytes[line])
    bytes.removeSubrange(line)
    guard !bytes.isEmpty else { return }
    let target = lineRange(around: random.below(bytes.count)).lowerBound
    bytes.insert(contentsOf: piece, at: target)
  }

  private func lineRange(around index: Int) -> Range<Int> {
    let newline = UInt8(ascii: "\n")
    var low = index
    while low > 0 && bytes[low - 1] != newline { low -= 1 }
    var high = index
    while high < bytes.count && bytes[high] != newline { high += 1 }
    return low..<min(high + 1, bytes.count)
  }

  private mutating func placeToken() {
    guard !dialect.tokens.isEmpty else { return }
    let token = dialect.tokens[random.below(dialect.tokens.count)]
    let at = position()
    if random.below(2) == 0 {
      bytes.insert(contentsOf: token, at: at)
    } else {
      bytes.replaceSubrange(at..<min(at + token.count, bytes.count), with: token)
    }
  }
}
