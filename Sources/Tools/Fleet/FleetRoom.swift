// FleetRoom: asks a collector for what its page shows.
//
//     let room = try FleetRoom("http://127.0.0.1:8080", tokenPath: nil)
//     let list = try room.list()

import Core
import Foundation

public struct FleetRoom {
  /// A list of 5,000 stations has four megabytes, which take half a minute at a megabit a second.
  private static let patienceMilliseconds = 60_000

  private let client = HttpClient(patienceMilliseconds: FleetRoom.patienceMilliseconds)
  private let base: String
  private let headers: [String]

  /// `tokenPath`: the file that the collector has for `--look-token`.
  public init(_ url: String, tokenPath: String?) throws {
    guard url.hasPrefix("http://") || url.hasPrefix("https://"),
      !url.contains(where: \.isWhitespace)
    else {
      throw UsageError("\(url) is not a collector's page, such as http://127.0.0.1:8080")
    }
    base = String(url.reversed().drop { $0 == "/" }.reversed())
    headers =
      try tokenPath.map { path in
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
          throw ToolError("\(path): cannot be read")
        }
        let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
        // A line's end would begin a header of its own.
        guard !token.isEmpty, token.unicodeScalars.allSatisfy({ (0x21...0x7E).contains($0.value) })
        else { throw ToolError("\(path): a token is one word of printable characters") }
        return ["Authorization: Bearer \(token)"]
      } ?? []
  }

  public func list() throws -> FleetList {
    try FleetList(ask("/api/stations"), from: base + "/api/stations")
  }

  /// The newest arrivals, newest first.
  public func events() throws -> [FleetEvent] {
    try FleetEvent.list(ask("/api/events")[...], from: base + "/api/events")
  }

  /// The newest located earthquakes, newest first.
  public func origins() throws -> [FleetOrigin] {
    try FleetOrigin.list(ask("/api/origins"), from: base + "/api/origins")
  }

  /// One station with its last day. `silentSeconds` as for FleetOverview.
  public func page(of code: String, silentSeconds: Double) throws -> FleetPage {
    let overview = FleetOverview(try list(), silentSeconds: silentSeconds)
    guard let row = overview.rows.first(where: { $0.station.code == code }) else {
      let known = overview.rows.map(\.station.code).sorted()
      let meant = Spelling.nearest(to: code, among: known).map { "; did you mean \($0)?" }
      throw ToolError("the collector has heard no station \(code)\(meant ?? "")")
    }
    let path = "/api/stations/\(code)"
    return try FleetPage(ask(path), row, at: overview.list.time, from: base + path)
  }

  /// What is wrong with the collector itself, as its page says it too.
  public func troubles() throws -> [FleetTrouble] { FleetTrouble.all(try ask("/metrics")) }

  private func ask(_ path: String) throws -> [UInt8] {
    let answer = try client.ask("GET", base + path, headers: headers)
    if answer.isTaken { return answer.body }
    let said = Terminal.printable(String(answer.text.prefix { !$0.isNewline }))
    switch answer.status {
    case 401:
      throw ToolError(
        headers.isEmpty
          ? "\(base) wants a token: name the file that the collector has with --look-token FILE"
          : "\(base): the token is not the collector's")
    case 404: throw ToolError("\(base)\(path): \(said); is it a collector's --http?")
    default: throw ToolError("\(base)\(path): status \(answer.status), \(said)")
    }
  }
}

/// What is wrong with a collector: what its stations tell is then late, lost or misdated.
public struct FleetTrouble {
  private let text: String

  public var line: String { "BAD      collector                \(text)" }
  public var json: String {
    JsonLine.object([("type", "\"collector\""), ("text", Terminal.quoted(text))])
  }

  /// By its figures for Prometheus; those that are not there are not known yet.
  static func all(_ metrics: [UInt8]) -> [FleetTrouble] {
    let known: [(figure: String, isBad: (Double) -> Bool, text: String)] = [
      ("storing", { $0 == 0 }, "it does not store: see what it says on standard error"),
      ("clock_wrong", { $0 == 1 }, "its clock is wrong: see chronyc tracking there"),
      ("lost_total", { $0 > 0 }, "it has given messages up, because too many waited to be stored"),
    ]
    let lines = metrics.split(separator: UInt8(ascii: "\n"))
    return known.filter { figure, isBad, _ in
      let name = Array("onset_collector_\(figure) ".utf8)
      return lines.first { $0.starts(with: name) }
        .flatMap { Double(String(decoding: $0.dropFirst(name.count), as: UTF8.self)) }
        .map(isBad) ?? false
    }.map { FleetTrouble(text: $0.text) }
  }
}
