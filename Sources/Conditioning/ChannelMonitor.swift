// ChannelMonitor: looks at raw frames before any filter can hide what is wrong with them.
//
//   clipped   at or beyond the converter's full scale
//   spike     one frame far out, its two successors back where it came from: removed and counted
//   stuck     the same value for a second, not zero: a converter that hangs, or a saturated input
//   dead      zero for a second: a cable that is off
//
// A 25 Hz onset at 100 samples a second can jump and come back in one frame, but not stay back for
// two. From 30.5 to 36.5 Hz, around a third of the rate, a sudden strong tone does. So spikes come
// alone, the next one twelve frames later at the earliest (up to 500 samples a second): of a near
// event's onset one frame is lost, not its displacement.
//
//     monitor.restart(at: first)
//     let lanes = monitor.push(frame)
//     let flags = monitor.takeFlags()

import Core
import Digitizer

/// Which lanes something is wrong with.
public struct ChannelFlags: Equatable, Sendable {
  public var clipped = LaneSet()
  public var spiked = LaneSet()
  public var stuck = LaneSet()
  public var dead = LaneSet()
  /// The lanes whose values mean nothing.
  public var silent: LaneSet { stuck.union(dead) }
  public init() {}
}

public struct ChannelCounters: Equatable, Sendable {
  public var clippedFrames: UInt32 = 0
  public var spikes: UInt32 = 0
  public init() {}
}

public struct ChannelMonitor: ~Copyable {
  public private(set) var counters = ChannelCounters()
  /// What was seen since the flags were last taken; stuck and dead as they stand.
  private var recent = ChannelFlags()

  /// All bits of the lanes that are there.
  private let present: SIMD4<Int32>
  private let clip: SIMD4<Int32>
  private let stuckFrames: Int32
  private let levelWeight: Double
  private let aloneFrames: Int32

  // x[n−1], x[n], x[n+1] before the newest, x[n+2].
  private var before = Lanes.zero
  private var candidate = Lanes.zero
  private var after = Lanes.zero
  private var previousRaw = Frame.zero
  private var run = SIMD4<Int32>.zero
  private var level = Lanes.zero
  private var framesSinceRestart: Int32 = 0
  /// How many frames each lane must wait until it may have another spike.
  private var framesAlone = SIMD4<Int32>.zero

  /// A step of twenty times the mean step (22 σ of Gaussian noise, whose mean step is 1.13 σ), and
  /// eight counts at least: a quiet converter's own noise toggles by one or two.
  private static let spikeFactor = 20.0
  private static let spikeCountsMinimum = 8.0
  private static let returnFraction = 0.25
  /// So many frames tell the mean step before anything is called a spike: a monitor that starts at
  /// a level of zero would take the spikes out of ordinary noise until it has learnt better.
  private static let learningFrames: Int32 = 16

  private static let aloneFrames: Int32 = 12
  /// A digitizer this fast sees no onset within a frame.
  private static let aloneHertzMaximum = 500.0

  /// How many frames later than its input the output is.
  public static let delayFrames = 2

  public init(presentLanes: LaneSet, clipCounts: Int, rateHertz: Double) {
    var mask = SIMD4<Int32>.zero
    for lane in 0..<4 where presentLanes.contains(lane: lane) { mask[lane] = -1 }
    present = mask
    clip = SIMD4(repeating: Int32(clamping: clipCounts))
    aloneFrames = rateHertz <= ChannelMonitor.aloneHertzMaximum ? ChannelMonitor.aloneFrames : 0
    stuckFrames = Int32(rateHertz < 1 ? 1 : rateHertz)
    levelWeight = 1 / (rateHertz < 10 ? 10 : rateHertz)  // the mean step follows within a second
  }

  public mutating func restart(at frame: Frame) {
    previousRaw = frame & present
    before = Lanes(previousRaw)
    candidate = before
    after = before
    run = .zero
    level = .zero
    framesSinceRestart = -Int32(ChannelMonitor.delayFrames)
    framesAlone = .zero
  }

  /// Takes the newest frame and returns the one two before it, spikes removed.
  @inline(__always)
  public mutating func push(_ raw: Frame) -> Lanes {
    let frame = raw & present
    let newest = Lanes(frame)
    let isSame = frame .== previousRaw
    previousRaw = frame
    run = (run &+ 1).replacing(with: 0, where: .!isSame)
    run.replace(with: stuckFrames, where: run .> stuckFrames)
    let isClipped = (frame .>= clip) .| (frame .<= (0 &- clip))
    if isAnySet(isClipped) { noteClipping(isClipped) }

    framesAlone &-= 1
    framesAlone.replace(with: 0, where: framesAlone .< 0)
    let step = candidate - before
    let threshold = level * ChannelMonitor.spikeFactor + ChannelMonitor.spikeCountsMinimum
    let magnitude = step.replacing(with: -step, where: step .< 0)
    let isFar = magnitude .> threshold
    if framesSinceRestart < ChannelMonitor.learningFrames {
      // The mean of the steps so far; the first two are between copies of the first frame.
      framesSinceRestart += 1
      if framesSinceRestart > 0 { level += (magnitude - level) / Double(framesSinceRestart) }
    } else {
      if isAnySet(isFar) { removeSpike(isFar, magnitude, newest) }
      let bounded = magnitude.replacing(with: threshold, where: isFar)
      level += (bounded - level) * levelWeight
    }

    let output = candidate
    before = candidate
    candidate = after
    after = newest
    return output
  }

  private mutating func noteClipping(_ mask: SIMDMask<SIMD4<Int32>>) {
    counters.clippedFrames &+= 1
    for lane in 0..<4 where mask[lane] { recent.clipped.insert(lane: lane) }
  }

  private mutating func removeSpike(
    _ isFar: SIMDMask<SIMD4<Int64>>, _ magnitude: Lanes, _ newest: Lanes
  ) {
    for lane in 0..<4 where isFar[lane] {
      let allowed = ChannelMonitor.returnFraction * magnitude[lane]
      guard framesAlone[lane] == 0, (after[lane] - before[lane]).magnitude < allowed,
        (newest[lane] - before[lane]).magnitude < allowed
      else { continue }
      candidate[lane] = 0.5 * (before[lane] + after[lane])
      framesAlone[lane] = aloneFrames
      recent.spiked.insert(lane: lane)
      counters.spikes &+= 1
    }
  }

  /// The level of a channel that has gone silent decays for ever otherwise.
  public mutating func flushTinyStates() {
    level.replace(with: 0, where: level .< 1e-100)
  }

  /// The flags since the last call.
  public mutating func takeFlags() -> ChannelFlags {
    var flags = recent
    recent = ChannelFlags()
    for lane in 0..<4 where present[lane] != 0 && run[lane] >= stuckFrames {
      if previousRaw[lane] == 0 {
        flags.dead.insert(lane: lane)
      } else {
        flags.stuck.insert(lane: lane)
      }
    }
    return flags
  }
}
