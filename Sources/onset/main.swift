// onset: the operator's program. One command a function; what each does is in Tools.

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

let usage = """
  onset demo [--svg OUT.svg] [--raw OUT.raw] [--magnitude M] [--distance KM] [--depth KM] [--seed N]
  onset replay [--station FILE | --kind acceleration|velocity --counts-per-unit X] [--picker NETWORK.onet|sta-lta]
               [--speed N|max] [--svg OUT.svg] [--wire OUT.bin] FILE.mseed…
  onset evaluate INDEX.csv [--pickers onset,sta-lta,NETWORK.onet,PICKS.csv] [--split NAME]
                 [--sources NAME,…] [--teachers PICKS.csv] [--agreed PICKS.csv] [--vertical] [--rate HERTZ] [--json]
                 [--noise FILE.mseed,… --snr DECIBELS [--seed N]]
                 [--announce P] [--confirm P] [--shear P] [--event P] [--unseen P]
                 [--announce-unseen P]
  onset evaluate --strong-motion INDEX.csv [--station FILE] [--pickers NETWORK.onet|sta-lta] [--split NAME] [--json]
  onset evaluate [--synthetic COUNT] [--quiet-days DAYS] [--station FILE] [--seed N]
  onset evaluate --impostors COUNT [--synthetic COUNT] [--strong-motion INDEX.csv [--split NAME]] [--seed N]
                 [--station FILE] [--pickers NETWORK.onet|sta-lta] [--estimator FILE|relations] [--json]
  onset evaluate --trial K [--dump OUT.f32] [--seed N] [--station FILE] [--json]
                                          one of the impostors; rows of three 32-bit floats in m/s²
  onset check FILE…                       boards, calibrations, relations, station files
  onset doctor --board FILE --station FILE [--relay] [--json]
                                          tries each part of a station on this machine; onsetd must not run meanwhile
  onset doctor HOST:PORT --key FILE [--json]   what is well with a running station and what is not
  onset ping HOST:PORT --key FILE         authenticated health request to a running station
  onset command HOST:PORT --key FILE --station NET.STA.LOC.BS PARAMETER [VALUE] [--expires SECONDS|never]
  onset decode [--key FILE] FILE.bin|-    datagrams to JSON lines
  onset model info [--chunk ROWS] NETWORK.onet
  onset model verify [--public-key FILE] NETWORK.onet
  onset model import DESCRIPTION.json ARRAYS.npz --calibration WINDOWS.npz -o OUT.onet
                     [--ranges percentile|mse]
  onset model compare [--json] NETWORK.onet REFERENCE.npz
  onset model sign NETWORK.onet --key FILE | --new-key FILE
  onset bench [loop|kernels|picker] [--json]
  """

/// For a pipe that closes early: to stop quietly is what every filter does.
signal(SIGPIPE, SIG_DFL)

func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

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

