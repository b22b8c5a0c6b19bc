// Station: the loop's body, a pure function of configuration, blocks, received datagrams, passing
// time and what became of its actions.
//
// What a station did in an earthquake must be understood afterwards, and tried again. A loop that
// reads clocks, files and devices wherever it needs them never does the same twice, cannot be run
// on a record, and makes its relay wait for its disk.
//
// So this module touches no socket, file or device and reads no clock of the machine. What it wants
// done comes out of one queue, an action at a time, and what became of it goes back in. The same
// inputs give the same actions on every machine. Runtime feeds it from the hardware, `onset replay`
// from a record.
//
//     station.process(block)
//     while let action = station.nextAction() { perform(action) }
//     station.note(.lines(report))

import Clock
import Conditioning
import Core
import Decision
import Digitizer
import Estimator
import Picker
import Uplink

public let softwareVersion: StaticString = "0.2.0"

public struct StationSettings: Sendable {
  public var code: StationCode
  /// Names the state folder.
  public var epoch: UInt64
  public var bootCounter: UInt32
  /// Drawn at every start: commands must have it.
  public var bootNonce: UInt64
  /// A latched alarm stood when the station stopped.
  public var isAlarmStanding = false
  public var keys: UpstreamKeys
  /// Those of a second upstream, where there is one.
  public var secondKeys: UpstreamKeys?
  /// None where no key that came over the air could be kept.
  public var exchange = ExchangeKey()
  public var operators = Operators()
  /// nil where nobody is to be told, as of a record.
  public var instrument: InstrumentMessage?
  public var conditioner: ConditionerSettings
  public var picker: PickerSettings
  public var alarm: AlarmSettings
  /// The other stations of the site, and what they are asked for.
  public var peers = Peers()
  public var quorum = QuorumSettings()
  /// Somebody is named who signs networks, and there is a disk for them.
  public var takesNetworks = false
  public var networkStart = NetworkStart.usual
  /// One was coming, or ran in the shadow, when the program ended.
  public var hasForgottenNetwork = false

  public init(
    code: StationCode, epoch: UInt64, bootCounter: UInt32, bootNonce: UInt64,
    keys: UpstreamKeys, conditioner: ConditionerSettings, picker: PickerSettings,
    alarm: AlarmSettings = AlarmSettings()
  ) {
    self.code = code
    self.epoch = epoch
    self.bootCounter = bootCounter
    self.bootNonce = bootNonce
    self.keys = keys
    self.conditioner = conditioner
    self.picker = picker
    self.alarm = alarm
  }
}

/// With which network a boot begins.
public enum NetworkStart: Sendable {
  /// That of the station file, or one that was accepted.
  case usual
  /// One that came over the air, for the first time.
  case trial
  /// That before it, because its first boot was no success.
  case rolledBack
}

/// What only the machine around the loop knows; told to the station once a second or so.
public struct HostStatus: Sendable {
  public var clock = ClockCounters()
  public var machine = MachineStatus()
  public var datagramsSent: UInt32 = 0
  public var sendFailures: UInt32 = 0
  public var hasRejectedKernels = false
  /// The network that the station file names is not there or failed its test.
  public var lacksNetwork = false
  public var lacksEstimator = false
  /// Until the first calibration runs out; negative after it.
  public var calibrationDays = Wire.unknownDays
  /// The disk took the last value that was to be kept.
  public var keepsState = true
  public init() {}
}

public struct Station: ~Copyable {
  public static let healthIntervalSeconds: Int64 = 10
  /// No pick has this number.
  private static let instrumentSubject = UInt32.max
  /// A change is worth a message at once, but a flapping one is not worth more than one a second.
  public static let changeIntervalNanoseconds = nanosecondsPerSecond

