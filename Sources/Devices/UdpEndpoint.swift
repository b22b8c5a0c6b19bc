// UdpEndpoint: one UDP socket for both directions: datagrams upstream, pings and their answers.
//
//     let socket = try UdpEndpoint(listenPort: 6465)
//     let isSent = socket.send(datagram, address: address, port: 6464)
//     while let (count, sender, port) = socket.receive(into: buffer) { … }

import CLinux
import Core
import Uplink

public struct UdpEndpoint: ~Copyable {
  public let descriptor: Int32

  /// Listens on a port; 0 lets the kernel choose one. `address` is in host order; 0 means all.
  public init(listenPort: Int, address: UInt32 = 0) throws(Diagnostic) {
    // From elsewhere, because Swift 6.3 also runs `deinit` when an initialiser throws that has set
    // every member.
    descriptor = try UdpEndpoint.open(listenPort, address)
  }

  private static func open(_ listenPort: Int, _ address: UInt32) throws(Diagnostic) -> Int32 {
    let descriptor = clinux_udp_socket()
    guard descriptor >= 0, clinux_bind_any(descriptor, address, UInt16(listenPort)) == 0 else {
      var diagnostic = Diagnostic("uplink: UDP port ")
      diagnostic.text.append(listenPort)
      diagnostic.text.append(" cannot be listened on (")
      diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
      diagnostic.text.append("): choose another listen_port, or stop the program that has it")
      if descriptor >= 0 { close(descriptor) }
      throw diagnostic
    }
    return descriptor
  }

  deinit { close(descriptor) }

  public var boundPort: Int { Int(clinux_bound_port(descriptor)) }

  /// Hands a datagram to the kernel, without waiting. False when it would not take it.
  public func send(_ datagram: Datagram, address: UInt32, port: UInt16) -> Bool {
    datagram.withBytes {
      clinux_send_to(descriptor, $0.baseAddress, $0.count, address, port) == $0.count
    }
  }

  /// The next datagram that waits; nil when there is none. A count beyond the buffer's tells its
  /// true size.
  public func receive(
    into buffer: UnsafeMutableBufferPointer<UInt8>
  ) -> (count: Int, address: UInt32, port: UInt16)? {
    var address: UInt32 = 0
    var port: UInt16 = 0
    let count = clinux_receive_from(
      descriptor, buffer.baseAddress, buffer.count, &address, &port)
    return count < 0 ? nil : (Int(count), address, port)
  }
}

/// The IPv4 address of a host, in host order. Asks the resolver and may wait: for tools.
public func resolveAddress(_ host: Text<128>) throws(Diagnostic) -> UInt32 {
  let address = host.withCString { clinux_resolve($0) }
  guard address != 0 else {
    var diagnostic = Diagnostic("host ")
    diagnostic.text.append(host)
    diagnostic.text.append(" has no IPv4 address: give one as 192.0.2.1, or check the resolver")
    throw diagnostic
  }
  return address
}
