// XmlReader: elements, attributes and texts of an XML document, one after another, for whoever
// follows them (XML 1.0, fifth edition, without document types).
//
//     try XmlReader(bytes).read(into: &follower)
//
// The problem: Foundation's XMLParser ends the program at some damaged documents, and its libxml2
// would have to be there on every machine. What StationXML needs is small. There is no document
// type and so there are no entities of its own, nothing is fetched, the depth is bounded, and the time
// grows with the length alone.

protocol XmlFollower {
  mutating func begin(_ element: String, _ attributes: [String: String], line: Int) throws
  mutating func characters(_ text: String)
  mutating func end(line: Int) throws
}

struct XmlReader {
  /// A channel's numbers are ten deep in StationXML; extensions nest in it as they like.
  static let depthMaximum = 64

  private let bytes: [UInt8]
  private var index = 0
  private var line = 1
  private var countedTo = 0
  private var open: [ArraySlice<UInt8>] = []
  private var hasRoot = false

  /// UTF-8, or ISO-8859-1 where the declaration says so.
  init(_ bytes: [UInt8]) throws {
    guard !bytes.contains(0) else {
      throw ToolError("has bytes of 0, as UTF-16 has: StationXML is text in UTF-8")
    }
    let declaration = String(decoding: bytes.prefix(200), as: UTF8.self).prefix { $0 != ">" }
    guard let match = declaration.firstMatch(of: /<\?xml[^>]*encoding\s*=\s*["']([^"']*)["']/)
    else {
      self.bytes = bytes
      return
    }
    switch match.1.lowercased() {
    case "utf-8", "utf8", "us-ascii", "ascii": self.bytes = bytes
    case "iso-8859-1", "latin1":
      self.bytes = Array(String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) })).utf8)
    default:
      throw ToolError("is encoded as \(shown(match.1)): it must be UTF-8 or ISO-8859-1")
    }
  }

  mutating func read(into follower: inout some XmlFollower) throws {
    while index < bytes.count {
      guard bytes[index] == UInt8(ascii: "<") else {
        try text(&follower)
        continue
      }
      if starts("<!--") {
        _ = try skip(past: "-->", from: index + 4)
      } else if starts("<?") {
        _ = try skip(past: "?>", from: index + 2)
      } else if starts("<![CDATA["), !open.isEmpty {
        let range = try skip(past: "]]>", from: index + 9)
        follower.characters(String(decoding: bytes[range], as: UTF8.self))
      } else if starts("<!") {
        throw refusal("a document type or declaration, which StationXML never has: leave it out")
      } else if starts("</") {
        try closing(&follower)
      } else {
        try opening(&follower)
      }
    }
    guard hasRoot, open.isEmpty else { throw truncated() }
  }

  // MARK: Pieces

  private mutating func text(_ follower: inout some XmlFollower) throws {
    let end = bytes[index...].firstIndex(of: UInt8(ascii: "<")) ?? bytes.count
    let range = index..<end
    if open.isEmpty {
      guard bytes[range].allSatisfy({ isBlank($0) }) else {
        throw refusal("text outside all elements: an XML document is one element")
      }
    } else {
      follower.characters(try decoded(range))
    }
    index = end
  }

  private mutating func closing(_ follower: inout some XmlFollower) throws {
    index += 2
    let name = try self.name()
    skipBlanks()
    guard index < bytes.count else { throw truncated() }
    guard bytes[index] == UInt8(ascii: ">"), let last = open.last, last == name else {
      throw refusal(
        "</\(shown(string(name)))> where "
          + (open.last.map { "</\(shown(string($0)))>" } ?? "the end") + " belongs")
    }
    index += 1
    open.removeLast()
    try follower.end(line: currentLine())
  }

  private mutating func opening(_ follower: inout some XmlFollower) throws {
    guard open.count < XmlReader.depthMaximum else {
      throw refusal(
        "elements more than \(XmlReader.depthMaximum) deep; a station's are nested about ten deep")
    }
    guard !(hasRoot && open.isEmpty) else {
      throw refusal("a second outermost element: an XML document is one element")
    }
    index += 1
    let name = try self.name()
    var attributes: [String: String] = [:]
    while true {
      let hadBlank = skipBlanks()
      guard index < bytes.count else { throw truncated() }
      if bytes[index] == UInt8(ascii: ">") || starts("/>") { break }
      guard hadBlank else {
        throw refusal("no blank before an attribute of \(shown(string(name)))")
      }
      let (key, value) = try attribute()
      guard attributes.updateValue(value, forKey: key) == nil else {
        throw refusal("the attribute \(shown(key)) twice in one element")
      }
    }
    let isEmpty = starts("/>")
    index += isEmpty ? 2 : 1
    hasRoot = true
    try follower.begin(string(name), attributes, line: currentLine())
    if isEmpty {
      try follower.end(line: currentLine())
    } else {
      open.append(name)
    }
  }

  private mutating func attribute() throws -> (String, String) {
    let key = string(try name())
    skipBlanks()
    guard index < bytes.count else { throw truncated() }
    guard bytes[index] == UInt8(ascii: "=") else { throw refusal("\(shown(key)) without =") }
    index += 1
    skipBlanks()
    guard index < bytes.count else { throw truncated() }
    let quote = bytes[index]
    guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
      throw refusal("\(shown(key)) without quotes around its value")
    }
    guard let end = bytes[(index + 1)...].firstIndex(of: quote) else { throw truncated() }
    let range = (index + 1)..<end
    guard !bytes[range].contains(UInt8(ascii: "<")) else {
      throw refusal("< in the value of \(shown(key)): it is written &lt;")
    }
    let value = try decoded(range)
    index = end + 1
    return (key, value)
  }

  private mutating func name() throws -> ArraySlice<UInt8> {
    let start = index
    while index < bytes.count, isNameByte(bytes[index]) { index += 1 }
    guard index < bytes.count else { throw truncated() }
    guard index > start, !isDigit(bytes[start]), bytes[start] != UInt8(ascii: "-"),
      bytes[start] != UInt8(ascii: ".")
    else { throw refusal("no name where one belongs; a < in a text is written &lt;") }
    return bytes[start..<index]
  }

  /// The text with &amp; and its like replaced.
  private mutating func decoded(_ range: Range<Int>) throws -> String {
    guard bytes[range].contains(UInt8(ascii: "&")) else {
      return String(decoding: bytes[range], as: UTF8.self)
    }
    var result: [UInt8] = []
    var place = range.lowerBound
    while place < range.upperBound {
      guard bytes[place] == UInt8(ascii: "&") else {
        result.append(bytes[place])
        place += 1
        continue
      }
      // The longest that is known has ten bytes: &#x10FFFF;
      let tail = bytes[place..<min(place + 10, range.upperBound)]
      guard let end = tail.firstIndex(of: UInt8(ascii: ";")),
        let scalar = XmlReader.entity(string(bytes[(place + 1)..<end]))
      else {
        throw refusal(
          "an & that begins none of &amp; &lt; &gt; &quot; &apos; and &#N;: it is written &amp;")
      }
      result.append(contentsOf: Array(String(scalar).utf8))
      place = end + 1
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static func entity(_ name: String) -> Unicode.Scalar? {
    switch name {
    case "amp": return "&"
    case "lt": return "<"
    case "gt": return ">"
    case "quot": return "\""
    case "apos": return "'"
    default:
      guard name.hasPrefix("#") else { return nil }
      let isHexadecimal = name.hasPrefix("#x")
      let number = UInt32(name.dropFirst(isHexadecimal ? 2 : 1), radix: isHexadecimal ? 16 : 10)
      return number.flatMap { $0 == 0 ? nil : Unicode.Scalar($0) }
    }
  }

  // MARK: Bytes

  private func starts(_ word: StaticString) -> Bool {
    word.withUTF8Buffer { bytes[index...].starts(with: $0) }
  }

  /// What lies before the word; goes on behind it.
  private mutating func skip(past word: StaticString, from start: Int) throws -> Range<Int> {
    let wanted = word.withUTF8Buffer { Array($0) }
    var place = start
    while place + wanted.count <= bytes.count {
      if bytes[place] == wanted[0], bytes[place...].starts(with: wanted) {
        index = place + wanted.count
        return start..<place
      }
      place += 1
    }
    throw truncated()
  }

  @discardableResult
  private mutating func skipBlanks() -> Bool {
    let start = index
    while index < bytes.count, isBlank(bytes[index]) { index += 1 }
    return index > start
  }

  private func string(_ slice: ArraySlice<UInt8>) -> String {
    String(decoding: slice, as: UTF8.self)
  }

  private func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }

  private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  private func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), 0x80...0xFF,
      UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: isDigit(byte)
    }
  }

  private mutating func currentLine() -> Int {
    let end = min(index, bytes.count)
    while countedTo < end {
      if bytes[countedTo] == 0x0A { line += 1 }
      countedTo += 1
    }
    return line
  }

  private mutating func refusal(_ what: String) -> ToolError {
    ToolError("line \(currentLine()): has \(what)")
  }

  private func truncated() -> ToolError {
    ToolError(
      hasRoot
        ? "ends before its last element does: it is truncated; fetch it again"
        : "has no element: it is truncated or no XML; fetch it again")
  }
}
