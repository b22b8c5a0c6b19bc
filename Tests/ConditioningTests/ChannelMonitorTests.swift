// Raw frames with something wrong in them, and ordinary ones that must pass untouched.

import Conditioning
import Core
import Digitizer
import Foundation
import Testing

@Suite struct ChannelMonitorTests {
  func monitor(
    _ rateHertz: Double, present: LaneSet = 0b1111, clip: Int = 8_388_607
  ) -> ChannelMonitor {
    ChannelMonitor(presentLanes: present, clipCounts: clip, rateHertz: rateHertz)
  }

  /// Restarts at the first frame and returns the outputs, aligned with their inputs.
  func run(_ monitor: inout ChannelMonitor, _ frames: [Frame]) -> [Lanes] {
    monitor.restart(at: frames[0])
    let all = frames.map { monitor.push($0) }
    return Array(all.dropFirst(ChannelMonitor.delayFrames))
  }

  func background(_ count: Int, rateHertz: Double, seed: UInt64) -> [Frame] {
    var random = RandomGenerator(seed: seed)
    return (0..<count).map { index in
      let swell = 20_000 * sin(twoPi * 0.3 * Double(index) / rateHertz)
      var frame = Frame.zero
      for lane in 0..<4 { frame[lane] = Int32(swell + 100 * random.gaussian()) }
      return frame
    }
  }

  @Test(arguments: [100.0, 8000])
  func aSingleFrameFarOutIsRemovedAndCounted(_ rateHertz: Double) {
    let clean = background(Int(3 * rateHertz), rateHertz: rateHertz, seed: 1)
    var spiked = clean
    let at = Int(1.5 * rateHertz)
    spiked[at][1] = 1_000_000
    spiked[at + 50][2] = -400_000
    spiked[at + 50][3] = 400_000
    var monitor = monitor(rateHertz)
    let outputs = run(&monitor, spiked)
    #expect(monitor.counters.spikes == 3)
    #expect(monitor.takeFlags().spiked == 0b1110)
    #expect(monitor.takeFlags() == ChannelFlags())
    for (index, output) in outputs.enumerated() {
      for lane in 0..<4 {
        let difference = abs(output[lane] - Double(clean[index][lane]))
        let isReplaced = index == at && lane == 1 || index == at + 50 && lane >= 2
        #expect(isReplaced ? difference < 1000 : difference == 0)
      }
    }
  }

  @Test(arguments: [100.0, 8000])
  func noiseIsNotTakenForSpikesNotEvenAtTheStart(_ rateHertz: Double) {
    for seed in 1...5 as ClosedRange<UInt64> {
      let frames = background(Int(2 * rateHertz), rateHertz: rateHertz, seed: seed)
      var monitor = monitor(rateHertz)
      let outputs = run(&monitor, frames)
      #expect(monitor.counters.spikes == 0)
      #expect(zip(outputs, frames).allSatisfy { $0 == Lanes($1) })
    }
  }

  @Test(arguments: [1, 5, 10, 20, 25, 28, 30], [0.0, 0.25, 0.5, 0.75, 1.0, 1.5])
  func aLargeOnsetAt100HertzIsNoSpike(_ hertz: Double, _ phase: Double) {
    var frames = background(500, rateHertz: 100, seed: 2)
    for index in 300..<500 {
      let angle = twoPi * hertz * Double(index - 300) / 100 + phase * Double.pi
      frames[index] &+= Frame(repeating: Int32(3e6 * sin(angle)))
    }
    var monitor = monitor(100)
    let outputs = run(&monitor, frames)
    #expect(monitor.counters.spikes == 0)
    #expect(zip(outputs, frames).allSatisfy { $0 == Lanes($1) })
  }

  /// The known limit, so that a change of it is noticed: a third of the rate looks like spikes.
  @Test(arguments: [30.0, 31, 33.5, 36, 37])
  func aToneOfAThirdOfTheRateLosesAPeakInTwelve(_ hertz: Double) {
    var frames = background(500, rateHertz: 100, seed: 2)
    for index in 300..<500 {
      let angle = twoPi * hertz * Double(index - 300) / 100
      frames[index] &+= Frame(repeating: Int32(3e6 * sin(angle)))
    }
    var monitor = monitor(100)
    _ = run(&monitor, frames)
    let removed = monitor.counters.spikes / 4
    #expect(removed <= 3)
    #expect((removed > 0) == (31...36).contains(hertz))
  }

  @Test(arguments: [(12, 2 as UInt32), (11, 1)])
  func aSpikeComesAlone(frames apart: Int, removed: UInt32) {
    var frames = background(400, rateHertz: 100, seed: 4)
    for index in [200, 200 + apart] { frames[index][0] = 1_000_000 }
    var monitor = monitor(100)
    _ = run(&monitor, frames)
    #expect(monitor.counters.spikes == removed)
  }

