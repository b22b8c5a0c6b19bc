// datagram: what arrives over the network and what lies in files of datagrams.
//
// Promised of every input: what opens is encoded again to the same bytes, its JSON line is
// well-formed, and a station that receives it neither stops nor answers more than once, nor closes
// its relay unless an operator's command asks for it.

import CSodium
import Clock
import Conditioning
import Core
import Foundation
import Station
import StationFixture
import Tools
import Uplink

struct DatagramTarget: Target, ~Copyable {
  static let keyBytes: [UInt8] = (0..<32).map { 7 &* $0 &+ 1 }
  private let key: Key
  private let signer: SigningKey
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
    key = Self.keyBytes.withUnsafeBufferPointer { Key(Octets($0)) }
    // A pair follows from any secret; this one is the operator's.
    signer = SigningKey(ofStation: key)
    corpus = Self.makeCorpus(key, signer)
    station = Self.makeStation(key, signer)
  }

  /// With a relay.
  private static func makeStation(_ key: Key, _ signer: SigningKey) -> Station {
    var settings = StationSettings(
      code: StationCode("XX.ONST1.00.EH"), epoch: 5, bootCounter: 7, bootNonce: 9,
      keys: UpstreamKeys(key),
      conditioner: ConditionerSettings(rateMillihertz: 100_000, presentLanes: 7),
      picker: .init())
    settings.takesNetworks = true
    settings.exchange = testExchange
    settings.operators.add(
      Operator(key: signer.publicKey, rights: Rights(rawValue: 15)))
    // The operator's pair is that of the station's key, and a peer's as well.
    settings.peers.add(Peer(key: signer.publicKey, host: Text("192.0.2.7"), port: 6465))
    settings.quorum.needed = 2
    var station = Station(settings)
    var lines = LinesReport()
    lines.relay = .fitted
    station.note(.lines(lines))
    return station
  }

  /// Half of the mutants are given their type's size, a true length and a valid tag, so that they
  /// reach the decoders.
  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {
    guard random.below(2) == 0, (128...Wire.maximumByteCount).contains(bytes.count) else { return }
    if random.below(8) > 0 {
      bytes.replaceSubrange(0..<5, with: Array("ONST".utf8) + [Wire.version])
      if let size = MessageType(rawValue: bytes[5]).flatMap(Self.byteCount) {
        bytes.removeLast(max(bytes.count - size, 0))
        bytes += repeatElement(0, count: size - bytes.count)
      }
      bytes[6] = UInt8(truncatingIfNeeded: bytes.count)
      bytes[7] = UInt8(truncatingIfNeeded: bytes.count >> 8)
    }
    let type = MessageType(rawValue: bytes[5])
    let sealed = bytes.count - (type?.sealByteCount ?? Wire.tagByteCount)
    bytes.withUnsafeMutableBufferPointer { bytes in
      if type?.isSigned ?? false {
        _ = Self.secret.withUnsafeBufferPointer {
          csodium_sign(bytes.baseAddress! + sealed, bytes.baseAddress!, sealed, $0.baseAddress)
        }
      } else {
        _ = csodium_tag(
          bytes.baseAddress! + sealed, Wire.tagByteCount, bytes.baseAddress!, sealed,
          Self.keyBytes, 32)
      }
    }
  }

  /// The operator's, as `SigningKey(ofStation:)` derives it.
  private static let secret: [UInt8] = {
    var (seed, open, secret) = (
      [UInt8](repeating: 0, count: 32), [UInt8](repeating: 0, count: 32),
      [UInt8](repeating: 0, count: 64)
    )
    let text = Array("onset station identity".utf8)
    _ = csodium_tag(&seed, 32, text, text.count, keyBytes, 32)
    _ = csodium_key_pair(&open, &secret, seed)
    return secret
  }()

  private static func byteCount(_ type: MessageType) -> Int? {
    let payload: Int
    switch type {
    case .pick: payload = PickMessage.byteCount
    case .health: payload = HealthMessage.byteCount
    case .ping: payload = PingMessage.byteCount
    case .pong: payload = PongMessage.byteCount
    case .command, .answer, .audit: payload = CommandMessage.byteCount
    case .estimate: payload = EstimateMessage.byteCount
    case .alert: payload = AlertMessage.byteCount
    case .acknowledgement: payload = AcknowledgementMessage.byteCount
    case .instrument: payload = InstrumentMessage.byteCount
    case .peaks: payload = PeaksMessage.byteCount
    case .network: payload = NetworkMessage.byteCount
    case .trial: payload = TrialMessage.byteCount
    case .key: payload = KeyMessage.byteCount
    case .vote: payload = VoteMessage.byteCount
    }
    return Wire.headerByteCount + payload + type.sealByteCount
  }

  /// Sealed by the upstream, or signed by the operator.
  private func opened(
    _ bytes: UnsafeBufferPointer<UInt8>
  ) throws(DatagramError) -> OpenedDatagram {
    try OpenedDatagram(bytes) {
      $0.type.isSigned ? $0.isSigned(by: signer.publicKey) : $0.isSealed(with: key)
    }
  }

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    let encoded: Datagram?
    do throws(DatagramError) {
      encoded = try encode(try opened(bytes))
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
    station.receive(bytes, from: Address(ipv4: 1, port: 1))
    var (isObeyed, answers, told) = (false, 0, 0)
    while let action = station.nextAction() {
      switch action {
      case .store(let value, _): station.note(.stored(value, isDone: true))
      case .keep(let record):
        try require(Int(record.place) < Outbox.capacity, "it keeps where nothing is")
      case .restart: isObeyed = true
      case .keepKey: try require(false, "a key is kept that no upstream has used")
      case .network(let order):
        if case .keep(let write) = order {
          try require(
            write.count > 0 && write.count <= NetworkMessage.dataByteCount && write.offset >= 0
              && write.offset + write.count <= Int(NetworkMessage.fileMaximum),
            "a piece lies outside its file")
        }
        // Taken, and not taken, by turns.
        station.note(iteration & 1 == 0 ? order.failure : .networkKept(isDone: true))
      case .drive(let isActuated, _):
        var lines = LinesReport()
        (lines.relay, lines.isActuated) = (.fitted, isActuated)
        station.note(.lines(lines))
      case .send(let datagram):
        if datagram.destination == .upstream(0) { told += 1 } else { answers += 1 }
        if MessageType(rawValue: datagram.bytes[5]) == .answer { isObeyed = true }
        try require(
          datagram.count <= bytes.count + HealthMessage.byteCount + PublicKey.byteCount + 16,
          "the answer is far longer than the question")
      }
    }
    try require(isGood || !isObeyed, "a command that does not open is obeyed")
    let isClosed = station.wantsRelay
    if isClosed { relayTests += 1 }
    try require(!isClosed || isObeyed, "the relay is to close, and nobody may say so")
    try require(answers <= (isGood ? 1 : 0), "\(answers) answers")
    // What is obeyed is told upstream, and a health message follows the command that asks for one.
    try require(told <= (isObeyed ? 2 : 0), "\(told) messages upstream")
    // The time of one command would keep those before it from being obeyed.
    if isObeyed { station = Self.makeStation(key, signer) }
  }

  func isSigned(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    (try? encode(try opened(bytes))) != nil
  }

  private static func isSame(
    _ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>
  ) -> Bool { a.count == b.count && memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0 }

  private func encode(_ datagram: OpenedDatagram) throws(DatagramError) -> Datagram {
    switch datagram.header.type {
    case .pick: sealed(datagram.header, try PickMessage(datagram.payload))
    case .health: sealed(datagram.header, try HealthMessage(datagram.payload))
    case .ping: sealed(datagram.header, try PingMessage(datagram.payload))
    case .pong: sealed(datagram.header, try PongMessage(datagram.payload))
    case .command: sealed(datagram.header, try CommandMessage(datagram.payload))
    case .answer: sealed(datagram.header, try AnswerMessage(datagram.payload))
    case .instrument: sealed(datagram.header, try InstrumentMessage(datagram.payload))
    case .peaks: sealed(datagram.header, try PeaksMessage(datagram.payload))
    case .trial: sealed(datagram.header, try TrialMessage(datagram.payload))
    case .network:
      signed(datagram.header, try NetworkMessage(datagram.payload).write)
    case .key: signed(datagram.header, try KeyMessage(datagram.payload).write)
    case .vote: sealed(datagram.header, try VoteMessage(datagram.payload))
    case .audit: sealed(datagram.header, try AuditMessage(datagram.payload))
    case .estimate: sealed(datagram.header, try EstimateMessage(datagram.payload))
    case .alert: sealed(datagram.header, try AlertMessage(datagram.payload))
    case .acknowledgement: sealed(datagram.header, try AcknowledgementMessage(datagram.payload))
    }
  }

  private func signed(_ header: Header, _ write: (inout ByteWriter) -> Void) -> Datagram {
    Datagram(header, signedBy: signer, payload: write)
  }

  private func sealed(_ header: Header, _ message: some Payload) -> Datagram {
    header.type.isSigned
      ? Datagram(header, signedBy: signer) { message.write(to: &$0) }
      : Datagram(header, key: key) { message.write(to: &$0) }
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
  private static func makeCorpus(_ key: Key, _ signer: SigningKey) -> [[UInt8]] {
    func header(_ type: MessageType) -> Header {
      Header(
        type: type, station: Text("XX.ONST1.00.EH"), epoch: 5, bootCounter: 3, sequence: 12,
        emitted: UTC(nanoseconds: 1_769_904_000_123_456_789), clockState: 3, clockSource: 2,
        clockUncertaintyNanoseconds: 1500)
    }
    func signed(_ type: MessageType, _ message: some Payload) -> [UInt8] {
      bytes(Datagram(header(type), signedBy: signer) { message.write(to: &$0) })
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
    let commands = [(CommandParameter.triggerRatio, Int64(8000)), (.relayTest, 500), (.restart, 1)]
      .map { parameter, value in
        var command = CommandMessage()
        (command.giver, command.bootNonce) = (signer.publicKey.name, 9)
        (command.parameter, command.value) = (parameter.rawValue, value)
        command.lifeMilliseconds = CommandMessage.lifeMaximum
        return command
      }
    var keyCommand = commands[0]
    (keyCommand.parameter, keyCommand.value) = (CommandParameter.uplinkKey.rawValue, 1)
    var answer = commands[0]
    answer.result = .done
    var piece = NetworkPiece()
    (piece.giver, piece.bootNonce, piece.fileByteCount) = (signer.publicKey.name, 9, 200)
    piece.begunMicroseconds = 1
    var pong = PongMessage()
    (pong.nonce, pong.health) = (99, health)
    // In answer to the greeting of the first moment, and as one who has not heard it.
    let votes = [(UInt64(9), UInt64(1)), (0, 0)].map { nonce, heard in
      var vote = VoteMessage()
      (vote.voter, vote.receiver) = (signer.publicKey.name, signer.publicKey.name)
      (vote.receiverNonce, vote.bootNonce, vote.heardMicroseconds) = (nonce, 77, heard)
      (vote.sentMicroseconds, vote.evidenceMilliseconds, vote.isReady) = (5_000_000, 0, true)
      return signed(.vote, vote)
    }
    let keyMessage = Datagram(header(.key), signedBy: signer) { writer in
      sealedTestKey.withUnsafeBufferPointer {
        KeyMessage(keyCommand, sealed: $0).write(to: &writer)
      }
    }
    let messages =
      [
        bytes(Datagram(header(.pick), key: key) { pick.write(to: &$0) }),
        bytes(Datagram(header(.health), key: key) { health.write(to: &$0) }),
        bytes(
          Datagram(header(.acknowledgement), key: key) {
            AcknowledgementMessage(boot: 7, sequence: 12).write(to: &$0)
          }),
        bytes(Datagram(header(.estimate), key: key) { EstimateMessage().write(to: &$0) }),
        bytes(Datagram(header(.instrument), key: key) { InstrumentMessage().write(to: &$0) }),
        bytes(Datagram(header(.alert), key: key) { AlertMessage().write(to: &$0) }),
        bytes(Datagram(header(.audit), key: key) { AuditMessage(answer).write(to: &$0) }),
        signed(.ping, PingMessage(asker: signer.publicKey.name, nonce: 99)),
        signed(.pong, pong), signed(.answer, AnswerMessage(answer)),
        bytes(Datagram(header(.trial), key: key) { TrialMessage().write(to: &$0) }),
        bytes(Datagram(header(.peaks), key: key) { PeaksMessage().write(to: &$0) }),
        bytes(
          Datagram(header(.network), signedBy: signer) {
            NetworkMessage(piece, data: UnsafeBufferPointer(start: nil, count: 0)).write(to: &$0)
          }),
        bytes(keyMessage),
      ] + commands.map { signed(.command, $0) } + votes
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
