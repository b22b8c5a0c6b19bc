// Commands: a signed datagram sets a threshold or asks for something. None is obeyed twice: its counter
// is above that of all before and is on disk before anything is done. Answers get lost, so the last
// command is answered again when it comes again.

import Board
import Core
import Digitizer
import Estimator
import Picker
import Uplink

/// A command that is to be obeyed as soon as its counter is stored, and who sent it.
struct PendingCommand {
  var message: CommandMessage
  var address: UInt32
  var port: UInt16
}

extension Station {
  /// The counter of a command that waits for `obey`; whoever feeds the station stores it first.
  public var counterToStore: UInt64? { pendingCommand?.message.counter }

  mutating func receive(
    _ command: CommandMessage, for code: Text<24>, address: UInt32, port: UInt16
  ) throws(DatagramError) {
    guard code.equals(settings.code), command.result == .none else { throw .notOurs }
    if let last = lastAnswer, last.counter == command.counter, last.id == command.id {
      if mayAnswer() { send(last, address: address, port: port) }
      return
    }
    guard command.counter > commandCounter, pendingCommand == nil else { throw .notOurs }
    pendingCommand = PendingCommand(message: command, address: address, port: port)
  }

  /// Carries out what waits, and answers. Without its counter on disk nothing is done: a later start
  /// would do it again.
  public mutating func obey(isCounterStored: Bool) {
    guard let pending = pendingCommand else { return }
    pendingCommand = nil
    var answer = pending.message
    commandCounter = answer.counter
    (answer.result, answer.value) =
      isCounterStored ? carryOut(pending.message) : (.impossible, CommandMessage.noValue)
    lastAnswer = answer
    send(answer, address: pending.address, port: pending.port)
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
    switch CommandParameter(rawValue: command.parameter) {
    case nil: return (.unknownParameter, nothing)
    case .health:
      return command.value == nothing || command.value == 0 ? (.done, 0) : (.outOfRange, nothing)
    case .relayTest: return testRelay(command.value)
    case .drill:
      guard command.value == nothing || (0...1).contains(command.value) else {
        return (.outOfRange, isDrill ? 1 : 0)
      }
      if command.value != nothing { isDrill = command.value == 1 }
      return (.done, isDrill ? 1 : 0)
    case .release:
      if let alert = decision.release(at: now) { send(alert) }
      return (.done, 0)
    case .triggerRatio: return setTriggerRatio(command.value)
    case .siteTerm: return setSiteTerm(command.value)
    case let parameter?: return setThreshold(parameter, command.value)
    }
  }

  /// For some milliseconds; nothing but the relay's own contacts is tested.
  private mutating func testRelay(_ milliseconds: Int64) -> (CommandResult, Int64) {
    guard host.relay == .fitted, !host.isInhibited else {
      return (.impossible, CommandMessage.noValue)
    }
    let left = relayTestEnd.map { max($0 - now, 0) / 1_000_000 } ?? 0
    guard milliseconds != CommandMessage.noValue else { return (.done, left) }
    guard (1...10_000).contains(milliseconds) else { return (.outOfRange, left) }
    relayTestEnd = now + milliseconds * 1_000_000
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

  private mutating func send(_ answer: CommandMessage, address: UInt32, port: UInt16) {
    send(.command, address: address, port: port) { answer.write(to: &$0) }
  }
}
