// The description of `onset doctor`.

extension CommandTable {
  static let doctor = CommandDescription(
    "doctor", .run, "what is well and what is not with a station, in plain words",
    forms: [
      "--board FILE --station FILE", "HOST:PORT --key FILE --public FILE.pub",
      "--visit REPORT …", "--verify-visit REPORT --public FILE.pub",
    ],
    options: [
      CommandOption("--board", value: "FILE", "The board, on this machine."),
      CommandOption("--station", value: "FILE", "The station, on this machine."),
      CommandOption("--relay", "Moves the relay too, and with it what is wired to it."),
      operatorKey, stationKey, via,
      CommandOption(
        "--visit", value: "REPORT",
        "Walks through the yearly visit of either station, and writes a report that is signed."),
      CommandOption(
        "--answers", value: "FILE", "What the visit would ask, as lines KEY = ANSWER, for scripts."),
      CommandOption(
        "--verify-visit", value: "REPORT",
        "Whether such a report is as it was signed, by the key of --public or one that --station names."
      ),
      CommandOption("--json", "Prints JSON lines instead of sentences."),
    ],
    example: "onset doctor --board board.toml --station station.toml",
    notes: """
      The first form tries each part of a station on this machine, where onsetd must not run
      meanwhile. The second asks a station that runs.

      A visit goes with the first two, whose lines come into its report. It is interrupted at will: the
      same command goes on from REPORT.draft. The relay moves when somebody who stands by it has said
      so. The report is signed with --key, or by the station itself; its keys are those of --answers.
      A visit ends with 0 when its report is written, whatever that says.
      """)
}
