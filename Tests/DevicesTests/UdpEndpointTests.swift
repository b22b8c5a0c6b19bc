import CLinux
import Core
import Devices
import Testing
import Tools

@Suite struct UdpEndpointTests {
  private static let loopback: UInt32 = 0x7F00_0001

  /// And the last error number, which a close that succeeds leaves alone.
  private static func refusal(of port: Int) -> (Diagnostic?, Int32) {
    do throws(Diagnostic) {
      _ = try UdpEndpoint(listenPort: port, address: loopback)
      return (nil, 0)
    } catch {
      return (error, clinux_errno())
    }
  }

  /// A second close would hit whatever has taken the number meanwhile. Here nothing has, and the
  /// kernel says that there is no such descriptor.
  @Test func aPortThatIsTakenIsRefusedAndItsDescriptorClosedOnce() throws {
    let holder = try UdpEndpoint(listenPort: 0, address: Self.loopback)
    let port = holder.boundPort
    let (diagnostic, number) = Self.refusal(of: port)
    let sentence = try #require(diagnostic).description
    #expect(sentence.contains("UDP port \(port) cannot be listened on"))
    #expect(sentence.contains("choose another listen_port"))
    #expect(number == EADDRINUSE, "closed twice")
    let after = try UdpEndpoint(listenPort: 0, address: Self.loopback)
    #expect(after.boundPort > 0)
    withExtendedLifetime(holder) {}
  }
}
