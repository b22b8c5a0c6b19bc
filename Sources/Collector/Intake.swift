// Intake: what comes in is verified, told once and kept.
//
// A station sends bare datagrams. Some come twice, some late, some from strangers, and while a disk
// is full or a backup holds the database they go on coming. To store each as it comes is the
// obvious way: a commit is a sync of the disk, of which there are some hundred a second, and an
// alert would wait for it.
//
// So datagrams are verified as they come, and alerts are told at once. All are kept in memory until
// the next commit, which takes in everything that has come meanwhile, each under the number that
// its station gave it, so that what comes twice is stored once: the table itself refuses the
// second, in the same transaction. Then each station is told what it may forget. What cannot be
// committed is tried again.
//
//     let intake = try Intake(databasePath: path, keys: keys, tell: { print($0) }, …)
//     intake.take(bytes, at: now, from: sender)
//     intake.commit(at: now)

import Core
import Foundation
import Tools
import Uplink

public final class Intake {
  /// How much is kept while nothing can be committed: an hour of a thousand stations' health.
  static let waitingMaximum = 360_000
  private static let schemaVersion: Int64 = 1
  /// Health is kept for four hundred days by default: a year and a comparison.
  public static let retentionDays = 1.0...36_500

  public struct Counts: Equatable, Sendable {
    public var received = 0
    public var stored = 0
    public var doubles = 0
    /// Given up, because too much was waiting for a database that took nothing.
    public var lost = 0
    public var failures = 0
    /// By cause.
    public var refused: [String: Int] = [:]
  }

  private struct Waiting {
    let bytes: [UInt8]
    let received: UTC
    let sender: Sender
    var isTold: Bool
  }

  private struct Place: Hashable {
    let station: String
    let boot: UInt32
    let sequence: UInt32
  }

  /// What a station is to be told that it may forget.
  private struct Stored: Hashable {
    let station: String
    let boot: UInt32
  }

  /// What a transaction has seen of one station's boot.
  private struct Boot {
    var highest: UInt32
    var last: UTC
    var count = 0
  }

  public private(set) var counts = Counts()
  private let database: Database
  private let keys: KeyFolder
  private let tell: (String) -> Void
  private let complain: (String) -> Void
  private let acknowledge: (Datagram, Sender) -> Void
  private let picks: MessageTable<PickMessage>
  private let estimates: MessageTable<EstimateMessage>
  private let alerts: MessageTable<AlertMessage>
  private let health: MessageTable<HealthMessage>
  private let commands: MessageTable<CommandMessage>
  private let stationOfCode: Statement
  private let newStation: Statement
  private let seenStation: Statement
  private let seenBoot: Statement
  private let refusal: Statement
  private var stations: [String: Int64] = [:]
  private var waiting: [Waiting] = []
  private var toldAlerts: Set<Place> = []
  private var lastRefused: [String: (sender: Sender, at: UTC, count: Int)] = [:]
  private var lastFailure: String?

  /// `patienceMilliseconds`: for so long somebody else may hold the database, a backup for example.
  /// `tell` gets a JSON line of each message, once; `complain` a sentence where something is wrong;
  /// `acknowledge` what a station is to be told.
  public init(
    databasePath: String, keys: KeyFolder, patienceMilliseconds: Int32 = 5000,
    tell: @escaping (String) -> Void, complain: @escaping (String) -> Void,
    acknowledge: @escaping (Datagram, Sender) -> Void
  ) throws {
    (self.keys, self.tell, self.complain) = (keys, tell, complain)
    self.acknowledge = acknowledge
    database = try Database(path: databasePath, patienceMilliseconds: patienceMilliseconds)
    do {
      try Intake.prepare(database, path: databasePath)
      picks = try MessageTable("pick", in: database)
      estimates = try MessageTable("estimate", in: database)
      alerts = try MessageTable("alert", in: database)
      health = try MessageTable("health", in: database)
      commands = try MessageTable("command", in: database)
      stationOfCode = try database.prepare("SELECT id FROM station WHERE code = ?")
      newStation = try database.prepare("INSERT INTO station (code, first_ns) VALUES (?, ?)")
      seenStation = try database.prepare("UPDATE station SET last_ns = ? WHERE id = ?")
      seenBoot = try database.prepare(
        """
        INSERT INTO boot (station, boot, first_ns, last_ns, highest, received)
        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (station, boot) DO UPDATE SET
        last_ns = max(last_ns, excluded.last_ns), highest = max(highest, excluded.highest),
        received = received + excluded.received
        """)
      refusal = try database.prepare(
        """
        INSERT INTO refusal (cause, count, last_ns, sender) VALUES (?, ?, ?, ?)
        ON CONFLICT (cause) DO UPDATE SET count = count + excluded.count,
        last_ns = excluded.last_ns, sender = excluded.sender
        """)
    } catch let error as DatabaseError {
      throw ToolError(error.description)
    }
  }

