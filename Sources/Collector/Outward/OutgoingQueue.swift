// OutgoingQueue: what is stored goes on to an MQTT broker, at least once, whoever stored it and
// whatever ends in between.
//
// A message enters the queue in the transaction that stores it, and leaves it when the broker has
// acknowledged it. Several collectors take from one queue, each other rows; when one is killed, its
// rows are there for the others.
//
// Alerts do not wait for a store that takes nothing: they are sent at once as well, and what the
// broker has acknowledged by then is not sent from the queue.
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
  private let sent = Mutex<[Place: Int32]>([:])
  private let passed = Mutex(0)
  /// The thread's own: rows that were sent and not acknowledged yet. The link sends them again itself.
  private var underway: [Int64: Int32] = [:]

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
    database.dialect.takingRows.isEmpty
      ? try take(from: database) { try database.transaction($0) }
      : try database.transaction { try take(from: database) { try $0() } }
  }

  private func take(
    from database: any Database, deleting: (() throws -> Void) throws -> Void
  ) throws -> Bool {
    let rows = try database.prepare(
      "SELECT id, datagram FROM outgoing ORDER BY id LIMIT ? \(database.dialect.takingRows)"
    ).rows([.integer(OutgoingQueue.takenAtOnce)])
    guard !rows.isEmpty else { return false }
    var done: [Int64] = []
    for row in rows {
      guard case .integer(let id) = row[0], case .text(let text) = row[1] else { continue }
      guard underway[id] == nil else { continue }
      if let mark = try publish(text) { underway[id] = mark } else { done.append(id) }
    }
    let taken = link.wait(for: Array(underway.values), seconds: OutgoingQueue.answerSeconds)
    done += underway.filter { taken.contains($0.value) }.map(\.key)
    underway = underway.filter { !taken.contains($0.value) }
    let deletion = try database.prepare("DELETE FROM outgoing WHERE id = ?")
    try deleting { for id in done.sorted() { try deletion.run([.integer(id)]) } }
    passed.withLock { $0 += done.count }
    guard underway.isEmpty else {
      throw ToolError("the MQTT broker has not acknowledged \(underway.count) messages")
    }
    return rows.count == Int(OutgoingQueue.takenAtOnce)
  }

  /// What its acknowledgement is known by; nil where there is nothing to be sent.
  private func publish(_ text: String) throws -> Int32? {
    guard let bytes = bytes(hexadecimal: text) else { return nil }
    return try bytes.withUnsafeBufferPointer { bytes in
      // It was verified when it came.
      guard let opened = try? OpenedDatagram(bytes, key: nil) else { return nil }
      if let mark = sent.withLock({ $0.removeValue(forKey: Place(opened.header)) }) { return mark }
      let (topic, payload) = try Topics.message(opened)
      guard
        let mark = link.publish(
          topic, payload, isRetained: Topics.isRetained(opened.header.type))
      else { throw ToolError("\(topic) cannot be published") }
      return mark
    }
  }
}
