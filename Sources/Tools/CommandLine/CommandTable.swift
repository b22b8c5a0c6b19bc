// CommandTable: every command of `onset` with all that it takes. Parser, help and completion read
// it.
//
//     let (command, rest) = try CommandTable.find(arguments)
//     let parsed = try CommandLineArguments(rest, options: command.options)

import Board
import Decision
import Picker
import Station
import Uplink

public enum CommandTable {
  public static let commands =
    seeing + judging + preparing + operating + models + [
      CommandDescription(
        "help", .help, "what a command takes, or which commands there are", forms: ["[COMMAND]"],
        example: "onset help replay"),
      CommandDescription(
        "completion", .help, "a script that completes command lines in a shell", forms: ["bash"],
        example: "source <(onset completion bash)"),
    ]

  // MARK: Options of several commands

  private static let json = CommandOption("--json", "Prints JSON instead of a text.")
  private static let key = CommandOption(
    "--key", value: "FILE", "The 32 bytes that the station shares with its upstream.")
  static let operatorKey = CommandOption(
    "--key", value: "FILE", "The operator's secret key, which `key operator` has made.")
  static let stationKey = CommandOption(
    "--public", value: "FILE.pub", "The station's public key, which lies beside its own.")
  static let via = CommandOption(
    "--via", value: "HOST:PORT",
    "A collector that hears the station, for one that cannot be reached; instead of HOST:PORT stands the "
      + "station's code.")
  private static let only = CommandOption(
    "--only", value: "TYPE,…",
    "Prints messages of these types alone: "
      + MessageFilter.types.map { "\($0)" }.joined(separator: ", ") + ".")
  private static let estimator = CommandOption(
    "--estimator", value: "NETWORK.onet|relations", default: "the network that is shipped",
    "What estimates: a network beside the relations, or the relations alone.")
  private static func seed(_ meaning: String) -> CommandOption {
    CommandOption("--seed", value: "N", in: .whole(0...1_000_000_000), default: "1", meaning)
  }

  // MARK: See

  private static let seeing: [CommandDescription] = [
    CommandDescription(
      "demo", .see, "a synthetic earthquake through the whole chain, told in sentences",
      forms: [""], options: demoOptions,
      example: "onset demo --magnitude 5.5 --distance 20 --svg demo.svg"),
    CommandDescription(
      "replay", .see, "miniSEED records through the firmware's own loop, as JSON lines",
      forms: ["FILE.mseed…"], options: replayOptions,
      example: "onset replay --only pick,alert --svg record.svg record.mseed",
      notes: """
        All files are read together, and their instruments are replayed one after another.
        A file that cannot be read is named and left out, and the exit status is 1.
        """),
    CommandDescription(
      "decode", .see, "datagrams of a file or of a pipe, as JSON lines", forms: ["FILE.bin|-"],
      options: [
        CommandOption(
          "--key", value: "FILE", "Refuses what is not signed with this key."), only,
      ],
      example: "onset decode --key station.key --only pick datagrams.bin",
      notes: "From standard input (-) each line is printed as soon as its datagram has come."),
    CommandDescription(
      "listen", .see, "what stations send to this machine, as JSON lines, as it comes",
      forms: ["PORT --key FILE"],
      options: [
        key, only,
        CommandOption(
          "--count", value: "N", in: .whole(1...1_000_000_000), default: "without end",
          "Ends after so many lines."),
      ],
      example: "onset listen 6464 --key station.key --only pick,estimate,alert",
      notes: """
        Datagrams that are not signed with the key, or are none, are refused, counted and told on
        standard error: the first, the second, the fourth and so on. Port 0 lets the system choose
        one, which is told there too.
        """),
  ]

