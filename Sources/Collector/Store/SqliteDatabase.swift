// SqliteDatabase: a store in one file, for one collector: write-ahead log, and a sync at every
// commit (synchronous = FULL).
//
//     let database = try SqliteDatabase(path: "onset.sqlite", patienceMilliseconds: 5000)

import CCollector
import Tools

final class SqliteDatabase: Database {
  let dialect = Dialect(
    durably: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", beginning: "BEGIN IMMEDIATE",
    numbering: "INTEGER PRIMARY KEY", row: "rowid", takingRows: "")
  private let handle: OpaquePointer
  private let path: String
  var name: String { path }

  init(path: String, patienceMilliseconds: Int32) throws {
    var opened: OpaquePointer?
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
    let code = sqlite3_open_v2(path, &opened, flags, nil)
    guard code == SQLITE_OK, let opened else {
      sqlite3_close(opened)
      throw ToolError(
        "\(path): \(String(cString: sqlite3_errstr(code))): name a file in a folder that can be "
          + "written")
    }
    handle = opened
    self.path = path
    sqlite3_busy_timeout(handle, patienceMilliseconds)
  }

  deinit { sqlite3_close_v2(handle) }

  func greet(_ sql: String) throws { try execute(sql) }

  func execute(_ sql: String) throws {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw failure(code) }
  }

  func prepare(_ sql: String) throws -> any Statement {
    var statement: OpaquePointer?
    let code = sqlite3_prepare_v3(
      handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
    guard code == SQLITE_OK, let statement else { throw failure(code) }
    return SqliteStatement(statement, of: self)
  }

  func columns(of table: String) throws -> Set<String> {
    let rows = try prepare("SELECT name FROM pragma_table_info(?)").rows([.text(table)])
    return Set(rows.compactMap { if case .text(let name)? = $0.first { name } else { nil } })
  }

  /// Whoever writes has it.
  func lockTables() {}

  func version() throws -> Int64 { try number("PRAGMA user_version") }

  /// Tables that are there already are not written, for which somebody else may have a lock.
  func set(version: Int64) throws { try execute("PRAGMA user_version = \(version)") }

  func forbidChanges() throws { try execute("PRAGMA query_only = 1") }

  /// Rows that the last statement added, changed or took away.
  fileprivate var changes: Int { Int(sqlite3_changes(handle)) }

  fileprivate func failure(_ code: Int32) -> DatabaseError {
    let primary = code & 0xFF
    let remedy =
      switch primary {
      case SQLITE_FULL: ": make room on its disk"
      case SQLITE_IOERR: ": its disk fails, or is full"
      case SQLITE_BUSY, SQLITE_LOCKED: ": another program holds it"
      case SQLITE_READONLY: ": it, or its folder, cannot be written"
      case SQLITE_CORRUPT, SQLITE_NOTADB: ": move it away, and restore a backup if there is one"
      default: ""
      }
    return DatabaseError(
      description: "\(path): \(String(cString: sqlite3_errmsg(handle)))\(remedy)")
  }
}

private final class SqliteStatement: Statement {
  private let statement: OpaquePointer
  private let database: SqliteDatabase

  init(_ statement: OpaquePointer, of database: SqliteDatabase) {
    (self.statement, self.database) = (statement, database)
  }

  deinit { sqlite3_finalize(statement) }

  /// How many rows it changed.
  @discardableResult
  func run(_ values: [SqlValue]) throws -> Int {
    defer { sqlite3_reset(statement) }
    try bind(values)
    let code = sqlite3_step(statement)
    guard code == SQLITE_DONE || code == SQLITE_ROW else { throw database.failure(code) }
    return database.changes
  }

  func rows(_ values: [SqlValue]) throws -> [[SqlValue]] {
    defer { sqlite3_reset(statement) }
    try bind(values)
    var rows: [[SqlValue]] = []
    while true {
      let code = sqlite3_step(statement)
      if code == SQLITE_DONE { return rows }
      guard code == SQLITE_ROW else { throw database.failure(code) }
      rows.append((0..<sqlite3_column_count(statement)).map(column))
    }
  }

  private func bind(_ values: [SqlValue]) throws {
    for (index, value) in values.enumerated() {
      let place = Int32(index + 1)
      let code =
        switch value {
        case .null: sqlite3_bind_null(statement, place)
        case .integer(let value): sqlite3_bind_int64(statement, place, value)
        case .real(let value): sqlite3_bind_double(statement, place, value)
        case .text(let value):
          ccollector_bind_text(statement, place, value, Int32(value.utf8.count))
        }
      guard code == SQLITE_OK else { throw database.failure(code) }
    }
  }

  private func column(_ place: Int32) -> SqlValue {
    switch sqlite3_column_type(statement, place) {
    case SQLITE_INTEGER: .integer(sqlite3_column_int64(statement, place))
    case SQLITE_FLOAT: .real(sqlite3_column_double(statement, place))
    case SQLITE_TEXT: .text(String(cString: sqlite3_column_text(statement, place)))
    default: .null
    }
  }
}
