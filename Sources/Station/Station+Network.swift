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
  case examine(checksum: UInt32, byteCount: Int, number: UInt32)
  /// The next boot has it.
  case switchOver
  case accept
  /// What has come, and with it the shadow, which nobody steps any more.
  case forget
  /// The one that was accepted: the next boot has that of the station file.
  case forgetAccepted

  /// What becomes of it where nobody takes it.
  public var failure: Event {
    switch self {
    case .keep: .networkKept(isDone: false)
    case .examine(_, _, let number): .networkExamined(nil, checksum: 0, number: number)
    case .switchOver: .networkSwitched(isDone: false)
    case .accept: .networkAccepted(isDone: false)
    case .forget, .forgetAccepted: .networkForgotten(isDone: false)
    }
  }
}

public struct NetworkWrite {
  public let offset: Int
  public let count: Int
  public private(set) var bytes = InlineArray<232, UInt8>(repeating: 0)

  init(_ message: NetworkMessage) {
    offset = Int(message.piece.number) * NetworkMessage.dataByteCount
    count = min(NetworkMessage.dataByteCount, Int(message.piece.fileByteCount) - offset)
    for index in 0..<count { bytes[index] = message.data[index] }
  }
}

/// The network that is on its way, and its trial.
struct NetworkTrial {
  var arrival: NetworkArrival?
  /// Pieces that are not on disk yet.
  var underway = 0
  /// That of the examination under way; outcomes of another are none of this one's.
  var number: UInt32 = 0
  var isExamined = false
  var shadow: UnsafeMutablePointer<Picker>?
  /// The shadow has heard its first sample.
  var hasBegun = false
  /// CRC-32C of the shadow's file.
  var checksum: UInt32 = 0
  var comparison = PickComparison()
  var shadowBegin: Int64 = 0
  var switchAt: Int64?
  var progress = Progress.none
  var nextReport: Int64 = 0

  /// How far a switch is, or the first boot after it.
  enum Progress { case none, ordered, waiting, settled }

  /// Everything but how many examinations there were.
  mutating func clear() {
    let last = number
    self = NetworkTrial()
    number = last
  }
}

