// PostgresDatabase: a store on a server, which several collectors share.
//
// A server goes away and comes back, or another takes its place. So a connection that failed is
// opened anew when the next transaction begins, never within one: what had been done of it is gone.
//
//     let database = try PostgresDatabase("postgresql:///onset", patienceMilliseconds: 5000)

import CPostgres
import Foundation
import Tools

final class PostgresDatabase: Database {
  /// A collector of a fleet whose database keeps nothing in a power cut would acknowledge what is
  /// lost.
  let dialect = Dialect(
    durably: "SELECT set_config('synchronous_commit', 'on', false) "
      + "WHERE current_setting('synchronous_commit') = 'off'",
    beginning: "BEGIN", numbering: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", row: "ctid",
    takingRows: "FOR UPDATE SKIP LOCKED")
  /// Any number that is ours: "onset" as ASCII.
  private static let tableLock: Int64 = 0x6F_6E_73_65_74

  private let location: String
  private let patienceMilliseconds: Int32
  private(set) var name = "PostgreSQL"
  fileprivate private(set) var connection: OpaquePointer?
  /// How many connections there have been, this one with them; a statement is prepared once for
  /// each.
  fileprivate private(set) var generation = 0
  /// By their SQL, because the server keeps what is prepared for as long as the connection.
  private var statements: [String: PostgresStatement] = [:]
  private var isInTransaction = false
  /// What is said to every new connection.
  private var greetings: [String] = []

  init(_ location: String, patienceMilliseconds: Int32) throws {
    (self.location, self.patienceMilliseconds) = (location, patienceMilliseconds)
    do { try connect() } catch {
      throw ToolError(
        "\(error): name a database that is there, such as postgresql://USER@HOST/DATABASE, and see "
          + "that USER may make tables in it")
    }
  }

  deinit { PQfinish(connection) }

  private func connect() throws {
    guard let opened = cpostgres_open(location, patienceMilliseconds) else {
      throw DatabaseError(description: "\(name): out of memory")
    }
    connection = opened
    generation += 1
    guard PQstatus(opened) == CONNECTION_OK else {
      // It quotes an address that it does not understand.
      let reason = redacted(PostgresDatabase.firstLine(PQerrorMessage(opened)))
      disconnect()
      throw DatabaseError(
        description: "\(name) cannot be reached: " + (reason.isEmpty ? "no answer" : reason))
    }
    name =
      "PostgreSQL database \(String(cString: PQdb(opened))) at "
      + String(cString: PQhost(opened))
    try greetings.forEach { try finish(cpostgres_execute(opened, $0, patienceMilliseconds)) }
  }

  private func disconnect() {
    PQfinish(connection)
    connection = nil
  }

  /// The connection, opened anew where it is gone and nothing depends on it.
  private func connected() throws -> OpaquePointer {
    if let connection { return connection }
    guard !isInTransaction else {
      throw DatabaseError(description: "\(name): the connection is gone")
    }
    try connect()
    guard let connection else { throw DatabaseError(description: "\(name) cannot be reached") }
    return connection
  }

  func greet(_ sql: String) throws {
    greetings.append(sql)
    try execute(sql)
  }

  func execute(_ sql: String) throws {
    let isEnd = sql == "COMMIT" || sql == "ROLLBACK"
    defer { if isEnd { isInTransaction = false } }
    let connection = try connected()
    let result = try finish(cpostgres_execute(connection, sql, patienceMilliseconds))
    if sql == dialect.beginning { isInTransaction = true }
    // A transaction that has failed is taken back without an error.
    guard sql != "COMMIT" || result.isCommit else {
      throw DatabaseError(description: "\(name): the transaction had failed")
    }
  }

  func prepare(_ sql: String) -> any Statement {
    if let known = statements[sql] { return known }
    let statement = PostgresStatement(sql, name: "s\(statements.count)", of: self)
    statements[sql] = statement
    return statement
  }

  func columns(of table: String) throws -> Set<String> {
    let rows = try prepare(
      "SELECT column_name::text FROM information_schema.columns "
        + "WHERE table_schema = current_schema() AND table_name = ?"
    ).rows([.text(table)])
    return Set(rows.compactMap { if case .text(let name)? = $0.first { name } else { nil } })
  }

  func lockTables() throws { try execute("SELECT pg_advisory_xact_lock(\(Self.tableLock))") }

  func version() throws -> Int64 {
    guard try !columns(of: "store").isEmpty else { return 0 }
    return try number("SELECT version FROM store")
  }

  func set(version: Int64) throws {
    try execute(
      "CREATE TABLE IF NOT EXISTS store (version BIGINT NOT NULL); DELETE FROM store; "
        + "INSERT INTO store VALUES (\(version))")
  }

