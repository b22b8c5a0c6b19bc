// What instrument files say of a station's responses, and what is told of the rest.

import Conditioning
import Core
import Foundation
import Testing

@testable import Tools

@Suite struct CalibrationImportTests {
  private func changed(_ text: String, _ old: String, _ new: String) -> String {
    #expect(text.contains(old), "\(old)")
    return text.replacing(old, with: new)
  }

  private func one(_ response: String = HandWritten.response) -> String {
    HandWritten.xml(HandWritten.channel("EHZ", response))
  }

  /// A geophone's poles come back as its corner and damping, and its gains as counts per m/s.
  @Test func aGeophoneIsSaidWhole() throws {
    let imported = try HandWritten.imported(HandWritten.xml(HandWritten.three))
    #expect(imported.instruments.map(\.component) == [.vertical, .north, .east])
    for instrument in imported.instruments {
      let corner = try #require(instrument.corner)
      #expect(abs(corner.cornerHertz - 4.5) < 1e-4 && abs(corner.damping - 0.7) < 1e-5)
      #expect(instrument.quantity == .velocity && instrument.polarity == 1)
      // 28.8 V/(m/s) hold at 15 Hz, where the corner still takes 0.2 % (A0), as does the filter. What
      // is left is the filter, 0.5 + 0.5 cos(2 pi f / 1000), and most of it at 0.1 Hz.
      let filter = 0.5 + 0.5 * cos(2 * Double.pi * 15 / 1000)
      #expect(abs(instrument.countsPerUnit / (28.8 * 400_000 * 1.00225 * filter) - 1) < 1e-5)
      #expect(abs(instrument.deviation.decibels + 20 * log10(filter)) < 1e-3)
      #expect(instrument.deviation.degrees < 1e-6)
    }
    let text = imported.instruments[2].text(from: "station.xml")
    let lines = Set(text.split(separator: "\n").map(String.init))
    #expect(
      lines.isSuperset(of: [
        "# AM.R1234.00.EHE, 2020-01-01 to 2030-01-01, imported from station.xml by onset calibration import.",
        "model = \"geophone, 4.5 Hz\"", "serial = \"7\"", "quantity = \"velocity\"",
        "measured = \"2020-01-01\"", "valid_from = \"2020-01-01\"", "valid_until = \"2029-12-31\"",
        "sensitivity_volts_per_metre_per_second = 28.8",
      ]))
    #expect(text.contains("\n[response]\ncorner_hertz = 4."))
    #expect(imported.report.contains("vertical_calibration = \"AM.R1234.00.EHZ.toml\""))
    #expect(!imported.report.contains("polarity"))
    #expect(imported.report.contains("below 4.5 Hz the station takes the ground to move less"))
    #expect(imported.report.contains("0.45 Hz at the lowest"))
  }

  @Test func polesInHertzAndDelays() throws {
    let instrument = try HandWritten.imported(HandWritten.resp).instruments[0]
    let corner = try #require(instrument.corner)
    #expect(abs(corner.cornerHertz - 0.007 * 2.0.squareRoot()) < 1e-12)
    #expect(abs(corner.damping - 0.5.squareRoot()) < 1e-9)
    // What is left is a filter without a phase.
    #expect(instrument.deviation.degrees < 1e-6)
    // (0.5 + 0.5) / 200 Hz is half a sample late, and the file takes nothing off.
    #expect(instrument.report.contains("delays by 0.0025 s, of which the file takes 0 s off"))
    #expect(instrument.report.contains("samples are 0.0025 s late"))
    let corrected = changed(
      HandWritten.resp, "Correction applied (seconds):          0", "Correction: 0.0025")
    #expect(try HandWritten.imported(corrected).report.contains("they are right"))
    let early = changed(
      HandWritten.resp, "Correction applied (seconds):          0", "Correction: 0.01")
    #expect(try HandWritten.imported(early).report.contains("0.0075 s early"))
  }

  @Test func displacementAndAcceleration() throws {
    // A pendulum's third zero makes velocity of displacement.
    let velocity = try HandWritten.imported(HandWritten.resp).instruments[0]
    var text = changed(HandWritten.resp, "M/S - Velocity", "NM - Displacement")
    text = changed(text, "zeroes:                      2", "zeroes: 3")
    text = changed(text, "factor:               1", "factor: 0.2")
    text = changed(text, "B053F15-18    0", "B053F10-13 2 0 0 0 0\nB053F15-18    0")
    let displacement = try HandWritten.imported(text).instruments[0]
    #expect(displacement.quantity == .velocity && displacement.corner == velocity.corner)
    #expect(!displacement.report.contains("states a sensitivity"))
    // 750 V/nm at 5 Hz are 750e9 V/m, and 1 m/s at 5 Hz is 1 / (10 pi) m.
    let ratio = displacement.countsPerUnit / velocity.countsPerUnit
    #expect(abs(ratio / (1e9 / (10 * Double.pi)) - 1) < 1e-9)
    #expect(abs(displacement.deviation.decibels - velocity.deviation.decibels) < 1e-6)

    let flat = """
      <Response><Stage number="1"><PolesZeros><InputUnits><Name>cm/s**2</Name></InputUnits>
      <OutputUnits><Name>COUNTS</Name></OutputUnits>
      <PzTransferFunctionType>LAPLACE (RADIANS/SECOND)</PzTransferFunctionType>
      <NormalizationFactor>1000</NormalizationFactor>
      <NormalizationFrequency>1</NormalizationFrequency>\(HandWritten.zero("Pole", "-1000", "0"))
      </PolesZeros><StageGain><Value>4000</Value><Frequency>1</Frequency></StageGain></Stage></Response>
      """
    let acceleration = try HandWritten.imported(one(flat)).instruments[0]
    #expect(acceleration.quantity == .acceleration && acceleration.corner == nil)
    #expect(abs(acceleration.countsPerUnit / 400_000 - 1) < 1e-3)
    // atan(2 pi 20 / 1000)
    #expect(abs(acceleration.deviation.degrees - 7.16) < 0.01)
    let file = acceleration.text(from: "x")
    #expect(file.contains("sensitivity_volts_per_metre_per_second_squared = 1\n"))
    #expect(file.contains("does not tell the sensor from what follows it"))
    #expect(!file.contains("[response]"))
  }

  /// A first-order low corner beside the pair, as electronics that extend a geophone have.
  @Test func whatHasNoPlaceIsTold() throws {
    let third = HandWritten.zero("Zero", "0", "0") + HandWritten.zero("Pole", "-3.1416", "0")
    var response = changed(HandWritten.response, "</PolesZeros>", third + "</PolesZeros>")
    response = changed(response, "1.00225", "1.0028")
    let instrument = try HandWritten.imported(one(response)).instruments[0]
    // A corner of 0.5 Hz at 0.1 Hz: 20 log10(0.2 / sqrt(1.04)), and 78.7 degrees.
    #expect(abs(instrument.deviation.decibels - 14.15) < 0.05)
    #expect(instrument.deviation.decibelsHertz == instrument.deviation.lowHertz)
    #expect(abs(instrument.deviation.degrees - 78.7) < 1.5)
    let report = instrument.report
    #expect(report.contains("1 pole and 1 zero have no place"))
    #expect(report.contains("within 1 dB and 10 degrees it is from "))
    #expect(instrument.text(from: "x").contains("# - 1 pole and 1 zero have no place"))
  }

  @Test func whatContradictsItself() throws {
    let a0 = try HandWritten.imported(one(changed(HandWritten.response, "1.00225", "1.2")))
    #expect(
      a0.report.contains("states an A0 of 1.2; its poles and zeros make 1.002 at 15 Hz, and A0 is"))
    let plain = try HandWritten.imported(one()).instruments[0].countsPerUnit
    // The manual's formula, and evalresp's: what the gain is multiplied with is A0 as it stands.
    #expect(abs(a0.instruments[0].countsPerUnit / plain - 1.2 / 1.00225) < 1e-4)
    let moved = changed(
      HandWritten.response, "28.8</Value><Frequency>15", "28.8</Value><Frequency>14")
    #expect(
      try HandWritten.imported(one(changed(moved, "1.00225", "1.2"))).report.contains(
        "the stage's gain alone is believed"))

    let sensitivity = try HandWritten.imported(
      one(changed(HandWritten.response, "11520000", "12200000")))
    #expect(
      sensitivity.report.contains("states a sensitivity of 1.22e+07 at 15 Hz; its stages make"))
    let near = try HandWritten.imported(one(changed(HandWritten.response, "11520000", "11900000")))
    #expect(!near.report.contains("states a sensitivity"))

    let unit = try HandWritten.imported(one(changed(HandWritten.response, ">M/S<", ">M<")))
    #expect(unit.report.contains("the sensitivity is per M and the first stage takes m/s"))
  }

  @Test func turnedAndUpsideDown() throws {
    let channels =
      HandWritten.channel("EHZ", dip: "90") + HandWritten.channel("EH1", azimuth: "37", dip: "0")
      + HandWritten.channel("EH2", azimuth: "266", dip: "3")
    let imported = try HandWritten.imported(HandWritten.xml(channels))
    #expect(imported.instruments.map(\.polarity) == [-1, 1, -1])
    let report = imported.report
    #expect(
      report.contains("counts fall when the ground moves up: board.toml needs vertical_polarity"))
    #expect(report.contains("its azimuth is 37 degrees and it is taken as north"))
    #expect(report.hasSuffix("[digitizer]:\n  vertical_polarity = -1\n  east_polarity = -1"))

    // Twice upside down is upright, and a gain has a sign too.
    let negative = changed(HandWritten.response, ">28.8<", ">-28.8<")
    let both = HandWritten.xml(HandWritten.channel("EHZ", dip: "90", negative))
    #expect(try HandWritten.imported(both).instruments[0].polarity == 1)
    #expect(try HandWritten.imported(one(negative)).instruments[0].polarity == -1)
    let normalised = changed(HandWritten.response, ">1.00225<", ">-1.00225<")
    #expect(try HandWritten.imported(one(normalised)).instruments[0].polarity == -1)
    let filter = changed(changed(HandWritten.response, ">0.25<", ">-0.25<"), ">0.5<", ">-0.5<")
    #expect(try HandWritten.imported(one(filter)).instruments[0].polarity == -1)
    #expect(try HandWritten.imported(one(negative)).instruments[0].deviation.degrees < 1e-6)
    let inclined = HandWritten.xml(HandWritten.channel("EHZ", dip: "-54.7"))
    #expect(try HandWritten.imported(inclined).report.contains("it is inclined by -54.7 degrees"))
  }

  @Test func oneCornerForAllComponents() throws {
    let other = HandWritten.response.replacing("-19.79203", with: "-21")
    let channels = HandWritten.channel("EHZ") + HandWritten.channel("EHN", dip: "0", other)
    let imported = try HandWritten.imported(HandWritten.xml(channels)).instruments
    #expect(imported[0].corner == imported[1].corner)
    #expect(imported[1].deviation.cost > imported[0].deviation.cost + 0.003)
    let mixed =
      HandWritten.channel("EHZ")
      + HandWritten.channel(
        "EHN", dip: "0", HandWritten.response.replacing("m/s<", with: "m/s**2<"))
    #expect(HandWritten.refusal(HandWritten.xml(mixed)).contains("measures another quantity"))
  }

  @Test func whichChannelsAreMeant() throws {
    let many = HandWritten.xml(
      HandWritten.three + HandWritten.channel("ENZ")
        + HandWritten.channel("HDF", HandWritten.response.replacing("m/s<", with: "PA<"))
        + HandWritten.channel("EHZ", location: "10"))
    let sentence = HandWritten.refusal(many)
    #expect(
      sentence == "has several instruments: choose by --station one of "
        + "AM.R1234.00.EH?, AM.R1234.00.EN?, AM.R1234.10.EH?")
    for (pattern, count) in [("AM.R1234.00.EH?", 3), ("AM.R1234.10", 1), ("*.*.*.ENZ", 1)] {
      #expect(try HandWritten.imported(many, station: pattern).instruments.count == count)
    }
    #expect(
      HandWritten.refusal(many, station: "AM.X").contains("has no channel AM.X; there are AM."))
    #expect(
      HandWritten.refusal(many, station: "A.B.C.D.E").contains("--station is NET.STA.LOC.CHA"))
    #expect(HandWritten.refusal(many, station: "*.*.*.HDF").contains("HDF: measures PA"))
    let empty = HandWritten.xml(HandWritten.channel("EHZ", location: "--"))
    #expect(try HandWritten.imported(empty, station: "AM.R1234.--.EHZ").instruments.count == 1)
    #expect(try HandWritten.imported(empty, station: "AM.R1234..EHZ").instruments.count == 1)
    let galperin = HandWritten.xml(HandWritten.channel("EHU"))
    #expect(HandWritten.refusal(galperin).contains("none of the components Z, N, E, 1, 2 and 3"))
    let twice = HandWritten.xml(HandWritten.channel("EHN") + HandWritten.channel("EH1"))
    #expect(HandWritten.refusal(twice).contains("has AM.R1234.00.EHN, AM.R1234.00.EH1 for north"))
    let without = HandWritten.xml(HandWritten.channel("EHZ", ""))
    #expect(HandWritten.refusal(without).contains("measures nothing that is named"))
    let sensitivityAlone =
      HandWritten.response.prefix { $0 != "\n" }
      + "\n<InputUnits><Name>M/S</Name></InputUnits></InstrumentSensitivity></Response>"
    #expect(
      HandWritten.refusal(HandWritten.xml(HandWritten.channel("EHZ", String(sensitivityAlone))))
        .contains("has no stages of a response: ask for the file with level=response"))
  }

  @Test func whichEpochIsMeant() throws {
    let old = #"startDate="2010-01-01T00:00:00" endDate="2020-01-01T00:00:00""#
    let new = #"startDate="2020-01-01T00:00:00.5000" endDate="2599-12-31T23:59:59""#
    let text = HandWritten.xml(
      HandWritten.channel("EHZ", dates: old) + HandWritten.channel("EHZ", dates: new))
    #expect(
      HandWritten.refusal(text) == "AM.R1234.00.EHZ: has several epochs: choose by --time one of "
        + "2010-01-01 to 2020-01-01, 2020-01-01 to now")
    let first = try HandWritten.imported(text, time: "2019-12-31").instruments[0]
    #expect(first.validUntil == CalendarDate(year: 2019, month: 12, day: 31))
    let second = try HandWritten.imported(text, time: "2026-01-01").instruments[0]
    #expect(second.validUntil == CalendarDate(year: 9999, month: 12, day: 31))
    #expect(second.report.contains("the epoch has no end: valid_until is 9999-12-31"))
    #expect(
      HandWritten.refusal(text, time: "2009-01-01").contains("has no epoch at 2009-01-01T00:00:00"))
    let overlapping = HandWritten.xml(
      HandWritten.channel("EHZ", dates: old) + HandWritten.channel("EHZ", dates: old))
    #expect(HandWritten.refusal(overlapping, time: "2015-01-01").contains("epochs that overlap"))
  }

  @Test func slowChannelsAreComparedAsFarAsTheyGo() throws {
    let slow = one().replacing("<SampleRate>100<", with: "<SampleRate>10<")
    let instrument = try HandWritten.imported(slow).instruments[0]
    #expect(abs(instrument.deviation.highHertz - 4) < 1e-9)
    #expect(instrument.report.contains("it has 10 samples a second; a station needs 20 and more"))
    let other = try HandWritten.imported(one()).instruments[0]
    #expect(
      abs(other.deviation.highHertz - 20) < 1e-9 && abs(other.deviation.lowHertz - 0.1) < 1e-9)
  }

  /// Where the corner still bends the response, the file's frequency is no place to compare at.
  @Test func theFrequencyOfReference() throws {
    #expect(try HandWritten.imported(one()).instruments[0].referenceHertz == 15)
    for hertz in ["6", "0.02", "25"] {
      let text = one().replacing("<Frequency>15<", with: "<Frequency>\(hertz)<")
      #expect(try HandWritten.imported(text).instruments[0].referenceHertz == 5)
    }
  }

  @Test func filesAreWrittenOnce() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-import-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let imported = try HandWritten.imported(HandWritten.xml(HandWritten.three))
    #expect(try imported.write(folder: folder.path) == imported.report)
    for instrument in imported.instruments {
      let path = folder.appendingPathComponent(instrument.fileName).path
      #expect(
        try String(contentsOfFile: path, encoding: .utf8) == instrument.text(from: "test.xml"))
      #expect(try Check.file(path).contains("counts per m/s"))
    }
    #expect(throws: ToolError.self) { try imported.write(folder: folder.path) }
    #expect(throws: ToolError.self) { try imported.write(folder: folder.path + "/absent") }
  }

  @Test func namesOfFilesAreTame() throws {
    let odd = HandWritten.xml(HandWritten.channel("../Z"))
    #expect(try HandWritten.imported(odd).instruments[0].fileName == "AM.R1234.00..._Z.toml")
  }
}
