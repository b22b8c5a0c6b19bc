// MessageTable: a table for each kind of message, whose columns are the message's own list of
// fields.
//
// Columns of a table and fields of a message are the same thing said twice. Said twice they drift
// apart, as soon as a field joins. So the list that writes and reads a message also makes its
// table and fills it: names and units are those of WIRE-FORMAT.md, what is unknown is NULL.
//
//     try MessageTable<PickMessage>.make(in: database)
//     let isNew = try MessageTable<PickMessage>(in: database).insert(message, provenance)

import Core
import Tools
import Uplink

/// Names and kinds of a message's columns.
private struct Columns: FieldVisitor {
  var declared: [String] = []
  var names: [String] = []
  /// What a row says that was written before there was the column.
  var defaults: [String] = []

  mutating func visit<Value: FixedWidthInteger>(
    _ value: inout Value, from least: Value, to most: Value, unknown: Value?, _ field: WireField
  ) {
    let kind = if case .float = field.telling { "DOUBLE PRECISION" } else { "BIGINT" }
    let value = unknown != nil || kind != "BIGINT" ? "NULL" : "\(least > 0 ? least : 0)"
    add(field, kind, value)
  }

  mutating func visit<let capacity: Int>(_ text: inout Text<capacity>, _ field: WireField) {
    add(field, "TEXT", "''")
  }

  mutating func refuse() {}

  private mutating func add(_ field: WireField, _ kind: String, _ value: String) {
    guard field.isTold else { return }
    defaults.append(value)
    names.append("\"\(field.name)\"")
    declared.append("\"\(field.name)\" \(kind)")
  }
}

/// A message's values, in the order of its columns.
private struct Values: FieldVisitor {
  var values: [SqlValue] = []

  mutating func visit<Value: FixedWidthInteger>(
    _ value: inout Value, from least: Value, to most: Value, unknown: Value?, _ field: WireField
  ) {
    guard field.isTold else { return }
    if value == unknown {
      values.append(.null)
    } else if case .float = field.telling {
      let decimal = Double(Float(bitPattern: UInt32(truncatingIfNeeded: value)))
      values.append(decimal.isNaN ? .null : .real(decimal))
    } else {
      values.append(.integer(Int64(truncatingIfNeeded: value)))
    }
  }

  mutating func visit<let capacity: Int>(_ text: inout Text<capacity>, _ field: WireField) {
    guard field.isTold else { return }
    values.append(.text(text.string))
  }

  mutating func refuse() {}
}

/// A message's fields from the columns of its row, in their order.
private struct RowReader: FieldVisitor {
  private var values: ArraySlice<SqlValue>
  /// Every column so far was what its field can be.
  private(set) var isValid = true

  init(_ values: ArraySlice<SqlValue>) { self.values = values }

  mutating func visit<Value: FixedWidthInteger>(
    _ value: inout Value, from least: Value, to most: Value, unknown: Value?, _ field: WireField
  ) {
    guard field.isTold else { return }
    switch values.popFirst() {
    case .integer(let stored): value = Value(truncatingIfNeeded: stored)
    case .real(let stored): value = Value(truncatingIfNeeded: Float(stored).bitPattern)
    case .null:
      if case .float = field.telling {
        value = Value(truncatingIfNeeded: WireFloat.unknown.bits)
      } else if let unknown {
        value = unknown
      } else {
        refuse()
      }
    default: refuse()
    }
    if value != unknown && !(least...most).contains(value) { refuse() }
  }

  mutating func visit<let capacity: Int>(_ text: inout Text<capacity>, _ field: WireField) {
    guard case .text(let stored)? = values.popFirst(), stored.utf8.count <= capacity else {
      return refuse()
    }
    text = Text(stored)
  }

  mutating func refuse() { isValid = false }
}

/// What is stored of one message.
struct StoredMessage<Message: Payload> {
  let header: Header
  let received: UTC
  let message: Message

