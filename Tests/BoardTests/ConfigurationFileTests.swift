// The grammar, byte by byte, and the questions that a file answers.

import Core
import Testing
import Tools

@Suite struct GrammarTests {
  @Test(arguments: [
    "", "\n\n", "# only a comment", "[a]\nb = 1", "[a]\nb = 1\n", "  [ a ]  # c\n\tb\t=\t1 # d\n\n",
    "[a]\r\nb = 1\r\n# c\r\n", "[a]\nb=\"x # y\" # \"z\"", "[a_1]\n1_b = true\n[b]\nc = 2",
    "[a]\nb = -1.5e-3\nc = +0\nd = 1e5\ne = 0.5\nf = 1.25e+05", "[a]\nb = 1 # µm/√Hz, 日本, 😀\tz",
    "[a]\nb = \"\"", "[a]\nb = 1\n[c]\nb = 1", "[a]\nb = 99999999999999999999",
  ])
  func accepts(_ text: String) {
    #expect(grammarRefusal(text) == nil)
  }

  @Test(arguments: [
    ("[a]\nb", 2, "expected [section] or key = value"),
    ("[a]\n= 1", 2, "expected [section] or key = value"),
    ("[a]\nB = 1", 2, "lower-case letters in keys"),
    ("[a]\nb.c = 1", 2, "lower-case letters in keys"),
    ("[a]\nb c = 1", 2, "lower-case letters in keys"),
    ("[a]\n\"b\" = 1", 2, "lower-case letters in keys"),
    ("\nb = 1\n[a]", 2, "a key stands before the first [section]"),
    ("[a", 1, "a section is written [name], alone on its line"),
    ("[", 1, "a section is written [name]"),
    ("[a] b = 1", 1, "a section is written [name]"),
    ("[]", 1, "a section's name has lower-case letters"),
    ("[A]", 1, "a section's name has lower-case letters"),
    ("[a.b]", 1, "a section's name has lower-case letters"),
    ("[[a]]", 1, "a section's name has lower-case letters"),
    ("[a]\nb = 1\n[c]\nd = 1\n\n[a]\ne = 1", 6, "this section stands above already"),
    ("[a]\n\n[b]\nc = 1", 1, "this section has no keys"),
    ("[a]\nb = 1\n[c] # d = 1\n", 3, "this section has no keys"),
    ("[a]\n[a]\nb = 1", 1, "this section has no keys"),
    ("[a]\nb = 1\nc = 1\nb = 2", 4, "b is given a second time; the first is in line 2"),
    ("[a]\nb = \"x", 2, "has a text without closing quotes"),
    ("[a]\nb = \"x # y", 2, "has a text without closing quotes"),
    ("[a]\nb = \"", 2, "has a text without closing quotes"),
    ("[a]\nb = \"x\\\\y\"", 2, "b has quotes, a tab or a backslash inside its text"),
    ("[a]\nb = \"x\ty\"", 2, "b has quotes, a tab or a backslash inside its text"),
    ("[a]\nb = \"x\"y\"z\"", 2, "b has quotes, a tab or a backslash inside its text"),
    ("[a]\nb = \"\"\"x\"\"\"", 2, "b has quotes, a tab or a backslash inside its text"),
    ("[a]\nb = \"x\" 1", 2, "b has something after its text: only a # comment may follow"),
    ("[a]\nb = \"x\"y", 2, "b has something after its text: only a # comment may follow"),
    ("[a]\nb =", 2, "b needs a value: a number, a text in double quotes, or true"),
    ("[a]\nb = # 1", 2, "b needs a value"),
    ("[a]\nb = 'x'", 2, "b needs a value"),
    ("[a]\nb = false", 2, "b needs a value"),
    ("[a]\nb = True", 2, "b needs a value"),
    ("[a]\nb = truely", 2, "b needs a value"),
    ("[a]\nb = [1]", 2, "b needs a value"),
    ("[a]\nb = {c = 1}", 2, "b needs a value"),
    ("[a]\nb = 2026-11-20", 2, "b needs a value"),
    ("[a]\nb = 1\n\n# c\nb2 = x", 5, "b2 needs a value"),
    ("[a]\nb = 01", 2, "b needs a value"),
    ("[a]\nb = -01.5", 2, "b needs a value"),
    ("[a]\nb = 1_000", 2, "b needs a value"),
    ("[a]\nb = 0x10", 2, "b needs a value"),
    ("[a]\nb = 1.", 2, "b needs a value"),
    ("[a]\nb = .5", 2, "b needs a value"),
    ("[a]\nb = 1.e5", 2, "b needs a value"),
    ("[a]\nb = 1e", 2, "b needs a value"),
    ("[a]\nb = 1e+", 2, "b needs a value"),
    ("[a]\nb = 1E5", 2, "b needs a value"),
    ("[a]\nb = 1e2.5", 2, "b needs a value"),
    ("[a]\nb = +", 2, "b needs a value"),
    ("[a]\nb = --1", 2, "b needs a value"),
    ("[a]\nb = 1 2", 2, "b needs a value"),
    ("[a]\nb = inf", 2, "b needs a value"),
    ("[a]\nb = nan", 2, "b needs a value"),
    ("[a]\nb = \"é\"", 2, "not printable ASCII outside a comment"),
    ("[a]\né = 1", 2, "not printable ASCII outside a comment"),
    ("[a]\nb = 1\u{7F}", 2, "not printable ASCII outside a comment"),
    ("\u{FEFF}[a]\nb = 1", 1, "not printable ASCII outside a comment"),
  ])
  func refuses(_ text: String, _ line: Int, _ phrase: String) {
    expect(grammarRefusal(text), line, phrase)
    // The same refusal, in the same line, with the line ends of the other system.
    let windows = Array(text.utf8).flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] }
    expect(grammarRefusal(windows), line, phrase)
  }

  private func expect(_ sentence: String?, _ line: Int, _ phrase: String) {
    #expect(sentence?.hasPrefix("t.toml:\(line): ") == true, "\(sentence ?? "accepted")")
    #expect(sentence?.contains(phrase) == true, "\(sentence ?? "accepted")")
  }

  /// Bytes that no String can hold, or that an editor hides.
  @Test(
    arguments: [
      ([0x0D], "not printable ASCII"),  // a carriage return with no line feed after it
      ([0x0D, 0x20], "not printable ASCII"),
      ([0x00], "not printable ASCII"),
      ([0xFF], "not printable ASCII"),
      ([0x23, 0x00], "has a comment that is not UTF-8 text"),
      ([0x23, 0x0D], "has a comment that is not UTF-8 text"),
      ([0x23, 0x0D, 0x78], "has a comment that is not UTF-8 text"),
      ([0x23, 0x7F], "has a comment that is not UTF-8 text"),
      ([0x23, 0xE9], "has a comment that is not UTF-8 text"),  // é in Latin-1
      ([0x23, 0x80], "has a comment that is not UTF-8 text"),
      ([0x23, 0xC0, 0xAF], "has a comment that is not UTF-8 text"),  // overlong
      ([0x23, 0xE0, 0x80, 0xAF], "has a comment that is not UTF-8 text"),
      ([0x23, 0xED, 0xA0, 0x80], "has a comment that is not UTF-8 text"),  // a surrogate
      ([0x23, 0xF0, 0x80, 0x80, 0xAF], "has a comment that is not UTF-8 text"),
      ([0x23, 0xF4, 0x90, 0x80, 0x80], "has a comment that is not UTF-8 text"),  // beyond Unicode
      ([0x23, 0xE2, 0x82], "has a comment that is not UTF-8 text"),  // cut short
    ] as [([UInt8], String)])
  func refusesBytes(_ bytes: [UInt8], _ phrase: String) {
    expect(grammarRefusal(Array("[a]\nb = 1 ".utf8) + bytes), 2, phrase)
  }

  /// Every scalar of Unicode but the controls may stand in a comment.
  @Test func commentsHoldAnyUtf8() {
    var text = "[a]\nb = 1\n"
    for value in stride(from: UInt32(0xA0), through: 0x10FFFF, by: 251) {
      guard let scalar = Unicode.Scalar(value) else { continue }
      text += "#\(scalar)\n"
      if text.utf8.count > 30_000 {
        #expect(grammarRefusal(text) == nil)
        text = "[a]\nb = 1\n"
      }
    }
    #expect(grammarRefusal(text) == nil)
  }

  @Test func aFileHasFewerThan32768Bytes() {
    let start = "[a]\nb = 1\n#"
    let fits = start + String(repeating: "x", count: 32_767 - start.utf8.count)
    #expect(grammarRefusal(fits) == nil)
    #expect(
      grammarRefusal(fits + "x")
        == "t.toml: is too long: a configuration file has fewer than 32768 bytes")
  }

  @Test func aFileHasAtMost96Keys() {
    let keys = (1...97).map { "k\($0) = \($0)" }
    #expect(grammarRefusal("[a]\n" + keys.dropLast().joined(separator: "\n")) == nil)
    expect(grammarRefusal("[a]\n" + keys.joined(separator: "\n")), 98, "has more than 96 keys")
  }

  @Test func theRefusalNamesTheFile() {
    let sentence = refusal("[a]\nb", path: "/etc/onset/station.toml") { _ throws(Diagnostic) in }
    #expect(sentence?.hasPrefix("/etc/onset/station.toml:2: expected") == true)
  }
}