  let settings: StationSettings
  var actions = ActionQueue()
  var host = HostStatus()
  var digitizer = DigitizerCounters()
  var lines = LinesReport()
  var conditioner: Conditioner
  var picker: Picker
  var vertical: QuietVertical
  var clock = ClockReading()
  private(set) var sequence: UInt32 = 0
  var outbox: Outbox
  var accepted: UInt32 = 0
  var rejected: UInt32 = 0
  var moment = Moment(monotonicNanoseconds: 0, utc: UTC(nanoseconds: 0))
  private var isDelivering = false
  var reporting = Reporting()
  /// The keys of each upstream.
  var keys: InlineArray<2, UpstreamKeys>
  let hasSecond: Bool
  /// With it the station signs what it answers.
  var identity: SigningKey
  var keyTrial = KeyTrial()
  /// With it the station votes.
  let voter: SigningKey
  var links = InlineArray<7, PeerLink>(repeating: PeerLink())
  var hasVoted = false
  var refusedVotes: UInt32 = 0
  private var firstMonotonic: Int64?

  var gate = OperatorGate()
  /// It goes to whoever asks again.
  var lastAnswer = Datagram()
  var relayTests = RelayTests()
  /// What commands have changed since the start, one bit a parameter.
  var changedParameters: UInt16 = 0

  public let estimator: UnsafeMutablePointer<Estimator>?
  var decision: AlarmDecision
  /// Alerts wait here until the line has been driven.
  var untold = FixedQueue<Alert, 4>()
  /// Alerts are marked as a drill's, and the relay stays at rest, until then.
  var drillEnd: Int64?
  var relayTestEnd: Int64?
  var driven = (relay: false, watchLamp: false)
  var storedSiteTerm: Int64
  /// Peaks are told until then: of an event, and because somebody asks for them.
  var eventEnd: Int64?
  /// The P that the event rests on.
  var eventPick: UInt32 = 0
  var peaksEnd: Int64?
  /// Those of the last second, while nobody is told.
  var lastPeaks: PeaksOfSecond?
  var trial = NetworkTrial()
  /// When the newest network was begun to be sent.
  var lastNetwork: UInt64 = 0
  /// The upstream has acknowledged something of this boot.
  var isHeardInThisBoot = false
  private var isFirst = true
  /// Which of the stored values the disk did not take when it was last asked: a bit each.
  private var unkept: UInt8 = 0
  /// What outlives a boot could not be read or written at the start.
  private var lacksFolder = false
  private var keepsState: Bool { unkept == 0 && !lacksFolder }

  /// Without a network the baseline picks, and without an estimator nothing is expected and no
  /// alarm raised; both must outlive the station.
  public init(
    _ settings: StationSettings, network: UnsafeMutablePointer<NetworkPicker>? = nil,
    estimator: UnsafeMutablePointer<Estimator>? = nil
  ) {
    self.settings = settings
    self.estimator = estimator
    decision = AlarmDecision(settings.alarm, settings.quorum)
    keys = [settings.keys, settings.secondKeys ?? settings.keys]
    hasSecond = settings.secondKeys != nil
    identity = SigningKey(ofStation: settings.keys.key)
    voter = SigningKey(ofStation: settings.keys.filed)
    outbox = Outbox(upstreamCount: settings.secondKeys == nil ? 1 : 2)
    storedSiteTerm = Station.stored(estimator?.pointee.siteTerm ?? SiteTerm())
    conditioner = Conditioner(settings.conditioner)
    vertical = QuietVertical(isThere: settings.conditioner.hasQuietVertical)
    picker = Picker(
      settings.picker, presentLanes: settings.conditioner.presentLanes, network: network)
  }

  public var now: UTC { moment.utc }

  /// The upstream acknowledged something lately. Where nothing happens that is health.
  public func isAnswered(by upstream: Int) -> Bool {
    let patience = max(Outbox.longestWait, 2 * reporting.intervalSeconds * nanosecondsPerSecond)
    return outbox.isNear(upstream, at: moment.monotonicNanoseconds, within: patience)
  }
  /// Frames come, and the picker has settled on them.
  var isLive: Bool { isDelivering && picker.isLive }
  var delivers: Bool { isDelivering }

  // MARK: Inputs

