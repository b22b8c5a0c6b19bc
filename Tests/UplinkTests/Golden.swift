// The messages of the golden datagrams: every field differs from its default and from its
// neighbours.

import Core
import Foundation

@testable import Uplink

enum Golden {
  static let nonce: UInt64 = 0x0123_4567_89AB_CDEF
  static let key: Key = {
    var bytes = Octets<4>()
    for index in 0..<32 { bytes[index] = UInt8(index) }
    return Key(bytes)
  }()

  static func header(_ type: MessageType) -> Header {
    Header(
      type: type, station: Text<24>("XX.ONST1.00.EH"), epoch: 0x1122_3344_5566_7788, bootCounter: 3,
      sequence: 41,
      emitted: UTC(nanoseconds: 1_398_903_127_910_000_000), clockState: 3, clockSource: 2,
      clockUncertaintyNanoseconds: 2100)
  }

  static var pick: PickMessage {
    var pick = PickMessage()
    pick.id = 17
    pick.status = 2
    pick.phase = 1
    pick.firstMotion = 1
    pick.quality = 1
    pick.time = UTC(nanoseconds: 1_398_903_127_430_000_000)
    pick.timeSigmaMicroseconds = 30_000
    pick.firstMotionProbability = 8800
    pick.signalToNoiseCentidecibels = 1720
    pick.picker = 2
    pick.fingerprint = 0x7020_4081_0203_0405
    return pick
  }

  static var health: HealthMessage {
    var h = HealthMessage()
    h.clockOffsetNanoseconds = -12_345
    h.clockRatePartsPerBillion = 30_250
    h.edges = 3600
    h.missedEdges = 2
    h.rejectedEdges = 1
    h.forwardSteps = 4
    h.refusedBackwardSteps = 5
    h.frames = 28_800_000_123
    h.gapFrames = 4242
    h.gaps = 6
    h.overruns = 7
    h.shortReads = 8
    h.suspends = 9
    h.reopenings = 10
    h.clippedFrames = 11
    h.spikes = 12
    h.clippedLanes = 1
    h.spikedLanes = 2
    h.stuckLanes = 4
    h.deadLanes = 8
    h.machine.loopMedianNanoseconds = 1500
    h.machine.loop999Nanoseconds = 52_000
    h.machine.loopMaximumNanoseconds = 910_000
    h.machine.ringFillPerMille = 125
    h.machine.temperatureCentidegrees = -1250
    h.machine.residentKibibytes = 6800
    h.machine.memoryAvailableMebibytes = 3411
    h.machine.diskFreeMebibytes = 27_000
    h.machine.uptimeSeconds = 86_400
    h.datagramsSent = 9001
    h.sendFailures = 13
    h.datagramsAccepted = 14
    h.datagramsRejected = 15
    h.picks = 16
    h.noiseCountsBits = Float(61.5).bitPattern
    h.lastPick = UTC(nanoseconds: 1_398_903_127_430_000_000)
    h.isLive = true
    h.software.append("0.2.0")
    h.model.append("sta-lta")
    (h.machine.timeStratum, h.machine.timeReference) = (1, 0x5050_5300)
    h.machine.pulseFeed = .refused
    h.machine.rootDistanceMicroseconds = 123
    h.relay = .atRest
    h.alarmState = 2
    h.isLatched = true
    h.inhibit = 3
    h.incapacity = Incapacity.inhibitUnreadable.union(.drill)
    h.changedParameters = 0b1001
    h.calibrationDays = -17
    h.drillSeconds = 1799
    h.droppedActions = 18
    (h.unacknowledged, h.unacknowledgedBySecond) = (5, 6)
    h.givenUp = 70_000
    (h.quorumNeeded, h.peersReady, h.refusedVotes) = (2, 7, 19)
    return h
  }

