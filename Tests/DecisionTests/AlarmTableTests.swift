// The whole table, against one that was written out again, and a decision driven into every state
// and provoked there: each cell is asked for twice.

import Core
import Decision
import Estimator
import Testing

/// What a cell says: the next state, and the level and the wire's number of the reason where one is
/// told.
private struct Cell: Equatable, CustomStringConvertible {
  var next: String
  var told: String?
  var reason: UInt8?
  var description: String { "\(next) \(told ?? "") \(reason.map(String.init) ?? "")" }

  init(_ text: Substring) {
    let words = text.split(separator: " ")
    next = String(words[0])
    told = words.count > 1 ? String(words[1]) : nil
    reason = words.count > 2 ? UInt8(words[2]) : nil
  }

  init(_ transition: AlarmTransition) {
    next = "\(transition.next)"
    told = transition.told.map { "\($0)" }
    reason = transition.told.flatMap { _ in transition.reason?.rawValue }
  }
}

private let states: [AlarmState] = [.quiet, .watch, .alarm, .blind, .called]
private let inputs: [AlarmInput] = [
  .measured, .expected, .amplitude, .promising, .fell, .retracted, .watchIsOver, .stilled,
  .holdIsOver, .lost, .found, .released, .agreed, .outvoted,
]

/// What is agreed to has the reason of the call.
private let expected = """
  measured    | called watch 3 | called watch 3 | alarm         | blind         | called
  expected    | called watch 1 | called watch 1 | alarm         | blind         | called
  amplitude   | called watch 2 | called watch 2 | alarm         | blind         | called
  promising   | watch watch 1  | watch          | alarm         | blind         | called
  fell        | quiet          | quiet clear 4  | alarm         | blind         | called
  retracted   | quiet          | quiet clear 6  | alarm         | blind         | called
  watchIsOver | quiet          | quiet clear 5  | alarm         | blind         | called
  stilled     | quiet          | watch          | quiet clear 5 | blind         | called
  holdIsOver  | quiet          | watch          | alarm         | quiet clear 9 | called
  lost        | quiet          | quiet clear 9  | blind         | blind         | called
  found       | quiet          | watch          | alarm         | alarm         | called
  released    | quiet          | quiet clear 7  | quiet clear 7 | quiet clear 7 | quiet clear 7
  agreed      | quiet          | watch          | alarm         | blind         | alarm alarm
  outvoted    | quiet          | watch          | alarm         | blind         | quiet clear 11
  """

private func cell(_ state: AlarmState, _ input: AlarmInput) throws -> Cell {
  let line = try #require(
    expected.split(separator: "\n").first { $0.split(separator: " ")[0] == "\(input)" })
  return Cell(line.split(separator: "|")[1 + state.rawValue])
}

/// By reference, so that an expectation can be about a call that changes it.
private final class Driven {
  private var decision: AlarmDecision
  let told: Alert?
  /// When it was last told something.
  private static let begin = 1.0

  /// Long holds, so that a watch is over before an alarm is.
  init(_ state: AlarmState) {
    var settings = AlarmSettings()
    settings.holdSeconds = 60
    // One of two, who waits for the other.
    var quorum = QuorumSettings()
    (quorum.needed, quorum.isAloneWhenSilent) = (2, false)
    decision = AlarmDecision(settings, quorum)
    let now = at(Driven.begin)
    switch state {
    case .quiet: told = nil
    case .watch:
      told = decision.step(at: now, estimate: estimate(0.4), observed: still, verdict: nil)
    case .called:
      told = decision.step(at: now, estimate: estimate(1), observed: still, verdict: nil)
    case .alarm, .blind:
      _ = decision.hear(
        0, at: now, evidence: now.monotonicNanoseconds, isReady: true)
      told = decision.step(at: now, estimate: estimate(1), observed: still, verdict: nil)
      if state == .blind { _ = decision.pass(now, isDelivering: false) }
    }
  }

  var state: AlarmState { decision.state }

