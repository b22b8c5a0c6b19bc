// The questions that a parsed file answers, and the values of its numbers.

import Core
import Testing
import Tools

@Suite struct ConfigurationValueTests {
  private func integer(_ value: String, in range: ClosedRange<Int>) throws -> Int {
    try parse("[a]\nb = \(value)") { file throws(Diagnostic) in
      file.integer("a", "b", in: range)
    }
  }

  private func decimal(_ value: String, in range: ClosedRange<Double>) throws -> Double {
    try parse("[a]\nb = \(value)") { file throws(Diagnostic) in
      file.decimal("a", "b", in: range)
    }
  }

  private static let allIntegers = -Int.max...Int.max
  private static let allDecimals = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude

  @Test(arguments: [
    ("0", 0), ("-0", 0), ("+5", 5), ("-17", -17), ("9223372036854775807", Int.max),
    ("-9223372036854775807", -Int.max),
  ])
  func integers(_ text: String, _ expected: Int) throws {
    #expect(try integer(text, in: Self.allIntegers) == expected)
  }

  @Test(arguments: [
    "9223372036854775808", "-9223372036854775808", "99999999999999999999", "1.0", "1e3", "true",
    "\"1\"",
  ])
  func whatIsNoInteger(_ text: String) {
    #expect(throws: Diagnostic.self) { try integer(text, in: Self.allIntegers) }
  }

  @Test func integerRangesIncludeTheirEnds() throws {
    #expect(try integer("3", in: 3...5) == 3)
    #expect(try integer("5", in: 3...5) == 5)
    for value in ["2", "6"] {
      let sentence = refusal("[a]\nb = \(value)") { file throws(Diagnostic) in
        file.integer("a", "b", in: 3...5)
      }
      #expect(sentence == "t.toml:2: b must be a whole number from 3 to 5")
    }
  }

  @Test(arguments: [
    (0.5...2.0, "from 0.5 to 2"), (-0.25...0, "from -0.25 to 0"),
    (1e-6...1e6, "from 1e-6 to 1000000"), (-1e12 ... -1e-4, "from -1e12 to -1e-4"),
  ])
  func decimalRangesAreStated(_ range: ClosedRange<Double>, _ phrase: String) throws {
    #expect(try decimal("\(range.lowerBound)", in: range) == range.lowerBound)
    let sentence = refusal("[a]\nb = 1e20") { file throws(Diagnostic) in
      file.decimal("a", "b", in: range)
    }
    #expect(sentence == "t.toml:2: b must be a number of at most 15 digits " + phrase)
  }

  /// 15 significant digits, of which leading zeros are none, and powers of ten up to 22.
  @Test(
    arguments: [
      ("123456789012345", 123_456_789_012_345), ("0.000000123456789012345", 1.23456789012345e-7),
      ("0.00000000000012345", 1.2345e-13), ("1e22", 1e22), ("1e23", nil), ("1e-22", 1e-22),
      ("1e-23", nil), ("0e99", 0), ("0e-99", 0), ("1e100", nil), ("1e99999999999999999999", nil),
      ("1234567890123456", nil), ("0.1234567890123456", nil), ("-1.5e+2", -150), ("+0.25", 0.25),
      ("1.500", 1.5), ("7", 7), ("-0.0", 0), ("1.5e-21", 1.5e-21), ("1.5e-22", nil),
    ] as [(String, Double?)])
  func decimals(_ text: String, _ expected: Double?) {
    #expect((try? decimal(text, in: Self.allDecimals)) == expected)
  }

  /// Every number that the reader accepts is the nearest Double, as the standard library's is.
  @Test func decimalsAreCorrectlyRounded() throws {
    let keys: [StaticString] = [
      "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s",
      "t", "u", "v", "w", "x", "y", "z", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9",
      "b0", "b1", "b2", "b3",
    ]
    var random = RandomGenerator(seed: 11)
    var wrong: [String] = []
    for _ in 0..<(100_000 / keys.count) {
      let numbers = keys.map { _ in randomDecimal(&random) }
      let lines = zip(keys, numbers).map { "\($0) = \($1)" }.joined(separator: "\n")
      try parse("[s]\n" + lines) { file throws(Diagnostic) in
        for (key, number) in zip(keys, numbers) {
          let value = file.decimal("s", key, in: Self.allDecimals)
          if value.bitPattern != Double(number)?.bitPattern { wrong.append(number) }
        }
      }
    }
    #expect(wrong.isEmpty)
  }

