// Power cuts and crashes of both ends at random moments, with a bad link between them: the real
// station, the real file of what waits, the real intake and its database, in virtual time.
//
//     ONSET_CRASH_RUNS=500 swift test --filter CrashTests

import Core
import Foundation
import Settings
import StationFixture
import Testing
import Tools
import Uplink

@testable import Collector
@testable import Runtime
@testable import Station

@Suite struct CrashTests {
  private static let runs = ProcessInfo.processInfo.environment["ONSET_CRASH_RUNS"].flatMap(
    Int.init)

  /// (boot, sequence) of a message.
  private struct Number: Hashable {
    let boot: UInt32
    let sequence: UInt32
  }

  private final class World {
    private static let step: Int64 = 50_000_000
    let folder: URL
    private var random: RandomGenerator
    private var station: Station
    private var intake: Intake!
    private var now: Int64 = 0
    private var boot: UInt32 = 0
    private var file: OutboxFile
    /// Records that are ordered and not yet flushed.
    private var unwritten: [(record: OutboxRecord, at: Int64)] = []
    private var (up, down): ([(at: Int64, bytes: [UInt8])], [(at: Int64, bytes: [UInt8])]) = (
      [], []
    )
    private(set) var durable: Set<Number> = []
    private(set) var acknowledged: Set<Number> = []
    private(set) var told: [Number] = []
    private(set) var crashes = (station: 0, collector: 0)
    private(set) var bytesWritten = 0

