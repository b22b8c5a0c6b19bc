// Samples for a picker without a digitizer: noise, and what is laid on it.

import Conditioning
import Core
import Tools

@testable import Picker

/// A source of samples at 100 a second. `motion` is added to the noise of one count RMS a lane.
struct SyntheticStream {
  static let start = UTC(CalendarDate(year: 2026, month: 3, day: 1))
  var random: RandomGenerator
  private(set) var number: Int64 = 0
  var flags = ChannelFlags()
  var noiseCounts = SIMD4<Double>(100, 100, 100, 0)

  init(seed: UInt64) { random = RandomGenerator(seed: seed) }

  static func time(_ number: Int64) -> UTC { start + number * 10_000_000 }
  static func seconds(_ time: UTC) -> Double { Double(time - start) * 1e-9 }

  mutating func skip(_ samples: Int64) { number += samples }

  mutating func next(_ motion: SIMD4<Double> = .zero, isRestart: Bool = false) -> Sample {
    var counts = motion
    for lane in 0..<3 { counts[lane] += noiseCounts[lane] * random.gaussian() }
    let sample = Sample(
      number: number, time: SyntheticStream.time(number), counts: counts, motion: nil,
      flags: flags, isRestart: isRestart || number == 0)
    number += 1
    return sample
  }
}

/// Runs `seconds` of the stream through a picker; `motion` of the time in seconds since its start.
func listen(
  _ picker: inout Picker, _ stream: inout SyntheticStream, seconds: Double,
  restart: Bool = false, _ motion: (Double) -> SIMD4<Double> = { _ in .zero }
) -> [Pick] {
  var picks: [Pick] = []
  for index in 0..<Int(seconds * 100) {
    let time = SyntheticStream.seconds(SyntheticStream.time(stream.number))
    let sample = stream.next(motion(time), isRestart: restart && index == 0)
    picks += picker.picks(of: sample)
  }
  return picks
}

/// A wave train: silent before `onset`, then an oscillation that decays, `lasting` seconds to 5 %.
func waveTrain(
  _ time: Double, onset: Double, hertz: Double, lasting: Double, amplitude: Double
) -> Double {
  let t = time - onset
  guard t >= 0 else { return 0 }
  return amplitude * Elementary.exponential(-3 * t / lasting)
    * Elementary.sine(6.283185307179586 * hertz * t)
}

extension Picker {
  mutating func picks(of sample: Sample) -> [Pick] {
    step(sample)
    var picks: [Pick] = []
    while let found = next() {
      if case .pick(let pick) = found { picks.append(pick) }
    }
    return picks
  }
}
