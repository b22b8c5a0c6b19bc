// MqttLink: a connection to one of several brokers, MQTT 3.1.1, at least once.
//
// When a broker goes away, the next in the list is tried. What was not acknowledged is said again
// there. Whoever publishes learns what a broker has taken.
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

  let brokers: [Broker]
  private let name: String
  private let complain: @Sendable (String) -> Void
  /// All calls of libmosquitto's that are not its loop are safe beside it.
  private let client: OpaquePointer
  private let condition = NSCondition()
  // Guarded by the condition.
  private var isConnected = false
  private var unacknowledged: Set<Int32> = []
  private var acknowledgedEarly: Set<Int32> = []
  private var isOver = false
  private var hasEnded = false

  /// `list`: mqtt://HOST:PORT,… or mqtts://…; `login`: USER:PASSWORD; `name`: of this client, and of
  /// nobody else's. `complain` gets a sentence when a connection is lost and when there is one again.
  init(
    _ list: String, login: String?, name: String, complain: @escaping @Sendable (String) -> Void
  ) throws {
    brokers = try list.split(separator: ",").map { try MqttLink.broker(String($0)) }
    guard !brokers.isEmpty, Set(brokers.map(\.isSecret)).count == 1 else {
      throw ToolError("the brokers \(list) must be mqtt://HOST:PORT,… or mqtts://HOST:PORT,… alike")
    }
    (self.name, self.complain) = (name, complain)
    _ = MqttLink.isReady
    guard let client = mosquitto_new(name, true, nil) else {
      throw ToolError("no MQTT client of the name \(name) can be made")
    }
    self.client = client
    mosquitto_threaded_set(client, true)
    mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
    mosquitto_max_inflight_messages_set(client, 0)
    if let login {
      let parts = login.split(separator: ":", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw ToolError("an MQTT login is USER:PASSWORD") }
      mosquitto_username_pw_set(client, parts[0], parts[1])
    }
    if brokers[0].isSecret {
      guard
        mosquitto_tls_set(client, nil, MqttLink.certificates, nil, nil, nil)
          == MOSQ_ERR_SUCCESS.rawValue
      else {
        throw ToolError("\(MqttLink.certificates) has no certificates: apt install ca-certificates")
      }
    }
    mosquitto_will_set(client, statusTopic, 7, "offline", 1, true)
    setCallbacks()
    Thread { [self] in run() }.start()
  }

  deinit { mosquitto_destroy(client) }

  private static let isReady = mosquitto_lib_init() == MOSQ_ERR_SUCCESS.rawValue
  private static let certificates = "/etc/ssl/certs"

  /// "online" while it is connected, retained; its last will says "offline".
  var statusTopic: String { "onset/collector/\(name)" }

  private static func broker(_ text: String) throws -> Broker {
    let (isPlain, isSecret) = (text.hasPrefix("mqtt://"), text.hasPrefix("mqtts://"))
    let place = text.drop { $0 != "/" }.drop { $0 == "/" }
    let colon = place.lastIndex(of: ":") ?? place.startIndex
    var host = String(place[..<colon])
    if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard isPlain || isSecret, !host.isEmpty, let port = UInt16(place[colon...].dropFirst()),
      port > 0
    else { throw ToolError("\(text) is not mqtt://HOST:PORT, such as mqtt://127.0.0.1:1883") }
    return Broker(host: host, port: Int32(port), isSecret: isSecret)
  }

  // MARK: What others ask of it

  /// Sends it, now or when there is a connection; by what its acknowledgement is known, or nil where
  /// it cannot be sent at all.
  func publish(_ topic: String, _ payload: String, isRetained: Bool) -> Int32? {
    var number: Int32 = 0
    let code = mosquitto_publish(
      client, &number, topic, Int32(payload.utf8.count), payload, 1, isRetained)
    guard code == MOSQ_ERR_SUCCESS.rawValue || code == MOSQ_ERR_NO_CONN.rawValue else {
      return nil
    }
    condition.withLock {
      // The answer may have been quicker.
      if acknowledgedEarly.remove(number) == nil { unacknowledged.insert(number) }
    }
    return number
  }

  /// Waits until these are acknowledged, or for so long; those that are.
  func wait(for numbers: [Int32], seconds: Double) -> Set<Int32> {
    let late = Date(timeIntervalSinceNow: seconds)
    return condition.withLock {
      while !isOver, !unacknowledged.isDisjoint(with: numbers), condition.wait(until: late) {}
      return Set(numbers).subtracting(unacknowledged)
    }
  }

  /// Whether there is a connection, after so long at most.
  func awaitConnection(seconds: Double) -> Bool {
    let late = Date(timeIntervalSinceNow: seconds)
    return condition.withLock {
      while !isOver, !isConnected, condition.wait(until: late) {}
      return isConnected
    }
  }

  /// Says that it goes, and ends its thread.
  func end() {
    if awaitConnection(seconds: 0),
      let mark = publish(statusTopic, "offline", isRetained: true)
    {
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
    var (next, isFirst, wasConnected) = (0, true, false)
    while !condition.withLock({ isOver }) {
      let broker = brokers[next % brokers.count]
      next += 1
      if connect(to: broker) {
        if !isFirst || next > 1 { complain("MQTT goes on at \(broker.host):\(broker.port)") }
        wasConnected = true
        while !condition.withLock({ isOver }),
          mosquitto_loop(client, MqttLink.loopMilliseconds, 1) == MOSQ_ERR_SUCCESS.rawValue
        {}
      }
      condition.withLock {
        isConnected = false
        condition.broadcast()
      }
      guard !condition.withLock({ isOver }) else { break }
      if wasConnected || isFirst {
        complain(
          "the MQTT broker \(broker.host):\(broker.port) is not there: what was stored waits")
      }
      (isFirst, wasConnected) = (false, false)
      // The others at once, then all of them after a pause.
      if next % brokers.count == 0 { usleep(MqttLink.pauseMicroseconds) }
    }
    mosquitto_disconnect(client)
    condition.withLock {
      hasEnded = true
      condition.broadcast()
    }
  }

  private func connect(to broker: Broker) -> Bool {
    guard
      mosquitto_connect(client, broker.host, broker.port, MqttLink.keepAliveSeconds)
        == MOSQ_ERR_SUCCESS.rawValue
    else { return false }
    let late = Date(timeIntervalSinceNow: MqttLink.answerSeconds)
    while Date() < late {
      guard mosquitto_loop(client, MqttLink.loopMilliseconds, 1) == MOSQ_ERR_SUCCESS.rawValue
      else { return false }
      if condition.withLock({ isConnected }) { return true }
    }
    return false
  }

  private static func link(_ context: UnsafeMutableRawPointer?) -> MqttLink? {
    context.map { Unmanaged<MqttLink>.fromOpaque($0).takeUnretainedValue() }
  }

  private func setCallbacks() {
    mosquitto_connect_callback_set(client) { client, context, code in
      guard let link = MqttLink.link(context) else { return }
      guard code == 0 else {
        let reason = String(cString: mosquitto_connack_string(code))
        return link.complain("the MQTT broker refuses the connection: \(reason)")
      }
      mosquitto_publish(client, nil, link.statusTopic, 6, "online", 1, true)
      link.condition.withLock {
        link.isConnected = true
        link.condition.broadcast()
      }
    }
    mosquitto_publish_callback_set(client) { _, context, number in
      guard let link = MqttLink.link(context) else { return }
      link.condition.withLock {
        if link.unacknowledged.remove(number) == nil { link.acknowledgedEarly.insert(number) }
        link.condition.broadcast()
      }
    }
  }
}
