// A station and the machine around it, played: what it asks for is done, refused, or kept waiting.

import Core
import Digitizer
import Estimator
import StationFixture
import Tools
import Uplink

@testable import Station

/// By reference, so that an expectation can be about a call that changes it.
final class Machine {
  enum Disk { case takes, refuses, isSilent }

  private var station: Station
  private let arena: Arena
  /// What the lines say when they are driven.
  var lines = fittedLines() {
    didSet { station.note(.lines(lines)) }
  }
  var disk = Disk.takes
  /// The relay does what it is told; otherwise it is found to be faulty when it is driven.
  var relayObeys = true
  /// What was done, in order: "relay 1", "store latch 2", "alert alarm actuated", "command".
  private(set) var log: [String] = []
  private(set) var sent: [Datagram] = []
  /// What is to be on disk of what waits for the upstream.
  private(set) var kept: [OutboxRecord] = []
  private(set) var orders: [NetworkOrder] = []
  private(set) var keptKeys: [KeyOrder] = []
  /// The disk takes them at once.
  var keepsPieces = true
  /// What a silent disk was asked to store.
  private(set) var waiting: [StoredValue] = []
  private var counter: UInt64 = 0

  init(
    isCalibrated: Bool = true, _ change: (inout StationSettings) -> Void = { _ in }
  ) throws {
    var settings = stationSettings()
    if !isCalibrated { settings.conditioner.response = nil }
    change(&settings)
    var arena = try estimatingArena()
    station = estimatingStation(settings, in: &arena)
    self.arena = arena
    station.note(.lines(lines))
  }

  var wantsRelay: Bool { station.wantsRelay }
  var isAlarm: Bool { station.decision.isAlarm }
  var isDrill: Bool { station.isDrill }
  var now: Moment { station.moment }
  var health: HealthMessage { station.health() }
  /// The number of the next datagram that goes upstream.
  var sequence: UInt32 { station.sequence }

  func feed(_ frames: [Frame], firstFrame: Int64 = 0) {
    for index in stride(from: 0, to: frames.count, by: 4) {
      let end = min(index + 4, frames.count)
      let first = firstFrame + Int64(index)
      frames[index..<end].withUnsafeBufferPointer {
        station.process(
          Block(
            frames: $0, firstFrame: first, firstFrameTime: streamStart + first * 10_000_000,
            nanosecondsPerFrame: 1e7, clock: lockedClock()))
      }
      carryOut()
    }
  }

  func tick(_ moment: Moment, isDelivering: Bool = false) {
    pass(moment, isDelivering: isDelivering)
    carryOut()
  }

  /// Time passes, and nobody does what the station asks for.
  func pass(_ moment: Moment, isDelivering: Bool = false) {
    station.tick(moment, clock: lockedClock(), isDelivering: isDelivering)
  }

  /// A command with a new counter, from whoever may command.
  func receive(_ parameter: CommandParameter, _ value: Int64 = CommandMessage.noValue) {
    counter += 1
    var command = CommandMessage()
    (command.issuedMicroseconds, command.id) = (station.uptimeMicroseconds + counter, 7)
    (command.parameter, command.value) = (parameter.rawValue, value)
    signed(command).withBytes {
      station.receive($0, from: Address(ipv4: 0x7F00_0001, port: 4000))
    }
    carryOut()
  }

  func note(_ event: Event) { station.note(event) }

  func receive(_ datagram: Datagram) {
    datagram.withBytes { station.receive($0, from: Address(ipv4: 0x7F00_0001, port: 4000)) }
    carryOut()
  }

  func receive(_ bytes: UnsafeBufferPointer<UInt8>) {
    station.receive(bytes, from: Address(ipv4: 0x7F00_0001, port: 4000))
    carryOut()
  }

  /// Some peer's evidence counts.
  var hasVote: Bool { station.decision.voteCount(at: station.moment) > 0 }

  /// What was sent of a kind, the oldest first.
  func told<Message: Payload>(_ type: Message.Type = Message.self) throws -> [Message] {
    try sent.compactMap { try message($0) }
  }

  /// A silent disk speaks at last.
  func answer(isDone: Bool) {
    for value in waiting { station.note(.stored(value, isDone: isDone)) }
    waiting = []
    carryOut()
  }

  /// One action, and what became of it. False when none waits.
  @discardableResult
  func carryOutNext() -> Bool {
    guard let action = station.nextAction() else { return false }
    switch action {
    case .drive(let relay, let watchLamp):
      log.append("relay \(relay ? 1 : 0) lamp \(watchLamp ? 1 : 0)")
      if !relayObeys { lines.relay = .faulty } else { lines.isActuated = relay }
    case .store(let value, let number):
      log.append("store \(value) \(number)")
      switch disk {
      case .takes: station.note(.stored(value, isDone: true))
      case .refuses: station.note(.stored(value, isDone: false))
      case .isSilent: waiting.append(value)
      }
    case .send(let datagram):
      sent.append(datagram)
      log.append(name(datagram))
    case .keep(let record):
      kept.append(record)
      if disk != .isSilent { station.note(.stored(.outbox, isDone: disk == .takes)) }
    case .restart: log.append("restart")
    case .keepKey(let order):
      keptKeys.append(order)
      if disk != .isSilent { station.note(.keyKept(isDone: disk == .takes)) }
    case .network(let order):
      orders.append(order)
      log.append("network")
      if case .keep = order, keepsPieces { station.note(.networkKept(isDone: true)) }
    }
    return true
  }

  func carryOut() { while carryOutNext() {} }

  func forget() { (log, sent, orders) = ([], [], []) }

  private func name(_ datagram: Datagram) -> String {
    if let alert = (try? message(datagram, as: AlertMessage.self)) ?? nil {
      return "alert \(alert.level) \(alert.relay)"
    }
    if let answer = (try? message(datagram, as: AnswerMessage.self)) ?? nil {
      return "answer \(answer.command.result)"
    }
    return (try? open(datagram)).map { "\($0.type)" } ?? "damaged"
  }

  func alerts() throws -> [AlertMessage] { try sent.compactMap { try message($0) } }
}

/// So many seconds after the start of the stream, with a UTC that has stepped.
func after(_ seconds: Double, jumped: Double = 0) -> Moment {
  let start = moment(streamStart)
  let nanoseconds = Int64(seconds * 1e9)
  return Moment(
    monotonicNanoseconds: start.monotonicNanoseconds + nanoseconds,
    utc: start.utc + nanoseconds + Int64(jumped * 1e9))
}

/// A latched alarm that stood when the station stopped.
func standing(_ settings: inout StationSettings) {
  settings.alarm.isLatched = true
  settings.isAlarmStanding = true
}
