// onset setup: from four answers to a station that runs. Each answer is an option or a question.

import Core
import Foundation
import Tools

func setup(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.isEmpty else {
    throw UsageError("setup takes options alone: \(parsed.rest[0])")
  }
  let setup = try Setup(
    folder: parsed.values["--folder"] ?? Setup.usualFolder,
    share: parsed.values["--share"] ?? "/usr/share/onset",
    state: parsed.values["--state"] ?? "/var/lib/onset")
  let answers = try SetupAnswers(
    device: digitizer(parsed, setup),
    code: answer(
      parsed, "--code", "The station's code, NET.STA.LOC.BS; XX is for tests", SetupAnswers.code),
    upstream: answer(
      parsed, "--upstream", "The collector that it sends to, HOST or HOST:PORT",
      SetupAnswers.upstream),
    sensors: answer(
      parsed, "--sensor",
      "The sensor: " + (setup.instrumentNames + ["none", "or a file"]).joined(separator: ", ")
    ) { try SetupAnswers.sensors($0, folder: setup.instruments) },
    place: parsed.values["--place"].map(SetupAnswers.place),
    operators: parsed.values["--operators"].map(SetupAnswers.operators) ?? [],
    allowed: parsed.values["--allow"].map(NetworkLimits.Allowed.init) ?? .notSaid)
  let said = try setup.write(answers, replaces: parsed.flags.contains("--replace"))
  print(said.joined(separator: "\n"))
  print(
    """
    the collector needs \(setup.keyPath) as \(answers.code).key in its folder of keys, over a way that nobody
    else reads; onset key public \(setup.keyPath) makes what operators need
    """)
  // Files for another machine are tried there.
  let isHere = setup.folder == Setup.usualFolder
  guard isHere || parsed.values["--onsetd"] != nil else { return }
  if isHere && hasServiceManager { _ = try runToEnd(["systemctl", "daemon-reload"]) }
  let ran = isHere && hasServiceManager && isActive()
  if ran { _ = try runToEnd(["systemctl", "stop", "onsetd"]) }
  var isEnabled = false
  defer { if ran && !isEnabled { _ = try? runToEnd(["systemctl", "start", "onsetd"]) } }
  guard try selfTest(parsed, setup) else {
    throw ToolError(
      "the self-test found what is BAD above: mend it and run onset setup --replace again, or start the "
        + "station as it is: systemctl enable --now onsetd")
  }
  guard isHere, !parsed.flags.contains("--no-start") else { return }
  try enable()
  isEnabled = true
}

/// The option's value; without it a question, which is put again until the answer is right.
private func answer<Value>(
  _ parsed: CommandLineArguments, _ option: String, _ question: String,
  _ understand: (String) throws -> Value
) throws -> Value {
  if let text = parsed.values[option] { return try understand(text) }
  guard isatty(STDIN_FILENO) != 0 else {
    throw UsageError("\(option) is needed where nobody can be asked. \(question)")
  }
  return try ask(question, understand)
}

private func digitizer(_ parsed: CommandLineArguments, _ setup: Setup) throws -> PluggedIn {
  let boards = setup.boardNames
  if let text = parsed.values["--digitizer"] {
    return try SetupAnswers.device(text, boards: boards)
  }
  let port = try parsed.wholeNumber("--shake-port") ?? 8888
  print("listening for a Raspberry Shake's data cast on UDP port \(port), three seconds …")
  var found = PluggedIn.devices()
  do { found += try PluggedIn.shakes(port: port, seconds: 3) } catch { print(error) }
  for (number, one) in found.enumerated() {
    print("  \(number + 1)  \(one.text): board \(one.board)")
  }
  if found.isEmpty { print("  nothing is plugged in that could be a digitizer") }
  let isObvious = found.count == 1 && isatty(STDIN_FILENO) == 0
  if isObvious { return found[0] }
  return try answer(
    parsed, "--digitizer",
    "The digitizer: a number of these, or BOARD or BOARD=DEVICE of "
      + boards.joined(separator: ", ")
  ) { text in
    if let number = Int(text), found.indices.contains(number - 1) { return found[number - 1] }
    return try SetupAnswers.device(text, boards: boards)
  }
}

// MARK: The station

/// Runs a program to its end; its exit status, nil where it is not there.
private func runToEnd(_ words: [String]) throws -> Int32? {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = words
  fflush(nil)
  try process.run()
  process.waitUntilExit()
  return process.terminationStatus == 127 ? nil : process.terminationStatus
}

private var hasServiceManager: Bool {
  FileManager.default.fileExists(atPath: "/run/systemd/system")
}

/// As the service's user, where it is there: what it may open is part of the test.
private func selfTest(_ parsed: CommandLineArguments, _ setup: Setup) throws -> Bool {
  let program = parsed.values["--onsetd"] ?? "onsetd"
  let isService = getuid() == 0 && getpwnam("onset") != nil
  let words =
    (isService ? ["runuser", "-u", "onset", "--"] : [])
    + [program, "--board", setup.boardPath, "--station", setup.stationPath, "--self-test"]
  guard let status = try runToEnd(words) else {
    throw ToolError(
      "\(program) is not there: install the package onset-station, or name it with --onsetd")
  }
  return status == 0
}

private func isActive() -> Bool {
  (try? runToEnd(["systemctl", "is-active", "--quiet", "onsetd"])) == 0
}

private func enable() throws {
  guard hasServiceManager else {
    print("this machine has no systemd: start onsetd by what it has")
    return
  }
  guard try runToEnd(["systemctl", "enable", "--now", "onsetd"]) == 0 else {
    throw ToolError("the station does not start: systemctl status onsetd says why")
  }
  print("the station runs, and begins with the machine: journalctl -u onsetd")
}
