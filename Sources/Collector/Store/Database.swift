// Database: what the collector asks of the engine that keeps its store: SQLite on one machine,
// PostgreSQL where several collectors share a store.
//
// What is committed is on disk, because a station that has been told so forgets. The SQL is what
// both engines understand; where they differ, the dialect has the words.
//
//     let database = try openDatabase("onset.sqlite", patienceMilliseconds: 5000)
//     let insert = try database.prepare("INSERT INTO t VALUES (?, ?)")
//     try insert.run([.integer(1), .text("a")])

import Tools

enum SqlValue: Equatable, Sendable {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
}

/// What the engine refused, and why.
struct DatabaseError: Error, CustomStringConvertible {
  let description: String
}

/// The words that the engines do not have in common.
struct Dialect {
  /// How a connection that writes is told to keep what it commits.
  let durably: String
  /// What begins a transaction that writes.
  let beginning: String
  /// A column that numbers rows by itself.
  let numbering: String
  /// What a row is known by within one statement.
  let row: String
  /// After a SELECT: nobody else takes these rows until the transaction ends, and those that
  /// somebody has are left out.
  let takingRows: String
}

/// One connection, for one thread at a time. `?` stands for a value.
protocol Database: AnyObject {
  var dialect: Dialect { get }
  /// As people know it, without secrets.
  var name: String { get }

  /// What is said now, and again where a connection has to be opened anew.
  func greet(_ sql: String) throws
  /// One statement or several, without values.
  func execute(_ sql: String) throws
  func prepare(_ sql: String) throws -> any Statement
  func columns(of table: String) throws -> Set<String>
  /// Before tables are made, within a transaction: nobody else makes them now.
  func lockTables() throws
  /// The version of the tables; 0 where there are none.
  func version() throws -> Int64
  func set(version: Int64) throws
  /// Nothing can be changed over this connection any more.
  func forbidChanges() throws
}

protocol Statement: AnyObject {
  /// How many rows it changed.
  @discardableResult
  func run(_ values: [SqlValue]) throws -> Int
  func rows(_ values: [SqlValue]) throws -> [[SqlValue]]
}

extension Database {
  /// One number; 0 where there is none.
  func number(_ sql: String) throws -> Int64 {
    guard case .integer(let value)? = try prepare(sql).rows([]).first?.first else { return 0 }
    return value
  }

  /// All of it, or nothing.
  func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    try execute(dialect.beginning)
    do {
      let result = try body()
      try execute("COMMIT")
      return result
    } catch {
      // After some failures the engine has already done so.
      try? execute("ROLLBACK")
      throw error
    }
  }
}

/// `location`: postgresql://… or a file, which is made where there is none. `patienceMilliseconds`:
/// for so long a statement waits for the engine, or for whoever holds the file.
func openDatabase(_ location: String, patienceMilliseconds: Int32) throws -> any Database {
  isShared(location)
    ? try PostgresDatabase(location, patienceMilliseconds: patienceMilliseconds)
    : try SqliteDatabase(path: location, patienceMilliseconds: patienceMilliseconds)
}

/// Whether other collectors may have the same store.
func isShared(_ location: String) -> Bool {
  ["postgresql://", "postgres://"].contains { location.hasPrefix($0) }
}

/// Without a password.
func redacted(_ location: String) -> String {
  location.replacing(/:\/\/[^@\/]*@/, with: "://...@").replacing(
    /password=[^&\s]*/, with: "password=...")
}
