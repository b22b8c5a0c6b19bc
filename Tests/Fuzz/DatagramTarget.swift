// datagram: what arrives over the network and what lies in files of datagrams.
//
// Promised of every input: what opens is encoded again to the same bytes, its JSON line is
// well-formed, and a station that receives it neither stops nor answers more than once, nor closes
// its relay unless a signed command whose counter is stored asks for it.

import CSodium
import Clock
import Conditioning
import Core
import Foundation
import Station
import Tools
import Uplink

struct DatagramTarget: Target, ~Copyable {
  static let keyBytes: [UInt8] = (0..<32).map { 7 &* $0 &+ 1 }
  private let key: Key
  private var station: Station
  private var relayTests = 0
  var summary: String { "\(relayTests) relay tests" }
  let corpus: [[UInt8]]
  let dialect = Dialect(
    tokens: [
      Array("ONST".utf8), Array("\"".utf8), Array("\\".utf8), [1], [8], [9], [0xFF, 0xFF],
      Array(repeating: 0, count: 8), Array(repeating: 0xFF, count: 8),
      [0, 0, 0, 0, 0, 0, 0, 0x80], [0x48, 0x00], [0x90, 0x01],
    ],
    maximumByteCount: 1200)

  init() throws {
    guard csodium_start() >= 0 else { throw ToolError("libsodium does not start") }
    var bytes = InlineArray<32, UInt8>(repeating: 0)
    for index in 0..<32 { bytes[index] = Self.keyBytes[index] }
    key = Key(bytes)
    corpus = Self.makeCorpus(key)
    station = Self.makeStation(key)
  }

  /// With a relay.
  private static func makeStation(_ key: Key) -> Station {
    var station = Station(
      StationSettings(
        code: StationCode("XX.ONST1.00.EH"), bootCounter: 7, key: key,
        conditioner: ConditionerSettings(rateMillihertz: 100_000, presentLanes: 7),
        picker: .init()))
    var lines = LinesReport()
    lines.relay = .fitted
    station.note(.lines(lines))
    return station
  }

  /// Half of the mutants are given their type's size, a true length and a valid tag, so that they
  /// reach the decoders.
  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {
    guard random.below(2) == 0, (72...Wire.maximumByteCount).contains(bytes.count) else { return }
    if random.below(8) > 0 {
      bytes.replaceSubrange(0..<5, with: Array("ONST".utf8) + [Wire.version])
      if let size = MessageType(rawValue: bytes[5]).flatMap(Self.byteCount) {
        bytes.removeLast(max(bytes.count - size, 0))
        bytes += repeatElement(0, count: size - bytes.count)
      }
      bytes[6] = UInt8(truncatingIfNeeded: bytes.count)
      bytes[7] = UInt8(truncatingIfNeeded: bytes.count >> 8)
    }
    let signed = bytes.count - Wire.tagByteCount
    bytes.withUnsafeMutableBufferPointer {
      _ = csodium_tag(
        $0.baseAddress! + signed, Wire.tagByteCount, $0.baseAddress!, signed, Self.keyBytes, 32)
    }
  }

  private static func byteCount(_ type: MessageType) -> Int? {
    let payload: Int
    switch type {
    case .pick: payload = PickMessage.byteCount
    case .health: payload = HealthMessage.byteCount
    case .ping: payload = PingMessage.byteCount
    case .pong: payload = PongMessage.byteCount
    case .command: payload = CommandMessage.byteCount
    case .estimate: payload = EstimateMessage.byteCount
    case .alert: payload = AlertMessage.byteCount
    case .acknowledgement: payload = AcknowledgementMessage.byteCount
    }
    return Wire.headerByteCount + payload + Wire.tagByteCount
  }

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    let encoded: Datagram?
    do throws(DatagramError) {
      encoded = try Self.encode(try OpenedDatagram(bytes, key: key), key)
    } catch {
      encoded = nil
    }
    if let encoded {
      let isSame = encoded.withBytes { Self.isSame($0, bytes) }
      try require(isSame, "encoded again, the message has other bytes")
    }
    try Self.readAsFile(bytes)
    try receive(bytes, isGood: encoded != nil, iteration: iteration)
    return encoded != nil
  }

  private mutating func receive(
    _ bytes: UnsafeBufferPointer<UInt8>, isGood: Bool, iteration: Int
  ) throws {
    // Time passes, because a station answers a few times a second only.
    let now = Int64(iteration) * nanosecondsPerSecond
    station.tick(
      Moment(monotonicNanoseconds: now, utc: UTC(nanoseconds: now)), clock: ClockReading(),
      isDelivering: true)
    while station.nextDatagram() != nil {}
    station.receive(bytes, address: 0x7F00_0001, port: 9)
    try require(!station.wantsRelay, "the relay is to close before anything was obeyed")
    let isStored = iteration & 1 == 0
    var (isObeyed, answers, told) = (false, 0, 0)
    while let action = station.nextAction() {
      switch action {
      case .store(let value, _):
        if value == .commandCounter { isObeyed = true }
        station.note(.stored(value, isDone: isStored))
      case .drive(let isActuated, _):
        var lines = LinesReport()
        (lines.relay, lines.isActuated) = (.fitted, isActuated)
        station.note(.lines(lines))
      case .send(let datagram):
        if datagram.address == 0 { told += 1 } else { answers += 1 }
        try require(
          datagram.count <= bytes.count + HealthMessage.byteCount,
          "the answer is far longer than the question")
      }
    }
    try require(isGood || !isObeyed, "a command that does not open is to be obeyed")
    let isClosed = station.wantsRelay
    if isClosed { relayTests += 1 }
    try require(!isClosed || (isObeyed && isStored), "the relay is to close, and nobody may say so")
    try require(answers <= (isGood ? 1 : 0), "\(answers) answers")
    // What is obeyed is told upstream, and a health message follows the command that asks for one.
    try require(told <= (isObeyed ? 2 : 0), "\(told) messages upstream")
    // The counter of one command would keep those below it from being obeyed.
    if isObeyed { station = Self.makeStation(key) }
  }

  func isSigned(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    (try? Self.encode(try OpenedDatagram(bytes, key: key), key)) != nil
  }

  private static func isSame(
    _ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>
  ) -> Bool { a.count == b.count && memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0 }

  private static func encode(
    _ datagram: OpenedDatagram, _ key: Key
  ) throws(DatagramError) -> Datagram {
    switch datagram.header.type {
    case .pick:
      let message = try PickMessage(datagram.payload)
      return Datagram(datagram.header, key: key) { message.write(to: &$0) }
    case .health:
      let message = try HealthMessage(datagram.payload)
      return Datagram(datagram.header, key: key) { message.write(to: &$0) }
    case .ping:
      let message = try PingMessage(datagram.payload)
      return Datagram(datagram.header, key: key) { message.write(to: &$0) }
    case .pong:
      let message = try PongMessage(datagram.payload)
      return Datagram(datagram.header, key: key) { message.write(to: &$0) }
    case .command:
      let message = try CommandMessage(datagram.payload)
      return Datagram(datagram.header, key: key) { message.write(to: &$0) }
    case .estimate:
      let message = try EstimateMessage(datagram.payload)
      return Datagram(datagram.header, key: key) { message.write(to: &$0) }
    case .alert:
      let message = try AlertMessage(datagram.payload)
      return Datagram(datagram.header, key: key) { message.write(to: &$0) }
    case .acknowledgement:
      let message = try AcknowledgementMessage(datagram.payload)
      return Datagram(datagram.header, key: key) { message.write(to: &$0) }
    }
  }

  /// What `onset decode` does without a key. It refuses what it cannot read as a ToolError.
  private static func readAsFile(_ bytes: UnsafeBufferPointer<UInt8>) throws {
    do {
      try DatagramFile.forEach(in: bytes) {
        var line = try JsonLine.text(try OpenedDatagram($0, key: nil))
        let isWellFormed = line.withUTF8 { JsonText.isObject($0) }
        try require(isWellFormed, "not JSON: \(line)")
      }
    } catch is ToolError {
      return
    }
  }
}

