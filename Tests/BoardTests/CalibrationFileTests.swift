import Conditioning
import Core
import Testing
import Tools

private let good = Lines(
  """
  [instrument]
  format = 1
  model = "4.5 Hz geophone"
  serial = "1234"
  quantity = "velocity"
  measured = "2026-02-01"
  valid_from = "2026-03-01"
  valid_until = "2027-02-28"
  sensitivity_volts_per_metre_per_second = 28.8
  [digitizer]
  counts_per_volt = 1000000.5
  [response]
  corner_hertz = 4.5
  damping = 0.7
  extended_corner_hertz = 0.5
  """)

/// The same geophone: ω₀ (−h ± i √(1 − h²)) with ω₀ = 2π 4.5 Hz and h = 0.7.
private let goodPoles = Lines(
  good.without("corner_hertz", "damping").text + """

    zeros_at_origin = 2
    poles = 2
    pole_1_real = -19.7920337176157
    pole_1_imaginary = 20.1919131785228
    pole_2_real = -19.7920337176157
    pole_2_imaginary = -20.1919131785228
    """)

private let accelerometer = Lines(
  good.without(
    "[response]", "corner_hertz", "damping", "extended_corner_hertz",
    "sensitivity_volts_per_metre_per_second"
  )
  .with("quantity", "\"acceleration\"")
  .adding("sensitivity_volts_per_metre_per_second_squared = 0.05", after: "valid_until").text)

@Suite struct CalibrationFileTests {
  private func read(_ lines: Lines) throws -> CalibrationFile {
    try parse(lines.text) { file throws(Diagnostic) in try CalibrationFile(&file) }
  }

  private func refused(_ lines: Lines) -> String {
    refusal(lines.text) { file throws(Diagnostic) in try CalibrationFile(&file) } ?? "accepted"
  }

