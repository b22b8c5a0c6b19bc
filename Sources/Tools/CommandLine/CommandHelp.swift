// What `onset help` prints, and the completion of a shell: both from the table of commands.

extension CommandOption {
  var signature: String { value.map { "\(name) \($0)" } ?? name }

  /// "20 to 1000 Hz; default 100"
  var limits: String {
    let unit = unit.isEmpty ? "" : " \(unit)"
    let range: String? =
      switch numbers {
      case .whole(let range)?: "\(range.lowerBound) to \(range.upperBound)\(unit)"
      case .real(let range)?:
        "\(shortest(range.lowerBound)) to \(shortest(range.upperBound))\(unit)"
      case nil: nil
      }
    return [range, initial.map { "default \($0)" }].compactMap { $0 }.joined(separator: "; ")
  }

  public var help: String {
    let limits = limits.isEmpty ? "" : " (\(limits))"
    return "  \(signature)\n" + wrapped(meaning + limits, indent: 6)
  }
}

extension CommandDescription {
  public var help: String {
    var parts = ["onset \(name): \(summary)"]
    let rest = options.isEmpty ? "" : " [OPTION…]"
    parts.append(
      forms.map { "  onset \(name)" + ($0.isEmpty ? "" : " \($0)") + rest }
        .joined(separator: "\n"))
    if !options.isEmpty { parts.append(options.map(\.help).joined(separator: "\n")) }
    if !notes.isEmpty { parts.append(notes) }
    parts.append("For example:\n  \(example)")
    return parts.joined(separator: "\n\n")
  }
}

extension CommandTable {
  private static func names(_ group: CommandGroup) -> [String] {
    commands.filter { $0.group == group }.map(\.name)
  }

  /// The first words of commands, each once.
  public static var firstWords: [String] {
    var words: [String] = []
    for command in commands {
      let word = String(command.name.prefix { $0 != " " })
      if words.last != word { words.append(word) }
    }
    return words
  }

  /// The second words of commands that begin with this one.
  static func verbs(of word: String) -> [String] {
    commands.filter { $0.name.hasPrefix(word + " ") }.map {
      String($0.name.dropFirst(word.count + 1))
    }
  }

  /// What the program says when it is asked for nothing.
  public static var overview: String {
    var lines = ["onset: tools around a seismic field station, whose own program is onsetd", ""]
    for group in CommandGroup.allCases {
      let rows = rows(of: folded(names(group)))
      let column = group.rawValue.padding(to: 8)
      lines.append("  \(column) \(rows[0].padding(to: 38)) \(group.meaning)")
      lines += rows.dropFirst().map { "  \("".padding(to: 8)) \($0)" }
    }
    let example = commands.first { $0.name == "replay" }!.example
    lines += ["", "For example: \(example)", "onset help COMMAND tells all of one."]
    return lines.joined(separator: "\n")
  }

  /// Names with commas between them, as many a row as leave room for what a group means.
  private static func rows(of names: [String]) -> [String] {
    let width = 46
    var rows = [names[0]]
    for name in names.dropFirst() {
      let longer = rows.last! + ", " + name
      if longer.count <= width {
        rows[rows.count - 1] = longer
      } else {
        rows[rows.count - 1] += ","
        rows.append(name)
      }
    }
    return rows
  }

  /// "key new" and "key station" as "key new|station".
  private static func folded(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.compactMap { name in
      let word = String(name.prefix { $0 != " " })
      guard word != name else { return name }
      let verbs = verbs(of: word).joined(separator: "|")
      return seen.insert(word).inserted ? "\(word) \(verbs)" : nil
    }
  }

  private static var everything: String {
    var lines = ["onset: tools around a seismic field station, whose own program is onsetd"]
    for group in CommandGroup.allCases {
      lines += ["", "\(group.rawValue): \(group.meaning)"]
      lines += commands.filter { $0.group == group }.map {
        "  \($0.name.padding(to: 18)) \($0.summary)"
      }
    }
    lines += [
      "", "onset help COMMAND and onset COMMAND --help tell all of one.",
      "onset --version says which version this is.", "",
      "Exit status:",
      "  0  done",
      "  1  what was read, judged or asked for is wrong or was refused, in part or whole",
      "  2  there is no such command or option",
    ]
    return lines.joined(separator: "\n")
  }

