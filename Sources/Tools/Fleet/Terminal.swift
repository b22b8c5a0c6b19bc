// Terminal: what another program said, as it may be shown to people: without what moves a cursor,
// and not without end. And how long something lasts, in words.
//
//     print(Terminal.printable(answer.text), Terminal.duration(7200))

enum Terminal {
  /// A line of a terminal and some.
  private static let charactersMaximum = 200

  static func printable(_ text: String) -> String {
    String(
      text.unicodeScalars.prefix(charactersMaximum).map { scalar in
        (0x20...0x7E).contains(scalar.value) || scalar.value >= 0xA0 ? Character(scalar) : "?"
      })
  }

  /// "45 s", "12 min", "3 h", "12 days"
  static func duration(_ seconds: Double) -> String {
    switch seconds {
    case ..<120: "\(decimal(seconds, 0)) s"
    case ..<7200: "\(decimal(seconds / 60, 0)) min"
    case ..<172_800: "\(decimal(seconds / 3600, 0)) h"
    default: "\(decimal(seconds / 86_400, 0)) days"
    }
  }

  /// "a, b, c and 4997 more"
  static func some(_ names: [String], of count: Int) -> String {
    let shown = names.prefix(count).joined(separator: ", ")
    return names.count > count ? "\(shown) and \(names.count - count) more" : shown
  }

  /// Any text as JSON has it.
  static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": out += "\\\(scalar)"
      case "\n": out += "\\n"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F: out += "?"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
