// onset: the operator's program. One command a function; which there are and what they take is in
// CommandTable, and what each does is in Tools beside it.

import Collector
import Conditioning
import Core
import Devices
import Doctor
import Estimator
import Foundation
import Kernels
import Settings
import Station
import Tools
import Uplink

/// For a pipe that closes early: to stop quietly is what every filter does.
signal(SIGPIPE, SIG_DFL)

/// Standard output in large pieces: a day's replay is ten thousand lines.
struct Output {
  private var pending = Data()

  mutating func line(_ text: String) {
    pending.append(contentsOf: text.utf8)
    pending.append(UInt8(ascii: "\n"))
    if pending.count >= 1 << 16 { flush() }
  }

  mutating func flush() {
    FileHandle.standardOutput.write(pending)
    pending.removeAll(keepingCapacity: true)
  }
}

func demo(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.isEmpty else { throw ToolError("demo takes no file: \(parsed.rest[0])") }
  var options = DemoOptions()
  options.svgPath = parsed.values["--svg"]
  options.rawPath = parsed.values["--raw"]
  options.collectorPath = parsed.values["--collector"]
  if let value = try parsed.number("--magnitude") { options.synthetic.magnitude = value }
  if let value = try parsed.number("--distance") {
    options.synthetic.epicentralKilometres = value
  }
  if let value = try parsed.number("--depth") { options.synthetic.depthKilometres = value }
  if let value = try parsed.wholeNumber("--seed") { options.synthetic.seed = UInt64(value) }
  let demo = try Demo(options)
  print(demo.story(try demo.run()))
}

/// What `--estimator` says: the standard network without it, and none for "relations".
func estimatorNetwork(_ parsed: CommandLineArguments) throws -> StationNetwork<EstimatorModel>? {
  switch parsed.values["--estimator"] {
  case nil: .standard
  case "relations": nil
  case let path?: try StationNetwork<EstimatorModel>(path: path)
  }
}

func replayOptions(
  _ parsed: CommandLineArguments
) throws -> (options: ReplayOptions, calibration: RecordCalibration) {
  var options = ReplayOptions()
  options.collectsTrace = parsed.values["--svg"] != nil
  switch parsed.values["--picker"] {
  case nil: break
  case "sta-lta": options.network = nil
  case let path?: options.network = try PickerNetwork(path: path)
  }
  options.speed = try parsed.number("--speed") ?? options.speed
  options.estimatorNetwork = try estimatorNetwork(parsed)
  options.parameterSeconds = try parsed.number("--parameters")
  let counts = try parsed.number("--counts-per-unit")
  if let path = parsed.values["--station"] {
    guard parsed.values["--kind"] == nil, counts == nil else {
      throw ToolError(
        "--station brings its own calibration: leave --kind and --counts-per-unit out")
    }
    let station = try ReplayStation(path)
    (options.picker, options.alarm) = (station.file.picker, station.file.alarm)
    options.relations = station.relations
    return (options, .station(station))
  }
  if let kind = parsed.values["--kind"] {
    guard kind == "acceleration" || kind == "velocity", let counts else {
      throw ToolError("--kind is acceleration or velocity, with --counts-per-unit beside it")
    }
    return (options, .kind(kind == "velocity" ? .velocity : .acceleration, countsPerUnit: counts))
  }
  guard counts == nil else {
    throw ToolError("--counts-per-unit says nothing without --kind acceleration or velocity")
  }
  return (options, .none)
}

/// Files and records that could not be read: each named at once, all counted in the end.
struct Refused {
  private var count = 0

  mutating func say(_ sentence: String) {
    StandardError.say("onset: \(sentence)")
    count += 1
  }

  func throwIfAny(of all: Int, _ things: String) throws {
    guard count > 0 else { return }
    throw ToolError("\(count) of \(all) \(things) could not be read and are left out")
  }
}

/// "out.svg" becomes "out.2.svg".
func numbered(_ path: String, _ number: Int) -> String {
  let url = URL(fileURLWithPath: path)
  let name = url.deletingPathExtension().lastPathComponent
  let ending = url.pathExtension.isEmpty ? "" : ".\(url.pathExtension)"
  return url.deletingLastPathComponent().appendingPathComponent("\(name).\(number)\(ending)").path
}

