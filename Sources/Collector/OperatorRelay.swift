// OperatorRelay: operators reach stations that nobody can reach from outside.
//
// A station behind a carrier's network address translation sends to its collector, and only what
// comes back on that way reaches it. To open a port for each station is somebody else's decision;
// to give operators' keys to the collector would make the collector an operator.
//
// So the collector passes on, byte for byte, what an operator has signed, to where the station was
// heard last, and what the station has signed as its answer, to where the question came from. It
// can neither ask nor change anything: the station checks the operator's signature, and the
// operator the station's.
//
//     let relay = OperatorRelay(operators: keys) { send($0, $1) }
//     relay.note(header, heardFrom: sender)
//     try relay.pass(datagram, stationKeys: keys, at: now, from: sender)

import Core
import Uplink

public final class OperatorRelay {
  /// For so long an answer is waited for.
  private static let patienceNanoseconds: Int64 = 10_000_000_000
  private static let waitingMaximum = 4096
  /// A signature takes a hundred times as long to check as a tag, and stations are to be heard.
  private static let signaturesPerSecond = 200
  /// A station looks at no more, and its link may be metered.
  private static let questionsPerSecond = 20
  /// Two networks at once, as fast as stations take them. They keep nobody from asking.
  private static let piecesPerSecond = 2 * NetworkMessage.piecesPerSecond

  /// Where a station is, and which of its datagrams said so.
  private struct Route {
    let place: Place
    let sender: Sender
  }

  /// What ties an answer to its question.
  private struct Question: Hashable {
    let station: String
    let number: UInt64
    let id: UInt32
  }

  private let operators: [UInt64: PublicKey]
  private let send: (Datagram, Sender) -> Void
  private var routes: [String: Route] = [:]
  private var second: Int64 = 0
  private var signatures = 0
  private var questions: [String: Int] = [:]
  private var pieces = 0
  private var waiting: [Question: (asker: Sender, until: Int64)] = [:]

  public init(operators: [PublicKey], send: @escaping (Datagram, Sender) -> Void) {
    self.operators = Dictionary(operators.map { ($0.name, $0) }) { first, _ in first }
    self.send = send
  }

  /// A datagram that had not come before. A recorded one, which somebody sends again from
  /// elsewhere, moves no station.
  func note(_ header: Header, heardFrom sender: Sender) {
    let place = Place(header)
    if let known = routes[place.origin.station], place.isOlder(than: known.place) { return }
    routes[place.origin.station] = Route(place: place, sender: sender)
  }

  /// `stationKeys`: those of the station that is named in it.
  func pass(
    _ datagram: OpenedDatagram, stationKeys: [Key], at now: UTC, from sender: Sender
  ) throws {
    let station = datagram.header.station.string
    switch datagram.header.type {
    case .ping:
      let ping = try PingMessage(datagram.payload)
      let question = Question(station: station, number: ping.nonce, id: 0)
      try ask(question, datagram, of: ping.asker, now, sender)
    case .command: try ask(CommandMessage(datagram.payload), datagram, now, sender)
    case .key: try ask(KeyMessage(datagram.payload).command, datagram, now, sender)
    case .network:
      let piece = try NetworkMessage(datagram.payload).piece
      let question = Question(
        station: station, number: piece.begunMicroseconds, id: UInt32(piece.number))
      try ask(question, datagram, of: piece.giver, now, sender)
    case .pong:
      let pong = try PongMessage(datagram.payload)
      let question = Question(station: station, number: pong.nonce, id: 0)
      try answer(question, datagram, stationKeys, now)
    case .answer:
      let command = try AnswerMessage(datagram.payload).command
      let question = Question(
        station: station, number: command.issuedMicroseconds, id: command.id)
      try answer(question, datagram, stationKeys, now)
    default: throw Refusal.notForUs
    }
  }

  private func ask(
    _ command: CommandMessage, _ datagram: OpenedDatagram, _ now: UTC, _ sender: Sender
  ) throws {
    let question = Question(
      station: datagram.header.station.string, number: command.issuedMicroseconds, id: command.id)
    try ask(question, datagram, of: command.giver, now, sender)
  }

  private func ask(
    _ question: Question, _ datagram: OpenedDatagram, of name: UInt64, _ now: UTC, _ sender: Sender
  ) throws {
    guard let key = operators[name] else { throw Refusal.noOperator }
    guard let route = routes[question.station] else { throw Refusal.notHeard }
    try spend(on: question.station, isPiece: datagram.header.type == .network, at: now)
    guard datagram.sealed.isSigned(by: key) else { throw DatagramError.wrongTag }
    // Whoever repeats a question from elsewhere does not get its answer.
    if let first = waiting[question], first.until > now.nanoseconds, first.asker != sender {
      throw Refusal.notAsked
    }
    if waiting.count >= Self.waitingMaximum {
      waiting = waiting.filter { $0.value.until > now.nanoseconds }
      guard waiting.count < Self.waitingMaximum else { throw Refusal.tooMany }
    }
    waiting[question] = (sender, now.nanoseconds + Self.patienceNanoseconds)
    passOn(datagram, to: route.sender)
  }

  private func spend(on station: String, isPiece: Bool, at now: UTC) throws {
    let thisSecond = floorQuotient(now.nanoseconds, nanosecondsPerSecond)
    if thisSecond != second {
      (second, signatures, questions, pieces) = (thisSecond, 0, [:], 0)
    }
    if isPiece {
      guard pieces < Self.piecesPerSecond else { throw Refusal.tooMany }
      pieces += 1
    } else {
      guard questions[station, default: 0] < Self.questionsPerSecond,
        signatures < Self.signaturesPerSecond
      else { throw Refusal.tooMany }
      questions[station, default: 0] += 1
      signatures += 1
    }
  }

  private func answer(
    _ question: Question, _ datagram: OpenedDatagram, _ keys: [Key], _ now: UTC
  ) throws {
    guard let (asker, until) = waiting[question], until > now.nanoseconds else {
      throw Refusal.notAsked
    }
    guard
      keys.contains(where: { datagram.sealed.isSigned(by: SigningKey(ofStation: $0).publicKey) })
    else { throw DatagramError.wrongTag }
    waiting[question] = nil
    passOn(datagram, to: asker)
  }

  private func passOn(_ datagram: OpenedDatagram, to receiver: Sender) {
    let bytes = UnsafeBufferPointer(
      start: datagram.sealed.message.baseAddress,
      count: datagram.sealed.message.count + datagram.sealed.seal.count)
    guard let copy = Datagram(bytes: bytes) else { return }
    send(copy, receiver)
  }
}
