// onset-collector: the other end of the uplink. It receives what stations send, verifies each
// datagram with its station's key, tells it as a JSON line and stores it, once.
//
//     onset-collector --keys keys --database onset.sqlite

import Collector
import Core
import Devices
import Foundation
import Synchronization
import Tools

let options = [
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
    "--only", value: "TYPE,…",
    "Tells messages of these types alone as lines; all are stored: "
      + MessageFilter.types.map { "\($0)" }.joined(separator: ", ") + "."),
  CommandOption(
    "--health-days", value: "DAYS", in: .real(1...36_500), default: "400",
    "How long health is kept; detections are kept for ever."),
  CommandOption(
    "--report", value: "SECONDS", in: .real(1...86_400), unit: "s", default: "60",
    "How often it tells how it is itself."),
]

let usage = """
  onset-collector: receives, verifies and stores what stations send

    onset-collector --keys FOLDER|--master FILE --database FILE|URL [OPTION…]

  \(options.map(\.help).joined(separator: "\n"))

  Each message is one JSON line on standard output, once it is on disk; an alert at once. What is
  refused is counted by cause, in the reports and in the table "refusal", and never answered.
  """

let isStopped = Atomic<Bool>(false)

/// Complaints are few and short; a megabyte of them is more than anybody reads.
let complaints = LineWriter(STDERR_FILENO, name: "standard error", bytesMaximum: 1 << 20) { _ in }

@Sendable func complain(_ sentence: String) {
  complaints.tell("onset-collector: \(sentence)")
}

let lines = LineWriter(STDOUT_FILENO, name: "standard output", complain: complain)

/// What is said is written first, unless nobody takes it.
func end(_ status: Int32) -> Never {
  let unwritten = lines.finish()
  if unwritten > 0 {
    complain("\(unwritten) lines on standard output were not taken, and end with this program")
  }
  _ = complaints.finish()
  exit(status)
}

func run(_ arguments: [String]) throws {
  let parsed = try CommandLineArguments(arguments, options: options)
  let (folder, master) = (
    parsed.values["--keys"], try parsed.values["--master"].map(KeyFiles.read)
  )
  guard parsed.rest.isEmpty, folder != nil || master != nil,
    let path = parsed.values["--database"]
  else {
    throw ToolError(
      "--keys FOLDER or --master FILE, and --database FILE are needed: see onset-collector --help")
  }
  let port = try parsed.wholeNumber("--port") ?? 6464
  let days = try parsed.number("--health-days") ?? 400
  let report = try parsed.number("--report") ?? 60
  let keys = try KeyFolder(folder, master: master, complain: complain)
  let receiver = try Receiver(port: UInt16(port))
  // The store has its tables when the intake is there.
  let look = try parsed.values["--http"].map {
    try Look(
      at: $0, lookPath: parsed.values["--look-token"], operatePath: parsed.values["--operate-token"]
    )
  }
  let keeper = Keeper(path, days: days, mebibytesMaximum: nil, complain: complain)
  let intake = try Intake(
    databasePath: path, keys: keys,
    operators: try parsed.values["--operators"].map(KeyFiles.publicKeys) ?? [],
    told: try MessageFilter(parsed.values["--only"]), tell: lines.tell,
    complain: complain, send: { receiver.send($0, to: $1) }, note: look?.note,
    linesLost: { lines.lost + complaints.lost })
  if let look { complain(try look.begin(databasePath: path)) }
  complain(
    "listens at UDP port \(receiver.port) for stations of "
      + (master == nil ? "\(keys.count) keys" : "a master key") + ", stores in \(intake.storeName)")
  receiver.run(
    intake, reportSeconds: report, keeper: keeper,
    tell: lines.tell, complain: complain
  ) {
    let now = MachineClock().systemClock().realtime
    look?.pass(at: now) { intake.report(at: now) }
    return isStopped.load(ordering: .relaxed)
  }
  look?.end()
  lines.tell(intake.report(at: MachineClock().systemClock().realtime))
  guard intake.waitingCount == 0 else {
    complain("\(intake.waitingCount) messages could not be stored, and end with this program")
    end(1)
  }
}

if CommandLine.arguments.contains("--help") {
  print(usage)
  exit(0)
}
signal(SIGPIPE, SIG_IGN)
for number in [SIGINT, SIGTERM] {
  signal(number) { _ in isStopped.store(true, ordering: .relaxed) }
}
do {
  try run(Array(CommandLine.arguments.dropFirst()))
} catch {
  complain("\(error)")
  end(error is ToolError || error is UsageError ? 2 : 1)
}
end(0)
