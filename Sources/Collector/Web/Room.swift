// Room: what people and programs look at: the stations as they are now, and events as they unfold.
//
// The store has all that ever came, and a page that asks it what holds now would read a day of
// health of each of five thousand stations. The thread that receives must not wait for whoever
// reads.
//
// So what comes is noted here as well, one value a station, under a lock that is held for as long
// as a value is copied. Whoever stays is sent what changes. History is read from the store by the
// thread that answers requests, over a connection of its own.
//
//     let room = try Room(databasePath: path)
//     room.note(opened, received: now)
//     let server = try HttpServer(host: "127.0.0.1", port: 8080) { room.answer($0) }

import Core
import Foundation
import Synchronization
import Tools
import Uplink

public final class Room: Sendable {
  /// A proxy, or a router between, ends what is silent for a minute.
  private static let heartbeatNanoseconds: Int64 = 15 * nanosecondsPerSecond
  /// A second; what a screen shows more often nobody reads.
  private static let spacingNanoseconds = nanosecondsPerSecond

  private struct State {
    var stations: [String: StationState] = [:]
    var events = EventList()
    var report = ""
    var streams: [LiveStream] = []
    /// Stations whose health is to be sent to those who stay.
    var changed: Set<String> = []
    var sent = UTC(nanoseconds: 0)
    var beat = UTC(nanoseconds: 0)
    var isOver = false
  }

  private let state = Mutex(State())
  let archive: Archive
  let book: EventBook

  /// What the store knows of every station is where it begins.
  public init(databasePath: String) throws {
    archive = try Archive(databasePath)
    book = try EventBook(databasePath)
    try archive.forEachNewest { note($0, received: $1) }
    state.withLock { state in
      state.changed = []
      for code in state.stations.keys { state.stations[code]?.forgetCounts() }
    }
  }

  // MARK: What comes in

  /// A message that is stored, or an alert that is told; each once.
  public func note(_ opened: OpenedDatagram, received: UTC) {
    let header = opened.header
    let code = header.station.string
    state.withLock { state in
      var station = state.stations[code] ?? StationState(code)
      station.note(header)
      var event: Event?
      switch header.type {
      case .health:
        if let health = try? HealthMessage(opened.payload) {
          station.note(header, health, received: received)
        }
      case .instrument:
        if let instrument = try? InstrumentMessage(opened.payload) { station.note(instrument) }
      case .pick:
        event = (try? PickMessage(opened.payload)).flatMap { state.events.note(header, $0) }
      case .estimate:
        event = (try? EstimateMessage(opened.payload)).flatMap { state.events.note(header, $0) }
      case .alert:
        guard let alert = try? AlertMessage(opened.payload) else { break }
        let isNew = station.note(header, alert)
        event = state.events.note(header, alert)
        if isNew { Room.send("alert", Room.json(alert, header), &state) }
      default: break
      }
      state.stations[code] = station
      guard !state.streams.isEmpty else { return }
      if header.type == .alert {
        Room.send("station", station.json, &state)
      } else if header.type == .health || header.type == .instrument {
        state.changed.insert(code)
      }
      if let event { Room.send("pick", event.json, &state) }
    }
  }

  /// Time passes; more often than once a second is enough.
  public func pass(at now: UTC) {
    state.withLock { state in
      guard now - state.sent >= Room.spacingNanoseconds || now < state.sent else { return }
      state.sent = now
      for code in state.changed {
        if let station = state.stations[code] { Room.send("station", station.json, &state) }
      }
      state.changed = []
      guard now - state.beat >= Room.heartbeatNanoseconds || now < state.beat else { return }
      state.beat = now
      Room.send(Array(": it goes on\n\n".utf8), &state)
    }
  }

  /// An event that somebody has located.
  func tell(origin json: String) {
    state.withLock { Room.send("origin", json, &$0) }
  }

  /// How the collector itself is.
  public func note(report line: String) {
    state.withLock { state in
      state.report = line
      Room.send("collector", line, &state)
    }
  }

  /// Before the server ends: nobody stays.
  public func end() {
    state.withLock { state in
      state.isOver = true
      state.streams.forEach { $0.end() }
      state.streams = []
    }
  }

  // MARK: What goes out

  func open() -> LiveStream {
    let stream = LiveStream()
    state.withLock { state in
      guard !state.isOver else { return stream.end() }
      state.streams.append(stream)
      stream.send(Room.event("collector", state.report.isEmpty ? "{}" : state.report))
    }
    return stream
  }

  func read<Value: Sendable>(_ body: ([String: StationState], EventList, String) -> Value) -> Value
  {
    state.withLock { body($0.stations, $0.events, $0.report) }
  }

  private static func event(_ name: String, _ json: String) -> [UInt8] {
    Array("event: \(name)\ndata: \(json)\n\n".utf8)
  }

  private static func send(_ name: String, _ json: String, _ state: inout State) {
    send(event(name, json), &state)
  }

  private static func send(_ bytes: [UInt8], _ state: inout State) {
    state.streams.removeAll { !$0.send(bytes) }
  }

  private static func json(_ alert: AlertMessage, _ header: Header) -> String {
    JsonLine.object([
      ("station", JsonLine.quoted(header.station)), ("level", "\"\(alert.level)\""),
      ("reason", "\"\(JsonLine.sentence(alert.reason))\""), ("drill", "\(alert.isDrill)"),
      ("relay", "\"\(words(RelayState.names)[Int(alert.relay.rawValue)])\""),
      ("time", "\"\(alert.decided.iso8601)\""), ("pick_id", "\(alert.pickID)"),
    ])
  }
}
