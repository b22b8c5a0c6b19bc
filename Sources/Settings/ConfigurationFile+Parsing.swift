// The grammar itself: bytes to entries, and the text of a number to its value.

import Core

extension ConfigurationFile {
  /// Whatever is wrong with a line is noted, and the next one read.
  mutating func parse() {
    var section = 0..<0
    var sectionLine = 0
    var entriesBefore = 0
    func isEmptySection() -> Bool { sectionLine > 0 && entryCount == entriesBefore }
    var line = 0
    var start = 0
    while start < bytes.count {
      line += 1
      var end = start
      while end < bytes.count && bytes[end] != UInt8(ascii: "\n") { end += 1 }
      do throws(Diagnostic) {
        let content = try contentOf(start..<end, line: line)
        if !content.isEmpty, bytes[content.lowerBound] == UInt8(ascii: "[") {
          if isEmptySection() { noteEmptySection(sectionLine) }
          (sectionLine, entriesBefore) = (line, entryCount)
          section = try parseSection(content, line: line)
        } else if !content.isEmpty {
          try parseEntry(content, section: section, line: line)
        }
      } catch {
        note(badLine: error)
        entriesBefore = -1  // no section is called empty because of what is wrong in it
      }
      start = end + 1
    }
    if isEmptySection() { noteEmptySection(sectionLine) }
  }

  private mutating func noteEmptySection(_ line: Int) {
    note(badLine: failure(line: line, "this section has no keys: write some or leave it out"))
  }

  /// The line without comment and surrounding blanks.
  private func contentOf(_ range: Range<Int>, line: Int) throws(Diagnostic) -> Range<Int> {
    var range = range
    // TOML knows a carriage return before a line feed only, so not at the end of the last line.
    if range.upperBound < bytes.count, !range.isEmpty, bytes[range.upperBound - 1] == 0x0D {
      range = range.lowerBound..<(range.upperBound - 1)
    }
    var end = range.lowerBound
    var isQuoted = false
    while end < range.upperBound {
      let byte = bytes[end]
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      if byte == UInt8(ascii: "#") && !isQuoted { break }
      guard (byte >= 0x20 && byte <= 0x7E) || byte == 0x09 else {
        throw failure(line: line, "has a byte that is not printable ASCII outside a comment")
      }
      end += 1
    }
    guard !isQuoted else { throw failure(line: line, "has a text without closing quotes") }
    guard isComment(end..<range.upperBound) else {
      throw failure(line: line, "has a comment that is not UTF-8 text, or a control character")
    }
    return trimmed(range.lowerBound..<end)
  }

  /// Well-formed UTF-8 (RFC 3629, section 4) without control characters but the tab.
  private func isComment(_ range: Range<Int>) -> Bool {
    var missing = 0
    var wanted: ClosedRange<UInt8> = 0x80...0xBF
    for index in range {
      let byte = bytes[index]
      if missing > 0 {
        guard wanted.contains(byte) else { return false }
        missing -= 1
        wanted = 0x80...0xBF
        continue
      }
      switch byte {
      case 0x09, 0x20...0x7E: continue
      case 0xC2...0xDF: missing = 1
      case 0xE0: (missing, wanted) = (2, 0xA0...0xBF)
      case 0xED: (missing, wanted) = (2, 0x80...0x9F)
      case 0xE1...0xEF: missing = 2
      case 0xF0: (missing, wanted) = (3, 0x90...0xBF)
      case 0xF1...0xF3: missing = 3
      case 0xF4: (missing, wanted) = (3, 0x80...0x8F)
      default: return false
      }
    }
    return missing == 0
  }

  private func trimmed(_ range: Range<Int>) -> Range<Int> {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    var low = range.lowerBound
    var high = range.upperBound
    while low < high && isBlank(bytes[low]) { low += 1 }
    while high > low && isBlank(bytes[high - 1]) { high -= 1 }
    return low..<high
  }

