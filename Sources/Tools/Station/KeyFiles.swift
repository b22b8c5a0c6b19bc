// KeyFiles: keys as files: random ones, those of stations, made of their collector's master key, and
// the pairs with which operators sign. A station's public key lies beside its own, FILE.pub.
//
//     try KeyFiles.make("master.key")
//     try KeyFiles.make(ofStations: ["XX.ONST1.00.EH"], master: "master.key", folder: ".")
//     print(try KeyFiles.makeOperator("ada"))

import CLinux
import CSodium
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
    try makePublic(path)
  }

  /// FILE.pub, with which an operator verifies what the station of this key answers.
  /// FILE.pub; its digits, by which the other stations of a site name this one.
  public static func makePublic(_ path: String) throws -> String {
    let bytes = SigningKey(ofStation: try read(path)).publicKey.withBytes { Array($0) }
    try write(bytes, path + ".pub", mode: 0o644)
    return hexadecimal(bytes)
  }

  /// A pair to sign with, FILE and FILE.pub; the line for the station files that are to know it.
  public static func makeOperator(_ path: String) throws -> String {
    _ = try ModelSignature.makeKeys(path: path)
    let digits = try publicKey(path + ".pub").withBytes { hexadecimal($0) }
    return """
      [operators]
      operator_1 = "\(digits) watch tune relay update"
      """
  }

  public static func publicKey(_ path: String) throws -> PublicKey {
    try ModelSignature.key(path: path).withUnsafeBufferPointer { PublicKey($0) }
  }

  /// All NAME.pub of a folder.
  public static func publicKeys(folder: String) throws -> [PublicKey] {
    let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
    guard let names else { throw ToolError("\(folder) is no folder that can be read") }
    return try names.filter { $0.hasSuffix(".pub") }.sorted().map {
      try publicKey("\(folder)/\($0)")
    }
  }

  public static func signingKey(_ path: String) throws -> SigningKey {
    guard csodium_start() >= 0 else { throw ToolError("libsodium does not start") }
    guard let secret = FileManager.default.contents(atPath: path) else {
      throw ToolError("\(path): cannot be read")
    }
    guard secret.count == SigningKey.byteCount else {
      throw ToolError(
        "\(path): an operator's key has \(SigningKey.byteCount) bytes, not \(secret.count): "
          + "`onset key operator` makes one")
    }
    return [UInt8](secret).withUnsafeBufferPointer { SigningKey(secret: $0) }
  }

  /// CODE.key and CODE.key.pub of each station. All are made, or none is begun where a code or the master is wrong.
  public static func make(ofStations codes: [String], master: String, folder: String) throws {
    for code in codes where code.utf8.count > 24 || !StationCode(code).isStationCode {
      throw ToolError("\(code) is no station's code: NET.STA.LOC.BS, such as XX.ONST1.00.EH")
    }
    let key = try read(master)
    for code in codes {
      let derived = Key.ofStation(StationCode(code), master: key)
      let path = "\(folder)/\(code).key"
      try write(derived.withBytes { Array($0) }, path)
      try makePublic(path)
    }
  }

  public static func read(_ path: String) throws -> Key {
    guard path.utf8.count <= 256 else { throw ToolError("\(path): longer than 256 bytes") }
    return try Key(file: Text<256>(path))
  }

  /// A secret is readable by its owner alone; never over another.
  private static func write(_ bytes: [UInt8], _ path: String, mode: mode_t = 0o600) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
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