  private static var demoOptions: [CommandOption] {
    let demo = DemoOptions().synthetic
    return [
      CommandOption("--svg", value: "OUT.svg", "Draws what was recorded and what was told."),
      CommandOption(
        "--collector", value: "PROGRAM",
        "The program onset-collector, which then stands at the other end; the last line says what it stored."
      ),
      CommandOption(
        "--raw", value: "OUT.raw",
        "Writes the digitizer's frames: 8000 a second of three 32-bit integers."),
      CommandOption(
        "--magnitude", value: "M", in: .real(0...9), default: decimal(demo.magnitude, 1),
        "The moment magnitude."),
      CommandOption(
        "--distance", value: "KM", in: .real(0...500), unit: "km",
        default: decimal(demo.epicentralKilometres, 0), "From the epicentre to the station."),
      CommandOption(
        "--depth", value: "KM", in: .real(1...700), unit: "km",
        default: decimal(demo.depthKilometres, 0), "From the surface to the source."),
      CommandOption(
        "--seed", value: "N", in: .whole(0...1_000_000_000_000_000), default: "\(demo.seed)",
        "Another one makes another earthquake of the same kind."),
    ]
  }

  private static let replayOptions: [CommandOption] = [
    CommandOption(
      "--station", value: "FILE",
      "Takes calibrations, thresholds, relations and alarm from this station file."),
    CommandOption(
      "--kind", value: "acceleration|velocity",
      "What the counts are proportional to, where there is no station file."),
    CommandOption(
      "--counts-per-unit", value: "X", in: .real(1e-9...1e18), unit: "counts per m/s or m/s²",
      "The factor beside --kind."),
    CommandOption(
      "--picker", value: "NETWORK.onet|sta-lta", default: "the network that is shipped",
      "What picks: a network, or STA/LTA alone."),
    estimator,
    CommandOption(
      "--parameters", value: "SECONDS", in: .real(0.04...10), unit: "s",
      "Prints what is measured after a P this often, beside the messages; --only leaves it in."),
    only,
    CommandOption(
      "--speed", value: "N|max", in: .real(0.001...1e6), unit: "times real time", default: "max",
      "How fast the record goes by."),
    CommandOption(
      "--svg", value: "OUT.svg",
      "Draws each instrument; from the second on its number is in the file's name."),
    CommandOption("--wire", value: "OUT.bin", "Writes all datagrams, whatever --only says."),
  ]

  // MARK: Judge

  private static let judging: [CommandDescription] = [
    CommandDescription(
      "evaluate", .judge, "how right picks, estimates and alarms are",
      forms: [
        "INDEX.csv", "--strong-motion INDEX.csv", "--synthetic COUNT", "--quiet-days DAYS",
        "--impostors COUNT", "--trial K",
      ], options: evaluateOptions,
      example: "onset evaluate INDEX.csv --pickers onset,sta-lta --split test",
      notes: """
        INDEX.csv judges picks; --strong-motion what was expected of the shaking against what came;
        --synthetic and --quiet-days when an alarm comes and when not; --impostors what is no
        earthquake, beside which --synthetic and --strong-motion set what is one.

        \(IndexColumn.help)

        A record that cannot be read is named and left out, and the exit status is 1.
        PICKS.csv has the columns file (as in INDEX.csv), phase (P or S), time_s (from the record's
        start) and, if it likes, probability.
        """),
    CommandDescription(
      "bench", .judge, "what a second of signal, the arithmetic, a network and a fleet cost here",
      forms: ["[loop] [kernels] [picker] [uplink]"], options: [json], example: "onset bench loop"),
  ]