  private static func prepare(_ database: Database, path: String) throws {
    try database.execute("PRAGMA journal_mode = WAL")
    try database.execute("PRAGMA synchronous = FULL")
    let version = try database.number("PRAGMA user_version")
    guard version <= schemaVersion else {
      throw ToolError(
        "\(path) was written by a newer onset-collector (version \(version) of its tables, this "
          + "one knows \(schemaVersion)): use that one, or another file")
    }
    try database.execute(
      """
      CREATE TABLE IF NOT EXISTS station (
        id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, first_ns INTEGER NOT NULL,
        last_ns INTEGER);
      CREATE TABLE IF NOT EXISTS boot (
        station INTEGER NOT NULL REFERENCES station(id), boot INTEGER NOT NULL,
        first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, highest INTEGER NOT NULL,
        received INTEGER NOT NULL, PRIMARY KEY (station, boot)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS refusal (
        cause TEXT PRIMARY KEY, count INTEGER NOT NULL, last_ns INTEGER NOT NULL,
        sender TEXT NOT NULL) WITHOUT ROWID;
      PRAGMA user_version = \(schemaVersion);
      """)
  }

  // MARK: What comes in

  /// A datagram. Only what is right is answered, and only when it is stored.
  public func take(
    _ bytes: UnsafeBufferPointer<UInt8>, at now: UTC, from sender: Sender
  ) {
    counts.received += 1
    var isTold = false
    do {
      let opened = try verified(bytes, at: now)
      let line = try JsonLine.text(opened)
      if opened.header.type == .alert {
        if isNewAlert(opened.header) { tell(line) }
        isTold = true
      }
    } catch {
      refuse("\(error)", now, sender)
      return
    }
    if waiting.count >= Intake.waitingMaximum {
      waiting.removeFirst(Intake.waitingMaximum / 16)
      counts.lost += Intake.waitingMaximum / 16
    }
    waiting.append(Waiting(bytes: Array(bytes), received: now, sender: sender, isTold: isTold))
  }

  public var hasWaiting: Bool { !waiting.isEmpty }

  private func verified(
    _ bytes: UnsafeBufferPointer<UInt8>, at now: UTC
  ) throws -> OpenedDatagram {
    // Which key, says the station's name; nothing else of it is believed yet.
    let claimed = try OpenedDatagram(bytes, key: nil)
    guard let key = keys.key(of: claimed.header.station.string, at: now) else {
      throw Refusal.noKey
    }
    let opened = try OpenedDatagram(bytes, key: key)
    switch opened.header.type {
    case .pick, .estimate, .alert, .health, .command: return opened
    case .ping, .pong, .acknowledgement: throw Refusal.notForUs
    }
  }

  private func isNewAlert(_ header: Header) -> Bool {
    let code = header.station.string
    let place = Place(station: code, boot: header.bootCounter, sequence: header.sequence)
    guard toldAlerts.insert(place).inserted else { return false }
    // In doubt an alert is told.
    guard let station = try? known(code) else { return true }
    return !((try? alerts.has(station: station, header)) ?? false)
  }

  private func refuse(_ cause: String, _ now: UTC, _ sender: Sender) {
    counts.refused[cause, default: 0] += 1
    lastRefused[cause] = (sender, now, (lastRefused[cause]?.count ?? 0) + 1)
  }

  // MARK: What is kept

  /// Stores all that has come, on disk; then tells it. Whether nothing is left waiting.
  @discardableResult
  public func commit(at now: UTC) -> Bool {
    guard !waiting.isEmpty || !lastRefused.isEmpty else { return true }
    var lines: [String] = []
    var found = counts
    do {
      try database.transaction {
        lines = try store(&found)
        for (cause, last) in lastRefused {
          try refusal.run([
            .text(cause), .integer(Int64(last.count)), .integer(last.at.nanoseconds),
            .text("\(last.sender)"),
          ])
        }
      }
    } catch {
      counts.failures += 1
      // A number that the database gave to a station may be gone with the transaction.
      stations.removeAll()
      let sentence = "\(error)"
      if sentence != lastFailure {
        complain("nothing can be stored, and is kept in memory: \(sentence)")
      }
      lastFailure = sentence
      return false
    }
    counts = found
    acknowledgeWaiting(at: now)
    waiting.removeAll(keepingCapacity: true)
    toldAlerts.removeAll(keepingCapacity: true)
    lastRefused.removeAll()
    if lastFailure != nil {
      complain("what was kept in memory is stored")
      lastFailure = nil
    }
    lines.forEach(tell)
    return true
  }

