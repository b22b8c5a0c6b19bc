// Outbox: what must reach the upstream, until it says that it has it.
//
// A link over a mountain loses every second datagram for an hour, or all of them for a minute. To
// send everything again and again fills the link when it is at its worst; to wait for each before
// the next goes holds an alert up behind a pick.
//
// So every detection stands for itself here, as the bytes that were sent. It goes again after a
// second, then after twice as long each time, up to ten seconds, or a minute when nothing is heard;
// one a twentieth of a second at most and what matters most first, until it is acknowledged by its
// number. Of an event's estimates the newest is kept, because it says all that the others said;
// what is provisional is not kept. An upstream that has never acknowledged anything in this boot is
// sent nothing twice. Where there are two, each has its own times, and what one of them has makes
// room first.
//
// A power cut takes none of them. Each is a record of its own on disk, in the place that it has
// here, and says which of the other places wait as well; so an acknowledgement writes nothing, and
// what it settled after the last record goes once more after the start, for the upstream to know.
//
//     let record = outbox.keep(datagram, boot: 3, sequence, about: 7, rank: 3, at: now)
//     if let datagram = outbox.due(at: now) { send(datagram) }
//     outbox.settle(acknowledgement, from: 0, at: now)

import Core
import Uplink

/// What is to be on disk of a datagram that waits.
public struct OutboxRecord: Sendable {
  /// Where it belongs, below `Outbox.capacity`.
  public var place: UInt8
  /// Grows from record to record.
  public var generation: UInt64
  /// The places that wait, this one among them, for each upstream: the bit of a place's number.
  public var waiting: InlineArray<2, UInt64>
  public var rank: UInt8
  public var subject: UInt32
  public var datagram: Datagram

  public init(
    place: UInt8, generation: UInt64, waiting: InlineArray<2, UInt64>, rank: UInt8, subject: UInt32,
    datagram: Datagram
  ) {
    self.place = place
    self.generation = generation
    self.waiting = waiting
    self.rank = rank
    self.subject = subject
    self.datagram = datagram
  }

  /// The upstreams that lack what is in a place: a bit each.
  public func lacking(_ place: Int) -> UInt8 {
    UInt8(waiting[0] >> UInt64(place) & 1 | (waiting[1] >> UInt64(place) & 1) << 1)
  }
}

public struct Outbox: ~Copyable {
  public static let capacity = 64
  /// RFC 8085, section 3.1.1: a second where the round trip is not known, and twice as long each
  /// time.
  static let firstWait = nanosecondsPerSecond
  public static let longestWait = 60 * nanosecondsPerSecond
  /// While the upstream is heard the link is bad and not gone.
  static let longestWaitWhileHeard = 10 * nanosecondsPerSecond
  /// 160 bytes every 50 ms are 3.2 kB/s.
  static let spacing: Int64 = 50_000_000

  private struct Kept {
    var datagram: Datagram
    var boot: UInt32
    var sequence: UInt32
    /// A newer message about it replaces an older one; 0 for none.
    var subject: UInt32
    var rank: UInt8
    /// The upstreams that do not have it: a bit each.
    var lacking: UInt8
    var due: InlineArray<2, Int64>
    var wait = InlineArray<2, Int64>(repeating: Outbox.firstWait)

    func isLacking(_ upstream: Int) -> Bool { lacking >> UInt8(upstream) & 1 == 1 }

    /// Whether it gives way first: fewer lack it, it matters less, or it is older.
    func isLesser(than other: Kept) -> Bool {
      let (count, others) = (lacking.nonzeroBitCount, other.lacking.nonzeroBitCount)
      if count != others { return count < others }
      return rank > other.rank || (rank == other.rank && isOlder(than: other))
    }

    func isOlder(than other: Kept) -> Bool {
      (boot, sequence) < (other.boot, other.sequence)
    }
  }

  private var kept = InlineArray<64, Kept?>(repeating: nil)
  private var lastSent = Int64.min / 2
  private var generation: UInt64 = 0
  /// Those that there are: a bit each.
  private let upstreams: UInt8

  public init(upstreamCount: Int = 1) { upstreams = UInt8(1 << upstreamCount) - 1 }

  /// The places that wait, for each upstream.
  private var waiting = InlineArray<2, UInt64>(repeating: 0)
  public var count: Int { (waiting[0] | waiting[1]).nonzeroBitCount }
  /// Because too much waited.
  public private(set) var givenUp: UInt32 = 0
  /// When each upstream last acknowledged something.
  private var heard = InlineArray<2, Int64?>(repeating: nil)
  private var isAnyHeard: Bool { isHeard(0) || isHeard(1) }

  public func isHeard(_ upstream: Int) -> Bool { heard[upstream] != nil }

  /// It acknowledged something a short time ago.
  public func isNear(
    _ upstream: Int, at now: Int64, within patience: Int64 = Outbox.longestWait
  ) -> Bool {
    heard[upstream].map { now - $0 < patience } ?? false
  }

  public func count(for upstream: Int) -> Int { waiting[upstream].nonzeroBitCount }

