// A data cast over a real socket, as a Shake and others send to it.

import Board
import CLinux
import Core
import Devices
import Digitizer
import Foundation
import Settings
import Testing
import Tools

@Suite(.serialized) struct ShakeCaptureTests {
  /// A socket of the other end, bound where datagrams are to come from.
  private final class Cast {
    private let descriptor: Int32
    private let port: UInt16

    init(from host: String, to port: Int) {
      descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
      self.port = UInt16(port)
      var own = Cast.address(host, 0)
      _ = withUnsafePointer(to: &own) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    }

    deinit { close(descriptor) }

    private static func address(_ host: String, _ port: UInt16) -> sockaddr_in {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      inet_pton(AF_INET, host, &address.sin_addr)
      return address
    }

    func send(_ text: String) {
      var there = Cast.address("127.0.0.1", port)
      let bytes = Array(text.utf8)
      let sent = withUnsafePointer(to: &there) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      #expect(sent == bytes.count)
    }
  }

  private static func freePort() throws -> Int {
    try UdpEndpoint(at: Address(ipv4: 0x7F00_0001, port: 0)).boundPort
  }

  private func settings(port: Int, source: String = "127.0.0.1") throws -> DigitizerSettings {
    let text = """
      [board]
      format = 1
      name = "shake"
      description = "beside a Shake"
      [digitizer]
      kind = "shake"
      source = "\(source)"
      port = \(port)
      sample_rate_millihertz = 100000
      channel_names = "EHZ,EHN"
      vertical_channel = 0
      north_channel = 1
      """
    return try parseBoard(text).digitizer
  }

  @Test func whatTheShakeSaysIsTakenAndNothingElse() throws {
    let port = try Self.freePort()
    let settings = try settings(port: port)
    var capture = try Capture(settings)
    var raw = [Int32](repeating: 0, count: 400)
    func read(_ now: Int64) -> CaptureResult {
      raw.withUnsafeMutableBytes { capture.read($0, monotonicNow: now) }
    }
    if case .nothingYet = read(1) {} else { Issue.record("frames of nobody") }
    func complains(_ words: String) {
      let text = capture.complaint.string
      #expect(text.contains(words), "\(text)")
    }
    complains("no datagram comes")
    let shake = Cast(from: "127.0.0.1", to: port)
    let stranger = Cast(from: "127.0.0.2", to: port)
    stranger.send("{'EHZ', 1582315130.292, 9, 9}")
    _ = read(2)
    complains("none from source")
    shake.send("{'HDF', 1582315130.292, 1, 2}")
    _ = read(3)
    complains("none of channel_names")
    shake.send("{'EHZ', 1582315130.292, 1, 2}")
    _ = read(4)
    complains("EHN does not come, and others do")
    shake.send("nonsense")
    shake.send("{'EHN', 1582315130.292, -1, -2}")
    guard case .frames(let delivery) = read(second) else {
      Issue.record("no frames")
      return
    }
    #expect(delivery.count == 2 && delivery.gap == .none && delivery.stamp == nil)
    #expect(delivery.stated?.utc.nanoseconds == 1_582_315_130_292_000_000)
    #expect(delivery.stated?.uncertaintyNanoseconds == 10_000_000)
    #expect(raw[0..<4] == [1, -1, 2, -2])
    // Who is not the Shake and what is no cast are counted; a channel that nobody asked for is not.
    var counters = capture.counters
    #expect(counters.shortReads == 2 && counters.frames == 2)
    // A tenth of a second is lost.
    shake.send("{'EHZ', 1582315130.412, 3}")
    shake.send("{'EHN', 1582315130.412, -3}")
    if case .nothingYet = read(second + second / 8) {} else { Issue.record("it may still come") }
    guard case .frames(let next) = read(2 * second) else {
      Issue.record("no frames after a gap")
      return
    }
    #expect(next.gap == .frames(10) && next.count == 1)
    capture.countGap(frames: 10)
    counters = capture.counters
    #expect(counters.gaps == 1 && counters.gapFrames == 10)
    let needsRetry = capture.needsRetry
    #expect(!needsRetry)
  }

  @Test func whatCannotBeListenedToIsRefused() throws {
    let port = try Self.freePort()
    func refusal(_ settings: DigitizerSettings) -> String {
      do throws(Diagnostic) {
        _ = try Capture(settings)
        return "accepted"
      } catch { return error.description }
    }
    var elsewhere = try settings(port: port)
    elsewhere.shake.interface = Text<16>("none0")
    let absent = refusal(elsewhere)
    #expect(absent.contains("private_interface none0 cannot be listened to alone"), "\(absent)")
    var own = try settings(port: port)
    own.shake.interface = Text<16>("lo")
    #expect(refusal(own) == "accepted")
    let named = refusal(try settings(port: port, source: "shake.local"))
    #expect(named.contains("source shake.local is no address"), "\(named)")
    let holder = try UdpEndpoint(at: Address(ipv4: 0, port: UInt16(port)), for: "test")
    let taken = refusal(try settings(port: port))
    #expect(taken.hasPrefix("digitizer: UDP port \(port) cannot be listened on"), "\(taken)")
    withExtendedLifetime(holder) {}
  }

  private let second = nanosecondsPerSecond
}

/// A board file's text as a board.
private func parseBoard(_ text: String) throws -> BoardFile {
  let bytes = Array(text.utf8)
  return try bytes.withUnsafeBufferPointer { bytes in
    var file = try ConfigurationFile(path: Path("t.toml"), bytes: bytes)
    return try BoardFile(&file)
  }
}
