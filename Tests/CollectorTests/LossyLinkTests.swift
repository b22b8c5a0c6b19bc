// Stations and collectors with bad links between them, in virtual time: what a station keeps is
// stored exactly once, wherever it goes to, and alerts are not late.

import Core
import Foundation
import StationFixture
import Testing
import Tools
import Uplink

@testable import Collector
@testable import Station

/// Half of everything is lost, a fifth comes twice, and it takes 0.1 to 0.5 s, so that it comes in
/// another order; in the outages nothing passes.
private struct Link {
  static let meanDelay = 0.3
  private var random: RandomGenerator
  private var underway: [(at: Int64, bytes: [UInt8])] = []
  var outages: [Range<Int64>] = []

  init(seed: UInt64) { random = RandomGenerator(seed: seed) }

  mutating func send(_ bytes: [UInt8], at now: Int64) {
    guard !outages.contains(where: { $0.contains(now) }) else { return }
    let copies = Int.random(in: 0..<10, using: &random) < 2 ? 2 : 1
    for _ in 0..<copies where Bool.random(using: &random) {
      underway.append((now + Int64.random(in: 100_000_000...500_000_000, using: &random), bytes))
    }
  }

  mutating func arrived(at now: Int64) -> [[UInt8]] {
    guard underway.contains(where: { $0.at <= now }) else { return [] }
    let come = underway.filter { $0.at <= now }.sorted { $0.at < $1.at }.map(\.bytes)
    underway.removeAll { $0.at <= now }
    return come
  }
}

/// A collector with its folder, which outlives it, and what it told.
private final class Upstream {
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("onset-link-\(UUID().uuidString)")
  private let master: Key
  private var intake: Intake!
  private var told: [String: Int] = [:]
  private(set) var firstAlerts: [String: Int64] = [:]
  private var now: Int64 = 0
  private(set) var acknowledgements: [(station: String, bytes: [UInt8])] = []

  init(master: Key) throws {
    self.master = master
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try start()
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// As after a crash: what was not committed is gone.
  func start() throws {
    intake = nil
    intake = try Intake(
      databasePath: folder.appendingPathComponent("onset.sqlite").path,
      keys: try KeyFolder(nil, master: master) { _ in },
      tell: { [unowned self] in note($0) }, complain: { _ in },
      send: { [unowned self] datagram, _ in
        let bytes = datagram.withBytes { Array($0) }
        let header = bytes.withUnsafeBufferPointer { try? OpenedDatagram($0, key: nil).header }
        acknowledgements.append((header?.station.string ?? "", bytes))
      })
  }

  /// By type, station and what it says, which is the same however often it is sent.
  private func note(_ line: String) {
    guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
      let type = object["type"] as? String, let station = object["station"] as? String,
      let sequence = object["sequence"] as? Int
    else { return }
    if type == "alert" {
      let alert = "\(station) \(object["level"] ?? "")"
      firstAlerts[alert] = min(firstAlerts[alert] ?? .max, now)
    }
    told["\(type) \(station) \(sequence)", default: 0] += 1
  }

  func take(_ bytes: [UInt8], at now: Int64) {
    self.now = now
    bytes.withUnsafeBufferPointer { intake.take($0, at: UTC(nanoseconds: now), from: Sender()) }
  }

  func commit(at now: Int64) {
    self.now = now
    intake.commit(at: UTC(nanoseconds: now))
  }

  func takeAcknowledgements() -> [(station: String, bytes: [UInt8])] {
    defer { acknowledgements.removeAll() }
    return acknowledgements
  }

  /// How many of a type were told, and whether any was told twice.
  func count(of type: String) -> (count: Int, isTwice: Bool) {
    let those = told.filter { $0.key.hasPrefix(type + " ") }
    return (those.count, those.values.contains { $0 > 1 })
  }
}

/// A station and its links to one collector or two.
private final class Remote {
  let code: String
  var station: Station
  var up: [Link]
  var down: [Link]
  private(set) var sent = 0

  init(_ number: Int, masters: [Key], seed: UInt64, isAlarmStanding: Bool = false) {
    code = "XX.T\(number)..EH"
    var settings = stationSettings()
    settings.code = StationCode(code)
    settings.keys = UpstreamKeys(Key.ofStation(settings.code, master: masters[0]))
    if masters.count > 1 {
      settings.secondKeys = UpstreamKeys(Key.ofStation(settings.code, master: masters[1]))
    }
    settings.isAlarmStanding = isAlarmStanding
    settings.alarm.isLatched = isAlarmStanding
    station = Station(settings)
    let links = 0..<masters.count
    up = links.map { Link(seed: seed + UInt64(4 * number + $0)) }
    down = links.map { Link(seed: seed + UInt64(4 * number + $0 + 2)) }
  }

  func pick(_ id: UInt32) {
    var message = PickMessage()
    message.id = id
    station.send(.pick, isKept: true) { message.write(to: &$0) }
  }

