// Store: everything that has come, once each: tables of messages whose key is the number that their
// station gave them, and beside them what is still to be passed on.
//
// Several collectors may share a store. Nothing that one of them knows is needed to go on: whoever
// stores a message finds in the same transaction whether somebody else has.
//
//     let store = try Store("onset.sqlite", patienceMilliseconds: 5000)
//     let isNew = try store.keep(arrived, refused: [])

import Clock
import Core
import Tools
import Uplink

/// A datagram that was verified and is to be stored.
struct Arrived: Sendable {
  let bytes: [UInt8]
  let header: Header
  let received: UTC
}

/// How often something was refused since it was told last, and who sent it last.
struct Refused: Sendable {
  let cause: String
  var sender: String
  var last: UTC
  var count: Int64
}

/// All use of it is by one thread at a time.
final class Store: @unchecked Sendable {
  static let schemaVersion: Int64 = 3
  /// So much is deleted at once that nobody waits for it.
  private static let deletedAtOnce: Int64 = 10_000
  /// Alerts that a station may still send again.
  private static let recentAlerts = 4096

  /// What a transaction has seen of one station's boot.
  private struct Boot {
    let station: Int64
    var highest: UInt32
    let first: UTC
    var last: UTC
    var count: Int64 = 0
  }

  let database: any Database
  private let picks: MessageTable<PickMessage>
  private let estimates: MessageTable<EstimateMessage>
  private let alerts: MessageTable<AlertMessage>
  private let health: MessageTable<HealthMessage>
  private let audits: MessageTable<AuditMessage>
  private let instruments: MessageTable<InstrumentMessage>
  private let peaks: MessageTable<PeaksMessage>
  private let trials: MessageTable<TrialMessage>
  private let stationOfCode: any Statement
  private let newStation: any Statement
  private let seenBoot: any Statement
  private let refusal: any Statement
  private let outgoing: (any Statement)?
  private var stations: [String: Int64] = [:]

  /// `location`: postgresql://… or a file. `isPassedOn`: each message that is new is also put where
  /// who passes it on finds it (`OutgoingQueue`).
  init(_ location: String, patienceMilliseconds: Int32, isPassedOn: Bool = false) throws {
    database = try openDatabase(location, patienceMilliseconds: patienceMilliseconds)
    do {
      try database.greet(database.dialect.durably)
      try Store.prepare(database)
      picks = try MessageTable(in: database)
      estimates = try MessageTable(in: database)
      alerts = try MessageTable(in: database)
      health = try MessageTable(in: database)
      audits = try MessageTable(in: database)
      instruments = try MessageTable(in: database)
      peaks = try MessageTable(in: database)
      trials = try MessageTable(in: database)
      stationOfCode = try database.prepare("SELECT id FROM station WHERE code = ?")
      // Another collector may hear it first.
      newStation = try database.prepare(
        "INSERT INTO station (code, first_ns) VALUES (?, ?) ON CONFLICT (code) DO NOTHING")
      seenBoot = try database.prepare(
        """
        INSERT INTO boot (station, epoch, boot, first_ns, last_ns, highest, received)
        VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (station, epoch, boot) DO UPDATE SET
        last_ns = CASE WHEN excluded.last_ns > boot.last_ns THEN excluded.last_ns
          ELSE boot.last_ns END,
        highest = CASE WHEN excluded.highest > boot.highest THEN excluded.highest
          ELSE boot.highest END,
        received = boot.received + excluded.received
        """)
      refusal = try database.prepare(
        """
        INSERT INTO refusal (cause, count, last_ns, sender) VALUES (?, ?, ?, ?)
        ON CONFLICT (cause) DO UPDATE SET count = refusal.count + excluded.count,
        last_ns = excluded.last_ns, sender = excluded.sender
        """)
      outgoing =
        isPassedOn
        ? try database.prepare(
          "INSERT INTO outgoing (type, datagram, received_ns) VALUES (?, ?, ?)") : nil
    } catch let error as DatabaseError {
      throw ToolError(error.description)
    }
  }

  private static func prepare(_ database: any Database) throws {
    guard try !isThere(in: database) else { return }
    try database.transaction {
      try database.lockTables()
      try makeTables(in: database)
      try database.set(version: schemaVersion)
    }
  }

  /// Whether nothing is to be made: to write what is there already would want a lock, and somebody
  /// may hold the database.
  private static func isThere(in database: any Database) throws -> Bool {
    let version = try database.version()
    guard version <= schemaVersion else {
      throw ToolError(
        "\(database.name) was written by a newer onset-collector (version \(version) of its tables, "
          + "this one knows \(schemaVersion)): use that one, or another store")
    }
    guard version != 1 else {
      throw ToolError(
        "\(database.name) has what came in version 1 of the wire format, whose numbers are told "
          + "apart in another way: use another store")
    }
    return try version == schemaVersion
      && MessageTable<PickMessage>.isThere(in: database)
      && MessageTable<EstimateMessage>.isThere(in: database)
      && MessageTable<AlertMessage>.isThere(in: database)
      && MessageTable<HealthMessage>.isThere(in: database)
      && MessageTable<AuditMessage>.isThere(in: database)
      && MessageTable<InstrumentMessage>.isThere(in: database)
      && MessageTable<PeaksMessage>.isThere(in: database)
      && MessageTable<TrialMessage>.isThere(in: database)
  }

