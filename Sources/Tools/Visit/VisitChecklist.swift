// VisitChecklist: what a yearly visit looks at, in the order in which somebody walks through it.
//
// What the program can measure, it measures; here is what only a person sees. Each question is so put
// that "yes" is well.
//
//     for question in VisitChecklist.questions(hasRelay: true) { … }

public struct VisitQuestion: Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    /// "yes" or "no", and a remark behind it.
    case yesNo
    case number(ClosedRange<Double>, unit: String)
    case text
    /// A text that may be empty.
    case remark
    /// "yes" and the name of who agrees, or "no".
    case consent
  }

  /// Its name in the report, in an answers file and in a draft.
  public let key: String
  public let section: String
  public let kind: Kind
  public let question: String

  init(_ section: String, _ key: String, _ kind: Kind, _ question: String) {
    (self.section, self.key, self.kind, self.question) = (section, key, kind, question)
  }

  /// What an answer to it looks like.
  public var hint: String {
    switch kind {
    case .yesNo: "yes or no, and what is to be said of it; - and why, if it was not looked at"
    case .number(let range, let unit):
      "\(shortest(range.lowerBound)) to \(shortest(range.upperBound)) \(unit); - and why, if it was not looked at"
    case .text: "a few words"
    case .remark: "a few words, or an empty line"
    case .consent: "yes and the name of who stands by and agrees, such as yes, Bo Li; or no"
    }
  }
}

public enum VisitChecklist {
  /// Whoever agrees that the relay moves; asked before the station is measured.
  public static let standby = VisitQuestion(
    "relay", "relay_standby", .consent,
    "The relay can be moved for a second, and what hangs on it moves too. Who stands by there and agrees?"
  )
  static let moved = VisitQuestion(
    "relay", "relay_moved", .yesNo, "Did the relay click, and did what hangs on it do what it must?"
  )

  public static let arrival = [
    VisitQuestion("visit", "visitor", .text, "Who visits?"),
    VisitQuestion(
      "place", "untouched", .yesNo,
      "Is everything as it was left: nothing opened, moved, wet, gnawed or stolen?"),
  ]

  public static func questions(hasRelay: Bool) -> [VisitQuestion] {
    arrival + (hasRelay ? [moved] : []) + rest
  }

  private static let rest = [
    VisitQuestion("sensor", "level", .yesNo, "Is the sensor level, the bubble within its ring?"),
    VisitQuestion(
      "sensor", "north_azimuth_degrees", .number(0...360, unit: "degrees"),
      "Where does the sensor's north point? By the building's plan: a compass is off beside iron"),
    VisitQuestion(
      "sensor", "fixed", .yesNo, "Does the sensor sit firmly on rock or slab, its feet locked?"),
    VisitQuestion("sensor", "sensor_serial", .text, "The sensor's serial number"),
    VisitQuestion("digitizer", "digitizer_serial", .text, "The digitizer's serial number"),
    VisitQuestion(
      "digitizer", "cables", .yesNo,
      "Are cables and plugs sound: no bite, no kink, no green copper, strain relieved?"),
    VisitQuestion(
      "digitizer", "stamp_is_picked", .yesNo,
      "Stamp beside the sensor with the station running: does a pick come, and is it retracted?"),
    VisitQuestion(
      "enclosure", "seals", .yesNo,
      "Are lid, seals and glands tight, and is the inside dry and clean?"),
    VisitQuestion(
      "enclosure", "earth", .yesNo,
      "Are arresters and earth as they were, and has no arrester's window changed its colour?"),
    VisitQuestion(
      "power", "battery_volts", .number(0...100, unit: "V"),
      "The battery's voltage, with the charger off for ten minutes; 0 without a battery"),
    VisitQuestion(
      "power", "battery_year", .number(0...2200, unit: "(a year)"),
      "The year in which the battery was new; 0 without a battery"),
    VisitQuestion(
      "power", "stays_on", .yesNo, "Mains pulled for a minute: does the station stay on?"),
    VisitQuestion(
      "clock", "clock_agrees", .yesNo,
      "Does the machine's clock (date --utc) agree with a phone's to the second?"),
    VisitQuestion(
      "clock", "antenna", .yesNo, "Does the antenna still see the sky: no tree, snow or new roof?"),
    VisitQuestion(
      "disk", "card_year", .number(2000...2200, unit: "(a year)"),
      "The year in which the card or disk was new; a card for endurance lasts five"),
    VisitQuestion(
      "papers", "collector_hears", .yesNo,
      "Does the collector's page show the station, and is a copy of /etc/onset with its owner?"),
    VisitQuestion(
      "papers", "photos", .remark, "The numbers of the photos: sensor, cabinet, antenna, relay"),
    VisitQuestion("papers", "remarks", .remark, "What else is to be said?"),
  ]

  static func find(_ key: String) -> VisitQuestion? {
    ([standby] + questions(hasRelay: true)).first { $0.key == key }
  }

  static var keys: [String] { ([standby] + questions(hasRelay: true)).map(\.key) }
}
