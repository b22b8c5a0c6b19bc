// Runner: the station's loop, on one thread.
//
// The digitizer, the pulse line, the socket, the scribe and the signals are each ready at times of
// their own. A thread for each would need locks, and the picks would wait for whoever holds one. A
// loop that reads one after the other waits for the slowest, and a flood from one starves the rest.
//
// So the runner waits on all of them at once, does bounded work for whichever is ready, and goes
// back to waiting. It does what the station asks for and tells it what became of it. What may
// block, disks and name servers, is the scribe's. After `init` nothing on this path allocates or
// touches a file system, unless a lost card is opened again.
//
//     var runner = try Runner(
//       configuration, hostClock: MachineClock(), signalDescriptor: signals)
//     while runner.step() != .stopRequested {}
//     runner.finish()

import Board
import CLinux
import CSodium
import Clock
import Conditioning
import Core
import Decision
import Devices
import Digitizer
import Estimator
import Kernels
import Picker
import Pins
import Station
import Uplink

public enum RunnerEvent {
  case ran
  /// SIGTERM or SIGINT.
  case stopRequested
  /// The digitizer has gone; the runner goes on and tries to reopen it.
  case digitizerLost
  /// The time source has long insisted on a time far behind: only a new start, with a new boot
  /// counter, can follow it without time running backwards.
  case timeNeedsRestart
  /// An operator wants a new start.
  case restartRequested
}

public struct Runner<Clock: HostClock>: ~Copyable {
  /// Reads of a full buffer before the rest of the loop has its turn.
  private static var readsPerWakeUpMaximum: Int { 8 }
  private static var receivesPerWakeUpMaximum: Int { 16 }
  private static var edgesPerWakeUpMaximum: Int { 16 }
  private static var retryMilliseconds: Int32 { 100 }
  private static var waitMilliseconds: Int32 { 1000 }
  /// Half of what its votes are apart.
  private static var callingMilliseconds: Int32 { 50 }

  public var station: Station
  public private(set) var clock: SampleClock
  var hostClock: Clock
  private var capture: Capture
  private var feeder: FrameFeeder
  private var pulse: PulseInput?
  private var relay: RelayLines?
  private let socket: UdpEndpoint
  /// Where each is; nowhere while its name is not found.
  private var upstreams = InlineArray<2, Address>(repeating: Address())
  /// Where the other stations of the site are.
  private var peers = InlineArray<7, Address>(repeating: Address())
  private let scribe: Scribe
  private var host = HostStatus()
  private var lastReport = LinesReport()
  /// The last day of the first calibration that runs out.
  private let calibrationEnd: CalendarDate?
  private let nominalNanosecondsPerFrame: Double
  private let signalDescriptor: Int32
  private let tellsChrony: Bool

  /// Why STA/LTA picks and relations estimate alone where a network should.
  public let pickerProblem: Diagnostic?
  public let estimatorProblem: Diagnostic?
  /// What of the state directory could not be read or written.
  public let stateProblem: Diagnostic?
  private let networks: StationNetworks
  private let arena: Arena
  private let received: UnsafeMutableBufferPointer<UInt8>

  private var lastFramesMonotonic: Int64 = 0
  private var loopTime = DurationHistogram()
  private var startMonotonic: Int64
  private var lastSecond = Int64.min
  private var reportedHealthCount = 0
  private var ringFillPerMille: UInt16 = 0
  private var isRestartWanted = false

