// [uplink] and [second_uplink] of a station file: who hears the station, and where it hears; and the
// name by which it is known.

import Core
import Settings

/// "NET.STA.LOC.BS": FDSN network, station, location (may be empty), band and source.
public typealias StationCode = Text<24>

public struct UpstreamSettings: Sendable {
  public var host = Text<128>()
  public var port = 0
  public var keyFile = Path()
  /// The key before, while the upstream may still have only that; empty for none.
  public var previousKeyFile = Path()

  @inline(never)
  fileprivate init(_ file: inout ConfigurationFile, _ section: StaticString) {
    host = file.text(section, "host", Text<128>.self)
    port = file.integer(section, "port", in: 1...65_535)
    keyFile = file.path(section, "key_file")
    previousKeyFile = file.path(section, "previous_key_file", isOptional: true)
  }
}

public struct UplinkSettings: Sendable {
  public var first: UpstreamSettings
  /// It hears all that the first hears.
  public var second: UpstreamSettings?
  public var listenPort = 0

  public init(_ file: inout ConfigurationFile) {
    first = UpstreamSettings(&file, "uplink")
    listenPort = file.integer("uplink", "listen_port", in: 1...65_535)
    if file.has(section: "second_uplink") { second = UpstreamSettings(&file, "second_uplink") }
  }
}

extension Text {
  /// Four fields between three dots; capitals and digits; at most 8, 8, 8 and exactly 2 characters.
  public var isStationCode: Bool {
    var field = 0
    var length = 0
    for index in 0..<count {
      switch self[index] {
      case UInt8(ascii: "."):
        guard length > 0 || field == 2, length <= 8 else { return false }
        field += 1
        length = 0
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        length += 1
      default: return false
      }
    }
    return field == 3 && length == 2
  }
}
