// SetupAnswers: what a new station's files say that nobody can know but whoever installs it. Each
// answer is checked when it is given, so that a question can be put again.

import Core
import Foundation
import Uplink

public struct SetupAnswers {
  public struct Upstream: Equatable { public var host: String, port: Int }
  public struct Place: Equatable {
    public var latitude: Double, longitude: Double, elevation: Double
  }

  public var device: PluggedIn
  public var code: String
  public var upstream: Upstream
  /// Instrument files of vertical, north and east; none where the sensor is not known yet.
  public var sensors: [String]
  public var place: Place?
  /// Lines of [operators].
  public var operators: [String] = []
  public var allowed: NetworkLimits.Allowed

  public init(
    device: PluggedIn, code: String, upstream: Upstream, sensors: [String], place: Place? = nil,
    operators: [String] = [], allowed: NetworkLimits.Allowed = .notSaid
  ) {
    (self.device, self.code, self.upstream) = (device, code, upstream)
    (self.sensors, self.place, self.operators) = (sensors, place, operators)
    self.allowed = allowed
  }

  public static func code(_ text: String) throws -> String {
    guard text.utf8.count <= 24, StationCode(text).isStationCode else {
      throw ToolError(
        "\(text) is no code: it is NET.STA.LOC.BS such as XX.ONST1.00.EH, capitals and digits; LOC may be empty"
      )
    }
    return text
  }

  /// Without a port it is the one that a collector has unless it is told another.
  public static func upstream(_ text: String) throws -> Upstream {
    let usualPort = 6464
    let isBareAddress = text.filter { $0 == ":" }.count > 1 && !text.hasPrefix("[")
    let colon = isBareAddress ? nil : text.lastIndex(of: ":")
    let hasPort = colon != nil && !text.hasSuffix("]")
    let host = (hasPort ? text[..<colon!] : text[...]).filter { $0 != "[" && $0 != "]" }
    let port = hasPort ? Int(text[colon!...].dropFirst()) : usualPort
    guard let port, (1...65_535).contains(port), !host.isEmpty, host.utf8.count <= 128,
      host.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") })
    else {
      throw ToolError(
        "\(text) is no place to send to, such as collector.example.org or 192.0.2.1:6464")
    }
    return Upstream(host: String(host), port: port)
  }

  /// "none", one file for all components, or three with commas between them.
  public static func sensors(_ text: String, folder: String) throws -> [String] {
    guard text != "none" else { return [] }
    let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard names.count == 1 || names.count == 3 else {
      throw ToolError("\(text): one instrument file for all components, or vertical,north,east")
    }
    let paths = try names.map { name in
      let candidates = [name, "\(folder)/\(name)", "\(folder)/\(name).toml"]
      guard let path = candidates.first(where: FileManager.default.fileExists) else {
        throw ToolError(
          "\(name): there is no such file, and none in \(folder); onset calibration import makes one "
            + "of a StationXML file")
      }
      return URL(fileURLWithPath: path).standardizedFileURL.path
    }
    return paths.count == 3 ? paths : [paths[0], paths[0], paths[0]]
  }

  public static func place(_ text: String) throws -> Place {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard parts.count == 3, let latitude = parts[0], let longitude = parts[1],
      let elevation = parts[2], (-90...90).contains(latitude), (-180...180).contains(longitude),
      (-10_000...10_000).contains(elevation)
    else {
      throw ToolError(
        "\(text) is no place: latitude,longitude,elevation, such as 47.3769,8.5417,408")
    }
    return Place(latitude: latitude, longitude: longitude, elevation: elevation)
  }

  /// The lines that `onset key operator` prints, of a file.
  public static func operators(_ path: String) throws -> [String] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw ToolError("\(path): cannot be read")
    }
    let lines = text.split(separator: "\n").map(String.init).filter { $0.hasPrefix("operator_") }
    guard !lines.isEmpty else {
      throw ToolError("\(path): has no line operator_1 = \"…\", as onset key operator prints it")
    }
    return lines
  }

  /// "BOARD", or "BOARD=DEVICE" for another device than the file has: a card, a serial line, or
  /// a Shake's address.
  public static func device(_ text: String, boards: [String]) throws -> PluggedIn {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard let board = parts.first, boards.contains(board) else {
      let meant = Spelling.nearest(to: parts.first ?? "", among: boards)
      throw ToolError(
        "there is no board \(text)\(meant.map { "; did you mean \($0)?" } ?? ""): there are "
          + boards.joined(separator: ", "))
    }
    guard parts.count == 2 else { return PluggedIn(board: board, changes: [], text: board) }
    let key = board == "raspberry-shake" ? "source" : "device"
    return PluggedIn(
      board: board, changes: [PluggedIn.Change(key, "\"\(parts[1])\"")], text: text)
  }
}
