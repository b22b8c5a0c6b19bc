import Core
import Testing

@Suite struct TextTests {
  @Test func startsEmpty() {
    let text = Text<8>()
    #expect(text.isEmpty)
    #expect(text.string == "")
    #expect(Text<8>("").isEmpty)
  }

  @Test func isCutAtItsCapacity() {
    var text = Text<5>("abc")
    text.append("defg")
    #expect(text.string == "abcde")
    text.append(Text<9>("x"))
    text.append(byte: UInt8(ascii: "y"))
    text.append(-123)
    #expect(text.string == "abcde")
    #expect(text.count == 5)
  }

  @Test func joinsTextsOfOtherCapacities() {
    var text = Text<16>("onset")
    text.append(Text<3>("-ab"))
    text.append(Text<40>("-cd"))
    #expect(text.string == "onset-ab-cd")
    #expect(text[5] == UInt8(ascii: "-"))
  }

  @Test func appendsACString() {
    var text = Text<16>()
    "no such file".withCString { text.append(cString: $0) }
    #expect(text.string == "no such file")
    text.append(cString: nil)
    #expect(text.string == "no such file")
  }

  @Test func bytesAboveAsciiSurviveTheWayToC() {
    var text = Text<8>()
    text.append(byte: 0xC3)
    text.append(byte: 0xA9)
    #expect(text.withCString { String(cString: $0) } == "é")
  }

  @Test(arguments: [0, 7, -7, 10, 100, -100, 123_456_789, Int.max, Int.min])
  func integers(_ value: Int) {
    var text = Text<24>()
    text.append(value)
    #expect(text.string == "\(value)")
  }

  @Test(arguments: [
    (7, 1, "7"), (7, 3, "007"), (1234, 3, "1234"), (0, 0, ""), (0, 1, "0"), (-7, 3, "-007"),
    (1, 20, "00000000000000000001"),
  ])
  func paddedIntegers(_ value: Int, _ width: Int, _ expected: String) {
    var text = Text<24>()
    text.append(digitsOf: value, minimumWidth: width)
    #expect(text.string == expected)
  }

  @Test(arguments: [
    (8_000_000, "8000"), (31_250, "31.25"), (1, "0.001"), (10, "0.01"), (100, "0.1"), (0, "0"),
    (1001, "1.001"), (999, "0.999"), (-1500, "-1.5"), (-1000, "-1"), (-500, "-0.5"), (-1, "-0.001"),
  ])
  func thousandths(_ value: Int, _ expected: String) {
    var text = Text<24>()
    text.append(thousandths: value)
    #expect(text.string == expected)
  }

  @Test func equality() {
    let text = Text<8>("abc")
    #expect(text.equals("abc"))
    #expect(!text.equals("abd"))
    #expect(!text.equals("ab"))
    #expect(!text.equals("abcd"))
    #expect(text.equals(Text<3>("abc")))
    #expect(!text.equals(Text<3>("bbc")))
    #expect(!text.equals(Text<3>("ab")))
    #expect(Text<8>().equals(""))
  }

  @Test func aFullTextStillEndsInZeroForC() {
    #expect(Text<4>("abcd").withCString { String(cString: $0) } == "abcd")
  }

  @Test func aDiagnosticHoldsItsSentence() {
    #expect(Diagnostic("must be 1 or -1").text.string == "must be 1 or -1")
  }
}
