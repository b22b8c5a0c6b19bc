// PassingOn: what is stored goes to MQTT brokers, as the collector's settings have it.
//
//     let passing = try PassingOn(settings, name: "room-6464") { complain($0) }
//     passing.note(opened)
//     passing.end()

import Core
import Foundation
import Tools
import Uplink

public final class PassingOn {
  private let queue: OutgoingQueue
  let link: MqttLink

  /// nil where no broker is named. The store has its tables.
  public init?(
    _ settings: CollectorSettings, name: String, complain: @escaping @Sendable (String) -> Void
  ) throws {
    guard settings.brokers != nil else { return nil }
    link = try PassingOn.link(settings, name: name, complain: complain)
    queue = OutgoingQueue(settings.database, link, complain: complain)
  }

  static func link(
    _ settings: CollectorSettings, name: String, announces: Bool = true,
    complain: @escaping @Sendable (String) -> Void
  ) throws -> MqttLink {
    let login = try settings.brokerLogin.map { path in
      guard let bytes = FileManager.default.contents(atPath: path) else {
        throw ToolError("\(path): cannot be read; it holds USER:PASSWORD for the MQTT broker")
      }
      return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
    return try MqttLink(
      settings.brokers ?? "", login: login, name: name, announces: announces, complain: complain)
  }

  /// A message that is stored, or an alert that is told.
  public func note(_ opened: OpenedDatagram) {
    if opened.header.type == .alert { queue.sendAtOnce(opened) }
    queue.wake()
  }

  /// How many a broker has taken.
  public var passedCount: Int { queue.passedCount }

  public func end() { queue.end() }
}
