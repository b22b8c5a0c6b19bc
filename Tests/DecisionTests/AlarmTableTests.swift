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
    reason = transition.told.map { _ in transition.reason.rawValue }
  }
}

private let states: [AlarmState] = [.quiet, .watch, .alarm, .blind]
private let inputs: [AlarmInput] = [
  .measured, .expected, .amplitude, .promising, .fell, .retracted, .watchIsOver, .stilled,
  .holdIsOver, .lost, .found, .released,
]

private let expected = """
  measured    | alarm alarm 3 | alarm alarm 3 | alarm         | blind
  expected    | alarm alarm 1 | alarm alarm 1 | alarm         | blind
  amplitude   | alarm alarm 2 | alarm alarm 2 | alarm         | blind
  promising   | watch watch 1 | watch         | alarm         | blind
  fell        | quiet         | quiet clear 4 | alarm         | blind
  retracted   | quiet         | quiet clear 6 | alarm         | blind
  watchIsOver | quiet         | quiet clear 5 | alarm         | blind
  stilled     | quiet         | watch         | quiet clear 5 | blind
  holdIsOver  | quiet         | watch         | alarm         | quiet clear 9
  lost        | quiet         | quiet clear 9 | blind         | blind
  found       | quiet         | watch         | alarm         | alarm
  released    | quiet         | quiet clear 7 | quiet clear 7 | quiet clear 7
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
    decision = AlarmDecision(settings)
    let now = at(Driven.begin)
    switch state {
    case .quiet: told = nil
    case .watch:
      told = decision.step(at: now, estimate: estimate(0.4), observed: still, verdict: nil)
    case .alarm, .blind:
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
      return (decision.pass(at(31), isDelivering: !isBlind), at(31))
    case .stilled:
      if state == .watch { return nil }
      return (decision.pass(at(61)), at(61))
    case .holdIsOver:
      if state == .watch { return nil }
      if isBlind { return (decision.pass(at(61), isDelivering: false), at(61)) }
      return (step(61, nil, shaking(0.4)), at(61))
    case .lost: return (decision.pass(at(soon), isDelivering: false), at(soon))
    case .found: return (decision.pass(at(soon)), at(soon))
    case .released: return (decision.release(at: at(soon)), at(soon))
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
        #expect(alert.reason.rawValue == wanted.reason, "\(input) in \(state)")
        #expect(alert.id == driven.told?.id ?? 1, "one event, one number")
        #expect(alert.decided == now.utc && alert.repeat == 0)
        #expect(alert.evidence.isEmpty == (input != .measured), "\(input) in \(state)")
        if alert.level != .clear && input != .measured { #expect(alert.pickID == 9) }
      }
    }
    // Frames find a digitizer that was lost, and a watch is over before the hold of an alarm would
    // be.
    #expect(provoked == 48 - 6 - 2)
  }
}