  /// Takes a block of frames, the next in order. What it gives rise to is in the queue afterwards.
  public mutating func process(_ block: Block) {
    clock = block.clock
    isDelivering = true
    let duration = Double(block.frames.count) * block.nanosecondsPerFrame
    // A block can be acted on when its last frame has arrived.
    moment = Moment(
      monotonicNanoseconds: block.monotonicNanoseconds,
      utc: block.firstFrameTime + Int64(Elementary.nearestInteger(duration)))
    begin()
    if let alert = decision.pass(moment) { tell(alert) }
    _ = conditioner.begin(block)
    for frame in block.frames {
      let ready = conditioner.push(frame)
      for index in 0..<ready {
        let sample = conditioner.sample(index)
        let heard = vertical.heard(sample)
        picker.step(heard)
        estimator?.pointee.step(sample)
        while let found = picker.next() { take(found) }
        if let shadow = trial.shadow { step(shadow, heard) }
        estimate(sample)
        if let estimator, estimator.pointee.hasSecond() { take(estimator.pointee.takeSecond()) }
      }
    }
    passTime()
    reportHealthIfDue()
  }

  private mutating func take(_ found: Found) {
    switch found {
    case .pick(let pick):
      send(pick)
      note(pick)
      if isComparing { trial.comparison.add(pick, isShadow: false) }
    case .onset(let time):
      guard let estimator else { return }
      estimator.pointee.begin(id: 0, at: time)
      decision.notePick(at: moment)
    }
  }

  /// Time passes without frames. `isDelivering`: they are only between two periods; otherwise the
  /// digitizer is silent or lost, and the station says so.
  public mutating func tick(_ time: Moment, clock: ClockReading, isDelivering: Bool) {
    moment = time
    self.clock = clock
    self.isDelivering = isDelivering
    begin()
    if let alert = decision.pass(moment, isDelivering: isDelivering) { tell(alert) }
    passTime()
    // The first message is that of the first block; a digitizer that does not start is told of
    // after 1 s.
    if reporting.hasWaited(moment) { reportHealthIfDue() }
  }

  private mutating func begin() {
    firstMonotonic = firstMonotonic ?? moment.monotonicNanoseconds
    guard isFirst else { return }
    isFirst = false
    reportInstrument()
    if settings.networkStart == .rolledBack { report(.rolledBack) }
    if settings.hasForgottenNetwork { report(.forgotten) }
    if settings.isAlarmStanding { tell(decision.restore(at: moment)) }
  }

  private mutating func passTime() {
    if let end = drillEnd, moment.monotonicNanoseconds >= end { endDrill() }
    if let end = relayTestEnd, moment.monotonicNanoseconds >= end { relayTestEnd = nil }
    repeatAlert()
    sendAgain()
    passTrial()
    passKeyTrial()
    drive(isRetry: true)
    castVotes()
    storeSiteTerm()
  }

  private mutating func sendAgain() {
    guard let datagram = outbox.due(at: moment.monotonicNanoseconds) else { return }
    put(datagram, rank: MessageType.health.rank)
  }

  /// A datagram that waited for the upstream when the station stopped, before anything else.
  @inline(never)
  public mutating func restore(_ record: OutboxRecord, lacking: UInt8) {
    record.datagram.withBytes { bytes in
      var seal = Seal()
      seal.isOnDisk = true
      outbox.note(generation: record.generation)
      guard let header = try? open(bytes, &seal).header, header.station.equals(settings.code),
        header.epoch == settings.epoch
      else { return }
      outbox.restore(record, lacking: lacking, boot: header.bootCounter, header.sequence)
    }
  }

  /// What became of an action, or what the machine says of itself.
  @inline(never)
  public mutating func note(_ event: Event) {
    switch event {
    case .lines(let report):
      lines = report
      drive()
      while let alert = untold.take() { send(alert) }
    case .stored(let value, let isDone):
      let bit: UInt8 = 1 << value.rawValue
      unkept = isDone ? unkept & ~bit : unkept | bit
      host.keepsState = keepsState
    case .digitizer(let counters): digitizer = counters
    case .host(let status):
      if !status.keepsState { lacksFolder = true }
      host = status
      host.keepsState = keepsState
    case .networkKept(let isDone): noteKept(isDone: isDone)
    case .networkExamined(let shadow, let checksum, let number):
      noteExamined(shadow, checksum: checksum, number: number)
    case .networkSwitched(let isDone): noteSwitched(isDone: isDone)
    case .networkAccepted(let isDone): noteAccepted(isDone: isDone)
    case .networkForgotten(let isDone): if !isDone { report(.refused) }
    case .keyKept(let isDone): noteKeyKept(isDone: isDone)
    }
  }

