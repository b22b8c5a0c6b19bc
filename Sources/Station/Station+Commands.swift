// Commands: a signed datagram sets a threshold or asks for something. None is obeyed twice: its
// counter is above that of all before and is on disk before anything is done. Answers get lost, so
// the last command is answered again when it comes again. What is obeyed is told upstream too.
//
// What makes the relay open or arms it, a release or the end of a drill, is done at once: a disk
// that stalls must not keep an alarm closed.

import Clock
import Core
import Decision
import Estimator
import Picker
import Uplink

/// A command that is to be obeyed as soon as its counter is stored, and who sent it.
struct PendingCommand {
  var message: CommandMessage
  var address: UInt32
  var port: UInt16
  /// It was urgent, and this came of it.
  var done: (CommandResult, Int64)?
}

extension CommandParameter {
  /// Its place in health's mask of what differs from the station file.
  var bit: UInt16 { 1 << (rawValue - 1) }

  /// Parameters that hold until the next start.
  var isSetting: Bool {
    switch self {
    case .relayTest, .health, .release, .siteTerm: false
    default: true
    }
  }
}

extension Station {
  /// Long enough to hear it, too short to keep what it drives from its work.
  public static var relayTestMilliseconds: ClosedRange<Int64> { 1...10_000 }

  mutating func receive(
    _ command: CommandMessage, for code: Text<24>, address: UInt32, port: UInt16
  ) throws(DatagramError) {
    guard code.equals(settings.code), command.result == .none else { throw .notOurs }
    if let last = lastAnswer, last.counter == command.counter, last.id == command.id {
      if mayAnswer() {
        (lastAnswered.address, lastAnswered.port) = (address, port)
        actions.put(.send(lastAnswered), rank: MessageType.command.rank)
      }
      return
    }
    guard command.counter > commandCounter, !pendingCommands.isFull else { throw .notOurs }
    commandCounter = command.counter
    var pending = PendingCommand(message: command, address: address, port: port)
    if isUrgent(command) { pending.done = carryOut(command) }
    pendingCommands.put(pending)
    actions.put(.store(.commandCounter, Int64(command.counter)), rank: 1)
  }

  private func isUrgent(_ command: CommandMessage) -> Bool {
    switch CommandParameter(rawValue: command.parameter) {
    case .release: true
    case .drill: command.value == 0
    default: false
    }
  }

  /// Carries out what waits, and answers. Without its counter on disk nothing else is done: a later
  /// start would do it again.
  mutating func answerStored(isDone: Bool) {
    guard let pending = pendingCommands.take() else { return }
    var answer = pending.message
    (answer.result, answer.value) =
      pending.done
      ?? (isDone ? carryOut(pending.message) : (.impossible, CommandMessage.noValue))
    lastAnswer = answer
    send(answer, address: pending.address, port: pending.port)
    lastAnswered = send(answer, address: 0, port: 0)
    if answer.result == .done, answer.parameter == CommandParameter.health.rawValue {
      reportHealth()
    }
  }

  /// What came of it, and what now holds.
  private mutating func carryOut(_ command: CommandMessage) -> (CommandResult, Int64) {
    let nothing = CommandMessage.noValue
    let isExpired =
      command.expires != CommandMessage.neverExpires
      && (clock.state == .unsynchronised || now > command.expires)
    guard !isExpired else { return (.expired, nothing) }
    guard let parameter = CommandParameter(rawValue: command.parameter) else {
      return (.unknownParameter, nothing)
    }
    let outcome = carryOut(parameter, command.value)
    if outcome.0 == .done, command.value != nothing, parameter.isSetting, parameter != .drill {
      changedParameters |= parameter.bit
    }
    return outcome
  }

  private mutating func carryOut(
    _ parameter: CommandParameter, _ value: Int64
  ) -> (CommandResult, Int64) {
    let nothing = CommandMessage.noValue
    switch parameter {
    case .health: return value == nothing || value == 0 ? (.done, 0) : (.outOfRange, nothing)
    case .relayTest: return testRelay(value)
    case .drill: return drill(value)
    case .release:
      if let alert = decision.release(at: moment) { tell(alert) }
      return (.done, 0)
    case .triggerRatio: return setTriggerRatio(value)
    case .siteTerm: return setSiteTerm(value)
    default: return setThreshold(parameter, value)
    }
  }

