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
    "--database", value: "FILE",
    "SQLite; it is made where there is none. Its tables are the messages of WIRE-FORMAT.md."),
  CommandOption(
    "--port", value: "N", in: .whole(0...65_535), default: "6464",
    "UDP, IPv4 and IPv6; 0 lets the system choose."),
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

    onset-collector --keys FOLDER|--master FILE --database FILE [OPTION…]

  \(options.map(\.help).joined(separator: "\n"))

  Each message is one JSON line on standard output, once it is on disk; an alert at once. What is
  refused is counted by cause, in the reports and in the table "refusal", and never answered.
  """

let isStopped = Atomic<Bool>(false)

/// Writes all of it; what cannot be written is none of the messages' business, which are stored.
func write(_ text: String, to descriptor: Int32) -> Bool {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { return false }
    bytes = bytes.dropFirst(count)
  }
  return true
}

func complain(_ sentence: String) {
  _ = write("onset-collector: \(sentence)\n", to: STDERR_FILENO)
}

let isOutputLost = Atomic<Bool>(false)

func tell(_ line: String) {
  let isWritten = write(line + "\n", to: STDOUT_FILENO)
  if !isWritten && !isOutputLost.load(ordering: .relaxed) {
    complain("nobody takes the lines on standard output any more; messages are stored all the same")
  }
  isOutputLost.store(!isWritten, ordering: .relaxed)
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
  let intake = try Intake(
    databasePath: path, keys: keys,
    operators: try parsed.values["--operators"].map(KeyFiles.publicKeys) ?? [],
    told: try MessageFilter(parsed.values["--only"]), tell: tell,
    complain: complain, send: { receiver.send($0, to: $1) })
  complain(
    "listens at UDP port \(receiver.port) for stations of "
      + (master == nil ? "\(keys.count) keys" : "a master key") + ", stores in \(path)")
  receiver.run(
    intake, reportSeconds: report, retentionDays: days, tell: tell, complain: complain
  ) {
    isStopped.load(ordering: .relaxed)
  }
  tell(intake.report(at: MachineClock().systemClock().realtime))
  guard intake.waitingCount == 0 else {
    complain("\(intake.waitingCount) messages could not be stored, and end with this program")
    exit(1)
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
  exit(error is ToolError || error is UsageError ? 2 : 1)
}
