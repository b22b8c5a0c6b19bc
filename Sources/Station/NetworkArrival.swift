// NetworkArrival: which pieces of a network file have come. PickComparison: how far two pickers that
// hear the same agree.
//
//     var arrival = NetworkArrival(piece)
//     if arrival.note(piece.number) { … }
//     comparison.add(pick, isShadow: true)

import Core
import Picker
import Uplink

struct NetworkArrival: Sendable {
  let begunMicroseconds: UInt64
  let checksum: UInt32
  let fileByteCount: UInt32
  let pieceCount: Int
  private var there = InlineArray<64, UInt64>(repeating: 0)
  private var count = 0

  init(_ piece: NetworkPiece) {
    (checksum, fileByteCount) = (piece.checksum, piece.fileByteCount)
    begunMicroseconds = piece.begunMicroseconds
    pieceCount = piece.pieceCount
  }

  func isOf(_ piece: NetworkPiece) -> Bool {
    begunMicroseconds == piece.begunMicroseconds && checksum == piece.checksum
      && fileByteCount == piece.fileByteCount
  }

  var isWhole: Bool { count == pieceCount }

  mutating func note(_ number: UInt16) {
    let (word, bit) = (Int(number) / 64, UInt64(1) << UInt64(number % 64))
    if there[word] & bit == 0 { count += 1 }
    there[word] |= bit
  }

  func has(_ number: UInt16) -> Bool {
    there[Int(number) / 64] >> UInt64(number % 64) & 1 == 1
  }

  /// The first piece that has not come; how many there are when all have.
  var firstMissing: Int {
    for word in 0..<64 where there[word] != .max {
      return min(64 * word + (~there[word]).trailingZeroBitCount, pieceCount)
    }
    return pieceCount
  }
}

struct PickComparison: Sendable {
  /// Two pickers do not measure an arrival alike: so far apart it is still one.
  private static let near = nanosecondsPerSecond / 2
  /// For so long the other may still find it.
  private static let patience = 10 * nanosecondsPerSecond

  private struct Single {
    let phase: PickPhase
    let time: UTC
    let isShadow: Bool
  }

  private var singles = InlineArray<16, Single?>(repeating: nil)
  private(set) var both: UInt32 = 0
  private(set) var liveOnly: UInt32 = 0
  private(set) var shadowOnly: UInt32 = 0
  private(set) var largest: Int64 = 0

  mutating func add(_ pick: Pick, isShadow: Bool) {
    guard pick.status == .confirmed else { return }
    var place: Int?
    for index in 0..<singles.count {
      guard let single = singles[index] else {
        place = place ?? index
        continue
      }
      let apart = abs(single.time - pick.time)
      guard single.isShadow != isShadow, single.phase == pick.phase, apart <= Self.near
      else { continue }
      singles[index] = nil
      both &+= 1
      largest = max(largest, apart)
      return
    }
    let single = Single(phase: pick.phase, time: pick.time, isShadow: isShadow)
    if let place { singles[place] = single } else { count(single) }
  }

  /// What the other has not found by now it does not find.
  mutating func pass(_ now: UTC) {
    for index in 0..<singles.count {
      guard let single = singles[index], now - single.time > Self.patience else { continue }
      singles[index] = nil
      count(single)
    }
  }

  private mutating func count(_ single: Single) {
    if single.isShadow { shadowOnly &+= 1 } else { liveOnly &+= 1 }
  }
}
