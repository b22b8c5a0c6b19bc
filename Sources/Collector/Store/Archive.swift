// Archive: the store as those read it who look at it: over a connection that changes nothing and
// keeps nobody from writing.
//
//     let archive = try Archive("onset.sqlite")
//     let picks = try archive.picks(of: nil, from: begin, to: end, limit: 100)

import Core
import Synchronization
import Tools
import Uplink

final class Archive: Sendable {
  static let historyPoints = 300
  /// A day's at the usual interval, so that a long boot is not read to its beginning.
  private static let historyMaximum = 9000
  private static let historyNanoseconds: Int64 = 86_400 * nanosecondsPerSecond

  /// Whoever looks waits no longer, and others wait behind it.
  private static let patienceMilliseconds: Int32 = 3000

  private struct Connection: @unchecked Sendable {
    let database: any Database
  }
  /// One query at a time.
  private let connection: Mutex<Connection>

  init(_ location: String) throws {
    do {
      let database = try openDatabase(location, patienceMilliseconds: Self.patienceMilliseconds)
      try database.forbidChanges()
      connection = Mutex(Connection(database: database))
    } catch let error as DatabaseError {
      throw ToolError(error.description)
    }
  }

  /// Every station's newest health and instrument, and the newest picks, estimates and alerts.
  func forEachNewest(_ body: (OpenedDatagram, UTC) -> Void) throws {
    func tell(_ stored: [StoredMessage<some Payload>]) throws { try Self.tell(stored, body) }
    try connection.withLock { connection in
      let database = connection.database
      // The newest boot that was heard of each; its messages are found by their numbers.
      let boots = try database.prepare(
        """
        SELECT station, epoch, boot FROM boot b
        WHERE last_ns = (SELECT max(last_ns) FROM boot WHERE station = b.station)
        """
      ).rows([])
      for boot in boots {
        let place = Array(boot.prefix(3))
        let condition =
          "WHERE m.station = ? AND m.epoch = ? AND m.boot = ? ORDER BY m.sequence DESC LIMIT 1"
        try tell(MessageTable<HealthMessage>.rows(database, condition, place))
        try tell(
          MessageTable<InstrumentMessage>.rows(
            database, "WHERE m.station = ? ORDER BY m.received_ns DESC, m.sequence DESC LIMIT 1",
            [boot[0]]))
      }
      let newest = "ORDER BY m.received_ns DESC LIMIT \(2 * EventList.capacity)"
      let picks = try MessageTable<PickMessage>.rows(database, newest)
      try tell(picks.reversed())
      // The first of an estimate may have come before the first of its picks.
      guard let since = picks.last.map({ $0.received + -60 * nanosecondsPerSecond }) else { return }
      let later = "WHERE m.received_ns >= ? ORDER BY m.received_ns"
      let begin = [SqlValue.integer(since.nanoseconds)]
      try tell(MessageTable<EstimateMessage>.rows(database, later, begin))
      try tell(MessageTable<AlertMessage>.rows(database, later, begin))
    }
  }

  /// As datagrams, which nobody has sealed.
  private static func tell(
    _ stored: [StoredMessage<some Payload>], _ body: (OpenedDatagram, UTC) -> Void
  ) throws {
    for one in stored {
      let datagram = Datagram(one.header, key: Key(Octets())) { one.message.write(to: &$0) }
      try datagram.withBytes { bytes throws in
        body(try OpenedDatagram(bytes, key: nil), one.received)
      }
    }
  }

  /// What a room and an alarm are made of, of what came since a time.
  func forEach(
    since begin: UTC, alertsSince alerts: UTC, limit: Int64, _ body: (OpenedDatagram, UTC) -> Void
  ) throws {
    let condition = "WHERE m.received_ns >= ? ORDER BY m.received_ns DESC LIMIT ?"
    let values = [SqlValue.integer(begin.nanoseconds), .integer(limit)]
    try connection.withLock { connection in
      let database = connection.database
      // Alerts first: whoever is to be told is told at once.
      try Self.tell(
        MessageTable<AlertMessage>.rows(
          database, condition, [.integer(alerts.nanoseconds), .integer(limit)]
        ).reversed(), body)
      try Self.tell(MessageTable<InstrumentMessage>.rows(database, condition, values), body)
      try Self.tell(MessageTable<PickMessage>.rows(database, condition, values).reversed(), body)
      try Self.tell(
        MessageTable<EstimateMessage>.rows(database, condition, values).reversed(), body)
      try Self.tell(MessageTable<HealthMessage>.rows(database, condition, values).reversed(), body)
    }
  }

