// The description of `onset fleet`.

import Station

extension CommandTable {
  private static var lookOptions: [CommandOption] {
    [
      CommandOption(
        "--look-token", value: "FILE", "The token that the collector has for whoever looks."),
      CommandOption(
        "--stations", value: "PATTERN,…", default: "all",
        "Codes, and patterns of them with * and ? as a shell has them for files."),
      CommandOption("--wrong", "Only stations with which something is wrong."),
      CommandOption("--events", "The newest arrivals, with what was expected of them."),
      CommandOption("--origins", "The newest earthquakes that were located, with whose picks."),
      CommandOption("--json", "Prints a JSON object a line."),
      CommandOption(
        "--silent", value: "SECONDS", in: .real(1...1e6), unit: "s",
        default: shortest(FleetFindings.silentSecondsUsual),
        "How long nobody may have heard a station. Some tell their health once an hour."),
    ]
  }

  private static var waveOptions: [CommandOption] {
    [
      CommandOption(
        "--via", value: "HOST:PORT", "The collector's UDP port, through which stations are reached."
      ),
      CommandOption(
        "--key", value: "FILE", "The operator's secret key, which `key operator` has made."),
      CommandOption(
        "--public", value: "FOLDER", "Holds the stations' public keys, each CODE.key.pub."),
      CommandOption(
        "--command", value: "PARAMETER", "What to set or ask: see onset help command."),
      CommandOption("--value", value: "V", "What to set it to. Without it, it is asked."),
      CommandOption("--network", value: "FILE.onet", "A network to give: see onset help network."),
      CommandOption(
        "--shadow", value: "SECONDS",
        in: .whole(0...Int(Station.shadowSeconds.upperBound)), unit: "s",
        "For how long it hears what the live one hears, before the station starts anew with it."),
      CommandOption(
        "--audit", value: "FILE",
        "Where it is written down, before each command is sent and after it, as JSON lines."),
      CommandOption("--resume", "Goes on with the last run of the same in this audit."),
      CommandOption(
        "--wave", value: "N", in: .whole(1...100_000),
        default: "a tenth of the group, \(FleetWaveSettings.waveLargest) at most",
        "How many stations are given it before their health is waited for; the first waves are 1, 2, 4, …"
      ),
      CommandOption(
        "--patience", value: "SECONDS", in: .real(5...1e6), unit: "s",
        default: shortest(FleetWaveSettings.patienceSecondsUsual),
        "How long a wave may take until all of it is as well as before, beside --shadow."),
    ]
  }

  static var fleet: CommandDescription {
    CommandDescription(
      "fleet", .operate, "many stations: what is wrong first, and commands in waves",
      forms: [
        "URL", "URL STATION", "URL --events", "URL --origins",
        "URL --stations PATTERN,… --command PARAMETER --audit FILE",
        "URL --stations PATTERN,… --network FILE.onet --audit FILE",
      ], options: lookOptions + waveOptions,
      example: "onset fleet http://127.0.0.1:8080 --wrong",
      notes: """
        URL is where a collector serves its page. The first form tells each station in a line, the
        worst first; the second tells one station with its last day. The exit status is 1 where
        something is bad, as the doctor's is, and 2 where the command line is wrong.

        The last forms give a command or a network to the stations that --stations chooses, in the
        order in which it names them ('*' for all), with --via, --key and --public beside it. A
        wave goes out when every station of the one before has told its health anew, no worse than
        before. Otherwise it stops, and says why and what is untouched; the exit status is 1. What
        is silent, in a drill, under an alarm or not well is left out, unless --stations names it
        by its code. --resume goes on after an interruption, and later with those left out: a
        station that has it does not get it again.
        """)
  }
}
