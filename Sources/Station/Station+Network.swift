// Another network, over the air.
//
// A station is visited once a year, and pickers get better. To overwrite a file and start anew is to
// hope: a network that was cut short, that this processor computes wrongly or that hears nothing
// here leaves a mountain deaf.
//
// So the file comes in pieces that its operator signs, is checked as a whole, and first runs beside
// the live one, on the same samples; what they disagree on is told. Then, when nothing happens, the
// station starts anew with it, once. It stays when picks can come and the upstream has acknowledged
// something; otherwise the next start has the network before it.
//
//   piece      a part of the file
//   shadow     the picker that nobody obeys
//   trial      the first boot with it

import Conditioning
import Core
import Decision
import Picker
import Uplink

/// What of a network is to be on disk, and what becomes of it there.
public enum NetworkOrder {
  case keep(NetworkWrite)
  /// All of it has come: is it what it should be? Then it goes into the shadow.
  case examine(checksum: UInt32, byteCount: Int)
  /// The next boot has it.
  case switchOver
  case accept
  /// Also one that was accepted: the next boot has that of the station file.
  case forget
}

public struct NetworkWrite {
  public let offset: Int
  public let count: Int
  public private(set) var bytes = InlineArray<240, UInt8>(repeating: 0)

  init(_ message: NetworkMessage) {
    offset = Int(message.piece.number) * NetworkMessage.dataByteCount
    count = min(NetworkMessage.dataByteCount, Int(message.piece.fileByteCount) - offset)
    for index in 0..<count { bytes[index] = message.data[index] }
  }
}

/// The network that is on its way, and its trial.
struct NetworkTrial {
  var arrival: NetworkArrival?
  /// It is being looked at.
  var isExamined = false
  var shadow: UnsafeMutablePointer<Picker>?
  /// Of the shadow's file.
  var checksum: UInt32 = 0
  var comparison = PickComparison()
  var shadowBegin: Int64 = 0
  var switchAt: Int64?
  var isSwitching = false
  var isSettled = false
  var nextReport: Int64 = 0
}

extension Station {
  /// A week: longer than any swarm.
  public static var shadowSeconds: ClosedRange<Int64> { -1...604_800 }
  /// The upstream acknowledges health, which comes at least every hour.
  private static var trialNanoseconds: Int64 { 3900 * nanosecondsPerSecond }
  private static var reportNanoseconds: Int64 { 3600 * nanosecondsPerSecond }
  static var trialSubject: UInt32 { .max - 1 }
  private static var networkRank: UInt8 { 6 }

  // MARK: Pieces

  mutating func receive(
    _ message: NetworkMessage, from asker: Address
  ) throws(DatagramError) {
    let piece = message.piece
    guard let place = settings.operators.place(of: piece.giver),
      settings.operators[place].rights.contains(.update)
    else { throw .notOurs }
    accepted &+= 1
    var outcome = CommandMessage()
    outcome.giver = piece.giver
    outcome.bootNonce = piece.bootNonce
    outcome.issuedMicroseconds = UInt64(piece.checksum)
    outcome.id = UInt32(piece.number)
    outcome.parameter = CommandParameter.network.rawValue
    (outcome.result, outcome.value) = take(message)
    answer(.answer, to: asker) { AnswerMessage(outcome).write(to: &$0) }
  }

  /// The value: the first piece that is missing.
  private mutating func take(_ message: NetworkMessage) -> (CommandResult, Int64) {
    let piece = message.piece
    guard settings.takesNetworks, !isBusyWithNetwork || trial.arrival?.isOf(piece) == true else {
      return (.impossible, CommandMessage.noValue)
    }
    var arrival = trial.arrival ?? NetworkArrival(piece)
    if !arrival.isOf(piece) { arrival = NetworkArrival(piece) }
    if !arrival.has(piece.number) {
      actions.put(.network(.keep(NetworkWrite(message))), rank: Station.networkRank)
      arrival.note(piece.number)
      if arrival.isWhole {
        trial.isExamined = true
        actions.put(
          .network(
            .examine(checksum: piece.checksum, byteCount: Int(piece.fileByteCount))),
          rank: Station.networkRank)
      }
    }
    trial.arrival = arrival
    return (.done, Int64(arrival.firstMissing))
  }

  private var isBusyWithNetwork: Bool {
    trial.isExamined || trial.shadow != nil || trial.isSwitching || isOnTrial
  }

