// Datagram: one message as it goes over the wire, version 1. WIRE-FORMAT.md is the contract; this
// is one implementation.
//
// An alert goes through networks that lose, repeat and reorder, and anybody can send something to a
// port. A connection holds an alert back until what was lost before it has come again, and has to
// be made anew after every outage. A bare datagram can be forged.
//
// So every message is a datagram that stands for itself. It names its station, its place among all
// that the station ever sent (boot counter and sequence) and how good its clock was, and a tag
// under a shared key covers all of it. A receiver checks the tag before it believes any field.
//
//   datagram   header (56 bytes), payload (by type), tag (16 bytes: keyed BLAKE2b of all before it)
//
//     let datagram = Datagram(header, key: key) { message.write(to: &$0) }
//     let opened = try OpenedDatagram(bytes, key: key)
//     let pick = try PickMessage(opened.payload)

import Core

public enum Wire {
  public static let magic: UInt32 = 0x5453_4E4F  // "ONST" as bytes, little-endian
  public static let version: UInt8 = 1
  public static let headerByteCount = 56
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
  case estimate, alert, health, ping, pong, acknowledgement, command
}

/// What stands before every payload.
public struct Header: Equatable, Sendable {
  public var type: MessageType
  public var station: Text<24>
  public var bootCounter: UInt32
  public var sequence: UInt32
  /// When the datagram left, by the station's clock.
  public var emitted: UTC
  public var clockState: UInt8
  public var clockSource: UInt8
  public var clockUncertaintyNanoseconds: UInt32

  public init(
    type: MessageType, station: Text<24>, bootCounter: UInt32, sequence: UInt32, emitted: UTC,
    clockState: UInt8, clockSource: UInt8, clockUncertaintyNanoseconds: UInt32
  ) {
    self.type = type
    self.station = station
    self.bootCounter = bootCounter
    self.sequence = sequence
    self.emitted = emitted
    self.clockState = clockState
    self.clockSource = clockSource
    self.clockUncertaintyNanoseconds = clockUncertaintyNanoseconds
  }

  public static func == (a: Header, b: Header) -> Bool {
    a.type == b.type && a.station.equals(b.station) && a.bootCounter == b.bootCounter
      && a.sequence == b.sequence && a.emitted == b.emitted && a.clockState == b.clockState
      && a.clockSource == b.clockSource
      && a.clockUncertaintyNanoseconds == b.clockUncertaintyNanoseconds
  }
}

/// One message as it goes over the wire.
public struct Datagram: Sendable {
  public private(set) var bytes = InlineArray<400, UInt8>(repeating: 0)
  public private(set) var count = 0
  /// IPv4 address and port in host order; zero for the upstream that the station knows.
  public var address: UInt32 = 0
  public var port: UInt16 = 0

  public init() {}

  /// Writes header and payload, then signs them.
  public init(_ header: Header, key: Key, payload: (inout ByteWriter) -> Void) {
    var count = 0
    var span = bytes.mutableSpan
    span.withUnsafeMutableBufferPointer { buffer in
      var writer = ByteWriter(buffer)
      header.write(to: &writer, byteCount: 0)
      payload(&writer)
      count = writer.count + Wire.tagByteCount
      buffer[6] = UInt8(truncatingIfNeeded: count)
      buffer[7] = UInt8(truncatingIfNeeded: count >> 8)
      let message = UnsafeBufferPointer(rebasing: buffer[0..<writer.count])
      key.sign(message, into: UnsafeMutableBufferPointer(rebasing: buffer[writer.count..<count]))
    }
    self.count = count
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
    case .tooShort: "is shorter than a header and a tag, 72 bytes"
    case .tooLong: "is longer than any message, 400 bytes"
    case .notOurs: "does not begin with ONST"
    case .unknownVersion: "has a version other than 1"
    case .wrongLength: "has a length field that differs from its length"
    case .wrongTag: "is not signed with this key"
    case .unknownType: "has a type beyond those of version 1"
    case .malformed: "has a field outside its range, or a payload of the wrong size"
    }
  }
}

/// A verified message's header and where its payload lies.
public struct OpenedDatagram {
  public var header: Header
  public var payload: UnsafeBufferPointer<UInt8>

  /// Checks everything that can be checked, the tag before any field is believed. Without a key the
  /// tag is not looked at: for reading a file of one's own, never for what came from a network.
  public init(_ bytes: UnsafeBufferPointer<UInt8>, key: Key?) throws(DatagramError) {
    let shortest = Wire.headerByteCount + Wire.tagByteCount
    guard bytes.count >= shortest else { throw .tooShort }
    guard bytes.count <= Wire.maximumByteCount else { throw .tooLong }
    var reader = ByteReader(bytes)
    guard reader.read(UInt32.self) == Wire.magic else { throw .notOurs }
    guard reader.read(UInt8.self) == Wire.version else { throw .unknownVersion }
    let typeByte = reader.read(UInt8.self)
    guard Int(reader.read(UInt16.self)) == bytes.count else { throw .wrongLength }
    let signedCount = bytes.count - Wire.tagByteCount
    let signed = UnsafeBufferPointer(rebasing: bytes[0..<signedCount])
    let tag = UnsafeBufferPointer(rebasing: bytes[signedCount...])
    if let key, !key.verifies(signed, tag: tag) { throw .wrongTag }
    guard let type = MessageType(rawValue: typeByte) else { throw .unknownType }
    guard let station = reader.readText(Text<24>.self) else { throw .malformed }
    let bootCounter = reader.read(UInt32.self)
    let sequence = reader.read(UInt32.self)
    let emitted = UTC(nanoseconds: reader.read(Int64.self))
    let clockState = reader.read(UInt8.self)
    let clockSource = reader.read(UInt8.self)
    let reserved = reader.read(UInt16.self)
    let uncertainty = reader.read(UInt32.self)
    guard clockState <= 3, clockSource <= 3, reserved == 0 else { throw .malformed }
    header = Header(
      type: type, station: station, bootCounter: bootCounter, sequence: sequence, emitted: emitted,
      clockState: clockState, clockSource: clockSource, clockUncertaintyNanoseconds: uncertainty)
    payload = UnsafeBufferPointer(rebasing: bytes[Wire.headerByteCount..<signedCount])
  }
}
