// StationLink: asks a running station over UDP, again where nothing comes back. An operator signs
// what it asks; the station signs what it answers.

import CLinux
import Clock
import Core
import Devices
import Foundation
import Uplink

struct StationLink {
  static let attempts = 3
  private static let waitMilliseconds: Int64 = 1000

  let address: Address
  /// Empty for whichever answers there.
  let station: StationCode
  let key: SigningKey
  /// Any of them is the station's.
  var stationKeys: [PublicKey]

  /// `keyPath`: the operator's secret key; `stationPath`: the station's public one. `via`: a
  /// collector that hears the station; the target is then its code.
  init(target: String, via: String?, keyPath: String, stationPath: String) throws {
    if via != nil {
      guard target.utf8.count <= 24, StationCode(target).isStationCode else {
        throw ToolError(
          "\(target) is not NET.STA.LOC.BS, such as XX.ONST1.00.EH, by which --via knows a station")
      }
    }
    station = via == nil ? StationCode() : StationCode(target)
    address = try StationLink.resolve(via ?? target)
    key = try KeyFiles.signingKey(keyPath)
    stationKeys = [try KeyFiles.publicKey(stationPath)]
  }

  /// Sends the message until `accept` makes something of what came back; nil when nothing did. The
  /// header is asked for each time: a ping that is sent again is newer, a command the same.
  func ask<Answer>(
    _ header: () -> Header, payload: (inout ByteWriter) -> Void,
    accept: (OpenedDatagram) throws -> Answer?
  ) throws -> Answer? {
    let socket = try UdpEndpoint(listenPort: 0)
    for _ in 0..<StationLink.attempts {
      let datagram = Datagram(header(), signedBy: key, payload: payload)
      guard socket.send(datagram, to: address) else {
        throw ToolError("the network refuses to send: \(String(cString: strerror(errno)))")
      }
      if let answer = try receive(socket, accept) { return answer }
    }
    return nil
  }

  /// "HOST:PORT"; an IPv6 address stands in brackets.
  static func resolve(_ target: String) throws -> Address {
    let colon = target.lastIndex(of: ":") ?? target.startIndex
    var host = target[..<colon]
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    if isBracketed { host = host.dropFirst().dropLast() }
    guard let port = UInt16(target[colon...].dropFirst()), port > 0, !host.isEmpty,
      host.utf8.count < 128, isBracketed || !host.contains(":")
    else {
      throw ToolError("\(target) is not HOST:PORT, such as 192.0.2.1:6465 or [2001:db8::1]:6465")
    }
    return try Address(host: Text<128>(String(host)), port: port)
  }

  static func now() -> UTC { UTC(nanoseconds: clinux_realtime_nanoseconds()) }

  func open(_ bytes: UnsafeBufferPointer<UInt8>) throws(DatagramError) -> OpenedDatagram {
    try OpenedDatagram(bytes) { sealed in stationKeys.contains { sealed.isSigned(by: $0) } }
  }

  private func receive<Answer>(
    _ socket: borrowing UdpEndpoint, _ accept: (OpenedDatagram) throws -> Answer?
  ) throws -> Answer? {
    let deadline = clinux_monotonic_nanoseconds() + StationLink.waitMilliseconds * 1_000_000
    while true {
      let left = (deadline - clinux_monotonic_nanoseconds()) / 1_000_000
      guard left > 0 else { return nil }
      guard socket.hasDatagram(withinMilliseconds: Int32(left)) else { return nil }
      let answer = try socket.take { bytes, _ -> Answer? in
        guard let datagram = try? open(bytes) else { return nil }
        return try accept(datagram)
      }
      if let answer { return answer }
    }
  }
}

extension UdpEndpoint {
  /// Waits until something has come; -1 waits as long as it takes.
  func hasDatagram(withinMilliseconds milliseconds: Int32) -> Bool {
    var descriptor = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&descriptor, 1, milliseconds) > 0
  }

  /// What `body` makes of what has come and of its sender; nil where nothing has. What is longer
  /// than any message has a byte more than that.
  func take<Answer>(
    _ body: (UnsafeBufferPointer<UInt8>, Address) throws -> Answer?
  ) rethrows -> Answer? {
    try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Wire.maximumByteCount + 1) {
      guard let (count, sender) = receive(into: $0) else { return nil }
      return try body(UnsafeBufferPointer(rebasing: $0[0..<min(count, $0.count)]), sender)
    }
  }
}

extension Address {
  /// Without the port.
  var host: String { string.prefix(upTo: string.lastIndex(of: ":")!).filter { !"[]".contains($0) } }

  /// As people write it.
  public var string: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(CLINUX_ADDRESS_TEXT)) {
      text in
      withUnsafePointer(to: system) { clinux_print_address($0, text.baseAddress) }
      return String(cString: text.baseAddress!)
    }
  }
}
