// RateConverter: any input rate from 20 Hz to 192 kHz to 100 samples a second, and where each lies.
//
// The picks' onsets must not be moved, and nothing may be folded into the ground's band. To keep
// every n-th frame folds hum and hiss into it. A linear-phase filter in front prevents that, rings
// before an onset, and delays it three times as long. And a rate such as 8013 Hz is no multiple of
// 100.
//
// Recursive elliptic filters are used instead. They are minimum-phase, so that an onset has no
// precursor, and their delay is taken off the place of each output.
//
//   stage 1   above 3200 Hz: four-pole elliptic filter, every D-th frame kept, 1600 Hz or more
//             remain
//   stage 2   ten-pole elliptic filter, 0.1 dB to 35 Hz, 104 dB from 49.8 Hz on; where the rate is
//             not a multiple of 100 Hz, zeros are stuffed between the frames first, so that it is
//             (or, for awkward rates, so that it is high enough for interpolation) and the filter
//             takes the images
//   output    every M-th value; for awkward rates the six-point Lagrange polynomial between them,
//             whose error at 50 Hz and 1600 values a second is below −120 dB
//
// An input at exactly 100 Hz passes unchanged. Below 100 Hz the filter's edge scales with the rate:
// what the record does not hold is not invented.
//
//     var converter = RateConverter(rateMillihertz: 8_000_000)
//     converter.restart(at: first)
//     for index in 0..<converter.push(frame) { take(converter[index].value) }

import Core

public let outputRateHertz = 100.0
public let outputPeriodNanoseconds = 10_000_000.0

public struct RateConverter: ~Copyable {
  /// A value at 100 samples a second and where it lies: input frames since the last restart, minus
  /// delay.
  public struct Output {
    public var value: Lanes
    public var inputPosition: Double
  }

  /// At 5 Hz; for slower inputs at the same fraction of the pass-band, 1 Hz for 20 frames a second:
  /// near its edge the delay grows, and an onset is made of what lies below.
  public let groupDelaySeconds: Double
  private let isPassThrough: Bool
  private let inputRateHertz: Double

  private let decimation: Int
  private var firstStage = InlineArray<2, Biquad>(repeating: Biquad())
  private var phase = 0

  private let stuffing: Int
  private var antiAlias = InlineArray<5, Biquad>(repeating: Biquad())
  /// Values after stage 2 per output; a whole number except for awkward rates.
  private let valuesPerOutput: Double
  private let interpolates: Bool
  private var history = InlineArray<6, Lanes>(repeating: .zero)
  private var origin = Lanes.zero
  private var pending = InlineArray<8, Output>(
    repeating: Output(value: .zero, inputPosition: 0))
  private var pendingCount = 0
  private var valueCount = 0
  private var outputCount = 0
  private var inputCount = 0

  /// The least rate for stage 2 when a first stage precedes it or interpolation follows.
  private static let workingRateHertz = 1600.0
  private static let passEdgeHertz = 35.5
  private static let firstStageEdgeHertz = 84.0
  private static let delayReferenceHertz = 5.0

  public static func supports(rateMillihertz: Int) -> Bool {
    (20_000...192_000_000).contains(rateMillihertz)
  }

  public init(rateMillihertz: Int) {
    precondition(RateConverter.supports(rateMillihertz: rateMillihertz))
    let rate = Double(rateMillihertz) / 1000
    inputRateHertz = rate
    isPassThrough = rateMillihertz == 100_000
    decimation = RateConverter.chooseDecimation(rateMillihertz)
    let reduced = rate / Double(decimation)
    (stuffing, interpolates) = RateConverter.chooseStuffing(rateMillihertz, decimation)
    let working = reduced * Double(stuffing)
    valuesPerOutput = working / outputRateHertz
    let bandScale = min(reduced / outputRateHertz, 1)
    var delay = 0.0
    if decimation > 1 {
      for index in 0..<2 {
        let section = BiquadCoefficients(
          firstStagePrototype[index], edgeHertz: RateConverter.firstStageEdgeHertz, rateHertz: rate)
        firstStage[index] = Biquad(section)
        delay += section.groupDelaySeconds(
          hertz: RateConverter.delayReferenceHertz, rateHertz: rate)
      }
    }
    if !isPassThrough {
      let edge = RateConverter.passEdgeHertz * bandScale
      for index in 0..<5 {
        let section = BiquadCoefficients(
          antiAliasPrototype[index], edgeHertz: edge, rateHertz: working)
        antiAlias[index] = Biquad(section)
        delay += section.groupDelaySeconds(
          hertz: RateConverter.delayReferenceHertz * bandScale, rateHertz: working)
      }
    }
    groupDelaySeconds = delay
  }

