// miniSEED records to frames: whatever order, gaps, overlaps and damage the files have, the station gets
// frames in time order, and the reader gets a report of what was wrong.

import CMseed
import Core
import Digitizer
import Foundation

/// What was found while reading.
public struct MiniSeedReport: Equatable {
  public var records = 0
  public var gaps = 0
  public var overlaps = 0
  public var outOfOrder = 0
  public var undecodable = 0
  public var otherRate = 0
  public var foreignBytes = 0
  public var unknownChannels: Set<String> = []
  public var unusableInstruments: [String] = []
  public init() {}

  /// A sentence for each thing that is not as it should be.
  public var complaints: [String] {
    var lines: [String] = []
    func add(_ count: Int, _ sentence: String) {
      if count > 0 { lines.append("\(count) \(sentence)") }
    }
    add(gaps, "gaps: the picker settles anew after each")
    add(overlaps, "records overlap earlier ones: the samples that came first count")
    add(outOfOrder, "records out of order: sorted by time")
    add(undecodable, "records cannot be decoded: left out")
    add(otherRate, "records have another sample rate than the first of their channel: left out")
    add(foreignBytes, "bytes belong to no miniSEED 2 record: skipped")
    if !unusableInstruments.isEmpty {
      lines.append(
        "left out, because the rate is not 20 to 1000 Hz or differs between components: "
          + unusableInstruments.joined(separator: " "))
    }
    if !unknownChannels.isEmpty {
      lines.append(
        "channels without a component Z N E 1 2 3 left out: "
          + unknownChannels.sorted().joined(separator: " "))
    }
    return lines
  }
}

/// Consecutive frames of one instrument.
public struct FrameSegment {
  /// Number of the first frame since the start of the stream.
  public var firstFrame: Int64
  public var start: UTC
  public var frames: [Frame]
}

/// All that the files hold of one instrument: NET.STA.LOC.BS.
public struct InstrumentRecord {
  public var code: String
  public var rateMillihertz: Int
  public var presentLanes: UInt8
  public var segments: [FrameSegment]
}

public enum MiniSeed {
  private struct Piece {
    var start: Int64
    var samples: [Int32]
    var arrival: Int
  }

  private struct Channel {
    var rateMillihertz: Int
    var pieces: [Piece] = []
  }

  private struct ChannelKey: Hashable {
    var instrument: String
    var lane: Int
  }

  /// Reads whole files from memory and joins them.
  public static func read(
    _ files: [Data]
  ) throws -> (instruments: [InstrumentRecord], report: MiniSeedReport) {
    cmseed_silence()
    var report = MiniSeedReport()
    var channels: [ChannelKey: Channel] = [:]
    for file in files {
      file.withUnsafeBytes { collect($0.bindMemory(to: UInt8.self), &channels, &report) }
    }
    guard report.records > 0 else {
      throw ToolError(
        "no miniSEED 2 record in \(files.count == 1 ? "the file" : "the files"); "
          + "convert other formats first, for instance with ObsPy")
    }
    var instruments: [InstrumentRecord] = []
    for code in Set(channels.keys.map(\.instrument)).sorted() {
      let lanes = (0..<3).map { channels[ChannelKey(instrument: code, lane: $0)] }
      if let record = join(code, lanes, &report) { instruments.append(record) }
    }
    guard !instruments.isEmpty else {
      throw ToolError(
        "no instrument to replay: components Z, N, E, 1, 2 or 3 of one rate, 20 to 1000 Hz, are needed")
    }
    return (instruments, report)
  }

  private static func lane(of channel: String) -> Int? {
    switch channel.last {
    case "Z", "3": 0
    case "N", "1": 1
    case "E", "2": 2
    default: nil
    }
  }

  private static func collect(
    _ bytes: UnsafeBufferPointer<UInt8>, _ channels: inout [ChannelKey: Channel],
    _ report: inout MiniSeedReport
  ) {
    var offset = 0
    while offset < bytes.count {
      var record = cmseed_record()
      let result = Int(cmseed_next(bytes.baseAddress! + offset, bytes.count - offset, &record))
      switch result {
      case CMSEED_OK:
        add(record, &channels, &report)
        offset += Int(record.record_bytes)
      case CMSEED_UNDECODABLE, CMSEED_NOT_INTEGERS:
        report.undecodable += 1
        offset += Int(record.record_bytes)
      default:
        // Records begin at multiples of 64 bytes from each other; look for the next one there.
        let skipped = min(64, bytes.count - offset)
        report.foreignBytes += skipped
        offset += skipped
      }
    }
  }

