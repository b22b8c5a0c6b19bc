// NetworkSignature: the signature that may follow a network file: who vouches for it. Ed25519 by
// libsodium.
//
//     let verdict = NetworkSignature.verify(file, key: publicKey)
//     guard verdict == .valid else { … }

import CSodium
import Core

public enum NetworkSignature {
  public static let byteCount = 100
  public static let keyByteCount = 32
  /// "ED25" in front of the signer's key and the signature.
  static let magic: UInt32 = 0x3532_4445

  static func begins(at trailer: UnsafeRawPointer) -> Bool {
    trailer.loadUnaligned(as: UInt32.self) == UInt32(littleEndian: magic)
  }

  public enum Verdict { case absent, valid, wrong }

  /// Whether `file`, with its signature behind it, was signed by the holder of `key`.
  public static func verify(
    _ file: UnsafeRawBufferPointer, key: UnsafeBufferPointer<UInt8>
  ) -> Verdict {
    precondition(key.count == keyByteCount)
    guard let header = try? NetworkHeader(file), file.count == header.byteCount + byteCount else {
      return .absent
    }
    let trailer = file.baseAddress! + header.byteCount
    guard begins(at: trailer) else { return .wrong }
    let signature = (trailer + 36).assumingMemoryBound(to: UInt8.self)
    let message = file.baseAddress!.assumingMemoryBound(to: UInt8.self)
    let isGenuine =
      csodium_differs((trailer + 4).assumingMemoryBound(to: UInt8.self), key.baseAddress!, 32) == 0
      && csodium_verify(signature, message, header.byteCount, key.baseAddress!) == 0
    return isGenuine ? .valid : .wrong
  }
}
