// PeerLink: what is known of one peer, and whether what comes in its name is its own and of now.
//
// A signature says who made a datagram and not when. Whoever records votes could send them again: a
// minute later, after a start of either station, to another station. A counter alone is forgotten by
// whoever starts anew, and a time of day needs two clocks that are right.
//
// So each boot draws a number, and a vote has that of its receiver's boot and of its voter's. It has
// the time since the voter's boot, which only grows; and the newest such time of the receiver, with how
// long the voter had it. From that the receiver knows by its own clock alone how long the way there and
// back has taken: what was held up on its way is refused, and the evidence in it is taken to be older
// by all of that way.
//
// Who has just started knows no number. It greets with none, and what it hears is no vote, but tells
// the number to answer with; that is taken only of a later boot or while the peer is not heard, so
// that recorded greetings cannot talk over a living peer. What is plainly old is refused before its signature is
// tried. Who forges new ones without end uses up what is looked at of that peer, which is then silent.
//
//     guard link.mayBeNew(vote, epoch, boot), link.checks.take(in: second) else { … }
//     if let way = link.way(of: vote, nonce: nonce, uptime: uptime) { … }

import Core
import Decision
import Uplink

struct PeerLink: Sendable {
  /// There and back within a site takes milliseconds.
  static let wayMaximum: Int64 = 1_000_000
  /// Twice as many as it sends while it votes, with answers.
  private static let checksASecond: UInt32 = 64

  var checks = Budget(PeerLink.checksASecond)
  private var epoch: UInt64 = 0
  private var boot: UInt32 = 0
  /// What its boot drew; 0: nobody knows.
  private(set) var nonce: UInt64 = 0
  /// Its newest time, and when that came, by this station's uptime; both in microseconds.
  private(set) var heard: UInt64 = 0
  private var heardAt: UInt64 = 0
  /// When it last proved to be there.
  private var proven: UInt64?
  /// The last time that was told to it.
  private var sent: UInt64 = 0
  private var lastSent: Int64?

  /// Newer than all that is known of it; across its epochs nobody can tell.
  func mayBeNew(_ vote: VoteMessage, _ epoch: UInt64, _ boot: UInt32) -> Bool {
    guard nonce != 0, epoch == self.epoch else { return vote.bootNonce != 0 }
    if boot == self.boot { return vote.bootNonce == nonce && vote.sentMicroseconds > heard }
    return boot > self.boot && vote.bootNonce != 0
  }

  /// How long there and back took, in microseconds; nil where it does not answer this boot, or what it
  /// answers is too old.
  func way(of vote: VoteMessage, nonce: UInt64, uptime: UInt64) -> Int64? {
    // Nothing that this station has not sent: a peer that lies does not make the sum overflow.
    guard vote.receiverNonce == nonce, nonce != 0, vote.heardMicroseconds != 0,
      vote.heardMicroseconds <= sent
    else { return nil }
    let way =
      Int64(clamping: uptime) - Int64(clamping: vote.heardMicroseconds)
      - Int64(vote.heldMicroseconds)
    return way.magnitude <= UInt64(PeerLink.wayMaximum) ? max(way, 0) : nil
  }

  /// Somebody who has proven to be there lately is not greeted anew.
  func isProven(uptime: UInt64) -> Bool {
    proven.map { uptime - $0 <= UInt64(Quorum.calmPatience / 1000) } ?? false
  }

  /// It has started again: what was recorded is of boots before.
  func isLater(_ epoch: UInt64, _ boot: UInt32) -> Bool { epoch == self.epoch && boot > self.boot }

  mutating func note(
    _ vote: VoteMessage, _ epoch: UInt64, _ boot: UInt32, uptime: UInt64, isProven: Bool
  ) {
    (self.epoch, self.boot, nonce) = (epoch, boot, vote.bootNonce)
    (heard, heardAt) = (vote.sentMicroseconds, uptime)
    if isProven { proven = uptime }
  }

  func isDue(at now: Int64, every nanoseconds: Int64) -> Bool {
    lastSent.map { now - $0 >= nanoseconds } ?? true
  }

  /// The times of the next vote to it.
  mutating func stamp(_ vote: inout VoteMessage, uptime: UInt64, at now: Int64) {
    (sent, lastSent) = (max(sent + 1, uptime), now)
    vote.sentMicroseconds = sent
    (vote.receiverNonce, vote.heardMicroseconds) = (nonce, heard)
    vote.heldMicroseconds = heard == 0 ? 0 : UInt32(clamping: uptime - heardAt)
  }
}
