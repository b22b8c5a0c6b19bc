// What the room takes and answers of picks and events: what somebody who associates picks has
// found, and FDSN's event service.

import Core
import Foundation
import Tools
import Uplink

extension Room {
  private static let picksMaximum = 10_000
  private static let eventsMaximum = 20_000
  /// With their picks; others wait while they are put together.
  private static let describedMaximum = 500

  /// An event is stored, and told to those who stay.
  func takeEvent(_ body: [UInt8], at now: UTC) -> HttpAnswer {
    do {
      let event = try LocatedEvent(json: body)
      guard try book.take(event, at: now) else {
        return .text(409, "\(event.id) is there in version \(event.version) or a newer one\n")
      }
      let entry = try book.events(EventBook.Query(id: event.id)).first
      tell(
        origin: entry?.json ?? event.json(magnitude: nil, magnitudeCount: 0))
      return .json("{\"id\":\(JsonLine.quoted(event.id)),\"version\":\(event.version)}")
    } catch let error as BadRequest {
      return .text(400, "\(error)\n")
    } catch {
      return .text(503, "\(error)\n")
    }
  }

  func picks(_ request: HttpRequest) throws -> HttpAnswer {
    let query = Query(request)
    let found = try archive.picks(
      of: request.query("station"), from: try query.time("starttime") ?? UTC(nanoseconds: .min),
      to: try query.time("endtime") ?? UTC(nanoseconds: .max),
      limit: try query.whole("limit", in: 1...Room.picksMaximum) ?? Room.picksMaximum)
    switch request.query("format") ?? "text" {
    case "text": return .text(PickText.fdsn(found))
    case "earthworm": return .text(PickText.earthworm(found))
    case "pyocto": return .text(PickText.pyocto(found), type: "text/csv; charset=utf-8")
    case "quakeml":
      // An estimate rests on a P.
      let events = try found.map {
        QuakeML.event($0, $0.message.phase == 1 ? try archive.estimate(of: $0) : nil)
      }
      return .text(QuakeML.text(events), type: "application/xml")
    case "scml": return .text(SeisComPML.text(found), type: "application/xml")
    default:
      throw BadRequest("format is one of text, quakeml, scml, earthworm, pyocto")
    }
  }

  /// FDSN's web services specification 1.2, its event service: what is asked for of a time, a place
  /// and a size.
  func events(_ request: HttpRequest) throws -> HttpAnswer {
    let isFdsn = request.path != "/api/origins"
    let query = Query(request)
    var wanted = EventBook.Query()
    wanted.id = request.query("eventid")
    wanted.begin = try query.time("starttime", "start") ?? wanted.begin
    wanted.end = try query.time("endtime", "end") ?? wanted.end
    wanted.latitudes = try query.range("latitude", "lat", in: wanted.latitudes)
    wanted.longitudes = try query.range("longitude", "lon", in: wanted.longitudes)
    wanted.depths = try query.range("depth", "depth", in: wanted.depths)
    wanted.magnitudes = try query.range("magnitude", "mag", in: wanted.magnitudes)
    wanted.limit =
      try query.whole("limit", in: 1...Room.eventsMaximum)
      ?? (isFdsn ? Room.eventsMaximum : wanted.limit)
    switch request.query("orderby") ?? "time" {
    case "time": break
    case "time-asc": wanted.isOldestFirst = true
    default: throw BadRequest("orderby is time or time-asc")
    }
    let entries = try book.events(wanted)
    guard isFdsn else {
      return .json("{\"origins\":[\(entries.map(\.json).joined(separator: ","))]}")
    }
    guard !entries.isEmpty else {
      let status: UInt32 = request.query("nodata") == "404" ? 404 : 204
      return .text(status, "")
    }
    switch request.query("format") ?? "xml" {
    case "text": return .text(EventText.fdsn(entries))
    case "xml":
      guard entries.count <= Room.describedMaximum else {
        return .text(
          413,
          "\(entries.count) events are too many with all their picks: ask for a shorter time, for a "
            + "limit up to \(Room.describedMaximum), or for format=text\n")
      }
      return .text(
        QuakeML.text(try entries.map { QuakeML.event(try described($0)) }),
        type: "application/xml")
    default: throw BadRequest("format is xml or text")
    }
  }

