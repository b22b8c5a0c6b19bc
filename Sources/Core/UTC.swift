// UTC: nanoseconds since 1970-01-01T00:00:00Z on the POSIX scale, on which every day has 86,400
// seconds. 64 bits reach the year 2262.
//
//     let start = UTC(CalendarDate(year: 2026, month: 1, day: 1))
//     let later = start + 5 * nanosecondsPerSecond
//     let nanoseconds = later - start

public struct UTC: Equatable, Comparable, Sendable {
  public var nanoseconds: Int64
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
  public static func < (a: UTC, b: UTC) -> Bool { a.nanoseconds < b.nanoseconds }
  public static func + (a: UTC, nanoseconds: Int64) -> UTC {
    UTC(nanoseconds: a.nanoseconds &+ nanoseconds)
  }
  public static func - (a: UTC, b: UTC) -> Int64 { a.nanoseconds &- b.nanoseconds }
}

public let nanosecondsPerSecond: Int64 = 1_000_000_000

/// A day of the proleptic Gregorian calendar.
public struct CalendarDate: Equatable, Sendable {
  public var year: Int
  public var month: Int
  public var day: Int

  public init(year: Int, month: Int, day: Int) {
    self.year = year
    self.month = month
    self.day = day
  }

  public static func isLeap(_ year: Int) -> Bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
  }

  public static func days(inMonth month: Int, of year: Int) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days since 1970-01-01. Leap days before a year Y are Y/4 − Y/100 + Y/400, counted to year 0.
  public var daysSince1970: Int {
    let elapsed = year - 1
    var days = elapsed * 365 + elapsed / 4 - elapsed / 100 + elapsed / 400
    for past in 1..<max(month, 1) { days += CalendarDate.days(inMonth: past, of: year) }
    return days + day - 1 - 719_162  // 719,162 days lie between 0001-01-01 and 1970-01-01
  }

  public init(daysSince1970: Int) {
    // A first guess by the mean Gregorian year of 365.2425 days is off by one at most, either way.
    var year = 1970 + (daysSince1970 * 400) / 146_097
    while CalendarDate(year: year + 1, month: 1, day: 1).daysSince1970 <= daysSince1970 {
      year += 1
    }
    while CalendarDate(year: year, month: 1, day: 1).daysSince1970 > daysSince1970 { year -= 1 }
    var rest = daysSince1970 - CalendarDate(year: year, month: 1, day: 1).daysSince1970
    var month = 1
    while rest >= CalendarDate.days(inMonth: month, of: year) {
      rest -= CalendarDate.days(inMonth: month, of: year)
      month += 1
    }
    self.init(year: year, month: month, day: rest + 1)
  }

  /// "2026-11-20"; nil when it is not such a date.
  public init?(ascii bytes: UnsafeBufferPointer<UInt8>) {
    guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-") else {
      return nil
    }
    func number(_ range: Range<Int>) -> Int? {
      var value = 0
      for index in range {
        guard bytes[index] >= UInt8(ascii: "0"), bytes[index] <= UInt8(ascii: "9") else {
          return nil
        }
        value = value * 10 + Int(bytes[index] - UInt8(ascii: "0"))
      }
      return value
    }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
      year >= 1, (1...12).contains(month), day >= 1,
      day <= CalendarDate.days(inMonth: month, of: year)
    else { return nil }
    self.init(year: year, month: month, day: day)
  }
}

extension UTC {
  public init(_ date: CalendarDate) {
    nanoseconds = Int64(date.daysSince1970) * 86_400 * nanosecondsPerSecond
  }

  public var date: CalendarDate {
    CalendarDate(daysSince1970: Int(floorQuotient(nanoseconds, 86_400 * nanosecondsPerSecond)))
  }
}

/// Division that rounds towards minus infinity, so that times before 1970 fall into the right
/// second.
public func floorQuotient(_ a: Int64, _ b: Int64) -> Int64 {
  let quotient = a / b
  return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient
}

extension Text {
  public mutating func append(_ date: CalendarDate) {
    append(digitsOf: date.year, minimumWidth: 4)
    append(byte: UInt8(ascii: "-"))
    append(digitsOf: date.month, minimumWidth: 2)
    append(byte: UInt8(ascii: "-"))
    append(digitsOf: date.day, minimumWidth: 2)
  }

  /// ISO 8601 to the microsecond, rounded down: "2014-05-01T00:12:07.430000Z".
  public mutating func append(_ time: UTC) {
    let seconds = floorQuotient(time.nanoseconds, nanosecondsPerSecond)
    // Wrapping, because the product passes the smallest Int64 within the first second of the scale.
    let micro = Int((time.nanoseconds &- seconds &* nanosecondsPerSecond) / 1000)
    let secondOfDay = Int(seconds - floorQuotient(seconds, 86_400) * 86_400)
    append(time.date)
    append(byte: UInt8(ascii: "T"))
    append(digitsOf: secondOfDay / 3600, minimumWidth: 2)
    append(byte: UInt8(ascii: ":"))
    append(digitsOf: secondOfDay / 60 % 60, minimumWidth: 2)
    append(byte: UInt8(ascii: ":"))
    append(digitsOf: secondOfDay % 60, minimumWidth: 2)
    append(byte: UInt8(ascii: "."))
    append(digitsOf: micro, minimumWidth: 6)
    append(byte: UInt8(ascii: "Z"))
  }
}
