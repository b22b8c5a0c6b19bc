// Setup: writes a board and a station file of the answers, checks them, and puts them in place.
//
//     let setup = try Setup(
//       folder: "/etc/onset", share: "/usr/share/onset", state: "/var/lib/onset")
//     try setup.write(answers, replaces: false)

import Core
import Foundation

public struct Setup {
  /// Where the service looks for its files.
  public static let usualFolder = "/etc/onset"

  public let folder: String
  /// Shipped boards, networks and instruments.
  public let boards: String
  private let models: String
  public let instruments: String
  private let state: String

  /// `share`: what the package has installed, or a source tree.
  public init(folder: String, share: String, state: String) throws {
    func absolute(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }
    let isTree = FileManager.default.fileExists(atPath: "\(share)/calibration/models")
    let data = isTree ? "\(share)/calibration" : share
    self.folder = absolute(folder)
    boards = absolute("\(share)/boards")
    models = absolute("\(data)/models")
    instruments = absolute("\(data)/instruments")
    self.state = absolute(state)
    guard self.folder != Setup.usualFolder || !isTree else {
      throw ToolError(
        "\(share): the service here reads what the package onset-station installs; a source tree is for "
          + "another --folder")
    }
    for path in [boards, models] where !FileManager.default.fileExists(atPath: path) {
      throw ToolError(
        "\(path) is not there: install the package onset-station, or name a source tree with --share"
      )
    }
  }

  /// Those that a station can have: no simulation.
  public var boardNames: [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: boards)) ?? []
    return names.sorted().filter {
      !["host", "emulated"].contains($0)
        && FileManager.default.fileExists(atPath: "\(boards)/\($0)/board.toml")
    }
  }

  public var instrumentNames: [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: instruments)) ?? []
    return names.filter { $0.hasSuffix(".toml") }.map { String($0.dropLast(5)) }.sorted()
  }

  public var boardPath: String { "\(folder)/board.toml" }
  public var stationPath: String { "\(folder)/station.toml" }
  public var keyPath: String { "\(folder)/station.key" }

  /// Both files, checked together before either is put in its place; and a key where there is none.
  /// What was there is kept beside them. Returns what is to be known of them.
  public func write(_ given: SetupAnswers, replaces: Bool) throws -> [String] {
    var answers = given
    let present = [boardPath, stationPath].filter { FileManager.default.fileExists(atPath: $0) }
    guard replaces || present.isEmpty else {
      throw ToolError("\(present[0]) is there already: --replace keeps it as \(present[0]).before")
    }
    guard let shipped = try? String(contentsOfFile: shippedBoard(answers), encoding: .utf8) else {
      throw ToolError("\(shippedBoard(answers)): cannot be read")
    }
    var board = BoardText(shipped)
    for change in answers.device.changes { board.set(change.key, to: change.value) }
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
    try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
    if !FileManager.default.fileExists(atPath: keyPath) { try KeyFiles.make(keyPath) }
    answers.sensors = try answers.sensors.map(brought)
    let text = StationText(answers: answers, models: models, state: state).text
    let files = [(path: boardPath, text: board.text), (path: stationPath, text: text)]
    for (path, text) in files where FileManager.default.fileExists(atPath: path) {
      try demandNothingIsForgotten(path, text)
    }
    var said: [String] = []
    do {
      for (path, text) in files {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path + ".new"))
        said.append(try Check.file(path + ".new"))
      }
      said += try Check.together(files.map { $0.path + ".new" })
    } catch {
      for (path, _) in files { unlink(path + ".new") }
      throw error
    }
    for (path, _) in files { try replace(path) }
    giveToStation([boardPath, stationPath, keyPath, state])
    return said
  }

  /// The new file in the old one's place, in one step that a power cut leaves done or undone.
  private func replace(_ path: String) throws {
    if FileManager.default.fileExists(atPath: path) {
      unlink(path + ".before")
      guard link(path, path + ".before") == 0 else {
        throw ToolError("\(path).before: cannot be made")
      }
    }
    let (file, folder) = (open(path + ".new", O_RDONLY), open(folder, O_RDONLY))
    defer { for descriptor in [file, folder] where descriptor >= 0 { close(descriptor) } }
    guard fsync(file) == 0, rename(path + ".new", path) == 0, fsync(folder) == 0 else {
      throw ToolError("\(path): cannot be written")
    }
  }

  /// Sections that somebody has written by hand are not known here and would be gone.
  private func demandNothingIsForgotten(_ path: String, _ text: String) throws {
    func sections(_ text: String) -> Set<Substring> {
      Set(text.split(separator: "\n").filter { $0.hasPrefix("[") }.map { $0.prefix { $0 != "]" } })
    }
    let old = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let gone = sections(old).subtracting(sections(text)).sorted().map { $0 + "]" }
    guard gone.isEmpty else {
      throw ToolError(
        "\(path) has \(gone.joined(separator: " ")), which a new one would not have: change the file by "
          + "hand instead, or move it away first")
    }
  }

  /// An instrument file where the service can read it: it does not see anybody's home.
  private func brought(_ path: String) throws -> String {
    guard !["\(folder)/", "\(instruments)/"].contains(where: path.hasPrefix) else { return path }
    let own = "\(folder)/instruments"
    try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
    let copy = "\(own)/\(URL(fileURLWithPath: path).lastPathComponent)"
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw ToolError("\(path): cannot be read")
    }
    try bytes.write(to: URL(fileURLWithPath: copy))
    return copy
  }

  private func shippedBoard(_ answers: SetupAnswers) -> String {
    "\(boards)/\(answers.device.board)/board.toml"
  }

  /// For the service's group alone, where the machine has it; the state is the service's own.
  private func giveToStation(_ paths: [String]) {
    guard getuid() == 0, let entry = getpwnam("onset") else { return }
    let (user, group) = (entry.pointee.pw_uid, entry.pointee.pw_gid)
    for path in paths {
      let isState = path == state
      _ = chown(path, isState ? user : 0, group)
      _ = chmod(path, isState ? 0o750 : 0o640)
    }
  }
}
