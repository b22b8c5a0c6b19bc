// CommandDescription: what one command of a program takes, as data. The parser takes its options
// and their ranges from it, and help and completion are printed from it, so that they cannot
// differ.
//
//     let rate = CommandOption(
//       "--rate", value: "HERTZ", in: .real(20...1000), unit: "Hz",
//       "Turns records into this rate.")
//     let parsed = try CommandLineArguments(arguments, options: [rate])
//     let hertz = try parsed.number("--rate")

public struct CommandOption: Sendable {
  public enum Numbers: Sendable {
    case whole(ClosedRange<Int>)
    case real(ClosedRange<Double>)
  }

  public let name: String
  /// What follows the name, such as "SECONDS|never"; nil for a flag. A word in lower case is typed
  /// as it stands, and one in capitals is replaced.
  public let value: String?
  public let numbers: Numbers?
  public let unit: String
  /// What holds without the option.
  public let initial: String?
  public let meaning: String

  public init(
    _ name: String, value: String? = nil, in numbers: Numbers? = nil, unit: String = "",
    default initial: String? = nil, _ meaning: String
  ) {
    self.name = name
    self.value = value
    self.numbers = numbers
    self.unit = unit
    self.initial = initial
    self.meaning = meaning
  }

  /// The values that are typed as they stand.
  var words: [String] {
    (value ?? "").split(separator: "|").map(String.init).filter { $0.allSatisfy(\.isWordLetter) }
  }
}

extension Character {
  fileprivate var isWordLetter: Bool { ("a"..."z").contains(self) || self == "-" }
}

/// The task that a command is for.
public enum CommandGroup: String, CaseIterable, Sendable {
  case see, judge, run, operate, models, help

  var meaning: String {
    switch self {
    case .see: "records and datagrams as pictures and lines"
    case .judge: "picks, estimates and alarms against the truth"
    case .run: "what a station needs before it runs"
    case .operate: "a station that runs"
    case .models: "networks as files"
    case .help: "about this program"
    }
  }
}

public struct CommandDescription: Sendable {
  public let name: String
  public let group: CommandGroup
  public let summary: String
  /// What follows the name: operands, and the options without which the form makes no sense.
  public let forms: [String]
  public let options: [CommandOption]
  public let example: String
  /// What an option's sentence has no room for.
  public let notes: String

  public init(
    _ name: String, _ group: CommandGroup, _ summary: String, forms: [String],
    options: [CommandOption] = [], example: String, notes: String = ""
  ) {
    self.name = name
    self.group = group
    self.summary = summary
    self.forms = forms
    self.options = options
    self.example = example
    self.notes = notes
  }
}

/// A command line that names what there is not.
public struct UsageError: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

public enum Spelling {
  /// The one of `known` that was probably meant; nil where none is near.
  public static func nearest(to typed: String, among known: [String]) -> String? {
    let continued = known.filter { $0.hasPrefix(typed) }
    if typed.count > 2, continued.count == 1 { return continued[0] }
    let distances = known.map { (distance($0, typed), $0) }
    guard let best = distances.min(by: { $0.0 < $1.0 }), best.0 <= max(1, typed.count / 3)
    else { return nil }
    return best.1
  }

  /// Letters to insert, remove, replace or exchange with their neighbour (Damerau 1964).
  static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    var before: [Int] = []
    var last = Array(0...b.count)
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        let replaced = last[j] + (a[i] == b[j] ? 0 : 1)
        var least = min(replaced, last[j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          least = min(least, before[j - 1] + 1)
        }
        row.append(least)
      }
      (before, last) = (last, row)
    }
    return last[b.count]
  }
}