  /// Opens everything but the relay, which whoever starts has opened first, sizes the arena and
  /// seals it; the boot counter is taken late, so that a start that lacks card, port or line uses
  /// none up.
  /// `deviceDefinition` as in AlsaCapture.
  public init(
    _ configuration: Configuration, hostClock: Clock, relay: consuming RelayLines? = nil,
    signalDescriptor: Int32 = -1, deviceDefinition: UnsafePointer<CChar>? = nil,
    listenAt: Address? = nil,
    kernels: KernelSelection = KernelVariant.select(),
    random: () -> UInt64 = { csodium_random() }
  ) throws(Diagnostic) {
    let digitizer = configuration.board.digitizer
    // Before all that can fail: Swift 6.3 destroys it on those ways out, whether it is there or
    // not.
    let networks = StationNetworks(running: configuration.station, kernels: kernels.variant)
    // Everything that can be refused comes first, and the parts are joined when all of them are
    // there.
    let uplink = configuration.station.uplink
    let socket = try UdpEndpoint(
      at: listenAt ?? Address(ipv4: 0, port: UInt16(uplink.listenPort)))
    let capture = try Capture(digitizer, definition: deviceDefinition)
    let pulse = try Self.openPulse(configuration.board.pulse)
    let chunk = min(digitizer.bufferFrames, 4 * digitizer.periodFrames)
    let arenaBytes =
      networks.arenaByteCount + FrameFeeder.byteCount(digitizer, chunkFrames: chunk)
      + Wire.maximumByteCount + 4096
    let state = KeptState(in: configuration.station.stateDirectory, random: random)
    // Under names that hold for this boot alone nothing outlives it, and what earlier ones kept
    // stays.
    let outbox =
      state.isNamed ? OutboxFile(in: configuration.station.stateDirectory) : OutboxFile()
    let shadow = configuration.station.networkSigner.map {
      ShadowSettings(
        picker: configuration.station.picker, presentLanes: configuration.presentLanes,
        signer: $0, kernels: kernels.variant)
    }
    let chronySocket = configuration.board.pulse?.chronySocket ?? Text<64>()
    let scribe = try Scribe(
      configuration.station, outbox: outbox, shadow: shadow, chronySocket: chronySocket)
    guard var arena = Arena(byteCount: arenaBytes) else {
      throw Diagnostic("the kernel has no memory for the buffers that period_frames asks for")
    }
    feeder = FrameFeeder(digitizer, chunkFrames: chunk, arena: &arena)
    // One byte more than any message: a longer datagram shows as such.
    received = arena.take(UInt8.self, count: Wire.maximumByteCount + 1)
    var settings = StationSettings(
      configuration, epoch: state.epoch, bootCounter: state.bootCounter, bootNonce: random())
    KeptKey.apply(to: &settings, in: configuration.station.stateDirectory)
    if state.isNamed { settings.exchange = ExchangeKey(random: random) }
    settings.instrument = networks.described(configuration.instrument)
    settings.takesNetworks = shadow != nil && state.isNamed
    settings.networkStart = networks.start
    settings.hasForgottenNetwork = networks.hadPart
    settings.isAlarmStanding = configuration.station.alarm.isLatched && state.isAlarmStanding
    let estimator = networks.makeEstimator(configuration.relations, settings, arena: &arena)
    estimator?.pointee.siteTerm = Station.siteTerm(stored: state.siteTerm)
    station = Station(
      settings, network: networks.makePicker(settings, arena: &arena), estimator: estimator)
    arena.seal()
    self.scribe = scribe
    stateProblem = state.problem ?? networks.stateProblem
    host.keepsState = stateProblem == nil && outbox.isWhole
    calibrationEnd = configuration.response?.validUntil
    self.socket = socket
    self.capture = capture
    self.pulse = pulse
    self.relay = relay
    self.arena = arena
    self.hostClock = hostClock
    self.signalDescriptor = signalDescriptor
    tellsChrony = !chronySocket.isEmpty
    nominalNanosecondsPerFrame = 1e12 / Double(digitizer.sampleRateMillihertz)
    upstreams[0] = Self.numeric(uplink.first.host, uplink.first.port)
    if let second = uplink.second { upstreams[1] = Self.numeric(second.host, second.port) }
    let others = configuration.station.peers
    for peer in 0..<others.count {
      peers[peer] = Self.numeric(others[peer].host, Int(others[peer].port))
    }
    clock = Self.sampleClock(configuration.board)
    pickerProblem = networks.pickerProblem
    estimatorProblem = networks.estimatorProblem
    networks.noteTold()
    self.networks = networks
    host.hasRejectedKernels = kernels.hasRejectedBetter
    startMonotonic = 0
    outbox.forEach { station.restore($0, lacking: $1) }
    begin()
  }

