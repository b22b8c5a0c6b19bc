// CommandLineArguments: a command line: --name value, --flag, and the rest, as a table of options
// allows it.
//
//     let parsed = try CommandLineArguments(["--rate", "100", "a.mseed"], options: [rate])
//     let hertz = try parsed.number("--rate")

public struct CommandLineArguments {
  public private(set) var values: [String: String] = [:]
  public private(set) var flags: Set<String> = []
  public private(set) var rest: [String] = []
  private let options: [String: CommandOption]

  /// Anything else that begins with - is refused.
  public init(_ arguments: [String], options known: [CommandOption]) throws {
    options = Dictionary(uniqueKeysWithValues: known.map { ($0.name, $0) })
    var index = 0
    while index < arguments.count {
      let argument = arguments[index]
      index += 1
      guard let option = options[argument] else {
        if argument.hasPrefix("-") && argument.count > 1 { throw unknown(argument) }
        rest.append(argument)
        continue
      }
      if option.value == nil {
        flags.insert(argument)
        continue
      }
      guard index < arguments.count else { throw ToolError("\(argument) needs a value") }
      guard values[argument] == nil else { throw ToolError("\(argument) is given twice") }
      values[argument] = arguments[index]
      index += 1
    }
  }

  private func unknown(_ argument: String) -> UsageError {
    let names = options.keys.sorted()
    let reason = "\(argument) is not known here"
    if names.isEmpty { return UsageError("\(reason); there are no options") }
    return UsageError(
      Spelling.nearest(to: argument, among: names).map { "\(reason); did you mean \($0)?" }
        ?? "\(reason); there are \(names.joined(separator: " "))")
  }

  /// The option's number, in the range that the table has for it; nil without the option and for a
  /// word that stands in the number's place.
  public func wholeNumber(_ name: String) throws -> Int? {
    guard case .whole(let range)? = options[name]?.numbers else {
      fatalError("\(name) is no whole number in the table")
    }
    guard let text = number(text: name) else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw ToolError(
        "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound), not \(text)"
      )
    }
    return value
  }

  public func number(_ name: String) throws -> Double? {
    guard case .real(let range)? = options[name]?.numbers else {
      fatalError("\(name) is no number in the table")
    }
    guard let text = number(text: name) else { return nil }
    guard let value = Double(text), range.contains(value) else {
      throw ToolError(
        "\(name) must be a number from \(decimal(range.lowerBound, 3)) to \(decimal(range.upperBound, 3))"
      )
    }
    return value
  }

  private func number(text name: String) -> String? {
    values[name].flatMap { options[name]!.words.contains($0) ? nil : $0 }
  }
}
