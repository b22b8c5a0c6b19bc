// Keeper: what is not kept for ever is deleted, on a thread and over a connection of its own, so
// that nobody waits for it.
//
// Health and peaks are deleted when they are old, or when the store has become larger than it may:
// the oldest first, and never those of the last day. Detections are never deleted.
//
//     let keeper = Keeper("onset.sqlite", days: 400, mebibytesMaximum: nil) { complain($0) }
//     let day = keeper.oldestDay(at: now)

import Core
import Foundation
import Synchronization
import Tools

public final class Keeper: Sendable {
  private static let nanosecondsPerDay = 86_400 * nanosecondsPerSecond
  /// A deletion waits for whoever holds the store; nobody waits for it.
  private static let patienceMilliseconds: Int32 = 30_000
  /// A broker that has been away for longer gets newer health.
  private static let outgoingNanoseconds = 3600 * nanosecondsPerSecond
  private static let lookNanoseconds = 3600 * nanosecondsPerSecond
  /// A commit of what comes fits in between.
  private static let restMicroseconds: UInt32 = 100_000

  private let location: String
  private let days: Double
  private let mebibytesMaximum: Int?
  private let complain: @Sendable (String) -> Void
  private let looked = Mutex(UTC(nanoseconds: .min))

  /// `complain` gets a sentence where something cannot be deleted.
  public init(
    _ location: String, days: Double, mebibytesMaximum: Int?,
    complain: @escaping @Sendable (String) -> Void
  ) throws {
    guard mebibytesMaximum == nil || !isShared(location) else {
      throw ToolError(
        "--maximum-mib, or maximum_mib, is of a store in a file: what a server's database may take is "
          + "said on that server")
    }
    (self.location, self.days, self.mebibytesMaximum) = (location, days, mebibytesMaximum)
    self.complain = complain
  }

  /// The day before which nothing of the health is kept, once an hour, when it also begins to
  /// delete. `now`: a time that is vouched for; without one nothing is known to be old.
  public func oldestDay(at now: UTC?) -> UTC? {
    guard let now else { return nil }
    let isDue = looked.withLock { looked in
      guard now.nanoseconds - Keeper.lookNanoseconds >= looked.nanoseconds || now < looked else {
        return false
      }
      looked = now
      return true
    }
    guard isDue else { return nil }
    let day = now + -Int64(days * Double(Keeper.nanosecondsPerDay))
    Thread { [self] in delete(before: day, at: now) }.start()
    return day
  }

  private func delete(before day: UTC, at now: UTC) {
    do {
      let store = try Store(location, patienceMilliseconds: Keeper.patienceMilliseconds)
      while try store.forgetHealth(before: day) { usleep(Keeper.restMicroseconds) }
      try forgetOutgoing(store, before: now + -Keeper.outgoingNanoseconds)
      guard let mebibytesMaximum else { return }
      try Keeper.shrink(store, to: mebibytesMaximum, before: now + -Keeper.nanosecondsPerDay) {
        usleep(Keeper.restMicroseconds)
      }
    } catch {
      complain("what is old is not deleted: \(error)")
    }
  }

  private func forgetOutgoing(_ store: Store, before day: UTC) throws {
    var count = 0
    while case let some = try store.forgetOutgoing(before: day), some > 0 {
      count += some
      usleep(Keeper.restMicroseconds)
    }
    guard count > 0 else { return }
    complain("\(count) messages of health and peaks were not passed on in time, and are let go")
  }

  /// Deletes the oldest health and peaks until the store has become small enough.
  static func shrink(
    _ store: Store, to mebibytes: Int, before day: UTC, rest: () -> Void
  ) throws {
    while try store.usedBytes() > Int64(mebibytes) << 20 {
      guard try store.forgetOldest(before: day) else {
        throw ToolError(
          "the store has more than \(mebibytes) MiB of detections and of the last day's health: let "
            + "it become larger, or move it away")
      }
      rest()
    }
  }
}
