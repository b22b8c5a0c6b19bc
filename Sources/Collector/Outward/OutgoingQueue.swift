// OutgoingQueue: what is stored goes on to an MQTT broker, at least once, whoever stored it and
// whatever ends in between.
//
// A message enters the queue in the transaction that stores it, and leaves it when the broker has
// acknowledged it. Several collectors take from one queue, each other rows; when one is killed, its
// rows are there for the others.
//
// Alerts do not wait for a store that takes nothing: where there is a connection they are sent at
// once as well, and are not sent again from the queue over the same one.
//
//     let queue = OutgoingQueue("onset.sqlite", link) { complain($0) }
//     queue.wake()

import Core
import Foundation
import Synchronization
import Tools
import Uplink

final class OutgoingQueue: @unchecked Sendable {
  private static let takenAtOnce: Int64 = 500
  private static let answerSeconds = 20.0
  private static let lookMilliseconds = 500
  private static let patienceMilliseconds: Int32 = 30_000
  /// By this a server takes the rows back of a collector whose machine has lost its power.
  private static let abandonment = "SET idle_in_transaction_session_timeout = '60s'"
  private static let sentMaximum = 65_536

  private let location: String
  private let link: MqttLink
  private let complain: @Sendable (String) -> Void
  private let news = DispatchSemaphore(value: 0)
  private let isOver = Mutex(false)
  private let ended = DispatchSemaphore(value: 0)
  /// Alerts that were sent at once.
  private let sent = Mutex<[Place: MqttLink.Mark]>([:])
  private let passed = Mutex(0)
  /// The thread's own: rows that were sent and not acknowledged yet. Those of a connection
  /// that is gone are sent again.
  private var underway: [Int64: MqttLink.Mark] = [:]

  init(_ location: String, _ link: MqttLink, complain: @escaping @Sendable (String) -> Void) {
    (self.location, self.link, self.complain) = (location, link, complain)
    Thread { [self] in
      run()
      ended.signal()
    }.start()
  }

  /// How many the broker has taken from the queue.
  var passedCount: Int { passed.withLock { $0 } }

  /// Something may have been stored.
  func wake() { news.signal() }

  func sendAtOnce(_ alert: OpenedDatagram) {
    guard let (topic, payload) = try? Topics.message(alert),
      let mark = link.publish(topic, payload, isRetained: false)
    else { return }
    sent.withLock {
      if $0.count >= OutgoingQueue.sentMaximum { $0.removeAll() }
      $0[Place(alert.header)] = mark
    }
  }

  func end() {
    isOver.withLock { $0 = true }
    wake()
    _ = ended.wait(timeout: .now() + OutgoingQueue.answerSeconds)
    link.end()
  }

  // MARK: Its thread

  private func run() {
    var database: (any Database)?
    var lastFailure: String?
    while !isOver.withLock({ $0 }) {
      do {
        let open = try database ?? connect()
        database = open
        guard link.awaitConnection(seconds: 1) else { continue }
        let isMore = try passOn(from: open)
        if lastFailure != nil { complain("what is stored is passed on again") }
        lastFailure = nil
        if !isMore {
          _ = news.wait(timeout: .now() + .milliseconds(OutgoingQueue.lookMilliseconds))
        }
      } catch {
        if lastFailure != "\(error)" { complain("what is stored is not passed on: \(error)") }
        lastFailure = "\(error)"
        _ = news.wait(timeout: .now() + 1)
      }
    }
  }

  private func connect() throws -> any Database {
    let database = try openDatabase(
      location, patienceMilliseconds: OutgoingQueue.patienceMilliseconds)
    if !database.dialect.takingRows.isEmpty { try database.greet(OutgoingQueue.abandonment) }
    return database
  }

  /// Whether there may be more.
  private func passOn(from database: any Database) throws -> Bool {
    // A file has no rows to lock, and whoever writes into it would wait for the broker.
    let (count, done) =
      try database.dialect.takingRows.isEmpty
      ? take(from: database) { try database.transaction($0) }
      : database.transaction { try take(from: database) { try $0() } }
    passed.withLock { $0 += done }
    // What was acknowledged has left the queue by now.
    guard done == count else {
      throw ToolError("the MQTT broker has not acknowledged \(count - done) of \(count) messages")
    }
    return count == Int(OutgoingQueue.takenAtOnce)
  }

  /// How many rows were there, and how many of them a broker has taken.
  private func take(
    from database: any Database, deleting: (() throws -> Void) throws -> Void
  ) throws -> (count: Int, done: Int) {
    let rows = try database.prepare(
      "SELECT id, datagram FROM outgoing ORDER BY id LIMIT ? \(database.dialect.takingRows)"
    ).rows([.integer(OutgoingQueue.takenAtOnce)])
    guard !rows.isEmpty else { return (0, 0) }
    underway = underway.filter { link.isCurrent($0.value) }
    var ids: [Int64] = []
    var unreadable: [Int64] = []
    for row in rows {
      guard case .integer(let id) = row[0], case .text(let text) = row[1] else { continue }
      ids.append(id)
      guard underway[id] == nil else { continue }
      guard let opened = OutgoingQueue.Outgoing(text) else {
        unreadable.append(id)
        continue
      }
      guard let mark = publish(opened) else { break }
      underway[id] = mark
    }
    let taken = link.wait(
      for: ids.compactMap { underway[$0] }, seconds: OutgoingQueue.answerSeconds)
    let done = ids.filter { underway[$0].map(taken.contains) ?? false } + unreadable
    let deletion = try database.prepare("DELETE FROM outgoing WHERE id = ?")
    try deleting { for id in done { try deletion.run([.integer(id)]) } }
    done.forEach { underway[$0] = nil }
    return (rows.count, done.count)
  }

  /// A row of the queue.
  private struct Outgoing {
    let place: Place
    let type: MessageType
    let topic, payload: String

    init?(_ text: String) {
      guard let bytes = bytes(hexadecimal: text) else { return nil }
      let read = bytes.withUnsafeBufferPointer { bytes -> (OpenedDatagram, (String, String))? in
        // It was verified when it came.
        guard let opened = try? OpenedDatagram(bytes, key: nil),
          let message = try? Topics.message(opened)
        else { return nil }
        return (opened, message)
      }
      guard let (opened, message) = read else { return nil }
      (place, type) = (Place(opened.header), opened.header.type)
      (topic, payload) = message
    }
  }

  /// nil where there is no connection.
  private func publish(_ one: Outgoing) -> MqttLink.Mark? {
    if let mark = sent.withLock({ $0.removeValue(forKey: one.place) }), link.isCurrent(mark) {
      return mark
    }
    return link.publish(one.topic, one.payload, isRetained: Topics.isRetained(one.type))
  }
}
