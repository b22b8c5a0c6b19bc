// A command to a station, and its answer: one payload, type 8 of WIRE-FORMAT.md.

import Core

/// What can be set or asked for.
public enum CommandParameter: UInt16, Sendable {
  case triggerRatio = 1
  case confirmProbability, relayTest, drill, health, announceProbability, shearProbability
  case unseenProbability, eventProbability, announceUnseenProbability
  case release, siteTerm
}

public enum CommandResult: UInt8, Sendable {
  /// In a command.
  case none
  case done, unknownParameter, outOfRange, impossible, expired
}

public struct CommandMessage: Equatable, Sendable {
  public static let byteCount = 32
  /// A command with this value only asks. An answer with it says that nothing holds.
  public static let noValue = Int64.min
  public static let neverExpires = UTC(nanoseconds: .min)

  /// From 1 to 2⁶³ − 1, above that of every command before.
  public var counter: UInt64 = 1
  /// The sender's own.
  public var id: UInt32 = 0
  /// Not an enumeration: a newer sender may know more of them.
  public var parameter: UInt16 = CommandParameter.health.rawValue
  public var result = CommandResult.none
  public var value = CommandMessage.noValue
  public var expires = CommandMessage.neverExpires
  public init() {}

  public func write(to writer: inout ByteWriter) {
    writer.write(counter)
    writer.write(id)
    writer.write(parameter)
    writer.write(result.rawValue)
    writer.write(UInt8(0))
    writer.write(value)
    writer.write(expires.nanoseconds)
  }

  public init(_ payload: UnsafeBufferPointer<UInt8>) throws(DatagramError) {
    guard payload.count == CommandMessage.byteCount else { throw .malformed }
    var reader = ByteReader(payload)
    counter = reader.read(UInt64.self)
    id = reader.read(UInt32.self)
    parameter = reader.read(UInt16.self)
    let resultByte = reader.read(UInt8.self)
    let reserved = reader.read(UInt8.self)
    value = reader.read(Int64.self)
    expires = UTC(nanoseconds: reader.read(Int64.self))
    guard counter >= 1, counter <= UInt64(Int64.max), reserved == 0,
      let result = CommandResult(rawValue: resultByte)
    else { throw .malformed }
    self.result = result
  }
}
