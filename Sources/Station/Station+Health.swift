// Health: what the station says of itself, every ten seconds, on a change at once, and when asked.

import Clock
import Conditioning
import Core
import Decision
import Digitizer
import Estimator
import Picker
import Uplink

/// When what was told last.
struct Reporting: Sendable {
  /// A change of any of these is reported at once.
  struct Condition: Equatable, Sendable {
    var clockState = ClockState.unsynchronised
    var clockSource = ClockSource.none
    var flags = ChannelFlags()
    var gaps: UInt32 = 0
    var reopenings: UInt32 = 0
    var isLive = false
    var lines = LinesReport()
    var incapacity = Incapacity()
    var keepsState = true
    var peersReady = 0
  }

  var intervalSeconds = Station.healthIntervalSeconds
  var reported = Condition()
  /// How many health messages there were: their sender resets what they report since the last one.
  var count = 0
  private var last: Int64?
  private var firstTick: Int64?
  /// Clipping and spikes since the last health message; stuck and dead as they stand.
  var flags = ChannelFlags()
  private var flagUpdates = 0

  mutating func hasWaited(_ now: Moment) -> Bool {
    let since = firstTick ?? now.monotonicNanoseconds
    firstTick = since
    return last != nil || now.monotonicNanoseconds - since >= Station.changeIntervalNanoseconds
  }

  mutating func take(_ new: ChannelFlags, updates: Int) {
    if flagUpdates != updates {
      flagUpdates = updates
      flags.clipped.insert(new.clipped)
      flags.spiked.insert(new.spiked)
    }
    flags.stuck = new.stuck
    flags.dead = new.dead
  }

  func isDue(_ condition: Condition, _ now: Moment) -> Bool {
    guard let last else { return true }
    let since = now.monotonicNanoseconds - last
    return since >= intervalSeconds * nanosecondsPerSecond
      || (condition != reported && since >= Station.changeIntervalNanoseconds)
  }

  mutating func tell(at now: Moment) {
    last = now.monotonicNanoseconds
    count &+= 1
    (flags.clipped, flags.spiked) = (LaneSet(), LaneSet())
  }
}

extension Station {
  /// How often health was told upstream.
  public var healthCount: Int { reporting.count }

  mutating func reportHealthIfDue() {
    reporting.take(conditioner.flags, updates: conditioner.flagUpdates)
    let condition = Reporting.Condition(
      clockState: clock.state, clockSource: clock.source, flags: reporting.flags,
      gaps: digitizer.gaps, reopenings: digitizer.reopenings, isLive: isLive, lines: lines,
      incapacity: incapacity(), keepsState: host.keepsState,
      peersReady: decision.readyCount(at: moment))
    guard reporting.isDue(condition, moment) else { return }
    reporting.reported = condition
    reportHealth()
  }

  @discardableResult
  mutating func reportHealth() -> Datagram {
    let message = health()
    reporting.tell(at: moment)
    return send(.health) { message.write(to: &$0) }
  }

  /// Why no alarm can come, or none that closes the relay. What only reads the station and is
  /// called by what changes it is given a copy, 52 kB each block; so this counts as changing it.
  mutating func incapacity() -> Incapacity {
    var reasons = Incapacity()
    if lines.relay == .none { reasons.insert(.noRelay) }
    if lines.relay == .faulty { reasons.insert(.relayFaulty) }
    if lines.inhibit == .on { reasons.insert(.inhibited) }
    if lines.inhibit == .unreadable { reasons.insert(.inhibitUnreadable) }
    if drillEnd != nil { reasons.insert(.drill) }
    if !isLive { reasons.insert(.notLive) }
    if decision.isStranded(at: moment) { reasons.insert(.peersSilent) }
    guard let estimator else { return reasons.union(.uncalibrated) }
    let believed = estimator.pointee.believedLanes
    if believed.count < min(2, estimator.pointee.laneCount) {
      reasons.insert(.lanesBroken)
    }
    return reasons
  }

  mutating func health() -> HealthMessage {
    var message = HealthMessage()
    message.clockOffsetNanoseconds = clock.offsetNanoseconds
    message.clockRatePartsPerBillion = clock.rateErrorPartsPerBillion
    message.edges = host.clock.edges
    message.missedEdges = host.clock.missedEdges
    message.rejectedEdges = host.clock.rejectedEdges
    message.forwardSteps = host.clock.forwardSteps
    message.refusedBackwardSteps = host.clock.refusedBackwardSteps
    message.frames = digitizer.frames
    message.gapFrames = digitizer.gapFrames
    message.gaps = digitizer.gaps
    message.overruns = digitizer.overruns
    message.shortReads = digitizer.shortReads
    message.suspends = digitizer.suspends
    message.reopenings = digitizer.reopenings
    message.clippedFrames = conditioner.channelCounters.clippedFrames
    message.spikes = conditioner.channelCounters.spikes
    message.clippedLanes = reporting.flags.clipped
    message.spikedLanes = reporting.flags.spiked
    message.stuckLanes = reporting.flags.stuck
    message.deadLanes = reporting.flags.dead
    message.picks = picker.pickCount
    message.lastPick = picker.lastPickTime ?? UTC(nanoseconds: .min)
    message.noiseCountsBits = Float(picker.noiseCounts).bitPattern
    message.isLive = isLive
    message.software.append(softwareVersion)
    message.model.append(picker.name)
    message.datagramsAccepted = accepted
    message.datagramsRejected = rejected
    addHost(to: &message)
    addAlarm(to: &message)
    return message
  }

  private func unacknowledged(by upstream: Int) -> UInt16 {
    outbox.isHeard(upstream) ? UInt16(clamping: outbox.count(for: upstream)) : 0
  }

  private mutating func addHost(to message: inout HealthMessage) {
    message.machine = host.machine
    message.datagramsSent = host.datagramsSent
    message.sendFailures = host.sendFailures
    message.hasRejectedKernels = host.hasRejectedKernels
    message.lacksNetwork = host.lacksNetwork
    message.lacksEstimator = host.lacksEstimator
    message.calibrationDays = host.calibrationDays
    message.losesState = !host.keepsState
  }

  private mutating func addAlarm(to message: inout HealthMessage) {
    message.relay = relayState
    message.alarmState = UInt8(decision.state.rawValue)
    message.isLatched = settings.alarm.isLatched
    message.inhibit = lines.inhibit.rawValue
    message.incapacity = incapacity()
    message.changedParameters = changedParameters
    if let end = drillEnd {
      let left = max(end - moment.monotonicNanoseconds, 0) / nanosecondsPerSecond
      message.drillSeconds = UInt16(clamping: left + 1)
    }
    message.droppedActions = UInt16(clamping: actions.dropped)
    message.unacknowledged = unacknowledged(by: 0)
    message.unacknowledgedBySecond = unacknowledged(by: 1)
    message.givenUp = outbox.givenUp
    addQuorum(to: &message)
  }
}