  private static func add(
    _ record: cmseed_record, _ channels: inout [ChannelKey: Channel],
    _ report: inout MiniSeedReport
  ) {
    func text<T>(_ tuple: T) -> String {
      withUnsafeBytes(of: tuple) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        .filter { $0.isASCII && ($0.isLetter || $0.isNumber) }.uppercased()
    }
    report.records += 1
    let channel = text(record.channel)
    // A sample every fifty years, or a billion a second, is damage.
    guard record.rate_hertz >= 0.001, record.rate_hertz <= 1e6 else {
      report.undecodable += 1
      return
    }
    guard let lane = lane(of: channel) else {
      report.unknownChannels.insert(channel)
      return
    }
    let key = ChannelKey(
      instrument: [
        text(record.network), text(record.station), text(record.location), "\(channel.prefix(2))",
      ].joined(separator: "."), lane: lane)
    let rate = Int((record.rate_hertz * 1000).rounded())
    let samples = UnsafeBufferPointer(start: record.samples, count: Int(record.sample_count))
    append(
      to: &channels[key, default: Channel(rateMillihertz: rate)], rate, record.start_nanoseconds,
      samples, &report)
  }

  private static func append(
    to stream: inout Channel, _ rate: Int, _ start: Int64,
    _ samples: UnsafeBufferPointer<Int32>, _ report: inout MiniSeedReport
  ) {
    guard stream.rateMillihertz == rate else {
      report.otherRate += 1
      return
    }
    if let last = stream.pieces.last, start < last.start { report.outOfOrder += 1 }
    appendOrExtend(&stream, start, samples)
  }

  /// Records that continue the last piece extend it: a day of one channel is one piece, not 20,000.
  private static func appendOrExtend(
    _ stream: inout Channel, _ start: Int64, _ samples: UnsafeBufferPointer<Int32>
  ) {
    let period = 1e12 / Double(stream.rateMillihertz)
    if let last = stream.pieces.indices.last {
      let expected =
        stream.pieces[last].start + Int64(Double(stream.pieces[last].samples.count) * period)
      if abs(Double(start - expected)) < 0.5 * period {
        stream.pieces[last].samples.append(contentsOf: samples)
        return
      }
    }
    stream.pieces.append(
      Piece(start: start, samples: Array(samples), arrival: stream.pieces.count))
  }

  // MARK: Components into frames

  /// A stretch of one lane on the instrument's grid of frame numbers.
  private struct Run {
    var first: Int64
    var samples: ArraySlice<Int32>
    var end: Int64 { first + Int64(samples.count) }
  }

  private static func join(
    _ code: String, _ lanes: [Channel?], _ report: inout MiniSeedReport
  ) -> InstrumentRecord? {
    let present = lanes.compactMap { $0 }
    guard let rate = present.first?.rateMillihertz, (20_000...1_000_000).contains(rate),
      present.allSatisfy({ $0.rateMillihertz == rate })
    else {
      report.unusableInstruments.append(code)
      return nil
    }
    let origin = present.flatMap(\.pieces).map(\.start).min()!
    let runs: [[Run]] = lanes.map { lane in
      guard let lane else { return [] }
      return MiniSeed.runs(of: lane, origin: origin, &report)
    }
    // The vertical decides where there are frames; without one, the first component there is.
    let leading = runs.firstIndex { !$0.isEmpty }!
    var presentLanes: UInt8 = 0
    for lane in 0..<3 where !runs[lane].isEmpty { presentLanes |= 1 << UInt8(lane) }
    var cursor = [0, 0, 0]
    var held: Frame = .zero
    let period = 1e12 / Double(rate)
    var segments: [FrameSegment] = []
    for run in runs[leading] {
      var frames: [Frame] = []
      frames.reserveCapacity(run.samples.count)
      for number in run.first..<run.end {
        for lane in 0..<3 where !runs[lane].isEmpty {
          while cursor[lane] < runs[lane].count, runs[lane][cursor[lane]].end <= number {
            cursor[lane] += 1
          }
          guard cursor[lane] < runs[lane].count else { continue }
          let other = runs[lane][cursor[lane]]
          if number >= other.first {
            held[lane] = other.samples[other.samples.startIndex + Int(number - other.first)]
          }
        }
        frames.append(held)
      }
      segments.append(
        FrameSegment(
          firstFrame: run.first,
          start: UTC(nanoseconds: origin + Int64(Double(run.first) * period)),
          frames: frames))
    }
    report.gaps += max(segments.count - 1, 0)
    return InstrumentRecord(
      code: code, rateMillihertz: rate, presentLanes: presentLanes, segments: segments)
  }

  /// Pieces sorted by time on the grid; what overlaps an earlier one is cut off, what touches is joined.
  private static func runs(
    of channel: Channel, origin: Int64, _ report: inout MiniSeedReport
  ) -> [Run] {
    let period = 1e12 / Double(channel.rateMillihertz)
    var runs: [Run] = []
    let sorted = channel.pieces.sorted {
      ($0.start, $0.arrival) < ($1.start, $1.arrival)
    }
    for piece in sorted {
      let first = Int64((Double(piece.start - origin) / period).rounded())
      var run = Run(first: first, samples: piece.samples[...])
      if let end = runs.last?.end, first < end {
        report.overlaps += 1
        guard run.end > end else { continue }
        run.samples = run.samples.dropFirst(Int(end - first))
        run.first = end
      }
      if let last = runs.indices.last, runs[last].end == run.first {
        runs[last].samples.append(contentsOf: run.samples)
      } else {
        runs.append(run)
      }
    }
    return runs
  }
}
