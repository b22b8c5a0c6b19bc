// FeatureExtractor: what the picker's network sees of the ground. Causal, without statistics of any
// window, and the same to the bit in training (calibration/training/features.py).
//
//   scale     of a component: the running median of its size above 1 Hz, by steps of a fixed share
//             up or down. It follows the noise, whatever the noise is; one spike, however large,
//             moves it by one step.
//   fine      the signal over its scale, in steps of a sixth, to ten times the scale: the noise,
//             and what hides in it
//   coarse    the same in thirds of an octave, to 126 dB: microseisms and strong motion alike
//   fast      the signal over its mean size of the last second and a half, in tenths, to 6.3 times: an
//             S in the coda of a loud P, which in the coarse view is a rise of four steps
//   age       counts down from a start or a gap, so that the network knows what it cannot know yet
//
// A component that is missing or broken is blank in all of them.
//
//     var features = FeatureExtractor()
//     features.restart(at: sample.counts, knowsNoise: false)
//     let codes = features.step(sample.counts, lanes: .components)

import Conditioning
import Core

public struct FeatureExtractor: Sendable {
  /// Fine and coarse of the vertical, of north, of east; age; blank; fast of each; blank. Kernels
  /// take channels by fours, so a network that knows two views takes the first eight.
  public static let channelCount = 12
  public static let channelCountOfTwoViews = 8
  public typealias Codes = SIMD16<UInt8>

  /// The code of zero: as far from both ends of 7 bits as can be.
  public static let blank: UInt8 = 64
  private static let mostCode = 63.0

  /// Above the microseisms (0.1 to 0.4 Hz), below a local earthquake's P.
  private static let cornerHertz = 1.0
  /// A plain mean until the median's steps can follow.
  private static let meanSamples = 50.0
  /// 0.2 % a sample: 1.7 dB a second, so that an event of a minute does not pass for noise at once
  /// and louder ground does within one.
  private static let rateMinimum = 0.002
  /// The share of the nth sample is this over n at first: a record that begins with a step has its
  /// true scale five seconds later.
  private static let rateFirst = 3.0
  /// A converter's own rounding: on ground that is quieter than a count the scale rests here, so
  /// that an event of five counts is far above it.
  private static let scaleFloorCounts = 0.1
  /// A lane that stood still for a second, and a tenth of a second later is far away, was padding or
  /// a cable that was off: its scale is sought anew. Quiet ground wakes by a count or a few.
  private static let stillSamples = 100.0
  /// Filters do not come to rest to the last bit.
  private static let stillCounts = 0.01
  private static let wakingSamples = 10.0
  private static let wakingCounts = 32.0
  private static let finePerScale = 6.0
  private static let coarsePerOctave = 3.0
  private static let ageShift = 3
  /// Long beside a period of S, short beside an S − P of three seconds.
  private static let latelyWeight = 1.0 / 150
  /// Before an event the noise is what it is compared with, and a little more sensitively.
  private static let latelyFloor = 0.7
  private static let perLately = 10.0

  private var highPass = Biquad(
    .highPass(cornerHertz: cornerHertz, rateHertz: outputRateHertz))
  private var sum = Lanes.zero
  public private(set) var scale = Lanes(repeating: scaleFloorCounts)
  /// Samples that the scale rests on.
  private var learned = Lanes.zero
  /// The mean size until the sample before.
  private var lately = Lanes.zero
  private var previous = Lanes.zero
  /// Samples since each lane changed.
  private var still = Lanes.zero
  /// Where each lane stood, and for how many samples more it may wake.
  private var rested = Lanes.zero
  private var waking = Lanes.zero
  /// A lane woke in the last sample, and from padding.
  public private(set) var hasWoken = false
  private var age = 0

  public init() {}

  /// What went before says nothing about the next sample, `counts`; of the noise it does when
  /// `knowsNoise`.
  public mutating func restart(at counts: Lanes, knowsNoise: Bool) {
    _ = highPass.settle(at: counts)
    previous = counts
    still = .zero
    waking = .zero
    lately = .zero
    age = 0
    guard !knowsNoise else { return }
    learned = .zero
    sum = .zero
  }