  private static func makeTables(in database: any Database) throws {
    let numbering = database.dialect.numbering
    try database.execute(
      """
      CREATE TABLE IF NOT EXISTS station (
        id \(numbering), code TEXT NOT NULL UNIQUE, first_ns BIGINT NOT NULL);
      CREATE TABLE IF NOT EXISTS boot (
        station BIGINT NOT NULL REFERENCES station(id), epoch BIGINT NOT NULL,
        boot BIGINT NOT NULL, first_ns BIGINT NOT NULL, last_ns BIGINT NOT NULL,
        highest BIGINT NOT NULL, received BIGINT NOT NULL,
        PRIMARY KEY (station, epoch, boot));
      CREATE TABLE IF NOT EXISTS refusal (
        cause TEXT PRIMARY KEY, count BIGINT NOT NULL, last_ns BIGINT NOT NULL,
        sender TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS outgoing (
        id \(numbering), type BIGINT NOT NULL, datagram TEXT NOT NULL,
        received_ns BIGINT NOT NULL);
      """)
    try MessageTable<PickMessage>.make(in: database)
    try MessageTable<EstimateMessage>.make(in: database)
    try MessageTable<AlertMessage>.make(in: database)
    try MessageTable<HealthMessage>.make(in: database)
    try MessageTable<AuditMessage>.make(in: database)
    try MessageTable<InstrumentMessage>.make(in: database)
    try MessageTable<PeaksMessage>.make(in: database)
    try MessageTable<TrialMessage>.make(in: database)
    try EventBook.makeTables(in: database)
    try AlarmLedger.makeTables(in: database)
    // For those who ask for picks of a time, and for what was expected of each.
    try database.execute(
      """
      CREATE INDEX IF NOT EXISTS pick_by_arrival ON pick (time_ns) WHERE status = 2;
      CREATE INDEX IF NOT EXISTS estimate_by_pick ON estimate (station, epoch, boot, pick_id);
      CREATE INDEX IF NOT EXISTS pick_by_id ON pick (station, epoch, boot, id);
      """)
  }

  // MARK: What is kept

  /// Stores all of these or none, on disk; which of them were not there before.
  func keep(_ arrived: [Arrived], refused: [Refused]) throws -> [Bool] {
    do {
      return try database.transaction {
        let isNew = try insert(arrived)
        for one in refused.sorted(by: { $0.cause < $1.cause }) {
          try refusal.run([
            .text(one.cause), .integer(one.count), .integer(one.last.nanoseconds),
            .text(one.sender),
          ])
        }
        return isNew
      }
    } catch {
      // A number that the database gave to a station may be gone with the transaction.
      stations.removeAll()
      throw error
    }
  }

  private func insert(_ arrived: [Arrived]) throws -> [Bool] {
    var boots: [Origin: Boot] = [:]
    var isNew = [Bool](repeating: false, count: arrived.count)
    // In one order, so that two collectors that get the same do not wait for each other in a ring.
    let places = arrived.map { Place($0.header) }
    for index in arrived.indices.sorted(by: { places[$0] < places[$1] }) {
      let one = arrived[index]
      isNew[index] = try one.bytes.withUnsafeBufferPointer { bytes in
        // It was verified when it came.
        let opened = try OpenedDatagram(bytes, key: nil)
        let station = try number(of: one.header.station.string, one.received)
        return try insert(
          opened, Provenance(station: station, header: one.header, received: one.received))
      }
      guard isNew[index] else { continue }
      try outgoing?.run([
        .integer(Int64(one.header.type.rawValue)), .text(hexadecimal(one.bytes)),
        .integer(one.received.nanoseconds),
      ])
      let origin = places[index].origin
      var boot =
        try boots[origin]
        ?? Boot(
          station: number(of: origin.station, one.received), highest: 0, first: one.received,
          last: one.received)
      boot.highest = max(boot.highest, one.header.sequence)
      boot.last = max(boot.last, one.received)
      boot.count += 1
      boots[origin] = boot
    }
    for (origin, boot) in boots.sorted(by: { $0.key < $1.key }) {
      try seenBoot.run([
        .integer(boot.station), .integer(Int64(bitPattern: origin.epoch)),
        .integer(Int64(origin.boot)), .integer(boot.first.nanoseconds),
        .integer(boot.last.nanoseconds), .integer(Int64(boot.highest)), .integer(boot.count),
      ])
    }
    return isNew
  }