  func step(at now: Int64) {
    for (index, _) in down.enumerated() {
      for bytes in down[index].arrived(at: now) {
        bytes.withUnsafeBufferPointer { station.receive($0, from: Address(ipv4: 1, port: 1)) }
      }
    }
    station.tick(moment(UTC(nanoseconds: now)), clock: lockedClock(), isDelivering: true)
    while let datagram = station.nextDatagram() {
      guard case .upstream(let upstream) = datagram.destination else { continue }
      sent += 1
      up[upstream].send(datagram.withBytes { Array($0) }, at: now)
    }
  }
}

@Suite struct LossyLinkTests {
  private static let masters = [0, 1].map { Key(Octets(repeating: UInt8(7 + $0))) }
  private static let step: Int64 = 20_000_000

  private static func run(
    _ remotes: [Remote], _ upstreams: [Upstream], from begin: Int64, seconds: Int,
    _ body: (Int64) throws -> Void = { _ in }
  ) throws -> Int64 {
    var now = begin
    while now < begin + Int64(seconds) * nanosecondsPerSecond {
      try body(now)
      for remote in remotes {
        remote.step(at: now)
        for (index, upstream) in upstreams.enumerated() {
          for bytes in remote.up[index].arrived(at: now) { upstream.take(bytes, at: now) }
        }
      }
      for (index, upstream) in upstreams.enumerated() {
        upstream.commit(at: now)
        for (station, bytes) in upstream.takeAcknowledgements() {
          remotes.first { $0.code == station }?.down[index].send(bytes, at: now)
        }
      }
      now += step
    }
    return now
  }

  private static func minute(_ number: Int64) -> Int64 { number * 60 * nanosecondsPerSecond }

  @Test func tenThousandDetectionsAreStoredOnce() throws {
    let upstream = try Upstream(master: Self.masters[0])
    let remotes = (0..<25).map { Remote($0, masters: [Self.masters[0]], seed: 1000) }
    for remote in remotes {
      // A minute out of five, both ways.
      remote.up[0].outages = (0..<4).map { Self.minute(5 * $0 + 3)..<Self.minute(5 * $0 + 4) }
      remote.down[0].outages = remote.up[0].outages
    }
    var number: UInt32 = 0
    let end = try Self.run(remotes, [upstream], from: 0, seconds: 1000) { now in
      guard now % 2_500_000_000 == 0 else { return }
      number += 1
      for remote in remotes { remote.pick(number) }
      if number % 100 == 50 { try upstream.start() }
    }
    _ = try Self.run(remotes, [upstream], from: end, seconds: 120)
    let picks = upstream.count(of: "pick")
    #expect(picks.count == 10_000 && !picks.isTwice, "\(picks)")
    #expect(remotes.allSatisfy { $0.station.outbox.count == 0 && $0.station.outbox.givenUp == 0 })
    let sent = remotes.map(\.sent).reduce(0, +)
    #expect(sent < 10 * (10_000 + 25 * 1120 / 10), "\(sent) were sent: the link is not filled")
  }

  /// At half the datagrams lost the median must not wait for what is sent again after a second.
  @Test func anAlertIsHardlyLaterThanTheLink() throws {
    let upstream = try Upstream(master: Self.masters[0])
    let remotes = (0..<101).map {
      Remote($0, masters: [Self.masters[0]], seed: 5000, isAlarmStanding: true)
    }
    let end = try Self.run(remotes, [upstream], from: 0, seconds: 120)
    #expect(upstream.firstAlerts.count == 101, "each arrives in the end")
    let latencies = upstream.firstAlerts.values.map { Double($0) * 1e-9 }.sorted()
    let median = latencies[latencies.count / 2]
    #expect(median <= 1.2 * Link.meanDelay, "\(median) s")
    #expect(latencies.last! < Double(end) * 1e-9)
  }

  /// Two collectors, each with a key of its own; the second is away for five minutes, and then has
  /// all that the first has.
  @Test func eachUpstreamGetsEverythingOnce() throws {
    let upstreams = try Self.masters.map { try Upstream(master: $0) }
    let remotes = (0..<3).map { Remote($0, masters: Self.masters, seed: 9000) }
    for remote in remotes {
      remote.up[1].outages = [Self.minute(1)..<Self.minute(6)]
      remote.down[1].outages = remote.up[1].outages
    }
    var number: UInt32 = 0
    let end = try Self.run(remotes, upstreams, from: 0, seconds: 360) { now in
      guard now % 6_000_000_000 == 0 else { return }
      number += 1
      for remote in remotes { remote.pick(number) }
    }
    #expect(remotes.allSatisfy { $0.station.health().unacknowledgedBySecond >= 45 })
    #expect(remotes.allSatisfy { $0.station.health().unacknowledged < 20 })
    _ = try Self.run(remotes, upstreams, from: end, seconds: 180)
    for upstream in upstreams {
      let picks = upstream.count(of: "pick")
      #expect(picks.count == 180 && !picks.isTwice, "\(picks)")
    }
    #expect(remotes.allSatisfy { $0.station.outbox.count == 0 && $0.station.outbox.givenUp == 0 })
  }
}
