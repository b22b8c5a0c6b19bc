// The other stations of the site: a vote to each of them once a second, at once when this station
// decides, and ten times a second while that counts; and what comes of theirs.
//
// A vote says what this station has seen, and whether it could have seen anything. It closes nobody's
// relay: whoever hears it must have decided as well. A station votes with the pair of its key file,
// which a key that comes over the air does not replace, because its peers know that pair.

import Core
import Decision
import Uplink

extension Station {
  private static var calmNanoseconds: Int64 { nanosecondsPerSecond }
  private static var votingNanoseconds: Int64 { 100_000_000 }
  /// Half of what a waiting peer's votes are apart, so that each is answered.
  private static var answerNanoseconds: Int64 { 50_000_000 }
  private static var voteRank: UInt8 { 1 }

  /// The peer proved to be there lately: its address is right.
  public func isHeard(peer: Int) -> Bool { links[peer].isProven(uptime: uptimeMicroseconds) }

  // MARK: Votes of this station

  /// To all who are due; to everybody when that changes which it says.
  mutating func castVotes() {
    guard settings.peers.count > 0 else { return }
    let isVoting = decision.votes(at: moment)
    let isNews = isVoting != hasVoted
    hasVoted = isVoting
    let every = isVoting ? Station.votingNanoseconds : Station.calmNanoseconds
    for peer in 0..<settings.peers.count
    where isNews || links[peer].isDue(at: moment.monotonicNanoseconds, every: every) {
      castVote(to: peer)
    }
  }

  @inline(never)
  private mutating func castVote(to peer: Int) {
    var vote = VoteMessage()
    vote.voter = voter.publicKey.name
    vote.receiver = settings.peers[peer].key.name
    vote.bootNonce = settings.bootNonce
    links[peer].stamp(
      &vote, uptime: uptimeMicroseconds, at: moment.monotonicNanoseconds)
    if let evidence = decision.evidenceTime {
      let milliseconds = (moment.monotonicNanoseconds - evidence + 999_999) / 1_000_000
      vote.evidenceMilliseconds = UInt16(clamping: min(milliseconds, 65_534))
    }
    vote.isReady = incapacity().isDisjoint(with: .sightless)
    var datagram = Datagram(header(.vote), signedBy: voter) { vote.write(to: &$0) }
    datagram.destination = .peer(peer)
    actions.put(.send(datagram), rank: Station.voteRank)
  }

  // MARK: Votes of others

  /// Whether a vote is worth its signature, and has it.
  mutating func isGenuine(vote sealed: SealedBytes, second: Int64) -> Bool {
    guard let vote = try? VoteMessage(sealed.payload), vote.receiver == voter.publicKey.name,
      let peer = settings.peers.place(of: vote.voter),
      links[peer].mayBeNew(vote, sealed.epoch, sealed.bootCounter),
      links[peer].checks.take(in: second)
    else { return false }
    return sealed.isSigned(by: settings.peers[peer].key)
  }

  mutating func receive(_ vote: VoteMessage, _ header: Header) throws(DatagramError) {
    guard let peer = settings.peers.place(of: vote.voter) else { throw .notOurs }
    let uptime = uptimeMicroseconds
    guard let way = links[peer].way(of: vote, nonce: settings.bootNonce, uptime: uptime) else {
      guard
        !links[peer].isProven(uptime: uptime)
          || links[peer].isLater(header.epoch, header.bootCounter)
      else { throw .notOurs }
      links[peer].note(vote, header.epoch, header.bootCounter, uptime: uptime, isProven: false)
      // Only who knows no number greets; what answers another boot is refused as a vote.
      guard vote.receiverNonce == 0 else { throw .notOurs }
      accepted &+= 1
      return
    }
    accepted &+= 1
    links[peer].note(vote, header.epoch, header.bootCounter, uptime: uptime, isProven: true)
    var evidence: Int64?
    if vote.evidenceMilliseconds != VoteMessage.noEvidence {
      evidence =
        moment.monotonicNanoseconds - Int64(vote.evidenceMilliseconds) * 1_000_000 - way * 1000
    }
    if let alert = decision.hear(peer, at: moment, evidence: evidence, isReady: vote.isReady) {
      tell(alert)
    }
    // Who has decided waits to hear that others are there.
    if evidence != nil,
      links[peer].isDue(at: moment.monotonicNanoseconds, every: Station.answerNanoseconds)
    {
      castVote(to: peer)
    }
  }

  mutating func addQuorum(to message: inout HealthMessage) {
    guard decision.neededCount > 1 else { return }
    message.quorumNeeded = UInt8(decision.neededCount)
    message.peersReady = UInt8(decision.readyCount(at: moment))
    message.refusedVotes = UInt8(clamping: refusedVotes)
  }
}

extension Incapacity {
  /// Why this station would not notice an earthquake.
  fileprivate static var sightless: Incapacity { notLive.union(.uncalibrated).union(.lanesBroken) }
}
