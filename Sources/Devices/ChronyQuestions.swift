// ChronyQuestions: asks chronyd on this machine now and then how it keeps the clock. Nobody waits for
// the answer.
//
//     var questions = ChronyQuestions()
//     if let tracking = questions.pass(monotonicNow: now) { … }

import CLinux
import Clock
import Core

public struct ChronyQuestions: ~Copyable {
  private static let intervalNanoseconds: Int64 = 10 * nanosecondsPerSecond
  private static let localHost: UInt32 = 0x7F00_0001

  private let socket: Int32
  private let chronyd = Address(ipv4: ChronyQuestions.localHost, port: ChronyTracking.port)
  private var sequence: UInt32 = 0
  private var askedMonotonic: Int64?
  private var isAnswered = true

  public init() {
    let own = Address(ipv4: ChronyQuestions.localHost, port: 0)
    socket = withUnsafePointer(to: own.system) { clinux_udp_open($0) }
  }

  deinit { if socket >= 0 { close(socket) } }

  public enum Answer {
    case tracking(ChronyTracking)
    /// The last question had none.
    case nobody
  }

  /// What came since, if anything did; asks again when it is time.
  public mutating func pass(monotonicNow now: Int64) -> Answer? {
    guard socket >= 0 else { return nil }
    if let tracking = hear() {
      isAnswered = true
      return .tracking(tracking)
    }
    if let askedMonotonic, now - askedMonotonic < ChronyQuestions.intervalNanoseconds { return nil }
    defer { ask(now) }
    return isAnswered ? nil : .nobody
  }

  private func hear() -> ChronyTracking? {
    // A longer datagram than an answer shows as such.
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 128) { buffer in
      while true {
        var sender = clinux_address()
        let count = clinux_udp_receive(socket, buffer.baseAddress, buffer.count, &sender)
        guard count >= 0 else { return nil }
        let bytes = UnsafeBufferPointer(rebasing: buffer[0..<min(Int(count), buffer.count)])
        if Address(sender) == chronyd, let found = ChronyTracking(bytes, sequence: sequence) {
          return found
        }
      }
    }
  }

  private mutating func ask(_ now: Int64) {
    (askedMonotonic, isAnswered) = (now, false)
    sequence &+= 1
    let request = ChronyTracking.request(sequence: sequence)
    request.span.withUnsafeBufferPointer { bytes in
      withUnsafePointer(to: chronyd.system) {
        _ = clinux_udp_send(socket, clinux_udp_is_ipv4(socket), bytes.baseAddress, bytes.count, $0)
      }
    }
  }
}
