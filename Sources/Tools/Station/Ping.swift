// Ping: an operator's question to a running station, and its answer.
//
//     let ping = try Ping(
//       target: "192.0.2.1:6465", via: nil, keyPath: "ada", stationPath: "station.key.pub")
//     print(try ping.run())

import CLinux
import Core
import Doctor
import Uplink

/// What a command needs to know of the station that it is for.
struct StationBoot {
  let station: Text<24>
  let epoch: UInt64
  /// How many starts there were in this epoch.
  let counter: UInt32
  let nonce: UInt64
  /// For it a new key is encrypted.
  let exchange: PublicKey
  let uptimeMicroseconds: UInt64
  /// When that came, by this machine.
  let monotonicNanoseconds: Int64

  /// How long the station runs now, and never more: the pong has travelled too.
  var microsecondsNow: UInt64 {
    uptimeMicroseconds + UInt64(clinux_monotonic_nanoseconds() - monotonicNanoseconds) / 1000
  }
}

public struct Ping {
  private let link: StationLink

  public init(target: String, via: String?, keyPath: String, stationPath: String) throws {
    self.init(try StationLink(target: target, via: via, keyPath: keyPath, stationPath: stationPath))
  }

  init(_ link: StationLink) { self.link = link }

  /// The station's answer as a JSON line.
  public func run() throws -> String { try ask { datagram, _ in try JsonLine.text(datagram) } }

  /// What is well with it and what is not.
  public func findings() throws -> [Finding] {
    try ask { datagram, pong in HealthFindings.of(pong.health, datagram.header) }
  }

  /// Which station it is, and whether it has a relay.
  public func subject() throws -> (code: String, hasRelay: Bool) {
    try ask { datagram, pong in
      (datagram.header.station.string, pong.health.relay != .none)
    }
  }

  func boot() throws -> StationBoot {
    try ask { datagram, pong in
      StationBoot(
        station: datagram.header.station, epoch: datagram.header.epoch,
        counter: datagram.header.bootCounter, nonce: pong.bootNonce,
        exchange: pong.exchange, uptimeMicroseconds: pong.uptimeMicroseconds,
        monotonicNanoseconds: clinux_monotonic_nanoseconds())
    }
  }

  private func ask<Answer>(
    _ read: (OpenedDatagram, PongMessage) throws -> Answer
  ) throws -> Answer {
    var random = SystemRandomNumberGenerator()
    let ping = PingMessage(asker: link.key.publicKey.name, nonce: random.next())
    let answer = try link.ask(
      { Header(.ping, to: link.station, epoch: 0, at: StationLink.now()) },
      payload: { ping.write(to: &$0) }
    ) { datagram -> Answer? in
      guard datagram.header.type == .pong, let pong = try? PongMessage(datagram.payload),
        pong.nonce == ping.nonce
      else { return nil }
      return try read(datagram, pong)
    }
    guard let answer else {
      throw ToolError(
        "no answer to \(StationLink.attempts) pings: the station is off, another listen_port, "
          + "a key that its [operators] do not name with the right to watch, another station's "
          + "public key, a collector that does not hear it or know the operator, or a firewall between"
      )
    }
    return answer
  }
}
