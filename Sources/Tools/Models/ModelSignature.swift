// ModelSignature: Ed25519 keys in files, 64 bytes secret and 32 bytes public (`onset model sign`
// and `verify`).
//
//     print(try ModelSignature.sign(path: "network.onet", keyPath: "signer"))
//     let key = try ModelSignature.key(path: "signer.pub")
//     print(try ModelSignature.verify(NetworkBytes(path: "network.onet"), publicKey: key))

import CLinux
import CSodium
import Core
import Foundation
import Kernels
import Network

public enum ModelSignature {
  private static let secretByteCount = 64
  private static let signatureByteCount = 64

  public static func key(path: String) throws -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw ToolError("\(path): cannot be read")
    }
    guard data.count == NetworkSignature.keyByteCount else {
      throw ToolError(
        "\(path): a public key has 32 bytes, not \(data.count) (model sign --new-key makes one)")
    }
    return [UInt8](data)
  }

  /// Makes a pair: the secret file can be read by its owner alone.
  public static func makeKeys(path: String) throws -> String {
    try start()
    for name in [path, path + ".pub"] where FileManager.default.fileExists(atPath: name) {
      throw ToolError("\(name) exists: a key is not written over")
    }
    var publicKey = [UInt8](repeating: 0, count: NetworkSignature.keyByteCount)
    var secret = [UInt8](repeating: 0, count: secretByteCount)
    crypto_sign_ed25519_keypair(&publicKey, &secret)
    guard
      FileManager.default.createFile(
        atPath: path, contents: Data(secret), attributes: [.posixPermissions: 0o600]),
      FileManager.default.createFile(atPath: path + ".pub", contents: Data(publicKey))
    else { throw ToolError("\(path): cannot be written") }
    return "\(path): keep it secret; \(path).pub: for those who verify"
  }

  public static func sign(path: String, keyPath: String) throws -> String {
    try start()
    guard let secret = FileManager.default.contents(atPath: keyPath) else {
      throw ToolError("\(keyPath): cannot be read")
    }
    guard secret.count == secretByteCount else {
      throw ToolError("\(keyPath): not a secret key of 64 bytes (--new-key FILE makes one)")
    }
    let file = try NetworkBytes(path: path)
    let plan: NetworkPlan
    do { plan = try file.plan(maximumRows: 1) } catch { throw ToolError("\(path): \(error)") }
    let message = Array(file.bytes.prefix(plan.header.byteCount))
    var signature = [UInt8](repeating: 0, count: signatureByteCount)
    guard
      crypto_sign_ed25519_detached(
        &signature, nil, message, UInt64(message.count), [UInt8](secret)) == 0
    else { throw ToolError("libsodium did not sign") }
    let signed =
      message + Array("ED25".utf8) + [UInt8](secret.suffix(NetworkSignature.keyByteCount))
      + signature
    try NetworkBytes(signed).write(path: path)
    return "\(path): signed"
  }

  /// Checks everything that the station checks, and the signature.
  public static func verify(_ file: NetworkBytes, publicKey: [UInt8]?) throws -> String {
    let plan = try file.plan(maximumRows: 4000)
    let isSigned = file.raw.count > plan.header.byteCount
    guard let publicKey else {
      return "a sound network, \(isSigned ? "signed (not checked: no --public-key)" : "unsigned")"
    }
    try start()
    let verdict = publicKey.withUnsafeBufferPointer {
      NetworkSignature.verify(file.raw, key: $0)
    }
    switch verdict {
    case .valid: return "a sound network, signed by the holder of that key"
    case .absent: throw ToolError("it is not signed (model sign signs it)")
    case .wrong: throw ToolError("its signature is not that key's over these bytes")
    }
  }

  private static func start() throws {
    guard csodium_start() >= 0 else { throw ToolError("libsodium does not start") }
  }
}
