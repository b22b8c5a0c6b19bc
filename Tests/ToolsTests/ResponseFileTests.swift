// StationXML and RESP as they are read, and what is refused of them.

import Core
import Foundation
import Testing

@testable import Tools

@Suite struct ResponseFileTests {
  private func read(_ text: String) throws -> [ChannelResponse] {
    try ResponseFile.read(Array(text.utf8))
  }

  private func changed(_ text: String, _ old: String, _ new: String) -> String {
    #expect(text.contains(old), "\(old)")
    return text.replacing(old, with: new)
  }

  @Test func everyElementOfStationXmlArrives() throws {
    let channels = try read(HandWritten.xml(HandWritten.three))
    #expect(channels.map(\.code) == ["AM.R1234.00.EHZ", "AM.R1234.00.EHN", "AM.R1234.00.EHE"])
    let channel = channels[0]
    #expect(channel.problem == nil && channel.group == "AM.R1234.00.EH")
    #expect(
      channel.start == UTC(iso8601: "2020-01-01") && channel.end == UTC(iso8601: "2030-01-01"))
    #expect(channel.azimuth == 0 && channel.dip == -90 && channel.sampleHertz == 100)
    #expect(channel.sensor == "geophone, \"4.5 Hz\"" && channel.serial == "7")
    #expect(channel.sensitivity == 11_520_000 && channel.sensitivityHertz == 15)
    #expect(channel.sensitivityUnit == "M/S" && channel.stages.count == 2)
    let first = channel.stages[0]
    #expect(first.inputUnit == "m/s" && first.outputUnit == "V")
    #expect(first.gain == 28.8 && first.gainHertz == 15 && first.decimation == nil)
    var polesZeros = ResponseStage.PolesZeros()
    polesZeros.a0 = 1.00225
    polesZeros.normalisationHertz = 15
    polesZeros.zeros = [Complex(0), Complex(0)]
    polesZeros.poles = [Complex(-19.79203, 20.19191), Complex(-19.79203, -20.19191)]
    #expect(first.kind == .polesZeros(polesZeros))
    let second = channel.stages[1]
    #expect(second.kind == .digital(numerators: [0.25, 0.5, 0.25], denominators: []))
    #expect(
      second.decimation
        == .init(inputHertz: 1000, factor: 10, delaySeconds: 0.001, correctionSeconds: 0.001))
  }

  /// A prefix for the schema's own name space, and elements of others with the same names.
  @Test func nameSpaces() throws {
    let foreign = "<x:Stage number=\"9\"><Zero/></x:Stage><x:Azimuth>7</x:Azimuth>"
    let plain = HandWritten.xml(HandWritten.channel("EHZ"))
    let with = changed(plain, "<SampleRate>", foreign + "<SampleRate>")
    #expect(try read(with) == read(plain))
    let prefixed = plain.replacing("</", with: "\u{1}").replacing("<", with: "<f:")
      .replacing("\u{1}", with: "</f:").replacing("<f:?", with: "<?")
    #expect(try read(prefixed) == read(plain))
    let without = changed(prefixed, "<f:SampleRate>", "<Azimuth>7</Azimuth><f:SampleRate>")
    #expect(try read(without) == read(plain))
  }

  @Test func everyFieldOfRespArrives() throws {
    let channel = try read(HandWritten.resp)[0]
    #expect(channel.problem == nil && channel.code == "XX.ABC..HHZ")
    #expect(
      channel.start == UTC(iso8601: "2020-01-01") && channel.end == UTC(iso8601: "2030-03-01"))
    #expect(channel.sensitivity == 3e8 && channel.sensitivityHertz == 5)
    #expect(channel.sampleHertz == 100)
    var polesZeros = ResponseStage.PolesZeros()
    polesZeros.isHertz = true
    polesZeros.a0 = 1
    polesZeros.normalisationHertz = 5
    polesZeros.zeros = [Complex(0), Complex(0)]
    polesZeros.poles = [Complex(-0.007, 0.007), Complex(-0.007, -0.007)]
    #expect(channel.stages[0].kind == .polesZeros(polesZeros))
    #expect(channel.stages[0].inputUnit == "M/S" && channel.stages[0].gain == 750)
    #expect(channel.stages[1].kind == .digital(numerators: [0.5, 0.5], denominators: []))
    #expect(channel.stages[1].decimation?.delaySeconds == 0.0025)
  }

  @Test func linesMayEndInThreeWays() throws {
    let plain = try read(HandWritten.resp)
    for ending in ["\r\n", "\r"] {
      #expect(try read(HandWritten.resp.replacing("\n", with: ending)) == plain)
    }
    // And a line has its number in each.
    let wrong = changed(HandWritten.resp, "B053F15-18    1 -0.007", "B053F15-18    1 x")
    for ending in ["\n", "\r\n", "\r"] {
      let problem = try read(wrong.replacing("\n", with: ending))[0].problem
      #expect(problem?.hasPrefix("line 19: ") == true, "\(problem ?? "none")")
    }
  }

  @Test(arguments: ["No Ending Time", "2599,365,23:59:59", "2999,001"])
  func anEndThatIsNone(_ end: String) throws {
    let channel = try read(changed(HandWritten.resp, "2030,060", end))[0]
    #expect(channel.end == nil && channel.problem == nil && channel.epoch == "2020-01-01 to now")
  }

  /// rdseed's other spelling: stages in blockettes 60, and their entries of the dictionary.
  @Test func theDictionarySaysTheSame() throws {
    var lines = HandWritten.resp.split(separator: "\n").map(String.init)
    lines.insert("B060F04 Stage: 1", at: lines.firstIndex { $0.hasPrefix("B053F03") }!)
    lines.insert("B060F04 Stage: 2", at: lines.firstIndex { $0.hasPrefix("B054F03") }!)
    let sensitivity = lines.lastIndex { $0.hasPrefix("B058F03") }!
    for index in lines.indices where index < sensitivity {
      let line = lines[index]
      guard ["B053", "B054", "B057", "B058"].contains(String(line.prefix(4))) else { continue }
      let field = Int(line.dropFirst(5).prefix(2))!
      let isStage = field == (["B053", "B054"].contains(String(line.prefix(4))) ? 4 : 3)
      if isStage {
        lines[index] = "#"
        continue
      }
      let number = Int(line.dropFirst(1).prefix(3))! - 10
      let moved = field == 3 ? 5 : field + 1
      lines[index] = String(format: "B%03dF%02d", number, moved) + line.dropFirst(7)
    }
    // An entry's key and name are no fields of what it stands for.
    let first = lines.firstIndex { $0.hasPrefix("B043F05") }!
    lines.insert(contentsOf: ["B043F03 Key: 7", "B043F04 Name: PZ"], at: first)
    #expect(try read(lines.joined(separator: "\n")) == read(HandWritten.resp))
  }

  @Test(arguments: [
    ("M/S", MotionUnit.velocity(perMetre: 1)), ("m/s", .velocity(perMetre: 1)),
    ("M/SEC", .velocity(perMetre: 1)), ("nm/s", .velocity(perMetre: 1e9)),
    ("UM/S", .velocity(perMetre: 1e6)), ("mm/sec", .velocity(perMetre: 1e3)),
    ("CM/S", .velocity(perMetre: 1e2)), ("M/S**2", .acceleration(perMetre: 1)),
    ("m/s^2", .acceleration(perMetre: 1)), ("M/S/S", .acceleration(perMetre: 1)),
    ("M/(SEC**2)", .acceleration(perMetre: 1)), ("cm/s**2", .acceleration(perMetre: 1e2)),
    ("M", .displacement(perMetre: 1)), ("NM", .displacement(perMetre: 1e9)),
  ])
  func unitsInTheirSpellings(_ name: String, _ unit: MotionUnit) {
    #expect(MotionUnit(name) == unit)
  }

  @Test(arguments: [
    "", "PA", "RAD/S", "M/M", "V", "M/", "/S", "M/S**3", "M/S//S", "COUNTS", "KM/S",
  ])
  func unitsOfSomethingElse(_ name: String) { #expect(MotionUnit(name) == nil) }

  @Test(arguments: [
    ("", "is empty: it must be StationXML or RESP"), ("hello", "is neither StationXML"),
    ("000001V 0100", "is a dataless SEED volume"), ("\u{1F}", "is neither StationXML"),
    ("<html></html>", "is XML of html and not of FDSNStationXML: ask for StationXML"),
    ("<FDSNStationXML>", "it is truncated; fetch it again"),
    ("<FDSNStationXML/>", "has no channel: ask for the file with level=response"),
    ("# RESP\n", "has no channel: RESP begins one with B050F03"),
  ])
  func filesOfAnotherKind(_ text: String, _ phrase: String) {
    #expect(HandWritten.refusal(text).contains(phrase), "\(HandWritten.refusal(text))")
  }

  @Test(arguments: [
    (">28.8<", ">NaN<", "Value is \"NaN\" and not a finite number"),
    (">28.8<", "><", "Value is \"\" and not a finite number"),
    (">28.8<", ">1e999<", "not a finite number"), (">28.8<", ">0<", "stage 1 has a gain of 0"),
    (">28.8<", ">0x10<", "not a finite number"),
    ("<Real>0</Real>", "", "a Zero needs Real and Imaginary"),
    ("LAPLACE (RADIANS/SECOND)", "DIGITAL (Z-TRANSFORM)", "stage 1 is digital poles and zeros"),
    ("LAPLACE (RADIANS/SECOND)", "FOURIER", "known are LAPLACE (RADIANS/SECOND)"),
    ("<FIR>", "<Polynomial/><FIR>", "stage 2 is a polynomial"),
    ("<FIR>", "<ResponseList/><FIR>", "stage 2 is a table of frequencies"),
    ("<FIR>", "<PolesZeros/><FIR>", "stage 2 has two responses"),
    ("number=\"2\"", "number=\"3\"", "has stages 1, 3: they must be numbered from 1"),
    ("number=\"2\"", "number=\"1\"", "stage 1 is there twice"),
    ("number=\"2\"", "number=\"0\"", "a stage has no number of 1 or more"),
    ("<Name>m/s</Name>", "<Name>PA</Name>", "measures PA: a station needs M, M/S or M/S**2"),
    ("COUNTS", "V", "ends in V and not in COUNTS: the digitizer's stages are missing"),
    (">1000<", ">0<", "stage 2 is a digital filter without an input sample rate above 0"),
    (">1000<", ">-5<", "without an input sample rate above 0"),
    ("2020-01-01T00:00:00", "2020-13-01", "startDate is \"2020-13-01\" and not a time"),
    (">0.5<", ">-0.5<", "stage 2 lets nothing through at 0 Hz"),
  ])
  func stationXmlThatIsWrong(_ old: String, _ new: String, _ phrase: String) {
    let text = changed(HandWritten.xml(HandWritten.channel("EHZ")), old, new)
    let sentence = HandWritten.refusal(text)
    #expect(sentence.contains(phrase), "\(sentence)")
    #expect(sentence.hasPrefix("AM.R1234.00.EHZ: "), "\(sentence)")
  }

  @Test(arguments: [
    (
      "B053F07     A0 normalization factor:               1", "B053F07 A0: nan",
      "not a finite number"
    ),
    ("B [Analog (Hz)]", "D", "stage 1 is digital poles and zeros"),
    ("B [Analog (Hz)]", "X", "known are A (rad/s) and B (Hz)"),
    ("B053F15-18    0 -0.007 0.007 0 0\n", "", "says 2 rows and 1 follow"),
    ("0 -0.007 0.007", "0 -0.007 inf", "must be 3 finite numbers"),
    ("0 0.5 0", "0", "must be 2 finite numbers"),
    (
      "B058F03     Stage sequence number:                 2", "B058F03 Stage: 1",
      "stage 1 has two gains"
    ),
    (
      "B054F04     Stage sequence number:                 2", "B054F04 Stage: 1",
      "has two responses"
    ),
    (
      "B054F04     Stage sequence number:                 2", "B054F04 Stage: x",
      "no stage's number"
    ),
    ("2020,001,00:00:00.0000", "2020-01-01", "not a time as 2026,334"),
    ("B052F23     End date:    2030,060", "hello", "\"hello\" is no line of RESP"),
    ("Transfer function type:                D", "Type: A", "stage 2 is analog coefficients"),
  ])
  func respThatIsWrong(_ old: String, _ new: String, _ phrase: String) {
    let sentence = HandWritten.refusal(changed(HandWritten.resp, old, new))
    #expect(sentence.contains(phrase), "\(sentence)")
  }
}
