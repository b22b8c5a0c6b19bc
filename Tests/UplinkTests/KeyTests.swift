import Core
import Foundation
import Testing
import Tools

@testable import Uplink

@Suite struct KeyTests {
  private func sentence(
    _ bytes: Int, permissions: Int, name: String = "station.key", byte: UInt8 = 7
  ) throws -> String? {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-keys-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("station.key")
    try Data(repeating: byte, count: bytes).write(to: file)
    try FileManager.default.setAttributes(
      [.posixPermissions: permissions], ofItemAtPath: file.path)
    do throws(Diagnostic) {
      _ = try Key(file: Text<256>(folder.appendingPathComponent(name).path))
      return nil
    } catch { return error.description }
  }

  @Test func aPrivateFileOf32BytesIsAKey() throws {
    #expect(try sentence(32, permissions: 0o600) == nil)
    #expect(try sentence(32, permissions: 0o640) == nil, "a group may be trusted")
  }

  @Test func everythingElseIsRefusedWithAReason() throws {
    #expect(try sentence(32, permissions: 0o604)?.contains("open to everyone") == true)
    #expect(try sentence(32, permissions: 0o602)?.contains("open to everyone") == true)
    #expect(try sentence(31, permissions: 0o600)?.contains("exactly 32 bytes") == true)
    #expect(try sentence(33, permissions: 0o600)?.contains("exactly 32 bytes") == true)
    #expect(try sentence(32, permissions: 0o600, byte: 0)?.contains("all zeros") == true)
    #expect(
      try sentence(32, permissions: 0o600, name: "absent")?.contains("No such file") == true)
    #expect(try sentence(32, permissions: 0o600, name: "")?.contains("not a regular file") == true)
  }

  /// As Python's hashlib computes it by the rule of WIRE-FORMAT.md.
  @Test func aStationsKeyIsMadeOfTheMasterAndItsCode() {
    let key = Key.ofStation(Text("XX.ONST1.00.EH"), master: Golden.key)
    let hex = key.withBytes { $0.map { String(Int($0) + 0x100, radix: 16).dropFirst() }.joined() }
    #expect(hex == "76527f70962052d3a421e561c25a0872a9bbe081d3f0fdc3369c4e5e05e2394a")
  }

  /// BLAKE2b with key 00…1F over nothing but "abc", 16 bytes, as Python's hashlib computes it.
  @Test func tagIsKeyedBlake2b() {
    let message = Array("abc".utf8)
    var tag = [UInt8](repeating: 0, count: 16)
    message.withUnsafeBufferPointer { message in
      tag.withUnsafeMutableBufferPointer { Golden.key.sign(message, into: $0) }
    }
    let hex = tag.map { String(Int($0) + 0x100, radix: 16).dropFirst() }.joined()
    #expect(hex == "1a64be47e4729d951c302ee543f97cf3")
  }
}
