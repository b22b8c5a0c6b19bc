import Core
import Foundation
import StationFixture
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

  /// RFC 8032, section 7.1, test 3.
  @Test func signaturesAreEd25519() throws {
    func bytes(_ hex: String) -> [UInt8] {
      stride(from: 0, to: hex.count, by: 2).map { offset in
        let start = hex.index(hex.startIndex, offsetBy: offset)
        return UInt8(hex[start..<hex.index(start, offsetBy: 2)], radix: 16)!
      }
    }
    let publicKey = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    let secret = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7" + publicKey
    let expected =
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
      + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    let key = bytes(secret).withUnsafeBufferPointer { SigningKey(secret: $0) }
    #expect(key.publicKey.withBytes { Array($0) } == bytes(publicKey))
    #expect(PublicKey(hexadecimal: Text(publicKey)) == key.publicKey)
    #expect(PublicKey(hexadecimal: Text(publicKey.uppercased() + " watch")) == key.publicKey)
    #expect(PublicKey(hexadecimal: Text(String(publicKey.dropLast()))) == nil)
    #expect(PublicKey(hexadecimal: Text("x" + publicKey.dropFirst())) == nil)
    #expect(key.publicKey.name == 0xA3A1_1862_8ECD_51FC)
    var signature = [UInt8](repeating: 0, count: 64)
    bytes("af82").withUnsafeBufferPointer { message in
      signature.withUnsafeMutableBufferPointer { key.sign(message, into: $0) }
    }
    #expect(signature == bytes(expected))
    func verifies(_ message: [UInt8], _ signature: [UInt8]) -> Bool {
      message.withUnsafeBufferPointer { message in
        signature.withUnsafeBufferPointer { key.publicKey.verifies(message, signature: $0) }
      }
    }
    #expect(verifies(bytes("af82"), signature) && !verifies(bytes("af83"), signature))
    #expect(!verifies(bytes("af82"), Array(signature.dropLast())))
    signature[3] ^= 1
    #expect(!verifies(bytes("af82"), signature))
    let none = signature.withUnsafeBufferPointer { PublicKey().verifies($0, signature: $0) }
    #expect(!none)
  }

  /// The pair and the box are libsodium's, made by its C functions; what nobody sent opens nothing.
  @Test func aKeyThatWasEncryptedIsReadByItsReceiverAlone() {
    func open(_ bytes: [UInt8], by exchange: ExchangeKey = testExchange) -> Key? {
      bytes.withUnsafeBufferPointer { exchange.open($0) }
    }
    let hex = testExchange.publicKey.withBytes {
      $0.map { String(Int($0) + 0x100, radix: 16).dropFirst() }.joined()
    }
    #expect(hex == "343d42bd62647d1b623c26df834e68aa1cde0d9b08a333b2ac9e36284d81a531")
    #expect(open(sealedTestKey) == Key(Octets(repeating: 9)))
    for index in 0..<sealedTestKey.count {
      var damaged = sealedTestKey
      damaged[index] ^= 0x40
      #expect(open(damaged) == nil, "byte \(index)")
    }
    #expect(open(sealedTestKey, by: ExchangeKey { 5 }) == nil)
    #expect(open(sealedTestKey, by: ExchangeKey()) == nil)
    for key in [Key(Octets(repeating: 7)), Key(Octets())] {
      var sealed = [UInt8](repeating: 0, count: KeyMessage.sealedByteCount)
      sealed.withUnsafeMutableBufferPointer { key.seal(for: testExchange.publicKey, into: $0) }
      #expect(open(sealed) == (key == Key(Octets()) ? nil : key), "zeros are no key")
    }
  }

  @Test func aKeptKeyHoldsForTheKeyThatItReplaced() {
    let (new, filed) = (Key(Octets(repeating: 9)), Golden.key)
    let record = KeyRecord(new, replacing: filed).bytes.withBytes { Array($0) }
    func key(_ bytes: [UInt8], _ filed: Key) -> Key? {
      bytes.withUnsafeBufferPointer { KeyRecord.key($0, replacing: filed) }
    }
    #expect(key(record, filed) == new && key(record, new) == nil)
    for index in 0..<record.count {
      var damaged = record
      damaged[index] ^= 1
      #expect(key(damaged, filed) == nil)
      #expect(key(Array(record.prefix(index)), filed) == nil)
    }
    #expect(key(record + [0], filed) == nil)
  }

  /// By the rule of WIRE-FORMAT.md, with Python's hashlib for the seed; the pair is what
  /// libsodium makes of that.
  @Test func aStationsPairIsMadeOfItsKey() {
    let key = SigningKey(ofStation: Golden.key)
    let hex = key.publicKey.withBytes {
      $0.map { String(Int($0) + 0x100, radix: 16).dropFirst() }.joined()
    }
    #expect(hex == "b21afcbffffdc5180ab9813bedd6949606502422c5fac5b2d639e622eec90d20")
  }
}
