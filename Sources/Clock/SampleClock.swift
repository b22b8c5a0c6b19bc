// SampleClock: the UTC of every frame.
//
// A sound card counts frames by a crystal of its own, which is tens of parts per million off. The
// obvious stamp is the system's clock when a frame is read. It is late by whatever held the reader
// up, and it jumps when somebody sets the clock: samples would overlap, or run backwards.
//
// Two lines are known instead. One tells when on the kernel's monotonic clock a frame was taken,
// from pairs of frame number and kernel time stamp. The other tells what UTC that monotonic time
// is, from pulse edges or from the system clock. Their composition is the target. What is served
// follows the target by changing its own rate: an error e is worked off as e/5 s, at most 5 % of
// time, so that even a leap second is absorbed within 20 s while every stamp states the error that
// is left. A target more than 2 s ahead is jumped to. One more than 2 s behind is not believed: it
// is counted and shown, and time runs on beside it until the source is back, or until the program
// starts anew because the source insists (needsRestart).
//
// A digitizer with a clock of its own dates its frames itself. While it is heard that is the
// target, unless this machine's clock is set by somebody and contradicts it by more than frames can
// be on their way: then frames are dated by when they come, and uncertain by a second more. Where
// they seem to have been on their way for longer than is usual, stamps are that uncertain.
//
//     clock.observe(hostClock.systemClock())
//     clock.observe(frame: taken, monotonicNanoseconds: stamp)
//     let (first, nanosecondsPerFrame) = clock.time(ofBlockAt: frame, monotonicNow: stamp)

import Core

public struct ClockCounters: Equatable, Sendable {
  public var edges: UInt32 = 0
  public var rejectedEdges: UInt32 = 0
  public var missedEdges: UInt32 = 0
  public var forwardSteps: UInt32 = 0
  public var refusedBackwardSteps: UInt32 = 0
  public init() {}
}

public struct SampleClock: ~Copyable {
  public static let holdoverLimitNanoseconds: Int64 = 3600 * nanosecondsPerSecond
  /// An error is worked off with this time constant: long against the jitter of a refit, short
  /// against an operator's patience. At most 5 % of time, which moves no corner frequency that
  /// matters.
  private static let correctionSeconds = 5.0
  private static let correctionRateMaximum = 0.05
  /// A source that was heard within this time is there: at most two edges are missing.
  private static let lockedNanoseconds: Int64 = 3 * nanosecondsPerSecond
  private static let jumpNanoseconds: Int64 = 2 * nanosecondsPerSecond
  /// How long a source must insist on a time far behind before a restart follows it.
  private static let doubtNanoseconds: Int64 = 300 * nanosecondsPerSecond
  private static let firstDoubtNanoseconds: Int64 = 10 * nanosecondsPerSecond
  /// Frames that a digitizer has dated are usually on their way for less than this: a second in its
  /// own buffers, and one in the network's.
  private static let usualJourneyNanoseconds: Int64 = 2 * nanosecondsPerSecond
  /// And always for less than this.
  private static let journeyNanoseconds: Int64 = 10 * nanosecondsPerSecond
  /// Two clocks that are both right differ by less.
  private static let aheadNanoseconds: Int64 = nanosecondsPerSecond
  /// Rate uncertainty in holdover: a crystal in a shelter moves by about 1 ppm over hours of
  /// temperature.
  private static let holdoverRateError = 1e-6

  public private(set) var counters = ClockCounters()
  public private(set) var reading = ClockReading()
  private let nominalNanosecondsPerFrame: Double
  private let frameDelayNanoseconds: Int64
  private let pulseDelayNanoseconds: Int64

  // Frame number → monotonic, on a nominal time axis so that the line's slope is near 1.
  private var frames = LineFit()
  private var binFrame: Int64 = 0
  private var binEarliest = Int64.max
  private var binStart: Int64?

  // Monotonic → UTC by edges, and by the system clock.
  private var pulse = PulseLine()
  private var system: SystemClockReading?
  private var lastSynchronisedMonotonic: Int64?

  // What the digitizer's own clock says: of which frame, and when that was heard.
  private var stated: (frame: Int64, time: StatedTime, heardMonotonic: Int64)?
  /// When frames came last that say a time which this machine contradicts.
  private var contradictedMonotonic: Int64?