  private mutating func begin() {
    host.lacksNetwork = pickerProblem != nil
    host.lacksEstimator = estimatorProblem != nil
    startMonotonic = hostClock.monotonicNanoseconds()
    clock.observe(hostClock.systemClock())
    // The relay was opened where a stopped station leaves it; a running one decides anew.
    relay?.set(relay: station.wantsRelay)
    tellLines()
    station.note(.host(host))
  }

  private static func sampleClock(_ board: BoardFile) -> SampleClock {
    SampleClock(
      rateMillihertz: board.digitizer.sampleRateMillihertz,
      frameDelayNanoseconds: Int64(board.digitizer.delayMicroseconds) * 1000,
      pulseDelayNanoseconds: Int64(board.pulse?.delayNanoseconds ?? 0))
  }

  private static func numeric(_ host: Text<128>, _ port: Int) -> Address {
    Address(numeric: host, port: UInt16(port)) ?? Address()
  }

  private static func openPulse(_ settings: PulseSettings?) throws(Diagnostic) -> PulseInput? {
    guard let settings else { return nil }
    return try PulseInput(settings)
  }

  /// One turn of the loop.
  public mutating func step() -> RunnerEvent {
    let isStopping = wait()
    let begin = hostClock.monotonicNanoseconds()
    readEdges()
    observeOnceASecond(begin)
    let event = capturePending()
    receivePending()
    hearScribe()
    readSwitch()
    act()
    let end = hostClock.monotonicNanoseconds()
    loopTime.add(end - begin)
    if isStopping { return .stopRequested }
    if isRestartWanted { return .restartRequested }
    // An alarm that ends by itself is waited for: nobody is to be told that it is over by a
    // restart.
    let mayRestart = !station.hasAlert || station.isLatched
    return mayRestart && clock.needsRestart(monotonicNow: end) ? .timeNeedsRestart : event
  }

  /// Before an end of any kind: the relay at rest, then what is under way to the disk.
  public mutating func finish() {
    relay?.rest()
    scribe.finish()
  }

  private static var notification: StaticString { "WATCHDOG=1\nSTATUS=no alarm stands" }
  private static var notificationInAlarm: StaticString { "WATCHDOG=1\nSTATUS=AN ALARM STANDS" }

