// A store, what feeds it, and the room beside it.

import Core
import Foundation
import StationFixture
import Testing
import Tools
import Uplink

@testable import Collector

/// A store, what feeds it, and the room beside it.
final class RoomWorld {
  static let code = "XX.ONST1.00.EH"
  static let now = UTC(nanoseconds: 1_800_000_000_000_000_000)

  let folder: URL
  private let key = Key(Octets(repeating: 1))
  private(set) var room: Room!
  private var intake: Intake!
  var boot: UInt32 = 3
  private var sequence: UInt32 = 0

  init() throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-room-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let file = folder.appendingPathComponent("\(RoomWorld.code).key")
    try Data(repeating: 1, count: 32).write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
    intake = try Intake(
      databasePath: path, keys: try KeyFolder(folder.path, master: nil) { _ in },
      tell: { _ in }, complain: { _ in }, send: { _, _ in },
      note: { [unowned self] in room.note($0, received: $1) })
    room = try Room(databasePath: path)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  var path: String { folder.appendingPathComponent("onset.sqlite").path }

  func send(_ message: some Payload, number: UInt32? = nil, after seconds: Double = 0) {
    let number = number ?? sequence
    sequence = max(sequence, number + 1)
    let type = Swift.type(of: message).type
    let header = Header(
      type: type, station: Text(RoomWorld.code), epoch: 9, bootCounter: boot, sequence: number,
      emitted: RoomWorld.now + Int64(seconds * 1e9), clockState: 3, clockSource: 2,
      clockUncertaintyNanoseconds: 12_000)
    Datagram(header, key: key) { message.write(to: &$0) }.withBytes {
      intake.take($0, at: RoomWorld.now + Int64(seconds * 1e9) + 400_000_000, from: Sender())
    }
    intake.commit(at: RoomWorld.now)
  }

  func get(
    _ path: String, _ query: [String: String] = [:], token: String? = nil,
    operate: String? = nil, headers: [String: String] = [:], method: String = "GET",
    body: String = ""
  ) -> (status: UInt32, text: String) {
    let request = HttpRequest(
      method: method, path: path, query: { query[$0] }, header: { headers[$0] },
      body: Array(body.utf8))
    guard
      case .bytes(let status, _, let bytes) = room.answer(
        request, tokens: Room.Tokens(look: token, operate: operate), at: RoomWorld.now)
    else { return (0, "a stream") }
    return (status, String(decoding: bytes, as: UTF8.self))
  }

  func object(_ path: String) throws -> [String: Any] {
    let text = get(path).text
    return try #require(
      JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
  }

  func station() throws -> [String: Any] {
    let all = try #require(try object("/api/stations")["stations"] as? [[String: Any]])
    return try #require(all.first)
  }

  func beginAgain() throws { room = try Room(databasePath: path) }

  static func pick(_ id: UInt32, _ status: UInt8, phase: UInt8 = 1) -> PickMessage {
    var pick = PickMessage()
    (pick.id, pick.status, pick.phase, pick.quality) = (id, status, phase, 1)
    (pick.time, pick.firstMotion) = (now + Int64(id) * 1_000_000_000, 1)
    (pick.timeSigmaMicroseconds, pick.probability, pick.picker) = (30_000, 9700, 2)
    pick.signalToNoiseCentidecibels = 17_20
    return pick
  }
}
