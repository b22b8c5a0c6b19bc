// What the room answers: the page, its lists, what happens (a stream), figures for Prometheus, and
// picks in the forms of other systems.

import CHttp
import Core
import Devices
import Foundation
import Tools
import Uplink

extension Room {
  private static let picksMaximum = 10_000

  /// `token`: what whoever looks must have; nil where this machine alone can ask.
  public func answer(_ request: HttpRequest, token: String?, at now: UTC) -> HttpAnswer {
    guard request.method == "GET" || request.method == "HEAD" else {
      return .text(405, "GET and HEAD are all that is answered here\n")
    }
    if request.path == "/" {
      // It has nothing of the stations, and asks for the token itself.
      let page = UnsafeBufferPointer(start: chttp_page(), count: chttp_page_count())
      return .bytes(status: 200, type: "text/html; charset=utf-8", Array(page))
    }
    if let token {
      guard Room.isAllowed(request.header("Authorization"), token) else {
        return .text(401, "a token is needed: Authorization: Bearer TOKEN\n")
      }
    } else if !Room.isLocal(request.header("Host")) || Room.isPassedOn(request) {
      return .text(
        403,
        "asked for under another name than localhost, or through a proxy: name a --look-token\n")
    }
    do {
      return try list(request, at: now)
    } catch {
      return .text(error is BadQuery ? 400 : 503, "\(error)\n")
    }
  }

  /// What a request asks for is none.
  struct BadQuery: Error, CustomStringConvertible {
    let description: String
  }

  private func list(_ request: HttpRequest, at now: UTC) throws -> HttpAnswer {
    switch request.path {
    case "/api/stations":
      let stations = read { stations, _, _ in stations }.values.map(\.json)
      return .json(
        "{\"time\":\"\(now.iso8601)\",\"stations\":[\(stations.joined(separator: ","))]}")
    case "/api/events":
      let events = read { _, events, _ in events }.newest.map(\.json)
      return .json("{\"events\":[\(events.joined(separator: ","))]}")
    case "/api/live": return .stream(open())
    case "/api/picks": return try picks(request)
    case "/metrics":
      let (stations, report) = read { stations, _, report in (stations, report) }
      let text = Metrics.text(stations.values.sorted { $0.code < $1.code }, report: report)
      return .text(text, type: "text/plain; version=0.0.4; charset=utf-8")
    default:
      let station = "/api/stations/"
      guard request.path.hasPrefix(station) else {
        return .text(404, "there is nothing at \(Room.printable(request.path))\n")
      }
      return try one(String(request.path.dropFirst(station.count)), at: now)
    }
  }

  private func one(_ code: String, at now: UTC) throws -> HttpAnswer {
    let (found, events) = read { stations, events, _ in (stations[code], events) }
    guard let station = found else {
      return .text(404, "no station \(Room.printable(code)) has been heard\n")
    }
    let history = try archive.history(of: code, until: now).map { point in
      var state = StationState(code)
      state.note(point.header, point.message, received: point.received)
      let machine = point.message.machine
      let loop = machine.loopMedianNanoseconds
      let temperature = machine.temperatureCentidegrees
      return JsonLine.object([
        ("time", "\"\(point.received.iso8601)\""), ("noise_counts", orNull(state.noiseCounts, 2)),
        (
          "temperature_c",
          orNull(temperature == Wire.unknownTemperature ? nil : Double(temperature) / 100, 1)
        ),
        ("uncertainty_ms", orNull(state.uncertaintySeconds.map { $0 * 1e3 }, 4)),
        ("loop_us", orNull(loop == Wire.unknownDuration ? nil : Double(loop) * 1e-3, 1)),
        ("delay_s", orNull(state.delaySeconds, 3)),
      ])
    }
    return .json(
      "{\"station\":\(station.json),\"history\":[\(history.joined(separator: ","))],"
        + "\"events\":[\(events.of(code).map(\.json).joined(separator: ","))]}")
  }

  private func picks(_ request: HttpRequest) throws -> HttpAnswer {
    func time(_ name: String, _ fallback: UTC) throws -> UTC {
      guard let text = request.query(name) else { return fallback }
      guard let time = UTC(iso8601: text) else {
        throw BadQuery(
          description: "\(name) is no time in UTC, such as 2026-11-30T10:00:00.5")
      }
      return time
    }
    let limit = try request.query("limit").map { text in
      guard let limit = Int(text), (1...Room.picksMaximum).contains(limit) else {
        throw BadQuery(description: "limit must be a whole number from 1 to \(Room.picksMaximum)")
      }
      return limit
    }
    let found = try archive.picks(
      of: request.query("station"), from: try time("starttime", UTC(nanoseconds: .min)),
      to: try time("endtime", UTC(nanoseconds: .max)), limit: limit ?? Room.picksMaximum)
    switch request.query("format") ?? "text" {
    case "text": return .text(PickText.fdsn(found))
    case "earthworm": return .text(PickText.earthworm(found))
    case "quakeml":
      // An estimate rests on a P.
      let withEstimates = try found.map {
        ($0, $0.message.phase == 1 ? try archive.estimate(of: $0) : nil)
      }
      return .text(QuakeML.text(withEstimates), type: "application/xml")
    case "scml": return .text(SeisComPML.text(found), type: "application/xml")
    default:
      throw BadQuery(description: "format is one of text, quakeml, scml, earthworm")
    }
  }

  // MARK: Who may look

  /// In a time that does not tell how much of it is right.
  static func isAllowed(_ header: String?, _ token: String) -> Bool {
    let (given, wanted) = (Array((header ?? "").utf8), Array("Bearer \(token)".utf8))
    var difference = given.count == wanted.count ? 0 as UInt8 : 1
    for index in wanted.indices {
      difference |= (index < given.count ? given[index] : 0) ^ wanted[index]
    }
    return difference == 0
  }

  /// A proxy says for whom it asks.
  static func isPassedOn(_ request: HttpRequest) -> Bool {
    ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via"].contains { request.header($0) != nil }
  }

  /// Not a name that somebody else has pointed at this machine.
  static func isLocal(_ host: String?) -> Bool {
    guard let host = host?.lowercased() else { return true }
    let isBracketed = host.hasPrefix("[")
    guard
      let end = isBracketed ? host.firstIndex(of: "]") : host.firstIndex(of: ":") ?? host.endIndex
    else { return false }
    let name = String(isBracketed ? host[..<end].dropFirst() : host[..<end])
    let rest = isBracketed ? host[end...].dropFirst() : host[end...]
    guard
      rest.isEmpty
        || (rest.first == ":" && rest.dropFirst().allSatisfy { ("0"..."9").contains($0) })
    else { return false }
    return name == "localhost" || HttpServer.isLoopback(name)
  }

  private static func printable(_ text: String) -> String {
    String(
      text.unicodeScalars.prefix(64).map { (0x20...0x7E).contains($0.value) ? Character($0) : "?" })
  }
}