    init(seed: UInt64) throws {
      let memory = URL(fileURLWithPath: "/dev/shm")
      let isThere = FileManager.default.isWritableFile(atPath: memory.path)
      folder = (isThere ? memory : FileManager.default.temporaryDirectory)
        .appendingPathComponent("onset-crash-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let key = folder.appendingPathComponent("XX.TEST..EH.key")
      try Data(testKey.withBytes { Array($0) }).write(to: key)
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key.path)
      random = RandomGenerator(seed: seed)
      station = Station(stationSettings())
      file = OutboxFile(in: Path(folder.path))
      try openIntake()
      startStation()
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func openIntake() throws {
      intake = nil
      intake = try Intake(
        databasePath: folder.appendingPathComponent("onset.sqlite").path,
        keys: try KeyFolder(folder.path, master: nil) { _ in }, told: try MessageFilter("audit"),
        tell: { [unowned self] in note($0) }, complain: { _ in },
        send: { [unowned self] datagram, _ in
          carry(datagram.withBytes { Array($0) }, &down)
        })
    }

    private func note(_ line: String) {
      let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      if let boot = object?["boot"] as? Int, let sequence = object?["sequence"] as? Int {
        told.append(Number(boot: UInt32(boot), sequence: UInt32(sequence)))
      }
    }

    private func startStation() {
      boot += 1
      var settings = stationSettings()
      (settings.bootCounter, settings.bootNonce) = (boot, UInt64(boot))
      station = Station(settings)
      OutboxFile(in: Path(folder.path)).forEach { station.restore($0, lacking: $1) }
    }

    /// What was ordered and not flushed is lost; the first of it may be torn.
    private func crashStation() throws {
      crashes.station += 1
      if let torn = unwritten.first {
        var bytes = [UInt8](repeating: 0, count: OutboxFile.recordByteCount)
        bytes.withUnsafeMutableBufferPointer { OutboxFile.encode(torn.record, into: $0) }
        let handle = try FileHandle(forUpdating: folder.appendingPathComponent("outbox"))
        try handle.seek(
          toOffset: UInt64(Int(torn.record.place) * OutboxFile.blockByteCount))
        try handle.write(contentsOf: bytes.prefix(random.below(bytes.count)))
        try handle.close()
      }
      unwritten.removeAll()
      startStation()
    }

    /// Half is lost, a fifth comes twice, all of it late.
    private func carry(_ bytes: [UInt8], _ way: inout [(at: Int64, bytes: [UInt8])]) {
      for _ in 0..<(random.below(5) == 0 ? 2 : 1) where random.below(2) == 0 {
        way.append((now + Int64(100 + random.below(400)) * 1_000_000, bytes))
      }
    }

    private func arrived(_ way: inout [(at: Int64, bytes: [UInt8])]) -> [[UInt8]] {
      let come = way.filter { $0.at <= now }.map(\.bytes)
      way.removeAll { $0.at <= now }
      return come
    }

    func step(commands: Bool, crashes: Bool) throws {
      now += Self.step
      station.tick(moment(UTC(nanoseconds: now)), clock: lockedClock(), isDelivering: true)
      if commands && random.below(40) == 0 {
        var command = CommandMessage()
        command.issuedMicroseconds = station.uptimeMicroseconds
        command.parameter = CommandParameter.triggerRatio.rawValue
        signed(command, bootNonce: UInt64(boot)).withBytes {
          station.receive($0, from: Address(ipv4: 1, port: 1))
        }
      }
      for bytes in arrived(&down) { deliver(bytes) }
      while let action = station.nextAction() {
        switch action {
        case .send(let datagram):
          if datagram.destination == .upstream(0) { carry(datagram.withBytes { Array($0) }, &up) }
        case .keep(let record):
          unwritten.append((record, now + Int64(random.below(300)) * 1_000_000))
        default: break
        }
      }
      try flush()
      for bytes in arrived(&up) {
        bytes.withUnsafeBufferPointer {
          intake.take($0, at: UTC(nanoseconds: now), from: Sender())
        }
      }
      if random.below(4) == 0 { intake.commit(at: UTC(nanoseconds: now)) }
      if crashes && random.below(150) == 0 { try crashStation() }
      if crashes && random.below(150) == 0 {
        self.crashes.collector += 1
        try openIntake()
      }
    }

    /// In order, as the scribe does.
    private func flush() throws {
      while let first = unwritten.first, first.at <= now {
        _ = file.write(first.record)
        _ = file.flush()
        bytesWritten += OutboxFile.blockByteCount
        let header = try open(first.record.datagram)
        durable.insert(Number(boot: header.bootCounter, sequence: header.sequence))
        unwritten.removeFirst()
      }
    }

    private func deliver(_ bytes: [UInt8]) {
      bytes.withUnsafeBufferPointer { bytes in
        if let opened = try? OpenedDatagram(bytes, key: testKey),
          let message = try? AcknowledgementMessage(opened.payload)
        {
          for number in 0...message.sequence where message.settles(number) {
            acknowledged.insert(Number(boot: message.boot, sequence: number))
          }
        }
        station.receive(bytes, from: Address(ipv4: 1, port: 1))
      }
    }

    var waiting: Int { station.outbox.count }
    var givenUp: Int { Int(station.health().givenUp) }

    func stored(_ table: String) throws -> Set<Number> {
      let rows = try SqliteDatabase(
        path: folder.appendingPathComponent("onset.sqlite").path, patienceMilliseconds: 0
      ).prepare("SELECT boot, sequence FROM \(table)").rows([])
      return Set(
        rows.compactMap { row in
          guard case .integer(let boot) = row[0], case .integer(let sequence) = row[1] else {
            return nil
          }
          return Number(boot: UInt32(boot), sequence: UInt32(sequence))
        })
    }
  }

  @Test(arguments: 1...UInt64(runs ?? 12)) func nothingKeptIsLostAndNothingIsToldTwice(
    seed: UInt64
  ) throws {
    let world = try World(seed: seed)
    for _ in 0..<1200 { try world.step(commands: true, crashes: true) }
    var steps = 0
    while world.waiting > 0 && steps < 24_000 {
      try world.step(commands: false, crashes: false)
      steps += 1
    }
    #expect(world.waiting == 0 && world.givenUp == 0)
    let audits = try world.stored("audit")
    let all = try audits.union(world.stored("health"))
    #expect(world.durable.subtracting(audits).isEmpty, "kept and lost")
    #expect(world.acknowledged.subtracting(all).isEmpty, "acknowledged and lost")
    #expect(Set(world.told).count == world.told.count, "told twice")
    #expect(world.durable.count > 10 && world.crashes.station + world.crashes.collector > 4)
    #expect(world.bytesWritten <= 4096 * (world.durable.count + 1))
  }
}
