// ConfigurationFile: the strict TOML subset of boards, stations and calibrations.
//
// These files are written by hand, often at the station. An ordinary TOML reader lets a mistyped
// key pass, so that a default holds in its place. It stops at the first mistake, and it needs a
// heap, which the firmware does not have.
//
// This reader takes a subset that any TOML tool reads too, and refuses everything beyond it. A key
// that nobody asked for is an error. Every refusal names the file, the line where there is one, and
// what would be right. All mistakes of a file are told at once: `finish` throws the last, and
// `errorsBefore` has the others. The text stays where the caller has it, and the entries lie in
// fixed tables: nothing is allocated.
//
//   file     = { line }
//   line     = [ section | key "=" value ] [ "#" comment ]     a comment may hold any UTF-8
//   section  = "[" name "]"               one level, each once and with a key at least
//   key      = a-z 0-9 _                  each once in its section
//   value    = integer | decimal | "printable ASCII without \ and quotes" | true
//
//     var file = try ConfigurationFile(path: path, bytes: bytes)
//     let port = file.integer("uplink", "port", in: 1...65_535)
//     file.demand(port != 80, "uplink", "port", "must not be 80")
//     try file.finish()

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
  /// What was asked for: the keys that exist, for the writer of an unknown one and for the
  /// reference.
  public private(set) var keys = KnownKeys()
  /// What is wrong: the last found is thrown, those before it are a line each.
  private var lastError = Diagnostic()
  private var earlierErrors = Text<1024>()
  private var errorCount = 0
  private var untoldCount = 0
  /// Where a value is wrong, nothing is called contradicted by it.
  private var faultySections = InlineArray<8, StaticString>(repeating: "")
  /// A line cannot be read, or a word that others depend on: what seems to be missing or
  /// contradicted may follow from that.
  private var isUncertain = false
  /// Asked for its keys alone.
  private let isReference: Bool

  /// Keys that exclude each other are all to be read: it is asked for its keys alone, or the word
  /// that chooses among them is wrong.
  public var wantsAllKeys: Bool { isReference || isUncertain }

  /// Parses `bytes`, which must outlive the file.
  public init(path: Path, bytes: UnsafeBufferPointer<UInt8>) throws(Diagnostic) {
    self.path = path
    self.bytes = bytes
    isReference = false
    guard bytes.count < ConfigurationFile.maximumByteCount else {
      throw failure(line: 0, "is too long: a configuration file has fewer than 32768 bytes")
    }
    parse()
  }

  /// A file that has every section and no key, and is never wrong: whoever reads it tells `keys`
  /// what there can be.
  public init(referenceFor path: Path) {
    self.path = path
    bytes = UnsafeBufferPointer(start: nil, count: 0)
    isReference = true
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

  /// Remembers a line that is wrong.
  mutating func note(badLine diagnostic: Diagnostic) {
    isUncertain = true
    note(diagnostic)
  }

  @inline(never)
  private mutating func note(_ diagnostic: Diagnostic, in section: StaticString = "") {
    guard !isReference else { return }
    if errorCount < faultySections.count { faultySections[errorCount] = section }
    if errorCount > 0 {
      let room = earlierErrors.capacityLeft - 20  // for how many more there are
      if lastError.text.count < room {
        earlierErrors.append(lastError.text)
        earlierErrors.append("\n")
      } else {
        untoldCount += 1
      }
    }
    lastError = diagnostic
    errorCount += 1
  }

  private func isFaulty(_ section: StaticString) -> Bool {
    for index in 0..<min(errorCount, faultySections.count)
    where faultySections[index].isSame(section) { return true }
    return false
  }

  /// Notes what is well-formed by itself and wrong in its context, where the rest of its section is
  /// right.
  @inline(never)
  public mutating func demand(
    _ isRight: Bool, _ section: StaticString, _ key: StaticString, _ message: StaticString
  ) {
    guard !isRight, !isFaulty(section), !isUncertain else { return }
    if let index = place(section, key) {
      note(failure(entries[index], message))
    } else {
      note(failure(line: 0, message))
    }
  }

  /// Throws the last that was found wrong; those before it are `errorsBefore`.
  public func check() throws(Diagnostic) {
    if errorCount > 0 { throw lastError }
  }

  /// What else is wrong, a line each.
  public var errorsBefore: Text<1024> {
    var all = earlierErrors
    if untoldCount > 0 {
      all.append("and ")
      all.append(untoldCount)
      all.append(" more\n")
    }
    return all
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

  /// The entry of a key, which thereby is known.
  @inline(never)
  private mutating func find(
    _ section: StaticString, _ key: StaticString, _ form: KeyForm
  ) -> Int? {
    keys.note(section, key, form)
    guard let index = place(section, key) else { return nil }
    entries[index].isUsed = true
    return index
  }

  private func place(_ section: StaticString, _ key: StaticString) -> Int? {
    for index in 0..<entryCount
    where matches(entries[index].section, section) && matches(entries[index].key, key) {
      return index
    }
    return nil
  }

  /// What is not there and has no default.
  @inline(never)
  private mutating func noteMissing(
    _ section: StaticString, _ key: StaticString, _ form: KeyForm
  ) {
    guard !isUncertain else { return }
    var diagnostic = failure(line: 0, "missing key ")
    diagnostic.text.append(key)
    diagnostic.text.append(" in [")
    diagnostic.text.append(section)
    diagnostic.text.append("]: ")
    diagnostic.text.append(form)
    diagnostic.text.append(" is needed")
    note(diagnostic, in: section)
  }

  @inline(never)
  private mutating func noteWrong(
    _ section: StaticString, _ index: Int, _ form: KeyForm
  ) {
    var diagnostic = failure(entries[index], "must be ")
    diagnostic.text.append(form)
    note(diagnostic, in: section)
  }

  /// Whether the file has the section at all.
  public func has(section: StaticString) -> Bool {
    for index in 0..<entryCount where matches(entries[index].section, section) { return true }
    return isReference
  }

  /// Whether the file has the key, which then need not be there.
  @inline(never)
  public mutating func has(_ section: StaticString, _ key: StaticString) -> Bool {
    keys.noteOptional(section, key)
    guard let index = place(section, key) else { return isReference }
    entries[index].isUsed = true
    return true
  }

  /// The same of a key that is read elsewhere.
  public func states(_ section: StaticString, _ key: StaticString) -> Bool {
    place(section, key) != nil
  }

  /// Which of two keys the file has, to name one that can be mended.
  public func stated(
    _ section: StaticString, _ key: StaticString, or other: StaticString
  ) -> StaticString {
    place(section, key) != nil ? key : other
  }

  /// The first of the range where there is none.
  @inline(never)
  public mutating func integer(
    _ section: StaticString, _ key: StaticString, in range: ClosedRange<Int>, default: Int? = nil
  ) -> Int {
    let form = KeyForm.integer(range, default: `default`)
    guard let index = find(section, key, form) else {
      if `default` == nil { noteMissing(section, key, form) }
      // As many of what is numbered as there can be.
      return `default` ?? (isReference ? range.upperBound : range.lowerBound)
    }
    let entry = entries[index]
    guard entry.kind == .integer, let value = parseInteger(entry.value), range.contains(value)
    else {
      noteWrong(section, index, form)
      return `default` ?? range.lowerBound
    }
    return value
  }

  /// A decimal or whole number. The range is stated in the message to three decimals.
  @inline(never)
  public mutating func decimal(
    _ section: StaticString, _ key: StaticString, in range: ClosedRange<Double>,
    default: Double? = nil
  ) -> Double {
    let form = KeyForm.decimal(range, default: `default`)
    guard let index = find(section, key, form) else {
      if `default` == nil { noteMissing(section, key, form) }
      return `default` ?? range.lowerBound
    }
    let entry = entries[index]
    guard entry.kind == .decimal || entry.kind == .integer,
      let value = parseDecimal(entry.value), range.contains(value)
    else {
      noteWrong(section, index, form)
      return `default` ?? range.lowerBound
    }
    return value
  }

  /// Text of at most `capacity` characters; empty where it is optional and not there.
  public mutating func text<let capacity: Int>(
    _ section: StaticString, _ key: StaticString, _ type: Text<capacity>.Type,
    isOptional: Bool = false
  ) -> Text<capacity> {
    var result = Text<capacity>()
    if let value = text(section, key, .text(capacity), isOptional) { result.append(value) }
    return result
  }

  @inline(never)
  private mutating func text(
    _ section: StaticString, _ key: StaticString, _ form: KeyForm, _ isOptional: Bool
  ) -> UnsafeBufferPointer<UInt8>? {
    if isOptional { keys.noteOptional(section, key) }
    guard let index = find(section, key, form) else {
      if !isOptional { noteMissing(section, key, form) }
      return nil
    }
    let entry = entries[index]
    guard entry.kind == .text, !entry.value.isEmpty, entry.value.count <= form.capacity else {
      noteWrong(section, index, form)
      return nil
    }
    return text(entry.value)
  }

  /// `key = true`, or absent.
  @inline(never)
  public mutating func flag(_ section: StaticString, _ key: StaticString) -> Bool {
    guard let index = find(section, key, .flag) else { return false }
    if entries[index].kind != .yes { noteWrong(section, index, .flag) }
    return true
  }

  /// 1970-01-01 where there is none.
  @inline(never)
  public mutating func date(_ section: StaticString, _ key: StaticString) -> CalendarDate {
    let none = CalendarDate(year: 1970, month: 1, day: 1)
    guard let index = find(section, key, .date) else {
      noteMissing(section, key, .date)
      return none
    }
    guard entries[index].kind == .text,
      let date = CalendarDate(ascii: text(entries[index].value))
    else {
      noteWrong(section, index, .date)
      return none
    }
    return date
  }

  /// One of up to four words; returns its position, and the last's, which stands for most, where
  /// there is none.
  @inline(never)
  public mutating func choice(
    _ section: StaticString, _ key: StaticString, _ words: InlineArray<5, StaticString>
  ) -> Int {
    let form = KeyForm.choice(words)
    var last = words.count - 1
    while words[last].utf8CodeUnitCount == 0 { last -= 1 }
    guard let index = find(section, key, form) else {
      noteMissing(section, key, form)
      return last
    }
    let entry = entries[index]
    for word in 0..<words.count where entry.kind == .text && words[word].utf8CodeUnitCount > 0 {
      if matches(entry.value, words[word]) { return word }
    }
    noteWrong(section, index, form)
    isUncertain = true
    return last
  }

  /// A path, taken relative to the folder of this file; empty when it is optional and not there.
  @inline(never)
  public mutating func path(
    _ section: StaticString, _ key: StaticString, isOptional: Bool = false
  ) -> Path {
    var stated = Path()
    if let value = text(section, key, .path, isOptional) { stated.append(value) }
    guard !stated.isEmpty, stated[0] != UInt8(ascii: "/") else { return stated }
    var folderCount = path.count
    while folderCount > 0 && path[folderCount - 1] != UInt8(ascii: "/") { folderCount -= 1 }
    guard folderCount + stated.count <= 256 else {
      demand(false, section, key, "is too long together with the folder of this file")
      return Path()
    }
    var result = Path()
    for index in 0..<folderCount { result.append(byte: path[index]) }
    result.append(stated)
    return result
  }

  /// To be called last: a key that nobody asked for is an error. Throws as `check` does.
  public mutating func finish() throws(Diagnostic) {
    for index in 0..<entryCount where !entries[index].isUsed { noteUnknown(entries[index]) }
    try check()
  }

  private mutating func noteUnknown(_ entry: Entry) {
    var diagnostic = failure(line: entry.line, "unknown key ")
    diagnostic.text.append(text(entry.key))
    diagnostic.text.append(" in [")
    diagnostic.text.append(text(entry.section))
    diagnostic.text.append(byte: UInt8(ascii: "]"))
    if let nearest = keys.nearest(to: text(entry.key)) {
      diagnostic.text.append("; did you mean ")
      diagnostic.text.append(nearest.key)
      diagnostic.text.append(" in [")
      diagnostic.text.append(nearest.section)
      diagnostic.text.append("]?")
    } else {
      diagnostic.text.append("; remove it")
    }
    note(diagnostic)
  }
}
