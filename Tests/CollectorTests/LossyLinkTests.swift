// A station and a collector with a bad link between them, in virtual time: what the station keeps
// is stored exactly once.

import Collector
import Core
import Foundation
import Station
import StationFixture
import Testing
import Tools
import Uplink

@Suite struct LossyLinkTests {
  /// Half of everything is lost, a fifth comes twice, and it takes 0.1 to 0.5 s, so that it comes
  /// in another order; for a minute nothing passes.
  private struct Link {
    private var random: RandomGenerator
    private var underway: [(at: Int64, bytes: [UInt8])] = []
    private let outage = 60 * nanosecondsPerSecond..<120 * nanosecondsPerSecond

    init(seed: UInt64) { random = RandomGenerator(seed: seed) }

    mutating func send(_ datagram: Datagram, at now: Int64) {
      guard !outage.contains(now) else { return }
      let copies = Int.random(in: 0..<10, using: &random) < 2 ? 2 : 1
      for _ in 0..<copies where Bool.random(using: &random) {
        let delay = Int64.random(in: 100_000_000...500_000_000, using: &random)
        underway.append((now + delay, datagram.withBytes { Array($0) }))
      }
    }

    mutating func arrived(at now: Int64) -> [[UInt8]] {
      let come = underway.filter { $0.at <= now }.sorted { $0.at < $1.at }.map(\.bytes)
      underway.removeAll { $0.at <= now }
      return come
    }
  }

  /// What outlives an intake: its folder, and what was told.
  private final class World {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-link-\(UUID().uuidString)")
    var told: [String] = []
    var acknowledgements: [Datagram] = []

    init() throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let file = folder.appendingPathComponent("XX.TEST..EH.key")
      try Data(testKey.withBytes { Array($0) }).write(to: file)
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func intake() throws -> Intake {
      try Intake(
        databasePath: folder.appendingPathComponent("onset.sqlite").path,
        keys: try KeyFolder(folder.path, master: nil) { _ in },
        tell: { [unowned self] in told.append($0) }, complain: { _ in },
        send: { [unowned self] datagram, _ in acknowledgements.append(datagram) })
    }
  }

  @Test(arguments: 1...3 as ClosedRange<UInt64>) func everythingArrivesOnce(seed: UInt64) throws {
    let world = try World()
    var intake = try world.intake()
    var (up, down) = (Link(seed: seed), Link(seed: 100 + seed))
    var station = Station(stationSettings())
    let commands = 200
    var (sent, again) = (0, 0)
    // A command every two seconds; then as long again for what is left.
    for step in 0..<80_000 {
      let now = Int64(step) * 10_000_000
      if step % 200 == 50, step / 200 < commands {
        var command = CommandMessage()
        command.issuedMicroseconds = UInt64(step) * 10_000
        command.parameter = CommandParameter.triggerRatio.rawValue
        signed(command).withBytes { station.receive($0, address: 1, port: 1) }
      }
      for bytes in down.arrived(at: now) {
        bytes.withUnsafeBufferPointer { station.receive($0, address: 1, port: 1) }
      }
      station.tick(
        moment(UTC(nanoseconds: now)), clock: lockedClock(), isDelivering: true)
      while let datagram = station.nextDatagram() {
        guard datagram.address == 0 else { continue }
        sent += 1
        up.send(datagram, at: now)
        if try message(datagram, as: AuditMessage.self) != nil { again += 1 }
      }
      for bytes in up.arrived(at: now) {
        bytes.withUnsafeBufferPointer {
          intake.take($0, at: UTC(nanoseconds: now), from: Sender())
        }
      }
      #expect(intake.commit(at: UTC(nanoseconds: now)))
      for datagram in world.acknowledgements { down.send(datagram, at: now) }
      world.acknowledgements.removeAll()
      if step == 5000 { intake = try world.intake() }
    }
    let told = world.told.filter { $0.contains("\"type\":\"audit\"") }
    #expect(told.count == commands, "each once: nothing is lost and nothing is told twice")
    #expect(Set(told).count == commands)
    #expect(again > commands && again < 12 * commands, "\(again) of them were sent")
    // Nothing is left that would be sent for ever.
    var late = 0
    for step in 80_000..<100_000 {
      let now = moment(UTC(nanoseconds: Int64(step) * 10_000_000))
      station.tick(now, clock: lockedClock(), isDelivering: true)
      while let datagram = station.nextDatagram() {
        if try message(datagram, as: AuditMessage.self) != nil { late += 1 }
      }
    }
    #expect(late == 0)
  }
}
