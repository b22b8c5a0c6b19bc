// ChronyFeed: passes the edges of the station's own pulse on to chronyd, which otherwise could not have
// the line that the station has. The loop puts an edge down, the scribe tells it; chronyd may be there
// or not.
//
//     feed.put(report)                                in the loop
//     feed.pass(to: socket, monotonicNow: now)        in the scribe
//     let state = feed.state(monotonicNow: now)       for health

import CLinux
import Clock
import Core
import Synchronization
import Uplink

struct ChronyFeed: ~Copyable {
  private static let waitingMaximum = 4
  /// An edge a second is told; after so many without one it is said that none is.
  private static let freshNanoseconds: Int64 = 10 * nanosecondsPerSecond

  /// Where chronyd listens; empty: nobody is told.
  let path: Text<64>
  private let reports: Ring<PulseReport>
  private let descriptor = clinux_chrony_open()
  private let lastTold = Atomic<Int64>(.min)
  private let lastRefused = Atomic<Int64>(.min)

  init(to path: Text<64>) throws(Diagnostic) {
    guard let reports = Ring<PulseReport>(capacity: ChronyFeed.waitingMaximum) else {
      throw Diagnostic("the kernel has no memory for edges that chrony is to have")
    }
    self.path = path
    self.reports = reports
  }

  /// One that finds no room is lost: chronyd misses an edge as any receiver may.
  func put(_ report: PulseReport) -> Bool { reports.put(report) }

  /// Tells what waits. chronyd makes its socket anew when it starts, so that each goes to the path.
  func pass(monotonicNow now: Int64) {
    let descriptor = descriptor
    while let report = reports.take() {
      let isTold = path.withCString {
        clinux_chrony_tell(descriptor, $0, report.realtimeNanoseconds, report.aheadNanoseconds) == 0
      }
      if isTold {
        lastTold.store(now, ordering: .relaxed)
      } else {
        lastRefused.store(now, ordering: .relaxed)
      }
    }
  }

  func state(monotonicNow now: Int64) -> PulseFeedState {
    guard !path.isEmpty else { return .none }
    let told = lastTold.load(ordering: .relaxed)
    let refused = lastRefused.load(ordering: .relaxed)
    guard max(told, refused) > now - ChronyFeed.freshNanoseconds else { return .waiting }
    return told > refused ? .taken : .refused
  }
}
