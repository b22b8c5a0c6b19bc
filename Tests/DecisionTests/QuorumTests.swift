// What the other stations of a site do to a decision: every state of the table that concerns them,
// times, silence, and that nothing of theirs raises an alarm by itself.

import Core
import Decision
import Estimator
import Testing

/// By reference, so that an expectation can be about a call that changes it.
private final class Voter {
  private var decision: AlarmDecision

  init(
    needed: Int = 2, within: Int = 2000, isAlone: Bool = true,
    _ change: (inout AlarmSettings) -> Void = { _ in }
  ) {
    var (settings, quorum) = (AlarmSettings(), QuorumSettings())
    change(&settings)
    (quorum.needed, quorum.withinMilliseconds) = (needed, within)
    quorum.isAloneWhenSilent = isAlone
    decision = AlarmDecision(settings, quorum)
  }

  var state: AlarmState { decision.state }
  var isAlarm: Bool { decision.isAlarm }
  var isStranded: (Double) -> Bool { { self.decision.isStranded(at: at($0)) } }
  var evidenceTime: Int64? { decision.evidenceTime }
  func votes(_ seconds: Double) -> Bool { decision.votes(at: at(seconds)) }
  func readyCount(_ seconds: Double) -> Int { decision.readyCount(at: at(seconds)) }

  /// `evidence`: how long ago the peer had any.
  @discardableResult
  func hear(
    _ seconds: Double, peer: Int = 0, evidence: Double? = nil, isReady: Bool = true
  ) -> Alert? {
    decision.hear(
      peer, at: at(seconds),
      evidence: evidence.map { at(seconds - $0).monotonicNanoseconds }, isReady: isReady)
  }

  @discardableResult
  func shake(_ seconds: Double) -> Alert? {
    decision.step(
      at: at(seconds), estimate: nil, observed: shaking(0.6), verdict: groundsVerdict())
  }

  func pass(_ seconds: Double, isDelivering: Bool = true) -> Alert? {
    decision.pass(at(seconds), isDelivering: isDelivering)
  }
  func release(_ seconds: Double) -> Alert? { decision.release(at: at(seconds)) }
  func step(_ seconds: Double, _ estimate: Estimate?) -> Alert? {
    decision.step(
      at: at(seconds), estimate: estimate, observed: still, verdict: groundsVerdict())
  }
}

@Suite struct QuorumTests {
  @Test func anAlarmIsAWatchUntilAnotherHasDecided() throws {
    let voter = Voter()
    voter.hear(0.5)
    let call = try #require(voter.shake(1))
    #expect(call.level == .watch && call.reason == .measuredShaking && call.votes == 0x80)
    #expect(!call.evidence.isEmpty && voter.state == .called && !voter.isAlarm)
    #expect(voter.shake(1.1) == nil, "it is told once")
    let alarm = try #require(voter.hear(1.15, peer: 4, evidence: 0.01))
    #expect(alarm.level == .alarm && alarm.reason == .measuredShaking && alarm.id == call.id)
    #expect(alarm.evidence == call.evidence && alarm.votes == 0x90 && voter.isAlarm)
    #expect(alarm.decided == at(1.15).utc && alarm.repeat == 0)
  }

  @Test func whoHasDecidedBeforeIsNotWaitedFor() throws {
    let voter = Voter()
    #expect(voter.hear(0.5, evidence: 0) == nil && voter.state == .quiet)
    let alarm = try #require(voter.shake(1))
    #expect(alarm.level == .alarm && alarm.votes == 0x81)
  }

