// Datagram: one message as it goes over the wire, version 2. WIRE-FORMAT.md is the contract; this
// is one implementation.
//
// An alert goes through networks that lose, repeat and reorder, and anybody can send something to a
// port. A connection holds an alert back until what was lost before it has come again, and has to
// be made anew after every outage. A bare datagram can be forged.
//
// So every message is a datagram that stands for itself. It names its station, its place among all
// that the station ever sent (epoch, boot counter and sequence) and how good its clock was, and a
// seal covers all of it. A receiver checks the seal before it believes any field.
//
//   datagram   header (64 bytes), payload (by type), seal
//   seal       between station and upstream a tag, 16 bytes: BLAKE2b with the key that they share;
//              between operator and station a signature, 64 bytes: Ed25519
//
//     let datagram = Datagram(header, key: key) { message.write(to: &$0) }
//     let opened = try OpenedDatagram(bytes, key: key)
//     let pick = try PickMessage(opened.payload)

import Core

public enum Wire {
  public static let magic: UInt32 = 0x5453_4E4F  // "ONST" as bytes, little-endian
  public static let version: UInt8 = 2
  public static let headerByteCount = 64
  public static let tagByteCount = 16
  public static let maximumByteCount = 400
  public static let noProbability: UInt16 = 0xFFFF
  public static let unknownDuration: UInt32 = 0xFFFF_FFFF
  public static let unknownSize: UInt32 = 0xFFFF_FFFF
  public static let unknownTemperature: Int16 = .min
  public static let unknownDays: Int16 = .max
}

public enum MessageType: UInt8, Sendable {
  case pick = 1
  case estimate, alert, health, ping, pong, acknowledgement, command, answer, audit
  case instrument, peaks, network, trial, key, vote

  /// Operators and stations sign for each other, and so do the stations of a site; station and
  /// upstream share a key.
  public var isSigned: Bool {
    switch self {
    case .ping, .pong, .command, .answer, .network, .key, .vote: true
    default: false
    }
  }

  public var sealByteCount: Int { isSigned ? Signature.byteCount : Wire.tagByteCount }
}

/// What stands before every payload.
public struct Header: Equatable, Sendable {
  public var type: MessageType
  public var station: Text<24>
  /// The station's state folder.
  public var epoch: UInt64
  public var bootCounter: UInt32
  public var sequence: UInt32
  /// When the datagram left, by the station's clock.
  public var emitted: UTC
  public var clockState: UInt8
  public var clockSource: UInt8
  public var clockUncertaintyNanoseconds: UInt32

  public init(
    type: MessageType, station: Text<24>, epoch: UInt64, bootCounter: UInt32, sequence: UInt32,
    emitted: UTC, clockState: UInt8, clockSource: UInt8, clockUncertaintyNanoseconds: UInt32
  ) {
    self.type = type
    self.station = station
    self.epoch = epoch
    self.bootCounter = bootCounter
    self.sequence = sequence
    self.emitted = emitted
    self.clockState = clockState
    self.clockSource = clockSource
    self.clockUncertaintyNanoseconds = clockUncertaintyNanoseconds
  }

  /// To a station, from whoever keeps no such numbers. `epoch` 0: any.
  public init(_ type: MessageType, to station: Text<24>, epoch: UInt64, at now: UTC) {
    self.init(
      type: type, station: station, epoch: epoch, bootCounter: 0, sequence: 0, emitted: now,
      clockState: 0, clockSource: 0, clockUncertaintyNanoseconds: .max)
  }

  public static func == (a: Header, b: Header) -> Bool {
    a.type == b.type && a.station.equals(b.station) && a.epoch == b.epoch
      && a.bootCounter == b.bootCounter
      && a.sequence == b.sequence && a.emitted == b.emitted && a.clockState == b.clockState
      && a.clockSource == b.clockSource
      && a.clockUncertaintyNanoseconds == b.clockUncertaintyNanoseconds
  }
}

public enum Destination: Equatable, Sendable {
  /// The first of those that the station file names, or the second.
  case upstream(Int)
  /// Whoever asked.
  case asker(Address)
  /// Another station of the site: which of those that the station file names.
  case peer(Int)
}

