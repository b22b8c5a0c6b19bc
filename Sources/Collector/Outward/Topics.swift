// Topics: where on an MQTT broker a message belongs, and what it says there.
//
//     let (topic, payload) = try Topics.message(opened)

import Core
import Tools
import Uplink

enum Topics {
  /// Only the newest of these counts, and who comes later is to have it.
  static func isRetained(_ type: MessageType) -> Bool { type == .health || type == .instrument }

  /// onset/NET/STA/LOC/pick, with the JSON line that is told everywhere: `epoch`, `boot` and
  /// `sequence` in it are the key by which what comes twice is known. An empty location is "--".
  static func message(_ opened: OpenedDatagram) throws -> (topic: String, payload: String) {
    let codes = opened.header.station.string.split(
      separator: ".", omittingEmptySubsequences: false)
    let levels = codes.prefix(3).map { $0.isEmpty ? "--" : String($0) }
    return (
      "onset/\(levels.joined(separator: "/"))/\(opened.header.type)", try JsonLine.text(opened)
    )
  }
}
