import Core
import Foundation
import Testing

@Suite struct UTCTests {
  /// 1833 to 2189, day by day, against an implementation that is not ours.
  @Test func everyDayAgreesWithFoundation() throws {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
    var wrong = 0
    for day in -50_000...80_000 {
      let theirs = calendar.dateComponents(
        [.year, .month, .day], from: Date(timeIntervalSince1970: Double(day) * 86_400))
      let ours = CalendarDate(daysSince1970: day)
      if ours.year != theirs.year || ours.month != theirs.month || ours.day != theirs.day
        || ours.daysSince1970 != day
      {
        wrong += 1
      }
    }
    #expect(wrong == 0)
  }

  /// Beyond the years that 64-bit nanoseconds reach, because a calibration may state such a date.
  @Test func theWholeRangeOfWrittenDatesRoundTrips() {
    let first = CalendarDate(year: 1, month: 1, day: 1).daysSince1970
    let last = CalendarDate(year: 9999, month: 12, day: 31).daysSince1970
    #expect(first == -719_162)
    #expect(last == 2_932_896)
    var wrong = 0
    for day in stride(from: first, through: last, by: 17)
    where CalendarDate(daysSince1970: day).daysSince1970 != day { wrong += 1 }
    #expect(wrong == 0)
  }

  @Test(arguments: [(1900, false), (2000, true), (2023, false), (2024, true), (2100, false)])
  func leapYears(_ year: Int, _ isLeap: Bool) {
    #expect(CalendarDate.isLeap(year) == isLeap)
    #expect(CalendarDate.days(inMonth: 2, of: year) == (isLeap ? 29 : 28))
  }

  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000000Z"),
    (1_398_903_127_430_000_000, "2014-05-01T00:12:07.430000Z"),
    (999, "1970-01-01T00:00:00.000000Z"),
    (1000, "1970-01-01T00:00:00.000001Z"),
    (86_399_999_999_999, "1970-01-01T23:59:59.999999Z"),
    (-1, "1969-12-31T23:59:59.999999Z"),
    (-1000, "1969-12-31T23:59:59.999999Z"),
    (-1001, "1969-12-31T23:59:59.999998Z"),
    (-86_400_000_000_000, "1969-12-31T00:00:00.000000Z"),
    (-86_400_000_000_001, "1969-12-30T23:59:59.999999Z"),
    (Int64.max, "2262-04-11T23:47:16.854775Z"),
    (Int64.min, "1677-09-21T00:12:43.145224Z"),
  ])
  func writesIso8601RoundedDown(_ nanoseconds: Int64, _ expected: String) {
    var text = Text<32>()
    text.append(UTC(nanoseconds: nanoseconds))
    #expect(text.string == expected)
  }

  /// Seeded instants of all eras against Foundation, which parses what we wrote to the second.
  @Test func writtenTimesReadBack() throws {
    var random = RandomGenerator(seed: 1)
    let formatter = ISO8601DateFormatter()
    for _ in 0..<500 {
      let time = UTC(nanoseconds: Int64(truncatingIfNeeded: random.next()) / 2)
      var text = Text<32>()
      text.append(time)
      let wholeSecond = try #require(formatter.date(from: text.string.prefix(19) + "Z"))
      let seconds = Int64(wholeSecond.timeIntervalSince1970)
      #expect(seconds == floorQuotient(time.nanoseconds, nanosecondsPerSecond))
      let micros = try #require(Int64(text.string.dropFirst(20).dropLast()))
      #expect(micros == (time.nanoseconds - seconds * nanosecondsPerSecond) / 1000)
    }
  }

  @Test(arguments: [
    (7, 2, 3), (-7, 2, -4), (7, -2, -4), (-7, -2, 3), (6, 2, 3), (-6, 2, -3), (0, 5, 0),
    (-1, 5, -1),
  ])
  func floorQuotients(_ a: Int64, _ b: Int64, _ expected: Int64) {
    #expect(floorQuotient(a, b) == expected)
  }

  @Test func arithmeticAndOrder() {
    let time = UTC(nanoseconds: 5)
    #expect(time + 7 == UTC(nanoseconds: 12))
    #expect(UTC(nanoseconds: 12) - time == 7)
    #expect(time < UTC(nanoseconds: 6))
    #expect(!(time < time))
  }

  @Test func datesAndTimesConvert() {
    let date = CalendarDate(year: 2026, month: 11, day: 20)
    #expect(UTC(date).nanoseconds == 1_795_132_800_000_000_000)
    #expect(UTC(date).date == date)
    #expect((UTC(date) + -1).date == CalendarDate(year: 2026, month: 11, day: 19))
    #expect(UTC(nanoseconds: -1).date == CalendarDate(year: 1969, month: 12, day: 31))
  }

  private func parse(_ text: String) -> CalendarDate? {
    var text = text
    return text.withUTF8 { CalendarDate(ascii: $0) }
  }

  @Test func readsADate() {
    #expect(parse("2026-11-20") == CalendarDate(year: 2026, month: 11, day: 20))
    #expect(parse("2024-02-29") == CalendarDate(year: 2024, month: 2, day: 29))
    #expect(parse("0001-01-01") == CalendarDate(year: 1, month: 1, day: 1))
    #expect(parse("9999-12-31") == CalendarDate(year: 9999, month: 12, day: 31))
  }

  @Test(arguments: [
    "", "2026-11-2", "2026-11-201", "2026/11/20", "2026-11/20", "2026-00-10", "2026-13-10",
    "2026-11-00", "2026-11-31", "2025-02-29", "1900-02-29", "0000-01-01", "-026-01-01",
    "2026-1 -01", "2026-1x-01", "20a6-11-20", "2026-11-2 ", "2026-01-32", "99999-1-01",
  ])
  func refusesWhatIsNoDate(_ text: String) {
    #expect(parse(text) == nil)
  }

  @Test func writesADate() {
    var text = Text<16>()
    text.append(CalendarDate(year: 326, month: 1, day: 9))
    #expect(text.string == "0326-01-09")
  }
}