// MARK: Corpus

extension DatagramTarget {
  private static func makeCorpus(_ key: Key) -> [[UInt8]] {
    func header(_ type: MessageType) -> Header {
      Header(
        type: type, station: Text("XX.ONST1.00.EH"), bootCounter: 3, sequence: 12,
        emitted: UTC(nanoseconds: 1_769_904_000_123_456_789), clockState: 3, clockSource: 2,
        clockUncertaintyNanoseconds: 1500)
    }
    func bytes(_ datagram: Datagram) -> [UInt8] { datagram.withBytes { Array($0) } }
    var pick = PickMessage()
    pick.id = 5
    pick.status = 2
    pick.firstMotion = -1
    pick.quality = 1
    pick.time = UTC(nanoseconds: 1_769_904_000_000_000_000)
    pick.timeSigmaMicroseconds = 21_000
    pick.firstMotionProbability = 9500
    pick.signalToNoiseCentidecibels = 2345
    pick.picker = 2
    pick.fingerprint = 0x0F0F_3C3C_0102_0304
    let health = makeHealth()
    var command = CommandMessage()
    command.parameter = CommandParameter.triggerRatio.rawValue
    command.value = 8000
    var relayTest = CommandMessage()
    relayTest.parameter = CommandParameter.relayTest.rawValue
    relayTest.value = 500
    let messages = [
      bytes(Datagram(header(.pick), key: key) { pick.write(to: &$0) }),
      bytes(Datagram(header(.health), key: key) { health.write(to: &$0) }),
      bytes(Datagram(header(.ping), key: key) { PingMessage(nonce: 99).write(to: &$0) }),
      bytes(
        Datagram(header(.pong), key: key) {
          PongMessage(nonce: 99, health: health).write(to: &$0)
        }),
      bytes(
        Datagram(header(.acknowledgement), key: key) {
          AcknowledgementMessage(boot: 7, sequence: 12).write(to: &$0)
        }),
      bytes(Datagram(header(.estimate), key: key) { EstimateMessage().write(to: &$0) }),
      bytes(Datagram(header(.alert), key: key) { AlertMessage().write(to: &$0) }),
      bytes(Datagram(header(.command), key: key) { command.write(to: &$0) }),
      bytes(Datagram(header(.command), key: key) { relayTest.write(to: &$0) }),
    ]
    return messages + [messages[0] + messages[2] + messages[0], messages[1] + messages[0]]
  }

  private static func makeHealth() -> HealthMessage {
    var health = HealthMessage()
    health.clockOffsetNanoseconds = -1234
    health.edges = 1000
    health.frames = 8_000_000
    health.stuckLanes = 2
    health.machine.loopMedianNanoseconds = 41_000
    health.machine.ringFillPerMille = 12
    health.machine.temperatureCentidegrees = 4210
    health.machine.uptimeSeconds = 1000
    health.lastPick = UTC(nanoseconds: 1_769_904_000_000_000_000)
    health.noiseCountsBits = Float(812.5).bitPattern
    health.isLive = true
    health.software.append("0.1.0")
    health.model.append("sta-lta")
    health.relay = .atRest
    health.inhibit = 1
    health.incapacity = .notLive
    health.changedParameters = 8
    health.calibrationDays = 100
    health.drillSeconds = 60
    return health
  }
}
