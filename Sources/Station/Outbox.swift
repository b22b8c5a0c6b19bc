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
//     outbox.keep(datagram, sequence, about: 7, rank: 3, at: now)
//     if let datagram = outbox.due(at: now) { send(datagram) }
//     outbox.settle(acknowledgement, at: now)

import Core
import Uplink

struct Outbox: ~Copyable {
  static let capacity = 64
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
    var sequence: UInt32
    /// A newer message about it replaces an older one; 0 for none.
    var subject: UInt32
    var rank: UInt8
    var due: Int64
    var wait: Int64
  }

  private var kept = InlineArray<64, Kept?>(repeating: nil)
  private var lastSent = Int64.min / 2
  private(set) var count = 0
  /// Because too much waited.
  private(set) var givenUp: UInt32 = 0
  /// When the upstream last acknowledged something.
  private var heard: Int64?
  var isHeard: Bool { heard != nil }

  mutating func keep(
    _ datagram: Datagram, _ sequence: UInt32, about subject: UInt32 = 0, rank: UInt8, at now: Int64
  ) {
    let place = place(for: subject, rank)
    guard let place else {
      if isHeard { givenUp &+= 1 }
      return
    }
    if let replaced = kept[place] {
      // What an older estimate had to say is in the newer one.
      if isHeard && (subject == 0 || replaced.subject != subject) { givenUp &+= 1 }
    } else {
      count += 1
    }
    kept[place] = Kept(
      datagram: datagram, sequence: sequence, subject: subject, rank: rank,
      due: now + Outbox.varied(Outbox.firstWait, sequence), wait: Outbox.firstWait)
  }

  /// Where a message may be put: over what it replaces, where nothing is, or over the oldest of
  /// those that matter least, if they matter no more than it does.
  private func place(for subject: UInt32, _ rank: UInt8) -> Int? {
    var (free, worst): (Int?, Int) = (nil, 0)
    for index in 0..<Outbox.capacity {
      guard let one = kept[index] else {
        free = free ?? index
        continue
      }
      if subject != 0 && one.subject == subject { return index }
      if let least = kept[worst] {
        if one.rank > least.rank || (one.rank == least.rank && one.sequence < least.sequence) {
          worst = index
        }
      } else {
        worst = index
      }
    }
    if let free { return free }
    return kept[worst]!.rank >= rank ? worst : nil
  }

  /// The upstream has what it says it has.
  mutating func settle(_ acknowledgement: AcknowledgementMessage, at now: Int64) {
    heard = now
    for index in 0..<Outbox.capacity {
      if let one = kept[index], acknowledgement.settles(one.sequence) {
        kept[index] = nil
        count -= 1
      }
    }
  }

  /// What is to be sent again now: what matters most, and of that the oldest.
  mutating func due(at now: Int64) -> Datagram? {
    guard let heard, count > 0, now - lastSent >= Outbox.spacing else { return nil }
    var first: Int?
    for index in 0..<Outbox.capacity {
      guard let one = kept[index], one.due <= now else { continue }
      guard let best = first else {
        first = index
        continue
      }
      let other = kept[best]!
      if one.rank < other.rank || (one.rank == other.rank && one.sequence < other.sequence) {
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
