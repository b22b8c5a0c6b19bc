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
// sent nothing twice.
//
// A power cut takes none of them. Each is a record of its own on disk, in the place that it has
// here, and says which of the other places wait as well; so an acknowledgement writes nothing, and
// what it settled after the last record goes once more after the start, for the upstream to know.
//
//     let record = outbox.keep(datagram, boot: 3, sequence, about: 7, rank: 3, at: now)
//     if let datagram = outbox.due(at: now) { send(datagram) }
//     outbox.settle(acknowledgement, at: now)

import Core
import Uplink

/// What is to be on disk of a datagram that waits.
public struct OutboxRecord: Sendable {
  /// Where it belongs, below `Outbox.capacity`.
  public var place: UInt8
  /// Grows from record to record.
  public var generation: UInt64
  /// The places that wait, this one among them: the bit of a place's number.
  public var waiting: UInt64
  public var rank: UInt8
  public var subject: UInt32
  public var datagram: Datagram

  public init(
    place: UInt8, generation: UInt64, waiting: UInt64, rank: UInt8, subject: UInt32,
    datagram: Datagram
  ) {
    self.place = place
    self.generation = generation
    self.waiting = waiting
    self.rank = rank
    self.subject = subject
    self.datagram = datagram
  }
}

public struct Outbox: ~Copyable {
  public static let capacity = 64
  /// RFC 8085, section 3.1.1: a second where the round trip is not known, and twice as long each
  /// time.
  static let firstWait = nanosecondsPerSecond
  static let longestWait = 60 * nanosecondsPerSecond
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
    var due: Int64
    var wait: Int64

    func isOlder(than other: Kept) -> Bool {
      (boot, sequence) < (other.boot, other.sequence)
    }
  }

  private var kept = InlineArray<64, Kept?>(repeating: nil)
  private var lastSent = Int64.min / 2
  private var generation: UInt64 = 0
  public init() {}

  /// The places that wait.
  private var waiting: UInt64 = 0
  public var count: Int { waiting.nonzeroBitCount }
  /// Because too much waited.
  public private(set) var givenUp: UInt32 = 0
  /// When the upstream last acknowledged something.
  private var heard: Int64?
  public var isHeard: Bool { heard != nil }

  /// What is to be on disk of it; nil where it was given up for those that matter more.
  public mutating func keep(
    _ datagram: Datagram, boot: UInt32, _ sequence: UInt32, about subject: UInt32 = 0,
    rank: UInt8, at now: Int64
  ) -> OutboxRecord? {
    guard let place = place(for: subject, of: boot, rank) else {
      if isHeard { givenUp &+= 1 }
      return nil
    }
    if let older = kept[place] {
      let isSame = subject != 0 && older.subject == subject && older.boot == boot
      if isHeard && !isSame { givenUp &+= 1 }
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
        due: now + Outbox.varied(Outbox.firstWait, sequence), wait: Outbox.firstWait), at: place)
    generation += 1
    return OutboxRecord(
      place: UInt8(place), generation: generation, waiting: waiting, rank: rank, subject: subject,
      datagram: datagram)
  }

  /// Records to come are newer than this, whether or not what it holds is of any use.
  mutating func note(generation: UInt64) { self.generation = max(self.generation, generation) }

  /// What an earlier boot had kept. It goes as soon as the upstream is heard.
  mutating func restore(_ record: OutboxRecord, boot: UInt32, _ sequence: UInt32) {
    note(generation: record.generation)
    guard kept[Int(record.place)] == nil else { return }
    put(
      Kept(
        datagram: record.datagram, boot: boot, sequence: sequence, subject: record.subject,
        rank: record.rank, due: .min, wait: Outbox.firstWait), at: Int(record.place))
  }

  private mutating func put(_ one: Kept, at place: Int) {
    kept[place] = one
    waiting |= 1 << UInt64(place)
  }

  private mutating func remove(_ place: Int) {
    kept[place] = nil
    waiting &= ~(1 << UInt64(place))
  }

  /// Where a message may be put: where nothing is, over an older one about the same, or over the
  /// oldest of those that matter least, if they matter no more than it does.
  private func place(for subject: UInt32, of boot: UInt32, _ rank: UInt8) -> Int? {
    var (same, worst): (Int?, Int) = (nil, 0)
    for index in 0..<Outbox.capacity {
      guard let one = kept[index] else { return index }
      if subject != 0 && one.subject == subject && one.boot == boot { same = index }
      let least = kept[worst]!
      if one.rank > least.rank || (one.rank == least.rank && one.isOlder(than: least)) {
        worst = index
      }
    }
    return same ?? (kept[worst]!.rank >= rank ? worst : nil)
  }

  /// The upstream has what it says it has.
  public mutating func settle(_ acknowledgement: AcknowledgementMessage, at now: Int64) {
    heard = now
    for index in 0..<Outbox.capacity {
      if let one = kept[index], acknowledgement.boot == one.boot,
        acknowledgement.settles(one.sequence)
      {
        remove(index)
      }
    }
  }

  /// What is to be sent again now: what matters most, and of that the oldest.
  public mutating func due(at now: Int64) -> Datagram? {
    guard let heard, count > 0, now - lastSent >= Outbox.spacing else { return nil }
    var first: Int?
    for index in 0..<Outbox.capacity {
      guard let one = kept[index], one.due <= now else { continue }
      guard let best = first else {
        first = index
        continue
      }
      let other = kept[best]!
      if one.rank < other.rank || (one.rank == other.rank && one.isOlder(than: other)) {
        first = index
      }
    }
    guard let first else { return nil }
    lastSent = now
    var one = kept[first]!
    let isNear = now - heard < Outbox.longestWait
    one.wait = min(
      2 * one.wait, isNear ? Outbox.longestWaitWhileHeard : Outbox.longestWait)
    one.due = now + Outbox.varied(one.wait, one.sequence)
    kept[first] = one
    return one.datagram
  }

  /// Up to a quarter shorter or longer, so that what was lost together does not come together.
  private static func varied(_ wait: Int64, _ sequence: UInt32) -> Int64 {
    let share = Int64((sequence &* 2_654_435_761) >> 24)  // Knuth's multiplicative hash: 0 to 255.
    return wait - wait / 4 + wait / 512 * share
  }
}
