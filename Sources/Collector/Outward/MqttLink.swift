// MqttLink: a connection to one of several brokers, MQTT 3.1.1, at least once.
//
// When a broker goes away, the next in the list is tried. Whoever publishes learns what a broker
// has taken, and says the rest again: nothing of a connection that is gone is sent over the next
// one, where it might be old.
//
//     let link = try MqttLink("mqtt://127.0.0.1:1883", login: nil, name: "room") { complain($0) }
//     let mark = link.publish("onset/XX/ONST1/00/pick", json, isRetained: false)
//     link.wait(for: [mark], seconds: 30)

import CMosquitto
import Foundation
import Synchronization
import Tools

final class MqttLink: @unchecked Sendable {
  private static let keepAliveSeconds: Int32 = 15
  private static let answerSeconds = 5.0
  private static let pauseMicroseconds: UInt32 = 500_000
  /// Between two looks at whether it is to end.
  private static let loopMilliseconds: Int32 = 100

  struct Broker: Equatable {
    let host: String
    let port: Int32
    let isSecret: Bool
  }

  /// A message by its number in its connection.
  struct Mark: Hashable {
    fileprivate let connection: Int
    fileprivate let number: Int32
  }

  /// One connection, or the attempt at one.
  private final class Connection {
    let client: OpaquePointer
    init(_ client: OpaquePointer) { self.client = client }
    deinit { mosquitto_destroy(client) }
  }

  private let brokers: [Broker]
  private let login: [String]
  private let name: String
  private let announces: Bool
  private let complain: @Sendable (String) -> Void
  private let condition = NSCondition()
  // Guarded by the condition.
  /// Whoever publishes uses it; nil while nothing can be sent.
  private var connection: Connection?
  /// How many connections there have been, this one with them.
  private var number = 0
  private var unacknowledged: Set<Int32> = []
  private var acknowledgedEarly: Set<Int32> = []
  private var isOver = false
  private var hasEnded = false
  // The thread's own.
  private var isAccepted = false
  private var announcement: Int32?

  /// `list`: mqtt://HOST:PORT,… or mqtts://…; `login`: USER:PASSWORD; `name`: of this client, and
  /// of nobody else's; `announces`: whether others see that it is there. `complain` gets a sentence
  /// when a connection is lost and when there is one again.
  init(
    _ list: String, login: String?, name: String, announces: Bool = true,
    complain: @escaping @Sendable (String) -> Void
  ) throws {
    brokers = try list.split(separator: ",").map { try MqttLink.broker(String($0)) }
    guard !brokers.isEmpty, Set(brokers.map(\.isSecret)).count == 1 else {
      throw ToolError("the brokers must be mqtt://HOST:PORT,... or mqtts://HOST:PORT,... alike")
    }
    self.login = login.map { $0.split(separator: ":", maxSplits: 1).map(String.init) } ?? []
    guard login == nil || self.login.count == 2 else {
      throw ToolError("an MQTT login is USER:PASSWORD")
    }
    (self.name, self.announces, self.complain) = (name, announces, complain)
    guard MqttLink.isReady else { throw ToolError("libmosquitto does not start") }
    _ = try client()
    Thread { [self] in run() }.start()
  }

  private static let isReady = mosquitto_lib_init() == MOSQ_ERR_SUCCESS.rawValue
  private static let certificates = "/etc/ssl/certs"

  /// "online" while it is connected, retained; its last will says "offline".
  private var statusTopic: String { "onset/collector/\(name)" }

  private static func broker(_ text: String) throws -> Broker {
    let (isPlain, isSecret) = (text.hasPrefix("mqtt://"), text.hasPrefix("mqtts://"))
    let place = text.drop { $0 != "/" }.drop { $0 == "/" }
    let colon = place.lastIndex(of: ":") ?? place.startIndex
    var host = String(place[..<colon])
    if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard !place.contains("@") else {
      throw ToolError(
        "a broker is mqtt://HOST:PORT; USER:PASSWORD belongs into a file, --mqtt-login")
    }
    guard isPlain || isSecret, !host.isEmpty, let port = UInt16(place[colon...].dropFirst()),
      port > 0
    else { throw ToolError("\(text) is not mqtt://HOST:PORT, such as mqtt://127.0.0.1:1883") }
    return Broker(host: host, port: Int32(port), isSecret: isSecret)
  }

  private func client() throws -> Connection {
    guard let client = mosquitto_new(name, true, Unmanaged.passUnretained(self).toOpaque()) else {
      throw ToolError("no MQTT client of the name \(name) can be made")
    }
    let made = Connection(client)
    // Others publish while this one's thread reads.
    mosquitto_threaded_set(client, true)
    mosquitto_max_inflight_messages_set(client, 0)
    if login.count == 2 { mosquitto_username_pw_set(client, login[0], login[1]) }
    if brokers[0].isSecret {
      let code = mosquitto_tls_set(client, nil, MqttLink.certificates, nil, nil, nil)
      guard code == MOSQ_ERR_SUCCESS.rawValue else {
        throw ToolError("\(MqttLink.certificates) has no certificates: apt install ca-certificates")
      }
    }
    if announces { mosquitto_will_set(client, statusTopic, 7, "offline", 1, true) }
    setCallbacks(client)
    return made
  }

  // MARK: What others ask of it

