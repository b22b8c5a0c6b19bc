// Degradation: clean records made worse with real noise, to a signal-to-noise ratio that is known.
//
//     options.degradation = Degradation(noisePaths: ["noise.mseed"], decibels: 10, seed: 1)

import Conditioning
import Core
import Foundation

public struct Degradation {
  public var noisePaths: [String]
  public var decibels: Double
  public var seed: UInt64

  public init(noisePaths: [String], decibels: Double, seed: UInt64) {
    self.noisePaths = noisePaths
    self.decibels = decibels
    self.seed = seed
  }
}

/// The vertical's energy from 2 to 20 Hz in the second after an onset over that in the 2.8 s before
/// it.
enum SignalToNoise {
  static func decibels(_ record: ConditionedRecord, at seconds: Double) -> Double {
    let (signal, noise) = energies(record, at: seconds)
    return 10 * log10((signal + 1e-9) / (noise + 1e-9))
  }

  static func energies(
    _ record: ConditionedRecord, at seconds: Double
  ) -> (signal: Double, noise: Double) {
    let samples = record.samples
    let onset = record.index(seconds)
    let begin = max(0, onset - 1000)
    guard begin < samples.count else { return (0, 0) }
    var highPass = Biquad(.highPass(cornerHertz: 2, rateHertz: outputRateHertz))
    var lowPass = Biquad(.lowPass(cornerHertz: 20, rateHertz: outputRateHertz))
    _ = highPass.settle(at: samples[begin])
    var (signal, noise) = (Mean(), Mean())
    for index in begin..<min(samples.count, onset + 100) {
      let value = lowPass.step(highPass.step(samples[index]))[0]
      if index >= onset { signal.add(value * value) }
      if index >= onset - 300, index < onset - 20 { noise.add(value * value) }
    }
    return (signal.value, noise.value)
  }

  private struct Mean {
    private var sum = 0.0
    private var count = 0.0
    mutating func add(_ value: Double) {
      sum += value
      count += 1
    }
    var value: Double { count > 0 ? sum / count : 0 }
  }
}

extension InstrumentRecord {
  /// As if the converter had been so coarse that the vertical's noise before the P at `p` seconds,
  /// from 2 to 20 Hz, were `counts` rms. False where there was no noise.
  mutating func coarsen(noiseCounts counts: Double, p: Double) -> Bool {
    let noise = SignalToNoise.energies(conditioned(), at: p).noise.squareRoot()
    guard noise > 0 else { return false }
    for segment in segments.indices {
      // An offset would leave the range of 32 bits, where records become larger.
      let first = segments[segment].frames.first ?? .zero
      for index in segments[segment].frames.indices {
        let frame = segments[segment].frames[index]
        for lane in 0..<3 where presentLanes.contains(lane: lane) {
          let value = (Double(frame[lane]) - Double(first[lane])) * (counts / noise)
          segments[segment].frames[index][lane] = Int32(
            max(-2_147_483_647, min(2_147_483_647, value.rounded())))
        }
      }
    }
    return true
  }
}

struct NoiseSource {
  private let degradation: Degradation
  private var random: RandomGenerator
  private let noises: [InstrumentRecord]

  init(_ degradation: Degradation) throws {
    self.degradation = degradation
    random = RandomGenerator(seed: degradation.seed)
    noises = try degradation.noisePaths.flatMap { path in
      guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
        throw ToolError("\(path): cannot be read")
      }
      return try MiniSeed.read([data]).0
    }
    guard !noises.isEmpty else { throw ToolError("--noise: no instrument in the files") }
  }

  /// Adds noise so that the P at `p` seconds has the ratio that is asked for. False where the
  /// record is not that clean, or no noise has its rate.
  mutating func degrade(_ record: inout InstrumentRecord, p: Double) -> Bool {
    let frames = record.segments[0].frames
    let matching = noises.filter {
      $0.rateMillihertz == record.rateMillihertz && $0.segments[0].frames.count > frames.count
        && $0.presentLanes.contains(record.presentLanes)
    }
    guard !matching.isEmpty else { return false }
    let (signal, own) = SignalToNoise.energies(record.conditioned(), at: p)
    let wanted = signal / pow(10, degradation.decibels / 10)
    guard own < wanted else { return false }
    let noise = matching[random.below(matching.count)]
    let begin = random.below(noise.segments[0].frames.count - frames.count)
    var piece = noise
    piece.segments = [noise.segments[0]]
    piece.segments[0].frames = Array(noise.segments[0].frames[begin..<(begin + frames.count)])
    let added = SignalToNoise.energies(piece.conditioned(), at: p).noise
    guard added > 0 else { return false }
    // What is there already is part of it.
    let gain = ((wanted - own) / added).squareRoot()
    for index in frames.indices {
      for lane in 0..<3 where record.presentLanes.contains(lane: lane) {
        let sum = Double(frames[index][lane]) + gain * Double(piece.segments[0].frames[index][lane])
        record.segments[0].frames[index][lane] = Int32(
          max(-2_147_483_647, min(2_147_483_647, sum.rounded())))
      }
    }
    return true
  }
}
