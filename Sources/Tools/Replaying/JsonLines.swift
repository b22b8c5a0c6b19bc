// JsonLine: datagrams as JSON lines: what `replay`, `decode`, `listen`, `ping` and `command` print.
//
//     print(try JsonLine.text(OpenedDatagram(bytes, key: key)))

import Clock
import Core
import Uplink

public enum JsonLine {
  /// One message as one line without newline.
  public static func text(_ datagram: OpenedDatagram) throws(DatagramError) -> String {
    let header = datagram.header
    switch header.type {
    case .pick: return text(try PickMessage(datagram.payload), header)
    case .health: return text(try HealthMessage(datagram.payload), header)
    case .ping:
      let ping = try PingMessage(datagram.payload)
      return object(
        [
          ("type", "\"ping\""), ("operator", "\"\(hex(ping.asker))\""),
          ("nonce", "\"\(hex(ping.nonce))\""),
        ] + origin(header))
    case .pong:
      let pong = try PongMessage(datagram.payload)
      return object(
        [
          ("type", "\"pong\""), ("nonce", "\"\(hex(pong.nonce))\""),
          ("boot_nonce", "\"\(hex(pong.bootNonce))\""),
        ] + health(pong.health, header) + origin(header))
    case .command: return text(try CommandMessage(datagram.payload), header)
    case .key: return text(try KeyMessage(datagram.payload).command, header)
    case .answer: return text(try AnswerMessage(datagram.payload).command, header)
    case .audit: return text(try AuditMessage(datagram.payload).command, header)
    case .network:
      let message = try NetworkMessage(datagram.payload)
      return object(
        [("type", "\"network\""), ("station", quoted(header.station))]
          + JsonFields.of(message.piece) + origin(header))
    case .vote:
      return object(
        [("type", "\"vote\""), ("station", quoted(header.station))]
          + JsonFields.of(try VoteMessage(datagram.payload)) + origin(header))
    case .trial:
      return object(
        [("type", "\"trial\""), ("station", quoted(header.station))]
          + JsonFields.of(try TrialMessage(datagram.payload)) + origin(header))
    case .peaks:
      return object(
        [("type", "\"peaks\""), ("station", quoted(header.station))]
          + JsonFields.of(try PeaksMessage(datagram.payload)) + origin(header))
    case .instrument:
      return object(
        [("type", "\"instrument\""), ("station", quoted(header.station))]
          + JsonFields.of(try InstrumentMessage(datagram.payload)) + origin(header))
    case .estimate: return text(try EstimateMessage(datagram.payload), header)
    case .alert: return text(try AlertMessage(datagram.payload), header)
    case .acknowledgement:
      return object(
        [("type", "\"acknowledgement\""), ("station", quoted(header.station))]
          + JsonFields.of(try AcknowledgementMessage(datagram.payload)) + origin(header))
    }
  }

  public typealias Field = (name: String, value: String)

