// Sender: where a datagram came from, and where what it asks for goes.

import CLinux
import Core
import Foundation
import Tools

/// An address and a port, of either family.
public struct Sender: Hashable, CustomStringConvertible {
  var address: sockaddr_in6

  public static func == (a: Sender, b: Sender) -> Bool {
    withUnsafeBytes(of: a.address) { a in
      withUnsafeBytes(of: b.address) { b in a.elementsEqual(b) }
    }
  }

  public func hash(into hasher: inout Hasher) {
    withUnsafeBytes(of: address) { hasher.combine(bytes: $0) }
  }

  public init() { address = sockaddr_in6() }
  init(_ address: sockaddr_in6) { self.address = address }

  /// "192.0.2.7:6464"
  public var description: String {
    var found = clinux_address()
    withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { clinux_read_address($0, &found) }
    }
    return Address(found).string
  }
}