  private static var evaluateOptions: [CommandOption] {
    picksOptions + thresholdOptions + [
      CommandOption(
        "--strong-motion", value: "INDEX.csv",
        "Judges estimates and alarms on these records of acceleration."),
      CommandOption(
        "--synthetic", value: "COUNT", in: .whole(1...1_000_000),
        "Judges alarms on so many synthetic earthquakes."),
      CommandOption(
        "--quiet-days", value: "DAYS", in: .real(0.001...3650), unit: "days",
        "Judges alarms on noise with spikes, steps, footsteps, blasts and dropouts."),
      CommandOption(
        "--impostors", value: "COUNT", in: .whole(1...100_000_000),
        "Judges alarms on so much that is no earthquake, by kind."),
      CommandOption(
        "--site", value: "SHARE", in: .real(0...1),
        "Beside --impostors: the alarm waits for another station of the site ([quorum], two of two), which "
          + "feels this share of what moves the floor."),
      CommandOption(
        "--trial", value: "K", in: .whole(0...100_000_000), "Tells one of the impostors in full."),
      CommandOption(
        "--dump", value: "OUT.f32",
        "Writes that one's motion: rows of three 32-bit floats in m/s², 100 a second."),
      CommandOption(
        "--station", value: "FILE", "Takes thresholds, relations and alarm from this file."),
      estimator,
      seed("What is synthetic, and which noise is added, follows from it."),
      json,
    ]
  }

  private static let picksOptions: [CommandOption] = [
    CommandOption(
      "--pickers", value: "NAME,…", default: "onset",
      "Who is judged: onset, sta-lta, a NETWORK.onet, or a PICKS.csv of somebody else's. Forms "
        + "other than INDEX.csv take one name, and no list of picks."),
    CommandOption("--split", value: "NAME", "Judges the records of this split alone."),
    CommandOption("--sources", value: "NAME,…", "Judges the records of these sources alone."),
    CommandOption(
      "--teachers", value: "PICKS.csv",
      "What teachers suspect on records without analysts: other picks there count as wrong."),
    CommandOption(
      "--agreed", value: "PICKS.csv", "What those teachers agree on, which is to be found."),
    CommandOption(
      "--noise-counts", value: "COUNTS", in: .real(0.001...1e6), unit: "counts rms",
      "Turns records into those of a converter on which the noise before P is so large."),
    CommandOption("--vertical", "Leaves the horizontal components out."),
    CommandOption(
      "--rate", value: "HERTZ", in: .real(20...1000), unit: "Hz", default: "the record's own",
      "Turns records into those of a digitizer of this rate."),
    CommandOption(
      "--noise", value: "FILE.mseed,…", "Adds this noise, to the ratio that --snr says."),
    CommandOption(
      "--snr", value: "DECIBELS", in: .real(-20...60), unit: "dB",
      "The ratio of signal to noise that records are brought to by --noise."),
  ]

  private static var thresholdOptions: [CommandOption] {
    let network = NetworkPickerSettings()
    func option(_ name: String, _ value: Double, _ meaning: String) -> CommandOption {
      CommandOption(
        name, value: "P", in: .real(0...1), default: shortest(value),
        "\(meaning), as a probability.")
    }
    return [
      option("--announce", network.announceProbability, "When a P is told"),
      option("--confirm", network.confirmProbability, "When it is confirmed"),
      option("--shear", network.shearProbability, "When an S is told"),
      option("--event", network.eventProbability, "How much of an event there must be"),
      option(
        "--announce-unseen", network.announceUnseenProbability,
        "When a P is told that STA/LTA does not see"),
      option("--unseen", network.unseenProbability, "When that is confirmed"),
    ]
  }

  // MARK: Run and operate