  // What is served.
  private var served: ServedLine?
  private var refusedOffsetNanoseconds: Int64 = 0
  private var refusedSinceMonotonic: Int64?
  private var wasLocked = false
  private var lastError: Int64 = 0

  /// UTC along the frames, with a correction that ends when the error it was made for is worked
  /// off: a gap of hours must not carry it on.
  private struct ServedLine {
    var frame: Int64
    var time: UTC
    var nanosecondsPerFrame: Double
    var correctionRate = 0.0
    var errorNanoseconds = 0.0

    func time(atFrame number: Double) -> UTC {
      let elapsed = (number - Double(frame)) * nanosecondsPerFrame
      let correction = elapsed * correctionRate
      let bounded =
        correction.magnitude > errorNanoseconds.magnitude ? errorNanoseconds : correction
      return time + Int64(Elementary.nearestInteger(elapsed + bounded))
    }
  }

  /// `frameDelayNanoseconds`: from the ground to the frame's stamp, inside the converter.
  public init(
    rateMillihertz: Int, frameDelayNanoseconds: Int64 = 0, pulseDelayNanoseconds: Int64 = 0
  ) {
    nominalNanosecondsPerFrame = 1e12 / Double(rateMillihertz)
    self.frameDelayNanoseconds = frameDelayNanoseconds
    self.pulseDelayNanoseconds = pulseDelayNanoseconds
  }

  private func nominalTime(_ frame: Int64) -> Int64 {
    Int64(Double(frame) * nominalNanosecondsPerFrame)
  }

  // MARK: What is observed

  /// The frame with this number had been taken by this time. Stamps are late by scheduling, never
  /// early: of each second's pairs the one that came soonest counts.
  public mutating func observe(frame: Int64, monotonicNanoseconds: Int64) {
    let start = binStart ?? monotonicNanoseconds
    binStart = start
    let lateness = monotonicNanoseconds - nominalTime(frame)
    if frames.count == 0 { frames.add(x: nominalTime(frame), y: monotonicNanoseconds) }
    if lateness < binEarliest {
      binEarliest = lateness
      binFrame = frame
    }
    guard monotonicNanoseconds - start >= nanosecondsPerSecond else { return }
    frames.add(x: nominalTime(binFrame), y: nominalTime(binFrame) + binEarliest)
    binEarliest = .max
    binStart = monotonicNanoseconds
  }

  /// The stream was interrupted. Returns the number of the frame taken at this time, past all
  /// before.
  public mutating func resume(atMonotonicNanoseconds now: Int64, after frame: Int64) -> Int64 {
    guard frames.count > 0 else { return frame }
    let elapsed = Double(frames.x(at: now)) / nominalNanosecondsPerFrame
    let number = max(Int64(Elementary.nearestInteger(elapsed)), frame)
    skip()
    frames.add(x: nominalTime(number), y: now)
    return number
  }

  /// The digitizer says when this frame was, of which it was heard by now.
  public mutating func observe(frame: Int64, stated time: StatedTime, monotonicNow: Int64) {
    let journey = journey(since: time.utc, monotonicNow) ?? 0
    guard
      (-SampleClock.aheadNanoseconds...SampleClock.journeyNanoseconds).contains(journey)
    else {
      (stated, contradictedMonotonic) = (nil, monotonicNow)
      return observe(frame: frame, monotonicNanoseconds: monotonicNow)
    }
    var time = time
    time.uncertaintyNanoseconds += max(
      max(-journey, journey - SampleClock.usualJourneyNanoseconds), 0)
    (stated, contradictedMonotonic) = ((frame, time, monotonicNow), nil)
    observe(frame: frame, monotonicNanoseconds: monotonicNow - max(journey, 0))
  }

  /// When on the monotonic clock that was, of which it was heard by now.
  public func monotonic(of time: StatedTime, monotonicNow: Int64) -> Int64 {
    let journey = journey(since: time.utc, monotonicNow) ?? 0
    return (0...SampleClock.journeyNanoseconds).contains(journey)
      ? monotonicNow - journey : monotonicNow
  }

  /// How long ago that was by the system's clock, where somebody sets it.
  private func journey(since time: UTC, _ monotonicNow: Int64) -> Int64? {
    guard let system, lastSynchronisedMonotonic != nil else { return nil }
    return (system.realtime + (monotonicNow - system.monotonicNanoseconds)) - time
  }

  /// Frames are missing, and it is known how many.
  public mutating func skip() {
    frames.restart()
    binEarliest = .max
    binStart = nil
  }