  /// Up to 15 digits, a point anywhere, and an exponent such that 10 is raised to 22 at most.
  private func randomDecimal(_ random: inout RandomGenerator) -> String {
    let count = 1 + random.below(15)
    var digits = String(1 + random.below(9))
    while digits.count < count { digits += String(random.below(10)) }
    let places = random.below(count)  // after the point
    var text = ["", "-", "+"][random.below(3)] + digits.dropLast(places)
    if places > 0 { text += "." + digits.suffix(places) }
    guard random.below(2) == 0 else { return text }
    let exponent = random.below(45) - 22 + places
    return text + "e" + ["", exponent >= 0 ? "+" : ""][random.below(2)] + String(exponent)
  }

  @Test func texts() throws {
    let text = try parse("[a]\nb = \"~ x'#=[]!\"") { file throws(Diagnostic) in
      file.text("a", "b", Text<10>.self)
    }
    #expect(text.string == "~ x'#=[]!")
    for value in ["\"\"", "\"12345\"", "1234", "true"] {
      let sentence = refusal("[a]\nb = \(value)") { file throws(Diagnostic) in
        file.text("a", "b", Text<4>.self)
      }
      #expect(sentence == "t.toml:2: b must be a text in double quotes of 1 to 4 characters")
    }
  }

  @Test func flags() throws {
    let set = try parse("[a]\nb = true") { file throws(Diagnostic) in file.flag("a", "b") }
    #expect(set)
    let absent = try parse("[a]\nc = true") { file throws(Diagnostic) in file.flag("a", "b") }
    #expect(!absent)
    let sentence = refusal("[a]\nb = 1") { file throws(Diagnostic) in file.flag("a", "b") }
    #expect(sentence == "t.toml:2: b must be true, or the line left out")
  }

  @Test func choices() throws {
    let choice = try parse("[a]\nb = \"two\"") { file throws(Diagnostic) in
      file.choice("a", "b", ["one", "two", "", "", ""])
    }
    #expect(choice == 1)
    for value in ["\"three\"", "\"\"", "2", "\"tw\""] {
      let sentence = refusal("[a]\nb = \(value)") { file throws(Diagnostic) in
        file.choice("a", "b", ["one", "two", "", "", ""])
      }
      #expect(sentence == "t.toml:2: b must be one of \"one\" \"two\"")
    }
  }

  @Test func dates() throws {
    let date = try parse("[a]\nb = \"2026-11-20\"") { file throws(Diagnostic) in
      file.date("a", "b")
    }
    #expect(date == CalendarDate(year: 2026, month: 11, day: 20))
    for value in ["\"2026-11-31\"", "20261120", "\"20 November\""] {
      let sentence = refusal("[a]\nb = \(value)") { file throws(Diagnostic) in
        file.date("a", "b")
      }
      #expect(sentence == "t.toml:2: b must be a date such as \"2026-03-01\"")
    }
  }

  @Test func defaultsAndMissingKeys() throws {
    try parse("[a]\nb = 1") { file throws(Diagnostic) in
      let integer = file.integer("a", "none", in: 1...2, default: 7)
      let decimal = file.decimal("a", "none", in: 1...2, default: 7.5)
      let text = file.text("a", "none", Text<4>.self, isOptional: true)
      #expect(integer == 7 && decimal == 7.5 && text.isEmpty)
    }
    let sentence = refusal("[a]\nb = 1") { file throws(Diagnostic) in
      file.integer("c", "b", in: 1...2)
    }
    #expect(sentence == "t.toml: missing key b in [c]: a whole number from 1 to 2 is needed")
  }

  @Test func sectionsAndKeysCanBeAskedFor() throws {
    try parse("[a]\nb = 1\n[c]\nd = 1") { file throws(Diagnostic) in
      let answers = [
        file.has(section: "a"), file.has(section: "c"), file.has("a", "b"), file.has("c", "d"),
      ]
      let others = [file.has(section: "b"), file.has("a", "d"), file.has("c", "b")]
      #expect(answers.allSatisfy { $0 })
      #expect(!others.contains(true))
    }
  }

