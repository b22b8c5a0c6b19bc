// EventBook: events that somebody has located, in the store: the newest version of each, with its
// picks, and the magnitude that the stations gave.
//
//     let book = try EventBook("onset.sqlite")
//     let isNew = try book.take(event, at: now)
//     let events = try book.events(EventBook.Query())

import Core
import Foundation
import Synchronization
import Tools
import Uplink

final class EventBook: Sendable {
  /// For what is written here nobody waits but who writes it.
  private static let patienceMilliseconds: Int32 = 5000

  /// Where a size is asked for, so many events are looked at.
  private static let searchedMaximum = 20_000

  /// What is asked for; nil is all.
  struct Query {
    var id: String?
    var begin = UTC(nanoseconds: .min)
    var end = UTC(nanoseconds: .max)
    var latitudes = -90.0...90.0
    var longitudes = -180.0...180.0
    var depths = -100.0...1000.0
    var magnitudes = -10.0...10.0
    var limit = 200
    var isOldestFirst = false
  }

  /// An event and what stations said of its size.
  struct Entry: Equatable, Sendable {
    let event: LocatedEvent
    /// The middle of the newest magnitudes of its stations, and how many they are.
    let magnitude: Double?
    let magnitudeCount: Int

    var json: String { event.json(magnitude: magnitude, magnitudeCount: magnitudeCount) }
  }

  private struct Connection: @unchecked Sendable {
    let database: any Database
  }
  private let connection: Mutex<Connection>

  /// The store has its tables.
  init(_ location: String) throws {
    do {
      let database = try openDatabase(location, patienceMilliseconds: Self.patienceMilliseconds)
      try database.greet(database.dialect.durably)
      connection = Mutex(Connection(database: database))
    } catch let error as DatabaseError {
      throw ToolError(error.description)
    }
  }

  static func makeTables(in database: any Database) throws {
    try database.execute(
      """
      CREATE TABLE IF NOT EXISTS event (
        id TEXT PRIMARY KEY, version BIGINT NOT NULL, time_ns BIGINT NOT NULL,
        latitude DOUBLE PRECISION NOT NULL, longitude DOUBLE PRECISION NOT NULL,
        depth_km DOUBLE PRECISION NOT NULL, rms_s DOUBLE PRECISION NOT NULL,
        received_ns BIGINT NOT NULL, picks BIGINT NOT NULL);
      CREATE INDEX IF NOT EXISTS event_by_time ON event (time_ns);
      CREATE TABLE IF NOT EXISTS event_pick (
        event TEXT NOT NULL REFERENCES event(id), station TEXT NOT NULL, epoch BIGINT NOT NULL,
        boot BIGINT NOT NULL, pick_id BIGINT NOT NULL, phase BIGINT NOT NULL,
        residual_s DOUBLE PRECISION NOT NULL, distance_km DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (event, station, epoch, boot, pick_id));
      """)
  }

  /// Whether it is newer than what is there.
  func take(_ event: LocatedEvent, at now: UTC) throws -> Bool {
    try connection.withLock { connection in
      let database = connection.database
      return try database.transaction {
        let changed = try database.prepare(
          """
          INSERT INTO event (id, version, time_ns, latitude, longitude, depth_km, rms_s,
            received_ns, picks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT (id) DO UPDATE SET version = excluded.version, time_ns = excluded.time_ns,
            latitude = excluded.latitude, longitude = excluded.longitude,
            depth_km = excluded.depth_km, rms_s = excluded.rms_s,
            received_ns = excluded.received_ns, picks = excluded.picks
          WHERE excluded.version > event.version
          """
        ).run([
          .text(event.id), .integer(event.version), .integer(event.time.nanoseconds),
          .real(event.latitude), .real(event.longitude), .real(event.depthKilometres),
          .real(event.rmsSeconds), .integer(now.nanoseconds),
          .integer(Int64(event.arrivals.count)),
        ])
        guard changed == 1 else { return false }
        try database.prepare("DELETE FROM event_pick WHERE event = ?").run([.text(event.id)])
        let insertion = try database.prepare(
          "INSERT INTO event_pick VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        for one in event.arrivals {
          try insertion.run([
            .text(event.id), .text(one.key.station), .integer(Int64(bitPattern: one.key.epoch)),
            .integer(Int64(one.key.boot)), .integer(Int64(one.key.pick)),
            .integer(one.isShear ? 2 : 1), .real(one.residualSeconds),
            .real(one.distanceKilometres),
          ])
        }
        return true
      }
    }
  }

