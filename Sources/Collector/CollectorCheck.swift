// CollectorCheck: whether a collector could do what its settings say, without doing it: files,
// store, brokers and receivers, each in a line.
//
//     for line in CollectorCheck.lines(settings) { print(line.text) }

import Core
import Devices
import Foundation
import Synchronization
import Tools
import Uplink

public enum CollectorCheck {
  private static let brokerSeconds = 5.0
  private static let freeBytesMinimum: Int64 = 1 << 30

  public struct Line {
    public let isRight: Bool
    public let text: String
  }

  /// `tellsReceivers`: a drill goes to each of them.
  public static func lines(_ settings: CollectorSettings, tellsReceivers: Bool) -> [Line] {
    var lines = [
      line("keys") { try keys(settings) }, line("store") { try store(settings) },
      line("lines") {
        _ = try MessageFilter(settings.only)
        return settings.only.map { "of \($0) are told" } ?? "of every type are told"
      },
    ]
    if let folder = settings.operators {
      lines.append(
        line("operators") {
          let count = try KeyFiles.publicKeys(folder: folder).count
          guard count > 0 else {
            throw ToolError("\(folder) has no NAME.pub: nobody could ask a station")
          }
          return "\(count) in \(folder)"
        })
    }
    if let http = settings.http {
      lines.append(
        line("http") {
          _ = try Look(at: http, lookPath: settings.lookToken, operatePath: settings.operateToken)
          let changes =
            settings.operateToken == nil ? "nothing can be changed" : "changes take a token"
          return
            "\(http), \(settings.lookToken == nil ? "this machine alone looks" : "a token to look"), \(changes)"
        })
    }
    if settings.brokers != nil { lines.append(line("mqtt") { try mqtt(settings) }) }
    if let folder = settings.receivers {
      lines += receivers(settings, in: folder, tells: tellsReceivers)
    }
    return lines
  }

  private static func line(_ part: String, _ body: () throws -> String) -> Line {
    do { return Line(isRight: true, text: "good  \(part): \(try body())") } catch {
      return Line(isRight: false, text: "BAD   \(part): \(error)")
    }
  }

  private static func keys(_ settings: CollectorSettings) throws -> String {
    var complaints: [String] = []
    let folder = try KeyFolder(
      settings.keys, master: try settings.master.map(KeyFiles.read)
    ) { complaints.append($0) }
    guard complaints.isEmpty else { throw ToolError(complaints.joined(separator: "; ")) }
    guard settings.master != nil || folder.count > 0 else {
      throw ToolError("\(settings.keys ?? "") has no key, and no station would be heard")
    }
    let files = "\(folder.count) of stations"
    return settings.master == nil ? files : "a master's, and \(files)"
  }

  private static func store(_ settings: CollectorSettings) throws -> String {
    guard isShared(settings.database) || FileManager.default.fileExists(atPath: settings.database)
    else {
      let folder = URL(fileURLWithPath: settings.database).deletingLastPathComponent().path
      guard access(folder, W_OK) == 0 else { throw ToolError("\(folder) cannot be written") }
      return "\(settings.database) will be made"
    }
    let database = try openDatabase(settings.database, patienceMilliseconds: 5000)
    let version = try database.version()
    guard version <= Store.schemaVersion, version != 1 else {
      throw ToolError(
        "\(database.name) has version \(version) of the tables; this one has \(Store.schemaVersion)"
      )
    }
    if !isShared(settings.database) {
      let url = URL(fileURLWithPath: settings.database).deletingLastPathComponent()
      let free = try FileManager.default.attributesOfFileSystem(forPath: url.path)[.systemFreeSize]
      guard let free = free as? NSNumber, free.int64Value >= freeBytesMinimum else {
        throw ToolError("\(url.path) has less than 1 GiB free")
      }
    }
    return "\(database.name), "
      + (version == 0
        ? "without tables yet"
        : version < Store.schemaVersion ? "of an older version, to be changed" : "as it is to be")
  }

  private static func mqtt(_ settings: CollectorSettings) throws -> String {
    let said = Mutex<[String]>([])
    let link = try PassingOn.link(settings, name: "onset-check-\(getpid())", announces: false) {
      sentence in said.withLock { $0.append(sentence) }
    }
    defer { link.end() }
    guard link.awaitConnection(seconds: brokerSeconds) else {
      let reason = said.withLock { $0.first { $0.contains("refuses") } ?? "no answer" }
      throw ToolError("none of \(settings.brokers ?? "") takes a connection: \(reason)")
    }
    return "\(settings.brokers ?? "") takes connections"
  }

  private static func receivers(
    _ settings: CollectorSettings, in folder: String, tells: Bool
  ) -> [Line] {
    let files: [ReceiverFile]
    do { files = try ReceiverFile.all(in: folder) } catch {
      return [line("receivers") { throw error }]
    }
    return files.map { file in
      line("receiver \(file.name)") {
        let link =
          file.kind == .mqtt && tells
          ? try PassingOn.link(settings, name: "onset-check-\(getpid())", announces: false) { _ in }
          : nil
        defer { link?.end() }
        guard file.kind != .mqtt || settings.brokers != nil else {
          throw ToolError("it is told over MQTT, and no brokers are named")
        }
        let rule =
          "hears \(file.rule.quorum) station\(file.rule.quorum == 1 ? "" : "s") at \(file.rule.level)"
        guard tells else {
          if let secret = file.secretPath { _ = try AlarmDesk.secret(secret) }
          return "\(file.kind.rawValue), \(rule)"
        }
        let now = MachineClock().systemClock().realtime
        let step = AlarmStep(
          alarm: "check-\(now.nanoseconds)", kind: .ended, at: now, begun: now,
          parts: [
            AlarmStep.Part(
              station: "XX.CHECK..HH", level: .alarm, decided: now, reason: .command, isDrill: true,
              intensity: nil)
          ], joined: [])
        try AlarmDesk.delivery(file, link)(
          AlarmReceiver.Delivery(step: step, places: [:], since: 0, isCheck: true))
        return "\(file.kind.rawValue), \(rule); it has taken a drill that is over"
      }
    }
  }
}
