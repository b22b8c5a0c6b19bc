// Conditioner: blocks of raw frames in, samples at 100 a second out, each with its time and its
// flags.
//
// Pickers want one rate, no offset, and times that they can trust. Digitizers and records have any
// rate from 20 Hz to 192 kHz, offsets, spikes, broken channels and gaps. Filters one after the
// other would hide what is wrong: a spike becomes an onset, a gap rings, a dead channel looks
// quiet. And every filter is late.
//
// So ChannelMonitor looks at the raw frames before any filter does, and its flags travel with the
// samples. RateConverter, a high-pass for the baseline and MotionFilter follow. After a gap all of
// them begin anew at the first values behind it, and the samples' numbers are as far ahead as the
// gap is long. The delays are taken off every time. Samples are pulled rather than called back:
//
//     _ = conditioner.begin(block)
//     for frame in block.frames {
//       for index in 0..<conditioner.push(frame) { take(conditioner.sample(index)) }
//     }

import Core
import Digitizer

/// One instant of the conditioned stream.
public struct Sample {
  /// Number since the start of the stream. After a gap it is as far ahead as the gap is long.
  public var number: Int64
  /// UTC of the ground motion: all delays are taken off.
  public var time: UTC
  /// Counts with polarity and gain applied and the running baseline removed.
  public var counts: Lanes
  /// nil where the response is unknown.
  public var motion: Motion?
  public var flags: ChannelFlags
  /// The first sample after a start or a gap: what went before says nothing about it.
  public var isRestart: Bool

  public init(
    number: Int64, time: UTC, counts: Lanes, motion: Motion?, flags: ChannelFlags, isRestart: Bool
  ) {
    self.number = number
    self.time = time
    self.counts = counts
    self.motion = motion
    self.flags = flags
    self.isRestart = isRestart
  }
}

public struct ConditionerSettings: Sendable {
  public var rateMillihertz: Int
  public var presentLanes: LaneSet
  public var gains: Lanes
  public var clipCounts: Int
  public var response: Response?
  /// The auxiliary lane carries a second sensor, without which no shaking is believed.
  public var hasSecondSensor = false
  /// The auxiliary lane is a vertical that hears more, for picks.
  public var hasQuietVertical = false

  public init(
    rateMillihertz: Int, presentLanes: LaneSet, gains: Lanes = Lanes(repeating: 1),
    clipCounts: Int = Int(Int32.max), response: Response? = nil
  ) {
    self.rateMillihertz = rateMillihertz
    self.presentLanes = presentLanes
    self.gains = gains
    self.clipCounts = clipCounts
    self.response = response
  }
}

public struct Conditioner: ~Copyable {
  /// Baseline corner: below every local earthquake, above drift and tides.
  private static let baselineCornerHertz = 0.05

  public var channelCounters: ChannelCounters { monitor.counters }
  /// Flags of the last tenth of a second; `flagUpdates` counts how often they were taken anew.
  public private(set) var flags = ChannelFlags()
  public private(set) var flagUpdates = 0
  /// From the ground to the end of the last filter, at the frequency that the converter states.
  public let delaySeconds: Double

  private let gains: Lanes
  private var monitor: ChannelMonitor
  private var converter: RateConverter
  private var baseline: Biquad
  private var motionFilter: MotionFilter
  private let hasResponse: Bool

  private var blockTime = UTC(nanoseconds: 0)
  private var nanosecondsPerFrame = 0.0
  private var frameInBlock = 0
  private var inputCount = 0
  private var nextFrame: Int64 = .min
  private var isRestart = true
  private var number: Int64 = -1
  private var lastTime = UTC(nanoseconds: 0)
  private var ready = 0

  public init(_ settings: ConditionerSettings) {
    let rate = Double(settings.rateMillihertz) / 1000
    var gains = settings.gains
    for lane in 0..<4 where !settings.presentLanes.contains(lane: lane) { gains[lane] = 0 }
    self.gains = gains
    monitor = ChannelMonitor(
      presentLanes: settings.presentLanes, clipCounts: settings.clipCounts, rateHertz: rate)
    converter = RateConverter(rateMillihertz: settings.rateMillihertz)
    baseline = Biquad(
      .highPass(cornerHertz: Conditioner.baselineCornerHertz, rateHertz: outputRateHertz))
    hasResponse = settings.response != nil
    motionFilter = MotionFilter(
      settings.response ?? Response(quantity: .velocity, unitsPerCount: .zero))
    delaySeconds = converter.groupDelaySeconds + Double(ChannelMonitor.delayFrames) / rate
  }

  /// To be called before a block's frames are pushed. Frames that do not follow on the last ones
  /// start the filters anew; returns whether they did.
  public mutating func begin(_ block: Block) -> Bool {
    guard block.frames.count > 0 else { return false }
    let first = block.frames[0]
    blockTime = block.firstFrameTime
    nanosecondsPerFrame = block.nanosecondsPerFrame
    frameInBlock = 0
    defer { nextFrame = block.firstFrame + Int64(block.frames.count) }
    guard nextFrame != block.firstFrame else { return false }
    monitor.restart(at: first)
    converter.restart(at: Lanes(first) * gains)
    inputCount = 0
    isRestart = true
    return true
  }

  /// Takes the block's next frame; returns how many samples it completes. They are taken with
  /// `sample`.
  @inline(__always)
  public mutating func push(_ frame: Frame) -> Int {
    ready = converter.push(monitor.push(frame) * gains)
    frameInBlock += 1
    inputCount += 1
    return ready
  }

  /// The sample with this index among those that the last `push` completed; to be taken in order,
  /// once.
  @inline(__always)
  public mutating func sample(_ index: Int) -> Sample {
    let output = converter[index]
    // The newest frame's position in the converter's own count is inputCount − 1; the monitor hands
    // frames on two late.
    let framesBack =
      Double(inputCount - 1) - output.inputPosition + Double(ChannelMonitor.delayFrames)
    let offset = (Double(frameInBlock - 1) - framesBack) * nanosecondsPerFrame
    var time = blockTime + Int64(Elementary.nearestInteger(offset))
    if isRestart {
      let skipped = Double(time - lastTime) / outputPeriodNanoseconds
      number = number < 0 ? 0 : number + max(Int64(Elementary.nearestInteger(skipped)), 1)
      _ = baseline.settle(at: output.value)
      motionFilter.restart(at: output.value)
      takeFlags()
    } else {
      number += 1
      if number % 10 == 0 { takeFlags() }
      if number % 100 == 0 { flushTinyStates() }
    }
    if time <= lastTime && number > 0 { time = lastTime + 1 }
    lastTime = time
    let sample = Sample(
      number: number, time: time, counts: baseline.step(output.value),
      motion: hasResponse ? motionFilter.step(output.value) : nil, flags: flags,
      isRestart: isRestart)
    isRestart = false
    return sample
  }

  private mutating func takeFlags() {
    flags = monitor.takeFlags()
    flagUpdates &+= 1
  }

  private mutating func flushTinyStates() {
    monitor.flushTinyStates()
    converter.flushTinyStates()
    baseline.flushTinyStates()
    motionFilter.flushTinyStates()
  }
}
