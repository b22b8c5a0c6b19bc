// KeyFiles: keys as files: random ones, and those of stations, made of their collector's master key.
//
//     try KeyFiles.make("master.key")
//     try KeyFiles.make(ofStations: ["XX.ONST1.00.EH"], master: "master.key", folder: ".")

import CLinux
import Core
import Foundation
import Uplink

public enum KeyFiles {
  /// A new key of random bytes.
  public static func make(_ path: String) throws {
    var bytes = [UInt8](repeating: 0, count: Key.byteCount)
    guard getentropy(&bytes, bytes.count) == 0 else {
      throw ToolError("the kernel gives no random numbers")
    }
    try write(bytes, path)
  }

  /// CODE.key of each station. All are made, or none is begun where a code or the master is wrong.
  public static func make(ofStations codes: [String], master: String, folder: String) throws {
    for code in codes where code.utf8.count > 24 || !StationCode(code).isStationCode {
      throw ToolError("\(code) is no station's code: NET.STA.LOC.BS, such as XX.ONST1.00.EH")
    }
    let key = try read(master)
    for code in codes {
      let derived = Key.ofStation(StationCode(code), master: key)
      try write(derived.withBytes { Array($0) }, "\(folder)/\(code).key")
    }
  }

  public static func read(_ path: String) throws -> Key {
    guard path.utf8.count <= 256 else { throw ToolError("\(path): longer than 256 bytes") }
    return try Key(file: Text<256>(path))
  }

  /// Readable by its owner alone, and never over another.
  private static func write(_ bytes: [UInt8], _ path: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      let reason =
        errno == EEXIST
        ? "is there already: move it away, or name another file"
        : "cannot be made (\(String(cString: strerror(errno))))"
      throw ToolError("\(path) \(reason)")
    }
    defer { close(descriptor) }
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
      throw ToolError("\(path) cannot be written (\(String(cString: strerror(errno))))")
    }
  }
}