func replay(_ parsed: CommandLineArguments) throws {
  guard !parsed.rest.isEmpty else { throw ToolError("replay needs a miniSEED file") }
  var (options, calibration) = try replayOptions(parsed)
  let filter = try MessageFilter(parsed.values["--only"])
  var refused = Refused()
  let (instruments, report) = try RecordFiles.read(parsed.rest) { refused.say($0) }
  for complaint in report.complaints { say("onset: \(complaint)") }
  var output = Output()
  var wire = Data()
  for (number, instrument) in instruments.enumerated() {
    options.response = calibration.response(for: instrument, among: instruments) {
      say("onset: \($0)")
    }
    var replay = Replay(options)
    var messages = DrawnMessages()
    try replay.run(instrument) { datagram in
      try datagram.withBytes { bytes throws in
        if parsed.values["--wire"] != nil { wire.append(bytes) }
        let opened = try OpenedDatagram(bytes, key: nil)
        if let line = try filter.line(opened) { output.line(line) }
        if options.collectsTrace { try messages.take(opened) }
      }
      if options.speed > 0 { output.flush() }
    } measured: {
      output.line($0)
    }
    if let path = parsed.values["--svg"] {
      let drawing = Drawing(
        trace: replay.trace, messages: messages, title: instrument.code,
        triggerRatio: options.picker.triggerRatio, unit: replay.unit,
        alarmAcceleration: options.alarm.accelerationMetresPerSecondSquared)
      let name = instruments.count == 1 ? path : numbered(path, number + 1)
      try drawing.svg().write(toFile: name, atomically: true, encoding: .utf8)
    }
  }
  output.flush()
  if let path = parsed.values["--wire"] { try wire.write(to: URL(fileURLWithPath: path)) }
  try refused.throwIfAny(of: parsed.rest.count, "files")
}

func check(_ parsed: CommandLineArguments) throws {
  let arguments = parsed.rest
  guard !arguments.isEmpty else { throw ToolError("check needs the name of a file") }
  var failures = 0
  for path in arguments {
    do throws(Diagnostic) {
      print("\(path): \(try Check.file(path))")
    } catch {
      say(error.description)
      failures += 1
    }
  }
  guard failures == 0 else { exit(1) }
  // What a board and a station make together.
  do throws(Diagnostic) {
    for remark in try Check.together(arguments) { print(remark) }
  } catch {
    say(error.description)
    exit(1)
  }
}

func keyNew(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 1 else { throw ToolError("key new needs one FILE") }
  try KeyFiles.make(parsed.rest[0])
}

func keyStation(_ parsed: CommandLineArguments) throws {
  guard !parsed.rest.isEmpty, let master = parsed.values["--master"] else {
    throw ToolError("key station needs CODE… and --master FILE; `onset key new` makes one")
  }
  try KeyFiles.make(
    ofStations: parsed.rest, master: master, folder: parsed.values["--folder"] ?? ".")
}

func keyOperator(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 1 else { throw ToolError("key operator needs one FILE") }
  print(try KeyFiles.makeOperator(parsed.rest[0]))
}

func keyPublic(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 1 else { throw ToolError("key public needs a station's key FILE") }
  print(try KeyFiles.makePublic(parsed.rest[0]))
}

func keyRoll(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 2, let key = parsed.values["--key"],
    let station = parsed.values["--public"]
  else {
    throw ToolError(
      "rekey needs HOST:PORT, --key FILE, --public FILE.pub and the new key's FILE")
  }
  let roll = try KeyRoll(
    target: parsed.rest[0], via: parsed.values["--via"], keyPath: key, stationPath: station,
    newKeyPath: parsed.rest[1], upstream: parsed.flags.contains("--second") ? 2 : 1)
  let (line, boot) = try roll.begin()
  print(line)
  try roll.wait(boot: boot)
  say(
    "onset rekey: the station has the new key on disk and believes no other. In the collector's key "
      + "folder CODE.next.key may now become CODE.key; until the collector starts anew it believes the "
      + "old one too. The .pub beside it is what operators need")
}

func keys(_ parsed: CommandLineArguments) throws {
  let files = parsed.rest.isEmpty ? KeyReference.files : parsed.rest
  print(try files.map(KeyReference.text).joined(separator: "\n\n"))
}