  private func step(
    _ seconds: Double, _ estimate: Estimate?, _ observed: ObservedShaking = still
  ) -> Alert? {
    decision.step(
      at: at(seconds), estimate: estimate, observed: observed, verdict: groundsVerdict())
  }

  /// The other station has decided.
  func agree(_ now: Moment) -> Alert? {
    decision.hear(0, at: now, evidence: now.monotonicNanoseconds - 1_000_000, isReady: true)
  }

  /// The cause that makes the input, and when it came; nil where no cause does in this state.
  func provoke(_ input: AlarmInput) -> (alert: Alert?, now: Moment)? {
    let isBlind = state == .blind
    let frames: [AlarmInput] = [.measured, .expected, .amplitude, .promising, .fell, .stilled]
    if isBlind && frames.contains(input) { return nil }
    let soon = Driven.begin + 1
    switch input {
    case .measured: return (step(soon, nil, shaking(0.5)), at(soon))
    case .expected: return (step(soon, estimate(1)), at(soon))
    case .amplitude:
      return (step(soon, estimate(0.4, tauC: 0.7, displacement: 0.006)), at(soon))
    case .promising: return (step(soon, estimate(0.4)), at(soon))
    case .fell: return (step(soon, estimate(0.05)), at(soon))
    case .retracted: return (decision.retract(pickID: 9, at: at(soon)), at(soon))
    case .watchIsOver:
      if state == .called { _ = step(30.5, estimate(1)) }
      return (decision.pass(at(31), isDelivering: !isBlind), at(31))
    case .stilled:
      if state == .watch { return nil }
      if state == .called { _ = step(60.5, estimate(1)) }
      return (decision.pass(at(61)), at(61))
    case .holdIsOver:
      if state == .watch { return nil }
      if state == .called { _ = step(60.5, estimate(1)) }
      if isBlind { return (decision.pass(at(61), isDelivering: false), at(61)) }
      return (step(61, nil, shaking(0.4)), at(61))
    case .lost: return (decision.pass(at(soon), isDelivering: false), at(soon))
    case .found: return (decision.pass(at(soon)), at(soon))
    case .released: return (decision.release(at: at(soon)), at(soon))
    case .agreed: return (agree(at(soon)), at(soon))
    case .outvoted:
      return (decision.pass(at(Driven.begin + 2.1), isDelivering: !isBlind), at(Driven.begin + 2.1))
    }
  }
}

@Suite struct AlarmTableTests {
  @Test func everyCellIsAsItWasWrittenOut() throws {
    for state in states {
      for input in inputs {
        let found = Cell(AlarmTable.transition(state, input))
        #expect(try found == cell(state, input), "\(input) in \(state)")
      }
    }
    #expect(states.allSatisfy { AlarmState(rawValue: $0.rawValue) == $0 })
    #expect(AlarmState(rawValue: states.count) == nil && AlarmInput(rawValue: inputs.count) == nil)
  }

  @Test func everyCauseInEveryStateDoesWhatTheTableSays() throws {
    var provoked = 0
    for state in states {
      for input in inputs {
        let driven = Driven(state)
        try #require(driven.state == state)
        guard let (alert, now) = driven.provoke(input) else { continue }
        provoked += 1
        let wanted = try cell(state, input)
        #expect("\(driven.state)" == wanted.next, "\(input) in \(state)")
        #expect(alert.map { "\($0.level)" } == wanted.told, "\(input) in \(state)")
        guard let alert else { continue }
        let reason = input == .agreed ? driven.told?.reason.rawValue : wanted.reason
        #expect(alert.reason.rawValue == reason, "\(input) in \(state)")
        #expect(alert.id == driven.told?.id ?? 1, "one event, one number")
        #expect(alert.decided == now.utc && alert.repeat == 0)
        #expect(alert.evidence.isEmpty == (input != .measured), "\(input) in \(state)")
        if alert.level != .clear && input != .measured { #expect(alert.pickID == 9) }
      }
    }
    // Frames find a digitizer that was lost, and a watch is over before the hold of an alarm would
    // be.
    #expect(provoked == 70 - 6 - 2)
  }
}