  /// Events that have not been withdrawn, the newest first unless asked otherwise.
  func events(_ query: Query) throws -> [Entry] {
    try connection.withLock { connection in
      let database = connection.database
      // A size is what stations said since, and not in the table.
      let isAnySize = query.magnitudes == Query().magnitudes
      let rows = try database.prepare(
        """
        SELECT id, version, time_ns, latitude, longitude, depth_km, rms_s FROM event
        WHERE picks > 0 AND time_ns >= ? AND time_ns < ? AND (CAST(? AS TEXT) IS NULL OR id = ?)
          AND latitude >= ? AND latitude <= ? AND longitude >= ? AND longitude <= ?
          AND depth_km >= ? AND depth_km <= ?
        ORDER BY time_ns \(query.isOldestFirst ? "ASC" : "DESC") LIMIT ?
        """
      ).rows([
        .integer(query.begin.nanoseconds), .integer(query.end.nanoseconds),
        query.id.map { .text($0) } ?? .null, query.id.map { .text($0) } ?? .null,
        .real(query.latitudes.lowerBound), .real(query.latitudes.upperBound),
        .real(query.longitudes.lowerBound), .real(query.longitudes.upperBound),
        .real(query.depths.lowerBound), .real(query.depths.upperBound),
        .integer(Int64(isAnySize ? query.limit : Self.searchedMaximum)),
      ])
      var found: [Entry] = []
      for row in rows where found.count < query.limit {
        guard let entry = try Self.entry(row, in: database) else { continue }
        if isAnySize || entry.magnitude.map(query.magnitudes.contains) ?? false {
          found.append(entry)
        }
      }
      return found
    }
  }

  private static func entry(_ row: [SqlValue], in database: any Database) throws -> Entry? {
    guard case .text(let id) = row[0], case .integer(let version) = row[1],
      case .integer(let time) = row[2], case .real(let latitude) = row[3],
      case .real(let longitude) = row[4], case .real(let depth) = row[5],
      case .real(let rms) = row[6]
    else { return nil }
    let arrivals = try database.prepare(
      """
      SELECT station, epoch, boot, pick_id, phase, residual_s, distance_km FROM event_pick
      WHERE event = ? ORDER BY distance_km, phase
      """
    ).rows([.text(id)]).compactMap(arrival)
    let magnitudes = try magnitudes(of: id, in: database)
    return Entry(
      event: LocatedEvent(
        id: id, version: version, time: UTC(nanoseconds: time), latitude: latitude,
        longitude: longitude, depthKilometres: depth, rmsSeconds: rms, arrivals: arrivals),
      magnitude: magnitudes.isEmpty ? nil : median(magnitudes), magnitudeCount: magnitudes.count)
  }

  private static func arrival(_ row: [SqlValue]) -> LocatedEvent.Arrival? {
    guard case .text(let station) = row[0], case .integer(let epoch) = row[1],
      case .integer(let boot) = row[2], case .integer(let pick) = row[3],
      case .integer(let phase) = row[4], case .real(let residual) = row[5],
      case .real(let distance) = row[6]
    else { return nil }
    return LocatedEvent.Arrival(
      key: EventKey(
        station: station, epoch: UInt64(bitPattern: epoch), boot: UInt32(truncatingIfNeeded: boot),
        pick: UInt32(truncatingIfNeeded: pick)),
      isShear: phase == 2, residualSeconds: residual, distanceKilometres: distance)
  }

  /// Each station's newest.
  private static func magnitudes(of id: String, in database: any Database) throws -> [Double] {
    let rows = try database.prepare(
      """
      SELECT p.station, m.magnitude FROM event_pick p
      JOIN station ON station.code = p.station
      JOIN estimate m ON m.station = station.id AND m.epoch = p.epoch AND m.boot = p.boot
        AND m.pick_id = p.pick_id
      WHERE p.event = ? AND m.magnitude IS NOT NULL ORDER BY m.sequence
      """
    ).rows([.text(id)])
    var newest: [String: Double] = [:]
    for row in rows {
      guard case .text(let station) = row[0], case .integer(let value) = row[1] else { continue }
      newest[station] = Double(value) / 100
    }
    return Array(newest.values)
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
