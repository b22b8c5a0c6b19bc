// Who vouches for a file, and how one is opened.

import Core
import Foundation
import Network
import Testing
import Tools

/// A folder of its own for one test, removed afterwards.
private func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("onset-network-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder.path)
}

private func write(_ bytes: [UInt8], _ path: String) throws {
  try Data(bytes).write(to: URL(fileURLWithPath: path))
}

private func verdict(_ bytes: [UInt8], _ key: [UInt8]) -> NetworkSignature.Verdict {
  let file = NetworkBytes(bytes)
  return key.withUnsafeBufferPointer { NetworkSignature.verify(file.raw, key: $0) }
}

@Suite struct SignatureTests {
  /// A signed file and its key.
  private func signed(in folder: String) throws -> (bytes: [UInt8], key: [UInt8]) {
    let path = folder + "/network.onet"
    try write(DamagedFile.sound, path)
    _ = try ModelSignature.makeKeys(path: folder + "/key")
    _ = try ModelSignature.sign(path: path, keyPath: folder + "/key")
    return (
      try NetworkBytes(path: path).bytes, try ModelSignature.key(path: folder + "/key.pub")
    )
  }

  @Test func roundTrip() throws {
    try withFolder { folder in
      let (bytes, key) = try signed(in: folder)
      #expect(bytes.count == DamagedFile.sound.count + NetworkSignature.byteCount)
      #expect(Array(bytes.prefix(DamagedFile.sound.count)) == DamagedFile.sound)
      #expect(verdict(bytes, key) == .valid)
      #expect(verdict(DamagedFile.sound, key) == .absent)
      #expect(
        try ModelSignature.verify(NetworkBytes(bytes), publicKey: key)
          == "a sound network, signed by the holder of that key")
      #expect(
        try ModelSignature.verify(NetworkBytes(bytes), publicKey: nil).contains("not checked"))
      #expect(
        try ModelSignature.verify(NetworkBytes(DamagedFile.sound), publicKey: nil)
          == "a sound network, unsigned")
      #expect(throws: ToolError.self) {
        try ModelSignature.verify(NetworkBytes(DamagedFile.sound), publicKey: key)
      }
      // It runs with its signature as without.
      #expect(try Engine(NetworkBytes(bytes), maximumRows: 4).plan.bytes.count == bytes.count - 100)
      // The secret is the owner's alone, and neither key is written over.
      let attributes = try FileManager.default.attributesOfItem(atPath: folder + "/key")
      #expect(attributes[.posixPermissions] as? Int == 0o600)
      #expect(throws: ToolError.self) { try ModelSignature.makeKeys(path: folder + "/key") }
    }
  }

  @Test func anotherKeyIsWrong() throws {
    try withFolder { folder in
      let (bytes, key) = try signed(in: folder)
      _ = try ModelSignature.makeKeys(path: folder + "/other")
      let other = try ModelSignature.key(path: folder + "/other.pub")
      #expect(verdict(bytes, other) == .wrong)
      // The other's key in the file, in front of a signature that is not the other's.
      var claimed = bytes
      claimed.replaceSubrange((bytes.count - 96)..<(bytes.count - 64), with: other)
      #expect(verdict(claimed, other) == .wrong)
      #expect(verdict(claimed, key) == .wrong)
      // Signed again, it is the other's alone.
      let path = folder + "/network.onet"
      _ = try ModelSignature.sign(path: path, keyPath: folder + "/other")
      let again = try NetworkBytes(path: path).bytes
      #expect(again.count == bytes.count)
      #expect(verdict(again, other) == .valid && verdict(again, key) == .wrong)
      #expect(throws: ToolError.self) {
        try ModelSignature.sign(path: path, keyPath: folder + "/other.pub")
      }
    }
  }

  /// One bit of any byte: no file passes both the checks and the verification.
  @Test func oneFlippedBitAnywhere() throws {
    try withFolder { folder in
      let (bytes, key) = try signed(in: folder)
      for place in bytes.indices {
        var flipped = bytes
        flipped[place] ^= 1 << UInt8(place % 8)
        let isInCount = (8..<12).contains(place)
        let found = verdict(flipped, key)
        #expect(found != .valid, "byte \(place)")
        // Where the header says that the file ends elsewhere, there is no signature to be wrong.
        if place >= 80 { #expect(found == .wrong, "byte \(place)") }
        // The checksum finds what lies in front of the signature, before anybody asks for a key.
        let isSound = DamagedFile(flipped).refusal(isMended: false) == nil
        // Behind it stands ED25, or no signature.
        #expect(isSound == (place >= DamagedFile.sound.count + 4), "byte \(place)")
        #expect(!isInCount || found == .absent)
      }
      for count in [0, 1, 79, 80, bytes.count - 101, bytes.count - 1] {
        #expect(verdict(Array(bytes.prefix(count)), key) == .absent)
      }
      #expect(verdict(bytes + [0], key) == .absent)
    }
  }

  /// A forger who mends the checksum does not mend the signature.
  @Test func mendedChecksum() throws {
    try withFolder { folder in
      let (bytes, key) = try signed(in: folder)
      var forged = DamagedFile(Array(bytes.prefix(DamagedFile.sound.count)))
      forged.set(.header(48), UInt32(50_000))
      forged.mendChecksum()
      let file = forged.bytes + bytes.suffix(100)
      #expect(DamagedFile(file).refusal(isMended: false) == nil)
      #expect(verdict(file, key) == .wrong)
    }
  }
}

