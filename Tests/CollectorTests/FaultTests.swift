// What the collector says of itself, and keeps, while its machine fails it.

import Core
import Foundation
import StationFixture
import Testing
import Uplink

@testable import Collector

@Suite struct FaultTests {
  private static let now = UTC(nanoseconds: 1_800_000_000_000_000_000)
  private static let day: Int64 = 86_400 * nanosecondsPerSecond

  private final class World {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-fault-\(UUID().uuidString)")
    var intake: Intake!
    var complaints: [String] = []
    var acknowledged = 0
    var uptime: Int64 = 0
    var linesLost = 0

    init(waitingMaximum: Int = Intake.waitingMaximum) throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try open(waitingMaximum: waitingMaximum)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var path: String { folder.appendingPathComponent("onset.sqlite").path }

    func open(waitingMaximum: Int = Intake.waitingMaximum) throws {
      intake = nil
      intake = try Intake(
        databasePath: path, keys: try KeyFolder(nil, master: testKey) { _ in },
        patienceMilliseconds: 0, waitingMaximum: waitingMaximum, tell: { _ in },
        complain: { [unowned self] in complaints.append($0) },
        send: { [unowned self] _, _ in acknowledged += 1 },
        linesLost: { [unowned self] in linesLost }, uptime: { [unowned self] in uptime })
    }

    func take(
      _ type: MessageType = .pick, station: String = "XX.A..HH", sequence: UInt32,
      emitted: UTC = FaultTests.now, at now: UTC = FaultTests.now, clockState: UInt8 = 3
    ) {
      let header = Header(
        type: type, station: Text(station), epoch: 9, bootCounter: 3, sequence: sequence,
        emitted: emitted, clockState: clockState, clockSource: 2,
        clockUncertaintyNanoseconds: 1000)
      let key = Key.ofStation(StationCode(station), master: testKey)
      Datagram(header, key: key) {
        if type == .health { HealthMessage().write(to: &$0) } else { PickMessage().write(to: &$0) }
      }.withBytes { intake.take($0, at: now, from: Sender()) }
    }

    func report(at now: UTC = FaultTests.now) throws -> [String: Any] {
      let line = Data(intake.report(at: now).utf8)
      return try #require(JSONSerialization.jsonObject(with: line) as? [String: Any])
    }

    func forgetHealth(before day: UTC) throws {
      intake.refuseHealth(before: day)
      _ = try Store(path, patienceMilliseconds: 0).forgetHealth(before: day)
    }

    func count(_ table: String) throws -> Int64 {
      try SqliteDatabase(path: path, patienceMilliseconds: 0).number(
        "SELECT count(*) FROM \(table)")
    }
  }

  @Test func theReportSaysWhetherAndSinceWhenNothingIsStored() throws {
    let world = try World()
    var report = try world.report()
    #expect(report["storing"] as? Bool == true && report["oldest_waiting_s"] as? Double == 0)
    let holder = try SqliteDatabase(path: world.path, patienceMilliseconds: 0)
    try holder.execute("BEGIN EXCLUSIVE")
    world.take(sequence: 0)
    world.uptime += 2_500_000_000
    world.take(sequence: 1)
    #expect(!world.intake.commit(at: Self.now))
    world.linesLost = 7
    // That the clock is set changes nothing in how long something has waited.
    report = try world.report(at: Self.now + -Self.day)
    #expect(report["storing"] as? Bool == false && report["oldest_waiting_s"] as? Double == 2.5)
    #expect(report["failures"] as? Int == 1 && report["waiting"] as? Int == 2)
    #expect(report["lines_lost"] as? Int == 7 && world.acknowledged == 0)
    try holder.execute("ROLLBACK")
    #expect(world.intake.commit(at: Self.now))
    report = try world.report()
    #expect(report["storing"] as? Bool == true && report["oldest_waiting_s"] as? Double == 0)
    #expect(world.acknowledged == 1)
  }

