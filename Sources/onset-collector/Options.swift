// What the collector takes on its command line; each option has its key in the configuration file.

import Collector
import Foundation
import Tools

let options = [
  CommandOption(
    "--config", value: "FILE",
    "Says all of this in a file; what stands beside it on the command line counts more."),
  CommandOption(
    "--keys", value: "FOLDER",
    "A key a station, 32 bytes each, named after it: XX.ONST1.00.EH.key. What joins the folder "
      + "counts within seconds."),
  CommandOption(
    "--master", value: "FILE",
    "The key of which `onset key station` has made the stations' keys."),
  CommandOption(
    "--operators", value: "FOLDER",
    "Public keys of operators, NAME.pub: what they sign is passed on to the stations that are heard here, and "
      + "the answers back."),
  CommandOption(
    "--database", value: "FILE|URL",
    "SQLite, which is made where there is none; or postgresql://USER@HOST/DATABASE, which several "
      + "collectors share. Its tables are the messages of WIRE-FORMAT.md."),
  CommandOption(
    "--port", value: "N", in: .whole(0...65_535), default: "6464",
    "UDP, IPv4 and IPv6; 0 lets the system choose."),
  CommandOption(
    "--http", value: "HOST:PORT",
    "Serves a page, its lists, Prometheus metrics and picks at this numeric address, such as 127.0.0.1:8080; port 0 "
      + "lets the system choose."),
  CommandOption(
    "--look-token", value: "FILE",
    "What whoever looks must know: 16 characters or more in a file. Needed where --http is not of this machine alone."
  ),
  CommandOption(
    "--operate-token", value: "FILE",
    "What whoever changes something must know, such as the service that associates picks. Without it nothing can be "
      + "changed over HTTP."),
  CommandOption(
    "--mqtt", value: "URL,…",
    "Passes on what is stored, at least once: mqtt://HOST:PORT or mqtts://…; the next where one is not there."
  ),
  CommandOption("--mqtt-login", value: "FILE", "USER:PASSWORD for the brokers."),
  CommandOption(
    "--name", value: "NAME",
    "Which of several collectors it is; the machine's name and the port without it."),
  CommandOption(
    "--receivers", value: "FOLDER",
    "Who is told of alarms, and of which: NAME.toml for each."),
  CommandOption(
    "--only", value: "TYPE,…",
    "Tells messages of these types alone as lines; all are stored: "
      + MessageFilter.types.map { "\($0)" }.joined(separator: ", ") + "."),
  CommandOption(
    "--health-days", value: "DAYS", in: .real(CollectorSettings.healthDays), default: "400",
    "How long health is kept; detections are kept for ever."),
  CommandOption(
    "--maximum-mib", value: "MIB", in: .whole(CollectorSettings.mebibytes), unit: "MiB",
    "How large the store may become before the oldest health is deleted."),
  CommandOption(
    "--report", value: "SECONDS", in: .real(CollectorSettings.reports), unit: "s", default: "60",
    "How often it tells how it is itself."),
]

let usage = """
  onset-collector: receives, verifies and stores what stations send

    onset-collector --config FILE | --keys FOLDER|--master FILE --database FILE|URL [OPTION…]
    onset-collector check --config FILE [--drill]     whether it could run so; 1 where it could not
    onset-collector backup COPY --database FILE       a copy of a store that is in use
    onset-collector restore COPY --database FILE      makes a store of one

  \(options.map(\.help).joined(separator: "\n"))

  Each message is one JSON line on standard output, once it is on disk; an alert at once. What is
  refused is counted by cause, in the reports and in the table "refusal", and never answered.
  """

/// As the file has it, and what is said beside it.
func settings(_ parsed: CommandLineArguments) throws -> CollectorSettings {
  var settings =
    try parsed.values["--config"].map { try CollectorSettings(path: $0) }
    ?? CollectorSettings()
  func text(_ name: String, _ place: WritableKeyPath<CollectorSettings, String?>) {
    if let value = parsed.values[name] { settings[keyPath: place] = value }
  }
  text("--keys", \.keys)
  text("--master", \.master)
  text("--operators", \.operators)
  text("--http", \.http)
  text("--look-token", \.lookToken)
  text("--operate-token", \.operateToken)
  text("--mqtt", \.brokers)
  text("--mqtt-login", \.brokerLogin)
  text("--receivers", \.receivers)
  text("--only", \.only)
  settings.database = parsed.values["--database"] ?? settings.database
  settings.name = parsed.values["--name"] ?? settings.name
  settings.port = try parsed.wholeNumber("--port") ?? settings.port
  settings.healthDays = try parsed.number("--health-days") ?? settings.healthDays
  settings.mebibytesMaximum = try parsed.wholeNumber("--maximum-mib") ?? settings.mebibytesMaximum
  settings.reportSeconds = try parsed.number("--report") ?? settings.reportSeconds
  guard settings.keys != nil || settings.master != nil, !settings.database.isEmpty else {
    throw ToolError(
      "--keys FOLDER or --master FILE, and --database FILE are needed, or --config FILE that names "
        + "them: see onset-collector --help")
  }
  return settings
}

extension CollectorSettings {
  /// Among those that share a broker or a store.
  func nameOfItsOwn(_ port: UInt16) -> String {
    name.isEmpty ? "\(ProcessInfo.processInfo.hostName)-\(port)" : name
  }
}