  func forbidChanges() throws {
    try greet("SET default_transaction_read_only = on")
  }

  // MARK: What a statement asks

  fileprivate func run(_ name: String, _ values: [SqlValue]) throws -> PostgresResult {
    let texts = values.map(\.postgresText)
    let copies = texts.map { $0.flatMap { strdup($0) } }
    defer { copies.forEach { free($0) } }
    let pointers = copies.map { UnsafePointer($0) }
    let connection = try connected()
    return try finish(
      cpostgres_run(connection, name, Int32(values.count), pointers, patienceMilliseconds))
  }

  fileprivate func prepare(_ name: String, _ sql: String) throws {
    let connection = try connected()
    try finish(cpostgres_prepare(connection, name, sql, patienceMilliseconds))
  }

  /// The generation that the next statement runs in.
  fileprivate func currentGeneration() throws -> Int {
    _ = try connected()
    return generation
  }

  @discardableResult
  private func finish(_ result: OpaquePointer?) throws -> PostgresResult {
    guard let result else {
      let reason = connection.map { PostgresDatabase.firstLine(PQerrorMessage($0)) } ?? ""
      disconnect()
      throw DatabaseError(
        description: "\(name): "
          + (reason.isEmpty ? "no answer in \(patienceMilliseconds) ms" : reason))
    }
    let answer = PostgresResult(result)
    if answer.isRight { return answer }
    let (state, reason) = (answer.state, PostgresDatabase.firstLine(PQresultErrorMessage(result)))
    // One that only reads is another's copy, which may have taken over or have been left behind.
    if PQstatus(connection) == CONNECTION_BAD || state == "25006" || state.hasPrefix("57") {
      disconnect()
    }
    let remedy =
      switch state {
      case "53100": ": make room on its disk"
      case "42501": ": give its user the right to it"
      case "25006":
        ": this server only reads; name all of them, with target_session_attrs=read-write"
      default: ""
      }
    throw DatabaseError(description: "\(name): \(reason)\(remedy)")
  }

  private static func firstLine(_ text: UnsafePointer<CChar>?) -> String {
    guard let text else { return "" }
    return String(String(cString: text).prefix { $0 != "\n" })
  }
}

extension SqlValue {
  fileprivate var postgresText: String? {
    switch self {
    case .null: nil
    case .integer(let value): "\(value)"
    case .real(let value): "\(value)"
    case .text(let value): value
    }
  }
}

private final class PostgresStatement: Statement {
  private let sql: String
  private let name: String
  /// It keeps its statements, and not they it.
  private unowned let database: PostgresDatabase
  private var generation = 0

  /// Prepared when it is run, in each connection.
  init(_ sql: String, name: String, of database: PostgresDatabase) {
    var number = 0
    self.sql = sql.reduce(into: "") { text, character in
      if character == "?" { number += 1 }
      text += character == "?" ? "$\(number)" : String(character)
    }
    (self.name, self.database) = (name, database)
  }

  func run(_ values: [SqlValue]) throws -> Int { try result(values).changedCount }
  func rows(_ values: [SqlValue]) throws -> [[SqlValue]] { try result(values).rows }

  private func result(_ values: [SqlValue]) throws -> PostgresResult {
    let current = try database.currentGeneration()
    if generation != current {
      try database.prepare(name, sql)
      generation = current
    }
    return try database.run(name, values)
  }
}

/// What came back, until it is let go.
private final class PostgresResult {
  // Numbers of PostgreSQL's types, from its catalogue pg_type.
  private static let wholeTypes: Set<Oid> = [20, 21, 23]
  private static let realTypes: Set<Oid> = [700, 701]

  private let result: OpaquePointer

  init(_ result: OpaquePointer) { self.result = result }

  deinit { PQclear(result) }

  var isRight: Bool {
    [PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY].contains(PQresultStatus(result))
  }

  var isCommit: Bool { String(cString: PQcmdStatus(result)) == "COMMIT" }

  /// SQLSTATE
  var state: String {
    PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { String(cString: $0) } ?? ""
  }

  var changedCount: Int { Int(String(cString: PQcmdTuples(result))) ?? 0 }

  var rows: [[SqlValue]] {
    let columns = 0..<PQnfields(result)
    return (0..<PQntuples(result)).map { row in
      columns.map { column in
        guard PQgetisnull(result, row, column) == 0 else { return .null }
        let text = String(cString: PQgetvalue(result, row, column))
        let type = PQftype(result, column)
        if Self.wholeTypes.contains(type), let value = Int64(text) { return .integer(value) }
        if Self.realTypes.contains(type), let value = Double(text) { return .real(value) }
        return .text(text)
      }
    }
  }
}
