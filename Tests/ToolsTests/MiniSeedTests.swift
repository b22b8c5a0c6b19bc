// Whatever order, gaps, overlaps and damage the files have: each is reported as what it is, and no
// sample stands at another time than its own.

import Core
import Foundation
import Testing
import Tools

@Suite struct MiniSeedTests {
  @Test func threeComponentsJoin() throws {
    let (instruments, report) = try read(
      packed(0..<1000),
      packed(0..<1000, channel: "EHN", lane: 1) + packed(0..<1000, channel: "EHE", lane: 2))
    let record = try #require(instruments.first)
    #expect(instruments.count == 1)
    #expect(record.code == "XX.ONST1.00.EH")
    #expect(record.rateMillihertz == 100_000)
    #expect(record.presentLanes == 0b111)
    #expect(record.ranges == [0..<1000])
    #expect(record.segments[0].start.nanoseconds == recordStart)
    for lane in 0..<3 { #expect(record.misplaced(lane: lane) == nil) }
    #expect(report.complaints.isEmpty)
    #expect(report.records > 3)
  }

  @Test func numberedHorizontalsAreNorthAndEast() throws {
    let (instruments, _) = try read(
      packed(0..<300, channel: "HH3") + packed(0..<300, channel: "HH1", lane: 1)
        + packed(0..<300, channel: "HH2", lane: 2))
    let record = try #require(instruments.first)
    #expect(record.presentLanes == 0b111)
    for lane in 0..<3 { #expect(record.misplaced(lane: lane) == nil) }
  }

  @Test func gapsSplitSegmentsAndCount() throws {
    let (instruments, report) = try read(
      packed(0..<500) + packed(650..<900) + packed(100_000..<100_100))
    let record = try #require(instruments.first)
    #expect(record.ranges == [0..<500, 650..<900, 100_000..<100_100])
    #expect(record.misplaced(lane: 0) == nil)
    #expect(record.segments[2].start.nanoseconds == recordStart + 1_000_000_000_000)
    var expected = MiniSeedReport()
    expected.records = report.records
    expected.gaps = 2
    #expect(report == expected)
  }

  @Test func aGapOfOneFrameIsSeen() throws {
    let (instruments, report) = try read(packed(0..<300) + packed(301..<600))
    #expect(instruments[0].ranges == [0..<300, 301..<600])
    #expect(instruments[0].misplaced(lane: 0) == nil)
    #expect(report.gaps == 1)
  }

  @Test func timesThatWobbleByLessThanHalfAFrameAreNoGap() throws {
    let (instruments, report) = try read(
      packed(0..<300) + packed(300..<600, offsetNanoseconds: 4_900_000)
        + packed(600..<900, offsetNanoseconds: -4_900_000))
    #expect(instruments[0].ranges == [0..<900])
    #expect(instruments[0].misplaced(lane: 0) == nil)
    #expect(report.gaps == 0 && report.overlaps == 0)
  }

  /// A digitizer that is 50 ppm slow or fast: each record fits the last one, an hour does not fit
  /// the rate.
  @Test(arguments: [50, -50])
  func aDriftingClockMakesNoGapAndKeepsItsTimes(partsPerMillion: Int) throws {
    var file: [UInt8] = []
    let frames = 360_000
    for first in stride(from: 0, to: frames, by: 1000) {
      file += try packed(
        first..<(first + 1000), offsetNanoseconds: Int64(first * 10 * partsPerMillion))
    }
    let (instruments, report) = try read(file)
    #expect(report.complaints.isEmpty, "\(report.complaints)")
    #expect(instruments[0].ranges == [0..<frames])
    #expect(instruments[0].misplaced(lane: 0) == nil)
    let last = instruments[0].segments[0].anchors.last?.nanoseconds ?? 0
    #expect(last - recordStart == Int64(frames - 1000) * Int64(10_000_000 + 10 * partsPerMillion))
  }

  /// After a gap the record's own time counts, not the nearest place on the old grid.
  @Test func aGapOfAFractionKeepsItsTime() throws {
    let (instruments, _) = try read(
      packed(0..<300) + packed(400..<700, offsetNanoseconds: 4_900_000))
    #expect(instruments[0].ranges == [0..<300, 400..<700])
    #expect(instruments[0].segments[1].start.nanoseconds == recordStart + 4_004_900_000)
  }

  @Test func overlapsAreCutAndWhatCameFirstCounts() throws {
    // The second copy of the frames 200..<300 has other values; they must not be seen.
    let other = try packed(200..<400, lane: 0)
    let (instruments, report) = try read(packed(0..<300), other)
    #expect(instruments[0].ranges == [0..<400])
    #expect(instruments[0].misplaced(lane: 0) == nil)
    #expect(report.overlaps == 1)
    let (doubled, doubledReport) = try read(packed(0..<300), packed(0..<300))
    #expect(doubled[0].ranges == [0..<300])
    #expect(doubled[0].misplaced(lane: 0) == nil)
    #expect(doubledReport.overlaps == 1)
    #expect(!doubledReport.complaints.isEmpty)
  }

  @Test func contradictingOverlapKeepsTheEarlier() throws {
    let wrong = try packed(100..<200, lane: 1)
    let (instruments, report) = try read(packed(0..<150), wrong)
    let frames = instruments[0].segments[0].frames
    #expect(instruments[0].ranges == [0..<200])
    #expect((0..<150).allSatisfy { frames[$0][0] == sample($0) })
    #expect((150..<200).allSatisfy { frames[$0][0] == sample($0, lane: 1) })
    #expect(report.overlaps == 1)
  }

  @Test func recordsOutOfOrderAreSorted() throws {
    let (instruments, report) = try read(
      packed(600..<900) + packed(0..<300) + packed(300..<600))
    #expect(instruments[0].ranges == [0..<900])
    #expect(instruments[0].misplaced(lane: 0) == nil)
    #expect(report.outOfOrder == 1)
    #expect(report.gaps == 0 && report.overlaps == 0)
  }

  @Test func timeThatGoesBackwardsRecordByRecord() throws {
    var file: [UInt8] = []
    for index in (0..<200).reversed() { file += try packed(index * 10..<(index + 1) * 10) }
    let (instruments, report) = try read(file)
    #expect(instruments[0].ranges == [0..<2000])
    #expect(instruments[0].misplaced(lane: 0) == nil)
    #expect(report.outOfOrder == 199)
  }

  /// A wrong bit in the number of samples, in how they are packed, in the first, the last or in
  /// between.
  @Test(arguments: [30, 31, 65, 71, 75, 80, 84, 100, 130])
  func aCorruptRecordInTheMiddleIsAGap(byte: Int) throws {
    let first = try packed(0..<100)
    var middle = try packed(100..<200)
    let last = try packed(200..<300)
    try #require(first.count == 512 && middle.count == 512 && last.count == 512)
    middle[byte] ^= 0x10
    let (instruments, report) = try read(first + middle + last)
    #expect(instruments[0].ranges == [0..<100, 200..<300])
    #expect(instruments[0].misplaced(lane: 0) == nil)
    #expect(report.undecodable == 1)
    #expect(report.gaps == 1)
    #expect(report.foreignBytes == 0)
  }

  @Test func aTruncatedFileGivesWhatItHas() throws {
    let whole = try packed(0..<2000)
    let (instruments, report) = try read(Array(whole.dropLast(200)))
    let end = try #require(instruments[0].ranges.first?.upperBound)
    #expect(instruments[0].segments.count == 1)
    #expect((1000..<2000).contains(end))
    #expect(instruments[0].misplaced(lane: 0) == nil)
    #expect(report.foreignBytes == 312)
  }

  @Test func rubbishBetweenRecordsIsSkipped() throws {
    let rubbish = Array(String(repeating: "this is no record\n", count: 16).utf8.prefix(256))
    let (instruments, report) = try read(
      rubbish + packed(0..<100) + rubbish + packed(100..<200) + rubbish)
    #expect(instruments[0].ranges == [0..<200])
    #expect(instruments[0].misplaced(lane: 0) == nil)
    #expect(report.foreignBytes == 768)
  }

  @Test func textAloneIsRefused() {
    let text = Array(String(repeating: "no miniSEED here\n", count: 100).utf8)
    #expect(throws: ToolError.self) { try read(text) }
    #expect(throws: ToolError.self) { try read([]) }
    #expect(throws: ToolError.self) { try MiniSeed.read([]) }
  }
}
