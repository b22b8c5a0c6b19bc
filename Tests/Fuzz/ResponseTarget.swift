// response: StationXML and RESP, and the instrument files that are made of them.
//
// Promised of every text: it is refused in a sentence of printable ASCII, or instrument files come of
// it that a station's own parser reads and that say finite numbers (the import itself reads them
// before it gives them away).

import Core
import Foundation
import Tools

struct ResponseTarget: Target {
  let corpus: [[UInt8]] = [ResponseTarget.xml, ResponseTarget.resp, ResponseTarget.dictionary].map {
    Array($0.utf8)
  }
  let dialect = Dialect(
    tokens: [
      "<", ">", "</", "/>", "<!--", "-->", "<![CDATA[", "]]>", "<!DOCTYPE a>", "&amp;", "&#0;",
      "&x;", "&#x41;", "<Stage number=\"2\">", "</Stage>", "<FIR>", "</FIR>", "<Polynomial/>",
      "<Real>", "</Real>", "<Pole>", "</Pole>", "<a:b>", "nan", "inf", "-1e308", "1e-308", "0",
      "-0",
      "1e400", "M/S**2", "NM/S", "PA", "EVEN", "ODD", "LAPLACE (HERTZ)", "DIGITAL (Z-TRANSFORM)",
      "2599-12-31T23:59:59", "2012-13-41", "\r\n", "\r", "\n", "B053F07 A: ", "B053F10-13 0 0 0",
      "B060F04 S: 2\n", "B058F03 S: 0\n", "B061F05 S: C\n", "B054F08-09 0 1\n", "B050F03 S: X\n",
      "é", "\u{0}", "999,999", "2599,365", "No Ending Time",
    ].map { Array($0.utf8) },
    maximumByteCount: 6000)

  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {}

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    let imported: CalibrationImport
    do {
      imported = try CalibrationImport(
        ResponseFile.read(Array(bytes)), source: "fuzz", station: nil, time: nil)
    } catch let error as ToolError {
      let text = error.description
      try require(text.count > 8, "a refusal without a sentence: \(text)")
      try require(
        text.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "the refusal is not printable: \(text)"
      )
      return false
    }
    try require(!imported.instruments.isEmpty, "nothing was imported")
    for instrument in imported.instruments {
      let deviation = instrument.deviation
      try require(
        instrument.countsPerUnit.isFinite && instrument.countsPerUnit > 0
          && deviation.decibels.isFinite && deviation.degrees.isFinite
          && deviation.lowHertz < deviation.highHertz,
        "an instrument of \(instrument.countsPerUnit) counts, \(deviation)")
      try require(
        instrument.fileName.utf8.allSatisfy { $0 != UInt8(ascii: "/") && $0 > 0x20 && $0 < 0x7F },
        "a file's name is \(instrument.fileName)")
    }
    try require(imported.report.contains("[sensor]"), "a report that does not end")
    return true
  }
}

// MARK: Corpus

extension ResponseTarget {
  private static let stages = """
    <Stage number="1"><PolesZeros><InputUnits><Name>m/s</Name></InputUnits>
    <OutputUnits><Name>V</Name></OutputUnits>
    <PzTransferFunctionType>LAPLACE (RADIANS/SECOND)</PzTransferFunctionType>
    <NormalizationFactor>1.0</NormalizationFactor>
    <NormalizationFrequency>5.0</NormalizationFrequency>
    <Zero number="0"><Real>0</Real><Imaginary>0</Imaginary></Zero>
    <Zero number="1"><Real>0</Real><Imaginary>0</Imaginary></Zero>
    <Pole number="2"><Real>-19.8</Real><Imaginary>20.2</Imaginary></Pole>
    <Pole number="3"><Real>-19.8</Real><Imaginary>-20.2</Imaginary></Pole></PolesZeros>
    <StageGain><Value>28.8</Value><Frequency>5</Frequency></StageGain></Stage>
    <Stage number="2"><Coefficients><CfTransferFunctionType>DIGITAL</CfTransferFunctionType>
    <Numerator>0.5</Numerator><Numerator>0.5</Numerator><Denominator>1</Denominator></Coefficients>
    <Decimation><InputSampleRate>200</InputSampleRate><Factor>2</Factor><Offset>0</Offset>
    <Delay>0.0025</Delay><Correction>0.0025</Correction></Decimation>
    <StageGain><Value>4e5</Value><Frequency>0</Frequency></StageGain></Stage>
    <Stage number="3"><FIR><OutputUnits><Name>COUNTS</Name></OutputUnits><Symmetry>ODD</Symmetry>
    <NumeratorCoefficient i="0">0.25</NumeratorCoefficient>
    <NumeratorCoefficient i="1">0.5</NumeratorCoefficient></FIR>
    <Decimation><InputSampleRate>100</InputSampleRate><Factor>1</Factor><Offset>0</Offset>
    <Delay>0</Delay><Correction>0</Correction></Decimation>
    <StageGain><Value>1</Value><Frequency>0</Frequency></StageGain></Stage>
    """

