// FleetAudit: what was done to a fleet, line by line on disk, each before the next step is taken.
//
// A run over many stations is interrupted sooner or later: by a laptop's lid, a power cut, a
// station that falls ill. Whoever goes on must know who has it already, because a command that is
// given twice may test a relay twice. So an intent is on disk before a command is sent, and what came of
// it before the next one is. An intent without a result is a station of which nobody knows.
//
//     let audit = try FleetAudit("fleet.jsonl")
//     let history = audit.history(of: order)
//     try audit.append(record)

import CLinux
import Core
import Foundation

public final class FleetAudit {
  /// What a run has done to a station so far.
  enum Standing {
    /// Nothing, or it has refused.
    case open
    /// A command was under way and nobody knows what came of it.
    case unknown
    /// It has it, and its health has not been judged.
    case given(wave: Int, before: FleetStation, boot: FleetBoot?)
    case done
    case fallen
  }

  struct History {
    let run: String
    let isFinished: Bool
    let standings: [String: Standing]
  }

  private let path: String
  private let descriptor: Int32
  private(set) var records: [FleetRecord] = []

  /// The file is made where there is none. One program at a time has it.
  public init(_ path: String) throws {
    self.path = path
    let isNew = access(path, F_OK) != 0
    descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw ToolError("\(path): cannot be written (\(String(cString: strerror(errno))))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw ToolError("\(path): another onset fleet is at work with it")
    }
    do {
      // A new file's name is on disk when its folder is.
      if isNew { try FleetAudit.syncFolder(of: path) }
      try read()
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  private static func syncFolder(of path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    guard descriptor >= 0, fsync(descriptor) == 0 else {
      throw ToolError("\(folder): cannot be flushed (\(String(cString: strerror(errno))))")
    }
  }

  private func read() throws {
    // Only a file has a past.
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return }
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw ToolError("\(path): cannot be read")
    }
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (number, line) in lines.enumerated() where !line.isEmpty {
      let isTorn = number == lines.count - 1
      do {
        records.append(try FleetRecord(json: Array(line), from: "\(path):\(number + 1)"))
      } catch {
        // A power cut takes the end of the last line; what it was to allow did not happen.
        guard isTorn, ftruncate(descriptor, off_t(bytes.count - line.count)) == 0 else {
          throw error
        }
        return
      }
      if isTorn { try write([UInt8(ascii: "\n")]) }
    }
  }

  /// On disk when it returns.
  public func append(_ record: FleetRecord) throws {
    try write(Array((record.json + "\n").utf8))
    records.append(record)
  }

  private func write(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure }
      rest = rest.dropFirst(count)
    }
    guard fsync(descriptor) == 0 else { throw failure }
  }

  private var failure: ToolError {
    ToolError(
      "\(path): takes nothing (\(String(cString: strerror(errno)))); no station is given anything "
        + "that is not written down")
  }

  // MARK: What was done

  /// The last run of the same order; nil where there is none.
  func history(of order: FleetOrder) -> History? {
    guard let run = records.last(where: { $0.kind == .begin && order.isSame(as: $0) })?.run else {
      return nil
    }
    var standings: [String: Standing] = [:]
    var intents: [String: FleetRecord] = [:]
    var isFinished = false
    for record in records where record.run == run {
      isFinished = record.kind == .end && record.isFinished == true
      guard let station = record.station else { continue }
      switch record.kind {
      case .intent:
        intents[station] = record
        standings[station] = .unknown
      case .result:
        standings[station] = FleetAudit.standing(record, intents[station])
      case .verdict: standings[station] = record.isWell == true ? .done : .fallen
      case .begin, .skip, .end: break
      }
    }
    return History(run: run, isFinished: isFinished, standings: standings)
  }

  private static func standing(_ record: FleetRecord, _ intent: FleetRecord?) -> Standing {
    switch record.result {
    case .done:
      guard let before = intent?.before else { return .done }
      return .given(wave: record.wave ?? 1, before: before, boot: record.boot)
    case .refused, .notReached: return .open
    case .unknown, nil: return .unknown
    }
  }
}