  static var command: CommandMessage {
    var command = CommandMessage()
    command.giver = 0x8877_6655_4433_2211
    command.bootNonce = 0xF0E1_D2C3_B4A5_9687
    command.issuedMicroseconds = 86_400_000_123
    command.lifeMilliseconds = 45_000
    command.id = 4_000_000_001
    command.parameter = 2
    command.result = .done
    command.value = 4500
    return command
  }

  static var estimate: EstimateMessage {
    var e = EstimateMessage()
    e.pickID = 17
    e.afterPMilliseconds = 3000
    e.eventClass = 1
    e.hasShear = true
    e.isCalibrationExpired = true
    e.isMagnitudeLowerBound = true
    e.pickTime = UTC(nanoseconds: 1_398_903_127_430_000_000)
    e.classProbability = 9700
    e.magnitudeHundredths = -41
    e.magnitudeSigmaHundredths = 56
    e.distanceSigma = 220
    e.distanceMetres = 38_120
    e.backAzimuthCentidegrees = 21_234
    e.backAzimuthSigmaCentidegrees = 1850
    e.tauC = WireFloat(0.75)
    e.peakDisplacement = WireFloat(0.000_030_517_578_125)
    e.peakAcceleration = WireFloat(0.125)
    e.peakVelocity = WireFloat(0.007_812_5)
    e.expectedAcceleration = WireFloat(1.5)
    e.accelerationSigma = 418
    e.velocitySigma = 487
    e.modifiedMercalliHundredths = 553
    e.jmaIntensityHundredths = 391
    e.observedAcceleration = WireFloat(0.25)
    e.observedVelocity = WireFloat(0)
    e.observedIntensityHundredths = -123
    return e
  }

  static var alert: AlertMessage {
    var alert = AlertMessage()
    alert.id = 4
    alert.pickID = 17
    alert.pickTime = UTC(nanoseconds: 1_398_903_127_430_000_000)
    alert.decided = UTC(nanoseconds: 1_398_903_128_600_000_000)
    alert.level = .alarm
    alert.reason = .measuredShaking
    alert.relay = .actuated
    alert.isDrill = true
    alert.repeat = 2
    alert.evidence = 1 + 8 + 16
    alert.votes = 0b1000_0101
    return alert
  }

  static var acknowledgement: AcknowledgementMessage {
    var acknowledgement = AcknowledgementMessage(boot: 3, sequence: 41)
    acknowledgement.stored = 1 << 40 | 0b1011
    return acknowledgement
  }

  static var instrument: InstrumentMessage {
    var instrument = InstrumentMessage()
    instrument.latitude = -338_012_345
    instrument.longitude = 1_512_345_678
    instrument.elevationCentimetres = -1250
    instrument.depthCentimetres = 3000
    instrument.northAzimuthCentidegrees = 1234
    (instrument.presentLanes, instrument.quantity) = (0b0101, .acceleration)
    instrument.rateMillihertz = 8_000_001
    instrument.vertical.serial = Text("Z-1")
    instrument.vertical.measuredDay = 20_000
    instrument.vertical.validUntilDay = 21_000
    instrument.vertical.countsPerUnit = WireFloat(1_048_576)
    instrument.east.serial = Text("E-3")
    instrument.sensor = Text("geophone")
    instrument.board = Text("hat")
    instrument.boardSerial = Text("4711")
    instrument.software = Text("0.2.0")
    (instrument.pickerChecksum, instrument.estimatorChecksum) = (0xCAFE_F00D, 7)
    return instrument
  }

  static var peaks: PeaksMessage {
    var peaks = PeaksMessage()
    peaks.time = UTC(nanoseconds: 1_398_903_127_000_000_000)
    (peaks.sampleCount, peaks.clippedLanes) = (100, 0b0010)
    peaks.jmaIntensityHundredths = -87
    peaks.verticalAcceleration = WireFloat(0.125)
    peaks.verticalVelocity = WireFloat(0.007_812_5)
    peaks.verticalDisplacement = WireFloat(0.000_030_517_578_125)
    peaks.horizontalAcceleration = WireFloat(1.5)
    peaks.horizontalVelocity = WireFloat(0)
    return peaks
  }

