// Ping: an authenticated question to a running station, and its answer.

import Core
import Uplink

public struct Ping {
  private let link: StationLink

  public init(target: String, keyPath: String) throws {
    link = try StationLink(target: target, keyPath: keyPath)
  }

  /// The station's answer as a JSON line.
  public func run() throws -> String {
    var random = SystemRandomNumberGenerator()
    let ping = PingMessage(nonce: random.next())
    let line = try link.ask(.ping, payload: { ping.write(to: &$0) }) { datagram -> String? in
      guard datagram.header.type == .pong, let pong = try? PongMessage(datagram.payload),
        pong.nonce == ping.nonce
      else { return nil }
      return try JsonLine.text(datagram)
    }
    guard let line else {
      throw ToolError(
        "no answer to \(StationLink.attempts) pings: the station is off, another listen_port, "
          + "another key, or a firewall between")
    }
    return line
  }
}
