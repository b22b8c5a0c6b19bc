// A new key for what goes upstream, on its way to a station: type 15 of WIRE-FORMAT.md.
//
// Whoever has taken a station's key reads and forges what passes between it and its upstream. A new
// key that was protected by the old one would be theirs as well.
//
// So every boot draws a pair of its own, whose public half a pong tells. An operator encrypts the
// new key for it and signs. Whoever has listened and knows the old key cannot read it, and nobody
// can once that boot is over. Whoever stands in between and has the old key can put a pair of their
// own into the pong.
//
//     let exchange = ExchangeKey { csodium_random() }
//     let key = exchange.open(message.sealed)

import CSodium
import Core

/// X25519, of one boot.
public struct ExchangeKey: Sendable {
  private var secret = Octets<4>()
  public private(set) var publicKey = PublicKey()

  /// No pair: the station takes no key.
  public init() {}

  public var isThere: Bool { publicKey != PublicKey() }

  @inline(never)
  public init(random: () -> UInt64) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: PublicKey.byteCount) { place in
      for index in 0..<4 { secret[word: index] = random() }
      secret.withBytes {
        _ = csodium_exchange_public(place.baseAddress, $0.baseAddress)
      }
      publicKey = PublicKey(UnsafeBufferPointer(place))
    }
  }

  /// nil for what was not encrypted for this pair, and for a key of zeros.
  public func open(_ sealed: UnsafeBufferPointer<UInt8>) -> Key? {
    var bytes = Octets<4>()
    let isOpen = bytes.withMutableBytes { key in
      secret.withBytes { secret in
        publicKey.withBytes {
          csodium_decrypt(
            key.baseAddress, sealed.baseAddress, sealed.count, $0.baseAddress, secret.baseAddress)
        }
      }
    }
    let key = Key(bytes)
    return isOpen == 0 && !key.isZero ? key : nil
  }
}

/// A command that sets `uplinkKey`, and the key behind it.
public struct KeyMessage {
  /// libsodium's sealed box: an X25519 key for this message alone, a code of 16 bytes, the key.
  public static let sealedByteCount = 32 + 16 + Key.byteCount
  public static let byteCount = CommandMessage.byteCount + sealedByteCount

  public let command: CommandMessage
  public let sealed: UnsafeBufferPointer<UInt8>

  public init(_ payload: UnsafeBufferPointer<UInt8>) throws(DatagramError) {
    guard payload.count == KeyMessage.byteCount else { throw .malformed }
    command = try CommandMessage(
      UnsafeBufferPointer(rebasing: payload[..<CommandMessage.byteCount]))
    sealed = UnsafeBufferPointer(rebasing: payload[CommandMessage.byteCount...])
    guard command.parameter == CommandParameter.uplinkKey.rawValue else { throw .malformed }
  }

  public init(_ command: CommandMessage, sealed: UnsafeBufferPointer<UInt8>) {
    precondition(sealed.count == KeyMessage.sealedByteCount)
    (self.command, self.sealed) = (command, sealed)
  }

  public func write(to writer: inout ByteWriter) {
    command.write(to: &writer)
    writer.write(sealed)
  }
}

extension Key {
  /// Encrypted for whoever holds the secret half: `KeyMessage.sealedByteCount` bytes.
  public func seal(for receiver: PublicKey, into sealed: UnsafeMutableBufferPointer<UInt8>) {
    withBytes { key in
      receiver.withBytes {
        _ = csodium_encrypt(sealed.baseAddress, key.baseAddress, key.count, $0.baseAddress)
      }
    }
  }
}

/// A key that came over the air, as a station keeps it: the key, and a tag of it by the key that
/// the station file names, so that it holds for as long as that one is there.
public struct KeyRecord: Sendable {
  public static let byteCount = Key.byteCount + Wire.tagByteCount
  public private(set) var bytes = Octets<6>()

  public init(_ key: Key, replacing filed: Key) {
    bytes.withMutableBytes { buffer in
      let tag = UnsafeMutableBufferPointer(rebasing: buffer[Key.byteCount...])
      key.withBytes {
        for index in 0..<Key.byteCount { buffer[index] = $0[index] }
        filed.sign($0, into: tag)
      }
    }
  }

  /// The key of a record; nil where it is damaged, or another key has replaced the one it is tied
  /// to.
  public static func key(
    _ bytes: UnsafeBufferPointer<UInt8>, replacing filed: Key
  ) -> Key? {
    guard bytes.count == byteCount else { return nil }
    let (key, tag) = (bytes[..<Key.byteCount], bytes[Key.byteCount...])
    guard
      filed.verifies(UnsafeBufferPointer(rebasing: key), tag: UnsafeBufferPointer(rebasing: tag))
    else { return nil }
    return Key(Octets(bytes))
  }
}