  /// A datagram came in. Only an operator's ping or command is answered, to where it came from.
  public mutating func receive(_ bytes: UnsafeBufferPointer<UInt8>, from sender: Address) {
    var seal = Seal()
    do throws(DatagramError) {
      let datagram = try open(bytes, &seal)
      let header = datagram.header
      switch header.type {
      case .ping: try receive(PingMessage(datagram.payload), header, from: sender)
      case .command: try receive(datagram, CommandMessage(datagram.payload), from: sender)
      case .network: try receive(NetworkMessage(datagram.payload), from: sender)
      case .key:
        let message = try KeyMessage(datagram.payload)
        try receive(datagram, message.command, key: message.sealed, from: sender)
      case .vote: try receive(VoteMessage(datagram.payload), datagram.header)
      case .acknowledgement:
        let acknowledgement = try AcknowledgementMessage(datagram.payload)
        try receive(acknowledgement, header, from: seal.upstream)
        if seal.isOfNewKey { proveKey(acknowledgement) }
      default: throw .unknownType
      }
    } catch {
      rejected &+= 1
      if bytes.count > 5 && bytes[5] == MessageType.vote.rawValue { refusedVotes &+= 1 }
    }
    if seal.isRepeat {
      rejected &-= 1
      accepted &+= 1
      answerAgain(sender)
    }
  }

  /// What a seal says of what it is on.
  private struct Seal {
    /// It is on the operator's last command, which has been carried out.
    var isRepeat = false
    /// Whose it is, where station and upstream share its key.
    var upstream = 0
    /// It may be of a key that has been replaced since.
    var isOnDisk = false
    /// It is that of the key on trial.
    var isOfNewKey = false
  }

  @inline(never)
  private mutating func open(
    _ bytes: UnsafeBufferPointer<UInt8>, _ seal: inout Seal
  ) throws(DatagramError) -> OpenedDatagram {
    try OpenedDatagram(bytes) { isGenuine($0, &seal) }
  }

  private mutating func isGenuine(_ sealed: SealedBytes, _ seal: inout Seal) -> Bool {
    guard sealed.type.isSigned else {
      if seal.isOnDisk || keys[0].haveSealed(sealed) { return true }
      seal.upstream = 1
      if hasSecond && keys[1].haveSealed(sealed) { return true }
      (seal.upstream, seal.isOfNewKey) = (keyTrial.upstream, true)
      return keyTrial.stage != .none && sealed.isSealed(with: keyTrial.key)
    }
    let second = floorQuotient(moment.monotonicNanoseconds, nanosecondsPerSecond)
    if sealed.type == .vote { return isGenuine(vote: sealed, second: second) }
    seal.isRepeat = gate.isRepeat(sealed, second: second)
    guard !seal.isRepeat, isForThis(sealed),
      let key = gate.admit(
        sealed, settings.operators, bootNonce: settings.bootNonce, utc: knownTime, second: second)
    else { return false }
    return sealed.isSigned(by: key)
  }

  /// Whoever pings need not know the station's name and epoch.
  private mutating func isForThis(_ sealed: SealedBytes) -> Bool {
    guard let station = sealed.station else { return false }
    let mayBeAnys = sealed.type == .ping
    return (station.equals(settings.code) || (mayBeAnys && station.isEmpty))
      && (sealed.epoch == settings.epoch || (mayBeAnys && sealed.epoch == 0))
  }

  /// nil where nobody has told it.
  var knownTime: UTC? { clock.state == .unsynchronised ? nil : now }

  private mutating func receive(
    _ acknowledgement: AcknowledgementMessage, _ header: Header, from upstream: Int
  ) throws(DatagramError) {
    // Nobody can have anything under numbers that were never used.
    guard header.station.equals(settings.code), header.epoch == settings.epoch,
      acknowledgement.boot < settings.bootCounter
        || (acknowledgement.boot == settings.bootCounter && acknowledgement.sequence < sequence)
    else { throw .notOurs }
    accepted &+= 1
    if acknowledgement.boot == settings.bootCounter { isHeardInThisBoot = true }
    outbox.settle(acknowledgement, from: upstream, at: moment.monotonicNanoseconds)
  }