  private func isName(_ range: Range<Int>) -> Bool {
    for index in range {
      switch bytes[index] {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "_"):
        continue
      default: return false
      }
    }
    return !range.isEmpty
  }

  private func parseSection(_ range: Range<Int>, line: Int) throws(Diagnostic) -> Range<Int> {
    guard bytes[range.upperBound - 1] == UInt8(ascii: "]") else {
      throw failure(line: line, "a section is written [name], alone on its line")
    }
    let name = trimmed((range.lowerBound + 1)..<(range.upperBound - 1))
    guard isName(name) else {
      throw failure(line: line, "a section's name has lower-case letters, digits and _ only")
    }
    for index in 0..<entryCount where isSame(entries[index].section, name) {
      throw failure(line: line, "this section stands above already: put its keys together")
    }
    return name
  }

  private func isSame(_ a: Range<Int>, _ b: Range<Int>) -> Bool {
    guard a.count == b.count else { return false }
    for index in 0..<a.count
    where bytes[a.lowerBound + index] != bytes[b.lowerBound + index] { return false }
    return true
  }

  private mutating func parseEntry(
    _ range: Range<Int>, section: Range<Int>, line: Int
  ) throws(Diagnostic) {
    var equals = range.lowerBound
    while equals < range.upperBound && bytes[equals] != UInt8(ascii: "=") { equals += 1 }
    let key = trimmed(range.lowerBound..<equals)
    guard equals < range.upperBound, isName(key) else {
      throw failure(
        line: line, "expected [section] or key = value, with lower-case letters in keys")
    }
    guard !section.isEmpty else {
      throw failure(line: line, "a key stands before the first [section]")
    }
    for index in 0..<entryCount
    where isSame(entries[index].section, section) && isSame(entries[index].key, key) {
      var diagnostic = failure(line: line, "")
      diagnostic.text.append(text(key))
      diagnostic.text.append(" is given a second time; the first is in line ")
      diagnostic.text.append(entries[index].line)
      throw diagnostic
    }
    guard entryCount < ConfigurationFile.maximumEntries else {
      throw failure(line: line, "has more than 96 keys")
    }
    var entry = Entry(section: section, key: key, line: line)
    try classify(trimmed((equals + 1)..<range.upperBound), &entry)
    entries[entryCount] = entry
    entryCount += 1
  }

  private func classify(_ value: Range<Int>, _ entry: inout Entry) throws(Diagnostic) {
    entry.value = value
    if matches(value, "true") {
      entry.kind = .yes
    } else if value.count >= 2 && bytes[value.lowerBound] == UInt8(ascii: "\"") {
      entry.kind = .text
      guard bytes[value.upperBound - 1] == UInt8(ascii: "\"") else {
        throw failure(entry, "has something after its text: only a # comment may follow")
      }
      entry.value = (value.lowerBound + 1)..<(value.upperBound - 1)
      for index in entry.value
      where bytes[index] == UInt8(ascii: "\"") || bytes[index] == UInt8(ascii: "\\")
        || bytes[index] == 0x09
      {
        throw failure(entry, "has quotes, a tab or a backslash inside its text: leave them out")
      }
    } else if isNumber(value, allowFraction: false) {
      entry.kind = .integer
    } else if isNumber(value, allowFraction: true) {
      entry.kind = .decimal
    } else {
      throw bareValue(entry)
    }
  }

  /// Most who write neither a number nor true have left the quotes out.
  private func bareValue(_ entry: Entry) -> Diagnostic {
    var diagnostic = failure(entry, "needs a value: a number, a text in double quotes, or true")
    guard !entry.value.isEmpty else { return diagnostic }
    for index in entry.value
    where bytes[index] == UInt8(ascii: "\"") || bytes[index] == UInt8(ascii: "\\")
      || bytes[index] == 0x09
    {
      return diagnostic
    }
    diagnostic.text.append("; quote it: \"")
    diagnostic.text.append(text(entry.value))
    diagnostic.text.append("\"")
    return diagnostic
  }

  /// [-+] digits [. digits] [e [-+] digits], without leading zeros, as TOML wants them.
  private func isNumber(_ range: Range<Int>, allowFraction: Bool) -> Bool {
    var index = range.lowerBound
    func digits() -> Int {
      var count = 0
      while index + count < range.upperBound, bytes[index + count] >= UInt8(ascii: "0"),
        bytes[index + count] <= UInt8(ascii: "9")
      { count += 1 }
      return count
    }
    func skipSign() {
      if index < range.upperBound,
        bytes[index] == UInt8(ascii: "-") || bytes[index] == UInt8(ascii: "+")
      {
        index += 1
      }
    }
    skipSign()
    let whole = digits()
    guard whole > 0, whole == 1 || bytes[index] != UInt8(ascii: "0") else { return false }
    index += whole
    if allowFraction, index < range.upperBound, bytes[index] == UInt8(ascii: ".") {
      index += 1
      let fraction = digits()
      guard fraction > 0 else { return false }
      index += fraction
    }
    if allowFraction, index < range.upperBound, bytes[index] == UInt8(ascii: "e") {
      index += 1
      skipSign()
      let exponent = digits()
      guard exponent > 0 else { return false }
      index += exponent
    }
    return index == range.upperBound
  }

  func parseInteger(_ range: Range<Int>) -> Int? {
    var value = 0
    var isNegative = false
    for index in range {
      switch bytes[index] {
      case UInt8(ascii: "-"): isNegative = true
      case UInt8(ascii: "+"): continue
      default:
        let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = scaled.addingReportingOverflow(
          Int(bytes[index] - UInt8(ascii: "0")))
        guard !overflow, !carry else { return nil }
        value = sum
      }
    }
    return isNegative ? -value : value
  }

  /// Correctly rounded, because 15 digits and powers of ten up to 22 are exact in a Double, and one
  /// operation joins them (Clinger 1990); nil when the number needs more.
  func parseDecimal(_ range: Range<Int>) -> Double? {
    var mantissa = 0
    var digitCount = 0
    var exponent = 0
    var index = range.lowerBound
    var isFraction = false
    scan: while index < range.upperBound {
      switch bytes[index] {
      case UInt8(ascii: "-"), UInt8(ascii: "+"): break
      case UInt8(ascii: "."): isFraction = true
      case UInt8(ascii: "e"): break scan
      case let byte:
        if mantissa > 0 || byte != UInt8(ascii: "0") { digitCount += 1 }
        guard digitCount <= 15 else { return nil }
        mantissa = mantissa * 10 + Int(byte - UInt8(ascii: "0"))
        if isFraction { exponent -= 1 }
      }
      index += 1
    }
    if index < range.upperBound {
      guard let stated = parseInteger((index + 1)..<range.upperBound), stated.magnitude < 100 else {
        return nil
      }
      exponent += stated
    }
    guard exponent.magnitude <= 22 else { return mantissa == 0 ? 0 : nil }
    var power = 1.0
    for _ in 0..<exponent.magnitude { power *= 10 }
    let value = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
    return bytes[range.lowerBound] == UInt8(ascii: "-") ? -value : value
  }
}
