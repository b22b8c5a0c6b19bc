// Headers that lie, encodings beside Steim2, and components that do not belong together.

import Core
import Foundation
import Testing
import Tools

@Suite struct MiniSeedDamageTests {
  @Test func otherRatesOfOneChannelAreLeftOut() throws {
    let (instruments, report) = try read(
      packed(0..<300) + packed(800..<1000, rate: 200) + packed(300..<600))
    #expect(instruments[0].ranges == [0..<600])
    #expect(instruments[0].misplaced(lane: 0) == nil)
    #expect(report.otherRate == 1)
  }

  @Test func componentsOfDifferentRatesAreRefused() throws {
    let files = try packed(0..<300) + packed(0..<300, channel: "EHN", rate: 50)
    #expect(throws: ToolError.self) { try read(files) }
  }

  @Test func missingComponentsAreAbsentLanes() throws {
    let (vertical, _) = try read(packed(0..<300))
    #expect(vertical[0].presentLanes == 0b001)
    #expect(vertical[0].segments[0].frames.allSatisfy { $0[1] == 0 && $0[2] == 0 })
    let (east, _) = try read(packed(0..<300, channel: "EHE", lane: 2))
    #expect(east[0].presentLanes == 0b100)
    #expect(east[0].misplaced(lane: 2) == nil)
    #expect(east[0].segments[0].frames.allSatisfy { $0[0] == 0 && $0[1] == 0 })
  }

  /// The vertical leads: where the others are not there, their last value stands.
  @Test func aLateAndInterruptedHorizontalStaysInItsPlace() throws {
    let (instruments, _) = try read(
      packed(0..<1000),
      packed(100..<400, channel: "EHN", lane: 1) + packed(600..<1200, channel: "EHN", lane: 1))
    let frames = instruments[0].segments[0].frames
    #expect(instruments[0].ranges == [0..<1000])
    #expect(instruments[0].misplaced(lane: 0) == nil)
    #expect(frames[..<100].allSatisfy { $0[1] == 0 })
    for number in Array(100..<400) + Array(600..<1000) {
      #expect(frames[number][1] == sample(number, lane: 1))
    }
    #expect(frames[400..<600].allSatisfy { $0[1] == sample(399, lane: 1) })
  }

  /// Frames begin with the vertical; what a horizontal has before it is not needed.
  @Test func anEarlierHorizontalIsLaidBesideTheVertical() throws {
    let (instruments, report) = try read(
      packed(50..<300), packed(0..<300, channel: "EHN", lane: 1))
    #expect(instruments[0].ranges == [0..<250])
    #expect(instruments[0].segments[0].start.nanoseconds == recordStart + 500_000_000)
    #expect(instruments[0].misplaced(lane: 0, from: 50) == nil)
    #expect(instruments[0].misplaced(lane: 1, from: 50) == nil)
    #expect(report.gaps == 0)
  }

  @Test func unknownChannelsAreNamed() throws {
    let (instruments, report) = try read(
      packed(0..<300) + packed(0..<300, channel: "LOG") + packed(0..<300, channel: "VMU"))
    #expect(instruments.count == 1)
    #expect(instruments[0].presentLanes == 0b001)
    #expect(report.unknownChannels == ["LOG", "VMU"])
    #expect(report.complaints.contains { $0.contains("LOG VMU") })
  }

  @Test func twoInstrumentsInOneFileStayApart() throws {
    let (instruments, report) = try read(
      packed(0..<300, channel: "HNZ", lane: 1) + packed(0..<600)
        + packed(300..<500, channel: "HNZ", lane: 1) + packed(0..<200, station: "B", rate: 200))
    #expect(instruments.map(\.code) == ["XX.B.00.EH", "XX.ONST1.00.EH", "XX.ONST1.00.HN"])
    #expect(instruments.map(\.rateMillihertz) == [200_000, 100_000, 100_000])
    #expect(instruments.map(\.ranges) == [[0..<200], [0..<600], [0..<500]])
    #expect(instruments[1].misplaced(lane: 0) == nil)
    let strong = instruments[2].segments[0].frames
    #expect((0..<500).allSatisfy { strong[$0][0] == sample($0, lane: 1) })
    #expect(report.complaints.isEmpty)
  }

