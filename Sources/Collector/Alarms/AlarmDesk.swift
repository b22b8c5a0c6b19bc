// AlarmDesk: every receiver with its watch: what stations tell becomes alarms that go out.
//
// An alert goes through here when it comes, before it is stored and whether or not it can be. What
// the store has of the last minutes is read at the start, so that a collector that takes another's
// place goes on with its alarms.
//
//     let desk = try AlarmDesk(settings, name: "room-6464", link: link) { complain($0) }
//     desk.note(opened, received: now)
//     desk.pass(at: now)

import CSodium
import Core
import Devices
import Foundation
import Synchronization
import Tools
import Uplink

public final class AlarmDesk: Sendable {
  private static let endSeconds = 2.0
  /// What is older was told, or is of no more use.
  private static let restoredNanoseconds = 3600 * nanosecondsPerSecond

  private struct Desk {
    let receiver: AlarmReceiver
    /// It was there before this start: what it has missed it is told.
    let isKnown: Bool
    var watch: AlarmWatch
  }
  private struct State {
    var desks: [Desk] = []
    var places: AlarmForms.Places = [:]
  }
  private let state: Mutex<State>

  /// nil where nobody is to be told. The store has its tables.
  public init?(
    _ settings: CollectorSettings, name: String, passing: PassingOn?,
    complain: @escaping @Sendable (String) -> Void
  ) throws {
    guard let folder = settings.receivers else { return nil }
    let uptime: @Sendable () -> Int64 = { MachineClock().monotonicNanoseconds() }
    let desks = try ReceiverFile.all(in: folder).map { file in
      let ledger = AlarmLedger(settings.database, collector: name, uptime: uptime)
      let receiver = AlarmReceiver(
        file, ledger: ledger, now: { MachineClock().systemClock().realtime }, uptime: uptime,
        complain: complain, deliver: try AlarmDesk.delivery(file, passing?.link))
      return Desk(
        receiver: receiver, isKnown: ledger.register(file.name), watch: AlarmWatch(file.rule))
    }
    state = Mutex(State(desks: desks))
    try restore(from: settings.database)
  }

  /// What stood when this collector started. Steps that another one has told are in its ledger.
  private func restore(from location: String) throws {
    let store = try Store(location, patienceMilliseconds: 5000)
    for one in try store.newestInstruments() { place(one.header, one.message) }
    let since = MachineClock().systemClock().realtime + -AlarmDesk.restoredNanoseconds
    let alerts = try store.newestAlerts().reversed()
    // What is older stands no more, and says which of a station's alerts is its newest.
    for one in alerts where one.received < since {
      take(isSilent: true) { $0.note(one.header, one.message, at: one.received) }
    }
    var told: [(at: UTC, note: (inout AlarmWatch) -> [AlarmStep])] = []
    for one in alerts where one.received >= since {
      told.append((one.received, { $0.note(one.header, one.message, at: one.received) }))
    }
    for one in try store.estimates(since: since) {
      told.append((one.received, { $0.note(one.header, one.message, at: one.received) }))
    }
    for (at, note) in told.sorted(by: { $0.at < $1.at }) {
      take(isRestored: true) { $0.pass(at: at) + note(&$0) }
    }
  }

  // MARK: What comes

  public func note(_ opened: OpenedDatagram, received now: UTC) {
    switch opened.header.type {
    case .alert:
      guard let alert = try? AlertMessage(opened.payload) else { return }
      take { $0.note(opened.header, alert, at: now) }
    case .estimate:
      guard let estimate = try? EstimateMessage(opened.payload) else { return }
      take { $0.note(opened.header, estimate, at: now) }
    case .instrument:
      if let instrument = try? InstrumentMessage(opened.payload) {
        place(opened.header, instrument)
      }
    case .health:
      guard let health = try? HealthMessage(opened.payload) else { return }
      take { $0.note(opened.header, health, at: now) }
    default: break
    }
  }

  public func pass(at now: UTC) { take { $0.pass(at: now) } }

  public func end() {
    let receivers = state.withLock { $0.desks.map(\.receiver) }
    receivers.forEach { $0.stop() }
    let late = Date(timeIntervalSinceNow: AlarmDesk.endSeconds)
    receivers.forEach { $0.end(by: late) }
  }

