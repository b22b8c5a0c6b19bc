// The payloads: each a fixed layout that is written and read in one place, in the order of the
// document.

import Core

public struct PickMessage: Equatable, Sendable {
  public static let byteCount = 28
  public var id: UInt32 = 0
  /// 1 provisional, 2 confirmed, 3 retracted
  public var status: UInt8 = 1
  /// 1 P, 2 S
  public var phase: UInt8 = 1
  /// −1 down, 0 unclear, 1 up
  public var firstMotion: Int8 = 0
  /// 1 A … 4 D
  public var quality: UInt8 = 4
  public var time = UTC(nanoseconds: 0)
  public var timeSigmaMicroseconds: UInt32 = 0
  /// In ten-thousandths; Wire.noProbability for none.
  public var probability: UInt16 = Wire.noProbability
  public var firstMotionProbability: UInt16 = Wire.noProbability
  public var signalToNoiseCentidecibels: Int16 = 0
  /// 1 STA/LTA, 2 network
  public var picker: UInt8 = 1
  /// STA/LTA has triggered within half a second of a network's pick.
  public var isSeenByBaseline = false
  public init() {}

  public func write(to writer: inout ByteWriter) {
    writer.write(id)
    writer.write(status)
    writer.write(phase)
    writer.write(firstMotion)
    writer.write(quality)
    writer.write(time.nanoseconds)
    writer.write(timeSigmaMicroseconds)
    writer.write(probability)
    writer.write(firstMotionProbability)
    writer.write(signalToNoiseCentidecibels)
    writer.write(picker)
    writer.write(UInt8(isSeenByBaseline ? 1 : 0))
  }

  public init(_ payload: UnsafeBufferPointer<UInt8>) throws(DatagramError) {
    guard payload.count == PickMessage.byteCount else { throw .malformed }
    var reader = ByteReader(payload)
    id = reader.read(UInt32.self)
    status = reader.read(UInt8.self)
    phase = reader.read(UInt8.self)
    firstMotion = reader.read(Int8.self)
    quality = reader.read(UInt8.self)
    time = UTC(nanoseconds: reader.read(Int64.self))
    timeSigmaMicroseconds = reader.read(UInt32.self)
    probability = reader.read(UInt16.self)
    firstMotionProbability = reader.read(UInt16.self)
    signalToNoiseCentidecibels = reader.read(Int16.self)
    picker = reader.read(UInt8.self)
    let flags = reader.read(UInt8.self)
    isSeenByBaseline = flags & 1 != 0
    func isProbability(_ value: UInt16) -> Bool {
      value <= 10_000 || value == Wire.noProbability
    }
    guard (1...3).contains(status), (1...2).contains(phase), (-1...1).contains(firstMotion),
      (1...4).contains(quality), isProbability(probability),
      isProbability(firstMotionProbability), (1...2).contains(picker), flags <= picker - 1
    else { throw .malformed }
  }
}

/// Why no alarm can come, or none that closes the relay.
public struct Incapacity: BitSet {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static let noRelay = Incapacity(rawValue: 1)
  public static let relayFaulty = Incapacity(rawValue: 2)
  public static let inhibited = Incapacity(rawValue: 4)
  public static let inhibitUnreadable = Incapacity(rawValue: 8)
  public static let drill = Incapacity(rawValue: 16)
  /// No frames come, or the picker has not settled on them.
  public static let notLive = Incapacity(rawValue: 32)
  /// Counts mean nothing: no component has a calibration.
  public static let uncalibrated = Incapacity(rawValue: 64)
  /// Fewer than two components can be believed, because others clip, stick or are dead.
  public static let lanesBroken = Incapacity(rawValue: 128)
  public static let all = Incapacity(rawValue: 255)
}

