// Running a collector: its configuration file, whether it could run so, and copies of its store.

import Core
import Foundation
import StationFixture
import Testing
import Tools
import Uplink

@testable import Collector

@Suite struct RunningTests {
  private final class Place {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-running-\(UUID().uuidString)")
    init() throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: folder) }

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    @discardableResult
    func write(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
      try Data(text.utf8).write(to: folder.appendingPathComponent(name))
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path(name))
      return path(name)
    }

    func settings(_ text: String) throws -> CollectorSettings {
      try CollectorSettings(path: try write("collector.toml", "[collector]\nformat = 1\n" + text))
    }
  }

  private static let least = "[store]\nfile = \"s\"\n[uplink]\nmaster = \"m\"\n"

  @Test func theExampleIsAConfigurationOfTheCollector() throws {
    let example = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Sources/onset-collector/collector.toml").standardizedFileURL
    let settings = try CollectorSettings(path: example.path)
    #expect(settings.database == "/var/lib/onset-collector/onset.sqlite" && settings.port == 6464)
    #expect(settings.master?.hasSuffix("/onset-collector/master.key") == true)
    // What it leaves out is right as well.
    let place = try Place()
    let whole = try String(contentsOf: example, encoding: .utf8).split(separator: "\n").map {
      $0.hasPrefix("# ") && ($0.contains(" = ") || $0.hasPrefix("# [")) ? $0.dropFirst(2) : $0
    }.filter { !$0.hasPrefix("url =") }.joined(separator: "\n")
    let all = try CollectorSettings(path: try place.write("collector.toml", whole))
    #expect(all.brokers == "mqtt://127.0.0.1:1883" && all.mebibytesMaximum == 20_000)
    #expect(
      all.receivers == place.path("receivers") && all.operateToken != nil && all.name == "room")
  }

  @Test func whatIsWrongInTheFileIsSaid() throws {
    let place = try Place()
    for (text, said) in [
      ("[uplink]\nmaster = \"m\"\n", "[store] has a file"),
      (
        Self.least.replacing("file = \"s\"", with: "file = \"s\"\nurl = \"postgresql:///x\""),
        "one of two"
      ),
      ("[store]\nfile = \"s\"\n[uplink]\nport = 1\n", "[uplink] has a master key"),
      (Self.least + "[http]\nlissen = \"127.0.0.1:1\"\n", "did you mean listen"),
      (Self.least.replacing("file = \"s\"", with: "file = \"s\"\nmaximum_mib = 5"), "16 or more"),
      (Self.least + "port = 70000\n", "port"),
    ] {
      #expect { _ = try place.settings(text) } throws: { "\($0)".contains(said) }
    }
  }

  @Test func whetherItCouldRunIsSaidPartByPart() throws {
    let place = try Place()
    try place.write("m", String(repeating: "k", count: 32))
    var settings = try place.settings(Self.least)
    func lines() -> [String] {
      CollectorCheck.lines(settings, tellsReceivers: false).map(\.text)
    }
    #expect(
      lines().allSatisfy { $0.hasPrefix("good") }
        && lines().contains { $0.contains("will be made") })
    _ = try Store(settings.database, patienceMilliseconds: 0)
    #expect(lines().contains { $0.contains("as it is to be") })
    (settings.http, settings.brokers) = ("0.0.0.0:80", "mqtt://127.0.0.1:1")
    (settings.receivers, settings.only) = (place.path("receivers"), "health,picks")
    let wrong = lines().filter { $0.hasPrefix("BAD") }
    for said in ["--look-token", "takes a connection", "no folder", "picks"] {
      #expect(wrong.contains { $0.contains(said) }, "\(said): \(wrong)")
    }
    settings.master = place.path("none")
    #expect(lines()[0].hasPrefix("BAD   keys"))
  }

  private static func arrived(_ sequence: UInt32) -> Arrived {
    let header = Header(
      type: .health, station: Text("XX.A.00.HH"), epoch: 9, bootCounter: 3, sequence: sequence,
      emitted: UTC(nanoseconds: 0), clockState: 3, clockSource: 2, clockUncertaintyNanoseconds: 1000
    )
    let datagram = Datagram(header, key: testKey) { HealthMessage().write(to: &$0) }
    return Arrived(
      bytes: datagram.withBytes { Array($0) }, header: header, received: UTC(nanoseconds: 0))
  }

  /// A copy is of one moment, while a transaction is open and others wait.
  @Test func aStoreIsCopiedWhileItIsUsedAndACopyIsAStore() throws {
    let place = try Place()
    let store = try Store(place.path("onset.sqlite"), patienceMilliseconds: 0)
    _ = try store.keep((0..<100 as Range<UInt32>).map(Self.arrived), refused: [])
    try store.database.execute("BEGIN IMMEDIATE; DELETE FROM health")
    try StoreCopy.make(of: place.path("onset.sqlite"), to: place.path("copy"))
    try store.database.execute("COMMIT")
    #expect(try store.database.number("SELECT count(*) FROM health") == 0)
    #expect {
      try StoreCopy.restore(place.path("copy"), to: place.path("onset.sqlite"))
    } throws: { "\($0)".contains("is there already") }
    // What SQLite left beside a store that was moved away belongs to that one.
    try place.write("again.sqlite-wal", "")
    #expect {
      try StoreCopy.restore(place.path("copy"), to: place.path("again.sqlite"))
    } throws: { "\($0)".contains("again.sqlite-wal is there already") }
    try FileManager.default.removeItem(atPath: place.path("again.sqlite-wal"))
    try StoreCopy.restore(place.path("copy"), to: place.path("again.sqlite"))
    let again = try Store(place.path("again.sqlite"), patienceMilliseconds: 0)
    #expect(try again.database.number("SELECT count(*) FROM health") == 100)
    #expect(try again.keep([Self.arrived(5), Self.arrived(500)], refused: []) == [false, true])
    // What is no store, or was damaged, becomes none.
    try place.write("text", String(repeating: "no database ", count: 1000))
    let handle = try #require(FileHandle(forWritingAtPath: place.path("copy")))
    // A page of a table in the middle is another one's: it opens, and is not whole.
    let size = try handle.seekToEnd()
    try handle.seek(toOffset: size - 4096)
    handle.write(Data(repeating: 0, count: 4096))
    for (name, said) in [
      ("text", "move it away"), ("copy", "move it away"), ("none", "is not there"),
    ] {
      #expect {
        try StoreCopy.restore(place.path(name), to: place.path("new"))
      } throws: { "\($0)".contains(said) }
      #expect(!FileManager.default.fileExists(atPath: place.path("new")))
    }
    #expect {
      try StoreCopy.make(of: "postgresql://u:secret@h/onset", to: place.path("new"))
    } throws: { "\($0)".contains("pg_dump") && !"\($0)".contains("secret") }
  }
}
