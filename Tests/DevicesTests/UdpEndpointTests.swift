import CLinux
import Core
import Devices
import Testing
import Tools
import Uplink

@Suite struct UdpEndpointTests {
  private static let loopback: UInt32 = 0x7F00_0001

  /// And the last error number, which a close that succeeds leaves alone.
  private static func refusal(of port: Int) -> (Diagnostic?, Int32) {
    do throws(Diagnostic) {
      _ = try UdpEndpoint(at: Address(ipv4: loopback, port: UInt16(port)))
      return (nil, 0)
    } catch {
      return (error, clinux_errno())
    }
  }

  /// A second close would hit whatever has taken the number meanwhile. Here nothing has, and the
  /// kernel says that there is no such descriptor.
  @Test func aPortThatIsTakenIsRefusedAndItsDescriptorClosedOnce() throws {
    let holder = try UdpEndpoint(at: Address(ipv4: Self.loopback, port: 0))
    let port = holder.boundPort
    let (diagnostic, number) = Self.refusal(of: port)
    let sentence = try #require(diagnostic).description
    #expect(sentence.contains("UDP port \(port) cannot be listened on"))
    #expect(sentence.contains("choose another port"))
    #expect(number == EADDRINUSE, "closed twice")
    let after = try UdpEndpoint(at: Address(ipv4: Self.loopback, port: 0))
    #expect(after.boundPort > 0)
    withExtendedLifetime(holder) {}
  }

  private static func address(_ text: String, _ port: Int) throws -> Address {
    try #require(Address(numeric: Text<128>(text), port: UInt16(port)))
  }

  /// What comes over IPv4 and what comes over IPv6 is answered to where it came from.
  @Test(arguments: ["127.0.0.1", "::1"]) func bothFamiliesGoThroughOneSocket(_ host: String) throws
  {
    let here = try UdpEndpoint(listenPort: 0)
    let there = try UdpEndpoint(listenPort: 0)
    let question = try Self.address(host, there.boundPort)
    var isSent = here.send(Self.datagram, to: question)
    #expect(isSent)
    let asker = try Self.sender(there)
    #expect(asker == (try Self.address(host, here.boundPort)))
    isSent = there.send(Self.datagram, to: asker)
    #expect(isSent)
    let answerer = try Self.sender(here)
    #expect(answerer == question)
  }

  private static var datagram: Datagram {
    let header = Header(
      .health, to: Text<24>("XX.TEST..EH"), epoch: 1, at: UTC(nanoseconds: 0))
    return Datagram(header, key: Key(Octets(repeating: 1))) { HealthMessage().write(to: &$0) }
  }

  private static func sender(_ endpoint: borrowing UdpEndpoint) throws -> Address {
    var waiting = pollfd(fd: endpoint.descriptor, events: Int16(POLLIN), revents: 0)
    #expect(poll(&waiting, 1, 10_000) == 1)
    var buffer = [UInt8](repeating: 0, count: 500)
    let received = buffer.withUnsafeMutableBufferPointer { endpoint.receive(into: $0) }
    let (count, sender) = try #require(received)
    #expect(count == datagram.count)
    return sender
  }

  @Test func addressesAreReadAndWritten() throws {
    #expect(try Self.address("192.0.2.1", 6464) == Address(ipv4: 0xC000_0201, port: 6464))
    let wide = try Self.address("2001:db8::1", 6464)
    #expect((wide.system.high, wide.system.low) == (0x2001_0DB8_0000_0000, 1))
    for name in ["localhost", "192.0.2", "1.2.3.4.5", "::g", ""] {
      #expect(Address(numeric: Text<128>(name), port: 1) == nil, "\(name)")
    }
    #expect(Address().isNowhere && !wide.isNowhere)
  }
}