  /// Whatever they say, and for however long.
  @Test func othersAloneRaiseNothing() {
    let voter = Voter(needed: 2)
    for tenth in 0..<600 {
      let told = voter.hear(Double(tenth) / 10, peer: tenth % 7, evidence: 0)
      #expect(told == nil && voter.pass(Double(tenth) / 10) == nil && voter.state == .quiet)
    }
    let watching = Voter()
    #expect(watching.step(1, estimate(0.4))?.level == .watch)
    for peer in 0..<7 { #expect(watching.hear(1.5, peer: peer, evidence: 0) == nil) }
    #expect(watching.state == .watch)
  }

  /// They are there, and see nothing.
  @Test func whatOnlyOneStationSeesEnds() throws {
    let voter = Voter()
    var told: [Alert] = []
    for tenth in 0...60 {
      let now = 1 + Double(tenth) / 10
      if let alert = voter.hear(now) { told.append(alert) }
      if let alert = now <= 2 ? voter.shake(now) : voter.pass(now) { told.append(alert) }
      #expect(!voter.isAlarm)
    }
    #expect(told.map(\.level) == [.watch, .clear])
    let clear = try #require(told.last)
    #expect(clear.reason == .outvoted && clear.id == told[0].id)
    // The last evidence is of 2 s, and has counted for two more.
    #expect(clear.decided == at(4.1).utc && voter.state == .quiet)
    // It says nothing against the next earthquake, expected or measured.
    voter.hear(7.1)
    #expect(voter.step(7.2, estimate(2))?.level == .watch && voter.state == .called)
    #expect(voter.hear(7.3, evidence: 0)?.level == .alarm)
  }

  /// Evidence counts for as long as the file says, this station's and theirs.
  @Test func evidenceThatIsTooFarApartIsNone() {
    let first = Voter(within: 1000)
    first.hear(1)
    first.shake(1)
    #expect(first.hear(1.9, evidence: 0.95)?.level == .alarm)
    let late = Voter(within: 1000)
    late.hear(1)
    late.shake(1)
    #expect(late.hear(1.9, evidence: 1.1) == nil, "theirs is too old")
    #expect(late.hear(2.0, evidence: 1.2) == nil && late.state == .called)
    let told = late.hear(2.01, evidence: 0)
    #expect(told?.reason == .outvoted && !late.isAlarm, "this station's is too old")
    // One that has voted counts, though nothing more is heard of it.
    let dead = Voter(within: 1000, isAlone: false)
    dead.hear(1, evidence: 0)
    #expect(dead.pass(1.9) == nil && dead.shake(2)?.level == .alarm)
  }

  @Test func aVoteThatIsTakenBackIsNone() {
    let voter = Voter()
    voter.hear(1, evidence: 0)
    voter.hear(1.1)
    voter.shake(1.2)
    #expect(voter.state == .called)
  }

  /// One peer is one vote, however often it speaks.
  @Test func threeOfThreeNeedsBothOthers() {
    let voter = Voter(needed: 3)
    for peer in 0..<2 { voter.hear(0.9, peer: peer) }
    voter.shake(1)
    for tenth in 0..<9 {
      #expect(voter.hear(1 + Double(tenth) / 10, peer: 1, evidence: 0) == nil)
      voter.hear(1 + Double(tenth) / 10, peer: 0)
      voter.shake(1 + Double(tenth) / 10)
    }
    #expect(voter.hear(1.9, peer: 0, evidence: 0)?.votes == 0x83)
    let twoOfThree = Voter(needed: 2)
    for peer in 0..<2 { twoOfThree.hear(0.9, peer: peer) }
    twoOfThree.shake(1)
    #expect(twoOfThree.hear(1.1, peer: 1, evidence: 0)?.level == .alarm)
  }

  @Test func whereOthersAreSilentTheFileDecides() throws {
    let never = Voter()
    let alarm = try #require(never.shake(1))
    #expect(alarm.level == .alarm && alarm.votes == 0x80, "it has never heard any")
    // Heard 3.5 s ago at most.
    let lately = Voter()
    lately.hear(1)
    lately.shake(4.5)
    #expect(lately.state == .called)
    let lost = Voter()
    lost.hear(1)
    #expect(lost.shake(4.51)?.level == .alarm)
    let waiting = Voter(isAlone: false)
    #expect(waiting.shake(1)?.level == .watch && waiting.state == .called)
    for tenth in 0..<100 { #expect(waiting.shake(1 + Double(tenth) / 10) == nil) }
    #expect(waiting.pass(13)?.reason == .outvoted)
  }

  /// A cable that breaks while a decision waits is known after half a second.
  @Test func whoFallsSilentWhileADecisionWaitsIsNotWaitedFor() {
    let voter = Voter()
    voter.hear(0.99)
    voter.shake(1)
    #expect(voter.state == .called)
    #expect(voter.shake(1.45) == nil && voter.state == .called)
    #expect(voter.shake(1.5)?.level == .alarm)
    let answered = Voter()
    answered.hear(0.99)
    for tenth in 0..<20 {
      answered.hear(1 + Double(tenth) / 10)
      answered.shake(1 + Double(tenth) / 10 + 0.01)
      #expect(answered.state == .called)
    }
  }

  /// One that is there is enough to be waited for, of three that need two.
  @Test func silenceIsCountedAgainstWhatIsNeeded() {
    let two = Voter(needed: 2)
    two.hear(1, peer: 6)
    two.shake(1.1)
    #expect(two.state == .called)
    let three = Voter(needed: 3)
    three.hear(1, peer: 6)
    #expect(three.shake(1.1)?.level == .alarm)
  }

  /// One whose digitizer is gone is there, and its silence says nothing of the ground.
  @Test func whoCannotSeeIsSilent() {
    let voter = Voter()
    voter.hear(0.9, isReady: false)
    #expect(voter.readyCount(0.9) == 0 && voter.shake(1)?.level == .alarm)
    let waiting = Voter(isAlone: false)
    #expect(waiting.isStranded(0.5))
    waiting.hear(0.9, isReady: false)
    #expect(waiting.isStranded(0.9))
    waiting.hear(1)
    #expect(!waiting.isStranded(1) && waiting.isStranded(4.6))
    // What it had seen counts.
    waiting.hear(5, evidence: 0.1, isReady: false)
    #expect(waiting.shake(5.1)?.level == .alarm)
  }

  /// While what it has decided stands, and no longer; a restored alarm has seen nothing.
  @Test func itsOwnVoteIsItsOwnEvidence() {
    let voter = Voter { $0.holdSeconds = 5 }
    #expect(voter.evidenceTime == nil && !voter.votes(1))
    voter.hear(0.9)
    #expect(voter.step(1, estimate(0.4))?.level == .watch)
    #expect(voter.evidenceTime == nil, "a watch is no decision")
    voter.shake(1.1)
    #expect(voter.evidenceTime == at(1.1).monotonicNanoseconds && voter.votes(3.1))
    #expect(!voter.votes(3.11))
    voter.shake(1.5)
    voter.hear(1.6, evidence: 0)
    #expect(voter.isAlarm && voter.evidenceTime == at(1.5).monotonicNanoseconds)
    voter.shake(2)
    #expect(voter.evidenceTime == at(2).monotonicNanoseconds, "an alarm that goes on")
    #expect(voter.release(2.1)?.reason == .command && voter.evidenceTime == nil)
    voter.shake(2.2)
    #expect(voter.evidenceTime == nil, "the same shaking was released")
  }

  @Test func aCallEndsByCommand() {
    let voter = Voter()
    voter.hear(0.9)
    voter.shake(1)
    #expect(voter.release(1.1)?.reason == .command && voter.state == .quiet)
    #expect(voter.shake(1.2) == nil && voter.hear(1.3, evidence: 0) == nil)
  }

  /// The digitizer is lost after the decision: it counts by what had been seen.
  @Test func aCallOutlivesItsDigitizer() {
    let voter = Voter()
    voter.hear(0.9)
    voter.shake(1)
    #expect(voter.pass(1.2, isDelivering: false) == nil && voter.state == .called)
    #expect(voter.hear(1.3, evidence: 0)?.level == .alarm)
    #expect(voter.pass(1.4, isDelivering: false) == nil && voter.state == .blind)
  }

  @Test func withoutAQuorumNothingIsWaitedFor() throws {
    var decision = AlarmDecision(AlarmSettings())
    let told = decision.step(
      at: at(1), estimate: nil, observed: shaking(0.6), verdict: groundsVerdict())
    let alarm = try #require(told)
    #expect(alarm.level == .alarm && alarm.votes == 0)
  }

  /// Random votes, silence and time, a hundred thousand of them: an alarm stands only where this station has
  /// decided within the time before.
  @Test func noSequenceOfVotesIsAnAlarm() {
    var random = RandomGenerator(seed: 12)
    for _ in 0..<200 {
      let within = 1000 + Int(random.below(9001))
      let voter = Voter(
        needed: 2 + Int(random.below(7)), within: within, isAlone: random.below(2) == 0)
      var (now, decided) = (1.0, -1e9)
      for _ in 0..<500 {
        now += Double(random.below(700)) / 1000
        switch random.below(8) {
        case 0:
          voter.shake(now)
          decided = now
        case 1: _ = voter.pass(now, isDelivering: random.below(2) == 0)
        default:
          voter.hear(
            now, peer: Int(random.below(7)),
            evidence: random.below(3) == 0 ? nil : Double(random.below(12_000)) / 1000,
            isReady: random.below(4) > 0)
        }
        if voter.isAlarm {
          #expect(now - decided <= Double(within) / 1000 + 1e-6)
          _ = voter.release(now)
          voter.hear(now + 0.001, isReady: false)
          // The ground is still.
          _ = voter.step(now + 0.001, nil)
        }
      }
    }
  }
}
