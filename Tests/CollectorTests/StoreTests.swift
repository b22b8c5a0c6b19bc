// The store itself: one that an older collector made goes on, and what is old makes room.

import Core
import Foundation
import StationFixture
import Testing
import Tools
import Uplink

@testable import Collector

@Suite struct StoreTests {
  private static let now = UTC(nanoseconds: 1_800_000_000_000_000_000)
  private static let day = 86_400 * nanosecondsPerSecond

  private final class Place {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-store-\(UUID().uuidString)")
    var path: String { folder.appendingPathComponent("onset.sqlite").path }
    init() throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: folder) }
  }

  private static func arrived(
    _ type: MessageType = .pick, sequence: UInt32, at received: UTC = now
  ) -> Arrived {
    let header = Header(
      type: type, station: Text("XX.A.00.HH"), epoch: 9, bootCounter: 3, sequence: sequence,
      emitted: received, clockState: 3, clockSource: 2, clockUncertaintyNanoseconds: 1000)
    var pick = PickMessage()
    (pick.id, pick.status, pick.phase, pick.quality, pick.picker) = (1, 2, 1, 1, 2)
    let datagram = Datagram(header, key: testKey) {
      if type == .health { HealthMessage().write(to: &$0) } else { pick.write(to: &$0) }
    }
    return Arrived(bytes: datagram.withBytes { Array($0) }, header: header, received: received)
  }

  /// Version 2 knew no queue of what goes on to others, and picks had a column less.
  @Test func aStoreOfTheVersionBeforeGoesOn() throws {
    let place = try Place()
    _ = try Store(place.path, patienceMilliseconds: 0).keep(
      [Self.arrived(sequence: 0)], refused: [])
    let old = try SqliteDatabase(path: place.path, patienceMilliseconds: 0)
    try old.execute(
      "DROP TABLE outgoing; ALTER TABLE pick DROP COLUMN fingerprint; PRAGMA user_version = 2")
    let store = try Store(place.path, patienceMilliseconds: 0, isPassedOn: true)
    #expect(
      try store.keep([Self.arrived(sequence: 0), Self.arrived(sequence: 1)], refused: [])
        == [false, true])
    let picks = try MessageTable<PickMessage>.rows(store.database, "ORDER BY m.sequence")
    #expect(picks.map(\.header.sequence) == [0, 1] && picks.map(\.message.fingerprint) == [0, 0])
    #expect(try store.database.number("SELECT count(*) FROM outgoing") == 1)
    #expect(try store.database.version() == Store.schemaVersion)
  }

  /// The oldest health goes, the last day's and all detections stay.
  @Test func aStoreThatIsTooLargeForgetsTheOldestHealth() throws {
    let place = try Place()
    let store = try Store(place.path, patienceMilliseconds: 0)
    let arrived = (0..<30_000 as Range<UInt32>).map { number in
      let old = Self.now + -(3 * Self.day - Int64(number) * nanosecondsPerSecond)
      return Self.arrived(number % 3 == 0 ? .pick : .health, sequence: number, at: old)
    }
    _ = try store.keep(arrived, refused: [])
    let before = try store.usedBytes()
    var rests = 0
    try Keeper.shrink(store, to: Int(before >> 20), before: Self.now) { rests += 1 }
    #expect(try rests == 1 && store.database.number("SELECT count(*) FROM health") == 10_000)
    #expect(try store.database.number("SELECT min(sequence) FROM health") > 14_000)
    #expect(try store.database.number("SELECT count(*) FROM pick") == 10_000)
    // What is left is of the last day, or detections: it says so, and deletes none of it.
    #expect {
      try Keeper.shrink(store, to: 0, before: Self.now + -3 * Self.day) {}
    } throws: { "\($0)".contains("more than 0 MiB of detections") }
    #expect(try store.database.number("SELECT count(*) FROM health") == 10_000)
  }
}