  @Test func aFastDigitizersSpikesNeedNotBeAlone() {
    var frames = background(4000, rateHertz: 8000, seed: 4)
    for index in [2000, 2004] { frames[index][0] = 1_000_000 }
    var monitor = monitor(8000)
    _ = run(&monitor, frames)
    #expect(monitor.counters.spikes == 2)
  }

  @Test func aStepIsNoSpike() {
    var frames = background(4000, rateHertz: 1000, seed: 3)
    for index in 2000..<4000 { frames[index] &+= Frame(repeating: 5_000_000) }
    var monitor = monitor(1000)
    let outputs = run(&monitor, frames)
    #expect(monitor.counters.spikes == 0)
    #expect(zip(outputs, frames).allSatisfy { $0 == Lanes($1) })
  }

  @Test func clippedLanesAreFlaggedAtBothEnds() {
    for (value, isClipped) in [
      (8_388_607, true), (8_388_606, false), (-8_388_607, true), (-8_388_608, true),
      (-8_388_606, false), (Int32.max, true), (Int32.min, true),
    ] as [(Int32, Bool)] {
      for lane in 0..<4 {
        var monitor = monitor(100)
        var frame = Frame.zero
        frame[lane] = value
        monitor.restart(at: frame)
        _ = monitor.push(frame)
        #expect(monitor.takeFlags().clipped == (isClipped ? LaneSet(lane: lane) : LaneSet()))
        #expect(monitor.counters.clippedFrames == (isClipped ? 1 : 0))
      }
    }
  }

  @Test(arguments: [20.0, 100, 8000])
  func silentAndStuckLanesAreToldAfterASecond(_ rateHertz: Double) {
    var random = RandomGenerator(seed: 4)
    var monitor = monitor(rateHertz)
    let second = Int(rateHertz)
    func frame() -> Frame { Frame(Int32(random.below(1000)), 0, 777, Int32(random.below(1000))) }
    monitor.restart(at: frame())
    for _ in 0..<(second - 1) { _ = monitor.push(frame()) }
    #expect(monitor.takeFlags() == ChannelFlags())
    for _ in 0..<2 { _ = monitor.push(frame()) }
    for _ in 0..<2 {  // as they stand, however often they are asked for
      let flags = monitor.takeFlags()
      #expect(flags.dead == 0b0010)
      #expect(flags.stuck == 0b0100)
    }
    _ = monitor.push(Frame(1, 1, 778, 1))
    #expect(monitor.takeFlags() == ChannelFlags())
  }

  @Test func absentLanesAreZeroAndRaiseNothing() {
    var monitor = monitor(100, present: 0b0101)
    let frame = Frame(5, Int32.max, -5, Int32.min)
    var other = frame
    monitor.restart(at: frame)
    for index in 0..<300 {
      other[0] = Int32(index)
      other[2] = Int32(-index)
      // A spike in an absent lane, now and then.
      other[1] = index % 50 == 0 ? 1_000_000 : 0
      let output = monitor.push(other)
      #expect(output[1] == 0 && output[3] == 0)
    }
    #expect(monitor.takeFlags() == ChannelFlags())
    #expect(monitor.counters == ChannelCounters())

    var conditioner = Conditioner(
      ConditionerSettings(rateMillihertz: 8_000_000, presentLanes: 0b0101))
    feed(
      &conditioner, [Frame](repeating: Frame(1, 2, 3, -4), count: 800), rateMillihertz: 8_000_000
    ) { #expect($0.counts[1] == 0 && $0.counts[3] == 0) }
  }

  /// Swift traps on overflow: that this ends is the test, and that the numbers stay finite.
  @Test(arguments: [100_000, 8_000_000])
  func fullScaleDoesNotTrap(_ rateMillihertz: Int) {
    var conditioner = Conditioner(
      ConditionerSettings(
        rateMillihertz: rateMillihertz, presentLanes: 0b1111, gains: Lanes(1, -1, 100, -100),
        response: ConditionerTests.response))
    var random = RandomGenerator(seed: 5)
    let extremes: [Int32] = [.min, .max, .min + 1, 0, -1]
    let frames = (0..<(rateMillihertz / 1000 * 2)).map { _ in
      Frame(
        extremes[random.below(5)], extremes[random.below(2)], .min,
        Int32(truncatingIfNeeded: random.next()))
    }
    var count = 0
    feed(&conditioner, frames, rateMillihertz: rateMillihertz) { sample in
      count += 1
      #expect(sample.counts.sum().isFinite)
      #expect(sample.motion!.displacement.sum().isFinite)
      #expect(abs(sample.counts[0]) < 0x1p33)
    }
    #expect(count == 200)
    #expect(conditioner.channelCounters.clippedFrames == UInt32(frames.count))
  }
}