  /// A JSON object a receiver, for the collector's report.
  public var report: String {
    let all = state.withLock { state in
      state.desks.map { ($0.receiver, $0.watch.isRaised, $0.watch.staleCount) }
    }
    return "["
      + all.map { receiver, isRaised, staleCount in
        let counts = receiver.summary
        return JsonLine.object([
          ("receiver", JsonLine.quoted(receiver.name)), ("raised", "\(isRaised)"),
          ("told", "\(counts.told)"), ("failures", "\(counts.failures)"),
          ("given_up", "\(counts.givenUp)"), ("waiting", "\(counts.waiting)"),
          ("stale", "\(staleCount)"),
        ])
      }.joined(separator: ",") + "]"
  }

  /// `isRestored`: from the store; `isSilent`: from the store, and too old to be told of.
  private func take(
    isRestored: Bool = false, isSilent: Bool = false, _ body: (inout AlarmWatch) -> [AlarmStep]
  ) {
    state.withLock { state in
      for index in state.desks.indices {
        for step in body(&state.desks[index].watch) {
          guard !isSilent, !isRestored || state.desks[index].isKnown else { continue }
          let codes = Set(step.parts.map(\.station))
          state.desks[index].receiver.tell(
            step, places: state.places.filter { codes.contains($0.key) })
        }
      }
    }
  }

  private func place(_ header: Header, _ instrument: InstrumentMessage) {
    guard instrument.latitude != InstrumentMessage.unknownPlace,
      instrument.longitude != InstrumentMessage.unknownPlace
    else { return }
    state.withLock {
      $0.places[header.station.string] = (
        Double(instrument.latitude) * 1e-7, Double(instrument.longitude) * 1e-7
      )
    }
  }

  // MARK: What goes out

  static func delivery(
    _ file: ReceiverFile, _ link: MqttLink?
  ) throws -> (AlarmReceiver.Delivery) throws -> Void {
    let client = HttpClient()
    func post(_ body: String, _ headers: [String]) throws {
      let answer = try client.ask("POST", file.url, headers: headers, body: Array(body.utf8))
      guard answer.isTaken else {
        throw ToolError("it answers \(answer.status): \(answer.text.prefix(200))")
      }
    }
    switch file.kind {
    case .webhook:
      let secret = try secret(file.secretPath ?? "")
      return { delivery in
        let body = AlarmForms.json(delivery.step, receiver: file.name, places: delivery.places)
        let second = MachineClock().systemClock().realtime.nanoseconds / nanosecondsPerSecond
        let seal = signature("\(second).\(body)", secret)
        try post(
          body,
          [
            "Content-Type: application/json", "Onset-Signature: t=\(second),v1=\(seal)",
            "Idempotency-Key: \(AlarmForms.name(delivery.step, receiver: file.name))",
          ])
      }
    case .cap:
      return {
        try post(
          AlarmForms.cap($0.step, receiver: file.name, sender: file.sender, places: $0.places),
          ["Content-Type: application/cap+xml"])
      }
    case .alertmanager:
      return {
        try post(
          AlarmForms.alertmanager($0.step, receiver: file.name), ["Content-Type: application/json"])
      }
    case .mqtt:
      guard let link else {
        throw ToolError("the receiver \(file.name) is told over MQTT: name the brokers with --mqtt")
      }
      return { delivery in
        let body = AlarmForms.json(delivery.step, receiver: file.name, places: delivery.places)
        guard
          let mark = link.publish(
            "onset/alarm/\(file.name)", body, isRetained: !delivery.isCheck),
          link.wait(for: [mark], seconds: 10).contains(mark)
        else { throw ToolError("no MQTT broker has taken it") }
      }
    }
  }

  static func secret(_ path: String) throws -> [UInt8] {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw ToolError("\(path): cannot be read; it holds the secret that a webhook is signed with")
    }
    let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(
      in: .whitespacesAndNewlines)
    guard text.utf8.count >= 16 else {
      throw ToolError(
        "\(path): a secret has 16 characters or more: head -c 24 /dev/urandom | base64")
    }
    return Array(text.utf8)
  }

  /// HMAC-SHA-256, in hexadecimal digits.
  static func signature(_ text: String, _ secret: [UInt8]) -> String {
    var seal = [UInt8](repeating: 0, count: 32)
    csodium_seal_sha256(&seal, text, text.utf8.count, secret, secret.count)
    return hexadecimal(seal)
  }
}