  private func insert(_ opened: OpenedDatagram, _ provenance: Provenance) throws -> Bool {
    switch opened.header.type {
    case .pick: try picks.insert(PickMessage(opened.payload), provenance)
    case .estimate: try estimates.insert(EstimateMessage(opened.payload), provenance)
    case .alert: try alerts.insert(AlertMessage(opened.payload), provenance)
    case .health: try health.insert(HealthMessage(opened.payload), provenance)
    case .audit: try audits.insert(AuditMessage(opened.payload), provenance)
    case .instrument: try instruments.insert(InstrumentMessage(opened.payload), provenance)
    case .peaks: try peaks.insert(PeaksMessage(opened.payload), provenance)
    case .trial: try trials.insert(TrialMessage(opened.payload), provenance)
    case .ping, .pong, .acknowledgement, .command, .answer, .network, .key, .vote: false
    }
  }

  private func number(of code: String, _ now: UTC) throws -> Int64 {
    if let known = stations[code] { return known }
    guard case .integer(let id)? = try stationOfCode.rows([.text(code)]).first?.first else {
      try newStation.run([.text(code), .integer(now.nanoseconds)])
      return try number(of: code, now)
    }
    stations[code] = id
    return id
  }

  // MARK: What was kept before this start

  /// The latest time that a station has told in its health; a few of the last, because one station
  /// may never have known it. nil where none has.
  func latestTold() throws -> UTC? {
    let latest = try database.number(
      "SELECT max(emitted_ns) FROM (SELECT emitted_ns, clock_state FROM health ORDER BY "
        + "received_ns DESC LIMIT 1000) AS newest WHERE clock_state > "
        + "\(ClockState.unsynchronised.rawValue)")
    return latest > 0 ? UTC(nanoseconds: latest) : nil
  }

  /// The newest alerts, newest first.
  func newestAlerts() throws -> [StoredMessage<AlertMessage>] {
    try MessageTable<AlertMessage>.rows(
      database, "ORDER BY m.received_ns DESC LIMIT ?", [.integer(Int64(Store.recentAlerts))])
  }

  /// Estimates that came since a time, oldest first.
  func estimates(since begin: UTC) throws -> [StoredMessage<EstimateMessage>] {
    try MessageTable<EstimateMessage>.rows(
      database, "WHERE m.received_ns >= ? ORDER BY m.received_ns", [.integer(begin.nanoseconds)])
  }

  /// Where each station stands.
  func newestInstruments() throws -> [StoredMessage<InstrumentMessage>] {
    try MessageTable<InstrumentMessage>.rows(
      database,
      "WHERE m.received_ns = (SELECT max(received_ns) FROM instrument WHERE station = m.station)")
  }

  // MARK: What is not kept for ever

  /// Health and peaks of before a day are deleted, so much of it at once; whether there may be
  /// more.
  func forgetHealth(before day: UTC) throws -> Bool {
    let row = database.dialect.row
    let unsynchronised = Int64(ClockState.unsynchronised.rawValue)
    return try ["health", "peaks"].reduce(false) { isMore, table in
      // By both clocks: this machine's may have begun in 1970.
      let deleted = try database.prepare(
        "DELETE FROM \(table) WHERE \(row) IN (SELECT \(row) FROM \(table) WHERE received_ns < ? "
          + "AND (emitted_ns < ? OR clock_state = ?) LIMIT ?)"
      ).run([
        .integer(day.nanoseconds), .integer(day.nanoseconds), .integer(unsynchronised),
        .integer(Store.deletedAtOnce),
      ])
      return isMore || deleted == Int(Store.deletedAtOnce)
    }
  }

  /// Health and peaks that nobody has taken for so long that newer ones say all that matters; some
  /// of it, and how many they were.
  func forgetOutgoing(before day: UTC) throws -> Int {
    let row = database.dialect.row
    return try database.prepare(
      "DELETE FROM outgoing WHERE \(row) IN (SELECT \(row) FROM outgoing WHERE received_ns < ? "
        + "AND type IN (?, ?) LIMIT ?)"
    ).run([
      .integer(day.nanoseconds), .integer(Int64(MessageType.health.rawValue)),
      .integer(Int64(MessageType.peaks.rawValue)), .integer(Store.deletedAtOnce),
    ])
  }

  /// What the rows of a store in a file take.
  func usedBytes() throws -> Int64 {
    let pages = try database.number("PRAGMA page_count") - database.number("PRAGMA freelist_count")
    return try pages * database.number("PRAGMA page_size")
  }

  /// Some of the oldest health and peaks of before a day; whether there were any.
  func forgetOldest(before day: UTC) throws -> Bool {
    let row = database.dialect.row
    return try ["health", "peaks"].reduce(false) { isSome, table in
      let deleted = try database.prepare(
        "DELETE FROM \(table) WHERE \(row) IN (SELECT \(row) FROM \(table) WHERE received_ns < ? "
          + "ORDER BY received_ns LIMIT ?)"
      ).run([.integer(day.nanoseconds), .integer(Store.deletedAtOnce)])
      return isSome || deleted > 0
    }
  }
}