extension Station {
  /// A week: longer than any swarm.
  public static var shadowSeconds: ClosedRange<Int64> { 0...604_800 }
  /// A second's.
  public static var piecesUnderway: Int { NetworkMessage.piecesPerSecond }
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
    outcome.issuedMicroseconds = piece.begunMicroseconds
    outcome.id = UInt32(piece.number)
    outcome.parameter = CommandParameter.network.rawValue
    guard let (result, value) = take(message) else { return }
    (outcome.result, outcome.value) = (result, value)
    answer(.answer, to: asker) { AnswerMessage(outcome).write(to: &$0) }
  }

  /// The value: the first piece that is missing. nil: it is to come again.
  private mutating func take(_ message: NetworkMessage) -> (CommandResult, Int64)? {
    let piece = message.piece
    guard var arrival = arrival(of: piece) else { return (.impossible, CommandMessage.noValue) }
    if !arrival.has(piece.number) {
      guard trial.underway < Station.piecesUnderway else { return nil }
      trial.underway += 1
      actions.put(.network(.keep(NetworkWrite(message))), rank: Station.networkRank)
      arrival.note(piece.number)
    }
    trial.arrival = arrival
    examineIfWhole()
    return (.done, Int64(arrival.firstMissing))
  }

  /// A recorded piece begins nothing: what comes is newer than all before.
  private mutating func arrival(of piece: NetworkPiece) -> NetworkArrival? {
    guard settings.takesNetworks else { return nil }
    if let arrival = trial.arrival, arrival.isOf(piece) { return arrival }
    guard !isBusyWithNetwork, piece.begunMicroseconds > lastNetwork,
      piece.begunMicroseconds <= uptimeMicroseconds + Station.commandLeadMicroseconds
    else { return nil }
    lastNetwork = piece.begunMicroseconds
    return NetworkArrival(piece)
  }

  private mutating func examineIfWhole() {
    guard let arrival = trial.arrival, arrival.isWhole, trial.underway == 0, !trial.isExamined,
      trial.shadow == nil
    else { return }
    trial.isExamined = true
    trial.number &+= 1
    actions.put(
      .network(
        .examine(
          checksum: arrival.checksum, byteCount: Int(arrival.fileByteCount),
          number: trial.number)), rank: Station.networkRank)
  }

  mutating func noteKept(isDone: Bool) {
    trial.underway = max(trial.underway - 1, 0)
    // A file with a hole is none: all of it comes again.
    if !isDone { trial.arrival = nil }
    examineIfWhole()
  }

  private var isBusyWithNetwork: Bool {
    trial.isExamined || trial.shadow != nil || trial.underway > 0 || isOnTrial
  }

  private var isOnTrial: Bool { settings.networkStart == .trial && trial.progress != .settled }

  // MARK: Commands

  /// For how long it runs in the shadow before the station starts anew with it; −1 forgets it, −2
  /// the one that was accepted.
  mutating func setNetwork(_ seconds: Int64) -> (CommandResult, Int64) {
    guard settings.takesNetworks, trial.progress != .ordered, trial.progress != .waiting,
      !isOnTrial
    else { return (.impossible, CommandMessage.noValue) }
    let now = moment.monotonicNanoseconds
    switch seconds {
    case CommandMessage.noValue: break
    case -2: actions.put(.network(.forgetAccepted), rank: Station.networkRank)
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
    trial.clear()
    actions.put(.network(.forget), rank: Station.networkRank)
  }

  // MARK: The shadow

  /// nil: it was refused.
  mutating func noteExamined(
    _ shadow: UnsafeMutablePointer<Picker>?, checksum: UInt32, number: UInt32
  ) {
    guard trial.isExamined, number == trial.number else { return }
    let arrival = trial.arrival
    trial.clear()
    trial.checksum = checksum
    // The answer to its last piece may have been lost.
    if shadow != nil { trial.arrival = arrival }
    trial.shadow = shadow
    trial.shadowBegin = moment.monotonicNanoseconds
    report(shadow == nil ? .refused : .shadow)
  }

  mutating func step(_ shadow: UnsafeMutablePointer<Picker>, _ sample: Sample) {
    var sample = sample
    // It hears the stream from here on.
    if !trial.hasBegun { sample.isRestart = true }
    trial.hasBegun = true
    shadow.pointee.step(sample)
    while let found = shadow.pointee.next() {
      if case .pick(let pick) = found, isComparing { trial.comparison.add(pick, isShadow: true) }
    }
  }

  /// Both have settled on what they hear.
  var isComparing: Bool { isLive && trial.shadow.map { $0.pointee.isLive } ?? false }

  mutating func passTrial() {
    if settings.networkStart == .trial { return passFirstBoot() }
    guard let shadow = trial.shadow else { return }
    trial.comparison.pass(now)
    let now = moment.monotonicNanoseconds
    if now >= trial.nextReport && trial.progress == .none { report(.shadow) }
    guard isQuiet else { return }
    switch trial.progress {
    case .none:
      guard let end = trial.switchAt, now >= end, shadow.pointee.isLive else { return }
      trial.progress = .ordered
      actions.put(.network(.switchOver), rank: Station.networkRank)
    case .waiting:
      trial.progress = .settled
      actions.put(.restart, rank: MessageType.health.rank)
    case .ordered, .settled: break
    }
  }

  /// Nothing happens, and nobody waits for anything.
  private var isQuiet: Bool {
    !decision.hasAlert && !isDrill && relayTestEnd == nil
      && eventEnd.map { moment.monotonicNanoseconds > $0 } ?? true
  }

  mutating func noteSwitched(isDone: Bool) {
    guard trial.progress == .ordered else { return }
    trial.progress = isDone ? .waiting : .none
    // The disk may have taken seconds: the new start waits for a quiet moment of its own.
    if !isDone { trial.switchAt = nil }
    report(isDone ? .switched : .refused)
  }

  // MARK: The first boot with it

  private mutating func passFirstBoot() {
    guard trial.progress == .none else { return }
    if isLive && isHeardInThisBoot {
      trial.progress = .ordered
      actions.put(.network(.accept), rank: Station.networkRank)
    } else if uptimeMicroseconds > UInt64(Station.trialNanoseconds / 1000), isQuiet {
      trial.progress = .settled
      actions.put(.restart, rank: MessageType.health.rank)
    }
  }

  /// Where the disk does not take it, it is ordered again until the trial's time is over.
  mutating func noteAccepted(isDone: Bool) {
    guard trial.progress == .ordered else { return }
    trial.progress = isDone ? .settled : .none
    if isDone { report(.accepted) }
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