  /// Blocks until something is ready or the wait is over. True when a signal asks to stop.
  private mutating func wait() -> Bool {
    withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 8) { descriptors in
      memset(descriptors.baseAddress!, 0, 8 * MemoryLayout<pollfd>.stride)
      var count = capture.pollDescriptors(
        UnsafeMutableBufferPointer(rebasing: descriptors[0..<4]))
      let captureCount = count
      Self.add(socket.descriptor, to: descriptors, &count)
      let pulseIndex = count
      Self.add(pulseDescriptor, to: descriptors, &count)
      Self.add(scribe.descriptor, to: descriptors, &count)
      let signalIndex = count
      Self.add(signalDescriptor, to: descriptors, &count)
      var timeout = capture.needsRetry ? Runner.retryMilliseconds : Runner.waitMilliseconds
      // Whoever waits for the site's others asks and looks often, whenever frames come.
      if station.isCalling { timeout = min(timeout, Runner.callingMilliseconds) }
      _ = poll(descriptors.baseAddress, nfds_t(count), timeout)
      capture.acknowledge(UnsafeMutableBufferPointer(rebasing: descriptors[0..<captureCount]))
      // A line that was taken away would wake the loop for ever; time goes on in holdover.
      let broken = Int16(POLLERR | POLLHUP | POLLNVAL)
      if signalIndex > pulseIndex + 1 && descriptors[pulseIndex].revents & broken != 0 {
        pulse = nil
      }
      return signalDescriptor >= 0 && descriptors[signalIndex].revents != 0
    }
  }

  private static func add(
    _ descriptor: Int32, to descriptors: UnsafeMutableBufferPointer<pollfd>, _ count: inout Int
  ) {
    guard descriptor >= 0 else { return }
    descriptors[count].fd = descriptor
    descriptors[count].events = Int16(POLLIN)
    count += 1
  }

  private var pulseDescriptor: Int32 {
    switch pulse {
    case .some(let input): input.descriptor
    case .none: -1
    }
  }

  private mutating func readEdges() {
    for _ in 0..<Runner.edgesPerWakeUpMaximum {
      guard let stamp = pulse?.next() else { return }
      guard let edge = clock.observe(edgeMonotonicNanoseconds: stamp) else { continue }
      if tellsChrony { scribe.tell(PulseReport(edge: edge, system: hostClock.systemClock())) }
    }
  }

  private mutating func observeOnceASecond(_ now: Int64) {
    let second = floorQuotient(now, nanosecondsPerSecond)
    guard second != lastSecond else { return }
    lastSecond = second
    clock.observe(hostClock.systemClock())
    scribe.report(to: &host, monotonicNow: now)
    scribe.note(answering: answering())
    host.machine.uptimeSeconds = UInt32(clamping: (now - startMonotonic) / nanosecondsPerSecond)
    host.clock = clock.counters
    host.machine.loopMedianNanoseconds = UInt32(clamping: loopTime.quantileNanoseconds(0.5))
    host.machine.loop999Nanoseconds = UInt32(clamping: loopTime.quantileNanoseconds(0.999))
    host.machine.loopMaximumNanoseconds = UInt32(clamping: loopTime.maximumNanoseconds)
    host.machine.ringFillPerMille = ringFillPerMille
    host.calibrationDays = calibrationDays(now)
    if station.healthCount != reportedHealthCount {
      reportedHealthCount = station.healthCount
      loopTime.reset()
      ringFillPerMille = 0
    }
    station.note(.host(host))
    // What the disk did since is the station's to know; it was told once what it did at the start.
    host.keepsState = true
    relay?.beat()
    tellServiceManager()
  }

  /// That the loop goes on, and whether an alarm stands: no package is exchanged under one that does.
  private func tellServiceManager() {
    let message = station.isInAlarm ? Runner.notificationInAlarm : Runner.notification
    clinux_notify_service_manager(message.utf8Start, message.utf8CodeUnitCount)
  }

  /// A bit for each host whose address is right: the upstreams, then the peers.
  private func answering() -> UInt16 {
    var hosts: UInt16 = 0
    for upstream in 0..<2 where station.isAnswered(by: upstream) { hosts |= 1 << UInt16(upstream) }
    for peer in 0..<Peers.capacity where station.isHeard(peer: peer) {
      hosts |= 1 << UInt16(2 + peer)
    }
    return hosts
  }

  /// Unknown where there is no end, or nobody has set the clock.
  private func calibrationDays(_ now: Int64) -> Int16 {
    let today = clock.time(ofMonotonicNanoseconds: now)
    guard let calibrationEnd, BootCounter.isSet(today) else { return Wire.unknownDays }
    return Int16(clamping: min(calibrationEnd.daysSince1970 - today.date.daysSince1970, 32_766))
  }

  private mutating func capturePending() -> RunnerEvent {
    var event = RunnerEvent.ran
    var hasFrames = false
    for _ in 0..<Runner.readsPerWakeUpMaximum {
      let now = hostClock.monotonicNanoseconds()
      let result = capture.read(
        feeder.raw, monotonicNow: now)
      switch result {
      case .frames(let delivery):
        hostClock.delivered(frames: delivery.count)
        accept(delivery)
        hasFrames = true
        act()
        if delivery.hasMore { continue }
      case .interrupted:
        feeder.interrupt()
      case .lost:
        feeder.interrupt()
        if !capture.reopenIfDue(monotonicNow: now) { event = .digitizerLost }
      case .nothingYet: break
      }
      break
    }
    station.note(.digitizer(capture.counters))
    if !hasFrames { passTime() }
    return event
  }

  private mutating func passTime() {
    let now = hostClock.monotonicNanoseconds()
    clock.refresh(monotonicNow: now)
    let period = Int64(Double(capture.periodFrames) * nominalNanosecondsPerFrame)
    let isDelivering =
      !capture.needsRetry && now - lastFramesMonotonic < max(nanosecondsPerSecond, 2 * period)
    let moment = Moment(
      monotonicNanoseconds: now, utc: clock.time(ofMonotonicNanoseconds: now))
    station.tick(moment, clock: clock.reading, isDelivering: isDelivering)
  }

  private mutating func accept(_ delivery: Delivery) {
    var delivery = delivery
    let stamp = delivery.stamp ?? hostClock.monotonicNanoseconds()
    delivery.stamp = stamp
    if let missing = feeder.resume(delivery, &clock, monotonicNow: stamp) {
      capture.countGap(frames: missing)
    }
    lastFramesMonotonic = stamp
    let fill = min(delivery.stampedFrames * 1000 / max(capture.bufferFrames, 1), 1000)
    ringFillPerMille = max(ringFillPerMille, UInt16(fill))
    station.note(.digitizer(capture.counters))
    station.process(
      feeder.block(delivery, &clock, monotonicNow: hostClock.monotonicNanoseconds()))
  }

  /// One action after another; what became of it goes back before the next.
  private mutating func act() {
    while let action = station.nextAction() {
      switch action {
      case .drive(let isActuated, let isLit):
        relay?.set(relay: isActuated)
        relay?.set(watch: isLit)
        tellLines()
        tellServiceManager()
      case .store(let value, let number):
        if !scribe.store(value, number) { station.note(.stored(value, isDone: false)) }
      case .keep(let record):
        if !scribe.keep(record) { station.note(.stored(.outbox, isDone: false)) }
      case .network(let order): if !scribe.network(order) { station.note(order.failure) }
      case .keepKey(let order): if !scribe.keep(order) { station.note(.keyKept(isDone: false)) }
      case .send(let datagram): send(datagram)
      case .restart: isRestartWanted = true
      }
    }
  }

  private mutating func tellLines() {
    if let report = relay?.report { station.note(.lines(report)) }
  }

  private mutating func readSwitch() {
    if relay?.readInhibit() ?? false { tellLines() }
  }

  private mutating func hearScribe() {
    scribe.clearBell()
    while let event = scribe.outcome() {
      station.note(event)
      act()
    }
    while let found = scribe.place() {
      if found.host < 2 {
        upstreams[found.host] = found.address
      } else {
        peers[found.host - 2] = found.address
      }
    }
  }

  private mutating func receivePending() {
    for _ in 0..<Runner.receivesPerWakeUpMaximum {
      guard let (count, sender) = socket.receive(into: received) else { return }
      let size = min(count, received.count)
      station.receive(UnsafeBufferPointer(rebasing: received[0..<size]), from: sender)
      act()
    }
  }

  private mutating func send(_ datagram: Datagram) {
    let address =
      switch datagram.destination {
      case .upstream(let upstream): upstreams[upstream]
      case .asker(let address): address
      case .peer(let peer): peers[peer]
      }
    if !address.isNowhere && socket.send(datagram, to: address) {
      host.datagramsSent &+= 1
    } else {
      host.sendFailures &+= 1
    }
  }

  /// Port on which pings are answered.
  public var listenPort: Int { socket.boundPort }
  public var framesProcessed: Int64 { feeder.nextFrame }
}
