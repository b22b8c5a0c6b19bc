// Repeats of an event are near to one another, other events are not.

import Conditioning
import Core
import Testing

@testable import Picker

@Suite struct FingerprintTests {
  private static let onset = 400

  /// An event of some seed: three lanes with energy that comes in spindles, as a source and its path
  /// make it, on noise of another seed.
  private static func bits(
    event: UInt64, noise: UInt64, gain: Double, shift: Int = 0, lanes: LaneSet = .components,
    samples: Int = 900
  ) -> UInt64? {
    var random = RandomGenerator(seed: event)
    var spindles: [(lane: Int, at: Double, size: Double, width: Double)] = []
    for _ in 0..<24 {
      spindles.append(
        (
          Int.random(in: 0..<3, using: &random), Double.random(in: 0...3, using: &random),
          Double.random(in: 0.2...1, using: &random), Double.random(in: 0.05...0.2, using: &random)
        ))
    }
    var other = RandomGenerator(seed: noise)
    var history = History()
    for index in 0..<samples {
      let time = Double(index - onset - shift) / 100
      var value = Lanes.zero
      for lane in 0..<3 {
        value[lane] = 3 * other.gaussian()
        for spindle in spindles where spindle.lane == lane && time >= 0 {
          let away = (time - spindle.at) / spindle.width
          let size = spindle.size * Elementary.exponential(-away * away / 2 - time / 2)
          value[lane] += gain * size * Elementary.sine(40 * time)
        }
      }
      history.append(
        filtered: value[0], broadband: 0, horizontal: 0, lanes: value,
        time: UTC(nanoseconds: Int64(index) * 10_000_000))
    }
    return history.fingerprint(onset: onset, lanes: lanes)
  }

  @Test func aRepeatIsNearAndAnotherEventIsNot() throws {
    var (repeats, others): ([Int], [Int]) = ([], [])
    for event in 0..<20 as Range<UInt64> {
      let first = try #require(Self.bits(event: event, noise: 100 + event, gain: 5000))
      let second = try #require(
        Self.bits(event: event, noise: 200 + event, gain: 500, shift: 2))
      let other = try #require(Self.bits(event: 50 + event, noise: 300 + event, gain: 5000))
      repeats.append((first ^ second).nonzeroBitCount)
      others.append((first ^ other).nonzeroBitCount)
    }
    #expect(repeats.sorted()[10] <= 11 && repeats.max()! <= 20, "\(repeats)")
    #expect(others.sorted()[10] >= 24 && others.min()! >= 14, "\(others)")
  }

  @Test func anAbsentLaneHasNoBits() throws {
    let all = try #require(Self.bits(event: 1, noise: 2, gain: 1000))
    let vertical = try #require(
      Self.bits(event: 1, noise: 2, gain: 1000, lanes: LaneSet(lane: 0)))
    #expect(vertical == all & 0x1F_FFFF)
    #expect(all >> 63 == 0)
  }

  @Test func beforeThreeSecondsAreThereThereIsNone() {
    #expect(Self.bits(event: 1, noise: 2, gain: 1000, samples: Self.onset + 293) == nil)
    #expect(Self.bits(event: 1, noise: 2, gain: 1000, samples: Self.onset + 294) != nil)
  }
}
