// When an input of the state machine is one, and what must not be.

import Core
import Decision
import Estimator
import Testing

/// By reference, so that an expectation can be about a call that changes it.
private final class Decider {
  private var decision: AlarmDecision
  /// What a witness says of shaking that is the ground's.
  var verdict = groundsVerdict()

  init(_ change: (inout AlarmSettings) -> Void = { _ in }) {
    var settings = AlarmSettings()
    change(&settings)
    decision = AlarmDecision(settings)
  }

  var state: AlarmState { decision.state }
  var isAlarm: Bool { decision.isAlarm }
  func step(at now: Moment, estimate: Estimate?, observed: ObservedShaking) -> Alert? {
    decision.step(at: now, estimate: estimate, observed: observed, verdict: verdict)
  }
  func needsVerdict(_ observed: ObservedShaking) -> Bool { decision.needsVerdict(nil, observed) }
  func notePick(at now: Moment) { decision.notePick(at: now) }
  func retract(pickID: UInt32, at now: Moment) -> Alert? {
    decision.retract(pickID: pickID, at: now)
  }
  func release(at now: Moment) -> Alert? { decision.release(at: now) }
  func repeatIfDue(at now: Moment) -> Alert? { decision.repeatIfDue(at: now) }
}

@Suite struct AlarmDecisionTests {

  @Test func expectationRaisesWatchThenAlarm() throws {
    let decision = Decider()
    #expect(decision.step(at: at(1), estimate: estimate(0.05), observed: still) == nil)
    let watch = try #require(decision.step(at: at(2), estimate: estimate(0.4), observed: still))
    #expect(watch.level == .watch && watch.reason == .expectedShaking && watch.pickID == 9)
    #expect(decision.step(at: at(2.1), estimate: estimate(0.4), observed: still) == nil)
    let alarm = try #require(decision.step(at: at(3), estimate: estimate(1), observed: still))
    #expect(alarm.level == .alarm && alarm.id == watch.id && alarm.decided == at(3).utc)
    #expect(decision.isAlarm)
    #expect(decision.step(at: at(3.1), estimate: estimate(2), observed: still) == nil)
  }

  @Test func amplitudeAndPeriodOfPAreEnough() throws {
    for (tauC, displacement, isAlarm) in [
      (0.7, 0.006, true), (0.5, 0.006, false), (0.7, 0.004, false),
    ] {
      let decision = Decider()
      let told = decision.step(
        at: at(3), estimate: estimate(0.4, tauC: tauC, displacement: displacement), observed: still
      )
      #expect((told?.reason == .amplitudeOfP) == isAlarm)
      #expect(decision.isAlarm == isAlarm)
    }
  }

  @Test func measuredShakingIsAlwaysEnough() throws {
    let decision = Decider()
    let alarm = try #require(decision.step(at: at(1), estimate: nil, observed: shaking(0.5)))
    #expect(alarm.level == .alarm && alarm.reason == .measuredShaking)
    #expect(alarm.pickID == 0 && alarm.pickTime == nil)
    let knocked = Decider()
    var knock = shaking(0.1)
    knock.acceleration = 5
    #expect(knocked.step(at: at(1), estimate: nil, observed: knock) == nil, "one knock is none")
  }

  /// Nothing is expected of a sensor that was moved, and of a peak that is noise's.
  @Test func faultsAndNoiseRaiseNothing() {
    let decision = Decider()
    var moved = estimate(5, tauC: 2, displacement: 0.1)
    moved.isFault = true
    #expect(decision.step(at: at(1), estimate: moved, observed: still) == nil)
    var noisy = estimate(0.4, tauC: 2, displacement: 0.1)
    noisy.noiseShare = 0.5
    #expect(decision.step(at: at(2), estimate: noisy, observed: still)?.level == .watch)
    let drifting = estimate(0.4, seconds: 0.5, tauC: 1.1, displacement: 0.1)
    #expect(decision.step(at: at(2.5), estimate: drifting, observed: still) == nil)
    var late = estimate(0.4, tauC: 2, displacement: 0.1)
    late.hasShear = true
    #expect(decision.step(at: at(3), estimate: late, observed: still) == nil, "that is not P")
    #expect(!decision.isAlarm)
  }