  /// The largest divisor that leaves a multiple of 100 Hz between 1600 and 3200 Hz, else the
  /// largest that leaves 1600 Hz.
  private static func chooseDecimation(_ rateMillihertz: Int) -> Int {
    let working = Int(workingRateHertz) * 1000
    let largest = rateMillihertz / working
    guard rateMillihertz > 2 * working else { return 1 }
    var divisor = largest
    while divisor > 1 && rateMillihertz / divisor <= 2 * working {
      if rateMillihertz % (divisor * 100_000) == 0 { return divisor }
      divisor -= 1
    }
    return largest
  }

  /// The fewest zeros that make the rate a multiple of 100 Hz, if at most 15 a frame do; otherwise
  /// as many as bring it to the working rate, and interpolation.
  private static func chooseStuffing(
    _ rateMillihertz: Int, _ decimation: Int
  ) -> (factor: Int, interpolates: Bool) {
    for factor in 1...16 where (rateMillihertz * factor) % (decimation * 100_000) == 0 {
      return (factor, false)
    }
    let reduced = Double(rateMillihertz) / Double(decimation) / 1000
    var factor = 1
    while reduced * Double(factor) < workingRateHertz { factor += 1 }
    return (factor, true)
  }

  /// Starts over, as if the input had stood at this value for ever. The value is taken off before
  /// the filters and put back after them: their states begin at zero and nothing rings.
  public mutating func restart(at value: Lanes) {
    origin = value
    phase = 0
    for index in 0..<2 { firstStage[index].clear() }
    for index in 0..<5 { antiAlias[index].clear() }
    history = InlineArray(repeating: .zero)
    valueCount = 0
    outputCount = 0
    inputCount = 0
  }

  /// Takes one frame; returns how many outputs it completes: none or one above 100 Hz, up to five
  /// below.
  @inline(__always)
  public mutating func push(_ frame: Lanes) -> Int {
    let position = inputCount
    inputCount += 1
    pendingCount = 0
    guard !isPassThrough else {
      pending[0] = Output(value: frame, inputPosition: Double(position))
      return 1
    }
    var value = frame - origin
    if decimation > 1 {
      value = firstStage[1].step(firstStage[0].step(value))
      let isKept = phase == 0
      phase = isKept ? decimation - 1 : phase - 1
      guard isKept else { return 0 }
    }
    for index in 0..<stuffing {
      var y = index == 0 ? value * Double(stuffing) : .zero
      for section in 0..<5 { y = antiAlias[section].step(y) }
      accept(y)
    }
    return pendingCount
  }

  /// One of the outputs that the last `push` announced.
  public subscript(index: Int) -> Output { pending[index] }

  @inline(__always)
  private mutating func accept(_ value: Lanes) {
    let number = valueCount
    valueCount += 1
    if interpolates {
      for index in 0..<5 { history[index] = history[index + 1] }
      history[5] = value
      // The polynomial is best in the middle interval of its six values, which ends two before the
      // newest.
      while Double(outputCount) * valuesPerOutput <= Double(number - 2) {
        let wanted = Double(outputCount) * valuesPerOutput
        append(interpolate(wanted - Double(number - 2)), at: wanted)
      }
    } else if Double(number) >= Double(outputCount) * valuesPerOutput {
      append(value, at: Double(number))
    }
  }

  private mutating func append(_ value: Lanes, at valuePosition: Double) {
    outputCount += 1
    let position = valuePosition * Double(decimation) / Double(stuffing)
    pending[pendingCount] = Output(
      value: value + origin, inputPosition: position - groupDelaySeconds * inputRateHertz)
    pendingCount += 1
  }

  /// Lagrange's polynomial through the six values, `t` in (−1, 0] counted from the fourth of them.
  private func interpolate(_ t: Double) -> Lanes {
    var sum = Lanes.zero
    for index in 0..<6 {
      let own = Double(index - 3)
      var weight = 1.0
      for other in 0..<6 where other != index {
        weight *= (t - Double(other - 3)) / (own - Double(other - 3))
      }
      sum += weight * history[index]
    }
    return sum
  }

  public mutating func flushTinyStates() {
    for index in 0..<2 { firstStage[index].flushTinyStates() }
    for index in 0..<5 { antiAlias[index].flushTinyStates() }
  }
}
