// DemoCollector: the real onset-collector at the demonstration's other end. The demonstration reads
// along: what the station sends goes on to the collector, and what that answers back to the station.
//
//     let collector = try DemoCollector(program: path, folder: folder, station: "XX.DEMO..HN")
//     collector.pass(bytes, on: socket, station: stationPort)
//     print(try collector.finish())

import Core
import Devices
import Foundation
import Uplink

final class DemoCollector {
  private static let loopback: UInt32 = 0x7F00_0001
  private let process = Process()
  private let lines = Pipe()
  private let complaints = Pipe()
  private let port: UInt16

  /// `folder` has the station's key as station.key, and gets the database.
  init(program: String, folder: URL, station: String) throws {
    let keys = folder.appendingPathComponent("keys")
    try FileManager.default.createDirectory(at: keys, withIntermediateDirectories: true)
    let key = keys.appendingPathComponent("\(station).key")
    try FileManager.default.copyItem(at: folder.appendingPathComponent("station.key"), to: key)
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = [
      "--keys", keys.path, "--database", folder.appendingPathComponent("demo.sqlite").path,
      "--port", "0", "--only", "alert",
    ]
    (process.standardOutput, process.standardError) = (lines, complaints)
    do { try process.run() } catch { throw ToolError("\(program) does not start: \(error)") }
    let first = String(decoding: complaints.fileHandleForReading.availableData, as: UTF8.self)
    let words = first.split(separator: " ")
    guard let place = words.firstIndex(of: "port"), place + 1 < words.count,
      let port = UInt16(words[place + 1])
    else { throw ToolError("\(program) does not say on which port it listens: \(first)") }
    self.port = port
  }

  /// What has come on the socket, from either end.
  func pass(
    _ bytes: UnsafeBufferPointer<UInt8>, on socket: borrowing UdpEndpoint, station: UInt16
  ) {
    guard let datagram = Datagram(bytes: bytes), bytes.count > 5 else { return }
    let isAnswer = bytes[5] == MessageType.acknowledgement.rawValue
    _ = socket.send(datagram, to: Address(ipv4: Self.loopback, port: isAnswer ? station : port))
  }

  /// Ends it; what it stored, in a sentence.
  func finish() throws -> String {
    process.terminate()
    let told = lines.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let last = String(decoding: told, as: UTF8.self).split(separator: "\n").last ?? ""
    let report = try? JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any]
    guard process.terminationStatus == 0, let stored = report?["stored"] as? Int,
      let doubles = report?["doubles"] as? Int
    else { throw ToolError("the collector did not end well: \(last)") }
    return "onset-collector stored \(stored) messages in SQLite and acknowledged them; "
      + "\(doubles) came twice."
  }
}