func decode(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 1 else { throw ToolError("decode needs one file, or - for its input") }
  let key = try parsed.values["--key"].map { try Key(file: Text<256>($0)) }
  let filter = try MessageFilter(parsed.values["--only"])
  var output = Output()
  defer { output.flush() }
  var pending = Data()
  var start = 0
  /// Prints the messages of what is pending, and keeps what is not a whole one.
  func tell(isLast: Bool) throws {
    let count = try pending.withUnsafeBytes { raw in
      try DatagramFile.forEach(
        in: raw.bindMemory(to: UInt8.self), from: start, isLast: isLast
      ) {
        if let line = try filter.line(try OpenedDatagram($0, key: key)) { output.line(line) }
      }
    }
    pending = Data(pending.dropFirst(count))
    start += count
  }
  if parsed.rest[0] == "-" {
    while let piece = try standardInput() {
      pending.append(piece)
      try tell(isLast: false)
      output.flush()
    }
  } else {
    guard let read = FileManager.default.contents(atPath: parsed.rest[0]) else {
      throw ToolError("\(parsed.rest[0]): cannot be read")
    }
    pending = read
  }
  try tell(isLast: true)
}

/// What has come on standard input, as soon as something has; nil at its end.
func standardInput() throws -> Data? {
  try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1 << 16) { buffer in
    let count = read(0, buffer.baseAddress, buffer.count)
    guard count >= 0 else { throw ToolError("standard input cannot be read") }
    return count == 0 ? nil : Data(buffer[0..<count])
  }
}

func listen(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 1, let key = parsed.values["--key"] else {
    throw ToolError("listen needs PORT and --key FILE")
  }
  let filter = try MessageFilter(parsed.values["--only"])
  let count = try parsed.wholeNumber("--count") ?? .max
  var listener = try Listener(port: parsed.rest[0], keyPath: key)
  say("onset: listening on UDP port \(listener.port)")
  var output = Output()
  for _ in 0..<count {
    output.line(listener.next(filter) { say("onset: \($0)") })
    output.flush()
  }
}

func ping(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 1, let key = parsed.values["--key"],
    let station = parsed.values["--public"]
  else { throw ToolError("ping needs HOST:PORT, --key FILE and --public FILE.pub") }
  print(
    try Ping(
      target: parsed.rest[0], via: parsed.values["--via"], keyPath: key, stationPath: station
    ).run())
}

/// Exits with 1 when something is bad.
func doctor(_ parsed: CommandLineArguments) throws {
  if let report = parsed.values["--verify-visit"] { return try verifyVisit(parsed, report: report) }
  if let report = parsed.values["--visit"] { return try visit(parsed, report: report) }
  let isJson = parsed.flags.contains("--json")
  func tell(_ finding: Finding) {
    let text = isJson ? finding.json.string : finding.line.string
    FileHandle.standardOutput.write(Data(text.utf8))
  }
  if let target = parsed.rest.first {
    guard parsed.rest.count == 1, let key = parsed.values["--key"],
      let station = parsed.values["--public"], parsed.values["--board"] == nil,
      parsed.values["--station"] == nil, !parsed.flags.contains("--relay")
    else {
      throw ToolError(
        "doctor of a running station needs HOST:PORT, --key FILE and --public FILE.pub alone")
    }
    let findings = try Ping(
      target: target, via: parsed.values["--via"], keyPath: key, stationPath: station
    ).findings()
    findings.forEach(tell)
    if findings.contains(where: { $0.verdict == .bad }) { exit(1) }
    return
  }
  guard let board = parsed.values["--board"], let station = parsed.values["--station"],
    parsed.values["--key"] == nil
  else {
    throw ToolError(
      "doctor needs --board FILE and --station FILE, or HOST:PORT, --key FILE and --public FILE.pub"
    )
  }
  for path in [board, station] where path.utf8.count > 256 {
    throw ToolError("\(path): a path is longer than 256 bytes")
  }
  var test = SelfTest(
    board: Path(board), station: Path(station),
    mayMoveRelay: parsed.flags.contains("--relay"))
  test.run(MachineClock(), kernels: KernelVariant.select(), tell: tell)
  if !test.isFit { exit(1) }
}

func simulate(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 1, let master = parsed.values["--master"] else {
    throw ToolError("simulate needs HOST:PORT of a collector and --master FILE")
  }
  var settings = SimulatedFleetSettings()
  settings.stations = try parsed.wholeNumber("--stations") ?? settings.stations
  settings.seconds = try parsed.number("--seconds") ?? settings.seconds
  settings.healthSeconds = try parsed.number("--health") ?? settings.healthSeconds
  settings.loss = try parsed.number("--loss") ?? settings.loss
  settings.powerCuts = try parsed.wholeNumber("--power-cuts") ?? settings.powerCuts
  settings.seed = try parsed.wholeNumber("--seed").map { UInt64($0) } ?? settings.seed
  var fleet = try SimulatedFleet(settings, target: parsed.rest[0], masterPath: master)
  let (line, isComplete) = try fleet.run()
  print(line)
  if !isComplete { exit(1) }
}

