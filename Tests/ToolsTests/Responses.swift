// StationXML and RESP of a station that there is not, for tests that change a line of them.

import Core

@testable import Tools

/// A 4.5 Hz geophone, damped to 0.7, with a digitizer whose filter is symmetric.
enum HandWritten {
  static func zero(_ name: String, _ real: String, _ imaginary: String) -> String {
    "<\(name)><Real>\(real)</Real><Imaginary>\(imaginary)</Imaginary></\(name)>"
  }

  static let polesZeros = """
    <PolesZeros><InputUnits><Name>m/s</Name></InputUnits><OutputUnits><Name>V</Name></OutputUnits>
    <PzTransferFunctionType>LAPLACE (RADIANS/SECOND)</PzTransferFunctionType>
    <NormalizationFactor>1.00225</NormalizationFactor>
    <NormalizationFrequency>15</NormalizationFrequency>
    \(zero("Zero", "0", "0"))\(zero("Zero", "0", "0"))
    \(zero("Pole", "-19.79203", "20.19191"))\(zero("Pole", "-19.79203", "-20.19191"))</PolesZeros>
    """

  static let filter = """
    <Stage number="2"><FIR><OutputUnits><Name>COUNTS</Name></OutputUnits><Symmetry>ODD</Symmetry>
    <NumeratorCoefficient>0.25</NumeratorCoefficient><NumeratorCoefficient>0.5</NumeratorCoefficient>
    </FIR><Decimation><InputSampleRate>1000</InputSampleRate><Factor>10</Factor><Offset>0</Offset>
    <Delay>0.001</Delay><Correction>0.001</Correction></Decimation>
    <StageGain><Value>400000</Value><Frequency>0</Frequency></StageGain></Stage>
    """

  static let response = """
    <Response><InstrumentSensitivity><Value>11520000</Value><Frequency>15</Frequency>
    <InputUnits><Name>M/S</Name></InputUnits></InstrumentSensitivity>
    <Stage number="1">\(polesZeros)
    <StageGain><Value>28.8</Value><Frequency>15</Frequency></StageGain></Stage>
    \(filter)</Response>
    """

  static func channel(
    _ code: String, azimuth: String = "0", dip: String = "-90",
    dates: String = #"startDate="2020-01-01T00:00:00" endDate="2030-01-01T00:00:00""#,
    location: String = "00", _ response: String = response
  ) -> String {
    """
    <Channel code="\(code)" locationCode="\(location)" \(dates)>
    <Azimuth>\(azimuth)</Azimuth><Dip>\(dip)</Dip><SampleRate>100</SampleRate>
    <Sensor><Type>geophone, "4.5 Hz"</Type><SerialNumber>7</SerialNumber></Sensor>
    \(response)</Channel>
    """
  }

  static let three =
    channel("EHZ") + channel("EHN", dip: "0") + channel("EHE", azimuth: "90", dip: "0")

  static func xml(_ channels: String, root: String = "FDSNStationXML") -> String {
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <\(root) xmlns="http://www.fdsn.org/xml/station/1" schemaVersion="1.1">
    <Network code="AM"><Station code="R1234">
    \(channels)
    </Station></Network></\(root)>
    """
  }

  static let resp = """
    #   by hand
    B050F03     Station:     ABC
    B050F16     Network:     XX
    B052F03     Location:    ??
    B052F04     Channel:     HHZ
    B052F22     Start date:  2020,001,00:00:00.0000
    B052F23     End date:    2030,060
    B053F03     Transfer function type:                B [Analog (Hz)]
    B053F04     Stage sequence number:                 1
    B053F05     Response in units lookup:              M/S - Velocity
    B053F06     Response out units lookup:             V - Volts
    B053F07     A0 normalization factor:               1
    B053F08     Normalization frequency:               5
    B053F09     Number of zeroes:                      2
    B053F14     Number of poles:                       2
    B053F10-13    0  0.0  0.0  0.0  0.0
    B053F10-13    1  0.0  0.0  0.0  0.0
    B053F15-18    0 -0.007 0.007 0 0
    B053F15-18    1 -0.007 -0.007 0 0
    B058F03     Stage sequence number:                 1
    B058F04     Gain:                                  750
    B058F05     Frequency of gain:                     5 HZ
    B054F03     Transfer function type:                D
    B054F04     Stage sequence number:                 2
    B054F05     Response in units lookup:              V - Volts
    B054F06     Response out units lookup:             COUNTS - Counts
    B054F07     Number of numerators:                  2
    B054F10     Number of denominators:                0
    B054F08-09    0 0.5 0
    B054F08-09    1 0.5 0
    B057F03     Stage sequence number:                 2
    B057F04     Input sample rate:                     200
    B057F05     Decimation factor:                     2
    B057F07     Estimated delay (seconds):             0.0025
    B057F08     Correction applied (seconds):          0
    B058F03     Stage sequence number:                 2
    B058F04     Gain:                                  400000
    B058F05     Frequency of gain:                     0
    B058F03     Stage sequence number:                 0
    B058F04     Sensitivity:                           3e8
    B058F05     Frequency of sensitivity:              5 HZ

    """

  static func imported(
    _ text: String, station: String? = nil, time: String? = nil
  ) throws -> CalibrationImport {
    try CalibrationImport(
      ResponseFile.read(Array(text.utf8)), source: "test.xml", station: station,
      time: time.map { UTC(iso8601: $0)! })
  }

  /// The sentence; "accepted" where there is none.
  static func refusal(_ text: String, station: String? = nil, time: String? = nil) -> String {
    do {
      _ = try imported(text, station: station, time: time)
      return "accepted"
    } catch { return "\(error)" }
  }
}