  /// Help on what the words name, which may be nothing, "model" or "model info".
  public static func help(on words: [String]) throws -> String {
    guard let word = words.first else { return everything }
    let verbs = verbs(of: word)
    if words.count == 1, !verbs.isEmpty {
      return commands.filter { $0.name.hasPrefix(word + " ") }.map {
        "  onset \($0.name.padding(to: 14)) \($0.summary)"
      }.joined(separator: "\n")
    }
    return try find(words).command.help
  }

  /// The command that a command line begins with, and what follows it.
  public static func find(
    _ arguments: [String]
  ) throws -> (command: CommandDescription, rest: [String]) {
    guard let word = arguments.first else { throw UsageError("which command?") }
    if let command = commands.first(where: { $0.name == word }) {
      return (command, Array(arguments.dropFirst()))
    }
    let verbs = verbs(of: word)
    guard !verbs.isEmpty else {
      let meant = Spelling.nearest(to: word, among: firstWords).map { "; did you mean \($0)?" }
      throw UsageError(
        "there is no command \(word)" + (meant ?? "; usage: onset COMMAND …, see onset help"))
    }
    func all(_ conjunction: String) -> String {
      let others = verbs.dropLast().joined(separator: ", ")
      return others.isEmpty ? verbs[0] : "\(others) \(conjunction) \(verbs.last!)"
    }
    guard arguments.count > 1 else {
      throw UsageError("\(word) needs a verb: \(all("or"))")
    }
    guard let command = commands.first(where: { $0.name == "\(word) \(arguments[1])" }) else {
      let meant = Spelling.nearest(to: arguments[1], among: verbs)
      throw UsageError(
        "\(word) \(arguments[1]): there \(verbs.count > 1 ? "are" : "is") \(all("and"))"
          + (meant.map { "; did you mean \($0)?" } ?? ""))
    }
    return (command, Array(arguments.dropFirst(2)))
  }
}

extension CommandTable {
  /// A script for bash; where it has nothing to offer, bash offers files.
  public static var bashCompletion: String {
    var lines = [
      "# bash completion for onset, made from its table of commands:",
      "#     source <(onset completion bash)",
      "_onset() {",
      "  local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]}",
      "  local command=${COMP_WORDS[1]} offered=",
      "  COMPREPLY=()",
      "  if [ \"$COMP_CWORD\" = 1 ]; then",
      "    COMPREPLY=($(compgen -W \"\(firstWords.joined(separator: " "))\" -- \"$word\"))",
      "    return",
      "  fi",
      "  case \"$COMP_CWORD $command\" in",
    ]
    for word in firstWords where !verbs(of: word).isEmpty {
      let verbs = verbs(of: word).joined(separator: " ")
      lines.append("    \"2 \(word)\") offered=\"\(verbs)\" ;;")
      lines.append("    *\" \(word)\") command=\"$command ${COMP_WORDS[2]}\" ;;")
    }
    lines += ["    \"2 help\") offered=\"\(firstWords.joined(separator: " "))\" ;;", "  esac"]
    lines.append("  case \"$command $last\" in")
    for command in commands {
      for option in command.options where !option.words.isEmpty {
        let words = option.words.joined(separator: " ")
        lines.append("    \"\(command.name) \(option.name)\") offered=\"\(words)\" ;;")
      }
    }
    lines += ["  esac", "  [[ $word == -* ]] && case \"$command\" in"]
    for command in commands where !command.options.isEmpty {
      let names = (command.options.map(\.name) + ["--help"]).joined(separator: " ")
      lines.append("    \"\(command.name)\") offered=\"\(names)\" ;;")
    }
    lines += [
      "  esac", "  COMPREPLY=($(compgen -W \"$offered\" -- \"$word\"))", "}",
      "complete -o default -F _onset onset",
    ]
    return lines.joined(separator: "\n")
  }
}

extension String {
  public func padding(to count: Int) -> String {
    self + String(repeating: " ", count: max(0, count - self.count))
  }
}

/// Without a point where there is nothing behind it.
func shortest(_ value: Double) -> String {
  value == value.rounded() && value.magnitude < 1e13
    ? decimal(value, 0) : "\(value)".replacing("e-0", with: "e-")
}

private func wrapped(_ text: String, indent: Int) -> String {
  var lines: [String] = []
  var line = ""
  for word in text.split(separator: " ") {
    if !line.isEmpty, line.count + word.count >= 88 - indent {
      lines.append(line)
      line = ""
    }
    line += line.isEmpty ? String(word) : " \(word)"
  }
  return (lines + [line]).map { String(repeating: " ", count: indent) + $0 }
    .joined(separator: "\n")
}
