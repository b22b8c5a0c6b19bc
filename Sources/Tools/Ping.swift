// Ping: an authenticated question to a running station, and its answer.

import CLinux
import Core
import Digitizer
import Foundation
import Uplink

public struct Ping {
  public static let attempts = 3
  public static let waitMilliseconds: Int32 = 1000

  private let address: UInt32
  private let port: UInt16
  private let key: Key

  public init(target: String, keyPath: String) throws {
    let parts = target.split(separator: ":")
    guard parts.count == 2, let port = UInt16(parts[1]), port > 0, parts[0].utf8.count < 128 else {
      throw ToolError("\(target) is not HOST:PORT, such as 192.0.2.1:6465")
    }
    address = try resolveAddress(Text<128>(String(parts[0])))
    self.port = port
    key = try Key(file: Text<256>(keyPath))
  }

  /// The station's answer as a JSON line.
  public func run() throws -> String {
    let socket = try UdpEndpoint(listenPort: 0)
    var random = SystemRandomNumberGenerator()
    for attempt in 0..<Ping.attempts {
      let ping = PingMessage(nonce: random.next())
      let header = Header(
        type: .ping, station: Text<24>(), bootCounter: 0, sequence: UInt32(attempt),
        emitted: UTC(nanoseconds: clinux_realtime_nanoseconds()),
        clockState: ClockState.unsynchronised.rawValue, clockSource: ClockSource.system.rawValue,
        clockUncertaintyNanoseconds: .max)
      let datagram = Datagram(header, key: key) { ping.write(to: &$0) }
      guard socket.send(datagram, address: address, port: port) else {
        throw ToolError("the network refuses to send: \(String(cString: strerror(errno)))")
      }
      if let line = try answer(socket, nonce: ping.nonce) { return line }
    }
    throw ToolError(
      "no answer to \(Ping.attempts) pings: the station is off, another listen_port, another key, "
        + "or a firewall between")
  }

  private func answer(_ socket: borrowing UdpEndpoint, nonce: UInt64) throws -> String? {
    let deadline = clinux_monotonic_nanoseconds() + Int64(Ping.waitMilliseconds) * 1_000_000
    while true {
      let left = (deadline - clinux_monotonic_nanoseconds()) / 1_000_000
      guard left > 0 else { return nil }
      var descriptor = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&descriptor, 1, Int32(left)) > 0 else { return nil }
      let line = withUnsafeTemporaryAllocation(
        of: UInt8.self, capacity: Wire.maximumByteCount + 1
      ) { buffer -> String? in
        guard let (count, _, _) = socket.receive(into: buffer) else { return nil }
        let bytes = UnsafeBufferPointer(rebasing: buffer[0..<min(count, buffer.count)])
        guard let datagram = try? OpenedDatagram(bytes, key: key),
          datagram.header.type == .pong, let pong = try? PongMessage(datagram.payload),
          pong.nonce == nonce
        else { return nil }
        return try? JsonLine.text(datagram)
      }
      if let line { return line }
    }
  }
}
