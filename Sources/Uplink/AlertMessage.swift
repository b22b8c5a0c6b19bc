// What the station has decided: type 3 of WIRE-FORMAT.md.

import Core

public enum AlertLevel: UInt8, Sendable { case watch = 1, alarm, clear }

public enum AlertReason: UInt8, Sendable {
  case expectedShaking = 1
  case amplitudeOfP, measuredShaking, estimateFell, timeIsOver, pickRetracted, command
  case instrumentFault
  case blind, restored
}

/// Where the relay stands.
public enum RelayState: UInt8, Sendable { case none, atRest, actuated, faulty }

public struct AlertMessage: Equatable, Sendable {
  public static let byteCount = 32
  public static let noTime = UTC(nanoseconds: .min)
  /// The same for all messages about one alert.
  public var id: UInt32 = 1
  public var pickID: UInt32 = 0
  public var pickTime = AlertMessage.noTime
  public var decided = UTC(nanoseconds: 0)
  public var level = AlertLevel.watch
  public var reason = AlertReason.expectedShaking
  public var relay = RelayState.none
  public var isDrill = false
  /// 0 for the first message of a level.
  public var `repeat`: UInt8 = 0
  /// What measured shaking rests on, a mask: 1 acceleration with velocity, 2 JMA's intensity, 4 the modified
  /// Mercalli one, 8 two components, 16 a P before it, 32 a second sensor.
  public var evidence: UInt8 = 0
  public init() {}

  public func write(to writer: inout ByteWriter) {
    writer.write(id)
    writer.write(pickID)
    writer.write(pickTime.nanoseconds)
    writer.write(decided.nanoseconds)
    writer.write(level.rawValue)
    writer.write(reason.rawValue)
    writer.write(relay.rawValue)
    writer.write(UInt8(isDrill ? 1 : 0))
    writer.write(`repeat`)
    writer.write(evidence)
    for _ in 0..<2 { writer.write(UInt8(0)) }
  }

  public init(_ payload: UnsafeBufferPointer<UInt8>) throws(DatagramError) {
    guard payload.count == AlertMessage.byteCount else { throw .malformed }
    var reader = ByteReader(payload)
    id = reader.read(UInt32.self)
    pickID = reader.read(UInt32.self)
    pickTime = UTC(nanoseconds: reader.read(Int64.self))
    decided = UTC(nanoseconds: reader.read(Int64.self))
    guard let level = AlertLevel(rawValue: reader.read(UInt8.self)),
      let reason = AlertReason(rawValue: reader.read(UInt8.self)),
      let relay = RelayState(rawValue: reader.read(UInt8.self))
    else { throw .malformed }
    (self.level, self.reason, self.relay) = (level, reason, relay)
    let drill = reader.read(UInt8.self)
    isDrill = drill == 1
    `repeat` = reader.read(UInt8.self)
    var reserved: UInt8 = 0
    evidence = reader.read(UInt8.self)
    for _ in 0..<2 { reserved |= reader.read(UInt8.self) }
    guard id >= 1, drill <= 1, evidence < 64, reserved == 0 else { throw .malformed }
  }
}