  /// The next sample's codes. `lanes`: the components that are there.
  public mutating func step(_ counts: Lanes, lanes: LaneSet) -> Codes {
    let filtered = highPass.step(counts)
    let size = filtered.replacing(with: -filtered, where: filtered .< 0)
    wake(counts)
    learn(size)
    let ratio = size / scale
    let floor = scale * FeatureExtractor.latelyFloor
    let recent = size / lately.replacing(with: floor, where: lately .< floor)
    lately += (size - lately) * FeatureExtractor.latelyWeight
    var codes = Codes(repeating: FeatureExtractor.blank)
    for lane in 0..<3 where lanes.contains(lane: lane) {
      let fine = FeatureExtractor.code(ratio[lane] * FeatureExtractor.finePerScale)
      let coarse = FeatureExtractor.code(
        FeatureExtractor.octaves(1 + ratio[lane]) * FeatureExtractor.coarsePerOctave)
      let fast = FeatureExtractor.code(recent[lane] * FeatureExtractor.perLately)
      let isDown = filtered[lane] < 0
      func signed(_ code: UInt8) -> UInt8 {
        isDown ? FeatureExtractor.blank - code : FeatureExtractor.blank + code
      }
      codes[2 * lane] = signed(fine)
      codes[2 * lane + 1] = signed(coarse)
      codes[8 + lane] = signed(fast)
    }
    let youth = Int(FeatureExtractor.mostCode) - (age >> FeatureExtractor.ageShift)
    if youth > 0 {
      codes[6] = FeatureExtractor.blank + UInt8(youth)
      age += 1
    }
    return codes
  }

  public mutating func flushTinyStates() { highPass.flushTinyStates() }

  private mutating func wake(_ counts: Lanes) {
    let step = counts - previous
    let isSame =
      step.replacing(with: -step, where: step .< 0)
      .<= Lanes(repeating: FeatureExtractor.stillCounts)
    let ends = .!isSame .& (still .>= Lanes(repeating: FeatureExtractor.stillSamples))
    rested.replace(with: previous, where: ends)
    waking.replace(with: Lanes(repeating: FeatureExtractor.wakingSamples), where: ends)
    let difference = counts - rested
    let far = difference.replacing(with: -difference, where: difference .< 0)
    let wakes = (waking .> 0) .& (far .> Lanes(repeating: FeatureExtractor.wakingCounts))
    waking = (waking - 1).replacing(with: 0, where: wakes .| (waking .< 1))
    still = (still + 1).replacing(with: 0, where: .!isSame)
    previous = counts
    sum.replace(with: 0, where: wakes)
    learned.replace(with: 0, where: wakes)
    lately.replace(with: 0, where: wakes)
    hasWoken = wakes[0] || wakes[1] || wakes[2]
  }

  private mutating func learn(_ size: Lanes) {
    let isMean = learned .< Lanes(repeating: FeatureExtractor.meanSamples)
    sum.replace(with: sum + size, where: isMean)
    let count = learned + 1
    var rate = FeatureExtractor.rateFirst / count
    let minimum = Lanes(repeating: FeatureExtractor.rateMinimum)
    rate.replace(with: minimum, where: rate .< minimum)
    let tracked = (scale * (1 - rate)).replacing(with: scale * (1 + rate), where: size .> scale)
    scale = tracked.replacing(with: sum / count, where: isMean)
    let floor = Lanes(repeating: FeatureExtractor.scaleFloorCounts)
    scale.replace(with: floor, where: scale .< floor)
    // What filters make of a record's first samples is next to nothing, and no sign of quiet ground.
    let isBeginning =
      (learned .== 0) .& (size .<= floor)
      .& (still .< Lanes(repeating: FeatureExtractor.stillSamples))
    learned = count.replacing(with: 0, where: isBeginning)
  }

  /// The logarithm to base 2 of x ≥ 1, straight between powers of two: companding needs no more,
  /// and this is exact everywhere.
  private static func octaves(_ x: Double) -> Double { Double(x.exponent) + (x.significand - 1) }

  /// To the nearest, halves up, 63 at most.
  private static func code(_ x: Double) -> UInt8 { UInt8(min(x + 0.5, mostCode)) }
}