  static var piece: NetworkPiece {
    var piece = NetworkPiece()
    (piece.giver, piece.bootNonce) = (0x8877_6655_4433_2211, 0xF0E1_D2C3_B4A5_9687)
    piece.begunMicroseconds = 86_400_000_123
    (piece.checksum, piece.fileByteCount, piece.number) = (0xCAFE_F00D, 900, 3)
    return piece
  }

  static var trial: TrialMessage {
    var trial = TrialMessage()
    trial.state = .switched
    (trial.checksum, trial.liveChecksum, trial.seconds) = (0xCAFE_F00D, 7, 86_400)
    (trial.both, trial.liveOnly, trial.shadowOnly) = (12, 3, 70_000)
    trial.largestMicroseconds = 210_000
    return trial
  }

  static var vote: VoteMessage {
    var vote = VoteMessage()
    (vote.voter, vote.receiver) = (0x8877_6655_4433_2211, 0x1020_3040_5060_7080)
    (vote.receiverNonce, vote.bootNonce) = (0xF0E1_D2C3_B4A5_9687, 0x0102_0304_0506_0708)
    (vote.sentMicroseconds, vote.heardMicroseconds) = (86_400_000_123, 3_600_000_007)
    (vote.heldMicroseconds, vote.evidenceMilliseconds, vote.isReady) = (900_001, 120, true)
    return vote
  }

  static var keyCommand: CommandMessage {
    var command = command
    (command.parameter, command.result, command.value) = (18, .none, 2)
    return command
  }

  static var pong: PongMessage {
    var pong = PongMessage()
    (pong.nonce, pong.bootNonce) = (nonce, 0xF0E1_D2C3_B4A5_9687)
    (pong.uptimeMicroseconds, pong.health) = (86_400_000_123, health)
    pong.exchange = identity.publicKey
    return pong
  }

  /// A station's own pair, of the same key.
  static let identity = SigningKey(ofStation: key)

  static func datagram(_ type: MessageType) -> Datagram {
    let header = header(type)
    return type.isSigned
      ? Datagram(header, signedBy: identity) { write(type, to: &$0) }
      : Datagram(header, key: key) { write(type, to: &$0) }
  }

  private static func write(_ type: MessageType, to writer: inout ByteWriter) {
    switch type {
    case .pick: pick.write(to: &writer)
    case .health: health.write(to: &writer)
    case .command: command.write(to: &writer)
    case .estimate: estimate.write(to: &writer)
    case .alert: alert.write(to: &writer)
    case .acknowledgement: acknowledgement.write(to: &writer)
    case .ping: PingMessage(asker: 5, nonce: nonce).write(to: &writer)
    case .pong: pong.write(to: &writer)
    case .answer: AnswerMessage(command).write(to: &writer)
    case .audit: AuditMessage(command).write(to: &writer)
    case .instrument: instrument.write(to: &writer)
    case .peaks: peaks.write(to: &writer)
    case .trial: trial.write(to: &writer)
    case .network:
      (0..<200).map(UInt8.init).withUnsafeBufferPointer {
        NetworkMessage(piece, data: $0).write(to: &writer)
      }
    case .vote: vote.write(to: &writer)
    case .key:
      (0..<80).map(UInt8.init).withUnsafeBufferPointer {
        KeyMessage(keyCommand, sealed: $0).write(to: &writer)
      }
    }
  }

  /// What a station and its upstream seal for each other, and what it and its operators sign.
  static let sealed: [MessageType] = [
    .pick, .health, .estimate, .alert, .acknowledgement, .audit, .instrument, .peaks, .trial,
  ]
  static let signed: [MessageType] = [
    .ping, .pong, .command, .answer, .network, .key, .vote,
  ]

  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Golden")
}
