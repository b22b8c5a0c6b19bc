// Station: the loop's body, a pure function of configuration, blocks, received datagrams and what
// it is told of its host. It knows no clock, no socket and no file: the same inputs give the same
// datagrams on every machine. onsetd feeds it from the hardware, `onset replay` from a record.

import Board
import CLinux
import Conditioning
import Core
import Digitizer
import Estimator
import Picker
import Uplink

public let softwareVersion: StaticString = "0.1.0"

public struct StationSettings: Sendable {
  public var code: StationCode
  public var bootCounter: UInt32
  /// The counter of the last command that was taken, in this boot or an earlier one.
  public var commandCounter: UInt64
  public var key: Key
  public var conditioner: ConditionerSettings
  public var picker: PickerSettings
  public var alarm: AlarmSettings

  public init(
    code: StationCode, bootCounter: UInt32, commandCounter: UInt64 = 0, key: Key,
    conditioner: ConditionerSettings, picker: PickerSettings,
    alarm: AlarmSettings = AlarmSettings()
  ) {
    self.code = code
    self.bootCounter = bootCounter
    self.commandCounter = commandCounter
    self.key = key
    self.conditioner = conditioner
    self.picker = picker
    self.alarm = alarm
  }

  public init(
    _ configuration: Configuration, bootCounter: UInt32, commandCounter: UInt64 = 0
  ) {
    self.init(
      code: configuration.station.code, bootCounter: bootCounter,
      commandCounter: commandCounter, key: configuration.key,
      conditioner: configuration.conditioner, picker: configuration.station.picker,
      alarm: configuration.station.alarm)
  }
}

public enum RelayHealth: Sendable { case none, fitted, faulty }

/// What only the machine around the loop knows; told to the station once a second or so.
public struct HostStatus: Sendable {
  public var digitizer = DigitizerCounters()
  public var clock = ClockCounters()
  public var loopMedianNanoseconds = Wire.unknownDuration
  public var loop999Nanoseconds = Wire.unknownDuration
  public var loopMaximumNanoseconds = Wire.unknownDuration
  public var ringFillPerMille: UInt16 = 0
  public var temperatureCentidegrees = Wire.unknownTemperature
  public var residentKibibytes = Wire.unknownSize
  public var memoryAvailableMebibytes = Wire.unknownSize
  public var diskFreeMebibytes = Wire.unknownSize
  public var uptimeSeconds: UInt32 = 0
  public var datagramsSent: UInt32 = 0
  public var sendFailures: UInt32 = 0
  public var hasRejectedKernels = false
  /// The network that the station file names is not there or failed its test.
  public var lacksNetwork = false
  public var lacksEstimator = false
  public var relay = RelayHealth.none
  /// Somebody keeps the relay from closing.
  public var isInhibited = false
  public init() {}
}

public struct Station: ~Copyable {
  public static let healthIntervalNanoseconds = 10 * nanosecondsPerSecond
  /// A change is worth a message at once, but a flapping one is not worth more than one a second.
  public static let changeIntervalNanoseconds = nanosecondsPerSecond
  /// Answers a second: an operator asks seldom, a forger who replays a recorded ping gets little.
  private static let answersPerSecondMaximum: UInt32 = 5

  public var host = HostStatus()
  /// A block is at most four seconds: of picks of one phase and stage at least 0.6 s apart that is
  /// fewer than 30, and a few more about what was pending and about health. It is emptied after every
  /// block.
  private var outbox = FixedQueue<Datagram, 64>()

  let settings: StationSettings
  private var conditioner: Conditioner
  var picker: Picker
  private(set) var clock = ClockReading()
  private var sequence: UInt32 = 0
  private var accepted: UInt32 = 0
  private var rejected: UInt32 = 0
  private(set) public var now = UTC(nanoseconds: 0)
  private var isDelivering = false
  /// How many health messages there were: their sender resets what they report since the last one.
  public private(set) var healthCount = 0
  private var lastHealth: UTC?
  private var firstTick: UTC?
  /// Clipping and spikes since the last health message; stuck and dead as they stand.
  private var flags = ChannelFlags()
  private var flagUpdates = 0
  private var reported = Condition()
  private var answerSecond: Int64 = 0
  private var answersInSecond: UInt32 = 0
  var commandCounter: UInt64
  var pendingCommand: PendingCommand?
  var lastAnswer: CommandMessage?
  public let estimator: UnsafeMutablePointer<Estimator>?
  var decision: AlarmDecision
  /// Alerts are marked as a drill's, and the relay stays at rest.
  var isDrill = false
  var relayTestEnd: UTC?

