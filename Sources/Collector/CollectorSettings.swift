// CollectorSettings: what a collector is to do, from its configuration file or its command line.
//
//     let settings = try CollectorSettings(path: "collector.toml")

import Core
import Runtime
import Settings
import Tools
import Uplink

public struct CollectorSettings {
  /// A file, or postgresql://…
  public var database = ""
  public var healthDays = 400.0
  /// How large the store may become; nil for as large as its disk.
  public var mebibytesMaximum: Int?
  public var port = 6464
  public var keys: String?
  public var master: String?
  public var operators: String?
  public var http: String?
  public var lookToken: String?
  public var operateToken: String?
  public var brokers: String?
  public var brokerLogin: String?
  /// Which of those it is that share a broker; empty for the machine's name and the port.
  public var name = ""
  public var receivers: String?
  public var only: String?
  public var reportSeconds = 60.0

  public static let healthDays = 1.0...36_500.0
  public static let mebibytes = 16...100_000_000
  public static let reports = 1.0...86_400.0

  /// A commit runs beside what comes in, and is tried again. A server that is busy is waited for;
  /// that somebody holds a file is soon to be said.
  public var storePatienceMilliseconds: Int32 { isShared(database) ? 30_000 : 1000 }

  public init() {}

  public init(path: String) throws {
    guard path.utf8.count <= 256 else { throw ToolError("\(path): longer than 256 bytes") }
    do {
      self = try Configuration.read(Path(path)) { file throws(Diagnostic) in
        try CollectorSettings(&file)
      }
    } catch {
      throw ToolError("\(error)")
    }
  }

  public init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    _ = file.integer("collector", "format", in: 1...1)
    name = file.text("collector", "name", Text<64>.self, isOptional: true).string
    only = file.text("collector", "lines_only", Text<128>.self, isOptional: true).given
    reportSeconds = file.decimal(
      "collector", "report_seconds", in: CollectorSettings.reports, default: reportSeconds)
    let url = file.text("store", "url", Text<256>.self, isOptional: true)
    let path = file.path("store", "file", isOptional: true)
    file.demand(
      url.isEmpty != path.isEmpty, "store", file.stated("store", "url", or: "file"),
      "is one of two: [store] has a file, for one collector, or a url, postgresql://..., for several"
    )
    database = (url.isEmpty ? path : url).string
    healthDays = file.decimal(
      "store", "health_days", in: CollectorSettings.healthDays, default: healthDays)
    let mebibytes = file.integer(
      "store", "maximum_mib", in: 0...CollectorSettings.mebibytes.upperBound, default: 0)
    file.demand(
      mebibytes == 0 || mebibytes >= CollectorSettings.mebibytes.lowerBound, "store", "maximum_mib",
      "must be 16 or more; leave it out for a store of any size")
    mebibytesMaximum = mebibytes == 0 ? nil : mebibytes
    port = file.integer("uplink", "port", in: 0...65_535, default: port)
    keys = file.path("uplink", "keys", isOptional: true).given
    master = file.path("uplink", "master", isOptional: true).given
    file.demand(
      keys != nil || master != nil, "uplink", file.stated("uplink", "keys", or: "master"),
      "is one of two, or both: [uplink] has a master key's file, or a folder with keys of stations")
    operators = file.path("uplink", "operators", isOptional: true).given
    http = file.text("http", "listen", Text<128>.self, isOptional: true).given
    lookToken = file.path("http", "look_token", isOptional: true).given
    operateToken = file.path("http", "operate_token", isOptional: true).given
    brokers = file.text("mqtt", "brokers", Text<256>.self, isOptional: true).given
    brokerLogin = file.path("mqtt", "login", isOptional: true).given
    receivers = file.path("alarms", "receivers", isOptional: true).given
    try file.finish()
  }
}

extension Text {
  fileprivate var given: String? { isEmpty ? nil : string }
}
