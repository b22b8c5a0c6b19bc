// Floating-point samples: counts by one power of two per instrument, and gaps where there is no
// number.

import Conditioning
import Core
import Digitizer
import Foundation
import Testing
import Tools

@Suite struct MiniSeedFloatTests {
  /// `values` from frame `first` on, as records of 50.
  private static func written(
    _ values: [Double], from first: Int = 0, channel: String = "EHZ",
    encoding: HandWrittenRecord.Encoding = .float64
  ) -> [UInt8] {
    stride(from: 0, to: values.count, by: 50).flatMap { begin in
      var record = HandWrittenRecord()
      record.channel = channel
      record.encoding = encoding
      record.second = (first + begin) / 100
      record.tenThousandths = (first + begin) % 100 * 100
      record.values = Array(values[begin..<min(begin + 50, values.count)])
      return record.bytes
    }
  }

  @Test(arguments: [HandWrittenRecord.Encoding.float32, .float64], [1e-12, 1e-6, 0.1, 1e9])
  func whatIsInMetresPerSecondIsScaled(
    encoding: HandWrittenRecord.Encoding, unit: Double
  ) throws {
    let values = (0..<200).map { Double(sample($0)) * unit }
    let (instruments, report) = try read(Self.written(values, encoding: encoding))
    let record = try #require(instruments.first)
    #expect(record.ranges == [0..<200])
    #expect(record.countsPerValue.significand == 1)
    for (frame, value) in zip(record.segments[0].frames, values) {
      let error = Double(frame[0]) - value * record.countsPerValue
      #expect(error.magnitude <= (encoding == .float32 ? 64 : 0.5))
    }
    let peak = record.segments[0].frames.reduce(0) { max($0, $1[0].magnitude) }
    #expect((1 << 29...1 << 30).contains(peak))
    #expect(report.complaints.count == 1 && report.complaints[0].contains("XX.ONST1.00.EH"))
  }

  @Test func componentsOfOneInstrumentHaveOneScale() throws {
    let counts = (0..<200).map { sample($0) }
    let (instruments, _) = try read(
      try packed(counts, channel: "EHZ"),
      Self.written(counts.map { Double($0) + 0.5 }, channel: "EHN"),
      try packed(counts, channel: "HNZ"))
    let mixed = instruments[0]
    let factor = Int32(mixed.countsPerValue)
    #expect(factor > 1000)
    for (number, frame) in mixed.segments[0].frames.enumerated() {
      #expect(frame[0] == factor * counts[number])
      #expect(frame[1] == factor * counts[number] + factor / 2)
    }
    #expect(instruments[1].countsPerValue == 1, "another instrument's counts stay")
    #expect(instruments[1].misplaced(lane: 0) == nil)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity, 9.97e36, -1e20])
  func whatIsNoNumberIsAGapOfItsLength(missing: Double) throws {
    var values = (0..<300).map { Double(sample($0)) }
    for frame in [0, 1, 70, 120, 121, 149, 150, 151, 299] { values[frame] = missing }
    let (instruments, report) = try read(Self.written(values))
    #expect(
      instruments[0].ranges
        == [2..<70, 71..<120, 122..<149, 152..<299].map {
          $0.lowerBound - 2..<$0.upperBound - 2
        })
    #expect(instruments[0].misplaced(lane: 0, from: 2) == nil)
    #expect(instruments[0].countsPerValue == 1)
    #expect(report.missingSamples == 9 && report.gaps == 3 && report.undecodable == 0)
    #expect(report.complaints.contains { $0.hasPrefix("9 samples are NaN") })
  }

  /// A clock that runs fast by half a frame a record does not close the hole of one frame.
  @Test func aHoleInADriftingRecordStays() throws {
    var file: [UInt8] = []
    for (index, start) in [0, 4955, 9910, 14_910].enumerated() {
      var record = HandWrittenRecord()
      record.encoding = .float64
      record.second = start / 10_000
      record.tenThousandths = start % 10_000
      record.values = (index * 50..<(index + 1) * 50).map { $0 == 149 ? .nan : Double(sample($0)) }
      file += record.bytes
    }
    #expect(try read(file).instruments[0].ranges == [0..<149, 150..<200])
  }

  @Test func aRecordWithoutANumberIsSaidToBe() throws {
    let nothing = Self.written(Array(repeating: .nan, count: 100))
    #expect(try read(packed(200..<300), nothing).report.missingSamples == 100)
    let error = #expect(throws: ToolError.self) { try read(nothing) }
    #expect(error?.description.contains("100 samples are NaN") == true)
  }

  /// What is in m/s as a file of counts with its counts per unit.
  @Test func unitsAreThoseOfTheFile() throws {
    let counts = (0..<1000).map { sample($0) }
    func trace(_ file: [UInt8], countsPerUnit: Double) throws -> Replay {
      var options = ReplayOptions()
      options.network = nil
      options.estimatorNetwork = nil
      options.collectsTrace = true
      options.response = Response(
        quantity: .velocity, unitsPerCount: Lanes(repeating: 1 / countsPerUnit))
      var replay = Replay(options)
      try replay.run(try read(file).instruments[0]) { _ in }
      return replay
    }
    let whole = try trace(packed(counts, channel: "EHZ"), countsPerUnit: 1e6)
    let float = try trace(Self.written(counts.map { Double($0) / 1e6 }), countsPerUnit: 1)
    #expect(float.unit == .velocity && float.trace.count == whole.trace.count)
    for (a, b) in zip(whole.trace, float.trace) {
      #expect((a.values[0] - b.values[0]).magnitude < 1e-8)
    }
  }
}