  private static func channel(_ code: String, _ azimuth: Int, _ dip: Int) -> String {
    """
    <Channel code="\(code)" locationCode="00" startDate="2020-01-01T00:00:00">
    <Azimuth>\(azimuth)</Azimuth><Dip>\(dip)</Dip><SampleRate>100</SampleRate>
    <Sensor><Type>geophone</Type><SerialNumber>7</SerialNumber></Sensor>
    <Response><InstrumentSensitivity><Value>1.152e7</Value><Frequency>5</Frequency>
    <InputUnits><Name>M/S</Name></InputUnits></InstrumentSensitivity>
    \(stages)</Response></Channel>
    """
  }

  private static let xml = """
    <?xml version="1.0" encoding="UTF-8"?>
    <FDSNStationXML xmlns="http://www.fdsn.org/xml/station/1" schemaVersion="1.1">
    <Network code="AM"><Station code="R1234">
    \(channel("EHZ", 0, -90))
    \(channel("EHE", 270, 0))
    </Station></Network></FDSNStationXML>
    """

  private static let resp = """
    # made by hand
    B050F03 Station: ABC
    B050F16 Network: XX
    B052F03 Location: ??
    B052F04 Channel: HHZ
    B052F22 Start: 2020,001,00:00:00.0000
    B052F23 End: No Ending Time
    B053F03 Type: B
    B053F04 Stage: 1
    B053F05 In: M/S**2 - acceleration
    B053F06 Out: V - Volts
    B053F07 A0: 1
    B053F08 Frequency: 1
    B053F09 Zeroes: 0
    B053F14 Poles: 1
    B053F15-18 0 -60 0 0 0
    B058F03 Stage: 1
    B058F04 Gain: 0.5
    B058F05 Frequency: 1 HZ
    B061F03 Stage: 2
    B061F05 Symmetry: B
    B061F06 In: V - Volts
    B061F07 Out: COUNTS - counts
    B061F08 Count: 2
    B061F09 0 0.25
    B061F09 1 0.5
    B057F03 Stage: 2
    B057F04 Rate: 100
    B057F05 Factor: 1
    B057F07 Delay: 0.01
    B057F08 Correction: 0.01
    B058F03 Stage: 2
    B058F04 Gain: 4e5
    B058F05 Frequency: 0
    B058F03 Stage: 0
    B058F04 Sensitivity: 2e5
    B058F05 Frequency: 1

    """

  private static let dictionary = """
    B050F03 Station: DIC
    B050F16 Network: XX
    B052F03 Location: 10
    B052F04 Channel: SHN
    B052F22 Start: 2020,060
    B052F23 End: 2599,365
    B060F03 Stages: 2
    B060F04 Stage: 1
    B043F05 Type: A
    B043F06 In: NM - displacement
    B043F07 Out: V - Volts
    B043F08 A0: 1
    B043F09 Frequency: 1
    B043F10 Zeroes: 1
    B043F15 Poles: 0
    B043F11-14 0 0 0 0 0
    B048F05 Gain: 0.001
    B048F06 Frequency: 1
    B060F04 Stage: 2
    B044F05 Type: D
    B044F06 In: V - Volts
    B044F07 Out: COUNTS - counts
    B044F08 Numerators: 2
    B044F11 Denominators: 1
    B044F09-10 0 0.5 0
    B044F09-10 1 0.5 0
    B044F12-13 0 1 0
    B047F05 Rate: 50
    B047F06 Factor: 1
    B048F05 Gain: 1000
    B048F06 Frequency: 0

    """
}