  @Test func theReportSaysHowTheClocksAre() throws {
    let world = try World()
    #expect(try world.report()["clock_difference_s"] is NSNull)
    for station in ["XX.A..HH", "XX.B..HH", "XX.C..HH"] {
      world.take(.health, station: station, sequence: 0)
    }
    // A pick that was sent again is as old as the outage that it has outlived.
    world.take(sequence: 1, emitted: Self.now + -Self.day)
    #expect(world.intake.commit(at: Self.now))
    var report = try world.report(at: Self.now + 500_000_000)
    #expect(report["clock_difference_s"] as? Double == 0.5 && world.complaints.isEmpty)
    report = try world.report(at: Self.now + Self.day)
    #expect(report["clock_difference_s"] as? Double == 86_400)
    #expect(report["clock_wrong"] as? Bool == true && report["locked_stations"] as? Int == 3)
    #expect(
      world.complaints == [
        "this machine's clock is wrong: it is 86400.0 s ahead of 3 of 3 locked stations, and times "
          + "of reception are wrong with it"
      ])
    // The receiver of one was made in another age; its health is too old to be taken.
    try world.forgetHealth(before: Self.now + -Self.day)
    world.take(.health, sequence: 2, emitted: Self.now + -7168 * Self.day)
    report = try world.report()
    #expect(report["wrong_stations"] as? Int == 1 && report["clock_wrong"] as? Bool == false)
    #expect(world.complaints.last?.contains("the clock of XX.A..HH is wrong") == true)
    #expect(world.intake.counts.refused == ["is health of before what is kept": 1])
  }

  /// A machine that starts in the year 2038 must not take all health for old.
  @Test func aClockThatIsAheadDeletesNothing() throws {
    let world = try World()
    let ahead = Self.now + 4000 * Self.day
    #expect(world.intake.vouchedTime(at: Self.now) == nil, "nobody has told the time yet")
    world.take(.health, sequence: 0, clockState: 0)
    #expect(world.intake.commit(at: Self.now))
    #expect(world.intake.vouchedTime(at: Self.now) == nil, "that station does not know it")
    world.take(.health, sequence: 1)
    #expect(world.intake.commit(at: Self.now))
    world.uptime += 60 * nanosecondsPerSecond
    #expect(world.intake.vouchedTime(at: ahead) == Self.now + 60 * nanosecondsPerSecond)
    #expect(world.intake.vouchedTime(at: Self.now) == Self.now)
    // After a restart what is stored says it.
    try world.open()
    #expect(world.intake.vouchedTime(at: ahead) == Self.now)
  }

  /// A machine without a battery clock stores in 1970, until somebody tells it the time.
  @Test func aClockThatBeganIn1970DeletesNothingNew() throws {
    let world = try World()
    world.take(.health, sequence: 0, at: UTC(nanoseconds: 0))
    #expect(world.intake.commit(at: UTC(nanoseconds: 0)))
    try world.forgetHealth(before: Self.now + -Self.day)
    #expect(try world.count("health") == 1)
    try world.forgetHealth(before: Self.now + Self.day)
    #expect(try world.count("health") == 0)
  }

  /// A backup that holds the database does not keep the collector from starting either.
  @Test func itStartsWhileSomebodyHoldsTheDatabase() throws {
    let world = try World()
    let holder = try SqliteDatabase(path: world.path, patienceMilliseconds: 0)
    try holder.execute("BEGIN EXCLUSIVE")
    try world.open()
    world.take(sequence: 0)
    #expect(!world.intake.commit(at: Self.now) && world.acknowledged == 0)
    try holder.execute("ROLLBACK")
    #expect(world.intake.commit(at: Self.now) && world.acknowledged == 1)
    #expect(try world.count("pick") == 1)
  }

  /// The memory for what waits is bounded. What is given up was not acknowledged, and comes again.
  @Test func whatIsGivenUpIsSaidOnceAndWasNotAcknowledged() throws {
    let world = try World(waitingMaximum: 16)
    let holder = try SqliteDatabase(path: world.path, patienceMilliseconds: 0)
    try holder.execute("BEGIN EXCLUSIVE")
    for sequence in 0..<20 as Range<UInt32> {
      world.take(sequence: sequence)
      #expect(!world.intake.commit(at: Self.now))
    }
    #expect(world.intake.counts.lost == 4 && world.intake.waitingCount == 16)
    #expect(world.complaints.count { $0.contains("the oldest are given up") } == 1)
    try holder.execute("ROLLBACK")
    #expect(world.intake.commit(at: Self.now))
    #expect(try world.count("pick") == 16)
    for sequence in 0..<4 as Range<UInt32> { world.take(sequence: sequence) }
    #expect(world.intake.commit(at: Self.now))
    #expect(try world.count("pick") == 20)
  }
}
