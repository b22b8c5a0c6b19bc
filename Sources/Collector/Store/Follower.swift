// Follower: what other collectors put into a store that is shared, so that each of them shows all
// stations and hears all alarms.
//
//     let follower = Follower(location) { opened, received in room.note(opened, received: received) }
//     if follower.mark(opened) { … }

import Core
import Devices
import Foundation
import Synchronization
import Tools
import Uplink

public final class Follower: Sendable {
  private static let lookMicroseconds: UInt32 = 300_000
  /// Collectors' clocks differ, and a commit may be late: this much is looked at again each time.
  /// Alerts are few: as many are looked at as an outage of the store may hold back.
  private static let overlapNanoseconds = 15 * nanosecondsPerSecond
  private static let alertNanoseconds = 3600 * nanosecondsPerSecond
  private static let alertsMaximum = 65_536
  /// More than come in that time.
  private static let rowsMaximum: Int64 = 20_000

  private struct Seen {
    var now: Set<Place> = []
    var before: Set<Place> = []
    var alerts: Set<Place> = []
  }

  private let location: String
  private let seen = Mutex(Seen())
  private let isOver = Mutex(false)

  /// nil where the store is of this collector alone. `note` gets what others have stored, from a
  /// thread of its own.
  public init?(
    _ location: String, complain: @escaping @Sendable (String) -> Void,
    note: @escaping @Sendable (OpenedDatagram, UTC) -> Void
  ) {
    guard isShared(location) else { return nil }
    self.location = location
    Thread { [self] in run(complain, note) }.start()
  }

  /// Whether it has not been here before, by whichever way.
  @discardableResult
  public func mark(_ opened: OpenedDatagram) -> Bool {
    let place = Place(opened.header)
    return seen.withLock { seen in
      guard opened.header.type != .alert else {
        if seen.alerts.count >= Follower.alertsMaximum { seen.alerts.removeAll() }
        return seen.alerts.insert(place).inserted
      }
      return seen.before.contains(place) ? false : seen.now.insert(place).inserted
    }
  }

  public func end() { isOver.withLock { $0 = true } }

  private func run(
    _ complain: (String) -> Void, _ note: (OpenedDatagram, UTC) -> Void
  ) {
    var archive: Archive?
    var isFailing = false
    var turned = MachineClock().monotonicNanoseconds()
    while !isOver.withLock({ $0 }) {
      do {
        let open = try archive ?? Archive(location)
        archive = open
        let now = MachineClock().systemClock().realtime
        try open.forEach(
          since: now + -Follower.overlapNanoseconds, alertsSince: now + -Follower.alertNanoseconds,
          limit: Follower.rowsMaximum
        ) { opened, received in
          if mark(opened) { note(opened, received) }
        }
        if isFailing { complain("what other collectors store is seen again") }
        isFailing = false
      } catch {
        if !isFailing { complain("what other collectors store is not seen: \(error)") }
        (isFailing, archive) = (true, nil)
      }
      let now = MachineClock().monotonicNanoseconds()
      if now - turned > 2 * Follower.overlapNanoseconds {
        seen.withLock { ($0.now, $0.before) = ([], $0.now) }
        turned = now
      }
      usleep(Follower.lookMicroseconds)
    }
  }
}
