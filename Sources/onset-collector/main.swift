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

func run(_ settings: CollectorSettings) throws {
  let keys = try KeyFolder(
    settings.keys, master: try settings.master.map(KeyFiles.read), complain: complain)
  let receiver = try Receiver(port: UInt16(settings.port))
  let look = try settings.http.map {
    try Look(at: $0, lookPath: settings.lookToken, operatePath: settings.operateToken)
  }
  let keeper = try Keeper(
    settings.database, days: settings.healthDays, mebibytesMaximum: settings.mebibytesMaximum,
    complain: complain)
  var passing: PassingOn?
  var desk: AlarmDesk?
  var follower: Follower?
  let intake = try Intake(
    databasePath: settings.database, keys: keys,
    operators: try settings.operators.map(KeyFiles.publicKeys) ?? [],
    patienceMilliseconds: settings.storePatienceMilliseconds,
    told: try MessageFilter(settings.only),
    tell: lines.tell, complain: complain, send: { receiver.send($0, to: $1) },
    heard: { desk?.note($0, received: $1) },
    note: { opened, received in
      passing?.note(opened)
      if follower?.mark(opened) ?? true { look?.note(opened, received: received) }
    }, isPassedOn: settings.brokers != nil, linesLost: { lines.lost + complaints.lost },
    beside: {
      [
        passing.map { ("passed_on", "\($0.passedCount)") }, desk.map { ("receivers", $0.report) },
      ].compactMap(\.self)
    })
  // The store has its tables when the intake is there.
  let name = settings.nameOfItsOwn(receiver.port)
  passing = try PassingOn(settings, name: name, complain: complain)
  desk = try AlarmDesk(settings, name: name, passing: passing, complain: complain)
  if let look { complain(try look.begin(databasePath: settings.database)) }
  follower = Follower(settings.database, complain: complain) { [desk] opened, received in
    look?.note(opened, received: received)
    desk?.note(opened, received: received)
  }
  complain(
    "listens at UDP port \(receiver.port) for stations of "
      + (settings.master == nil ? "\(keys.count) keys" : "a master key")
      + ", stores in \(intake.storeName)")
  receiver.run(
    intake, reportSeconds: settings.reportSeconds, keeper: keeper, tell: lines.tell,
    complain: complain
  ) {
    let now = MachineClock().systemClock().realtime
    look?.pass(at: now) { intake.report(at: now) }
    desk?.pass(at: now)
    return isStopped.load(ordering: .relaxed)
  }
  follower?.end()
  look?.end()
  desk?.end()
  passing?.end()
  lines.tell(intake.report(at: MachineClock().systemClock().realtime))
  guard intake.waitingCount == 0 else {
    complain("\(intake.waitingCount) messages could not be stored, and end with this program")
    end(1)
  }
}

/// `check` without a fault, `backup` and `restore` as asked; or the collector itself.
func obey(_ arguments: [String]) throws {
  let drill = CommandOption("--drill", "Tells every receiver of a drill that is over.")
  let isCheck = arguments.first == "check"
  let parsed = try CommandLineArguments(arguments, options: options + (isCheck ? [drill] : []))
  switch (parsed.rest.first, parsed.rest.count) {
  case ("check", 1):
    let found = CollectorCheck.lines(
      try settings(parsed), tellsReceivers: parsed.flags.contains("--drill"))
    print(found.map(\.text).joined(separator: "\n"))
    if !found.allSatisfy(\.isRight) { end(1) }
  case ("backup", 2), ("restore", 2):
    guard let store = parsed.values["--database"] else {
      throw UsageError("--database FILE is needed: the store that is in use, or is to be made")
    }
    if parsed.rest[0] == "backup" {
      try StoreCopy.make(of: store, to: parsed.rest[1])
    } else {
      try StoreCopy.restore(parsed.rest[1], to: store)
    }
  case (nil, _): try run(try settings(parsed))
  default:
    throw UsageError(
      "\(parsed.rest.joined(separator: " ")) is none of check, backup FILE, restore FILE: see "
        + "onset-collector --help")
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
  try obey(Array(CommandLine.arguments.dropFirst()))
} catch {
  complain("\(error)")
  end(error is ToolError || error is UsageError ? 2 : 1)
}
end(0)
