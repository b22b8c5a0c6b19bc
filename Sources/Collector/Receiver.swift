// Receiver: the collector's socket and its rhythm: what is there is taken at once, with one call
// for up to 256 datagrams, and committed when nothing has come for a moment, or after some
// milliseconds in any case.
//
//     let receiver = try Receiver(port: 6464)
//     receiver.run(intake) { isStopped }

import CCollector
import Core
import Devices
import Foundation
import Tools
import Uplink

public final class Receiver {
  /// A commit syncs the disk, which takes milliseconds itself; what is stored may be this late.
  private static let gatherNanoseconds: Int64 = 5_000_000
  private static let gatherMilliseconds: Int32 = 5
  private static let idleMilliseconds: Int32 = 1000
  /// A quarter of what two clocks may differ by (FleetClock).
  private static let timelyNanoseconds: Int64 = 500_000_000
  /// After a commit that failed.
  private static let retryNanoseconds: Int64 = 1_000_000_000

  private let socket: Int32
  private let batch = UnsafeMutablePointer<ccollector_batch>.allocate(capacity: 1)
  private var lastReceived: Int64 = 0

  /// Port 0 lets the system choose one.
  public init(port: UInt16) throws {
    socket = ccollector_open(port)
    guard socket >= 0 else {
      let reason = String(cString: strerror(-socket))
      let hint =
        switch -socket {
        case EADDRINUSE: "another program is on it"
        case EACCES: "choose one from 1024 on"
        default: "it wants IPv6 sockets, which take IPv4 as well"
        }
      throw ToolError("UDP port \(port) cannot be had (\(reason)): \(hint)")
    }
  }

  deinit {
    close(socket)
    batch.deallocate()
  }

  public var port: UInt16 { ccollector_port(socket) }

  /// `reportSeconds`: how often it tells how it is. `keeper` is told the time. Until `isStopped`;
  /// what has come is stored then.
  public func run(
    _ intake: Intake, reportSeconds: Double, keeper: Keeper,
    tell: (String) -> Void, complain: (String) -> Void, isStopped: () -> Bool
  ) {
    var firstWaiting: Int64?
    var retryAt: Int64 = 0
    var isReceiving = true
    var nextReport = Receiver.monotonic() + Int64(reportSeconds * 1e9)
    while !isStopped() {
      let isBusy = intake.waitingCount > 0 || intake.isCommitting
      let wait = isBusy ? Receiver.gatherMilliseconds : Receiver.idleMilliseconds
      // What came while this thread had something else to do looks late.
      let left = Receiver.monotonic()
      let count = ccollector_receive(socket, batch, wait)
      let now = Receiver.monotonic()
      if count < 0 {
        if isReceiving {
          complain("nothing can be received: \(String(cString: strerror(-count)))")
        }
        usleep(UInt32(1000 * Receiver.idleMilliseconds))
      }
      isReceiving = count >= 0
      take(Int(max(count, 0)), intake, isTimely: left - lastReceived < Receiver.timelyNanoseconds)
      lastReceived = now
      if let isDone = intake.finishCommit(at: Receiver.utc()) {
        retryAt = isDone ? 0 : Receiver.monotonic() + Receiver.retryNanoseconds
        // What was too much for one transaction is due at once.
        firstWaiting = isDone && intake.waitingCount > 0 ? 0 : nil
      }
      if intake.waitingCount > 0 { firstWaiting = firstWaiting ?? now }
      let isDue =
        count <= 0 || firstWaiting.map { now - $0 >= Receiver.gatherNanoseconds } ?? false
      if isDue && now >= retryAt { intake.beginCommit() }
      if now >= nextReport {
        tell(intake.report(at: Receiver.utc()))
        nextReport = now + Int64(reportSeconds * 1e9)
      }
      if let day = keeper.oldestDay(at: intake.vouchedTime(at: Receiver.utc())) {
        intake.refuseHealth(before: day)
      }
    }
    store(intake)
  }

  /// What has come, before the end; a store that does not answer is not waited for.
  private func store(_ intake: Intake) {
    let deadline = Receiver.monotonic() + 1_000_000 * Int64(LineWriter.patienceMilliseconds)
    while intake.waitingCount > 0 || intake.isCommitting {
      intake.beginCommit()
      let isDone = intake.finishCommit(at: Receiver.utc())
      guard isDone != false, Receiver.monotonic() < deadline else { return }
      if isDone == nil { usleep(1000) }
    }
  }

  private func take(_ count: Int, _ intake: Intake, isTimely: Bool) {
    let now = Receiver.utc()
    for index in 0..<count {
      let length = Int(
        withUnsafeBytes(of: &batch.pointee.length) {
          $0.load(fromByteOffset: 4 * index, as: UInt32.self)
        })
      withUnsafeBytes(of: &batch.pointee.bytes) { all in
        let begin = index * CCOLLECTOR_BYTES
        let bytes = UnsafeRawBufferPointer(rebasing: all[begin..<(begin + length)])
        intake.take(
          bytes.assumingMemoryBound(to: UInt8.self), at: now, from: sender(index),
          isTimely: isTimely)
      }
    }
  }

  private func sender(_ index: Int) -> Sender {
    withUnsafeBytes(of: &batch.pointee.sender) {
      Sender($0.bindMemory(to: sockaddr_in6.self)[index])
    }
  }

  /// What cannot be sent comes again: the station does not forget.
  public func send(_ datagram: Datagram, to sender: Sender) {
    var address = sender.address
    datagram.withBytes { ccollector_send(socket, $0.baseAddress, $0.count, &address) }
  }

  private static func monotonic() -> Int64 { MachineClock().monotonicNanoseconds() }

  private static func utc() -> UTC { MachineClock().systemClock().realtime }
}
