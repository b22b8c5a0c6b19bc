// ConfigurationFile: the strict TOML subset of boards, stations and calibrations.
//
//   file     = { line }
//   line     = [ section | key "=" value ] [ "#" comment ]     a comment may hold any UTF-8
//   section  = "[" name "]"               one level, each once and with a key at least
//   key      = a-z 0-9 _                  each once in its section
//   value    = integer | decimal | "printable ASCII without \ and quotes" | true
//
// Any TOML tool reads such a file; this reader refuses everything beyond it. Every refusal names
// the file, the line and what would be right. The text stays where the caller has it, and the
// entries lie in fixed tables: nothing is allocated.

import Core

public typealias Path = Text<256>

/// What a value looks like in the text.
enum ValueKind: UInt8 { case integer, decimal, text, yes }

struct Entry {
  var section = 0..<0
  var key = 0..<0
  var value = 0..<0
  var kind = ValueKind.yes
  var line = 0
  var isUsed = false
}

public struct ConfigurationFile: ~Copyable {
  public static let maximumByteCount = 32_768
  static let maximumEntries = 96

  let path: Path
  let bytes: UnsafeBufferPointer<UInt8>
  var entries = InlineArray<96, Entry>(repeating: Entry())
  var entryCount = 0
  /// The keys that were asked for, to tell the writer of an unknown one what exists.
  private var asked = InlineArray<96, (section: StaticString, key: StaticString)>(
    repeating: ("", ""))
  private var askedCount = 0

  /// Parses `bytes`, which must outlive the file.
  public init(path: Path, bytes: UnsafeBufferPointer<UInt8>) throws(Diagnostic) {
    self.path = path
    self.bytes = bytes
    try parse()
  }

  // MARK: Errors

  func failure(line: Int, _ message: StaticString) -> Diagnostic {
    var diagnostic = Diagnostic()
    diagnostic.text.append(path)
    if line > 0 {
      diagnostic.text.append(byte: UInt8(ascii: ":"))
      diagnostic.text.append(line)
    }
    diagnostic.text.append(": ")
    diagnostic.text.append(message)
    return diagnostic
  }

  /// "FILE:LINE: KEY " and then the sentence.
  func failure(_ entry: Entry, _ message: StaticString) -> Diagnostic {
    var diagnostic = failure(line: entry.line, "")
    diagnostic.text.append(text(entry.key))
    diagnostic.text.append(byte: UInt8(ascii: " "))
    diagnostic.text.append(message)
    return diagnostic
  }

  func text(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(rebasing: bytes[range])
  }

  func matches(_ range: Range<Int>, _ literal: StaticString) -> Bool {
    guard range.count == literal.utf8CodeUnitCount else { return false }
    return literal.withUTF8Buffer { other in
      for index in 0..<range.count where bytes[range.lowerBound + index] != other[index] {
        return false
      }
      return true
    }
  }

  // MARK: Looking up

  private mutating func find(_ section: StaticString, _ key: StaticString) -> Int? {
    if askedCount < asked.count {
      asked[askedCount] = (section, key)
      askedCount += 1
    }
    for index in 0..<entryCount
    where matches(entries[index].section, section) && matches(entries[index].key, key) {
      entries[index].isUsed = true
      return index
    }
    return nil
  }

  private mutating func require(
    _ section: StaticString, _ key: StaticString, _ wanted: StaticString
  ) throws(Diagnostic) -> Entry {
    if let index = find(section, key) { return entries[index] }
    var diagnostic = failure(line: 0, "missing key ")
    diagnostic.text.append(key)
    diagnostic.text.append(" in [")
    diagnostic.text.append(section)
    diagnostic.text.append("]: ")
    diagnostic.text.append(wanted)
    throw diagnostic
  }

  /// Whether the file has the section at all.
  public func has(section: StaticString) -> Bool {
    for index in 0..<entryCount where matches(entries[index].section, section) { return true }
    return false
  }

  public mutating func has(_ section: StaticString, _ key: StaticString) -> Bool {
    find(section, key) != nil
  }

  public mutating func integer(
    _ section: StaticString, _ key: StaticString, in range: ClosedRange<Int>, default: Int? = nil
  ) throws(Diagnostic) -> Int {
    if let fallback = `default`, find(section, key) == nil { return fallback }
    let entry = try require(section, key, "a whole number is needed")
    guard entry.kind == .integer, let value = parseInteger(entry.value), range.contains(value)
    else {
      var diagnostic = failure(entry, "must be a whole number from ")
      diagnostic.text.append(range.lowerBound)
      diagnostic.text.append(" to ")
      diagnostic.text.append(range.upperBound)
      throw diagnostic
    }
    return value
  }

  /// A decimal or whole number. The range is stated in the message to three decimals.
  public mutating func decimal(
    _ section: StaticString, _ key: StaticString, in range: ClosedRange<Double>,
    default: Double? = nil
  ) throws(Diagnostic) -> Double {
    if let fallback = `default`, find(section, key) == nil { return fallback }
    let entry = try require(section, key, "a number is needed")
    guard entry.kind == .decimal || entry.kind == .integer,
      let value = parseDecimal(entry.value), range.contains(value)
    else {
      var diagnostic = failure(entry, "must be a number of at most 15 digits from ")
      diagnostic.text.append(bound: range.lowerBound)
      diagnostic.text.append(" to ")
      diagnostic.text.append(bound: range.upperBound)
      throw diagnostic
    }
    return value
  }

