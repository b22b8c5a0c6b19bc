// Setup: writes a board and a station file of the answers, checks them, and puts them in place.
//
//     let setup = try Setup(
//       folder: "/etc/onset", share: "/usr/share/onset", state: "/var/lib/onset")
//     try setup.write(answers, replaces: false)

import Board
import Core
import Foundation
import Runtime
import Settings
import Uplink

public struct Setup {
  /// Where the service looks for its files.
  public static let usualFolder = "/etc/onset"
  /// Where systemd looks for what is added to the service's unit.
  static let usualLimits = "/etc/systemd/system/onsetd.service.d/network.conf"

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
  /// Beside the others where they are for another machine.
  public var limitsPath: String {
    folder == Setup.usualFolder ? Setup.usualLimits : "\(folder)/network.conf"
  }

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
    var limits: NetworkLimits?
    do {
      for (path, text) in files {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path + ".new"))
        said.append(try Check.file(path + ".new"))
      }
      said += try Check.together(files.map { $0.path + ".new" })
      limits = try networkLimits(answers)
    } catch {
      for (path, _) in files { unlink(path + ".new") }
      throw error
    }
    // Between the two the network is open: a power cut at any moment cuts no station off.
    let isOurs = try removeLimits()
    for (path, _) in files { try replace(path) }
    giveToStation([boardPath, stationPath, keyPath, state])
    if let limits { said.append(try write(limits, isOurs: isOurs)) }
    return said
  }

  // MARK: Whom the station may talk to

  /// By what the files themselves say.
  private func networkLimits(_ answers: SetupAnswers) throws -> NetworkLimits {
    let board = try Configuration.read(Path(boardPath + ".new")) { file throws(Diagnostic) in
      try BoardFile(&file)
    }
    let station = try Configuration.read(Path(stationPath + ".new")) { file throws(Diagnostic) in
      try StationFile(&file)
    }
    let upstreams =
      [station.uplink.first.host.string] + (station.uplink.second.map { [$0.host.string] } ?? [])
    return try NetworkLimits(
      upstreams: upstreams,
      shake: board.digitizer.kind == .shake ? board.digitizer.shake.source.string : nil,
      hasOperators: station.operators.count > 0, allowed: answers.allowed)
  }

  /// Takes away what an earlier setup has written; false where somebody else's is there, which stays.
  private func removeLimits() throws -> Bool {
    guard let old = try? String(contentsOfFile: limitsPath, encoding: .utf8) else { return true }
    guard old.hasPrefix(NetworkLimits.mark) else { return false }
    let place = URL(fileURLWithPath: limitsPath).deletingLastPathComponent().path
    let folder = open(place, O_RDONLY)
    defer { if folder >= 0 { close(folder) } }
    guard unlink(limitsPath) == 0, fsync(folder) == 0 else {
      throw ToolError("\(limitsPath): cannot be removed")
    }
    return true
  }

  private func write(_ limits: NetworkLimits, isOurs: Bool) throws -> String {
    guard isOurs else {
      return "network: \(limitsPath) was written by hand and stays; see that it allows the upstream"
    }
    guard let text = limits.text else { return limits.remark }
    let place = URL(fileURLWithPath: limitsPath).deletingLastPathComponent().path
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    let file = open(limitsPath + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    let folder = open(place, O_RDONLY)
    defer { for descriptor in [file, folder] where descriptor >= 0 { close(descriptor) } }
    let bytes = Array(text.utf8)
    guard file >= 0, Glibc.write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0,
      rename(limitsPath + ".new", limitsPath) == 0, fsync(folder) == 0
    else { throw ToolError("\(limitsPath): cannot be written") }
    return limits.remark
      + (limitsPath == Setup.usualLimits ? "" : " (\(limitsPath) goes to \(Setup.usualLimits))")
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