  /// What a change of which is reported at once.
  private struct Condition: Equatable {
    var clockState = ClockState.unsynchronised
    var clockSource = ClockSource.none
    var flags = ChannelFlags()
    var gaps: UInt32 = 0
    var reopenings: UInt32 = 0
    var isLive = false
  }

  /// Without a network the baseline picks, and without an estimator nothing is expected and no alarm
  /// raised; both must outlive the station.
  public init(
    _ settings: StationSettings, network: UnsafeMutablePointer<NetworkPicker>? = nil,
    estimator: UnsafeMutablePointer<Estimator>? = nil
  ) {
    self.settings = settings
    self.estimator = estimator
    decision = AlarmDecision(settings.alarm)
    commandCounter = settings.commandCounter
    conditioner = Conditioner(settings.conditioner)
    picker = Picker(
      settings.picker, presentLanes: settings.conditioner.presentLanes, network: network)
  }

  // MARK: Inputs

  /// Takes a block of frames, the next in order. What it gives rise to is in the outbox afterwards.
  public mutating func process(_ block: Block, nanosecondsPerFrame: Double) {
    clock = block.clock
    isDelivering = true
    let duration = Double(block.frames.count) * nanosecondsPerFrame
    // A block can be acted on when its last frame has arrived.
    now = block.firstFrameTime + Int64(Elementary.nearestInteger(duration))
    _ = conditioner.begin(block, nanosecondsPerFrame: nanosecondsPerFrame)
    for frame in block.frames {
      let ready = conditioner.push(frame)
      for index in 0..<ready {
        let sample = conditioner.sample(index)
        picker.step(sample)
        estimator?.pointee.step(sample)
        while let pick = picker.next() {
          send(pick)
          note(pick)
        }
        estimate(sample)
      }
    }
    repeatAlert()
    reportHealthIfDue()
  }

  /// Time passes without frames. `isDelivering`: they are only between two periods; otherwise the
  /// digitizer is silent or lost, and the station says so.
  public mutating func tick(_ time: UTC, clock: ClockReading, isDelivering: Bool) {
    now = time
    self.clock = clock
    self.isDelivering = isDelivering
    let waitingSince = firstTick ?? time
    firstTick = waitingSince
    repeatAlert()
    // The first message is that of the first block; a digitizer that does not start is told of
    // after 1 s.
    if lastHealth != nil || time - waitingSince >= Station.changeIntervalNanoseconds {
      reportHealthIfDue()
    }
  }

  /// A datagram came in. Only a signed ping or command is answered, to whom it came from; a command when
  /// its counter is stored (Station+Commands.swift).
  public mutating func receive(
    _ bytes: UnsafeBufferPointer<UInt8>, address: UInt32, port: UInt16
  ) {
    do throws(DatagramError) {
      let datagram = try OpenedDatagram(bytes, key: settings.key)
      let header = datagram.header
      switch header.type {
      case .ping:
        let ping = try PingMessage(datagram.payload)
        guard header.station.isEmpty || header.station.equals(settings.code) else { throw .notOurs }
        accepted &+= 1
        answer(ping, address: address, port: port)
      case .command:
        let command = try CommandMessage(datagram.payload)
        try receive(command, for: header.station, address: address, port: port)
        accepted &+= 1
      default: throw .unknownType
      }
    } catch {
      rejected &+= 1
    }
  }

  private mutating func answer(_ ping: PingMessage, address: UInt32, port: UInt16) {
    guard mayAnswer() else { return }
    let pong = PongMessage(nonce: ping.nonce, health: health())
    send(.pong, address: address, port: port) { pong.write(to: &$0) }
  }

  mutating func mayAnswer() -> Bool {
    let second = floorQuotient(now.nanoseconds, nanosecondsPerSecond)
    if second != answerSecond {
      answerSecond = second
      answersInSecond = 0
    }
    answersInSecond &+= 1
    return answersInSecond <= Station.answersPerSecondMaximum
  }

  // MARK: Outputs

  /// The oldest datagram that waits to be sent.
  public mutating func nextDatagram() -> Datagram? { outbox.take() }

  mutating func send(
    _ type: MessageType, address: UInt32 = 0, port: UInt16 = 0,
    _ payload: (inout ByteWriter) -> Void
  ) {
    let header = Header(
      type: type, station: settings.code, bootCounter: settings.bootCounter, sequence: sequence,
      emitted: now, clockState: clock.state.rawValue, clockSource: clock.source.rawValue,
      clockUncertaintyNanoseconds: clock.uncertaintyNanoseconds)
    // An answer goes to whoever asked and uses no number up: a gap upstream is a loss.
    if address == 0 { sequence &+= 1 }
    var datagram = Datagram(header, key: settings.key, payload: payload)
    datagram.address = address
    datagram.port = port
    outbox.put(datagram)
  }

