// What comes in is told once and stored once, whatever comes twice, from strangers, or while the
// database takes nothing.

import Core
import Foundation
import StationFixture
import Testing
import Tools
import Uplink

@testable import Collector

@Suite struct IntakeTests {
  private static let station = "XX.ONST1.00.EH"
  private static let now = UTC(nanoseconds: 1_800_000_000_000_000_000)

  /// A folder with one station's key, a database in it, and what was told and complained of.
  private final class World {
    let folder: URL
    let key: Key
    var master: Key?
    var told: [String] = []
    var complaints: [String] = []
    private(set) var intake: Intake!
    var acknowledgements: [AcknowledgementMessage] = []
    /// What passed between operators and stations, and to whom.
    var passed: [(type: MessageType, bytes: [UInt8], to: Sender)] = []

    private func sent(_ datagram: Datagram, _ sender: Sender) {
      let bytes = datagram.withBytes { Array($0) }
      if let type = MessageType(rawValue: bytes[5]), type.isSigned {
        passed.append((type, bytes, sender))
      } else {
        acknowledged(datagram, sender)
      }
    }

    private func acknowledged(_ datagram: Datagram, _ sender: Sender) {
      datagram.withBytes { bytes in
        guard let opened = try? OpenedDatagram(bytes, key: key),
          let message = try? AcknowledgementMessage(opened.payload)
        else { return }
        acknowledgements.append(message)
      }
    }