@Suite struct MappingTests {
  private func text(_ path: String) -> Text<256> {
    var text = Text<256>()
    for byte in path.utf8 { text.append(byte: byte) }
    return text
  }

  private func refusal(_ path: String) -> String? {
    do throws(Diagnostic) {
      _ = try NetworkMapping(file: text(path))
      return nil
    } catch { return error.text.string }
  }

  @Test func aMappedFileRuns() throws {
    try withFolder { folder in
      let path = folder + "/network.onet"
      try write(DamagedFile.sound, path)
      let mapping = try NetworkMapping(file: text(path))
      #expect(Array(mapping.bytes) == DamagedFile.sound)
      let plan = try NetworkPlan(mapping.bytes, maximumRows: 30)
      guard var arena = Arena(byteCount: plan.arenaByteCount) else {
        throw ToolError("no memory")
      }
      var network = Network(plan, kernels: fastest, arena: &arena)
      let rows = randomRows(30, of: plan.buffers[0], seed: 1)
      rows.withUnsafeBytes { network.push($0.baseAddress!, count: 30) }
      let isHeldUp = network.advance()
      let output = network.output(5)
      let engine = try Engine(NetworkBytes(DamagedFile.sound), maximumRows: 30)
      let expected = engine.stream(rows, chunk: 30)[0]
      #expect(!isHeldUp && output.rowCount * output.width * 2 == expected.count)
      let found = UnsafeRawBufferPointer(start: output.values, count: expected.count)
      #expect(Array(found) == expected)
    }
  }

  @Test func whatIsNoNetworkFileIsNamed() throws {
    try withFolder { folder in
      let missing = folder + "/missing.onet"
      #expect(
        refusal(missing)
          == "network file \(missing) cannot be read (No such file or directory)")
      let sentence = " is not a regular file of 80 bytes to 64 MiB"
      #expect(refusal(folder) == "network file \(folder)\(sentence)")
      let empty = folder + "/empty.onet"
      try write([], empty)
      #expect(refusal(empty) == "network file \(empty)\(sentence)")
      let short = folder + "/short.onet"
      try write([UInt8](repeating: 0, count: 79), short)
      #expect(refusal(short) == "network file \(short)\(sentence)")
      let large = folder + "/large.onet"
      try write(DamagedFile.sound, large)
      // Sparse: takes no room.
      #expect(truncate(large, off_t(NetworkPlan.maximumByteCount + 1)) == 0)
      #expect(refusal(large) == "network file \(large)\(sentence)")
      // Its size is one that a network may have, whatever is in it.
      try write([UInt8](repeating: 0, count: 80), short)
      #expect(refusal(short) == nil)
    }
  }
}