/// One message as it goes over the wire.
public struct Datagram: Sendable {
  public private(set) var bytes = InlineArray<400, UInt8>(repeating: 0)
  public private(set) var count = 0
  public var destination = Destination.upstream(0)

  public init() {}

  /// Writes header and payload, and seals them with the key that station and upstream share.
  public init(_ header: Header, key: Key, payload: (inout ByteWriter) -> Void) {
    precondition(!header.type.isSigned, "operators and stations sign this")
    self.init(header, payload) { key.sign($0, into: $1) }
  }

  /// The same, signed by an operator or by the station that answers.
  public init(_ header: Header, signedBy key: SigningKey, payload: (inout ByteWriter) -> Void) {
    precondition(header.type.isSigned, "station and upstream share a key for this")
    self.init(header, payload) { key.sign($0, into: $1) }
  }

  private init(
    _ header: Header, _ payload: (inout ByteWriter) -> Void,
    seal: (UnsafeBufferPointer<UInt8>, UnsafeMutableBufferPointer<UInt8>) -> Void
  ) {
    var count = 0
    var span = bytes.mutableSpan
    span.withUnsafeMutableBufferPointer { buffer in
      var writer = ByteWriter(buffer)
      header.write(to: &writer, byteCount: 0)
      payload(&writer)
      count = writer.count + header.type.sealByteCount
      precondition(count <= buffer.count, "the message outgrows its buffer")
      buffer[6] = UInt8(truncatingIfNeeded: count)
      buffer[7] = UInt8(truncatingIfNeeded: count >> 8)
      seal(
        UnsafeBufferPointer(rebasing: buffer[0..<writer.count]),
        UnsafeMutableBufferPointer(rebasing: buffer[writer.count..<count]))
    }
    self.count = count
  }

  /// The same message for an upstream with another key.
  public mutating func seal(with key: Key) {
    var span = bytes.mutableSpan
    span.withUnsafeMutableBufferPointer { buffer in
      let end = count - Wire.tagByteCount
      key.sign(
        UnsafeBufferPointer(rebasing: buffer[0..<end]),
        into: UnsafeMutableBufferPointer(rebasing: buffer[end..<count]))
    }
  }

  /// Bytes that were such a datagram, from a file of one's own; nil where they are too many.
  public init?(bytes source: UnsafeBufferPointer<UInt8>) {
    guard source.count <= Wire.maximumByteCount else { return nil }
    for index in 0..<source.count { bytes[index] = source[index] }
    count = source.count
  }

  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try bytes.span.withUnsafeBufferPointer { buffer throws(Failure) in
      try body(UnsafeBufferPointer(rebasing: buffer[0..<count]))
    }
  }
}

extension Header {
  fileprivate func write(to writer: inout ByteWriter, byteCount: UInt16) {
    writer.write(Wire.magic)
    writer.write(Wire.version)
    writer.write(type.rawValue)
    writer.write(byteCount)
    writer.write(station)
    writer.write(epoch)
    writer.write(bootCounter)
    writer.write(sequence)
    writer.write(emitted.nanoseconds)
    writer.write(clockState)
    writer.write(clockSource)
    writer.write(UInt16(0))
    writer.write(clockUncertaintyNanoseconds)
  }
}

public enum DatagramError: Error, Equatable, Sendable {
  case tooShort, tooLong, notOurs, unknownVersion, wrongLength, wrongTag, unknownType, malformed

  public var explanation: StaticString {
    switch self {
    case .tooShort: "is shorter than a header and a tag, 80 bytes"
    case .tooLong: "is longer than any message, 400 bytes"
    case .notOurs: "does not begin with ONST"
    case .unknownVersion: "has a version other than 2"
    case .wrongLength: "has a length field that differs from its length"
    case .wrongTag: "is not sealed with this key"
    case .unknownType: "has a type beyond those of version 2"
    case .malformed: "has a field outside its range, or a payload of the wrong size"
    }
  }
}