public struct HealthMessage: Equatable, Sendable {
  public static let byteCount = 208
  // Clock
  public var clockOffsetNanoseconds: Int64 = 0
  public var clockRatePartsPerBillion: Int32 = 0
  public var edges: UInt32 = 0
  public var missedEdges: UInt32 = 0
  public var rejectedEdges: UInt32 = 0
  public var forwardSteps: UInt32 = 0
  public var refusedBackwardSteps: UInt32 = 0
  // Digitizer
  public var frames: UInt64 = 0
  public var gapFrames: UInt64 = 0
  public var gaps: UInt32 = 0
  public var overruns: UInt32 = 0
  public var shortReads: UInt32 = 0
  public var suspends: UInt32 = 0
  public var reopenings: UInt32 = 0
  public var clippedFrames: UInt32 = 0
  public var spikes: UInt32 = 0
  /// Four bits each, vertical first.
  public var clippedLanes: UInt8 = 0
  public var spikedLanes: UInt8 = 0
  public var stuckLanes: UInt8 = 0
  public var deadLanes: UInt8 = 0
  // Loop and machine
  public var loopMedianNanoseconds = Wire.unknownDuration
  public var loop999Nanoseconds = Wire.unknownDuration
  public var loopMaximumNanoseconds = Wire.unknownDuration
  /// The fullest that the capture buffer was since the last health message.
  public var ringFillPerMille: UInt16 = 0
  public var temperatureCentidegrees = Wire.unknownTemperature
  public var residentKibibytes = Wire.unknownSize
  public var memoryAvailableMebibytes = Wire.unknownSize
  public var diskFreeMebibytes = Wire.unknownSize
  public var uptimeSeconds: UInt32 = 0
  // Uplink, since boot
  public var datagramsSent: UInt32 = 0
  public var sendFailures: UInt32 = 0
  public var datagramsAccepted: UInt32 = 0
  public var datagramsRejected: UInt32 = 0
  // Picker
  public var picks: UInt32 = 0
  /// RMS of the band-passed lane that is watched, counts, as the bits of an IEEE 754 binary32.
  public var noiseCountsBits: UInt32 = 0
  /// Int64.min when there was none since boot.
  public var lastPick = UTC(nanoseconds: .min)
  public var isLive = false
  /// A faster variant of the network's arithmetic failed its self-test at start.
  public var hasRejectedKernels = false
  /// The network that was to pick is not there or failed its test: STA/LTA picks.
  public var lacksNetwork = false
  /// The network that was to estimate is not there or failed its test: relations estimate alone.
  public var lacksEstimator = false
  public var software = Text<16>()
  public var model = Text<31>()
  // Alarm
  public var relay = RelayState.none
  /// 0 quiet, 1 watch, 2 alarm, 3 an alarm whose digitizer is lost
  public var alarmState: UInt8 = 0
  /// An alarm stands until a command ends it.
  public var isLatched = false
  /// The disk does not take what is to be kept over a restart.
  public var losesState = false
  /// 0 no switch, 1 off, 2 on, 3 not to be read
  public var inhibit: UInt8 = 0
  /// Why no alarm can come, or none that closes the relay; empty: armed.
  public var incapacity = Incapacity()
  /// Parameters that commands have changed since the start: the bit of a parameter's number less one.
  public var changedParameters: UInt16 = 0
  /// Until the calibration runs out.
  public var calibrationDays = Wire.unknownDays
  /// Until a drill ends by itself.
  public var drillSeconds: UInt16 = 0
  /// What a full queue dropped, since boot.
  public var droppedActions: UInt16 = 0
  public init() {}