  @Test(arguments: [HandWrittenRecord.Encoding.int16, .int32, .float32, .float64])
  func wholeNumbersOfEveryEncodingCount(encoding: HandWrittenRecord.Encoding) throws {
    var first = HandWrittenRecord()
    first.encoding = encoding
    first.values = (0..<56).map { Double(sample($0)) }
    var second = first
    second.tenThousandths = 5600
    second.values = (56..<100).map { Double(sample($0)) }
    let (instruments, report) = try read(first.bytes + second.bytes)
    #expect(instruments[0].ranges == [0..<100])
    #expect(instruments[0].misplaced(lane: 0) == nil)
    #expect(instruments[0].segments[0].start.nanoseconds == recordStart)
    #expect(report.complaints.isEmpty)
  }

  /// libmseed by itself would read on into the next record, or past the end of the file.
  @Test(
    arguments: [HandWrittenRecord.Encoding.ascii, .int16, .int32, .float32, .float64],
    [449, 10_000, 65_535])
  func moreSamplesThanTheRecordHolds(
    encoding: HandWrittenRecord.Encoding, claimed: Int
  ) throws {
    var lying = HandWrittenRecord()
    lying.encoding = encoding
    lying.values = [1, 2, 3]
    lying.claimedCount = claimed
    let (instruments, report) = try read(packed(0..<100) + lying.bytes)
    #expect(instruments[0].ranges == [0..<100])
    #expect(report.undecodable == 1)
  }

  @Test func yearsBeyondSeedAreDamage() throws {
    for year in [0, 1, 1899, 2102, 4095, 9999, 65_535] {
      var record = HandWrittenRecord()
      record.year = year
      record.values = [1, 2, 3]
      let (instruments, report) = try read(packed(0..<100) + record.bytes)
      #expect(instruments[0].ranges.first == 0..<100)
      #expect(instruments[0].segments.count == 1)
      #expect(report.undecodable == 1, "year \(year)")
    }
  }

  /// Two hundred years between two records: frame numbers beyond 32 bits, and no frames in between.
  @Test func theWidestGapIsOneGap() throws {
    var early = HandWrittenRecord()
    early.year = 1900
    early.dayOfYear = 1
    early.rateFactor = 1000
    early.values = (0..<10).map { Double(sample($0)) }
    var late = early
    late.year = 2100
    let (instruments, report) = try read(late.bytes + early.bytes)
    // 73,049 days from 1900-01-01 to 2100-01-01.
    let distance = 73_049 * 86_400 * 1000
    #expect(instruments[0].ranges == [0..<10, distance..<(distance + 10)])
    #expect(report.gaps == 1 && report.outOfOrder == 1)
    var datagrams = 0
    var options = ReplayOptions()
    options.network = nil
    var replay = Replay(options)
    try replay.run(instruments[0]) { _ in datagrams += 1 }
    #expect(datagrams > 0)
  }

  /// Every record a piece of its own, from the last to the first, with a frame missing between
  /// them.
  @Test func twentyThousandPieces() throws {
    let count = 20_000
    var record = HandWrittenRecord()
    record.lengthExponent = 7
    record.encoding = .int16
    record.values = (0..<9).map { Double(sample($0)) }
    var file: [UInt8] = []
    file.reserveCapacity(count * 128)
    let bytes = record.bytes
    for index in (0..<count).reversed() {
      var own = bytes
      let second = index / 10
      own[24] = UInt8(second / 3600)
      own[25] = UInt8(second / 60 % 60)
      own[26] = UInt8(second % 60)
      let fraction = UInt16(index % 10 * 1000)
      own[28] = UInt8(fraction >> 8)
      own[29] = UInt8(fraction & 255)
      file += own
    }
    let (instruments, report) = try read(file)
    #expect(instruments[0].segments.count == count)
    #expect(instruments[0].ranges.last == (count - 1) * 10..<(count - 1) * 10 + 9)
    #expect(report.gaps == count - 1)
    #expect(report.outOfOrder == count - 1)
  }

  @Test func ratesNobodySamplesAtAreLeftOut() throws {
    // 1/32767², 32767², none, and 1 Hz, which is a rate but none for a picker.
    for (factor, multiplier) in [(-32_768, -32_768), (32_767, 32_767), (0, 0), (1, 1)] {
      var record = HandWrittenRecord()
      record.channel = "LHZ"
      record.rateFactor = factor
      record.rateMultiplier = multiplier
      record.values = [1, 2, 3]
      let bytes = record.bytes
      #expect(throws: ToolError.self) { try read(bytes) }
      #expect(try read(packed(0..<100) + bytes).instruments.map(\.code) == ["XX.ONST1.00.EH"])
    }
  }
}
