// A network on its way to a station, and how it does there: types 13 and 14 of WIRE-FORMAT.md.

import Core

/// What stands before the bytes of one piece of a network file.
public struct NetworkPiece: Payload, Equatable, Sendable {
  public static let type = MessageType.network
  public static let byteCount = 36
  /// The name of the public key of whoever sends it.
  public var giver: UInt64 = 0
  public var bootNonce: UInt64 = 0
  /// When it was begun to be sent, since the station's start; above that of the one before.
  public var begunMicroseconds: UInt64 = 0
  /// CRC-32C of the whole file.
  public var checksum: UInt32 = 0
  public var fileByteCount: UInt32 = 0
  public var number: UInt16 = 0
  public init() {}

  public var pieceCount: Int {
    (Int(fileByteCount) + NetworkMessage.dataByteCount - 1) / NetworkMessage.dataByteCount
  }

  public var isConsistent: Bool { Int(number) < pieceCount }

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.number(&giver, "operator", "", "the first eight bytes of the public key of whoever sends it")
    v.number(&bootNonce, "boot_nonce", "", "the station's, from its pong")
    v.number(&begunMicroseconds, "begun_us", "µs", "when the file was begun to be sent, since the station's boot: from its pong, and the time since; above that of the file before", to: UInt64(Int64.max))
    v.number(&checksum, "file_checksum", "", "CRC-32C of the whole file")
    v.number(&fileByteCount, "file_bytes", "bytes", "of the whole file", from: 1, to: NetworkMessage.fileMaximum)
    v.number(&number, "piece", "", "which: from 0")
    v.reserved(UInt16.self)
  }
}

/// One piece, with its bytes; those of the last are filled up with zeros.
public struct NetworkMessage {
  public static let dataByteCount = 232
  /// Signatures of pieces that a station looks at. A network of 200 kB comes in a quarter of a minute.
  public static let piecesPerSecond = 64
  public static let byteCount = NetworkPiece.byteCount + dataByteCount
  /// 4096 pieces.
  public static let fileMaximum = UInt32(4096 * dataByteCount)

  public let piece: NetworkPiece
  public let data: UnsafeBufferPointer<UInt8>

  public init(_ payload: UnsafeBufferPointer<UInt8>) throws(DatagramError) {
    guard payload.count == NetworkMessage.byteCount else { throw .malformed }
    piece = try NetworkPiece(
      UnsafeBufferPointer(rebasing: payload[..<NetworkPiece.byteCount]))
    data = UnsafeBufferPointer(rebasing: payload[NetworkPiece.byteCount...])
  }

  public init(_ piece: NetworkPiece, data: UnsafeBufferPointer<UInt8>) {
    precondition(data.count <= NetworkMessage.dataByteCount)
    (self.piece, self.data) = (piece, data)
  }

  public func write(to writer: inout ByteWriter) {
    piece.write(to: &writer)
    for index in 0..<NetworkMessage.dataByteCount {
      writer.write(index < data.count ? data[index] : 0)
    }
  }
}

/// What has become of it.
public struct TrialMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.trial
  public static let byteCount = 32

  public enum State: UInt8, Sendable {
    case shadow = 1
    case refused, forgotten, switched, accepted, rolledBack
  }

  public var state = State.shadow
  public var checksum: UInt32 = 0
  public var liveChecksum: UInt32 = 0
  public var seconds: UInt32 = 0
  public var both: UInt32 = 0
  public var liveOnly: UInt32 = 0
  public var shadowOnly: UInt32 = 0
  public var largestMicroseconds: UInt32 = 0
  public init() {}

  // swift-format-ignore
  public mutating func visit(_ v: inout some FieldVisitor) {
    v.word(&state, "state", "1 it runs in the shadow of the live one, 2 refused: damaged, not signed by whom the station file names, not what a picker is, or the disk did not take it, 3 forgotten, 4 the station starts anew with it, 5 accepted: it works and the upstream has acknowledged, 6 rolled back: the network before it works again", "none|shadow|refused|forgotten|switched|accepted|rolled back")
    v.reserved(UInt8.self)
    v.reserved(UInt16.self)
    v.number(&checksum, "checksum", "", "of the network, as its file has it; 0: not known")
    v.number(&liveChecksum, "live_checksum", "", "the same of the live one")
    v.number(&seconds, "shadow_s", "s", "how long it has run in the shadow")
    v.number(&both, "both", "", "picks that both have confirmed within half a second")
    v.number(&liveOnly, "live_only", "", "picks that only the live one has confirmed")
    v.number(&shadowOnly, "shadow_only", "", "picks that only the other has confirmed")
    v.number(&largestMicroseconds, "largest_us", "µs", "the largest difference of time between two of one arrival")
  }
}