  private mutating func send(_ pick: Pick) {
    var message = PickMessage()
    message.id = pick.id
    message.status = pick.status.rawValue
    message.phase = pick.phase.rawValue
    message.firstMotion = pick.firstMotion.rawValue
    message.quality = pick.quality.rawValue
    message.time = pick.time
    message.timeSigmaMicroseconds = UInt32(
      Elementary.nearestInteger(min(pick.timeSigmaSeconds, 4000) * 1e6))
    message.probability = Station.wire(probability: pick.probability)
    message.firstMotionProbability = Station.wire(probability: pick.firstMotionProbability)
    message.signalToNoiseCentidecibels = Int16(
      clamping: Elementary.nearestInteger(pick.signalToNoiseDecibels * 100))
    message.picker = picker.hasNetwork ? 2 : 1
    message.isSeenByBaseline = pick.isSeenByBaseline ?? false
    send(.pick) { message.write(to: &$0) }
  }

  static func wire(probability: Double?) -> UInt16 {
    guard let probability else { return Wire.noProbability }
    return UInt16(Elementary.nearestInteger(min(max(probability, 0), 1) * 10_000))
  }

  /// Frames come, and the picker has settled on them.
  private var isLive: Bool { isDelivering && picker.isLive }

  private mutating func reportHealthIfDue() {
    if flagUpdates != conditioner.flagUpdates {
      flagUpdates = conditioner.flagUpdates
      flags.clipped |= conditioner.flags.clipped
      flags.spiked |= conditioner.flags.spiked
    }
    flags.stuck = conditioner.flags.stuck
    flags.dead = conditioner.flags.dead
    let condition = Condition(
      clockState: clock.state, clockSource: clock.source, flags: flags,
      gaps: host.digitizer.gaps, reopenings: host.digitizer.reopenings, isLive: isLive)
    let since = lastHealth.map { now - $0 } ?? .max
    let isDue =
      since >= Station.healthIntervalNanoseconds || since < 0
      || (condition != reported && since >= Station.changeIntervalNanoseconds)
    guard isDue else { return }
    reported = condition
    reportHealth()
  }

  mutating func reportHealth() {
    lastHealth = now
    let message = health()
    send(.health) { message.write(to: &$0) }
    healthCount &+= 1
    flags = ChannelFlags()
  }

  private func health() -> HealthMessage {
    var message = HealthMessage()
    message.clockOffsetNanoseconds = clock.offsetNanoseconds
    message.clockRatePartsPerBillion = clock.rateErrorPartsPerBillion
    message.edges = host.clock.edges
    message.missedEdges = host.clock.missedEdges
    message.rejectedEdges = host.clock.rejectedEdges
    message.forwardSteps = host.clock.forwardSteps
    message.refusedBackwardSteps = host.clock.refusedBackwardSteps
    message.frames = host.digitizer.frames
    message.gapFrames = host.digitizer.gapFrames
    message.gaps = host.digitizer.gaps
    message.overruns = host.digitizer.overruns
    message.shortReads = host.digitizer.shortReads
    message.suspends = host.digitizer.suspends
    message.reopenings = host.digitizer.reopenings
    message.clippedFrames = conditioner.channelCounters.clippedFrames
    message.spikes = conditioner.channelCounters.spikes
    message.clippedLanes = flags.clipped
    message.spikedLanes = flags.spiked
    message.stuckLanes = flags.stuck
    message.deadLanes = flags.dead
    message.loopMedianNanoseconds = host.loopMedianNanoseconds
    message.loop999Nanoseconds = host.loop999Nanoseconds
    message.loopMaximumNanoseconds = host.loopMaximumNanoseconds
    message.ringFillPerMille = host.ringFillPerMille
    message.temperatureCentidegrees = host.temperatureCentidegrees
    message.residentKibibytes = host.residentKibibytes
    message.memoryAvailableMebibytes = host.memoryAvailableMebibytes
    message.diskFreeMebibytes = host.diskFreeMebibytes
    message.uptimeSeconds = host.uptimeSeconds
    message.datagramsSent = host.datagramsSent
    message.sendFailures = host.sendFailures
    message.datagramsAccepted = accepted
    message.datagramsRejected = rejected
    message.picks = picker.pickCount
    message.lastPick = picker.lastPickTime ?? UTC(nanoseconds: .min)
    message.noiseCountsBits = Float(picker.noiseCounts).bitPattern
    message.isLive = isLive
    message.hasRejectedKernels = host.hasRejectedKernels
    message.software.append(softwareVersion)
    message.model.append(picker.name)
    message.lacksNetwork = host.lacksNetwork
    message.lacksEstimator = host.lacksEstimator
    return message
  }
}
