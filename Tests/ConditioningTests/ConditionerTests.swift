// The whole chain on blocks of raw frames: samples that do not depend on how the frames were cut
// into blocks, numbers and times across gaps, and states that never turn subnormal.

import Clock
import Conditioning
import Core
import Digitizer
import Foundation
import Testing

@Suite struct ConditionerTests {
  static let response = Response(quantity: .acceleration, unitsPerCount: Lanes(repeating: 1e-6))

  static func settings(_ rateMillihertz: Int) -> ConditionerSettings {
    ConditionerSettings(
      rateMillihertz: rateMillihertz, presentLanes: 0b1111, gains: Lanes(1, -2, 0.5, 3),
      response: response)
  }

  static func noise(_ count: Int, seed: UInt64, offset: Double = 0) -> [Frame] {
    var random = RandomGenerator(seed: seed)
    return (0..<count).map { _ in
      var frame = Frame.zero
      for lane in 0..<4 { frame[lane] = Int32(offset + 1000 * random.gaussian()) }
      return frame
    }
  }

  func run(_ frames: [Frame], rateMillihertz: Int, blockFrames: Int) -> [Sample] {
    var conditioner = Conditioner(ConditionerTests.settings(rateMillihertz))
    var samples: [Sample] = []
    // A gap in the middle as well: it must not depend on the blocks either.
    let half = frames.count / 2
    for (part, first) in [(frames[..<half], 0), (frames[half...], half + 777)] {
      feed(
        &conditioner, Array(part), firstFrame: Int64(first), rateMillihertz: rateMillihertz,
        blockFrames: blockFrames
      ) { samples.append($0) }
    }
    return samples
  }

  @Test(arguments: [8_000_000, 8_013_000, 100_000, 20_000], [1, 7, 1000])
  func samplesDoNotDependOnTheBlocks(_ rateMillihertz: Int, _ blockFrames: Int) {
    let count = rateMillihertz > 1_000_000 ? 16_000 : 3000
    let frames = ConditionerTests.noise(count, seed: 7, offset: 5000)
    let reference = run(frames, rateMillihertz: rateMillihertz, blockFrames: 80)
    let samples = run(frames, rateMillihertz: rateMillihertz, blockFrames: blockFrames)
    #expect(reference.count > 150)
    #expect(samples.count == reference.count)
    for (a, b) in zip(samples, reference) {
      #expect(a.number == b.number && a.isRestart == b.isRestart && a.flags == b.flags)
      #expect(a.counts == b.counts && a.motion == b.motion)
      // The time of a block and the offset in it are both rounded to a nanosecond.
      #expect(abs(a.time - b.time) <= 2)
    }
  }

  /// The chirp in counts through the whole chain, at the times on the samples themselves.
  @Test(arguments: [192_000_000, 44_100_000, 8_000_000, 848_080, 250_000, 100_000])
  func stampsAreRightToAMillisecond(_ rateMillihertz: Int) {
    let chirp = Chirp()
    var conditioner = Conditioner(ConditionerTests.settings(rateMillihertz))
    var samples: [(time: Double, value: Double)] = []
    feed(
      &conditioner,
      frames(rateMillihertz: rateMillihertz, seconds: 2.6) {
        Lanes(repeating: 1e6 * chirp($0))
      }, rateMillihertz: rateMillihertz
    ) { samples.append((secondsAfterStart($0.time), $0.counts[0] / 1e6)) }
    let shift = chirp.shift(of: samples)
    #expect(abs(shift) < 0.001)
  }

