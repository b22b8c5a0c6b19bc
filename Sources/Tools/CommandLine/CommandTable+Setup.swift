// The description of `onset setup`.

extension CommandTable {
  static let setup = CommandDescription(
    "setup", .run, "a new station: four questions, its files, a self-test, the service",
    forms: [""],
    options: [
      CommandOption(
        "--digitizer", value: "BOARD[=DEVICE]", default: "asked, with what is plugged in",
        "A board of those that are shipped, with another card, serial line or Shake's address than it names."
      ),
      CommandOption("--code", value: "NET.STA.LOC.BS", default: "asked", "The station's code."),
      CommandOption(
        "--upstream", value: "HOST[:PORT]", default: "asked", "The collector that it sends to."),
      CommandOption(
        "--sensor", value: "FILE[,FILE,FILE]|none", default: "asked",
        "An instrument file for all components, or one each for vertical, north and east."),
      CommandOption(
        "--place", value: "LAT,LON,ELEVATION", default: "not told",
        "Where it stands, in degrees and metres above the sea."),
      CommandOption(
        "--operators", value: "FILE", default: "nobody",
        "Who may operate it: the lines that `key operator` prints."),
      CommandOption(
        "--allow", value: "NETWORK[,NETWORK]|collector|any",
        default: "collector, where no operators are named",
        "Who may talk to the station beside an upstream that is an address: networks of operators, "
          + "nobody because all come through the collector, or anybody."),
      CommandOption("--replace", "Keeps files that are there as FILE.before, and writes new ones."),
      CommandOption("--no-start", "Ends after the self-test."),
      CommandOption(
        "--shake-port", value: "PORT", in: .whole(1...65_535), default: "8888",
        "Where a Shake's data cast is listened for."),
      CommandOption(
        "--folder", value: "FOLDER", default: "/etc/onset",
        "Where the station's files are written; another one is for another machine."
      ),
      CommandOption(
        "--share", value: "FOLDER", default: "/usr/share/onset",
        "Where the shipped boards and networks are: what the package has installed, or a source tree."
      ),
      CommandOption("--state", value: "FOLDER", default: "/var/lib/onset", "The station's state."),
      CommandOption(
        "--onsetd", value: "PROGRAM", default: "onsetd",
        "The station's program, for the self-test, which files for another machine have only with it."
      ),
    ],
    example: "onset setup --digitizer raspberry-shake=192.0.2.7 --code AM.R1234.00.EH",
    notes: """
      What no option says is asked for. Without a terminal it must be said, but for a digitizer that is
      the only one there is. Files that exist are left alone without --replace. The key is made where
      there is none; the service is enabled when the self-test finds nothing bad. Where the upstream is
      an address, network.conf beside the service's unit closes the network to all others, which is said.
      """)
}
