// Records for the tests of the reader: one channel of XX.ONST1.00 at 100 Hz, whose every sample
// tells its own place.

import CMseed
import Foundation
import Testing
import Tools

/// 2020-03-01T00:00:00Z, which is also where a HandWrittenRecord begins.
let recordStart: Int64 = 1_583_020_800_000_000_000

/// The value at a frame: no two frames that a shift could confuse have the same, and no lanes
/// either.
func sample(_ frame: Int, lane: Int = 0) -> Int32 {
  Int32((frame * 7919 + lane * 104_729) % 20_011 - 10_000)
}

/// Frames `range` of one channel as Steim2 records.
func packed(
  _ range: Range<Int>, channel: String = "EHZ", station: String = "ONST1", lane: Int = 0,
  rate: Double = 100, offsetNanoseconds: Int64 = 0
) throws -> [UInt8] {
  let first = Int64((Double(range.lowerBound) * 1e9 / rate).rounded())
  return try packed(
    range.map { sample($0, lane: lane) }, channel: channel, station: station, rate: rate,
    start: recordStart + first + offsetNanoseconds)
}

/// Any samples of one channel as Steim2 records.
func packed(
  _ samples: [Int32], channel: String, station: String = "ONST1", rate: Double = 100,
  start: Int64 = recordStart
) throws -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: 512 * (samples.count / 64 + 2))
  let count = cmseed_pack(
    "XX", station, "00", channel, start, rate, samples, Int64(samples.count), &bytes, bytes.count)
  try #require(count > 0)
  return Array(bytes[..<count])
}

func read(
  _ files: [UInt8]...
) throws -> (instruments: [InstrumentRecord], report: MiniSeedReport) {
  try MiniSeed.read(files.map { Data($0) })
}

extension InstrumentRecord {
  /// Frame ranges of the segments.
  var ranges: [Range<Int>] {
    segments.map { Int($0.firstFrame)..<(Int($0.firstFrame) + $0.frames.count) }
  }

  /// The first frame whose value is not that of its place; nil when all are.
  func misplaced(lane: Int, from origin: Int = 0) -> Int? {
    for segment in segments {
      for (index, frame) in segment.frames.enumerated() {
        let number = Int(segment.firstFrame) + index + origin
        if frame[lane] != sample(number, lane: lane) { return number }
      }
    }
    return nil
  }
}