  @Test func aContradictionNamesTheLineIfThereIsOne() throws {
    let sentences = refusal("[a]\n\nb = 1") { file throws(Diagnostic) in
      file.demand(true, "a", "b", "is right")
      file.demand(false, "a", "b", "is odd")
      file.demand(false, "a", "c", "is absent")
    }
    #expect(sentences == "t.toml:3: b is odd\nt.toml: is absent")
  }

  @Test(arguments: [
    ("sample_rat", "; did you mean sample_rate in [a]?"),
    ("smaple_rate", "; did you mean sample_rate in [a]?"),
    ("sample_rate_hz", "; did you mean sample_rate in [a]?"),
    ("chanels", "; did you mean channels in [a]?"),
    ("zzz", "; remove it"), ("sam", "; remove it"),
  ])
  func unknownKeysGetTheNearestKnownOne(_ key: String, _ phrase: String) {
    let sentence = refusal("[a]\n\(key) = 1") { file throws(Diagnostic) in
      _ = file.integer("a", "sample_rate", in: 1...2, default: 1)
      _ = file.integer("a", "channels", in: 1...2, default: 1)
      try file.finish()
    }
    #expect(sentence?.hasPrefix("t.toml:2: unknown key \(key) in [a]" + phrase) == true)
  }

  /// Whoever mends one line at a time starts the program as often as lines are wrong.
  @Test func everythingWrongIsToldAtOnce() {
    let sentences = refusal("[a]\nb = 7\nc = rising\nx\n[d]\nmodes = 1\n[e]") {
      file throws(Diagnostic) in
      _ = file.integer("a", "b", in: 1...2)
      _ = file.choice("d", "mode", ["one", "two", "", "", ""])
      _ = file.text("d", "nothing", Text<8>.self)
      try file.finish()
    }
    #expect(
      sentences == """
        t.toml:3: c needs a value: a number, a text in double quotes, or true; quote it: "rising"
        t.toml:4: expected [section] or key = value, with lower-case letters in keys
        t.toml:7: this section has no keys: write some or leave it out
        t.toml:2: b must be a whole number from 1 to 2
        t.toml:6: unknown key modes in [d]; did you mean mode in [d]?
        """)
  }

  @Test func whatIsMissingIsToldBesideWhatItMayHaveBecome() {
    let sentences = refusal("[d]\nmodes = 1") { file throws(Diagnostic) in
      _ = file.choice("d", "mode", ["one", "two", "", "", ""])
      try file.finish()
    }
    #expect(
      sentences == """
        t.toml: missing key mode in [d]: one of "one" "two" is needed
        t.toml:2: unknown key modes in [d]; did you mean mode in [d]?
        """)
  }

  @Test func moreThanFitsIsCounted() {
    let lines = (0..<40).map { "key_\($0) = 1" }.joined(separator: "\n")
    let sentences = refusal("[a]\n" + lines) { file throws(Diagnostic) in try file.finish() }
    let told = sentences?.split(separator: "\n") ?? []
    #expect(told.dropLast().last.map { $0 == "and \(40 - told.count + 1) more" } == true)
    #expect(told.last == "t.toml:41: unknown key key_39 in [a]; remove it")
    #expect(told.first == "t.toml:2: unknown key key_0 in [a]; remove it")
  }

  @Test(arguments: ["2026-03-01", "plughw:0", "yes", "1.2.3"])
  func anUnquotedTextIsShownQuoted(_ value: String) {
    let sentence = refusal("[a]\nb = \(value)") { file throws(Diagnostic) in file.date("a", "b") }
    #expect(sentence?.hasSuffix("; quote it: \"\(value)\"") == true)
  }

  @Test func whatHasATabIsNotShownQuoted() {
    let sentence = refusal("[a]\nb = 1\tc") { file throws(Diagnostic) in file.date("a", "b") }
    #expect(
      sentence == "t.toml:2: b needs a value: a number, a text in double quotes, or true")
  }

  @Test func aKeyInTheWrongSectionIsShownItsPlace() {
    let sentence = refusal("[a]\nline = 1") { file throws(Diagnostic) in
      _ = file.has("pps", "line")
      try file.finish()
    }
    #expect(sentence == "t.toml:2: unknown key line in [a]; did you mean line in [pps]?")
  }

  @Test func finishIsContentWhenAllWasAsked() {
    let sentence = refusal("[a]\nb = 1\nc = 2") { file throws(Diagnostic) in
      _ = file.has("a", "b")
      _ = file.has("a", "c")
      try file.finish()
    }
    #expect(sentence == nil)
  }
}
