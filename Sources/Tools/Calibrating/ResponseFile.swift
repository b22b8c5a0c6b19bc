// ResponseFile: a file of responses of either kind, told apart by how it begins.
//
//     let channels = try ResponseFile.read(path: "station.xml")

import Foundation

public enum ResponseFile {
  /// An inventory of a thousand channels with all their filters is a tenth of it.
  public static let byteCountMaximum = 64 << 20

  public static func read(path: String) throws -> [ChannelResponse] {
    guard let handle = FileHandle(forReadingAtPath: path),
      let data = try? handle.read(upToCount: byteCountMaximum + 1)
    else { throw ToolError("\(shown(path, limit: 256)): cannot be read") }
    do { return try read([UInt8](data)) } catch let error as ToolError {
      throw ToolError("\(shown(path, limit: 256)): \(error)")
    }
  }

  public static func read(_ bytes: [UInt8]) throws -> [ChannelResponse] {
    guard !bytes.isEmpty else {
      throw ToolError("is empty: it must be StationXML or RESP")
    }
    guard bytes.count <= byteCountMaximum else {
      throw ToolError("is larger than 64 MiB: ask for one station, level=response")
    }
    if bytes.starts(with: [0x1F, 0x8B]) { throw ToolError("is compressed: gunzip it first") }
    if bytes.starts(with: Array("000001V".utf8)) {
      throw ToolError(
        "is a dataless SEED volume: ask for StationXML, or let rdseed -R make RESP of it")
    }
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let text = bytes.starts(with: mark) ? Array(bytes.dropFirst(3)) : bytes
    let first = text.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
    switch first {
    case UInt8(ascii: "<"): return try StationXml.read(text)
    case UInt8(ascii: "#"), UInt8(ascii: "B"): return try RespText.read(text)
    default:
      throw ToolError(
        "is neither StationXML, which begins with <, nor RESP, which begins with # or B050F03")
    }
  }
}
