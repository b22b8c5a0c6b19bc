// Keys as files: private, and never over another.

import Core
import Foundation
import Testing
import Uplink

@testable import Tools

@Suite struct KeyFilesTests {
  @Test func keysAreMadePrivateAndNeverOverAnother() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-key-files-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
    func bytes(_ name: String) throws -> Data { try Data(contentsOf: folder.appending(path: name)) }

    try KeyFiles.make(path("master.key"))
    try KeyFiles.make(path("other.key"))
    #expect(try bytes("master.key").count == 32 && bytes("master.key") != bytes("other.key"))
    let mode = try FileManager.default.attributesOfItem(atPath: path("master.key"))
    #expect(mode[.posixPermissions] as? Int == 0o600)
    let kept = try bytes("master.key")
    #expect(throws: ToolError.self) { try KeyFiles.make(path("master.key")) }
    #expect(try bytes("master.key") == kept)

    let codes = ["XX.A.00.EH", "XX.B..HH"]
    try KeyFiles.make(ofStations: codes, master: path("master.key"), folder: folder.path)
    let master = try KeyFiles.read(path("master.key"))
    for code in codes {
      let expected = Key.ofStation(StationCode(code), master: master).withBytes { Data($0) }
      #expect(try bytes("\(code).key") == expected)
    }
    #expect(try bytes("XX.A.00.EH.key") != bytes("XX.B..HH.key"))
    // One wrong code, and none is made.
    #expect(throws: ToolError.self) {
      try KeyFiles.make(
        ofStations: ["XX.C..HH", "wrong"], master: path("master.key"), folder: folder.path)
    }
    #expect(!FileManager.default.fileExists(atPath: path("XX.C..HH.key")))

    // What operators verify a station with.
    #expect(
      try KeyFiles.publicKey(path("XX.A.00.EH.key.pub"))
        == SigningKey(ofStation: KeyFiles.read(path("XX.A.00.EH.key"))).publicKey)
    let line = try KeyFiles.makeOperator(path("ada"))
    let signer = try KeyFiles.signingKey(path("ada"))
    let digits = line.split(separator: "\"")[1].prefix(64)
    #expect(PublicKey(hexadecimal: Text(String(digits))) == signer.publicKey)
    #expect(try KeyFiles.publicKey(path("ada.pub")) == signer.publicKey)
    #expect(line.hasPrefix("[operators]\noperator_1 = ") && line.hasSuffix(" relay update\""))
    #expect(throws: ToolError.self) { try KeyFiles.signingKey(path("master.key")) }
    #expect(throws: ToolError.self) { try KeyFiles.makeOperator(path("ada")) }
  }
}