  private static let preparing: [CommandDescription] = [
    setup,
    CommandDescription(
      "check", .run, "whether boards, calibrations, relations and station files are right",
      forms: ["FILE…"], example: "onset check board.toml station.toml",
      notes: """
        All that is wrong is told, as FILE:LINE and why. A board and a station are also checked together.
        """),
    CommandDescription(
      "keys", .run, "every key of these files, with unit, range and default",
      forms: ["[board|station|calibration|relations]"],
      example: "onset keys station",
      notes: """
        What is needed is needed where its section is there. [response] has either corner_hertz and
        damping, or poles, zeros_at_origin and so many pole_N_real and pole_N_imaginary.
        """),
    calibrationImport,
    CommandDescription(
      "key new", .run, "a new key of 32 random bytes", forms: ["FILE"],
      example: "onset key new master.key",
      notes: """
        A file that exists is left alone. FILE.pub beside it is for those who operate the station.
        A master key is for the collector alone: of it, and of each station's code, `key station` makes
        the stations' keys.
        """),
    CommandDescription(
      "key operator", .run, "a pair of keys for whoever operates stations", forms: ["FILE"],
      example: "onset key operator ada",
      notes: """
        FILE is secret, FILE.pub is not. The lines that are printed let the holder operate a station
        when they stand in its station file: leave out the rights that the holder is not to have.
        """),
    CommandDescription(
      "key public", .run, "the public key that goes with a station's", forms: ["FILE"],
      example: "onset key public station.key",
      notes: """
        FILE.pub, with which operators verify what the station answers. The digits that are printed
        go into [quorum] of the site's other stations.
        """),
    CommandDescription(
      "key station", .run, "the keys of stations, of their collector's master key",
      forms: ["CODE… --master FILE"],
      options: [
        CommandOption("--master", value: "FILE", "The collector's master key."),
        CommandOption(
          "--folder", value: "FOLDER", default: ".", "Where CODE.key and CODE.key.pub are written."),
      ],
      example: "onset key station --master master.key XX.ONST1.00.EH XX.ONST2.00.EH",
      notes: "The same master and code give the same key. A file that exists is left alone."),
    doctor,
  ]

  private static var simulationOptions: [CommandOption] {
    let fleet = SimulatedFleetSettings()
    return [
      CommandOption("--master", value: "FILE", "The collector's master key."),
      CommandOption(
        "--stations", value: "N", in: .whole(1...100_000), default: "\(fleet.stations)",
        "How many there are."),
      CommandOption(
        "--seconds", value: "SECONDS", in: .real(1...86_400), unit: "s",
        default: shortest(fleet.seconds), "How long it lasts; the earthquake comes after a third."),
      CommandOption(
        "--health", value: "SECONDS", in: .real(1...3600), unit: "s",
        default: shortest(fleet.healthSeconds), "How often each tells its health."),
      CommandOption(
        "--loss", value: "SHARE", in: .real(0...0.99), default: shortest(fleet.loss),
        "How many datagrams are lost, each way."),
      CommandOption(
        "--power-cuts", value: "N", in: .whole(0...1_000_000), default: "\(fleet.powerCuts)",
        "How many stations lose their power for a moment."),
      seed("Places, losses and power cuts follow from it."),
    ]
  }