  private func described(_ entry: EventBook.Entry) throws -> DescribedEvent {
    let arrivals = try entry.event.arrivals.compactMap { arrival in
      try archive.pick(arrival.key).map { pick in
        (arrival, pick, arrival.isShear ? nil : try archive.estimate(of: pick))
      }
    }
    return DescribedEvent(entry: entry, arrivals: arrivals)
  }

  /// What a request asks for, or a sentence that says what it could.
  private struct Query {
    let request: HttpRequest

    init(_ request: HttpRequest) { self.request = request }

    func time(_ names: String...) throws(BadRequest) -> UTC? {
      guard let (name, text) = first(names) else { return nil }
      guard let time = UTC(iso8601: text) else {
        throw BadRequest("\(name) is no time in UTC, such as 2026-11-30T10:00:00.5")
      }
      return time
    }

    func whole(_ name: String, in range: ClosedRange<Int>) throws(BadRequest) -> Int? {
      guard let text = request.query(name) else { return nil }
      guard let value = Int(text), range.contains(value) else {
        throw BadRequest(
          "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }

    /// From min… to max…, each where it is given.
    func range(
      _ name: String, _ short: String, in all: ClosedRange<Double>
    ) throws(BadRequest) -> ClosedRange<Double> {
      func bound(_ prefix: String, _ fallback: Double) throws(BadRequest) -> Double {
        guard let (name, text) = first(["\(prefix)\(name)", "\(prefix)\(short)"]) else {
          return fallback
        }
        guard let value = Double(text), all.contains(value) else {
          throw BadRequest("\(name) must be a number from \(all.lowerBound) to \(all.upperBound)")
        }
        return value
      }
      let (least, most) = (try bound("min", all.lowerBound), try bound("max", all.upperBound))
      guard least <= most else { throw BadRequest("min\(name) is above max\(name)") }
      return least...most
    }

    private func first(_ names: [String]) -> (name: String, text: String)? {
      for name in names { if let text = request.query(name) { return (name, text) } }
      return nil
    }
  }
}

/// What FDSN's event service says of itself, for clients that ask.
enum EventService {
  private static let parameters = [
    ("starttime", "xs:dateTime"), ("endtime", "xs:dateTime"), ("minlatitude", "xs:double"),
    ("maxlatitude", "xs:double"), ("minlongitude", "xs:double"), ("maxlongitude", "xs:double"),
    ("mindepth", "xs:double"), ("maxdepth", "xs:double"),
    ("minmagnitude", "xs:double"), ("maxmagnitude", "xs:double"), ("limit", "xs:int"),
    ("orderby", "xs:string"), ("eventid", "xs:string"), ("format", "xs:string"),
    ("nodata", "xs:int"),
  ]

  static let description =
    Xml.declaration
    + Xml.element(
      "application",
      Xml.element(
        "resources",
        Xml.element(
          "resource",
          Xml.element(
            "method",
            Xml.element(
              "request",
              parameters.map {
                Xml.element("param", "", [("name", $0.0), ("style", "query"), ("type", $0.1)])
              }.joined()),
            [("id", "query"), ("name", "GET")]), [("path", "query")]),
        [("base", "/fdsnws/event/1/")]),
      [
        ("xmlns", "http://wadl.dev.java.net/2009/02"),
        ("xmlns:xs", "http://www.w3.org/2001/XMLSchema"),
      ]) + "\n"

  /// There is one catalog, of one contributor.
  static func sources(_ path: String) -> String {
    let name = path.hasSuffix("catalogs") ? "Catalog" : "Contributor"
    return Xml.declaration + Xml.element("\(name)s", Xml.element(name, "onset")) + "\n"
  }
}