    init() throws {
      folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("onset-collector-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      key = try Self.write(folder, IntakeTests.station, byte: 7)
      try open()
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    @discardableResult
    static func write(_ folder: URL, _ station: String, byte: UInt8) throws -> Key {
      let file = folder.appendingPathComponent("\(station).key")
      try Data(repeating: byte, count: 32).write(to: file)
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
      return try Key(file: Text<256>(file.path))
    }

    var databasePath: String { folder.appendingPathComponent("onset.sqlite").path }

    /// As after a restart.
    func open() throws {
      intake = nil
      intake = try Intake(
        databasePath: databasePath,
        keys: try KeyFolder(folder.path, master: master) { [unowned self] in complaints.append($0)
        }, operators: [testOperator.publicKey, testWatcher.publicKey],
        patienceMilliseconds: 0, tell: { [unowned self] in told.append($0) },
        complain: { [unowned self] in complaints.append($0) },
        send: { [unowned self] in sent($0, $1) })
    }

    func take(
      _ datagram: Datagram, at now: UTC = IntakeTests.now, from sender: Sender = Sender()
    ) {
      datagram.withBytes { intake.take($0, at: now, from: sender) }
    }

    func forgetHealth(before day: UTC) throws -> Bool {
      intake.refuseHealth(before: day)
      return try Store(databasePath, patienceMilliseconds: 0).forgetHealth(before: day)
    }

    func count(_ table: String) throws -> Int64 {
      try SqliteDatabase(path: databasePath, patienceMilliseconds: 0)
        .number("SELECT count(*) FROM \(table)")
    }
  }

  private static func datagram(
    _ type: MessageType = .pick, key: Key, sequence: UInt32, boot: UInt32 = 3,
    epoch: UInt64 = 9, station: String = station, emitted: UTC = now
  ) -> Datagram {
    let header = Header(
      type: type, station: Text(station), epoch: epoch, bootCounter: boot, sequence: sequence,
      emitted: emitted, clockState: 3, clockSource: 2, clockUncertaintyNanoseconds: 1000)
    return Datagram(header, key: key) { writer in
      switch type {
      case .pick:
        var pick = PickMessage()
        pick.id = sequence
        pick.time = now
        pick.write(to: &writer)
      case .alert:
        var alert = AlertMessage()
        alert.id = 1
        alert.level = .alarm
        alert.write(to: &writer)
      case .health: HealthMessage().write(to: &writer)
      default: AcknowledgementMessage(boot: boot, sequence: sequence).write(to: &writer)
      }
    }
  }

  @Test func whatComesTwiceIsToldAndStoredOnce() throws {
    let world = try World()
    for sequence in [0, 1, 1, 0, 2] as [UInt32] {
      world.take(Self.datagram(key: world.key, sequence: sequence))
    }
    #expect(world.told.isEmpty, "nothing is told before it is on disk")
    #expect(world.intake.commit(at: Self.now))
    world.take(Self.datagram(key: world.key, sequence: 1))
    #expect(world.intake.commit(at: Self.now))
    try world.open()
    world.take(Self.datagram(key: world.key, sequence: 2))
    world.take(Self.datagram(key: world.key, sequence: 2, boot: 4))
    #expect(world.intake.commit(at: Self.now))
    #expect(world.told.count == 4)
    #expect(try world.count("pick") == 4)
    #expect(world.intake.counts.doubles == 1 && world.intake.counts.stored == 1)
    // A station that lost its folder begins at boot 1 again, in another epoch.
    world.take(Self.datagram(key: world.key, sequence: 2, epoch: 10))
    #expect(world.intake.commit(at: Self.now))
    #expect(world.told.count == 5)
    #expect(try world.count("boot WHERE boot = 3 AND highest = 2 AND received = 3") == 1)
    #expect(try world.count("station") == 1)
  }

  /// A station that is told so forgets: on disk, and again what comes again.
  @Test func whatIsStoredIsAcknowledged() throws {
    let world = try World()
    for sequence in [2, 70, 66, 3, 300] as [UInt32] {
      world.take(Self.datagram(key: world.key, sequence: sequence))
    }
    world.take(Self.datagram(.alert, key: world.key, sequence: 4, boot: 9))
    #expect(world.acknowledgements.isEmpty)
    #expect(world.intake.commit(at: Self.now))
    func settled(_ boot: UInt32, _ number: UInt32) -> Bool {
      world.acknowledgements.contains { $0.boot == boot && $0.settles(number) }
    }
    for number in [2, 70, 66, 3, 300] as [UInt32] { #expect(settled(3, number), "\(number)") }
    #expect(settled(9, 4) && !settled(3, 4) && !settled(3, 69) && !settled(3, 299))
    #expect(world.acknowledgements.count == 4)
    // Each says again what those before it said, as far as it reaches.
    world.acknowledgements.removeAll()
    world.take(Self.datagram(key: world.key, sequence: 5, boot: 9))
    world.take(Self.datagram(key: world.key, sequence: 10, boot: 9))
    #expect(world.intake.commit(at: Self.now))
    #expect(world.acknowledgements.count == 1)
    for number in [4, 5, 10] as [UInt32] { #expect(settled(9, number), "\(number)") }
    #expect(!settled(9, 6) && !settled(3, 4))
    world.acknowledgements.removeAll()
    world.take(Self.datagram(key: world.key, sequence: 66))
    #expect(world.intake.commit(at: Self.now))
    #expect(settled(3, 66), "the first acknowledgement may be lost")
    let holder = try SqliteDatabase(path: world.databasePath, patienceMilliseconds: 0)
    try holder.execute("BEGIN IMMEDIATE")
    world.acknowledgements.removeAll()
    world.take(Self.datagram(key: world.key, sequence: 5))
    #expect(!world.intake.commit(at: Self.now))
    #expect(world.acknowledgements.isEmpty, "nothing that is not stored")
  }

  /// People wait for it; and they are not to be told again after a restart.
  @Test func anAlertIsToldAtOnceAndOnce() throws {
    let world = try World()
    let alert = Self.datagram(.alert, key: world.key, sequence: 5)
    world.take(alert)
    #expect(world.told.count == 1 && world.told[0].contains("\"type\":\"alert\""))
    world.take(alert)
    #expect(world.intake.commit(at: Self.now))
    world.take(alert)
    try world.open()
    world.take(alert)
    #expect(world.intake.commit(at: Self.now))
    #expect(world.told.count == 1)
    #expect(try world.count("alert") == 1)
  }

  @Test func strangersAreCountedByCauseAndChangeNothing() throws {
    let world = try World()
    let other = try World.write(
      FileManager.default.temporaryDirectory, "XX.OTHER-\(UUID().uuidString)", byte: 9)
    world.take(Self.datagram(key: other, sequence: 0))
    world.take(Self.datagram(key: world.key, sequence: 0, station: "XX.NONE.00.EH"))
    world.take(Self.datagram(.acknowledgement, key: world.key, sequence: 0))
    // An operator's command, caught on its way to the station.
    signed(CommandMessage(), code: Self.station).withBytes {
      world.intake.take($0, at: Self.now, from: Sender())
    }
    var damaged = Self.datagram(key: world.key, sequence: 0).withBytes { Array($0) }
    damaged[70] ^= 1
    damaged.withUnsafeBufferPointer { world.intake.take($0, at: Self.now, from: Sender()) }
    damaged[0..<30].withUnsafeBufferPointer { world.intake.take($0, at: Self.now, from: Sender()) }
    #expect(world.intake.commit(at: Self.now))
    #expect(world.told.isEmpty)
    #expect(try world.count("station") == 0)
    #expect(
      world.intake.counts.refused == [
        "is not sealed with this key": 2, "is of a station that has no key in the folder": 1,
        "is an acknowledgement, which is not for a collector": 1,
        "is for a station that was not heard yet": 1,
        "is shorter than a header and a tag, 80 bytes": 1,
      ])
    #expect(try world.count("refusal WHERE count >= 1 AND sender = '[::]:0'") == 5)
  }

  @Test func aKeyThatJoinsTheFolderCounts() throws {
    let world = try World()
    let station = "XX.LATER.00.EH"
    let key = try World.write(world.folder, station, byte: 8)
    // The folder was read at the start; what is unknown makes it read again, now and then.
    world.take(Self.datagram(key: key, sequence: 0, station: station))
    #expect(world.intake.counts.refused.isEmpty)
    let third = "XX.THIRD.00.EH"
    let thirdKey = try World.write(world.folder, third, byte: 9)
    world.take(Self.datagram(key: thirdKey, sequence: 0, station: third))
    #expect(world.intake.counts.refused.values.reduce(0, +) == 1, "it was read just now")
    world.take(
      Self.datagram(key: thirdKey, sequence: 1, station: third), at: Self.now + 5_000_000_000)
    #expect(world.intake.commit(at: Self.now))
    #expect(try world.count("pick") == 2)
    try Data([1]).write(to: world.folder.appendingPathComponent("XX.BAD.key"))
    try world.open()
    #expect(world.complaints.count == 1 && world.complaints[0].contains("XX.BAD.key"))
  }

  /// A station's own key, and what is derived of the master for others; the file comes first.
  @Test func aMasterKeyIsEnough() throws {
    let world = try World()
    let master = try World.write(
      FileManager.default.temporaryDirectory, "master-\(UUID().uuidString)", byte: 1)
    world.master = master
    try world.open()
    let derived = Key.ofStation(StationCode("XX.TWO.00.EH"), master: master)
    world.take(Self.datagram(key: derived, sequence: 0, station: "XX.TWO.00.EH"))
    world.take(Self.datagram(key: derived, sequence: 0, station: "XX.THREE.00.EH"))
    world.take(Self.datagram(key: world.key, sequence: 0))
    world.take(
      Self.datagram(key: Key.ofStation(StationCode(Self.station), master: master), sequence: 1))
    #expect(world.intake.commit(at: Self.now))
    #expect(try world.count("pick") == 2)
    #expect(world.intake.counts.refused == ["is not sealed with this key": 2])
  }

  /// While a key is replaced both count, and each station is answered with the one that it has.
  @Test func twoKeysAreLiveWhileOneIsReplaced() throws {
    let world = try World()
    let next = try World.write(world.folder, "\(Self.station).next", byte: 8)
    try world.open()
    world.take(Self.datagram(key: world.key, sequence: 0))
    #expect(world.intake.commit(at: Self.now))
    #expect(world.acknowledgements.count == 1, "sealed with the old key")
    world.take(Self.datagram(key: next, sequence: 1))
    #expect(world.intake.commit(at: Self.now))
    #expect(world.acknowledgements.count == 1, "sealed with the new one")
    #expect(try world.count("pick") == 2)
    // It is replaced once more while the collector runs, and by the master's.
    let third = try World.write(world.folder, "\(Self.station).next", byte: 9)
    world.take(Self.datagram(key: third, sequence: 2), at: Self.now + 9_000_000_000)
    #expect(world.intake.commit(at: Self.now))
    #expect(try world.count("pick") == 3)
    let master = Key(Octets(repeating: 1))
    world.master = master
    try FileManager.default.removeItem(
      at: world.folder.appendingPathComponent("\(Self.station).key"))
    try world.open()
    let derived = Key.ofStation(StationCode(Self.station), master: master)
    world.take(Self.datagram(key: derived, sequence: 3))
    world.take(Self.datagram(key: third, sequence: 4))
    world.take(Self.datagram(key: world.key, sequence: 5))
    #expect(world.intake.commit(at: Self.now))
    #expect(try world.count("pick") == 5, "the master's and the next, and no more the one before")
  }

  /// A station that nobody can reach is asked by way of the collector, which can add nothing.
  @Test func whatOperatorsSignIsPassedOnAndTheAnswerBack() throws {
    let world = try World()
    func address(_ byte: UInt8) -> Sender {
      var address = sockaddr_in6()
      address.sin6_port = UInt16(byte)
      return Sender(address)
    }
    let (station, ada, bob) = (address(1), address(2), address(3))
    world.take(Self.datagram(key: world.key, sequence: 0), from: station)
    #expect(world.intake.commit(at: Self.now))
    // Somebody sends it again from elsewhere, and an older one that was lost on its way.
    world.take(Self.datagram(key: world.key, sequence: 0), from: bob)
    world.take(Self.datagram(key: world.key, sequence: 7, boot: 2), from: bob)
    #expect(world.intake.commit(at: Self.now))
    world.passed.removeAll()
    let ping = signedPing(7, code: Self.station)
    world.take(ping, from: ada)
    #expect(world.passed.map(\.to) == [station] && world.passed.map(\.type) == [.ping])
    #expect(world.passed[0].bytes == ping.withBytes { Array($0) }, "to the byte")
    // Two may ask at once.
    world.take(signedPing(8, code: Self.station, key: testWatcher), from: bob)
    func pong(_ nonce: UInt64, _ key: SigningKey) -> Datagram {
      var header = Header(.pong, to: Text(Self.station), epoch: 9, at: Self.now)
      header.sequence = 1
      var pong = PongMessage()
      pong.nonce = nonce
      return Datagram(header, signedBy: key) { pong.write(to: &$0) }
    }
    let identity = SigningKey(ofStation: world.key)
    world.take(pong(8, identity), from: station)
    world.take(pong(7, identity), from: station)
    #expect(world.passed.map(\.to) == [station, station, bob, ada])
    let signs = world.passed[3].bytes.withUnsafeBufferPointer {
      (try? OpenedDatagram($0, of: identity.publicKey)) != nil
    }
    #expect(signs)
    // A stranger's, one to a station that was never heard, one with another's name, a second answer,
    // and one that the station has not signed.
    world.take(signedPing(9, code: Self.station, key: pair(7)), from: ada)
    world.take(signedPing(9, code: "XX.NONE.00.EH"), from: ada)
    var forged = signedPing(9, code: Self.station).withBytes { Array($0) }
    forged[80] ^= 1
    forged.withUnsafeBufferPointer { world.intake.take($0, at: Self.now, from: ada) }
    world.take(pong(7, identity), from: station)
    world.take(signedPing(10, code: Self.station), from: ada)
    world.take(pong(10, pair(8)), from: station)
    // Whoever repeats a question does not get its answer.
    world.take(signedPing(10, code: Self.station), from: bob)
    #expect(world.passed.count == 5 && world.intake.counts.passed == 5)
    #expect(
      world.intake.counts.refused == [
        "is of an operator whose key is not in the folder": 1,
        "is for a station that was not heard yet": 1, "is not sealed with this key": 2,
        "is an answer that nobody waits for": 2,
      ])
    // A command goes the same way.
    world.take(signed(CommandMessage(), code: Self.station, epoch: 9), from: bob)
    var answer = CommandMessage()
    answer.result = .done
    let header = Header(.answer, to: Text(Self.station), epoch: 9, at: Self.now)
    world.take(
      Datagram(header, signedBy: identity) { AnswerMessage(answer).write(to: &$0) }, from: station)
    #expect(world.passed.last?.to == bob && world.passed.last?.type == .answer)
    #expect(world.intake.commit(at: Self.now))
    #expect(try world.count("pick") == 2)
    // A recorded question is not worth more than a station looks at.
    let before = world.passed.count
    let recorded = signedPing(11, code: Self.station)
    for _ in 0..<100 { world.take(recorded, at: Self.now + 5_000_000_000, from: ada) }
    #expect(world.passed.count == before + 20)
    for number in 0..<100 as Range<UInt64> {
      world.take(
        signedPing(number, code: Self.station), at: Self.now + 6_000_000_000, from: ada)
    }
    #expect(world.passed.count == before + 40)
  }

  /// A recording has the station's seal; a station that nobody has told the time is not old.
  @Test func recordingsAreRefusedAndAnUnsetClockIsNot() throws {
    let world = try World()
    world.take(Self.datagram(.alert, key: world.key, sequence: 0, boot: 0))
    world.take(Self.datagram(.alert, key: world.key, sequence: 0, epoch: 0))
    #expect(world.told.isEmpty)
    #expect(
      world.intake.counts.refused == ["is of a recording: it has no epoch or no boot": 2])
    _ = try world.forgetHealth(before: Self.now)
    let header = Header(
      type: .health, station: Text(Self.station), epoch: 9, bootCounter: 3, sequence: 1,
      emitted: UTC(nanoseconds: 5), clockState: 0, clockSource: 0,
      clockUncertaintyNanoseconds: .max)
    world.take(Datagram(header, key: world.key) { HealthMessage().write(to: &$0) })
    #expect(world.intake.commit(at: Self.now))
    #expect(try world.count("health") == 1)
  }