  @Test func whatIsHardlyAnEarthquakeRaisesNothing() {
    let decision = Decider()
    var other = estimate(5)
    other.earthquakeProbability = 0.29
    #expect(decision.step(at: at(1), estimate: other, observed: still) == nil)
    #expect(
      decision.step(at: at(2), estimate: other, observed: shaking(0.5))?.level == .alarm, "measured"
    )
    let believer = Decider { $0.earthquakeProbability = 0.2 }
    #expect(believer.step(at: at(1), estimate: other, observed: still)?.level == .alarm)
  }

  /// An intensity raises an alarm beside acceleration and velocity, where it is asked for.
  @Test func intensitiesThatAreAskedFor() {
    var felt = estimate(0.05)
    felt.jmaIntensity = Uncertain(4, sigma: 0.3)
    #expect(Decider().step(at: at(1), estimate: felt, observed: still) == nil)
    let decision = Decider { $0.jmaIntensity = 3.5 }
    #expect(decision.step(at: at(1), estimate: felt, observed: still)?.level == .alarm)
    let strict = Decider { $0.jmaIntensity = 4.2 }
    #expect(strict.step(at: at(1), estimate: felt, observed: still)?.level == .watch)
    // 0.05 m/s² and 0.005 m/s are between III and IV.
    let mercalli = Decider { $0.modifiedMercalli = 2 }
    #expect(mercalli.step(at: at(1), estimate: felt, observed: still)?.level == .alarm)
    let high = Decider { $0.modifiedMercalli = 5 }
    #expect(high.step(at: at(1), estimate: felt, observed: still) == nil)
  }

  @Test func intensitiesThatAreMeasured() {
    var felt = shaking(0.1)
    (felt.velocity, felt.intensity) = (0.01, 3)
    #expect(Decider().step(at: at(1), estimate: nil, observed: felt) == nil)
    let jma = Decider { $0.jmaIntensity = 3 }
    #expect(jma.step(at: at(1), estimate: nil, observed: felt)?.reason == .measuredShaking)
    // 3.33 and 3.78 by Worden et al. (2012): both must say so, because an offset that moved has
    // velocity.
    let mercalli = Decider { $0.modifiedMercalli = 3.3 }
    #expect(mercalli.step(at: at(1), estimate: nil, observed: felt)?.reason == .measuredShaking)
    let high = Decider { $0.modifiedMercalli = 3.4 }
    #expect(high.step(at: at(1), estimate: nil, observed: felt) == nil, "not by acceleration")
    // Half of the shaking keeps it, less does not.
    felt.intensity = 2.41
    #expect(jma.step(at: at(100), estimate: nil, observed: felt) == nil && jma.isAlarm)
    felt.intensity = 2.39
    #expect(jma.step(at: at(101), estimate: nil, observed: felt)?.level == .clear)
  }

  /// Acceleration stays below its own limit, which has then not been exceeded for any time.
  @Test func anIntensityBelowTheLimitOfAccelerationRaisesTheAlarm() {
    var felt = shaking(0.1)
    (felt.velocity, felt.intensity) = (0.01, 3)
    let jma = Decider { $0.jmaIntensity = 3 }
    (jma.verdict.exceedingSamples, jma.verdict.spanSamples, jma.verdict.swings) = (0, 0, 0)
    #expect(jma.needsVerdict(felt) && !Decider().needsVerdict(felt))
    #expect(jma.step(at: at(1), estimate: nil, observed: felt)?.reason == .measuredShaking)
    let peak = Decider()
    peak.verdict = jma.verdict
    #expect(peak.step(at: at(1), estimate: nil, observed: shaking(1)) == nil, "it did not last")
  }

  /// Shaking that is all acceleration hurts nobody.
  @Test func bothAccelerationAndVelocityMustBeExpected() {
    let decision = Decider()
    var sharp = estimate(5)
    sharp.logVelocity = Uncertain(Elementary.logarithm10(0.005), sigma: 0.2)
    #expect(decision.step(at: at(1), estimate: sharp, observed: still) == nil)
  }

  /// What only STA/LTA saw is a door until two seconds have passed.
  @Test func anUnsupportedTriggerWaits() {
    let decision = Decider()
    let early = estimate(1, pickID: 0, seconds: 1.9)
    #expect(decision.step(at: at(2), estimate: early, observed: still) == nil)
    let later = estimate(1, pickID: 0, seconds: 2)
    #expect(decision.step(at: at(2.1), estimate: later, observed: still)?.level == .alarm)
  }

  @Test func aWatchEndsWhenLessIsExpected() throws {
    let decision = Decider()
    _ = decision.step(at: at(1), estimate: estimate(0.4), observed: still)
    // Between the limit and half of it nothing changes.
    #expect(decision.step(at: at(2), estimate: estimate(0.3), observed: still) == nil)
    let clear = try #require(decision.step(at: at(3), estimate: estimate(0.05), observed: still))
    #expect(clear.level == .clear && clear.reason == .estimateFell)
    #expect(decision.state == .quiet)
  }

  @Test func aWatchEndsWithItsPickOrItsTime() throws {
    let first = Decider()
    _ = first.step(at: at(1), estimate: estimate(0.4), observed: still)
    #expect(first.retract(pickID: 8, at: at(2)) == nil, "another's")
    #expect(first.retract(pickID: 9, at: at(2))?.reason == .pickRetracted)
    #expect(first.step(at: at(2.1), estimate: estimate(0.4), observed: still) == nil, "not again")
    #expect(first.step(at: at(2.2), estimate: estimate(2), observed: still)?.level == .alarm)
    let second = Decider()
    _ = second.step(at: at(1), estimate: estimate(0.4), observed: still)
    #expect(second.step(at: at(30.9), estimate: nil, observed: still) == nil)
    #expect(second.step(at: at(31), estimate: nil, observed: still)?.reason == .timeIsOver)
  }

  @Test func anAlarmIsHeldAndThenWaitsForStillness() throws {
    let decision = Decider()
    _ = decision.step(at: at(1), estimate: estimate(1), observed: still)
    #expect(decision.retract(pickID: 9, at: at(2)) == nil, "people have begun to act on it")
    #expect(decision.step(at: at(30.9), estimate: estimate(0.001), observed: still) == nil)
    #expect(decision.step(at: at(40), estimate: nil, observed: shaking(0.3)) == nil)
    let clear = try #require(decision.step(at: at(50), estimate: nil, observed: shaking(0.2)))
    #expect(clear.level == .clear && clear.reason == .timeIsOver)
    // Expectation has to wait, measurement has not.
    #expect(decision.step(at: at(59.9), estimate: estimate(5), observed: still) == nil)
    let again = try #require(decision.step(at: at(60), estimate: estimate(5), observed: still))
    #expect(again.id == clear.id + 1)
  }

  @Test func aLatchedAlarmStandsUntilACommand() {
    let decision = Decider { $0.isLatched = true }
    _ = decision.step(at: at(1), estimate: estimate(1), observed: still)
    #expect(decision.step(at: at(10_000), estimate: nil, observed: still) == nil)
    #expect(decision.release(at: at(10_001))?.reason == .command)
    #expect(decision.release(at: at(10_002)) == nil && !decision.isAlarm)
  }

  /// What an operator has ended the same shaking does not raise again; the next does.
  @Test func aReleaseHoldsUntilTheGroundIsStill() {
    let decision = Decider()
    _ = decision.step(at: at(1), estimate: nil, observed: shaking(2))
    #expect(decision.release(at: at(3))?.reason == .command)
    #expect(decision.step(at: at(3.1), estimate: nil, observed: shaking(2)) == nil)
    #expect(decision.step(at: at(6), estimate: nil, observed: shaking(0.3)) == nil)
    #expect(decision.step(at: at(7), estimate: nil, observed: shaking(0.6)) == nil)
    #expect(decision.step(at: at(8), estimate: nil, observed: shaking(0.2)) == nil)
    #expect(decision.step(at: at(9), estimate: nil, observed: shaking(0.6))?.level == .alarm)
  }

  /// Nor does what grows to twice of it wait, and a watch that was ended hides no shaking.
  @Test func aReleaseHidesNothingNew() {
    let decision = Decider()
    _ = decision.step(at: at(1), estimate: nil, observed: shaking(0.6))
    _ = decision.release(at: at(2))
    #expect(decision.step(at: at(3), estimate: nil, observed: shaking(1.2)) == nil)
    #expect(decision.step(at: at(4), estimate: nil, observed: shaking(1.3))?.level == .alarm)
    let watching = Decider()
    _ = watching.step(at: at(1), estimate: estimate(0.4), observed: shaking(0.3))
    #expect(watching.state == .watch && watching.release(at: at(2)) != nil)
    #expect(watching.step(at: at(3), estimate: nil, observed: shaking(0.5))?.level == .alarm)
  }

  @Test func aWatchTakesTheNameOfThePickThatSupportsIt() {
    let decision = Decider()
    _ = decision.step(at: at(2), estimate: estimate(0.4, pickID: 0), observed: still)
    #expect(decision.state == .watch)
    _ = decision.step(at: at(3), estimate: estimate(0.4, pickID: 9), observed: still)
    #expect(decision.retract(pickID: 9, at: at(4))?.reason == .pickRetracted)
  }

  @Test func eachLevelIsToldThreeTimesMoreWithin200Milliseconds() {
    let decision = Decider()
    _ = decision.step(at: at(1), estimate: estimate(1), observed: still)
    var told: [(Double, UInt8)] = []
    for millisecond in 0..<1000 {
      let now = at(1 + Double(millisecond) / 1000)
      while let message = decision.repeatIfDue(at: now) {
        #expect(message.level == .alarm && message.decided == at(1).utc)
        told.append((Double(millisecond), message.repeat))
      }
    }
    #expect(told.map(\.1) == [1, 2, 3])
    #expect(told.allSatisfy { $0.0 <= 200 })
  }

  /// A block may be a second: all of them are said, late.
  @Test func repeatsAreNotLost() {
    let decision = Decider()
    _ = decision.step(at: at(1), estimate: estimate(1), observed: still)
    var count = 0
    while decision.repeatIfDue(at: at(3)) != nil { count += 1 }
    #expect(count == 3)
  }

  @Test func withoutHorizontalsAmplitudeAndMeasurementDecide() {
    let decision = Decider()
    var vertical = estimate(1)
    vertical.logAcceleration = nil
    #expect(decision.step(at: at(3), estimate: vertical, observed: still) == nil)
    (vertical.tauC, vertical.peakDisplacement) = (1, 0.01)
    #expect(decision.step(at: at(4), estimate: vertical, observed: still)?.level == .alarm)
  }
}
