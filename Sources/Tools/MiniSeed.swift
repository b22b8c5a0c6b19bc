// miniSEED records to frames: whatever order, gaps, overlaps and damage the files have, the station
// gets frames in time order, and the reader gets a report of what was wrong.

import CMseed
import Core
import Digitizer
import Foundation

/// What was found while reading.
public struct MiniSeedReport: Equatable {
  public var records = 0
  public var gaps = 0
  /// Holes of one component in which another has data.
  public var heldGaps = 0
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
    add(heldGaps, "holes in one component alone: its last value is held through them")
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

/// When a sample was taken: the start of the record that it begins.
public struct TimeAnchor: Equatable {
  public var offset: Int
  public var nanoseconds: Int64
  public init(offset: Int, nanoseconds: Int64) {
    self.offset = offset
    self.nanoseconds = nanoseconds
  }
}

extension Array where Element == TimeAnchor {
  /// From the last anchor at or before the sample, at the nominal period.
  func time(of offset: Int, _ period: Double) -> Int64 {
    var index = count - 1
    while index > 0 && self[index].offset > offset { index -= 1 }
    return time(of: offset, period, at: index)
  }

  /// The same for offsets that grow from call to call; `cursor` keeps the place.
  func time(of offset: Int, _ period: Double, from cursor: inout Int) -> Int64 {
    while cursor + 1 < count && self[cursor + 1].offset <= offset { cursor += 1 }
    return time(of: offset, period, at: cursor)
  }

  private func time(of offset: Int, _ period: Double, at index: Int) -> Int64 {
    self[index].nanoseconds + Int64((Double(offset - self[index].offset) * period).rounded())
  }
}

/// Consecutive frames of one instrument.
public struct FrameSegment {
  /// Number of the first frame since the start of the stream.
  public var firstFrame: Int64
  /// Times of the frames at which records began; the first is that of the first frame.
  public var anchors: [TimeAnchor]
  public var frames: [Frame]
  public var start: UTC { UTC(nanoseconds: anchors[0].nanoseconds) }

  public init(firstFrame: Int64, start: UTC, frames: [Frame]) {
    self.init(
      firstFrame: firstFrame,
      anchors: [TimeAnchor(offset: 0, nanoseconds: start.nanoseconds)], frames: frames)
  }

  public init(firstFrame: Int64, anchors: [TimeAnchor], frames: [Frame]) {
    self.firstFrame = firstFrame
    self.anchors = anchors
    self.frames = frames
  }
}

/// All that the files hold of one instrument: NET.STA.LOC.BS.
public struct InstrumentRecord {
  public var code: String
  public var rateMillihertz: Int
  public var presentLanes: UInt8
  public var segments: [FrameSegment]
}

public enum MiniSeed {
  /// Records of one channel that follow on each other.
  struct Piece {
    var anchors: [TimeAnchor]
    var samples: [Int32]
    var arrival: Int

    var start: Int64 { anchors[0].nanoseconds }
    func time(of offset: Int, _ period: Double) -> Int64 { anchors.time(of: offset, period) }
    func end(_ period: Double) -> Int64 { time(of: samples.count, period) }
    mutating func anchor(_ time: Int64) {
      anchors.append(TimeAnchor(offset: samples.count, nanoseconds: time))
    }
  }

  struct Channel {
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
        "no instrument to replay: components Z, N, E, 1, 2 or 3 of one rate, 20 to 1000 Hz, are needed"
      )
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
  /// A digitizer whose clock drifts is never more than a fraction of a sample off from one record
  /// to the next, however much that becomes in a day: what counts is the end of the last record.
  private static func appendOrExtend(
    _ stream: inout Channel, _ start: Int64, _ samples: UnsafeBufferPointer<Int32>
  ) {
    let period = 1e12 / Double(stream.rateMillihertz)
    if let last = stream.pieces.indices.last {
      let distance = abs(Double(start - stream.pieces[last].end(period)))
      // Or its first, where times wobble from record to record around the nominal rate.
      let sinceStart =
        Double(start - stream.pieces[last].start)
        - Double(stream.pieces[last].samples.count) * period
      if distance < 0.5 * period || (distance < 1.5 * period && abs(sinceStart) < 0.5 * period) {
        if distance >= 1000 { stream.pieces[last].anchor(start) }
        stream.pieces[last].samples.append(contentsOf: samples)
        return
      }
    }
    stream.pieces.append(
      Piece(
        anchors: [TimeAnchor(offset: 0, nanoseconds: start)], samples: Array(samples),
        arrival: stream.pieces.count))
  }
}