  /// Text of at most `capacity` characters.
  public mutating func text<let capacity: Int>(
    _ section: StaticString, _ key: StaticString, _ type: Text<capacity>.Type,
    default: Text<capacity>? = nil
  ) throws(Diagnostic) -> Text<capacity> {
    if let fallback = `default`, find(section, key) == nil { return fallback }
    let entry = try require(section, key, "a text in quotes is needed")
    guard entry.kind == .text, !entry.value.isEmpty, entry.value.count <= capacity else {
      var diagnostic = failure(entry, "must be a text in double quotes of 1 to ")
      diagnostic.text.append(capacity)
      diagnostic.text.append(" characters")
      throw diagnostic
    }
    var result = Text<capacity>()
    result.append(text(entry.value))
    return result
  }

  /// `key = true`, or absent.
  public mutating func flag(
    _ section: StaticString, _ key: StaticString
  ) throws(Diagnostic) -> Bool {
    guard let index = find(section, key) else { return false }
    guard entries[index].kind == .yes else {
      throw failure(entries[index], "must be true, or the line left out")
    }
    return true
  }

  public mutating func date(
    _ section: StaticString, _ key: StaticString
  ) throws(Diagnostic) -> CalendarDate {
    let entry = try require(section, key, "a date such as \"2026-03-01\" is needed")
    guard entry.kind == .text, let date = CalendarDate(ascii: text(entry.value)) else {
      throw failure(entry, "must be a date such as \"2026-03-01\"")
    }
    return date
  }

  /// One of up to four words; returns its position.
  public mutating func choice(
    _ section: StaticString, _ key: StaticString, _ words: InlineArray<4, StaticString>
  ) throws(Diagnostic) -> Int {
    let entry = try require(section, key, "one of the words below is needed")
    for index in 0..<4 where entry.kind == .text && words[index].utf8CodeUnitCount > 0 {
      if matches(entry.value, words[index]) { return index }
    }
    var diagnostic = failure(entry, "must be one of")
    for index in 0..<4 where words[index].utf8CodeUnitCount > 0 {
      diagnostic.text.append(" \"")
      diagnostic.text.append(words[index])
      diagnostic.text.append("\"")
    }
    throw diagnostic
  }

  /// The error for a value that is well-formed by itself and wrong in its context.
  public mutating func contradiction(
    _ section: StaticString, _ key: StaticString, _ message: StaticString
  ) -> Diagnostic {
    if let index = find(section, key) { return failure(entries[index], message) }
    return failure(line: 0, message)
  }

  /// To be called last: a key that nobody asked for is an error.
  public func finish() throws(Diagnostic) {
    for index in 0..<entryCount where !entries[index].isUsed {
      var diagnostic = failure(line: entries[index].line, "unknown key ")
      diagnostic.text.append(text(entries[index].key))
      diagnostic.text.append(" in [")
      diagnostic.text.append(text(entries[index].section))
      diagnostic.text.append(byte: UInt8(ascii: "]"))
      if let nearest = nearestAsked(entries[index]) {
        diagnostic.text.append("; did you mean ")
        diagnostic.text.append(asked[nearest].key)
        diagnostic.text.append(" in [")
        diagnostic.text.append(asked[nearest].section)
        diagnostic.text.append("]?")
      } else {
        diagnostic.text.append("; remove it")
      }
      throw diagnostic
    }
  }

  /// The known key that shares the longest beginning plus end with the unknown one, if more than
  /// half.
  private func nearestAsked(_ entry: Entry) -> Int? {
    var best: (index: Int, shared: Int)?
    for index in 0..<askedCount {
      let key = asked[index].key
      let shared = key.withUTF8Buffer { known in
        let length = min(known.count, entry.key.count)
        var head = 0
        while head < length && known[head] == bytes[entry.key.lowerBound + head] { head += 1 }
        var tail = 0
        while tail < length - head
          && known[known.count - 1 - tail] == bytes[entry.key.upperBound - 1 - tail]
        { tail += 1 }
        return head + tail
      }
      if shared * 2 > max(key.utf8CodeUnitCount, entry.key.count), shared > best?.shared ?? 0 {
        best = (index, shared)
      }
    }
    return best?.index
  }
}

extension Text {
  fileprivate mutating func append(bound: Double) {
    if bound.magnitude < 1e9 && (bound == 0 || bound.magnitude >= 0.001) {
      append(thousandths: Elementary.nearestInteger(bound * 1000))
      return
    }
    let exponent = Elementary.nearestInteger(Elementary.logarithm10(bound.magnitude))
    append(bound < 0 ? "-1e" : "1e")
    append(exponent)
  }
}

extension ConfigurationFile {
  /// A path, taken relative to the folder of this file; empty when the key is absent.
  public mutating func relativePath(
    _ section: StaticString, _ key: StaticString
  ) throws(Diagnostic) -> Path {
    let stated = try text(section, key, Path.self, default: Path())
    guard !stated.isEmpty, stated[0] != UInt8(ascii: "/") else { return stated }
    var folderCount = path.count
    while folderCount > 0 && path[folderCount - 1] != UInt8(ascii: "/") { folderCount -= 1 }
    guard folderCount + stated.count <= 256 else {
      throw contradiction(section, key, "is too long together with the folder of this file")
    }
    var result = Path()
    for index in 0..<folderCount { result.append(byte: path[index]) }
    result.append(stated)
    return result
  }
}