  /// Health of a station's last day, or as much of it as is read at once, thinned, oldest first.
  func history(of station: String, until now: UTC) throws -> [StoredMessage<HealthMessage>] {
    let since = SqlValue.integer(now.nanoseconds - Self.historyNanoseconds)
    return try connection.withLock { connection in
      let boots = try connection.database.prepare(
        """
        SELECT b.station, b.epoch, b.boot, b.received FROM boot b
        JOIN station ON station.id = b.station
        WHERE station.code = ? AND b.last_ns >= ? ORDER BY b.last_ns DESC LIMIT 50
        """
      ).rows([.text(station), since])
      var found: [StoredMessage<HealthMessage>] = []
      for boot in boots {
        found += try MessageTable<HealthMessage>.rows(
          connection.database,
          "WHERE m.station = ? AND m.epoch = ? AND m.boot = ? ORDER BY m.sequence DESC LIMIT ?",
          boot.prefix(3) + [.integer(Int64(Self.historyMaximum - found.count))])
        guard found.count < Self.historyMaximum else { break }
      }
      found.removeAll { $0.received.nanoseconds < now.nanoseconds - Self.historyNanoseconds }
      found.sort { $0.received < $1.received }
      let stride = max(found.count / Self.historyPoints, 1)
      return found.enumerated().filter { $0.offset % stride == 0 }.map(\.element)
        .suffix(Self.historyPoints).map { $0 }
    }
  }

  /// Confirmed picks by the time of their arrival, oldest first; of one station, or of all.
  func picks(
    of station: String?, from begin: UTC, to end: UTC, limit: Int
  ) throws -> [StoredMessage<PickMessage>] {
    let condition =
      "WHERE m.status = 2 AND m.time_ns >= ? AND m.time_ns < ? "
      + "AND (CAST(? AS TEXT) IS NULL OR station.code = ?) ORDER BY m.time_ns LIMIT ?"
    let code = station.map { SqlValue.text($0) } ?? .null
    let values: [SqlValue] = [
      .integer(begin.nanoseconds), .integer(end.nanoseconds), code, code, .integer(Int64(limit)),
    ]
    return try connection.withLock { connection in
      try MessageTable<PickMessage>.rows(connection.database, condition, values)
    }
  }

  /// The newest estimate that rests on a pick; nil where there is none.
  func estimate(of pick: StoredMessage<PickMessage>) throws -> EstimateMessage? {
    let condition =
      "WHERE station.code = ? AND m.epoch = ? AND m.boot = ? AND m.pick_id = ? "
      + "ORDER BY m.sequence DESC LIMIT 1"
    let place: [SqlValue] = [
      .text(pick.header.station.string), .integer(Int64(bitPattern: pick.header.epoch)),
      .integer(Int64(pick.header.bootCounter)), .integer(Int64(pick.message.id)),
    ]
    return try connection.withLock { connection in
      try MessageTable<EstimateMessage>.rows(connection.database, condition, place).first?.message
    }
  }

  /// The newest that a station told of an arrival.
  func pick(_ key: EventKey) throws -> StoredPick? {
    try connection.withLock { connection in
      try MessageTable<PickMessage>.rows(
        connection.database,
        "WHERE station.code = ? AND m.epoch = ? AND m.boot = ? AND m.id = ? "
          + "ORDER BY m.sequence DESC LIMIT 1",
        [
          .text(key.station), .integer(Int64(bitPattern: key.epoch)), .integer(Int64(key.boot)),
          .integer(Int64(key.pick)),
        ]
      ).first
    }
  }
}