  /// All that waited is on disk: what has come now, and what had come before.
  private func acknowledgeWaiting(at now: UTC) {
    var found: [Stored: (numbers: Set<UInt32>, sender: Sender)] = [:]
    for one in waiting {
      one.bytes.withUnsafeBufferPointer { bytes in
        guard let header = try? OpenedDatagram(bytes, key: nil).header else { return }
        let place = Stored(station: header.station.string, boot: header.bootCounter)
        // To where the newest came from: an address may change on the way.
        found[place, default: ([], one.sender)].sender = one.sender
        found[place]!.numbers.insert(header.sequence)
      }
    }
    for (place, stored) in found {
      guard let key = keys.key(of: place.station, at: now) else { continue }
      let header = Header(
        type: .acknowledgement, station: Text(place.station), bootCounter: 0, sequence: 0,
        emitted: now, clockState: 0, clockSource: 0, clockUncertaintyNanoseconds: .max)
      for message in Intake.acknowledgements(of: stored.numbers, boot: place.boot) {
        acknowledge(Datagram(header, key: key) { message.write(to: &$0) }, stored.sender)
      }
    }
  }

  /// As few messages as these numbers need, the newest first.
  static func acknowledgements(
    of numbers: Set<UInt32>, boot: UInt32
  ) -> [AcknowledgementMessage] {
    var messages: [AcknowledgementMessage] = []
    for number in numbers.sorted(by: >) {
      if let last = messages.last, last.sequence - number < AcknowledgementMessage.reach {
        messages[messages.count - 1].stored |= 1 << UInt64(last.sequence - number)
      } else {
        messages.append(AcknowledgementMessage(boot: boot, sequence: number))
      }
    }
    return messages
  }

  private func store(_ counts: inout Counts) throws -> [String] {
    var lines: [String] = []
    var boots: [Int64: [UInt32: Boot]] = [:]
    for one in waiting {
      try one.bytes.withUnsafeBufferPointer { bytes in
        // It was verified when it came.
        let opened = try OpenedDatagram(bytes, key: nil)
        let header = opened.header
        let station = try number(of: header.station.string, one.received)
        let provenance = Provenance(station: station, header: header, received: one.received)
        guard try insert(opened, provenance) else {
          counts.doubles += 1
          return
        }
        counts.stored += 1
        if !one.isTold { lines.append(try JsonLine.text(opened)) }
        var boot =
          boots[station]?[header.bootCounter] ?? Boot(highest: 0, last: one.received)
        boot.highest = max(boot.highest, header.sequence)
        boot.last = one.received
        boot.count += 1
        boots[station, default: [:]][header.bootCounter] = boot
      }
    }
    for (station, found) in boots {
      for (number, boot) in found {
        let last = SqlValue.integer(boot.last.nanoseconds)
        try seenBoot.run([
          .integer(station), .integer(Int64(number)), last, last, .integer(Int64(boot.highest)),
          .integer(Int64(boot.count)),
        ])
        try seenStation.run([last, .integer(station)])
      }
    }
    return lines
  }

  private func insert(_ opened: OpenedDatagram, _ provenance: Provenance) throws -> Bool {
    switch opened.header.type {
    case .pick: try picks.insert(PickMessage(opened.payload), provenance)
    case .estimate: try estimates.insert(EstimateMessage(opened.payload), provenance)
    case .alert: try alerts.insert(AlertMessage(opened.payload), provenance)
    case .health: try health.insert(HealthMessage(opened.payload), provenance)
    case .command: try commands.insert(CommandMessage(opened.payload), provenance)
    case .ping, .pong, .acknowledgement: false
    }
  }

  private func known(_ code: String) throws -> Int64? {
    if let known = stations[code] { return known }
    guard case .integer(let id)? = try stationOfCode.rows([.text(code)]).first?.first else {
      return nil
    }
    stations[code] = id
    return id
  }

  private func number(of code: String, _ now: UTC) throws -> Int64 {
    if let known = try known(code) { return known }
    try newStation.run([.text(code), .integer(now.nanoseconds)])
    return try number(of: code, now)
  }

  /// Health of before a day is deleted, so much of it at once that nothing waits for it; whether
  /// there may be more.
  public func forgetHealth(before day: UTC) throws -> Bool {
    let atOnce = 10_000
    try database.execute(
      "DELETE FROM health WHERE rowid IN (SELECT rowid FROM health WHERE received_ns < "
        + "\(day.nanoseconds) LIMIT \(atOnce))")
    return database.changes == atOnce
  }

  /// How the collector itself is, as a JSON line.
  public func report(at now: UTC) -> String {
    let refused = counts.refused.sorted { $0.key < $1.key }
      .map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
    return "{\"type\":\"collector\",\"time\":\"\(now.iso8601)\",\"keys\":\(keys.count),"
      + "\"stations\":\(stations.count),\"received\":\(counts.received),"
      + "\"stored\":\(counts.stored),\"doubles\":\(counts.doubles),\"waiting\":\(waiting.count),"
      + "\"lost\":\(counts.lost),\"failures\":\(counts.failures),\"refused\":{\(refused)}}"
  }
}

/// Why a datagram that may be right is not taken.
private enum Refusal: Error, CustomStringConvertible {
  case noKey, notForUs

  var description: String {
    switch self {
    case .noKey: "is of a station that has no key in the folder"
    case .notForUs: "is a ping or an answer to one, which is not for a collector"
    }
  }
}

extension DatagramError: CustomStringConvertible {
  public var description: String { "\(explanation)" }
}