  private static let operating: [CommandDescription] = [
    CommandDescription(
      "simulate", .operate, "a fleet of stations that are not there, and an earthquake crossing it",
      forms: ["HOST:PORT --master FILE"], options: simulationOptions,
      example: "onset simulate 127.0.0.1:6464 --master master.key --stations 500 --loss 0.5",
      notes: """
        Their datagrams are real. What stations keep until it is acknowledged is sent again; the line at
        the end says how much there was, and the exit status is 1 if some of it never was.
        """),
    CommandDescription(
      "ping", .operate, "asks a running station for its health",
      forms: ["HOST:PORT --key FILE --public FILE.pub"], options: [operatorKey, stationKey, via],
      example: "onset ping 192.0.2.1:6465 --key ada --public station.key.pub"),
    CommandDescription(
      "command", .operate, "sets a parameter of a running station, or asks for it",
      forms: ["HOST:PORT --key FILE --public FILE.pub PARAMETER [VALUE]"],
      options: [
        operatorKey, stationKey, via,
        CommandOption(
          "--life", value: "SECONDS", in: .real(0.1...Double(CommandMessage.lifeMaximum) / 1000),
          unit: "s", default: "60", "For how long the command is to be obeyed."),
      ],
      example: "onset command 192.0.2.1:6465 --key ada --public station.key.pub drill 1",
      notes:
        "Without VALUE it only asks. Thresholds hold until the next start. PARAMETER is one of:\n"
        + CommandParameter.allCases.map { "  \($0.name.padding(to: 28)) \($0.meaning)" }
        .joined(separator: "\n")),
    CommandDescription(
      "rekey", .operate, "another key for a running station",
      forms: ["HOST:PORT --key FILE --public FILE.pub NEW.key"],
      options: [
        operatorKey, stationKey, via,
        CommandOption("--second", "For the station's second upstream."),
      ],
      example:
        "onset rekey 192.0.2.1:6465 --key ada --public station.key.pub XX.ONST1.00.EH.next.key",
      notes: """
        Make the key with `key new` and put it into the collector's key folder first, as CODE.next.key:
        the station takes it when the collector has acknowledged something with it, and otherwise goes
        on with its old key. Nobody who listens learns it, not even with the old key.
        """),
    CommandDescription(
      "network", .operate, "gives a running station another network to pick with",
      forms: ["HOST:PORT --key FILE --public FILE.pub NETWORK.onet"],
      options: [
        operatorKey, stationKey, via,
        CommandOption(
          "--shadow", value: "SECONDS",
          in: .whole(0...Int(Station.shadowSeconds.upperBound)), unit: "s",
          "For how long it hears what the live one hears, with nobody obeying it, before the station starts anew with it."
        ),
      ],
      example:
        "onset network 192.0.2.1:6465 --key ada --public station.key.pub picker.onet --shadow 86400",
      notes: """
        The station's [networks] public_key must name who signed it (onset model sign), and its
        [operators] whoever sends it, with the right to update. It is checked there as at every start.
        What it picks in the shadow is compared with what the live one picks, and told upstream. When
        nothing happens the station starts anew with it; it stays when picks can come and the upstream
        has acknowledged something, and otherwise the next start has the one before. Without --shadow
        it waits in the shadow.
        """),
    fleet,
  ]

  // MARK: Models

  private static let models: [CommandDescription] = [
    CommandDescription(
      "model info", .models, "a network's plan, memory and look-ahead", forms: ["NETWORK.onet"],
      options: [
        CommandOption(
          "--chunk", value: "ROWS", in: .whole(1...65_536), unit: "rows",
          "How many rows are pushed at once.")
      ],
      example: "onset model info calibration/models/onset-picker.onet"),
    CommandDescription(
      "model verify", .models, "all that a station checks, and who signed it",
      forms: ["NETWORK.onet"],
      options: [
        CommandOption("--public-key", value: "FILE.pub", "Refuses what this key has not signed.")
      ],
      example: "onset model verify --public-key maker.pub network.onet"),
    CommandDescription(
      "model import", .models, "a network in floating point becomes one in integers",
      forms: ["DESCRIPTION.json ARRAYS.npz --calibration WINDOWS.npz -o OUT.onet"],
      options: [
        CommandOption(
          "--calibration", value: "WINDOWS.npz", "Windows from which the ranges of layers follow."),
        CommandOption("-o", value: "OUT.onet", "Where the network goes."),
        CommandOption(
          "--ranges", value: "percentile|mse", default: "percentile",
          "How far codes reach: to the value that one in 10,000 exceeds, or to the least error."),
      ],
      example:
        "onset model import net.json arrays.npz --calibration windows.npz -o network.onet"),
    CommandDescription(
      "model compare", .models, "a network's picks against those of a float implementation",
      forms: ["NETWORK.onet REFERENCE.npz"], options: [json],
      example: "onset model compare network.onet reference.npz"),
    CommandDescription(
      "model sign", .models, "signs a network, or makes the keys for it",
      forms: ["NETWORK.onet --key FILE", "--new-key FILE"],
      options: [
        CommandOption("--key", value: "FILE", "The secret key."),
        CommandOption("--new-key", value: "FILE", "Makes FILE and FILE.pub, and signs nothing."),
      ],
      example: "onset model sign network.onet --key maker"),
  ]
}