/// What a seal is over, before anything of it is believed.
public struct SealedBytes {
  public let type: MessageType
  /// All before the seal.
  public let message: UnsafeBufferPointer<UInt8>
  public let seal: UnsafeBufferPointer<UInt8>
  public var payload: UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(rebasing: message[Wire.headerByteCount...])
  }

  /// The station that it is of or for; nil where that is no text.
  public var station: Text<24>? {
    var reader = ByteReader(UnsafeBufferPointer(rebasing: message[8..<32]))
    return reader.readText(Text<24>.self)
  }

  public var epoch: UInt64 {
    var reader = ByteReader(UnsafeBufferPointer(rebasing: message[32..<40]))
    return reader.read(UInt64.self)
  }

  /// Which of the sender's starts this is.
  public var bootCounter: UInt32 {
    var reader = ByteReader(UnsafeBufferPointer(rebasing: message[40..<44]))
    return reader.read(UInt32.self)
  }

  /// When it left, by whoever sent it.
  public var emitted: UTC {
    var reader = ByteReader(UnsafeBufferPointer(rebasing: message[48..<56]))
    return UTC(nanoseconds: reader.read(Int64.self))
  }

  public func isSealed(with key: Key) -> Bool {
    !type.isSigned && key.verifies(message, tag: seal)
  }

  public func isSigned(by key: PublicKey) -> Bool {
    type.isSigned && key.verifies(message, signature: seal)
  }
}

/// A verified message's header and where its payload lies.
public struct OpenedDatagram {
  public let header: Header
  public let sealed: SealedBytes
  public var payload: UnsafeBufferPointer<UInt8> { sealed.payload }

  /// Checks everything that can be checked, the seal before any field is believed. Without a key it
  /// is not looked at: for reading a file of one's own, never for what came from a network.
  public init(_ bytes: UnsafeBufferPointer<UInt8>, key: Key?) throws(DatagramError) {
    try self.init(bytes) { sealed in key.map { sealed.isSealed(with: $0) } ?? true }
  }

  /// What a station signed as its answer.
  public init(_ bytes: UnsafeBufferPointer<UInt8>, of station: PublicKey) throws(DatagramError) {
    try self.init(bytes) { $0.isSigned(by: station) }
  }

  public init(
    _ bytes: UnsafeBufferPointer<UInt8>, isGenuine: (SealedBytes) -> Bool
  ) throws(DatagramError) {
    guard bytes.count >= Wire.headerByteCount + Wire.tagByteCount else { throw .tooShort }
    guard bytes.count <= Wire.maximumByteCount else { throw .tooLong }
    var reader = ByteReader(bytes)
    guard reader.read(UInt32.self) == Wire.magic else { throw .notOurs }
    guard reader.read(UInt8.self) == Wire.version else { throw .unknownVersion }
    let typeByte = reader.read(UInt8.self)
    guard Int(reader.read(UInt16.self)) == bytes.count else { throw .wrongLength }
    // It says how long the seal is.
    guard let type = MessageType(rawValue: typeByte) else { throw .unknownType }
    let sealedCount = bytes.count - type.sealByteCount
    guard sealedCount >= Wire.headerByteCount else { throw .malformed }
    let sealed = SealedBytes(
      type: type, message: UnsafeBufferPointer(rebasing: bytes[0..<sealedCount]),
      seal: UnsafeBufferPointer(rebasing: bytes[sealedCount...]))
    guard isGenuine(sealed) else { throw .wrongTag }
    guard let station = reader.readText(Text<24>.self) else { throw .malformed }
    let epoch = reader.read(UInt64.self)
    let bootCounter = reader.read(UInt32.self)
    let sequence = reader.read(UInt32.self)
    let emitted = UTC(nanoseconds: reader.read(Int64.self))
    let clockState = reader.read(UInt8.self)
    let clockSource = reader.read(UInt8.self)
    let reserved = reader.read(UInt16.self)
    let uncertainty = reader.read(UInt32.self)
    guard clockState <= 3, clockSource <= 4, reserved == 0 else { throw .malformed }
    header = Header(
      type: type, station: station, epoch: epoch, bootCounter: bootCounter, sequence: sequence,
      emitted: emitted, clockState: clockState, clockSource: clockSource,
      clockUncertaintyNanoseconds: uncertainty)
    self.sealed = sealed
  }
}
