// Address: where a datagram comes from or goes to, and its port: IPv6, or IPv4 as IPv6 writes it,
// so that nobody who passes one on needs to know which it is.
//
//     let address = Address(ipv4: 0x7F00_0001, port: 6464)

import CLinux

public struct Address: Equatable, Sendable {
  public var system: clinux_address

  /// Nowhere.
  public init() { system = clinux_address() }

  public init(_ system: clinux_address) { self.system = system }

  /// `ipv4` in host order; 0 for all of this machine's.
  public init(ipv4: UInt32, port: UInt16) {
    system = clinux_address()
    if ipv4 != 0 { system.low = 0xFFFF_0000_0000 | UInt64(ipv4) }
    system.port = port
  }

  public var port: UInt16 { system.port }
  public var isNowhere: Bool { port == 0 }

  /// From wherever it sends there.
  public func isSameHost(as other: Address) -> Bool {
    system.high == other.system.high && system.low == other.system.low
  }

  public static func == (a: Address, b: Address) -> Bool {
    a.system.high == b.system.high && a.system.low == b.system.low
      && a.system.scope == b.system.scope && a.port == b.port
  }
}
