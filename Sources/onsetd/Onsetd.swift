// onsetd: the station's program. Reads its arguments, refuses what is impossible in one sentence,
// and hands over to the runner.

import Board
import CLinux
import Core
import Devices
import Doctor
import Kernels
import Pins
import Runtime
import Settings
import Station

@main
struct Onsetd {
  private static let usage: StaticString = """
    usage: onsetd --board BOARD.toml --station STATION.toml
           onsetd --board BOARD.toml --station STATION.toml --recording FRAMES.raw --wire OUT.bin
           onsetd --board BOARD.toml --station STATION.toml --self-test [--relay] [--json]
           onsetd --board BOARD.toml --rest
           onsetd --version

    """

  static func main() {
    var arguments = Arguments()
    guard arguments.parse() else {
      Text<480>(usage).write(to: STDERR_FILENO)
      exit(2)
    }
    if arguments.wantsVersion {
      var text = Text<64>("onsetd ")
      text.append(softwareVersion)
      text.append("\n")
      text.write(to: STDOUT_FILENO)
      return
    }
    if arguments.wantsSelfTest { test(arguments) }
    do throws(Diagnostic) {
      if arguments.wantsRest {
        try rest(arguments)
      } else if arguments.recording.isEmpty {
        try run(arguments)
      } else {
        try Recording.run(
          Configuration(boardPath: arguments.board, stationPath: arguments.station),
          input: arguments.recording, output: arguments.wire)
      }
    } catch {
      var text = Text<340>("onsetd: ")
      text.append(error.text)
      text.append("\n")
      text.write(to: STDERR_FILENO)
      exit(1)
    }
  }

  private static func test(_ arguments: Arguments) {
    var test = SelfTest(
      board: arguments.board, station: arguments.station, mayMoveRelay: arguments.mayMoveRelay)
    test.run(MachineClock(), kernels: KernelVariant.select()) { finding in
      if arguments.wantsJson {
        finding.json.write(to: STDOUT_FILENO)
      } else {
        finding.line.write(to: STDOUT_FILENO)
      }
    }
    exit(test.isFit ? 0 : 1)
  }

  private static func run(_ arguments: Arguments) throws(Diagnostic) {
    // The relay comes first: whatever is refused after it leaves it at rest.
    let board = try Configuration.board(arguments.board)
    let relay = try lines(board.relay)
    let configuration = try Configuration(board, stationPath: arguments.station)
    let signals = clinux_termination_descriptor()
    let kernels = KernelVariant.select()
    if kernels.hasRejectedBetter {
      say("the processor's fastest arithmetic fails its self-test; a slower one computes")
    }
    var runner = try Runner(
      configuration, hostClock: MachineClock(), relay: relay, signalDescriptor: signals,
      kernels: kernels)
    complain(runner.pickerProblem, "; STA/LTA picks instead\n")
    complain(runner.estimatorProblem, "; relations estimate alone\n")
    complain(runner.stateProblem, "; it goes on without, and health says so\n")
    // Both are wanted and neither is needed: without the privilege the station runs, a little less
    // even.
    if clinux_lock_memory() != 0 { say("memory is not locked: raise LimitMEMLOCK to have it so") }
    if clinux_realtime_priority(50) != 0 {
      say("priority is ordinary: raise LimitRTPRIO to have it so")
    }
    let ready: StaticString = "READY=1"
    clinux_notify_service_manager(ready.utf8Start, ready.utf8CodeUnitCount)
    var wasLost = false
    while true {
      switch runner.step() {
      case .stopRequested:
        let stopping: StaticString = "STOPPING=1"
        clinux_notify_service_manager(stopping.utf8Start, stopping.utf8CodeUnitCount)
        runner.finish()
        return
      case .timeNeedsRestart:
        runner.finish()
        throw Diagnostic(
          "the time source insists on a time far behind; starting anew is the way to follow it")
      case .restartRequested:
        runner.finish()
        throw Diagnostic("an operator has asked for a new start")
      case .digitizerLost:
        if !wasLost { say("the digitizer is gone; trying to open it again") }
        wasLost = true
      case .ran:
        if wasLost { say("the digitizer is there again") }
        wasLost = false
      }
    }
  }

  private static func lines(_ settings: RelaySettings?) throws(Diagnostic) -> RelayLines? {
    guard let settings else { return nil }
    return try RelayLines(settings)
  }

  /// Leaves the relay at rest, whatever else is wrong with the station's files: for ExecStopPost. A
  /// board without one has nothing to rest.
  private static func rest(_ arguments: Arguments) throws(Diagnostic) {
    let settings = try Configuration.read(arguments.board) { file throws(Diagnostic) in
      let settings = file.has(section: "relay") ? RelaySettings(&file) : nil
      try file.check()
      return settings
    }
    guard let settings else { return }
    var lines = try RelayLines(settings)
    lines.rest()
  }

  private static func complain(_ problem: Diagnostic?, _ remedy: StaticString) {
    guard let problem else { return }
    var text = Text<400>("onsetd: ")
    text.append(problem.text)
    text.append(remedy)
    text.write(to: STDERR_FILENO)
  }

  private static func say(_ sentence: StaticString) {
    var text = Text<160>("onsetd: ")
    text.append(sentence)
    text.append("\n")
    text.write(to: STDERR_FILENO)
  }
}

/// What stands on the command line.
struct Arguments {
  var board = Path()
  var station = Path()
  var recording = Path()
  var wire = Path()
  var wantsVersion = false
  var wantsSelfTest = false
  var wantsRest = false
  var mayMoveRelay = false
  var wantsJson = false

  /// False when the arguments make no sense together.
  mutating func parse() -> Bool {
    var index: Int32 = 1
    while let argument = clinux_argument(index) {
      var name = Path()
      name.append(cString: argument)
      if name.equals("--version") {
        wantsVersion = true
        return index == 1 && clinux_argument(2) == nil
      }
      index += 1
      if name.equals("--self-test") {
        wantsSelfTest = true
        continue
      }
      if name.equals("--rest") {
        wantsRest = true
        continue
      }
      if name.equals("--relay") {
        mayMoveRelay = true
        continue
      }
      if name.equals("--json") {
        wantsJson = true
        continue
      }
      guard let next = clinux_argument(index) else { return false }
      var value = Path()
      value.append(cString: next)
      if name.equals("--board") {
        board = value
      } else if name.equals("--station") {
        station = value
      } else if name.equals("--recording") {
        recording = value
      } else if name.equals("--wire") {
        wire = value
      } else {
        return false
      }
      index += 1
    }
    guard wantsSelfTest || !(mayMoveRelay || wantsJson) else { return false }
    if wantsRest {
      return !board.isEmpty && station.isEmpty && recording.isEmpty && wire.isEmpty
        && !wantsSelfTest
    }
    return !board.isEmpty && !station.isEmpty && recording.isEmpty == wire.isEmpty
      && !(wantsSelfTest && !recording.isEmpty)
  }
}