  public static func object(_ fields: [Field]) -> String {
    "{" + fields.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}"
  }

  public static func hex(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Printable ASCII in quotes: the wire format lets quotes and backslashes through.
  public static func quoted<let capacity: Int>(_ text: Text<capacity>) -> String {
    quoted(text.string)
  }

  public static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { out.unicodeScalars.append("\\") }
      out.unicodeScalars.append(scalar)
    }
    return out + "\""
  }

  static func time(_ time: UTC) -> String { "\"\(time.iso8601)\"" }

  static func probability(_ value: UInt16) -> String {
    value == Wire.noProbability ? "null" : decimal(Double(value) / 10_000, 4)
  }

  /// Where and when a message came from, the same for all types.
  static func origin(_ header: Header) -> [Field] {
    [
      ("epoch", "\"\(hex(header.epoch))\""), ("boot", "\(header.bootCounter)"),
      ("sequence", "\(header.sequence)"),
      ("clock", "\"\(name(ClockState(rawValue: header.clockState)))\""),
      (
        "clock_uncertainty_s",
        header.clockUncertaintyNanoseconds == .max
          ? "null" : decimal(Double(header.clockUncertaintyNanoseconds) * 1e-9, 6)
      ),
      ("emitted", time(header.emitted)),
    ]
  }

  public static func name(_ state: ClockState?) -> String {
    switch state {
    case .locked: "locked"
    case .holdover: "holdover"
    case .freeRunning: "free-running"
    case .unsynchronised, nil: "unsynchronised"
    }
  }

  private static func text(_ pick: PickMessage, _ header: Header) -> String {
    let status = ["provisional", "confirmed", "retracted"][Int(pick.status) - 1]
    return object(
      [
        ("type", "\"pick\""), ("id", "\(pick.id)"), ("status", "\"\(status)\""),
        ("station", quoted(header.station)), ("phase", pick.phase == 1 ? "\"P\"" : "\"S\""),
        ("time", time(pick.time)),
        ("time_sigma_s", decimal(Double(pick.timeSigmaMicroseconds) * 1e-6, 3)),
        ("probability", probability(pick.probability)),
        (
          "polarity",
          pick.firstMotion == 0 ? "null" : pick.firstMotion > 0 ? "\"up\"" : "\"down\""
        ),
        ("polarity_probability", probability(pick.firstMotionProbability)),
        ("snr_db", decimal(Double(pick.signalToNoiseCentidecibels) / 100, 1)),
        ("quality", "\"\(["A", "B", "C", "D"][Int(pick.quality) - 1])\""),
        ("picker", pick.picker == 1 ? "\"sta-lta\"" : "\"network\""),
        ("sta_lta", pick.picker == 1 ? "null" : pick.isSeenByBaseline ? "true" : "false"),
        ("fingerprint", pick.fingerprint == 0 ? "null" : "\"\(hex(pick.fingerprint))\""),
      ] + origin(header))
  }

  static let results = [
    "none", "done", "unknown parameter", "out of range", "not possible here", "expired",
    "not permitted", "too often", "begun",
  ]

  /// The value as an operator says it, not in the wire's parts.
  private static func text(_ command: CommandMessage, _ header: Header) -> String {
    let parameter = CommandParameter(rawValue: command.parameter)
    let result = command.result == .none ? "null" : "\"\(results[Int(command.result.rawValue)])\""
    return object(
      [
        ("type", "\"\(header.type)\""), ("station", quoted(header.station)),
        ("operator", "\"\(hex(command.giver))\""), ("id", "\(command.id)"),
        ("parameter", parameter.map { "\"\($0.name)\"" } ?? "\(command.parameter)"),
        ("result", result),
        (
          "value",
          command.value == CommandMessage.noValue
            ? "null" : parameter.map { $0.text(command.value) } ?? "\(command.value)"
        ),
        ("issued_s", decimal(Double(command.issuedMicroseconds) * 1e-6, 3)),
        ("life_s", decimal(Double(command.lifeMilliseconds) * 1e-3, 3)),
      ] + origin(header))
  }

  private static func text(_ message: HealthMessage, _ header: Header) -> String {
    object([("type", "\"health\"")] + health(message, header) + origin(header))
  }

  private static func health(_ health: HealthMessage, _ header: Header) -> [Field] {
    let source = ["none", "system", "pps", "record", "digitizer"][Int(header.clockSource)]
    return [
      ("station", quoted(header.station)),
      ("armed", health.incapacity.isEmpty ? "true" : "false"),
      ("clock_source", "\"\(source)\""),
    ] + JsonFields.of(health)
  }
}

/// Messages one after another in a file; each tells its own length.
public struct DatagramFile {
  /// Calls `body` for every message; throws at the first that is none, naming the byte where it
  /// begins.
  public static func forEach(
    in bytes: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) throws -> Void
  ) throws {
    _ = try forEach(in: bytes, from: 0, isLast: true, body)
  }

  /// The same for a piece that begins at byte `start` of the file; how many bytes were whole
  /// messages. The rest belongs before the next piece, unless this is the last.
  public static func forEach(
    in bytes: UnsafeBufferPointer<UInt8>, from start: Int, isLast: Bool,
    _ body: (UnsafeBufferPointer<UInt8>) throws -> Void
  ) throws -> Int {
    var offset = 0
    while offset < bytes.count {
      let left = bytes.count - offset
      guard left >= 8 else {
        if !isLast { break }
        throw ToolError("byte \(start + offset): the file ends within a datagram")
      }
      let length = Int(bytes[offset + 6]) | Int(bytes[offset + 7]) << 8
      if !isLast, left < length, length <= Wire.maximumByteCount { break }
      guard length >= Wire.headerByteCount + Wire.tagByteCount, length <= left else {
        throw ToolError("byte \(start + offset): no datagram of version 2 begins here")
      }
      do {
        try body(UnsafeBufferPointer(rebasing: bytes[offset..<(offset + length)]))
      } catch let error as DatagramError {
        throw ToolError("byte \(start + offset): the datagram \(error.explanation.string)")
      }
      offset += length
    }
    return offset
  }
}