  /// Sends it; by what its acknowledgement is known, or nil where there is no connection.
  func publish(_ topic: String, _ payload: String, isRetained: Bool) -> Mark? {
    // A connection is let go when nobody publishes over it any more.
    let (open, number) = condition.withLock { (connection, self.number) }
    guard let open else { return nil }
    var sent: Int32 = 0
    let code = mosquitto_publish(
      open.client, &sent, topic, Int32(payload.utf8.count), payload, 1, isRetained)
    guard code == MOSQ_ERR_SUCCESS.rawValue else { return nil }
    condition.withLock {
      guard number == self.number else { return }
      // The answer may have been quicker.
      if acknowledgedEarly.remove(sent) == nil { unacknowledged.insert(sent) }
    }
    return Mark(connection: number, number: sent)
  }

  /// Waits until these are acknowledged, or for so long, or until their connection is gone; those
  /// that are.
  func wait(for marks: [Mark], seconds: Double) -> Set<Mark> {
    let late = Date(timeIntervalSinceNow: seconds)
    return condition.withLock {
      while !isOver, marks.contains(where: isUnderway), condition.wait(until: late) {}
      return Set(marks.filter { $0.connection == number && !unacknowledged.contains($0.number) })
    }
  }

  /// Whether what it stands for may still be acknowledged, or has been.
  func isCurrent(_ mark: Mark) -> Bool { condition.withLock { mark.connection == number } }

  private func isUnderway(_ mark: Mark) -> Bool {
    mark.connection == number && unacknowledged.contains(mark.number)
  }

  /// Whether there is a connection, after so long at most.
  func awaitConnection(seconds: Double) -> Bool {
    let late = Date(timeIntervalSinceNow: seconds)
    return condition.withLock {
      while !isOver, connection == nil, condition.wait(until: late) {}
      return connection != nil
    }
  }

  /// Says that it goes, and ends its thread.
  func end() {
    if announces, let mark = publish(statusTopic, "offline", isRetained: true) {
      _ = wait(for: [mark], seconds: 1)
    }
    condition.withLock {
      isOver = true
      condition.broadcast()
      let late = Date(timeIntervalSinceNow: MqttLink.answerSeconds)
      while !hasEnded, condition.wait(until: late) {}
    }
  }

  // MARK: Its thread

  private func run() {
    var (next, isFirst) = (0, true)
    while !condition.withLock({ isOver }) {
      let broker = brokers[next % brokers.count]
      next += 1
      let isConnected = serve(broker, isFirst: isFirst && next == 1)
      guard !condition.withLock({ isOver }) else { break }
      if isConnected || isFirst {
        complain(
          "the MQTT broker \(broker.host):\(broker.port) is not there: what was stored waits")
      }
      isFirst = false
      // The others at once, then all of them after a pause.
      if next % brokers.count == 0 { usleep(MqttLink.pauseMicroseconds) }
    }
    condition.withLock {
      hasEnded = true
      condition.broadcast()
    }
  }

  /// Until the connection is gone, or all is over; whether there was one.
  private func serve(_ broker: Broker, isFirst: Bool) -> Bool {
    guard let new = try? client(), connect(new.client, to: broker) else { return false }
    condition.withLock {
      number += 1
      connection = new
      condition.broadcast()
    }
    if !isFirst { complain("MQTT goes on at \(broker.host):\(broker.port)") }
    while !condition.withLock({ isOver }), goesOn(new.client) {}
    mosquitto_disconnect(new.client)
    condition.withLock {
      // What was not acknowledged is nobody's any more.
      number += 1
      connection = nil
      unacknowledged = []
      acknowledgedEarly = []
      condition.broadcast()
    }
    return true
  }

  private func goesOn(_ client: OpaquePointer) -> Bool {
    mosquitto_loop(client, MqttLink.loopMilliseconds, 1) == MOSQ_ERR_SUCCESS.rawValue
  }

  private func connect(_ client: OpaquePointer, to broker: Broker) -> Bool {
    (isAccepted, announcement) = (false, nil)
    // Whoever does not answer is not waited for as long as the kernel would.
    guard
      mosquitto_connect_async(client, broker.host, broker.port, MqttLink.keepAliveSeconds)
        == MOSQ_ERR_SUCCESS.rawValue
    else { return false }
    let late = Date(timeIntervalSinceNow: MqttLink.answerSeconds)
    while Date() < late, !condition.withLock({ isOver }), goesOn(client) {
      if isAccepted { return true }
    }
    return false
  }

  private static func link(_ context: UnsafeMutableRawPointer?) -> MqttLink? {
    context.map { Unmanaged<MqttLink>.fromOpaque($0).takeUnretainedValue() }
  }

  /// They are called by this thread, within its loop.
  private func setCallbacks(_ client: OpaquePointer) {
    mosquitto_connect_callback_set(client) { client, context, code in
      guard let link = MqttLink.link(context) else { return }
      guard code == 0 else {
        let reason = String(cString: mosquitto_connack_string(code))
        return link.complain("the MQTT broker refuses the connection: \(reason)")
      }
      if link.announces {
        var number: Int32 = 0
        mosquitto_publish(client, &number, link.statusTopic, 6, "online", 1, true)
        link.announcement = number
      }
      link.isAccepted = true
    }
    mosquitto_publish_callback_set(client) { _, context, number in
      guard let link = MqttLink.link(context) else { return }
      // Nobody waits for that one, and its number comes again.
      if link.announcement == number {
        link.announcement = nil
        return
      }
      link.condition.withLock {
        if link.unacknowledged.remove(number) == nil { link.acknowledgedEarly.insert(number) }
        link.condition.broadcast()
      }
    }
  }
}