  @Test func everyKeyArrives() throws {
    let file = try read(good)
    #expect(file.model.string == "4.5 Hz geophone")
    #expect(file.serial.string == "1234")
    #expect(file.quantity == .velocity)
    #expect(file.measured == CalendarDate(year: 2026, month: 2, day: 1))
    #expect(file.validFrom == CalendarDate(year: 2026, month: 3, day: 1))
    #expect(file.validUntil == CalendarDate(year: 2027, month: 2, day: 28))
    #expect(file.countsPerUnit == 28.8 * 1_000_000.5)
    #expect(
      file.corner == SensorCorner(cornerHertz: 4.5, damping: 0.7, extendedCornerHertz: 0.5))
  }

  @Test func aFlatSensorHasNoResponse() throws {
    let velocity = good.without("[response]", "corner_hertz", "damping", "extended_corner_hertz")
    #expect(try read(velocity).corner == nil)
    let file = try read(accelerometer)
    #expect(file.corner == nil)
    #expect(file.quantity == .acceleration)
    #expect(file.countsPerUnit == 0.05 * 1_000_000.5)
  }

  @Test(arguments: [
    "format", "model", "serial", "quantity", "measured", "valid_from", "valid_until",
    "sensitivity_volts_per_metre_per_second", "counts_per_volt", "damping",
  ])
  func missingKeys(_ key: String) {
    let lines = key == "counts_per_volt" ? good.without(key, "[digitizer]") : good.without(key)
    #expect(refused(lines).hasPrefix("t.toml: missing key \(key) in ["))
  }

  @Test(arguments: [
    ("format", "0", "from 1 to 1"),
    ("quantity", "\"displacement\"", "one of \"velocity\" \"acceleration\""),
    ("measured", "\"2026-02-30\"", "a date such as"),
    ("valid_from", "20260301", "a date such as"),
    ("valid_until", "\"2026-02-28\"", "must not be before valid_from"),
    ("sensitivity_volts_per_metre_per_second", "0", "from 1e-6 to 1000000"),
    ("counts_per_volt", "-1", "from 0.001 to 1e12"),
    ("corner_hertz", "20.5", "from 0.001 to 20"),
    ("damping", "0.04", "from 0.05 to 5"),
    ("extended_corner_hertz", "4.6", "between a tenth of the sensor's corner and the corner"),
    ("extended_corner_hertz", "0.449", "between a tenth of the sensor's corner and the corner"),
  ])
  func valuesThatAreWrong(_ key: String, _ value: String, _ phrase: String) {
    let sentence = refused(good.with(key, value))
    #expect(sentence.hasPrefix("t.toml:\(good.number(of: key)): \(key) "))
    #expect(sentence.contains(phrase))
  }

  /// The unit is in the key, so that a number with the wrong unit has the wrong key.
  @Test func theSensitivityMustMatchTheQuantity() {
    let lines = good.without("[response]", "corner_hertz", "damping", "extended_corner_hertz")
      .with("quantity", "\"acceleration\"")
    #expect(
      refused(lines).contains("missing key sensitivity_volts_per_metre_per_second_squared"))
  }

  @Test func anAccelerometerHasNoResponse() {
    let lines = Lines(accelerometer.text + "\n[response]\ncorner_hertz = 4.5\ndamping = 0.7")
    #expect(refused(lines).hasPrefix("t.toml:5: quantity is acceleration, which is taken as flat"))
  }

  @Test func theExtendedCornerIsTheSensorsOwnUnlessStated() throws {
    #expect(try read(good.without("extended_corner_hertz")).corner?.extendedCornerHertz == 4.5)
    let limits = [("4.5", 4.5), ("0.45", 0.45)]
    for (text, value) in limits {
      let file = try read(good.with("extended_corner_hertz", text))
      #expect(file.corner?.extendedCornerHertz == value)
    }
  }

  // MARK: Poles and zeros

  @Test func polesAndCornerSayTheSame() throws {
    let corner = try #require(try read(goodPoles).corner)
    #expect(abs(corner.cornerHertz - 4.5) < 1e-9)
    #expect(abs(corner.damping - 0.7) < 1e-9)
    #expect(corner.extendedCornerHertz == 0.5)
  }

  /// Two real poles at −10 and −40 rad/s: ω₀ = 20, 2hω₀ = 50.
  @Test func anOverdampedSensorHasTwoRealPoles() throws {
    let lines = goodPoles.with("pole_1_real", "-10").with("pole_1_imaginary", "0")
      .with("pole_2_real", "-40.0").with("pole_2_imaginary", "0")
      .with("extended_corner_hertz", "3")
    let corner = try #require(try read(lines).corner)
    #expect(abs(corner.cornerHertz - 20 / (2 * Double.pi)) < 1e-12)
    #expect(abs(corner.damping - 1.25) < 1e-12)
  }

  @Test func polesAboveTheBandAreLeftOut() throws {
    let lines = Lines(
      goodPoles.with("poles", "4").text + """

        pole_3_real = -700
        pole_3_imaginary = 900
        pole_4_real = -629
        pole_4_imaginary = 0.0
        """)
    let corner = try #require(try read(lines).corner)
    #expect(abs(corner.cornerHertz - 4.5) < 1e-9)
    #expect(refused(lines.with("pole_4_real", "-628")).contains("must hold one conjugate pair"))
  }

  @Test(arguments: [
    ("pole_1_real", "-19", "must hold one conjugate pair"),  // two poles that are no pair
    ("pole_1_imaginary", "21", "must hold one conjugate pair"),
    ("pole_2_imaginary", "20.1919131785228", "must hold one conjugate pair"),
    ("pole_1_real", "-1000", "must hold one conjugate pair"),  // one pole left in the band
  ])
  func polesThatAreNoSecondOrderSensor(_ key: String, _ value: String, _ phrase: String) {
    let sentence = refused(goodPoles.with(key, value))
    #expect(sentence.hasPrefix("t.toml:\(goodPoles.number(of: "poles")): poles "))
    #expect(sentence.contains(phrase))
  }

  @Test(arguments: [
    ("0", "20"), ("-0.5", "20"),  // no damping, and 0.025
    ("-100", "100"),  // a corner of 22.5 Hz
    ("-0.001", "0.001"),  // a corner of 0.0002 Hz
  ])
  func polesMustMakeACornerThatTheOtherFormAllows(_ real: String, _ imaginary: String) {
    let lines = goodPoles.with("pole_1_real", real).with("pole_2_real", real)
      .with("pole_1_imaginary", imaginary).with("pole_2_imaginary", "-" + imaginary)
    let sentence = refused(lines)
    #expect(sentence.hasPrefix("t.toml:\(lines.number(of: "poles")): poles must make a corner"))
  }

  @Test(arguments: [
    ("poles", "1", "from 2 to 6"), ("poles", "7", "from 2 to 6"),
    ("zeros_at_origin", "1", "from 2 to 2"), ("pole_1_real", "1", "from -100000 to 0"),
    ("pole_2_imaginary", "100001", "from -100000 to 100000"),
  ])
  func polesOutOfRange(_ key: String, _ value: String, _ phrase: String) {
    let sentence = refused(goodPoles.with(key, value))
    #expect(sentence.hasPrefix("t.toml:\(goodPoles.number(of: key)): \(key) must be"))
    #expect(sentence.contains(phrase))
  }

  @Test func aPoleTooFewOrTooMany() {
    #expect(refused(goodPoles.without("pole_2_real")).contains("missing key pole_2_real"))
    #expect(refused(goodPoles.with("poles", "3")).contains("missing key pole_3_real"))
    let lines = goodPoles.adding("pole_3_real = -1", after: "pole_2_real")
    #expect(refused(lines).contains(": unknown key pole_3_real in [response]; did you mean pole_"))
  }

  @Test func cornerAndPolesExcludeEachOther() {
    let both = goodPoles.adding("corner_hertz = 4.5", after: "poles")
    #expect(
      refused(both).hasPrefix(
        "t.toml:\(both.number(of: "poles")): poles must not stand beside corner_hertz"))
    #expect(
      refused(good.without("corner_hertz", "damping"))
        == "t.toml: [response] has either corner_hertz and damping, or poles and zeros")
  }

  @Test func unknownKeysAreRefused() {
    let lines = good.adding("dampingg = 0.7", after: "corner_hertz")
    #expect(
      refused(lines)
        == "t.toml:14: unknown key dampingg in [response]; did you mean damping in [response]?")
  }

  // MARK: Validity

  @Test func validFromTheFirstDayToTheLast() throws {
    let file = try read(good)
    #expect(!file.isValid(on: CalendarDate(year: 2026, month: 2, day: 28)))
    #expect(file.isValid(on: CalendarDate(year: 2026, month: 3, day: 1)))
    #expect(file.isValid(on: CalendarDate(year: 2027, month: 2, day: 28)))
    #expect(!file.isValid(on: CalendarDate(year: 2027, month: 3, day: 1)))
  }

  @Test func aSingleDayIsEnough() throws {
    let file = try read(good.with("valid_until", "\"2026-03-01\""))
    #expect(file.isValid(on: CalendarDate(year: 2026, month: 3, day: 1)))
  }
}
