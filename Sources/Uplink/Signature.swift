// PublicKey, SigningKey: Ed25519, for what passes between a station and those who operate it.
//
// Whoever shares a secret with a station can speak as the station. An operator has no need to, and
// a stolen laptop must not be able to. So operators sign, the station file names their public keys
// and what each may do, and the station signs what it answers. Its own pair follows from the key
// that it shares with its upstream, so that nothing more has to be kept and a collector can tell
// every station's public key.
//
//     let key = SigningKey(ofStation: uplinkKey)
//     let datagram = Datagram(header, signedBy: key) { pong.write(to: &$0) }
//     let opened = try OpenedDatagram(bytes, of: key.publicKey)

import CSodium
import Core

public enum Signature {
  public static let byteCount = 64
}

public struct PublicKey: Equatable, Sendable {
  public static let byteCount = 32
  private var bytes = Octets<4>()

  /// None: nothing is signed by it.
  public init() {}

  /// `bytes`: 32 of them.
  public init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = Octets(bytes) }

  /// 64 hexadecimal digits of a text, from its beginning; nil where something else is among them.
  public init?(hexadecimal text: borrowing Text<128>) {
    guard text.count >= 2 * PublicKey.byteCount else { return nil }
    for index in 0..<PublicKey.byteCount {
      guard let high = Self.digit(text[2 * index]), let low = Self.digit(text[2 * index + 1]) else {
        return nil
      }
      bytes[index] = high << 4 | low
    }
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// Its first eight bytes as a number: which of a few keys is meant, without proving anything.
  public var name: UInt64 { self[word: 0] }

  /// Eight of its bytes, as a number of the wire.
  subscript(word index: Int) -> UInt64 {
    get { bytes[word: index] }
    set { bytes[word: index] = newValue }
  }

  public func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    bytes.withBytes(body)
  }

  public func verifies(
    _ message: UnsafeBufferPointer<UInt8>, signature: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    signature.count == Signature.byteCount
      && withBytes {
        csodium_verify(
          signature.baseAddress, message.baseAddress, message.count, $0.baseAddress)
      } == 0
  }
}

public struct SigningKey: Sendable {
  public static let byteCount = 64
  private var secret = Octets<8>()
  public private(set) var publicKey = PublicKey()

  /// What libsodium calls a secret key: the seed, and the public key behind it.
  public init(secret bytes: UnsafeBufferPointer<UInt8>) {
    secret = Octets(bytes)
    publicKey = PublicKey(UnsafeBufferPointer(rebasing: bytes[32..<64]))
  }

  /// The station's own. WIRE-FORMAT.md has the rule.
  public init(ofStation key: Key) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2 * PublicKey.byteCount) { place in
      let seed = UnsafeMutableBufferPointer(rebasing: place[..<PublicKey.byteCount])
      let derived = UnsafeMutableBufferPointer(rebasing: place[PublicKey.byteCount...])
      Text<22>("onset station identity").withBytes { key.sign($0, into: seed) }
      secret.withMutableBytes {
        _ = csodium_key_pair(derived.baseAddress, $0.baseAddress, seed.baseAddress)
      }
      publicKey = PublicKey(UnsafeBufferPointer(derived))
    }
  }

  public func sign(
    _ message: UnsafeBufferPointer<UInt8>, into signature: UnsafeMutableBufferPointer<UInt8>
  ) {
    secret.withBytes {
      _ = csodium_sign(
        signature.baseAddress, message.baseAddress, message.count, $0.baseAddress)
    }
  }
}
