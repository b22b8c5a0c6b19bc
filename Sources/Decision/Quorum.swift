// Quorum: what the other stations of a site have said, and whether enough of them have decided.
//
// A hand on the sensor, and a vehicle against the slab, are a near earthquake to one sensor. They
// shake one of several stations that stand some metres apart; an earthquake shakes all. A relay that
// waited for the others without end would stay open where the earthquake has cut the cable to them.
//
// So whoever has decided by itself waits until enough of the others have had evidence as lately,
// each of its own. Where too few of them can be heard that could decide at all, it does what the
// station file says: close the relay alone, or leave it. To be heard is to have told something lately
// that is signed and fresh (Station finds that out); one whose digitizer is gone is not heard, because
// its silence says nothing of the ground. While a decision waits they answer at once, so that the
// death of a cable is known after half a second. All times are this station's monotonic clock's.
//
//     quorum.note(peer, at: now, evidence: now - age, isReady: true)
//     if quorum.isReached(at: now, since: called) { … }

import Core
import Settings

public struct QuorumSettings: Equatable, Sendable {
  /// How many stations must have decided, this one included; 1: nobody is waited for.
  public var needed = 1
  /// How far apart their evidence may be.
  public var withinMilliseconds = 2000
  /// What a decision does where too few peers are heard: closes the relay, or does not.
  public var isAloneWhenSilent = true
  public init() {}

  var withinNanoseconds: Int64 { Int64(withinMilliseconds) * 1_000_000 }

  /// A vote is repeated every 0.1 s and silence is found after half a second: with less than a second
  /// a lost datagram, or a cut cable, would be a vote that is over.
  public init(_ file: inout ConfigurationFile) {
    needed = file.integer("quorum", "needed", in: 2...8)
    withinMilliseconds = file.integer(
      "quorum", "within_milliseconds", in: 1000...10_000, default: withinMilliseconds)
    isAloneWhenSilent = file.choice("quorum", "when_silent", ["alone", "wait", "", "", ""]) == 0
  }
}

public struct Quorum: Sendable {
  public static let peersMaximum = 7
  /// This station's own place in a mask of votes, above those of its peers.
  public static let own: UInt8 = 0x80
  /// They speak once a second: three lost in a row, and half a second for a busy one.
  public static let calmPatience: Int64 = 3_500_000_000
  /// A decision that waits is answered at once, and asks ten times a second: five lost in a row.
  static let answerPatience: Int64 = 500_000_000

  private struct Peer: Sendable {
    var heard: Int64?
    var evidence: Int64?
    var isReady = false
  }

  let settings: QuorumSettings
  private var peers = InlineArray<7, Peer>(repeating: Peer())

  public init(_ settings: QuorumSettings) { self.settings = settings }

  /// Somebody is waited for.
  var isAsked: Bool { settings.needed > 1 }

  /// A peer has told something, which replaces what it had told. `evidence`: when it last had
  /// evidence of its own; nil where it has decided nothing. `isReady`: it could decide.
  mutating func note(_ peer: Int, at now: Moment, evidence: Int64?, isReady: Bool) {
    peers[peer] = Peer(heard: now.monotonicNanoseconds, evidence: evidence, isReady: isReady)
  }

  /// Whether evidence of that time still counts.
  func counts(_ evidence: Int64?, at now: Moment) -> Bool {
    guard let evidence else { return false }
    return now.monotonicNanoseconds - evidence <= settings.withinNanoseconds
  }

  /// A bit for each peer whose evidence counts. One that has gone silent since has voted all the same.
  func votes(at now: Moment) -> UInt8 {
    var votes: UInt8 = 0
    for index in 0..<Quorum.peersMaximum where counts(peers[index].evidence, at: now) {
      votes |= 1 << UInt8(index)
    }
    return votes
  }

  /// How many are heard that could decide. `called`: since when a decision waits for them.
  func readyCount(at now: Moment, since called: Int64? = nil) -> Int {
    var patience = Quorum.calmPatience
    if let called, now.monotonicNanoseconds - called >= Quorum.answerPatience {
      patience = Quorum.answerPatience
    }
    var count = 0
    for index in 0..<Quorum.peersMaximum where peers[index].isReady {
      guard let heard = peers[index].heard else { continue }
      if now.monotonicNanoseconds - heard <= patience { count += 1 }
    }
    return count
  }

  /// With this station's own decision, which began to wait at `called`.
  func isReached(at now: Moment, since called: Int64) -> Bool {
    if votes(at: now).nonzeroBitCount + 1 >= settings.needed { return true }
    return settings.isAloneWhenSilent && readyCount(at: now, since: called) + 1 < settings.needed
  }
}
