// A command line: --name value, --flag, and the rest.

public struct CommandLineArguments {
  public private(set) var values: [String: String] = [:]
  public private(set) var flags: Set<String> = []
  public private(set) var rest: [String] = []

  /// `named` take a value; `flags` do not; anything else that begins with -- is refused.
  public init(_ arguments: [String], named: Set<String>, flags known: Set<String> = []) throws {
    var index = 0
    while index < arguments.count {
      let argument = arguments[index]
      index += 1
      if known.contains(argument) {
        flags.insert(argument)
      } else if named.contains(argument) {
        guard index < arguments.count else { throw ToolError("\(argument) needs a value") }
        guard values[argument] == nil else { throw ToolError("\(argument) is given twice") }
        values[argument] = arguments[index]
        index += 1
      } else if argument.hasPrefix("-") && argument.count > 1 {
        let all = named.union(known).sorted().joined(separator: " ")
        throw ToolError("\(argument) is not known here; there are \(all)")
      } else {
        rest.append(argument)
      }
    }
  }

  public func wholeNumber(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let text = values[name] else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw ToolError(
        "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound), not \(text)"
      )
    }
    return value
  }

  public func number(_ name: String, in range: ClosedRange<Double>) throws -> Double? {
    guard let text = values[name] else { return nil }
    guard let value = Double(text), range.contains(value) else {
      throw ToolError(
        "\(name) must be a number from \(decimal(range.lowerBound, 3)) to \(decimal(range.upperBound, 3))"
      )
    }
    return value
  }
}
