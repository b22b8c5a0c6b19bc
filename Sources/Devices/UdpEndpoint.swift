// UdpEndpoint: one UDP socket for both directions: datagrams upstream, pings and their answers.
//
//     let socket = try UdpEndpoint(listenPort: 6465)
//     let isSent = socket.send(datagram, to: address)
//     while let (count, sender) = socket.receive(into: buffer) { … }

import CLinux
import Core
import Uplink

public struct UdpEndpoint: ~Copyable {
  public let descriptor: Int32
  /// The kernel has no IPv6.
  private let isIPv4: Bool

  /// Listens on a port; 0 lets the kernel choose one.
  public init(listenPort: Int) throws(Diagnostic) {
    try self.init(at: Address(ipv4: 0, port: UInt16(listenPort)))
  }

  /// `what`: whose port it is, for whoever reads why it cannot be had.
  public init(at address: Address, for what: StaticString = "uplink") throws(Diagnostic) {
    // From elsewhere, because Swift 6.3 also runs `deinit` when an initialiser throws that has set
    // every member.
    descriptor = try UdpEndpoint.open(address, what)
    isIPv4 = clinux_udp_is_ipv4(descriptor) != 0
  }

  private static func open(
    _ address: Address, _ what: StaticString
  ) throws(Diagnostic) -> Int32 {
    let descriptor = withUnsafePointer(to: address.system) { clinux_udp_open($0) }
    guard descriptor >= 0 else {
      var diagnostic = Diagnostic(what)
      diagnostic.text.append(": UDP port ")
      diagnostic.text.append(Int(address.port))
      diagnostic.text.append(" cannot be listened on (")
      diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
      diagnostic.text.append("): choose another port, or stop the program that has it")
      throw diagnostic
    }
    return descriptor
  }

  deinit { close(descriptor) }

  /// What comes over other interfaces is not heard any more. False where there is no such one.
  func hears(only interface: Text<16>) -> Bool {
    interface.withCString { clinux_udp_bind_interface(descriptor, $0) } == 0
  }

  public var boundPort: Int { Int(clinux_udp_port(descriptor)) }

  /// Hands a datagram to the kernel, without waiting. False when it would not take it.
  public func send(_ datagram: Datagram, to address: Address) -> Bool {
    datagram.withBytes { bytes in
      withUnsafePointer(to: address.system) {
        clinux_udp_send(descriptor, isIPv4 ? 1 : 0, bytes.baseAddress, bytes.count, $0)
          == bytes.count
      }
    }
  }

  /// The next datagram that waits; nil when there is none. A count beyond the buffer's tells its
  /// true size.
  public func receive(
    into buffer: UnsafeMutableBufferPointer<UInt8>
  ) -> (count: Int, sender: Address)? {
    var sender = clinux_address()
    let count = clinux_udp_receive(descriptor, buffer.baseAddress, buffer.count, &sender)
    return count < 0 ? nil : (Int(count), Address(sender))
  }
}

extension Address {
  /// Where a host is. Asks the resolver and may wait: for tools. `turn`: which of its addresses,
  /// where it has several.
  public init(host: Text<128>, port: UInt16, turn: UInt32 = 0) throws(Diagnostic) {
    guard let address = Address.find(host, port, turn: turn) else {
      throw Diagnostic(
        "host ", host,
        " has no address: give one as 192.0.2.1 or 2001:db8::1, or check the resolver")
    }
    self = address
  }

  /// The same, nil where there is none.
  public static func find(_ host: Text<128>, _ port: UInt16, turn: UInt32) -> Address? {
    var found = clinux_address()
    let isFound = host.withCString { clinux_resolve($0, port, turn, &found) } != 0
    return isFound ? Address(found) : nil
  }

  /// Without asking anybody: nil for a name.
  public init?(numeric text: Text<128>, port: UInt16) {
    var found = clinux_address()
    guard text.withCString({ clinux_numeric_address($0, port, &found) }) != 0 else { return nil }
    self.init(found)
  }

  public var hasRoute: Bool { withUnsafePointer(to: system) { clinux_has_route($0) != 0 } }
}
