// SampleClock: the UTC of every frame.
//
// Two lines are known. From (frame number, kernel time stamp) pairs, when on the kernel's monotonic clock
// a frame was taken. From pulse edges or from the system clock, what UTC that monotonic time is. Their
// composition is the target. What is served to the samples follows the target by changing its own rate,
// never by a jump backwards: an error e is worked off as e/5 s, at most 5 % of time, so that even a leap
// second is absorbed within 20 s while every stamp states the error that is left. A target more than 2 s
// ahead is jumped to; one more than 2 s behind is not believed: it is counted and shown, and time runs on
// beside it until the source is back.
//
//   edge      a pulse's rising (or falling) flank, on the monotonic clock
//   label     the UTC second that an edge stands for, from the system clock at first, then counted on

import Core

public struct ClockCounters: Equatable, Sendable {
  public var edges: UInt32 = 0
  public var rejectedEdges: UInt32 = 0
  public var missedEdges: UInt32 = 0
  public var forwardSteps: UInt32 = 0
  public var refusedBackwardSteps: UInt32 = 0
  public init() {}
}

/// One look at the system's clock: both clocks read together, and what the kernel says of its quality.
public struct SystemClockReading: Sendable {
  public var monotonicNanoseconds: Int64
  public var realtime: UTC
  public var isSynchronised: Bool
  public var maximumErrorNanoseconds: Int64
  public init(
    monotonicNanoseconds: Int64, realtime: UTC, isSynchronised: Bool, maximumErrorNanoseconds: Int64
  ) {
    self.monotonicNanoseconds = monotonicNanoseconds
    self.realtime = realtime
    self.isSynchronised = isSynchronised
    self.maximumErrorNanoseconds = maximumErrorNanoseconds
  }
}

public struct SampleClock: ~Copyable {
  public static let holdoverLimitNanoseconds: Int64 = 3600 * nanosecondsPerSecond
  private static let correctionSeconds = 5.0
  private static let correctionRateMaximum = 0.05
  private static let jumpNanoseconds: Int64 = 2 * nanosecondsPerSecond
  private static let minimumEdges = 5
  /// Rate uncertainty in holdover: a crystal in a shelter moves by about 1 ppm over hours of temperature.
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

  // Monotonic → UTC by edges.
  private var edges = LineFit()
  private var lastEdgeMonotonic: Int64?
  private var pendingStepSeconds: Int64 = 0
  private var pendingStepCount = 0

  private var system: SystemClockReading?
  private var lastSynchronisedMonotonic: Int64?
  private var lockedSinceBoot = false

  // What is served: UTC at a frame, and the rate from there on.
  private var servedFrame: Int64 = 0
  private var servedTime: UTC?
  private var servedNanosecondsPerFrame: Double
  private var refusedOffsetNanoseconds: Int64 = 0

  /// `frameDelayNanoseconds`: from the ground to the frame's stamp, inside the converter.
  public init(
    rateMillihertz: Int, frameDelayNanoseconds: Int64 = 0, pulseDelayNanoseconds: Int64 = 0
  ) {
    nominalNanosecondsPerFrame = 1e12 / Double(rateMillihertz)
    servedNanosecondsPerFrame = nominalNanosecondsPerFrame
    self.frameDelayNanoseconds = frameDelayNanoseconds
    self.pulseDelayNanoseconds = pulseDelayNanoseconds
  }

  private func nominalTime(_ frame: Int64) -> Int64 {
    Int64(Double(frame) * nominalNanosecondsPerFrame)
  }

  // MARK: What is observed

  /// The frame with this number had been taken by this time. Stamps are late by scheduling, never early:
  /// of each second's pairs the one that came soonest counts.
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

  /// The stream was interrupted. Returns the number of the frame taken at this time, past all before.
  public mutating func resume(atMonotonicNanoseconds now: Int64, after frame: Int64) -> Int64 {
    guard frames.count > 0 else { return frame }
    let elapsed = Double(frames.x(at: now)) / nominalNanosecondsPerFrame
    let number = max(Int64(Elementary.nearestInteger(elapsed)), frame)
    frames.restart()
    frames.add(x: nominalTime(number), y: now)
    binEarliest = .max
    binStart = nil
    return number
  }