func demo(_ arguments: [String]) throws {
  let parsed = try CommandLineArguments(
    arguments, named: ["--svg", "--raw", "--magnitude", "--distance", "--depth", "--seed"])
  guard parsed.rest.isEmpty else { throw ToolError("demo takes no file: \(parsed.rest[0])") }
  var options = DemoOptions()
  options.svgPath = parsed.values["--svg"]
  options.rawPath = parsed.values["--raw"]
  if let value = try parsed.number("--magnitude", in: 0...9) { options.synthetic.magnitude = value }
  if let value = try parsed.number("--distance", in: 0...500) {
    options.synthetic.epicentralKilometres = value
  }
  if let value = try parsed.number("--depth", in: 1...700) {
    options.synthetic.depthKilometres = value
  }
  if let value = try parsed.number("--seed", in: 0...1e15) {
    options.synthetic.seed = UInt64(value)
  }
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

func replayOptions(_ parsed: CommandLineArguments) throws -> ReplayOptions {
  var options = ReplayOptions()
  options.collectsTrace = parsed.values["--svg"] != nil
  switch parsed.values["--picker"] {
  case nil: break
  case "sta-lta": options.network = nil
  case let path?: options.network = try PickerNetwork(path: path)
  }
  if let speed = parsed.values["--speed"], speed != "max" {
    options.speed = try parsed.number("--speed", in: 0.001...1e6) ?? 0
  }
  options.estimatorNetwork = try estimatorNetwork(parsed)
  options.parameterSeconds = try parsed.number("--parameters", in: 0.04...10)
  let counts = try parsed.number("--counts-per-unit", in: 1e-9...1e18)
  if let path = parsed.values["--station"] {
    guard parsed.values["--kind"] == nil, counts == nil else {
      throw ToolError(
        "--station brings its own calibration: leave --kind and --counts-per-unit out")
    }
    let (response, station, relations) = try ReplayStation.read(path)
    (options.response, options.picker) = (response, station.picker)
    (options.relations, options.alarm) = (relations, station.alarm)
  } else if let kind = parsed.values["--kind"] {
    guard kind == "acceleration" || kind == "velocity", let counts else {
      throw ToolError("--kind is acceleration or velocity, with --counts-per-unit beside it")
    }
    options.response = Response(
      quantity: kind == "velocity" ? .velocity : .acceleration,
      unitsPerCount: Lanes(repeating: 1 / counts))
  } else if counts != nil {
    throw ToolError("--counts-per-unit says nothing without --kind acceleration or velocity")
  }
  return options
}

/// "out.svg" becomes "out.2.svg".
func numbered(_ path: String, _ number: Int) -> String {
  let url = URL(fileURLWithPath: path)
  let name = url.deletingPathExtension().lastPathComponent
  let ending = url.pathExtension.isEmpty ? "" : ".\(url.pathExtension)"
  return url.deletingLastPathComponent().appendingPathComponent("\(name).\(number)\(ending)").path
}

func replay(_ arguments: [String]) throws {
  let parsed = try CommandLineArguments(
    arguments,
    named: [
      "--station", "--kind", "--counts-per-unit", "--picker", "--speed", "--svg", "--wire",
      "--parameters", "--estimator",
    ])
  guard !parsed.rest.isEmpty else { throw ToolError("replay needs a miniSEED file") }
  let options = try replayOptions(parsed)
  let files = try parsed.rest.map {
    do { return try Data(contentsOf: URL(fileURLWithPath: $0), options: .mappedIfSafe) } catch {
      throw ToolError("\($0): cannot be read")
    }
  }
  let (instruments, report) = try MiniSeed.read(files)
  for complaint in report.complaints { say("onset: \(complaint)") }
  var output = Output()
  var wire = Data()
  for (number, instrument) in instruments.enumerated() {
    var replay = Replay(options)
    var messages = DrawnMessages()
    try replay.run(instrument) { datagram in
      try datagram.withBytes { bytes throws in
        if parsed.values["--wire"] != nil { wire.append(bytes) }
        let opened = try OpenedDatagram(bytes, key: nil)
        output.line(try JsonLine.text(opened))
        if options.collectsTrace { try messages.take(opened) }
      }
      if options.speed > 0 { output.flush() }
    } measured: {
      output.line($0)
    }
    if let path = parsed.values["--svg"] {
      let drawing = Drawing(
        trace: replay.trace, messages: messages, title: instrument.code,
        triggerRatio: options.picker.triggerRatio)
      let name = instruments.count == 1 ? path : numbered(path, number + 1)
      try drawing.svg().write(toFile: name, atomically: true, encoding: .utf8)
    }
  }
  output.flush()
  if let path = parsed.values["--wire"] { try wire.write(to: URL(fileURLWithPath: path)) }
}

func check(_ arguments: [String]) throws {
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
    for remark in try Check.alarms(arguments) { print(remark) }
  } catch {
    say(error.description)
    exit(1)
  }
}

