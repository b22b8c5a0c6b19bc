// Look: the room and its server, as the collector's command line has them.
//
//     let look = try Look(at: "127.0.0.1:8080", lookPath: nil, operatePath: nil)
//     let intake = try Intake(…, note: look.note)
//     print(try look.begin(databasePath: path))

import Core
import Devices
import Foundation
import Tools
import Uplink

/// It begins before anybody else knows it, and ends after.
public final class Look: @unchecked Sendable {
  /// As long as a password that is not guessed.
  private static let tokenMinimum = 16
  /// Prometheus asks every ten seconds or more.
  private static let reportNanoseconds = 5 * nanosecondsPerSecond

  private let host: String
  private let port: UInt16
  private let tokens: Room.Tokens
  private var room: Room?
  private var server: HttpServer?
  private var reported = UTC(nanoseconds: 0)

  public init(at place: String, lookPath: String?, operatePath: String?) throws {
    let colon = place.lastIndex(of: ":") ?? place.startIndex
    var host = String(place[..<colon])
    if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard let port = UInt16(place[colon...].dropFirst()), !host.isEmpty else {
      throw ToolError("--http \(place) is not HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    }
    (self.host, self.port) = (host, port)
    tokens = Room.Tokens(
      look: try lookPath.map(Look.token), operate: try operatePath.map(Look.token))
    guard tokens.look == nil || tokens.look != tokens.operate else {
      throw ToolError("--look-token and --operate-token are the same: who looks could operate")
    }
    guard tokens.look != nil || HttpServer.isLoopback(host) else {
      throw ToolError(
        "--http \(place) can be reached from elsewhere, and everybody could look: name a --look-token, or "
          + "127.0.0.1 behind a proxy that asks who it is")
    }
  }

  private static func token(_ path: String) throws -> String {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw ToolError("\(path): cannot be read")
    }
    let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(
      in: .whitespacesAndNewlines)
    guard text.utf8.count >= tokenMinimum, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else {
      throw ToolError(
        "\(path): a token has \(tokenMinimum) characters or more, without spaces: "
          + "head -c 24 /dev/urandom | base64 makes one")
    }
    return text
  }

  /// When the store has its tables. Where it serves, as a sentence.
  public func begin(databasePath: String) throws -> String {
    let room = try Room(databasePath: databasePath)
    let tokens = tokens
    let server = try HttpServer(host: host, port: port) {
      room.answer($0, tokens: tokens, at: MachineClock().systemClock().realtime)
    }
    (self.room, self.server) = (room, server)
    let written = host.contains(":") ? "[\(host)]" : host
    return "serves its page at http://\(written):\(server.port)/"
      + (tokens.look == nil ? ", to this machine alone" : ", to who has the token")
  }

  public func note(_ opened: OpenedDatagram, received: UTC) {
    room?.note(opened, received: received)
  }

  /// Time passes. `report`: how the collector is; it is asked for every few seconds.
  public func pass(at now: UTC, report: () -> String) {
    guard let room else { return }
    room.pass(at: now)
    guard now - reported >= Look.reportNanoseconds || now < reported else { return }
    reported = now
    room.note(report: report())
  }

  public func end() {
    room?.end()
    server = nil
  }
}
