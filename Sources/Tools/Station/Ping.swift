// Ping: an authenticated question to a running station, and its answer.
//
//     print(try Ping(target: "192.0.2.1:6465", keyPath: "station.key").run())

import Core
import Doctor
import Uplink

public struct Ping {
  private let link: StationLink

  public init(target: String, keyPath: String) throws {
    link = try StationLink(target: target, keyPath: keyPath)
  }

  /// The station's answer as a JSON line.
  public func run() throws -> String { try ask { datagram, _ in try JsonLine.text(datagram) } }

  /// What is well with it and what is not.
  public func findings() throws -> [Finding] {
    try ask { datagram, pong in HealthFindings.of(pong.health, datagram.header) }
  }

  private func ask<Answer>(
    _ read: (OpenedDatagram, PongMessage) throws -> Answer
  ) throws -> Answer {
    var random = SystemRandomNumberGenerator()
    let ping = PingMessage(nonce: random.next())
    let answer = try link.ask(.ping, payload: { ping.write(to: &$0) }) { datagram -> Answer? in
      guard datagram.header.type == .pong, let pong = try? PongMessage(datagram.payload),
        pong.nonce == ping.nonce
      else { return nil }
      return try read(datagram, pong)
    }
    guard let answer else {
      throw ToolError(
        "no answer to \(StationLink.attempts) pings: the station is off, another listen_port, "
          + "another key, or a firewall between")
    }
    return answer
  }
}