func command(_ parsed: CommandLineArguments) throws {
  guard (2...3).contains(parsed.rest.count), let key = parsed.values["--key"],
    let station = parsed.values["--public"]
  else { throw ToolError("command needs HOST:PORT, --key FILE, --public FILE.pub and a parameter") }
  let (line, isDone, remark) = try Command(
    target: parsed.rest[0], via: parsed.values["--via"], keyPath: key, stationPath: station,
    parameter: parsed.rest[1],
    value: parsed.rest.count == 3 ? parsed.rest[2] : nil,
    lifeSeconds: try parsed.number("--life") ?? 60
  ).run()
  print(line)
  if let remark { say("onset command: \(remark)") }
  if !isDone { exit(1) }
}

func network(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 2, let key = parsed.values["--key"],
    let station = parsed.values["--public"]
  else {
    throw ToolError("network needs HOST:PORT, --key FILE, --public FILE.pub and NETWORK.onet")
  }
  let upload = try NetworkUpload(
    target: parsed.rest[0], via: parsed.values["--via"], keyPath: key, stationPath: station,
    path: parsed.rest[1])
  let (line, isDone, remark) = try upload.run(
    shadowSeconds: try parsed.wholeNumber("--shadow"), progress: StandardError.note)
  print(line)
  if let remark { say("onset network: \(remark)") }
  if !isDone { exit(1) }
}

func bench(_ parsed: CommandLineArguments) throws {
  let isJson = parsed.flags.contains("--json")
  let known = ["loop", "kernels", "picker", "uplink"]
  guard parsed.rest.allSatisfy({ known.contains($0) }) else {
    throw ToolError(
      "bench \(parsed.rest.joined(separator: " ")): there are \(known.joined(separator: ", "))")
  }
  let names = parsed.rest.isEmpty ? known : parsed.rest
  if names.contains("loop") {
    let results = LoopBenchmark().run()
    print(isJson ? LoopBenchmark.json(results) : LoopBenchmark.table(results))
  }
  if names.contains("kernels") {
    let results = KernelBenchmark().run()
    print(isJson ? KernelBenchmark.json(results) : KernelBenchmark.table(results))
  }
  if names.contains("picker") {
    let benchmark = NetworkBenchmark()
    let results = try benchmark.run()
    print(isJson ? benchmark.json(results) : benchmark.table(results))
  }
  if names.contains("uplink") {
    let result = try UplinkBenchmark().run()
    print(isJson ? UplinkBenchmark.json(result) : UplinkBenchmark.table(result))
  }
}

func help(_ parsed: CommandLineArguments) throws { print(try CommandTable.help(on: parsed.rest)) }

func completion(_ parsed: CommandLineArguments) throws {
  guard parsed.rest == ["bash"] else { throw ToolError("completion needs the shell: bash") }
  print(CommandTable.bashCompletion)
}

func run(_ arguments: [String]) throws {
  let functions: [String: (CommandLineArguments) throws -> Void] = [
    "demo": demo, "replay": replay, "decode": decode, "listen": listen, "evaluate": evaluate,
    "bench": bench, "check": check, "keys": keys, "setup": setup, "key new": keyNew,
    "key station": keyStation, "key operator": keyOperator, "key public": keyPublic,
    "rekey": keyRoll, "calibration import": calibrationImport,
    "doctor": doctor, "ping": ping,
    "command": command, "network": network, "simulate": simulate,
    "fleet": fleet,
    "model info": modelInfo, "model verify": modelVerify, "model import": modelImport,
    "model compare": modelCompare, "model sign": modelSign, "help": help,
    "completion": completion,
  ]
  if let place = arguments.firstIndex(where: { $0 == "--help" || $0 == "-h" }) {
    print(try CommandTable.help(on: Array(arguments[..<place])))
    return
  }
  let (command, rest) = try CommandTable.find(arguments)
  try functions[command.name]!(try CommandLineArguments(rest, options: command.options))
}

let arguments = Array(CommandLine.arguments.dropFirst())
switch arguments.first {
case nil:
  say(CommandTable.overview)
  exit(2)
case "--version":
  print("onset \(softwareVersion)")
case let word?:
  let name = CommandTable.firstWords.contains(word) ? "onset \(word)" : "onset"
  do { try run(arguments) } catch {
    say("\(name): \(error)")
    exit(error is UsageError ? 2 : 1)
  }
}
