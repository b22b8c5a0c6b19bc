// StoreCopy: a store in a file is copied while it is in use, and a copy becomes a store again.
//
//     try StoreCopy.make(of: "onset.sqlite", to: "monday.sqlite")
//     try StoreCopy.restore("monday.sqlite", to: "onset.sqlite")

import Foundation
import Tools

public enum StoreCopy {
  private static let patienceMilliseconds: Int32 = 60_000

  /// The copy is of one moment, whole, and on disk under its name when this returns.
  public static func make(of location: String, to path: String) throws {
    guard !isShared(location) else {
      throw ToolError(
        "\(redacted(location)): a database on a server is copied by its own pg_dump")
    }
    guard FileManager.default.fileExists(atPath: location) else {
      throw ToolError("\(location) is not there")
    }
    try refuse(existing: path)
    let part = path + ".part"
    try? FileManager.default.removeItem(atPath: part)
    do {
      let database = try SqliteDatabase(path: location, patienceMilliseconds: patienceMilliseconds)
      try database.prepare("VACUUM INTO ?").run([.text(part)])
      try examine(part)
      try flush(part)
      try rename(part, path)
    } catch {
      try? FileManager.default.removeItem(atPath: part)
      throw error is DatabaseError ? ToolError("\(error)") : error
    }
  }

  /// A store where there is none yet.
  public static func restore(_ copy: String, to location: String) throws {
    guard !isShared(location) else {
      throw ToolError(
        "\(redacted(location)): a database on a server is restored by its own pg_restore")
    }
    // What SQLite left beside a store that was moved away would become part of this one.
    for name in ["", "-wal", "-shm", "-journal"] { try refuse(existing: location + name) }
    try examine(copy)
    try? FileManager.default.removeItem(atPath: location + ".part")
    try FileManager.default.copyItem(atPath: copy, toPath: location + ".part")
    try flush(location + ".part")
    try rename(location + ".part", location)
  }

  private static func refuse(existing path: String) throws {
    guard !FileManager.default.fileExists(atPath: path) else {
      throw ToolError("\(path) is there already: move it away, or name another file")
    }
  }

  private static func examine(_ path: String) throws {
    guard FileManager.default.fileExists(atPath: path) else {
      throw ToolError("\(path) is not there")
    }
    do {
      let database = try SqliteDatabase(path: path, patienceMilliseconds: patienceMilliseconds)
      let version = try database.version()
      guard (2...Store.schemaVersion).contains(version) else {
        throw ToolError("\(path) is no store of this collector: its version is \(version)")
      }
      let found = try database.prepare("PRAGMA integrity_check").rows([]).first?.first
      guard found == .text("ok") else { throw ToolError("\(path) is damaged: use another copy") }
    } catch let error as DatabaseError { throw ToolError("\(error)") }
  }

  private static func flush(_ path: String) throws {
    let file = open(path, O_RDWR)
    defer { close(file) }
    guard file >= 0, fsync(file) == 0 else {
      throw ToolError("\(path) is not on disk: \(String(cString: strerror(errno)))")
    }
  }

  private static func rename(_ from: String, _ to: String) throws {
    guard Foundation.rename(from, to) == 0 else {
      throw ToolError("\(to) cannot be made: \(String(cString: strerror(errno)))")
    }
    let folder = open(URL(fileURLWithPath: to).deletingLastPathComponent().path, O_RDONLY)
    fsync(folder)
    close(folder)
  }
}