  private mutating func drill(_ value: Int64) -> (CommandResult, Int64) {
    guard value == CommandMessage.noValue || (0...1).contains(value) else {
      return (.outOfRange, isDrill ? 1 : 0)
    }
    if value == 0 { endDrill() }
    if value == 1 {
      drillEnd = moment.monotonicNanoseconds + Station.drillNanoseconds
      changedParameters |= CommandParameter.drill.bit
    }
    drive()
    return (.done, isDrill ? 1 : 0)
  }

  /// For some milliseconds; nothing but the relay's own contacts is tested.
  private mutating func testRelay(_ milliseconds: Int64) -> (CommandResult, Int64) {
    guard lines.relay == .fitted, !lines.inhibit.keepsRelayOpen else {
      return (.impossible, CommandMessage.noValue)
    }
    let left = relayTestEnd.map { max($0 - moment.monotonicNanoseconds, 0) / 1_000_000 } ?? 0
    guard milliseconds != CommandMessage.noValue else { return (.done, left) }
    guard Station.relayTestMilliseconds.contains(milliseconds) else { return (.outOfRange, left) }
    relayTestEnd = moment.monotonicNanoseconds + milliseconds * 1_000_000
    drive()
    return (.done, milliseconds)
  }

  private func setSiteTerm(_ tenThousandths: Int64) -> (CommandResult, Int64) {
    guard let estimator else { return (.impossible, CommandMessage.noValue) }
    var result = CommandResult.done
    if tenThousandths != CommandMessage.noValue {
      let value = Double(tenThousandths) / 10_000
      if value.magnitude <= SiteTerm.limit {
        estimator.pointee.siteTerm = SiteTerm(value)
      } else {
        result = .outOfRange
      }
    }
    return (result, Int64(Elementary.nearestInteger(estimator.pointee.siteTerm.value * 10_000)))
  }

  private mutating func setTriggerRatio(_ thousandths: Int64) -> (CommandResult, Int64) {
    var result = CommandResult.done
    if thousandths != CommandMessage.noValue {
      let ratio = Double(thousandths) / 1000
      if PickerSettings.triggerRatios.contains(ratio) && ratio > picker.releaseRatio {
        picker.triggerRatio = ratio
      } else {
        result = .outOfRange
      }
    }
    return (result, Int64(Elementary.nearestInteger(picker.triggerRatio * 1000)))
  }

  private mutating func setThreshold(
    _ parameter: CommandParameter, _ tenThousandths: Int64
  ) -> (CommandResult, Int64) {
    guard var thresholds = picker.thresholds() else { return (.impossible, CommandMessage.noValue) }
    var result = CommandResult.done
    func set(_ threshold: inout Double, in range: ClosedRange<Double>) -> Int64 {
      let value = Double(tenThousandths) / 10_000
      if tenThousandths != CommandMessage.noValue {
        if range.contains(value) { threshold = value } else { result = .outOfRange }
      }
      return Int64(Elementary.nearestInteger(threshold * 10_000))
    }
    let (ofPhase, ofDoubt) = (NetworkPickerSettings.probabilities, NetworkPickerSettings.doubts)
    let value =
      switch parameter {
      case .announceProbability: set(&thresholds.announceProbability, in: ofPhase)
      case .shearProbability: set(&thresholds.shearProbability, in: ofPhase)
      case .unseenProbability: set(&thresholds.unseenProbability, in: ofDoubt)
      case .announceUnseenProbability: set(&thresholds.announceUnseenProbability, in: ofDoubt)
      case .eventProbability: set(&thresholds.eventProbability, in: ofDoubt)
      default: set(&thresholds.confirmProbability, in: ofPhase)
      }
    picker.set(thresholds)
    return (result, value)
  }

  @discardableResult
  private mutating func send(
    _ answer: CommandMessage, address: UInt32, port: UInt16
  ) -> Datagram {
    send(.command, address: address, port: port, isKept: address == 0) {
      answer.write(to: &$0)
    }
  }
}