  public mutating func observe(_ reading: SystemClockReading) {
    system = reading
    if reading.isSynchronised { lastSynchronisedMonotonic = reading.monotonicNanoseconds }
    relabelEdgesIfNeeded(reading)
  }

  /// A pulse's edge. Edges less than 0.9 s apart are bounces or noise; a missing one is counted.
  public mutating func observe(edgeMonotonicNanoseconds stamp: Int64) {
    let edge = stamp - pulseDelayNanoseconds
    guard let system else { return }
    guard let last = lastEdgeMonotonic else {
      let label = system.realtime.nanoseconds + (edge - system.monotonicNanoseconds)
      startLabels(at: edge, near: label)
      return
    }
    let elapsed = edge - last
    let seconds = floorQuotient(elapsed + nanosecondsPerSecond / 2, nanosecondsPerSecond)
    let deviation = elapsed - seconds * nanosecondsPerSecond
    // 200 ppm of crystal and a millisecond of latency: anything further off is no second's edge.
    guard seconds >= 1, deviation.magnitude < 1_000_000 + UInt64(seconds) * 200_000 else {
      counters.rejectedEdges &+= 1
      if elapsed > 10 * nanosecondsPerSecond { lastEdgeMonotonic = nil }
      return
    }
    counters.missedEdges &+= UInt32(clamping: seconds - 1)
    let label = edges.y(at: edge)
    let rounded = floorQuotient(label + nanosecondsPerSecond / 2, nanosecondsPerSecond)
    lastEdgeMonotonic = edge
    counters.edges &+= 1
    edges.add(x: edge, y: rounded * nanosecondsPerSecond)
  }

  private mutating func startLabels(at edge: Int64, near label: Int64) {
    edges.restart()
    let rounded = floorQuotient(label + nanosecondsPerSecond / 2, nanosecondsPerSecond)
    edges.add(x: edge, y: rounded * nanosecondsPerSecond)
    lastEdgeMonotonic = edge
    counters.edges &+= 1
  }

  /// A leap second, or a system clock that learnt the time after the first edges, shows as a whole
  /// second's difference that lasts. Three readings in a row agree before labels move.
  private mutating func relabelEdgesIfNeeded(_ reading: SystemClockReading) {
    guard edges.count > 0, reading.isSynchronised || !lockedSinceBoot else { return }
    let difference = reading.realtime.nanoseconds - edges.y(at: reading.monotonicNanoseconds)
    let seconds = floorQuotient(difference + nanosecondsPerSecond / 2, nanosecondsPerSecond)
    pendingStepCount = seconds != 0 && seconds == pendingStepSeconds ? pendingStepCount + 1 : 0
    pendingStepSeconds = seconds
    guard pendingStepCount >= 2 else { return }
    edges.shift(by: seconds * nanosecondsPerSecond)
    pendingStepCount = 0
  }

  // MARK: What is served

  /// UTC of the first frame of a block, and the nanoseconds from each frame to the next within it. Call
  /// once a block, with frame numbers that grow.
  public mutating func time(
    ofBlockAt frame: Int64, monotonicNow: Int64
  ) -> (first: UTC, nanosecondsPerFrame: Double) {
    chooseSource(monotonicNow)
    let target = target(ofFrame: frame)
    guard let served = servedTime else {
      servedFrame = frame
      servedTime = target.time
      servedNanosecondsPerFrame = target.nanosecondsPerFrame
      return (target.time, servedNanosecondsPerFrame)
    }
    let elapsed = Double(frame - servedFrame) * servedNanosecondsPerFrame
    var now = served + Int64(Elementary.nearestInteger(elapsed))
    let distance = target.time - now
    var error = distance
    if distance > SampleClock.jumpNanoseconds {
      counters.forwardSteps &+= 1
      refusedOffsetNanoseconds = 0
      now = target.time
      error = 0
    } else if distance >= -SampleClock.jumpNanoseconds {
      refusedOffsetNanoseconds = 0  // the source is back where it was, or never left
    } else {
      error += refusedOffsetNanoseconds
      if error.magnitude > UInt64(SampleClock.jumpNanoseconds) {
        counters.refusedBackwardSteps &+= 1
        refusedOffsetNanoseconds = -distance
        error = 0
      }
    }
    let correction = min(
      max(Double(error) * 1e-9 / SampleClock.correctionSeconds, -SampleClock.correctionRateMaximum),
      SampleClock.correctionRateMaximum)
    servedFrame = frame
    servedTime = now
    servedNanosecondsPerFrame = target.nanosecondsPerFrame * (1 + correction)
    report(error: error)
    return (now, servedNanosecondsPerFrame)
  }

