// What the room answers: the page, its lists, what happens (a stream), figures for Prometheus, and
// picks in the forms of other systems.

import CHttp
import Core
import Devices
import Foundation
import Tools
import Uplink

extension Room {
  /// Who may look has one, who may change something the other; nil where it was not given.
  public struct Tokens: Sendable {
    public var look: String?
    public var operate: String?
    public init(look: String? = nil, operate: String? = nil) {
      (self.look, self.operate) = (look, operate)
    }
  }

  /// Without a token to look with, this machine alone may. To change something takes the other one
  /// always: a page from elsewhere could ask this machine's browser to.
  public func answer(_ request: HttpRequest, tokens: Tokens, at now: UTC) -> HttpAnswer {
    let given = request.header("Authorization")
    let mayOperate = tokens.operate.map { Room.isAllowed(given, $0) } ?? false
    switch request.method {
    case "GET", "HEAD": break
    case "POST" where request.path == "/api/origins":
      guard tokens.operate != nil else {
        return .text(403, "nothing can be changed here: onset-collector --operate-token FILE\n")
      }
      guard mayOperate else {
        return .text(401, "the token of who operates is needed: Authorization: Bearer TOKEN\n")
      }
      return takeEvent(request.body, at: now)
    default: return .text(405, "GET and HEAD are answered here, and POST at /api/origins alone\n")
    }
    if request.path == "/" {
      // It has nothing of the stations, and asks for the token itself.
      let page = UnsafeBufferPointer(start: chttp_page(), count: chttp_page_count())
      return .bytes(status: 200, type: "text/html; charset=utf-8", Array(page))
    }
    if let look = tokens.look {
      guard mayOperate || Room.isAllowed(given, look) else {
        return .text(401, "a token is needed: Authorization: Bearer TOKEN\n")
      }
    } else if !mayOperate && (!Room.isLocal(request.header("Host")) || Room.isPassedOn(request)) {
      return .text(
        403,
        "asked for under another name than localhost, or through a proxy: name a --look-token\n")
    }
    do {
      return try list(request, at: now)
    } catch {
      return .text(error is BadRequest ? 400 : 503, "\(error)\n")
    }
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
    case "/api/origins", "/fdsnws/event/1/query": return try events(request)
    case "/fdsnws/event/1/version": return .text("1.2.0\n")
    case "/fdsnws/event/1/application.wadl":
      return .text(EventService.description, type: "application/xml")
    case "/fdsnws/event/1/catalogs", "/fdsnws/event/1/contributors":
      return .text(EventService.sources(request.path), type: "application/xml")
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