  @Test(arguments: [8_000_000, 8_013_000, 100_000, 50_000], [1, 80, 1234, 100_000])
  func aGapStartsTheFiltersAnew(_ rateMillihertz: Int, _ gapFrames: Int) {
    let rate = Double(rateMillihertz) / 1000
    let count = Int(2 * rate)
    let loud = ConditionerTests.noise(count, seed: 3).map { $0 &* 1000 }
    let quiet = ConditionerTests.noise(count, seed: 4, offset: -40_000)
    var conditioner = Conditioner(ConditionerTests.settings(rateMillihertz))
    var before: [Sample] = []
    var after: [Sample] = []
    feed(&conditioner, loud, rateMillihertz: rateMillihertz) { before.append($0) }
    feed(
      &conditioner, quiet, firstFrame: Int64(count + gapFrames), rateMillihertz: rateMillihertz
    ) { after.append($0) }
    #expect(before.map(\.isRestart) == [true] + Array(repeating: false, count: before.count - 1))
    #expect(after.map(\.isRestart) == [true] + Array(repeating: false, count: after.count - 1))
    #expect(before.map(\.number) == Array(0..<Int64(before.count)))

    // The rest is as if nothing had ever come before.
    var fresh = Conditioner(ConditionerTests.settings(rateMillihertz))
    var alone: [Sample] = []
    feed(&fresh, quiet, rateMillihertz: rateMillihertz) { alone.append($0) }
    #expect(zip(alone, after).allSatisfy { $0.counts == $1.counts && $0.motion == $1.motion })
    #expect(alone.count == after.count)

    // Numbers and times across it.
    let elapsed = Double(after[0].time - before[before.count - 1].time) / 1e7
    let jump = Double(after[0].number - before[before.count - 1].number)
    #expect(elapsed > 0)
    #expect(jump >= 1)
    #expect(abs(jump - elapsed) <= 1)
    // The missing time, and at most the fraction of a period on either side of it.
    #expect(abs(jump - Double(gapFrames) / rate * 100) <= 3)
    let all = before + after
    for (a, b) in zip(all, all.dropFirst()) { #expect(a.time < b.time && a.number < b.number) }
    for (a, b) in zip(after, after.dropFirst()) {
      #expect(abs(Double(b.time - a.time) - 1e7) <= 3)
      #expect(b.number == a.number + 1)
    }
  }

  @Test(arguments: [8_000_000, 8_013_000, 100_000, 31_250])
  func anOffsetMakesNoStep(_ rateMillihertz: Int) {
    let rate = Double(rateMillihertz) / 1000
    var conditioner = Conditioner(ConditionerTests.settings(rateMillihertz))
    var largest = 0.0
    var motion = 0.0
    for (first, offset) in [(0, 1e6), (1_000_000, -3e6)] {
      // A little noise on it, so that the first frame is not exactly the offset.
      let frames = ConditionerTests.noise(Int(20 * min(rate, 1000)), seed: 9).map {
        $0 / 100 &+ Frame(repeating: Int32(offset))
      }
      feed(
        &conditioner, frames, firstFrame: Int64(first), rateMillihertz: rateMillihertz
      ) { sample in
        for lane in 0..<4 {
          largest = max(largest, abs(sample.counts[lane]))
          motion = max(motion, abs(sample.motion!.displacement[lane]))
        }
      }
    }
    #expect(largest < 1000)
    // 50 counts of noise in the first frame, times the gain of 3, are a step of 1.5e-4 m/s²; with
    // the high-passes' time constant of 2 s squared that is 6e-4 m, the offset itself would be 10
    // m.
    #expect(motion < 2e-3)
  }

  @Test func aClockThatStepsBackDoesNotTurnTimeBack() {
    var conditioner = Conditioner(ConditionerTests.settings(100_000))
    let frames = ConditionerTests.noise(100, seed: 1)
    var times: [UTC] = []
    frames.withUnsafeBufferPointer { all in
      for (block, seconds) in [(0, 0), (1, -3), (2, 2)] {
        let time = streamStart + Int64(block + seconds) * 1_000_000_000
        _ = conditioner.begin(
          Block(
            frames: all, firstFrame: Int64(block * 100), firstFrameTime: time,
            nanosecondsPerFrame: 1e7, clock: ClockReading()))
        for frame in all {
          for ready in 0..<conditioner.push(frame) { times.append(conditioner.sample(ready).time) }
        }
      }
    }
    #expect(times.count == 300)
    for (a, b) in zip(times, times.dropFirst()) { #expect(a < b) }
  }

  /// Reads the conditioner's own memory, eight bytes at a time. Counters look like subnormals as
  /// well, and so do addresses left in padding; neither reaches 2⁴⁸, and a state that decays
  /// through the subnormals spends nearly three time constants above that.
  static func hasSubnormal(_ conditioner: inout Conditioner) -> Bool {
    withUnsafeBytes(of: &conditioner) { bytes in
      for offset in stride(from: 0, to: bytes.count - 7, by: 8) {
        let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        let value = Double(bitPattern: word)
        if value.isSubnormal && (word & ~(1 << 63)) > (1 << 48) { return true }
      }
      return false
    }
  }

  @Test(arguments: [250_000, 200_000, 100_000, 99_990, 20_000])
  func silenceAfterAnImpulseLeavesNoSubnormals(_ rateMillihertz: Int) {
    var conditioner = Conditioner(ConditionerTests.settings(rateMillihertz))
    let rate = Double(rateMillihertz) / 1000
    var impulse = [Frame](repeating: .zero, count: 20)
    impulse[10] = Frame(1_000_000, -3, Int32.max, Int32.min)
    impulse[11] = impulse[10]
    feed(&conditioner, impulse, rateMillihertz: rateMillihertz) { _ in }
    let second = [Frame](repeating: .zero, count: Int(rate))
    var tiny = 0
    var subnormalSeconds = 0
    var at = Int64(impulse.count)
    for _ in 0..<1000 {
      feed(&conditioner, second, firstFrame: at, rateMillihertz: rateMillihertz) { sample in
        let motion = sample.motion!
        for value in [sample.counts, motion.acceleration, motion.velocity, motion.displacement] {
          for lane in 0..<4 where value[lane] != 0 && abs(value[lane]) < 1e-300 { tiny += 1 }
        }
      }
      at += Int64(second.count)
      if ConditionerTests.hasSubnormal(&conditioner) { subnormalSeconds += 1 }
    }
    #expect(tiny == 0)
    #expect(subnormalSeconds == 0)
  }
}