  /// `row`: the station's code, and then all columns in the order of their names; nil where they
  /// are none of ours.
  init?(_ row: [SqlValue]) {
    guard case .text(let code)? = row.first, row.count > Provenance.columns.count + 1,
      code.utf8.count <= 24, Text<24>(code).isStationCode
    else { return nil }
    func whole(_ column: Int) -> Int64 {
      if case .integer(let value) = row[column + 2] { value } else { -1 }
    }
    header = Header(
      type: Message.type, station: Text(code), epoch: UInt64(bitPattern: whole(0)),
      bootCounter: UInt32(truncatingIfNeeded: whole(1)),
      sequence: UInt32(truncatingIfNeeded: whole(2)), emitted: UTC(nanoseconds: whole(4)),
      clockState: UInt8(truncatingIfNeeded: whole(5)),
      clockSource: UInt8(truncatingIfNeeded: whole(6)),
      clockUncertaintyNanoseconds: UInt32(truncatingIfNeeded: whole(7)))
    received = UTC(nanoseconds: whole(3))
    var (message, reader) = (Message(), RowReader(row[(Provenance.columns.count + 1)...]))
    message.visit(&reader)
    guard reader.isValid else { return nil }
    self.message = message
  }
}

extension WireField {
  fileprivate var isTold: Bool { "\(name)" != "reserved" }
}

/// Whose message it is, when it left and when it came.
struct Provenance {
  static let columns = [
    "station BIGINT NOT NULL REFERENCES station(id)", "epoch BIGINT NOT NULL",
    "boot BIGINT NOT NULL", "sequence BIGINT NOT NULL", "received_ns BIGINT NOT NULL",
    "emitted_ns BIGINT NOT NULL",
    "clock_state BIGINT NOT NULL", "clock_source BIGINT NOT NULL",
    "clock_uncertainty_ns BIGINT",
  ]
  static let names = columns.map { String($0.prefix { $0 != " " }) }

  let station: Int64
  let header: Header
  let received: UTC

  var values: [SqlValue] {
    [
      .integer(station), .integer(Int64(bitPattern: header.epoch)),
      .integer(Int64(header.bootCounter)), .integer(Int64(header.sequence)),
      .integer(received.nanoseconds), .integer(header.emitted.nanoseconds),
      .integer(Int64(header.clockState)), .integer(Int64(header.clockSource)),
      header.clockUncertaintyNanoseconds == .max
        ? .null : .integer(Int64(header.clockUncertaintyNanoseconds)),
    ]
  }
}

final class MessageTable<Message: Payload> {
  private let insertion: any Statement

  init(in database: any Database) throws {
    let places = Self.names.map { _ in "?" }.joined(separator: ", ")
    insertion = try database.prepare(
      "INSERT INTO \(Message.type) (\(Self.names.joined(separator: ", "))) VALUES (\(places)) "
        + "ON CONFLICT (station, epoch, boot, sequence) DO NOTHING")
  }

  /// All columns' names, in the order in which a message is read from its row.
  static var names: [String] { Provenance.names + columns.names }

  private static var columns: Columns {
    var (columns, message) = (Columns(), Message())
    message.visit(&columns)
    return columns
  }

  /// Whether the table is as this version has it.
  static func isThere(in database: any Database) throws -> Bool {
    try database.columns(of: "\(Message.type)").isSuperset(of: bareNames)
  }

  private static var bareNames: [String] { names.map { $0.filter { $0 != "\"" } } }

  /// Makes the table, or the columns that a version before this one did not have.
  static func make(in database: any Database) throws {
    let table = "\(Message.type)"
    let columns = columns
    let declared = Provenance.columns + columns.declared
    let defaults = Provenance.columns.map { _ in "NULL" } + columns.defaults
    try database.execute(
      "CREATE TABLE IF NOT EXISTS \(table) (\(declared.joined(separator: ", ")), "
        + "UNIQUE (station, epoch, boot, sequence))")
    let known = try database.columns(of: table)
    for (index, name) in bareNames.enumerated() where !known.contains(name) {
      try database.execute(
        "ALTER TABLE \(table) ADD COLUMN \(declared[index]) DEFAULT \(defaults[index])")
    }
    try database.execute(
      "CREATE INDEX IF NOT EXISTS \(table)_by_time ON \(table) (received_ns)")
  }

  /// Whether it was not there before.
  func insert(_ message: Message, _ provenance: Provenance) throws -> Bool {
    var (values, message) = (Values(), message)
    message.visit(&values)
    return try insertion.run(provenance.values + values.values) == 1
  }

  /// The rows, `m`, that a condition chooses, with their stations.
  static func rows(
    _ database: any Database, _ rest: String, _ values: [SqlValue] = []
  ) throws -> [StoredMessage<Message>] {
    let chosen = names.map { "m.\($0)" }.joined(separator: ", ")
    return try database.prepare(
      "SELECT station.code, \(chosen) FROM \(Message.type) m "
        + "JOIN station ON station.id = m.station \(rest)"
    ).rows(values).compactMap { StoredMessage($0) }
  }
}