  public mutating func observe(_ reading: SystemClockReading) {
    system = reading
    if reading.isSynchronised { lastSynchronisedMonotonic = reading.monotonicNanoseconds }
    pulse.observe(reading)
    countEdges()
  }

  /// The edge, without what it is late by, where the pulse is sure: for others who want to know.
  @discardableResult
  public mutating func observe(edgeMonotonicNanoseconds stamp: Int64) -> Int64? {
    guard let system else { return nil }
    let edge = stamp - pulseDelayNanoseconds
    pulse.observe(edge: edge, system: system)
    countEdges()
    return pulse.isSure && pulse.lastEdge == edge ? edge : nil
  }

  private mutating func countEdges() {
    counters.edges = pulse.edges
    counters.rejectedEdges = pulse.rejectedEdges
    counters.missedEdges = pulse.missedEdges
  }

  // MARK: What is served

  /// UTC of the first frame of a block, and the nanoseconds from each frame to the next within it.
  /// Call once a block, with frame numbers that grow.
  public mutating func time(
    ofBlockAt frame: Int64, monotonicNow: Int64
  ) -> (first: UTC, nanosecondsPerFrame: Double) {
    chooseSource(monotonicNow)
    let target = target(ofFrame: frame)
    guard let line = served else {
      served = ServedLine(
        frame: frame, time: target.time, nanosecondsPerFrame: target.nanosecondsPerFrame)
      return (target.time, target.nanosecondsPerFrame)
    }
    var now = line.time(atFrame: Double(frame))
    let error = steer(&now, towards: target.time, monotonicNow)
    let correction = min(
      max(Double(error) * 1e-9 / SampleClock.correctionSeconds, -SampleClock.correctionRateMaximum),
      SampleClock.correctionRateMaximum)
    served = ServedLine(
      frame: frame, time: now, nanosecondsPerFrame: target.nanosecondsPerFrame,
      correctionRate: correction, errorNanoseconds: Double(error))
    lastError = error
    if reading.state == .locked && refusedOffsetNanoseconds == 0 { wasLocked = true }
    report()
    return (now, target.nanosecondsPerFrame * (1 + correction))
  }

  /// What is left to be worked off. Far ahead is jumped to; far behind is refused, once for each
  /// step.
  private mutating func steer(_ now: inout UTC, towards target: UTC, _ monotonic: Int64) -> Int64 {
    let distance = target - now
    if distance > SampleClock.jumpNanoseconds {
      counters.forwardSteps &+= 1
      refusedOffsetNanoseconds = 0
      refusedSinceMonotonic = nil
      now = target
      return 0
    }
    if distance >= -SampleClock.jumpNanoseconds {
      refusedOffsetNanoseconds = 0  // the source is back where it was, or never left
      refusedSinceMonotonic = nil
      return distance
    }
    let error = distance + refusedOffsetNanoseconds
    guard error.magnitude > UInt64(SampleClock.jumpNanoseconds) else { return error }
    counters.refusedBackwardSteps &+= 1
    refusedOffsetNanoseconds = -distance
    refusedSinceMonotonic = monotonic
    return 0
  }

  /// A source that was refused for going back has now said the same for so long that it is right,
  /// and only a new start can follow it: the boot counter keeps the order where time cannot. At
  /// once for a station that was never locked before; its clock was ahead when it booted.
  public func needsRestart(monotonicNow: Int64) -> Bool {
    guard let since = refusedSinceMonotonic, reading.source != .none else { return false }
    return monotonicNow - since
      > (wasLocked ? SampleClock.doubtNanoseconds : SampleClock.firstDoubtNanoseconds)
  }

  /// Time passes without frames: state and uncertainty go on.
  public mutating func refresh(monotonicNow: Int64) {
    chooseSource(monotonicNow)
    // A pulse that has just come back has moved the target, and the next frames are still to come.
    if let served, frames.count > 0 {
      let frame = Int64(Double(frames.x(at: monotonicNow)) / nominalNanosecondsPerFrame)
      let error =
        target(ofFrame: frame).time - served.time(atFrame: Double(frame)) + refusedOffsetNanoseconds
      if error.magnitude <= UInt64(SampleClock.jumpNanoseconds) { lastError = error }
    }
    report()
  }