  /// A backup holds the database, or its disk is full.
  @Test func whatCannotBeStoredIsKeptAndStoredLater() throws {
    let world = try World()
    let holder = try SqliteDatabase(path: world.databasePath, patienceMilliseconds: 0)
    world.take(Self.datagram(key: world.key, sequence: 0))
    #expect(world.intake.commit(at: Self.now))
    try holder.execute("BEGIN IMMEDIATE")
    for sequence in 1..<40 as Range<UInt32> {
      world.take(Self.datagram(key: world.key, sequence: sequence))
      #expect(!world.intake.commit(at: Self.now))
    }
    let alert = Self.datagram(.alert, key: world.key, sequence: 40)
    world.take(alert)
    world.take(alert)
    #expect(world.told.count == 2, "the first pick, and the alert")
    #expect(world.complaints.count == 1 && world.complaints[0].contains("another program"))
    try holder.execute("ROLLBACK")
    #expect(world.intake.commit(at: Self.now))
    #expect(world.complaints.last == "what was kept in memory is stored")
    #expect(world.told.count == 41)
    #expect(try world.count("pick") == 40)
    #expect(world.intake.counts.lost == 0 && world.intake.counts.failures == 39)
  }

  @Test func aDatabaseOfANewerCollectorIsLeftAlone() throws {
    let world = try World()
    try SqliteDatabase(path: world.databasePath, patienceMilliseconds: 0)
      .execute("PRAGMA user_version = 4")
    #expect {
      try world.open()
    } throws: { "\($0)".contains("newer onset-collector") }
    try SqliteDatabase(path: world.databasePath, patienceMilliseconds: 0)
      .execute("PRAGMA user_version = 1")
    #expect {
      try world.open()
    } throws: { "\($0)".contains("version 1 of the wire format") }
    try Data("no database, but a long enough text to be looked at".utf8)
      .write(to: world.folder.appendingPathComponent("text"))
    #expect {
      _ = try Intake(
        databasePath: world.folder.appendingPathComponent("text").path,
        keys: try KeyFolder(world.folder.path, master: nil) { _ in }, tell: { _ in },
        complain: { _ in }, send: { _, _ in })
    } throws: { "\($0)".contains("move it away") }
  }

  @Test func oldHealthIsForgottenAndDetectionsAreNot() throws {
    let world = try World()
    let day: Int64 = 86_400_000_000_000
    for (sequence, age) in [(0, 3), (1, 2), (2, 0)] as [(UInt32, Int64)] {
      world.take(
        Self.datagram(
          .health, key: world.key, sequence: sequence, emitted: Self.now + -age * day),
        at: Self.now + -age * day)
    }
    world.take(Self.datagram(key: world.key, sequence: 3), at: Self.now + -9 * day)
    #expect(world.intake.commit(at: Self.now))
    #expect(try world.forgetHealth(before: Self.now + -day) == false)
    #expect(try world.count("health") == 1)
    #expect(try world.count("pick") == 1)
    world.take(
      Self.datagram(.health, key: world.key, sequence: 1, emitted: Self.now + -2 * day))
    #expect(world.intake.counts.refused == ["is health of before what is kept": 1])
  }

  /// What is unknown on the wire is nothing in the table, and bits of a float are a number.
  @Test func aRowSaysWhatTheMessageSaid() throws {
    let world = try World()
    world.take(Self.datagram(.health, key: world.key, sequence: 0))
    world.take(Self.datagram(key: world.key, sequence: 1))
    #expect(world.intake.commit(at: Self.now))
    let row = try SqliteDatabase(path: world.databasePath, patienceMilliseconds: 0)
      .prepare("SELECT noise_counts, temperature_centidegrees, software FROM health").rows([])
    #expect(row == [[.real(0), .null, .text("")]])
    #expect(
      try world.count(
        "pick WHERE time_ns = \(Self.now.nanoseconds) AND probability IS NULL AND id = 1") == 1)
  }
}
