// Commands: an operator's signed datagram sets a threshold or asks for something.
//
// A command that somebody recorded must not be obeyed again: not after a restart, not by a station
// that lost its disk, not by one whose clock is wrong. A counter on disk needs a disk, and a time of
// expiry needs a clock.
//
// So every start draws a number, which a pong tells. A command has that number and the time since
// that start, by the station's own monotonic clock, at which it was given. It is obeyed in that
// boot alone, if it is newer than the operator's last, not from the future, and its life is not
// over. Answers get lost, so the last command is answered again when the same bytes come again.
// What became of it is told upstream too, with the name of the operator's key.

import Clock
import Core
import Decision
import Estimator
import Picker
import Uplink

/// So many tests of the relay in any hour: each moves what is wired to it.
struct RelayTests {
  /// When the last of them were, in turn.
  private var times = InlineArray<12, Int64>(repeating: .min)
  private var next = 0

  mutating func take(at now: Moment) -> Bool {
    let hour = 3600 * nanosecondsPerSecond
    guard times[next] == .min || now.monotonicNanoseconds - times[next] >= hour else {
      return false
    }
    times[next] = now.monotonicNanoseconds
    next = (next + 1) % Station.relayTestsPerHour
    return true
  }
}

extension CommandParameter {
  /// Its place in health's mask of what differs from the station file.
  var bit: UInt16 { 1 << (rawValue - 1) }

  /// Parameters that hold until the next start.
  var isSetting: Bool {
    switch self {
    case .relayTest, .health, .release, .siteTerm, .restart, .instrument, .peaks, .network,
      .uplinkKey:
      false
    default: true
    }
  }

  /// What whoever sets it must be allowed.
  var right: Rights {
    switch self {
    case .relayTest, .drill, .release: .relay
    case .restart, .network, .uplinkKey: .update
    case .health, .instrument, .peaks: .watch
    default: .tune
    }
  }
}

extension Station {
  /// Long enough to hear it, too short to keep what it drives from its work.
  public static var relayTestMilliseconds: ClosedRange<Int64> { 1...10_000 }
  public static var relayTestsPerHour: Int { 12 }
  /// Seldom enough for a satellite link, and often enough for a station to be missed the same day.
  public static var healthIntervals: ClosedRange<Int64> { 1...3600 }
  /// The sender counts from the pong's arrival, which was later than its leaving.
  static var commandLeadMicroseconds: UInt64 { 1_000_000 }

  mutating func receive(
    _ ping: PingMessage, _ header: Header, from asker: Address
  ) throws(DatagramError) {
    guard let place = settings.operators.place(of: ping.asker),
      settings.operators[place].rights.contains(.watch)
    else { throw .notOurs }
    accepted &+= 1
    gate.note(pingOf: place, header.emitted, utc: knownTime)
    var pong = PongMessage()
    (pong.nonce, pong.bootNonce) = (ping.nonce, settings.bootNonce)
    (pong.uptimeMicroseconds, pong.health) = (uptimeMicroseconds, health())
    pong.exchange = settings.exchange.publicKey
    answer(.pong, to: asker) { pong.write(to: &$0) }
  }

  mutating func receive(
    _ datagram: OpenedDatagram, _ command: CommandMessage,
    key: UnsafeBufferPointer<UInt8>? = nil, from asker: Address
  ) throws(DatagramError) {
    // One from the future would lock out what its operator says until then.
    guard command.result == .none, let place = settings.operators.place(of: command.giver),
      command.issuedMicroseconds <= uptimeMicroseconds + Station.commandLeadMicroseconds
    else { throw .notOurs }
    accepted &+= 1
    gate.note(command, of: place, sealedBy: datagram.sealed.seal)
    var outcome = command
    (outcome.result, outcome.value) = carryOut(
      command, key: key, settings.operators[place].rights)
    lastAnswer = answer(.answer, to: asker) { AnswerMessage(outcome).write(to: &$0) }
    send(.audit, isKept: true) { AuditMessage(outcome).write(to: &$0) }
    guard outcome.result == .done else { return }
    switch CommandParameter(rawValue: command.parameter) {
    case .health: reportHealth()
    case .instrument: reportInstrument()
    case .restart where command.value == 1: actions.put(.restart, rank: MessageType.health.rank)
    default: break
    }
  }

  mutating func answerAgain(_ asker: Address) {
    lastAnswer.destination = .asker(asker)
    actions.put(.send(lastAnswer), rank: MessageType.answer.rank)
  }

  /// What came of it, and what now holds.
  private mutating func carryOut(
    _ command: CommandMessage, key: UnsafeBufferPointer<UInt8>?, _ rights: Rights
  ) -> (CommandResult, Int64) {
    let nothing = CommandMessage.noValue
    let end = command.issuedMicroseconds + UInt64(command.lifeMilliseconds) * 1000
    guard uptimeMicroseconds <= end else { return (.expired, nothing) }
    guard let parameter = CommandParameter(rawValue: command.parameter) else {
      return (.unknownParameter, nothing)
    }
    // A release sets something without a value.
    let isAsking = command.value == nothing && parameter != .release
    guard rights.contains(isAsking ? .watch : parameter.right) else {
      return (.notPermitted, nothing)
    }
    if parameter == .uplinkKey { return setKey(command, key) }
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
    case .instrument where settings.instrument == nil: return (.impossible, nothing)
    case .health, .instrument:
      return value == nothing || value == 0 ? (.done, 0) : (.outOfRange, nothing)
    case .relayTest: return testRelay(value)
    case .drill: return drill(value)
    case .release:
      if let alert = decision.release(at: moment) { tell(alert) }
      return (.done, 0)
    case .triggerRatio: return setTriggerRatio(value)
    case .siteTerm: return setSiteTerm(value)
    case .restart: return restart(value)
    case .healthInterval: return setHealthInterval(value)
    case .peaks: return setPeaks(value)
    case .network: return setNetwork(value)
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
    guard relayTests.take(at: moment) else { return (.tooOften, left) }
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

  /// Not while anybody waits for an alert to end: a restart would end it.
  private mutating func restart(_ value: Int64) -> (CommandResult, Int64) {
    guard value == 1 || value == CommandMessage.noValue else { return (.outOfRange, 0) }
    return value == 1 && decision.hasAlert ? (.impossible, 0) : (.done, 0)
  }

  private mutating func setHealthInterval(_ seconds: Int64) -> (CommandResult, Int64) {
    var result = CommandResult.done
    if seconds != CommandMessage.noValue {
      if Station.healthIntervals.contains(seconds) {
        reporting.intervalSeconds = seconds
      } else {
        result = .outOfRange
      }
    }
    return (result, reporting.intervalSeconds)
  }
}