  /// UTC of a monotonic time near the present, on the served line: when a datagram left.
  public func time(ofMonotonicNanoseconds now: Int64) -> UTC {
    guard let served = servedTime, frames.count > 0 else {
      guard let system else { return UTC(nanoseconds: 0) }
      return system.realtime + (now - system.monotonicNanoseconds)
    }
    let frame = Double(frames.x(at: now)) / nominalNanosecondsPerFrame
    let elapsed = (frame - Double(servedFrame)) * servedNanosecondsPerFrame
    return served + Int64(Elementary.nearestInteger(elapsed))
  }

  private func target(ofFrame frame: Int64) -> (time: UTC, nanosecondsPerFrame: Double) {
    let monotonic = frames.y(at: nominalTime(frame)) - frameDelayNanoseconds
    var rate = nominalNanosecondsPerFrame * (1 + frames.slopeError)
    guard reading.source != .pulse else {
      rate *= 1 + edges.slopeError
      return (UTC(nanoseconds: edges.y(at: monotonic)), rate)
    }
    guard let system else { return (UTC(nanoseconds: monotonic), rate) }
    return (system.realtime + (monotonic - system.monotonicNanoseconds), rate)
  }

  /// The source with the smaller stated error, and from it the state.
  private mutating func chooseSource(_ now: Int64) {
    let pulseAge = lastEdgeMonotonic.map { now - $0 } ?? .max
    let systemAge = lastSynchronisedMonotonic.map { now - $0 } ?? .max
    let pulseIsUsable = edges.count >= SampleClock.minimumEdges && lastSynchronisedMonotonic != nil
    let pulseError =
      pulseIsUsable
      ? 2000 + edges.residualNanoseconds
        + SampleClock.holdoverRateError * Double(max(pulseAge - 2 * nanosecondsPerSecond, 0))
      : .infinity
    let systemError =
      lastSynchronisedMonotonic == nil
      ? .infinity
      : Double(system?.maximumErrorNanoseconds ?? 0)
        + SampleClock.holdoverRateError * Double(max(systemAge - 2 * nanosecondsPerSecond, 0))
    let usesPulse = pulseError <= systemError && pulseIsUsable
    let age = usesPulse ? pulseAge : systemAge
    reading.source = usesPulse ? .pulse : systemError < .infinity ? .system : .none
    if reading.source == .none {
      reading.state = .unsynchronised
    } else if age < 3 * nanosecondsPerSecond {
      reading.state = .locked
      lockedSinceBoot = true
    } else {
      reading.state = age < SampleClock.holdoverLimitNanoseconds ? .holdover : .freeRunning
    }
    let error = min(pulseError, systemError)
    reading.uncertaintyNanoseconds = error < 4e9 ? UInt32(error) : .max
    let composite = (1 + frames.slopeError) * (usesPulse ? 1 + edges.slopeError : 1)
    reading.rateErrorPartsPerBillion = Int32(
      Elementary.nearestInteger(min(max((1 / composite - 1) * 1e9, -2e9), 2e9)))
  }

  private mutating func report(error: Int64) {
    reading.offsetNanoseconds = error - refusedOffsetNanoseconds
    if refusedOffsetNanoseconds != 0 { reading.state = .unsynchronised }
    let total = UInt64(reading.uncertaintyNanoseconds) + reading.offsetNanoseconds.magnitude
    reading.uncertaintyNanoseconds = UInt32(clamping: total)
  }
}
