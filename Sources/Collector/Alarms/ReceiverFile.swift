// ReceiverFile: who is told of alarms, how, and of which: a file of the folder of receivers.
//
//     let receivers = try ReceiverFile.all(in: "receivers")

import Core
import Foundation
import Runtime
import Settings
import Tools
import Uplink

public struct ReceiverFile {
  public enum Kind: String, CaseIterable, Sendable { case webhook, cap, alertmanager, mqtt }

  /// Its file's.
  var name = ""
  public let kind: Kind
  /// Empty for MQTT.
  public let url: String
  /// With which a webhook's bodies are signed.
  public let secretPath: String?
  /// Who CAP says it comes from.
  let sender: String
  public let rule: AlarmRule
  /// What could not be delivered for so long is given up.
  public let giveUpSeconds: Double

  public init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    let kinds: InlineArray<5, StaticString> = ["webhook", "cap", "alertmanager", "mqtt", ""]
    let kind = Kind.allCases[file.choice("receiver", "kind", kinds)]
    self.kind = kind
    let url = file.text("receiver", "url", Text<256>.self, isOptional: true).string
    self.url = url
    file.demand(
      url.isEmpty == (kind == .mqtt), "receiver", "kind",
      "needs url beside it, unless it is \"mqtt\", whose brokers the collector knows")
    let isWeb = ["http://", "https://"].contains { url.hasPrefix($0) }
    file.demand(
      kind == .mqtt || url.isEmpty || isWeb, "receiver", "url",
      "must begin with http:// or https://")
    let secret = file.path("receiver", "secret_file", isOptional: true)
    file.demand(
      secret.isEmpty == (kind != .webhook), "receiver", "kind",
      "needs secret_file beside it where it is \"webhook\", and there alone")
    secretPath = secret.isEmpty ? nil : secret.string
    let sender = file.text("receiver", "sender", Text<128>.self, isOptional: true)
    file.demand(
      sender.isEmpty == (kind != .cap), "receiver", "kind",
      "needs sender beside it where it is \"cap\", and there alone: CAP names who it comes from")
    self.sender = sender.string
    giveUpSeconds = 60 * file.decimal("receiver", "give_up_minutes", in: 1...1440, default: 60)
    var rule = AlarmRule()
    rule.stations = file.text("rule", "stations", Text<256>.self, isOptional: true).string
      .split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    rule.level =
      file.choice("rule", "level", ["watch", "alarm", "", "", ""]) == 0 ? .watch : .alarm
    let intensity = file.decimal("rule", "intensity_minimum", in: 0...12, default: 0)
    rule.intensityMinimum = intensity > 0 ? intensity : nil
    rule.quorum = file.integer("rule", "quorum", in: 1...1000, default: 1)
    rule.withinSeconds = file.decimal("rule", "within_seconds", in: 0.1...600, default: 10)
    rule.takesDrills = file.flag("rule", "drills")
    self.rule = rule
    try file.finish()
  }

  /// NAME.toml of a folder, in the order of their names.
  static func all(in folder: String) throws -> [ReceiverFile] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw ToolError(
        "\(folder) is no folder that can be read; it holds NAME.toml for each receiver")
    }
    let files = names.filter { $0.hasSuffix(".toml") }.sorted()
    guard !files.isEmpty else {
      throw ToolError("\(folder) has no NAME.toml, and nobody would be told of an alarm")
    }
    return try files.map { name in
      let path = "\(folder)/\(name)"
      guard path.utf8.count <= 256 else { throw ToolError("\(path): longer than 256 bytes") }
      do {
        var file = try Configuration.read(Path(path)) { file throws(Diagnostic) in
          try ReceiverFile(&file)
        }
        file.name = String(name.dropLast(5))
        return file
      } catch { throw ToolError("\(error)") }
    }
  }
}