  private var isOnTrial: Bool { settings.networkStart == .trial && !trial.isSettled }

  // MARK: Commands

  /// For how long it runs in the shadow before the station starts anew with it; −1 forgets it.
  mutating func setNetwork(_ seconds: Int64) -> (CommandResult, Int64) {
    guard settings.takesNetworks, !trial.isSwitching, !isOnTrial else {
      return (.impossible, CommandMessage.noValue)
    }
    let now = moment.monotonicNanoseconds
    switch seconds {
    case CommandMessage.noValue: break
    case -1: forgetNetwork()
    case Station.shadowSeconds:
      guard trial.shadow != nil else { return (.impossible, CommandMessage.noValue) }
      trial.switchAt = now + seconds * nanosecondsPerSecond
    default: return (.outOfRange, CommandMessage.noValue)
    }
    let left = trial.switchAt.map { max($0 - now, 0) / nanosecondsPerSecond }
    return (.done, left ?? CommandMessage.noValue)
  }

  private mutating func forgetNetwork() {
    if trial.shadow != nil { report(.forgotten) }
    trial = NetworkTrial()
    actions.put(.network(.forget), rank: Station.networkRank)
  }

  // MARK: The shadow

  /// nil: it was refused.
  mutating func noteExamined(_ shadow: UnsafeMutablePointer<Picker>?, checksum: UInt32) {
    guard trial.isExamined else { return }
    let arrival = trial.arrival
    trial = NetworkTrial()
    trial.checksum = checksum
    // The answer to its last piece may have been lost.
    if shadow != nil { trial.arrival = arrival }
    trial.shadow = shadow
    trial.shadowBegin = moment.monotonicNanoseconds
    report(shadow == nil ? .refused : .shadow)
  }

  mutating func step(_ shadow: UnsafeMutablePointer<Picker>, _ sample: Sample) {
    shadow.pointee.step(sample)
    while let found = shadow.pointee.next() {
      if case .pick(let pick) = found { trial.comparison.add(pick, isShadow: true) }
    }
  }

  mutating func passTrial() {
    if settings.networkStart == .trial { return passFirstBoot() }
    guard trial.shadow != nil, !trial.isSwitching else { return }
    trial.comparison.pass(now)
    let now = moment.monotonicNanoseconds
    if now >= trial.nextReport { report(.shadow) }
    guard let end = trial.switchAt, now >= end, isQuiet else { return }
    trial.isSwitching = true
    actions.put(.network(.switchOver), rank: Station.networkRank)
  }

  /// Nothing happens, and nobody waits for anything.
  private var isQuiet: Bool {
    !decision.hasAlert && !isDrill && relayTestEnd == nil
      && eventEnd.map { moment.monotonicNanoseconds > $0 } ?? true
  }

  mutating func noteSwitched(isDone: Bool) {
    guard trial.isSwitching else { return }
    trial.isSwitching = false
    guard isDone else {
      trial.switchAt = nil
      return report(.refused)
    }
    report(.switched)
    actions.put(.restart, rank: MessageType.health.rank)
  }

  // MARK: The first boot with it

  private mutating func passFirstBoot() {
    guard !trial.isSettled else { return }
    if isLive && (outbox.isHeard(0) || outbox.isHeard(1)) {
      trial.isSettled = true
      actions.put(.network(.accept), rank: Station.networkRank)
      report(.accepted)
    } else if uptimeMicroseconds > UInt64(Station.trialNanoseconds / 1000), isQuiet {
      trial.isSettled = true
      actions.put(.restart, rank: MessageType.health.rank)
    }
  }

  mutating func report(_ state: TrialMessage.State) {
    let now = moment.monotonicNanoseconds
    trial.nextReport = now + Station.reportNanoseconds
    var message = TrialMessage()
    message.state = state
    message.checksum = trial.checksum
    message.liveChecksum = settings.instrument?.pickerChecksum ?? 0
    if trial.shadow != nil {
      message.seconds = UInt32(clamping: (now - trial.shadowBegin) / nanosecondsPerSecond)
    }
    message.both = trial.comparison.both
    message.liveOnly = trial.comparison.liveOnly
    message.shadowOnly = trial.comparison.shadowOnly
    message.largestMicroseconds = UInt32(clamping: trial.comparison.largest / 1000)
    send(.trial, isKept: true, about: Station.trialSubject) { message.write(to: &$0) }
  }
}