  /// UTC of a monotonic time near the present, on the served line: when a datagram left.
  public func time(ofMonotonicNanoseconds now: Int64) -> UTC {
    guard let served, frames.count > 0 else {
      guard let system else { return UTC(nanoseconds: 0) }
      return system.realtime + (now - system.monotonicNanoseconds)
    }
    return served.time(atFrame: Double(frames.x(at: now)) / nominalNanosecondsPerFrame)
  }

  private func target(ofFrame frame: Int64) -> (time: UTC, nanosecondsPerFrame: Double) {
    if reading.source == .digitizer, let stated {
      let since = Double(frame - stated.frame) * nominalNanosecondsPerFrame
      let time = stated.time.utc + (Int64(Elementary.nearestInteger(since)) - frameDelayNanoseconds)
      return (time, nominalNanosecondsPerFrame)
    }
    let monotonic = frames.y(at: nominalTime(frame)) - frameDelayNanoseconds
    var rate = nominalNanosecondsPerFrame * (1 + frames.slopeError)
    guard reading.source != .pulse else {
      rate *= 1 + pulse.slopeError
      return (pulse.time(atMonotonic: monotonic), rate)
    }
    guard let system else { return (UTC(nanoseconds: monotonic), rate) }
    return (system.realtime + (monotonic - system.monotonicNanoseconds), rate)
  }

  /// The digitizer's own clock; else a pulse that is there, whatever the system's clock says of
  /// itself; else the source with the smaller stated error. From it the state.
  private mutating func chooseSource(_ now: Int64) {
    if let stated, now - stated.heardMonotonic < SampleClock.lockedNanoseconds {
      (reading.source, reading.state) = (.digitizer, .locked)
      reading.uncertaintyNanoseconds = UInt32(clamping: stated.time.uncertaintyNanoseconds)
      reading.rateErrorPartsPerBillion = 0
      return
    }
    let pulseAge = pulse.lastEdge.map { now - $0 } ?? .max
    let systemAge = lastSynchronisedMonotonic.map { now - $0 } ?? .max
    let pulseIsUsable = pulse.isUsable && pulse.lastEdge != nil
    // A clock that is whole seconds off is not turned to because some edges are missing.
    let isPreferred =
      pulseAge < SampleClock.lockedNanoseconds
      || (pulse.doubtNanoseconds > 0 && pulseAge < SampleClock.holdoverLimitNanoseconds)
    let pulseError =
      pulseIsUsable
      ? 2000 + pulse.residualNanoseconds
        + SampleClock.holdoverRateError * Double(max(pulseAge - 2 * nanosecondsPerSecond, 0))
      : .infinity
    let systemError =
      lastSynchronisedMonotonic == nil
      ? .infinity
      : Double(system?.maximumErrorNanoseconds ?? 0)
        + SampleClock.holdoverRateError * Double(max(systemAge - 2 * nanosecondsPerSecond, 0))
    let usesPulse = pulseIsUsable && (isPreferred || pulseError <= systemError)
    let age = usesPulse ? pulseAge : systemAge
    reading.source = usesPulse ? .pulse : systemError < .infinity ? .system : .none
    if reading.source == .none {
      reading.state = .unsynchronised
    } else if age < SampleClock.lockedNanoseconds {
      reading.state = .locked
    } else {
      reading.state = age < SampleClock.holdoverLimitNanoseconds ? .holdover : .freeRunning
    }
    let contradictedAge = contradictedMonotonic.map { now - $0 } ?? .max
    let error =
      (usesPulse ? pulseError : systemError) + Double(pulse.doubtNanoseconds)
      + (contradictedAge < SampleClock.lockedNanoseconds
        ? Double(SampleClock.aheadNanoseconds) : 0)
    reading.uncertaintyNanoseconds = error < 4e9 ? UInt32(error) : .max
    let composite = (1 + frames.slopeError) * (usesPulse ? 1 + pulse.slopeError : 1)
    reading.rateErrorPartsPerBillion = Int32(
      Elementary.nearestInteger(min(max((1 / composite - 1) * 1e9, -2e9), 2e9)))
  }

  private mutating func report() {
    reading.offsetNanoseconds = lastError - refusedOffsetNanoseconds
    if refusedOffsetNanoseconds != 0 { reading.state = .unsynchronised }
    let total = UInt64(reading.uncertaintyNanoseconds) + reading.offsetNanoseconds.magnitude
    reading.uncertaintyNanoseconds = UInt32(clamping: total)
  }
}