  /// What is to be on disk of it; nil where it was given up for those that matter more.
  public mutating func keep(
    _ datagram: Datagram, boot: UInt32, _ sequence: UInt32, about subject: UInt32 = 0,
    rank: UInt8, at now: Int64
  ) -> OutboxRecord? {
    guard let place = place(for: subject, of: boot, rank) else {
      if isAnyHeard { givenUp &+= 1 }
      return nil
    }
    if let older = kept[place] {
      let isSame = subject != 0 && older.subject == subject && older.boot == boot
      if isAnyHeard && !isSame { givenUp &+= 1 }
      remove(place)
    }
    // What an older one had to say is in the newer one, which lies beside it until it is on disk.
    if subject != 0 {
      for index in 0..<Outbox.capacity {
        if let one = kept[index], one.subject == subject, one.boot == boot {
          remove(index)
        }
      }
    }
    put(
      Kept(
        datagram: datagram, boot: boot, sequence: sequence, subject: subject, rank: rank,
        lacking: upstreams,
        due: InlineArray(repeating: now + Outbox.varied(Outbox.firstWait, sequence))), at: place)
    generation += 1
    return OutboxRecord(
      place: UInt8(place), generation: generation, waiting: waiting, rank: rank, subject: subject,
      datagram: datagram)
  }

  /// Records to come are newer than this, whether or not what it holds is of any use.
  mutating func note(generation: UInt64) { self.generation = max(self.generation, generation) }

  /// What an earlier boot had kept. It goes as soon as the upstream is heard.
  /// `lacking`: the upstreams that did not have it.
  mutating func restore(
    _ record: OutboxRecord, lacking: UInt8, boot: UInt32, _ sequence: UInt32
  ) {
    note(generation: record.generation)
    guard kept[Int(record.place)] == nil, lacking & upstreams != 0 else { return }
    put(
      Kept(
        datagram: record.datagram, boot: boot, sequence: sequence, subject: record.subject,
        rank: record.rank, lacking: lacking & upstreams, due: InlineArray(repeating: .min)),
      at: Int(record.place))
  }

  private mutating func put(_ one: Kept, at place: Int) {
    kept[place] = one
    for upstream in 0..<2 where one.isLacking(upstream) { waiting[upstream] |= 1 << UInt64(place) }
  }

  private mutating func remove(_ place: Int) {
    kept[place] = nil
    for upstream in 0..<2 { waiting[upstream] &= ~(1 << UInt64(place)) }
  }

  /// Where a message may be put: where nothing is, over an older one about the same, or over the
  /// oldest of those that matter least, if they matter no more than it does or somebody has them.
  private func place(for subject: UInt32, of boot: UInt32, _ rank: UInt8) -> Int? {
    var (same, worst): (Int?, Int) = (nil, 0)
    for index in 0..<Outbox.capacity {
      guard let one = kept[index] else { return index }
      if subject != 0 && one.subject == subject && one.boot == boot { same = index }
      if one.isLesser(than: kept[worst]!) { worst = index }
    }
    let least = kept[worst]!
    return same ?? (least.lacking != upstreams || least.rank >= rank ? worst : nil)
  }

  /// The upstream has what it says it has.
  public mutating func settle(
    _ acknowledgement: AcknowledgementMessage, from upstream: Int = 0, at now: Int64
  ) {
    heard[upstream] = now
    for index in 0..<Outbox.capacity {
      guard var one = kept[index], acknowledgement.boot == one.boot,
        acknowledgement.settles(one.sequence)
      else { continue }
      one.lacking &= ~(1 << UInt8(upstream))
      remove(index)
      if one.lacking != 0 { put(one, at: index) }
    }
  }

  /// What is to be sent again now, and to whom: what matters most, and of that the oldest.
  public mutating func due(at now: Int64) -> Datagram? {
    guard isAnyHeard, count > 0, now - lastSent >= Outbox.spacing else { return nil }
    var first: (place: Int, upstream: Int)?
    for upstream in 0..<2 where isHeard(upstream) {
      for index in 0..<Outbox.capacity {
        guard let one = kept[index], one.isLacking(upstream), one.due[upstream] <= now
        else { continue }
        guard let best = first else {
          first = (index, upstream)
          continue
        }
        let other = kept[best.place]!
        if one.rank < other.rank || (one.rank == other.rank && one.isOlder(than: other)) {
          first = (index, upstream)
        }
      }
    }
    guard let (place, upstream) = first else { return nil }
    lastSent = now
    var one = kept[place]!
    one.wait[upstream] = min(
      2 * one.wait[upstream],
      isNear(upstream, at: now) ? Outbox.longestWaitWhileHeard : Outbox.longestWait)
    one.due[upstream] = now + Outbox.varied(one.wait[upstream], one.sequence)
    kept[place] = one
    var datagram = one.datagram
    datagram.destination = .upstream(upstream)
    return datagram
  }

  /// Up to a quarter shorter or longer, so that what was lost together does not come together.
  private static func varied(_ wait: Int64, _ sequence: UInt32) -> Int64 {
    let share = Int64((sequence &* 2_654_435_761) >> 24)  // Knuth's multiplicative hash: 0 to 255.
    return wait - wait / 4 + wait / 512 * share
  }
}
