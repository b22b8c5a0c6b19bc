// What lasts, lasts on the monotonic clock; what stands while nothing can be seen; what outlives a
// restart.

import Core
import Decision
import Estimator
import Testing

/// UTC that steps while an alert stands, as a clock does that is set.
private let jumps = [0.0, 3600, -3600, 86_400, -86_400]

/// The same instant as `at`, with a UTC that has stepped.
private func at(_ seconds: Double, jumped: Double) -> Moment {
  let moment = at(seconds)
  return Moment(
    monotonicNanoseconds: moment.monotonicNanoseconds, utc: moment.utc + Int64(jumped * 1e9))
}

/// By reference, so that an expectation can be about a call that changes it.
private final class Decider {
  var decision: AlarmDecision
  init(_ change: (inout AlarmSettings) -> Void = { _ in }) {
    var settings = AlarmSettings()
    change(&settings)
    decision = AlarmDecision(settings)
  }
  func step(
    _ now: Moment, _ estimate: Estimate? = nil, _ observed: ObservedShaking = still
  ) -> Alert? {
    decision.step(at: now, estimate: estimate, observed: observed, verdict: groundsVerdict())
  }
  func pass(_ now: Moment, isDelivering: Bool = true) -> Alert? {
    decision.pass(now, isDelivering: isDelivering)
  }
  func release(_ now: Moment) -> Alert? { decision.release(at: now) }
  func restore(_ now: Moment) -> Alert { decision.restore(at: now) }
  func repeatIfDue(_ now: Moment) -> Alert? { decision.repeatIfDue(at: now) }
  var state: AlarmState { decision.state }
  var isAlarm: Bool { decision.isAlarm }
}

@Suite struct AlarmTimeTests {
  @Test(arguments: jumps) func anAlarmIsHeldOnTheMonotonicClock(jump: Double) throws {
    let decider = Decider()
    let alarm = try #require(decider.step(at(1), estimate(1)))
    #expect(alarm.decided == at(1).utc)
    #expect(decider.pass(at(30.999, jumped: jump)) == nil)
    let clear = try #require(decider.pass(at(31, jumped: jump)))
    #expect(clear.level == .clear && clear.reason == .timeIsOver)
    #expect(clear.decided == at(31, jumped: jump).utc, "told in the UTC of then")
  }

  @Test(arguments: jumps) func expectationRestsOnTheMonotonicClock(jump: Double) {
    let decider = Decider()
    _ = decider.step(at(1), estimate(1))
    #expect(decider.pass(at(31))?.level == .clear)
    #expect(decider.step(at(40.999, jumped: jump), estimate(1)) == nil)
    #expect(decider.step(at(41, jumped: jump), estimate(1))?.level == .alarm)
  }

  @Test(arguments: jumps) func aWatchIsOverOnTheMonotonicClock(jump: Double) {
    let decider = Decider()
    #expect(decider.step(at(1), estimate(0.4))?.level == .watch)
    #expect(decider.pass(at(30.999, jumped: jump)) == nil)
    #expect(decider.pass(at(31, jumped: jump))?.reason == .timeIsOver)
  }

  @Test(arguments: jumps) func repeatsAreDueOnTheMonotonicClock(jump: Double) throws {
    let decider = Decider()
    _ = decider.step(at(1), estimate(1))
    #expect(decider.repeatIfDue(at(1.059, jumped: jump)) == nil)
    let again = try #require(decider.repeatIfDue(at(1.06, jumped: jump)))
    #expect(again.repeat == 1 && again.decided == at(1).utc)
  }

  /// Held as configured, because who has run for a door runs on; then said to be over, because
  /// nobody sees.
  @Test(arguments: [10, 30, 120]) func anAlarmOutlivesItsDigitizer(hold: Int) throws {
    let decider = Decider { $0.holdSeconds = hold }
    let alarm = try #require(decider.step(at(1), nil, shaking(2)))
    #expect(decider.pass(at(2), isDelivering: false) == nil)
    #expect(decider.state == .blind && decider.isAlarm)
    #expect(decider.pass(at(0.999 + Double(hold)), isDelivering: false) == nil)
    let clear = try #require(decider.pass(at(1 + Double(hold)), isDelivering: false))
    #expect(clear.level == .clear && clear.reason == .blind && clear.id == alarm.id)
    #expect(!decider.isAlarm && decider.pass(at(1000), isDelivering: false) == nil)
  }

  /// A digitizer that comes back within the hold shows a ground that is still, or one that is not.
  @Test func aDigitizerThatComesBackIsBelieved() {
    for (level, ends) in [(0.0, true), (2.0, false)] {
      let decider = Decider()
      _ = decider.step(at(1), nil, shaking(2))
      _ = decider.pass(at(5), isDelivering: false)
      #expect(decider.pass(at(10)) == nil && decider.state == .alarm)
      let told = decider.step(at(40), nil, shaking(level))
      #expect((told?.reason == .timeIsOver) == ends && decider.isAlarm != ends)
    }
  }

  @Test func aLatchedAlarmStandsWithoutItsDigitizer() {
    let decider = Decider { $0.isLatched = true }
    _ = decider.step(at(1), nil, shaking(2))
    for hour in 0..<48 {
      #expect(decider.pass(at(Double(hour) * 3600), isDelivering: false) == nil)
    }
    #expect(decider.isAlarm)
    #expect(decider.pass(at(200_000)) == nil && decider.state == .alarm)
    #expect(decider.pass(at(200_001), isDelivering: false) == nil)
    #expect(decider.release(at(200_002))?.reason == .command)
    #expect(decider.state == .quiet)
  }

  @Test func aLatchedAlarmIsRestored() {
    let decider = Decider { $0.isLatched = true }
    let restored = decider.restore(at(0))
    #expect(restored.level == .alarm && restored.reason == .restored && restored.id == 1)
    #expect(restored.pickID == 0 && restored.pickTime == nil && restored.evidence.isEmpty)
    #expect(decider.isAlarm && decider.repeatIfDue(at(0.06))?.reason == .restored)
    #expect(decider.pass(at(1), isDelivering: false) == nil && decider.isAlarm)
    #expect(decider.pass(at(10_000)) == nil && decider.isAlarm)
    let clear = decider.release(at(10_001))
    #expect(clear?.level == .clear && clear?.reason == .command && clear?.id == 1)
    #expect(decider.step(at(10_020), estimate(1))?.id == 2)
  }
}