  public static func == (a: HealthMessage, b: HealthMessage) -> Bool {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2 * byteCount) { buffer in
      var first = ByteWriter(UnsafeMutableBufferPointer(rebasing: buffer[..<byteCount]))
      var second = ByteWriter(UnsafeMutableBufferPointer(rebasing: buffer[byteCount...]))
      a.write(to: &first)
      b.write(to: &second)
      for index in 0..<byteCount where buffer[index] != buffer[byteCount + index] { return false }
      return true
    }
  }

  public func write(to writer: inout ByteWriter) {
    writer.write(clockOffsetNanoseconds)
    writer.write(clockRatePartsPerBillion)
    writer.write(edges)
    writer.write(missedEdges)
    writer.write(rejectedEdges)
    writer.write(forwardSteps)
    writer.write(refusedBackwardSteps)
    writer.write(frames)
    writer.write(gapFrames)
    writer.write(gaps)
    writer.write(overruns)
    writer.write(shortReads)
    writer.write(suspends)
    writer.write(reopenings)
    writer.write(clippedFrames)
    writer.write(spikes)
    writer.write(clippedLanes)
    writer.write(spikedLanes)
    writer.write(stuckLanes)
    writer.write(deadLanes)
    writer.write(loopMedianNanoseconds)
    writer.write(loop999Nanoseconds)
    writer.write(loopMaximumNanoseconds)
    writer.write(ringFillPerMille)
    writer.write(temperatureCentidegrees)
    writer.write(residentKibibytes)
    writer.write(memoryAvailableMebibytes)
    writer.write(diskFreeMebibytes)
    writer.write(uptimeSeconds)
    writer.write(datagramsSent)
    writer.write(sendFailures)
    writer.write(datagramsAccepted)
    writer.write(datagramsRejected)
    writer.write(picks)
    writer.write(noiseCountsBits)
    writer.write(lastPick.nanoseconds)
    writer.write(
      UInt8(
        (isLive ? 1 : 0) | (hasRejectedKernels ? 2 : 0) | (lacksNetwork ? 4 : 0)
          | (lacksEstimator ? 8 : 0)))
    writer.write(software)
    writer.write(model)
    writer.write(relay.rawValue)
    writer.write(alarmState)
    writer.write(UInt8((isLatched ? 1 : 0) | (losesState ? 2 : 0)))
    writer.write(inhibit)
    writer.write(incapacity.rawValue)
    writer.write(changedParameters)
    writer.write(calibrationDays)
    writer.write(drillSeconds)
    writer.write(droppedActions)
    writer.write(UInt16(0))
  }

  public init(_ payload: UnsafeBufferPointer<UInt8>) throws(DatagramError) {
    guard payload.count == HealthMessage.byteCount else { throw .malformed }
    var reader = ByteReader(payload)
    clockOffsetNanoseconds = reader.read(Int64.self)
    clockRatePartsPerBillion = reader.read(Int32.self)
    edges = reader.read(UInt32.self)
    missedEdges = reader.read(UInt32.self)
    rejectedEdges = reader.read(UInt32.self)
    forwardSteps = reader.read(UInt32.self)
    refusedBackwardSteps = reader.read(UInt32.self)
    frames = reader.read(UInt64.self)
    gapFrames = reader.read(UInt64.self)
    gaps = reader.read(UInt32.self)
    overruns = reader.read(UInt32.self)
    shortReads = reader.read(UInt32.self)
    suspends = reader.read(UInt32.self)
    reopenings = reader.read(UInt32.self)
    clippedFrames = reader.read(UInt32.self)
    spikes = reader.read(UInt32.self)
    clippedLanes = reader.read(UInt8.self)
    spikedLanes = reader.read(UInt8.self)
    stuckLanes = reader.read(UInt8.self)
    deadLanes = reader.read(UInt8.self)
    loopMedianNanoseconds = reader.read(UInt32.self)
    loop999Nanoseconds = reader.read(UInt32.self)
    loopMaximumNanoseconds = reader.read(UInt32.self)
    ringFillPerMille = reader.read(UInt16.self)
    temperatureCentidegrees = reader.read(Int16.self)
    residentKibibytes = reader.read(UInt32.self)
    memoryAvailableMebibytes = reader.read(UInt32.self)
    diskFreeMebibytes = reader.read(UInt32.self)
    uptimeSeconds = reader.read(UInt32.self)
    datagramsSent = reader.read(UInt32.self)
    sendFailures = reader.read(UInt32.self)
    datagramsAccepted = reader.read(UInt32.self)
    datagramsRejected = reader.read(UInt32.self)
    picks = reader.read(UInt32.self)
    noiseCountsBits = reader.read(UInt32.self)
    lastPick = UTC(nanoseconds: reader.read(Int64.self))
    let state = reader.read(UInt8.self)
    (isLive, hasRejectedKernels) = (state & 1 != 0, state & 2 != 0)
    lacksNetwork = state & 4 != 0
    lacksEstimator = state & 8 != 0
    let flags = clippedLanes | spikedLanes | stuckLanes | deadLanes
    guard flags <= 15, state <= 15, ringFillPerMille <= 1000,
      let software = reader.readText(Text<16>.self), let model = reader.readText(Text<31>.self)
    else { throw .malformed }
    self.software = software
    self.model = model
    guard let relay = RelayState(rawValue: reader.read(UInt8.self)) else { throw .malformed }
    self.relay = relay
    alarmState = reader.read(UInt8.self)
    let keeping = reader.read(UInt8.self)
    (isLatched, losesState) = (keeping & 1 != 0, keeping & 2 != 0)
    inhibit = reader.read(UInt8.self)
    incapacity = Incapacity(rawValue: reader.read(UInt16.self))
    changedParameters = reader.read(UInt16.self)
    calibrationDays = reader.read(Int16.self)
    drillSeconds = reader.read(UInt16.self)
    droppedActions = reader.read(UInt16.self)
    let reserved = reader.read(UInt16.self)
    guard alarmState <= 3, keeping <= 3, inhibit <= 3, incapacity.isSubset(of: .all),
      changedParameters < 1 << 12, reserved == 0
    else { throw .malformed }
  }
}

/// The payload of a ping, and the first eight bytes of the pong that answers it.
public struct PingMessage: Equatable, Sendable {
  public static let byteCount = 8
  public var nonce: UInt64 = 0
  public init(nonce: UInt64) { self.nonce = nonce }

  public func write(to writer: inout ByteWriter) { writer.write(nonce) }

  public init(_ payload: UnsafeBufferPointer<UInt8>) throws(DatagramError) {
    guard payload.count == PingMessage.byteCount else { throw .malformed }
    var reader = ByteReader(payload)
    nonce = reader.read(UInt64.self)
  }
}

public struct PongMessage: Equatable, Sendable {
  public static let byteCount = PingMessage.byteCount + HealthMessage.byteCount
  public var nonce: UInt64
  public var health: HealthMessage
  public init(nonce: UInt64, health: HealthMessage) {
    self.nonce = nonce
    self.health = health
  }

  public func write(to writer: inout ByteWriter) {
    writer.write(nonce)
    health.write(to: &writer)
  }

  public init(_ payload: UnsafeBufferPointer<UInt8>) throws(DatagramError) {
    guard payload.count == PongMessage.byteCount else { throw .malformed }
    nonce = try PingMessage(UnsafeBufferPointer(rebasing: payload[..<PingMessage.byteCount])).nonce
    health = try HealthMessage(UnsafeBufferPointer(rebasing: payload[PingMessage.byteCount...]))
  }
}
