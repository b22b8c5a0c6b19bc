// BoardText: a board file's text with other values, and all of its comments.
//
//     var text = BoardText(shipped)
//     text.set("source", to: "\"192.0.2.7\"")

struct BoardText {
  private var lines: [String]

  init(_ text: String) { lines = text.components(separatedBy: "\n") }

  var text: String { lines.joined(separator: "\n") }

  /// A key of [digitizer]. An empty value takes its line out.
  mutating func set(_ key: String, to value: String) {
    guard let begin = lines.firstIndex(of: "[digitizer]") else { return }
    let end = lines[(begin + 1)...].firstIndex { $0.hasPrefix("[") } ?? lines.endIndex
    guard let place = (begin..<end).first(where: { isKey(key, lines[$0]) }) else {
      if !value.isEmpty { lines.insert("\(key) = \(value)", at: begin + 1) }
      return
    }
    if value.isEmpty {
      lines.remove(at: place)
      return
    }
    let old = lines[place]
    // A comment beside the old value stays, at its column where there is room.
    let comment = commentStart(old).map { String(old[$0...]) }
    let new = "\(key) = \(value)"
    lines[place] = comment.map { new.padding(to: old.count - $0.count - 1) + " " + $0 } ?? new
  }

  private func isKey(_ key: String, _ line: String) -> Bool {
    line.hasPrefix(key) && line.dropFirst(key.count).drop { $0 == " " }.first == "="
  }

  private func commentStart(_ line: String) -> String.Index? {
    var isQuoted = false
    return line.indices.first { index in
      if line[index] == "\"" { isQuoted.toggle() }
      return line[index] == "#" && !isQuoted
    }
  }
}
