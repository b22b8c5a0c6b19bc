// station: what happens to a station with a calibrated sensor and a relay, as a list of happenings
// of eight bytes each, from frames to the line.
//
//   kind, flags, 16 bits a, 32 bits b (signed)
//
// Promised of every list: nothing traps, whatever is sent is within the ranges of its type, what
// waits to be done is bounded, and the relay is to be closed only while an alarm that is no drill
// stands or a test lasts, and never while a switch inhibits it.

import Conditioning
import Core
import Estimator
import StationFixture
import Tools
import Uplink

struct StationTarget: Target, ~Copyable {
  /// The kinds, by their remainder.
  enum Kind: UInt8, CaseIterable {
    /// `a` frames of noise, at most 2000, on the lanes of the flags.
    case noise
    /// `a` frames of shaking of `b` counts at most, at a frequency by the flags.
    case shaking
    /// `a` frames at `b`: an offset, a step, a stuck lane.
    case constant
    /// One frame of `b` on the lanes of the flags, then nine of noise.
    case spike
    /// `a` frames that go from one end of the converter's range to the other.
    case rails
    /// `a` frames are missing.
    case gap
    /// The numbering begins anew at `b`.
    case renumber
    /// `a` tenths of a second without frames, up to a minute; by the flags with or without a
    /// digitizer.
    case silence
    /// UTC steps by `b` seconds.
    case step
    /// A signed command: the parameter by the flags, `b` as its value.
    case command
    /// The lines and the switch, by the flags.
    case lines
    /// From now on the disk takes what it is given, or does not, by the flags.
    case disk
    /// `a` frames, and nobody does what the station wants.
    case neglect
  }
  private static let happeningsMaximum = 16

  let corpus: [[UInt8]] = StationTarget.makeCorpus()
  let dialect = Dialect(
    tokens: StationTarget.makeTokens(), unitByteCount: 8, headByteCount: 2,
    maximumByteCount: 8 * StationTarget.happeningsMaximum)
  private var alarms = 0
  private var closed = 0

  var summary: String { "\(alarms) with an alarm, \(closed) with a closed relay" }

  /// Minutes of frames each.
  var inputsPerAlarm: Int { 4 }

  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {}

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    let world = try StationWorld(seed: UInt64(iteration), isLatched: iteration % 4 == 3)
    for index in 0..<min(bytes.count / 8, Self.happeningsMaximum) {
      try world.happen(UnsafeBufferPointer(rebasing: bytes[(8 * index)..<(8 * index + 8)]))
    }
    if world.hadAlarm { alarms += 1 }
    if world.wasClosed { closed += 1 }
    return true
  }
}

// MARK: Corpus

extension StationTarget {
  private static func happening(
    _ kind: Kind, flags: UInt8 = 0, a: UInt16 = 0, b: Int32 = 0
  ) -> [UInt8] {
    let bits = UInt32(bitPattern: b)
    return [kind.rawValue, flags, UInt8(truncatingIfNeeded: a), UInt8(truncatingIfNeeded: a >> 8)]
      + (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
  }

  private static func command(_ parameter: CommandParameter, _ value: Int32) -> [UInt8] {
    happening(.command, flags: UInt8(parameter.rawValue), b: value)
  }

  private static func makeTokens() -> [[UInt8]] {
    [
      happening(.constant, flags: 7, a: 200, b: .max), happening(.spike, flags: 1, b: .min),
      happening(.rails, flags: 7, a: 50), happening(.gap, a: 3000),
      happening(.renumber, b: -1), happening(.silence, flags: 0, a: 600),
      happening(.step, b: 86_400), happening(.step, b: -3600), command(.release, 0),
      command(.drill, 1), command(.drill, 0), command(.relayTest, 500),
      happening(.lines, flags: 0b10), happening(.lines, flags: 0b100), happening(.disk, flags: 1),
      happening(.neglect, a: 1000), happening(.shaking, flags: 20, a: 800, b: 2_000_000),
    ]
  }

  private static func makeCorpus() -> [[UInt8]] {
    let quiet = happening(.noise, flags: 7, a: 1500)
    let strong = happening(.shaking, flags: 20, a: 1000, b: 3_000_000)
    let over = happening(.noise, flags: 7, a: 2000)
    return [
      quiet + strong + over + over + over,
      quiet + strong + happening(.silence, a: 600) + quiet + strong + over,
      quiet + strong + command(.release, 0) + over + strong,
      quiet + command(.drill, 1) + strong + command(.drill, 0) + over,
      quiet + happening(.lines, flags: 0b1001) + strong + happening(.lines) + strong,
      quiet + command(.relayTest, 3000) + happening(.constant, flags: 7, a: 400, b: 1000) + strong,
      quiet + happening(.spike, flags: 1, b: .max) + happening(.rails, flags: 7, a: 300) + quiet
        + happening(.gap, a: 5000) + quiet + strong,
      quiet + happening(.step, b: -86_400) + strong + happening(.step, b: 86_400) + over + over,
      quiet + happening(.renumber, b: 77) + quiet + strong + happening(.neglect, a: 2000),
      quiet + happening(.disk, flags: 1) + command(.triggerRatio, 9000) + strong
        + command(.release, 0),
    ]
  }
}