func decode(_ arguments: [String]) throws {
  let parsed = try CommandLineArguments(arguments, named: ["--key"])
  guard parsed.rest.count == 1 else { throw ToolError("decode needs one file, or - for its input") }
  let key = try parsed.values["--key"].map { try Key(file: Text<256>($0)) }
  let data: Data
  if parsed.rest[0] == "-" {
    data = FileHandle.standardInput.readDataToEndOfFile()
  } else {
    guard let read = FileManager.default.contents(atPath: parsed.rest[0]) else {
      throw ToolError("\(parsed.rest[0]): cannot be read")
    }
    data = read
  }
  var output = Output()
  defer { output.flush() }
  try data.withUnsafeBytes { raw in
    try DatagramFile.forEach(in: raw.bindMemory(to: UInt8.self)) {
      output.line(try JsonLine.text(try OpenedDatagram($0, key: key)))
    }
  }
}

func ping(_ arguments: [String]) throws {
  let parsed = try CommandLineArguments(arguments, named: ["--key"])
  guard parsed.rest.count == 1, let key = parsed.values["--key"] else {
    throw ToolError("ping needs HOST:PORT and --key FILE")
  }
  print(try Ping(target: parsed.rest[0], keyPath: key).run())
}

/// Exits with 1 when something is bad.
func doctor(_ arguments: [String]) throws {
  let parsed = try CommandLineArguments(
    arguments, named: ["--board", "--station", "--key"], flags: ["--relay", "--json"])
  let isJson = parsed.flags.contains("--json")
  func tell(_ finding: Finding) {
    let text = isJson ? finding.json.string : finding.line.string
    FileHandle.standardOutput.write(Data(text.utf8))
  }
  if let target = parsed.rest.first {
    guard parsed.rest.count == 1, let key = parsed.values["--key"],
      parsed.values["--board"] == nil, parsed.values["--station"] == nil,
      !parsed.flags.contains("--relay")
    else { throw ToolError("doctor of a running station needs HOST:PORT and --key FILE alone") }
    let findings = try Ping(target: target, keyPath: key).findings()
    findings.forEach(tell)
    if findings.contains(where: { $0.verdict == .bad }) { exit(1) }
    return
  }
  guard let board = parsed.values["--board"], let station = parsed.values["--station"],
    parsed.values["--key"] == nil
  else {
    throw ToolError("doctor needs --board FILE and --station FILE, or HOST:PORT and --key FILE")
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

func command(_ arguments: [String]) throws {
  let parsed = try CommandLineArguments(arguments, named: ["--key", "--station", "--expires"])
  guard (2...3).contains(parsed.rest.count), let key = parsed.values["--key"],
    let station = parsed.values["--station"]
  else { throw ToolError("command needs HOST:PORT, --key FILE, --station CODE and a parameter") }
  let expires =
    parsed.values["--expires"] == "never"
    ? nil : try parsed.number("--expires", in: 1...1e6) ?? 60
  let (line, isDone) = try Command(
    target: parsed.rest[0], keyPath: key, station: station, parameter: parsed.rest[1],
    value: parsed.rest.count == 3 ? parsed.rest[2] : nil, expirySeconds: expires
  ).run()
  print(line)
  if !isDone { exit(1) }
}

func bench(_ arguments: [String]) throws {
  let parsed = try CommandLineArguments(arguments, named: [], flags: ["--json"])
  let isJson = parsed.flags.contains("--json")
  let known = ["loop", "kernels", "picker"]
  guard parsed.rest.allSatisfy({ known.contains($0) }) else {
    throw ToolError("bench \(parsed.rest.joined(separator: " ")): there are loop, kernels, picker")
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
}

let commands: [String: ([String]) throws -> Void] = [
  "demo": demo, "replay": replay, "check": check, "decode": decode, "ping": ping,
  "command": command, "doctor": doctor,
  "bench": bench,
  "model": model, "evaluate": evaluate,
]
let arguments = Array(CommandLine.arguments.dropFirst())
guard let name = arguments.first, let run = commands[name] else {
  if arguments.first == "--version" {
    print("onset \(softwareVersion)")
    exit(0)
  }
  say("usage:\n" + usage)
  exit(arguments.first == "--help" ? 0 : 2)
}
do {
  try run(Array(arguments.dropFirst()))
} catch {
  say("onset \(name): \(error)")
  exit(1)
}