  /// By the monotonic clock, since the first time that it was told.
  var uptimeMicroseconds: UInt64 {
    UInt64(max(moment.monotonicNanoseconds - (firstMonotonic ?? 0), 0) / 1000)
  }

  // MARK: Outputs

  /// The oldest action that waits to be done.
  public mutating func nextAction() -> Action? { actions.take() }

  /// The same for whoever has no relay and no disk: all that is not to be sent counts as done.
  @inline(never)
  public mutating func nextDatagram() -> Datagram? {
    while let action = nextAction() {
      switch action {
      case .send(let datagram): return datagram
      case .store(let value, _): note(.stored(value, isDone: true))
      case .keep, .restart, .network: break
      case .keepKey: note(.keyKept(isDone: true))
      case .drive(let relay, _):
        var report = lines
        report.isActuated = relay
        note(.lines(report))
      }
    }
    return nil
  }

  func header(_ type: MessageType) -> Header {
    Header(
      type: type, station: settings.code, epoch: settings.epoch, bootCounter: settings.bootCounter,
      sequence: sequence, emitted: now, clockState: clock.state.rawValue,
      clockSource: clock.source.rawValue,
      clockUncertaintyNanoseconds: clock.uncertaintyNanoseconds)
  }

  /// `isKept`: it is sent again until the upstream has it, or something newer about `subject`.
  @discardableResult
  mutating func send(
    _ type: MessageType, isKept: Bool = false, about subject: UInt32 = 0,
    _ payload: (inout ByteWriter) -> Void
  ) -> Datagram {
    let datagram = Datagram(header(type), key: keys[0].key, payload: payload)
    dispatch(datagram, rank: type.rank, isKept: isKept, about: subject)
    return datagram
  }

  /// Apart from `send`, of which the firmware has a copy for each kind of message.
  @inline(never)
  private mutating func dispatch(
    _ datagram: Datagram, rank: UInt8, isKept: Bool, about subject: UInt32
  ) {
    actions.put(.send(datagram), rank: rank)
    if hasSecond {
      var copy = datagram
      copy.destination = .upstream(1)
      put(copy, rank: rank)
    }
    if isKept,
      let record = outbox.keep(
        datagram, boot: settings.bootCounter, sequence, about: subject, rank: rank,
        at: moment.monotonicNanoseconds)
    {
      actions.put(.keep(record), rank: rank)
    }
    sequence &+= 1
  }

  /// Sealed for whom it is for, with the key of now.
  private mutating func put(_ datagram: Datagram, rank: UInt8) {
    var datagram = datagram
    datagram.seal(with: keys[datagram.destination == .upstream(1) ? 1 : 0].key)
    actions.put(.send(datagram), rank: rank)
  }

  /// What goes to whoever asked uses no number up: a gap upstream is a loss.
  @discardableResult
  mutating func answer(
    _ type: MessageType, to asker: Address, _ payload: (inout ByteWriter) -> Void
  ) -> Datagram {
    var datagram = Datagram(header(type), signedBy: identity, payload: payload)
    datagram.destination = .asker(asker)
    actions.put(.send(datagram), rank: type.rank)
    return datagram
  }

  /// What it is told of is kept until the upstream has it: only a start changes that.
  mutating func reportInstrument() {
    guard let instrument = settings.instrument else { return }
    send(.instrument, isKept: true, about: Station.instrumentSubject) { instrument.write(to: &$0) }
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
    message.fingerprint = pick.fingerprint ?? 0
    message.signalToNoiseCentidecibels = Int16(
      clamping: Elementary.nearestInteger(pick.signalToNoiseDecibels * 100))
    message.picker = picker.hasNetwork ? 2 : 1
    message.isSeenByBaseline = pick.isSeenByBaseline ?? false
    send(.pick, isKept: pick.status != .provisional) { message.write(to: &$0) }
  }

  static func wire(probability: Double?) -> UInt16 {
    guard let probability else { return Wire.noProbability }
    return UInt16(Elementary.nearestInteger(min(max(probability, 0), 1) * 10_000))
  }
}
