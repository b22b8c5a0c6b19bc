// room: what is asked of the collector's page and lists.
//
// Promised of every request: an answer with one of a few statuses; what says it is JSON is;
// without the token nothing of a station is told, and under a name that is not this machine's
// neither.

import Collector
import Core
import Foundation
import Tools
import Uplink

struct RoomTarget: Target, ~Copyable {
  private static let station = "XX.ONST1.00.EH"
  private static let token = "sixteen letters+"
  private static let operate = "sixteen letters too"

  /// A store in a folder of its own, as long as somebody has it.
  private final class Store {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-fuzz-\(UUID().uuidString)")

    init() throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// One station's messages.
    func room(_ messages: [[UInt8]]) throws -> Room {
      let file = folder.appendingPathComponent("\(RoomTarget.station).key")
      try Data(DatagramTarget.keyBytes).write(to: file)
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
      let path = folder.appendingPathComponent("onset.sqlite").path
      let intake = try Intake(
        databasePath: path, keys: try KeyFolder(folder.path, master: nil) { _ in },
        tell: { _ in }, complain: { _ in }, send: { _, _ in })
      let now = UTC(nanoseconds: 1_769_904_000_000_000_000)
      for message in messages {
        message.withUnsafeBufferPointer { intake.take($0, at: now, from: Sender()) }
        intake.commit(at: now)
      }
      return try Room(databasePath: path)
    }
  }

  /// By a regular expression, where the room takes the name apart.
  private static func isThisMachine(_ host: String) -> Bool {
    let name = /(localhost|127(\.[0-9]{1,3}){3}|\[[0-9a-f:.]*\])(:[0-9]*)?/.ignoresCase()
    return host.wholeMatch(of: name) != nil
  }

  private static let event =
    "{\"id\":\"e1\",\"version\":1,\"time\":\"2026-06-01T00:00:00Z\",\"latitude\":46.2,"
    + "\"longitude\":-7.5,\"depth_km\":8.25,\"rms_s\":0.1,\"picks\":[{\"station\":"
    + "\"XX.ONST1.00.EH\",\"epoch\":\"0000000000000009\",\"boot\":3,\"pick_id\":1,\"phase\":\"P\","
    + "\"residual_s\":-0.12,\"distance_km\":11.1}]}"

  private let store: Store
  private let room: Room
  let corpus: [[UInt8]] = [
    "GET / \n",
    "GET /api/stations \nHost: localhost:8080",
    "GET /api/stations/XX.ONST1.00.EH \nAuthorization: Bearer sixteen letters+",
    "GET /api/events \nHost: [::1]:8080\nAuthorization: Bearer x",
    "GET /api/live \n",
    "HEAD /metrics \n",
    "GET /api/picks starttime=2026-01-01&endtime=2027-01-01T00:00:00.5Z&limit=10&format=text\n",
    "GET /api/picks station=XX.ONST1.00.EH&format=quakeml\n",
    "GET /api/picks format=scml\nHost: 127.0.0.1",
    "POST /api/picks format=earthworm&limit=10000\n",
    "GET /fdsnws/event/1/query format=text&minmagnitude=-1&maxlat=80&orderby=time-asc\n",
    "GET /fdsnws/event/1/query nodata=404&eventid=e1\n",
    "GET /api/origins limit=5\n",
    "POST /api/origins \nAuthorization: Bearer sixteen letters too\nBody: " + event,
  ].map { Array($0.utf8) }
  let dialect = Dialect(
    tokens: [
      "/api/", "/api/stations/", "..", "%00", "\u{0}", "é", "Bearer ", "sixteen letters+", "Host: ",
      "Authorization: ", "localhost", "9999-12-31", "1677-01-01", "T23:59:59.999999999999", "-1",
      "18446744073709551616", "/api/origins", "/fdsnws/event/1/query", "POST ", "\"picks\":",
      "null",
      "1e999", "{\"a\":[", "Bearer sixteen letters too", "'; DROP TABLE pick; --", "<script>", "&",
      "=", "limit=", "format=",
    ].map { Array($0.utf8) }, maximumByteCount: 768)

  init() throws {
    let made = try Store()
    let messages = try DatagramTarget()
    let room = try made.room(messages.corpus)
    (store, self.room) = (made, room)
  }

  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {}

  /// "METHOD PATH NAME=VALUE&…", and a header a line.
  private static func request(_ text: String) -> (HttpRequest, host: String?, given: String?) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let words = lines[0].split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
      .map(String.init)
    func pairs(_ all: [Substring], _ separator: Character) -> [String: String] {
      Dictionary(
        all.map { pair in
          let parts = pair.split(
            separator: separator, maxSplits: 1, omittingEmptySubsequences: false)
          return (String(parts[0]), parts.count > 1 ? String(parts[1].drop { $0 == " " }) : "")
        }, uniquingKeysWith: { first, _ in first })
    }
    let query = pairs(words.count > 2 ? words[2].split(separator: "&") : [], "=")
    let headers = pairs(lines.dropFirst().map { $0[...] }, ":")
    return (
      HttpRequest(
        method: words[0], path: words.count > 1 ? words[1] : "", query: { query[$0] },
        header: { headers[$0] }, body: Array((headers["Body"] ?? "").utf8)), headers["Host"],
      headers["Authorization"]
    )
  }

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    let (request, host, given) = Self.request(String(decoding: bytes, as: UTF8.self))
    let token = iteration & 1 == 0 ? nil : Self.token
    let tokens = Room.Tokens(look: token, operate: Self.operate)
    let answer = room.answer(request, tokens: tokens, at: UTC(nanoseconds: Int64(iteration)))
    let isLocal = host.map(Self.isThisMachine) ?? true
    let mayLook =
      given == "Bearer \(Self.operate)"
      || (token == nil ? isLocal : given == "Bearer \(Self.token)")
    guard case .bytes(let status, let type, let body) = answer else {
      try require(mayLook && request.path == "/api/live", "a stream of something else")
      // Nobody reads it; what is told next lets it go.
      room.pass(at: UTC(nanoseconds: Int64(iteration) * 20_000_000_000))
      return true
    }
    try require([200, 204, 400, 401, 403, 404, 405, 409].contains(status), "status \(status)")
    try require(
      status != 200 || request.path == "/" || mayLook, "whoever may not look is told something")
    if type == "application/json" {
      var text = String(decoding: body, as: UTF8.self)
      let isWellFormed = text.withUTF8 { JsonText.isObject($0) }
      try require(isWellFormed, "not JSON: \(text)")
    }
    return status == 200
  }
}
