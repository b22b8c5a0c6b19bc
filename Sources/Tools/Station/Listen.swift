// Listen: what stations send to this machine. A datagram counts when it is signed with the key;
// what is not is refused and counted, because anybody can send something to a port.
//
//     var listener = try Listener(port: "6464", keyPath: "station.key")
//     while true { print(listener.next(filter) { complain($0) }) }

import Core
import Devices
import Uplink

public struct Listener: ~Copyable {
  private let socket: UdpEndpoint
  private let key: Key
  private var refused = 0

  /// Port 0 lets the system choose one.
  public init(port: String, keyPath: String) throws {
    guard let number = UInt16(port) else {
      throw ToolError("\(port) is no port: a whole number from 0 to 65535")
    }
    let key = try KeyFiles.read(keyPath)
    socket = try UdpEndpoint(listenPort: Int(number))
    self.key = key
  }

  public var port: Int { socket.boundPort }

  /// Waits for the next message that the filter wants. Refusals are told when their number has
  /// doubled, so that a flood of them does not fill a disk.
  public mutating func next(_ filter: MessageFilter, refuse: (String) -> Void) -> String {
    while true {
      guard socket.hasDatagram(withinMilliseconds: -1) else { continue }
      let line = socket.take { bytes, sender -> String? in
        do throws(DatagramError) {
          return try filter.line(try OpenedDatagram(bytes, key: key))
        } catch {
          refused += 1
          guard refused & (refused - 1) == 0 else { return nil }
          refuse(
            "refused, \(refused) so far: a datagram from \(sender.string) "
              + error.explanation.string)
          return nil
        }
      }
      if let line { return line }
    }
  }
}
