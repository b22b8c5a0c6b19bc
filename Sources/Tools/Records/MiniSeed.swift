// MiniSeed: miniSEED records to frames.
//
// Files hold records of one channel each, in any order, with gaps, overlaps and damage, and with
// times that drift against the nominal rate. Where the samples of a channel are put one after the
// other as they come, a gap shifts all that follows, the components come apart, and times counted
// from the first sample are off by seconds after a day.
//
// So records are sorted by time and joined where one goes on from another, and the times at which
// they begin are kept beside the samples. One component decides where there are frames, and the
// others are laid beside it by their times. The station gets frames in time order, and the reader
// gets a report of what was wrong.
//
//     let (instruments, report) = try MiniSeed.read([data])
//     for complaint in report.complaints { print(complaint) }

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
  /// Floating-point samples that are no number or beyond all instruments.
  public var missingSamples = 0
  /// What the values of an instrument were multiplied by, where they are no whole numbers.
  public var countsPerValue: [String: Double] = [:]
  public var unknownChannels: Set<String> = []
  public var unusableInstruments: [String] = []
  public init() {}

  /// A sentence for each thing that is not as it should be.
  public var complaints: [String] {
    [
      Self.line(gaps, "gaps: the picker settles anew after each"),
      Self.line(heldGaps, "holes in one component alone: its last value is held through them"),
      Self.line(overlaps, "records overlap earlier ones: the samples that came first count"),
      Self.line(outOfOrder, "records out of order: sorted by time"),
    ].compactMap { $0 } + losses
      + countsPerValue.sorted { $0.key < $1.key }.map {
        "\($0.key) has floating-point samples: multiplied by 2^\($0.value.exponent) and rounded; "
          + "--counts-per-unit is of the file's own numbers"
      }
  }

  /// A sentence for each thing that was in the files and is not in what was read.
  public var losses: [String] {
    let lines = [
      Self.line(undecodable, "records cannot be decoded: left out"),
      Self.line(
        otherRate, "records have another sample rate than the first of their channel: left out"),
      Self.line(foreignBytes, "bytes belong to no miniSEED 2 record: skipped"),
      Self.line(missingSamples, "samples are NaN, infinite or beyond 1e18: missing, as in a gap"),
      unusableInstruments.isEmpty
        ? nil
        : "left out, because the rate is not 20 to 1000 Hz or differs between components: "
          + unusableInstruments.joined(separator: " "),
      unknownChannels.isEmpty
        ? nil
        : "channels without a component Z N E 1 2 3 left out: "
          + unknownChannels.sorted().joined(separator: " "),
    ]
    return lines.compactMap { $0 }
  }

  private static func line(_ count: Int, _ sentence: String) -> String? {
    count > 0 ? "\(count) \(sentence)" : nil
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
  public var presentLanes: LaneSet
  public var segments: [FrameSegment]
  /// What the file's floating-point samples were multiplied by; 1 for whole numbers.
  public var countsPerValue = 1.0
  /// When a component has no data while another has; its frames hold what it had before.
  public var holes: [ComponentHole] = []
}

public struct ComponentHole {
  public var lane: Int
  public var from: UTC
  public var to: UTC
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
    /// The sample before the next is missing.
    var isInterrupted = false
  }

  struct ChannelKey: Hashable {
    var instrument: String
    var lane: Int
  }

  /// Reads whole files from memory and joins them.
  public static func read(
    _ files: [Data]
  ) throws -> (instruments: [InstrumentRecord], report: MiniSeedReport) {
    cmseed_silence()
    var collector = MiniSeedCollector(files, countsPerValue: [:])
    guard collector.report.records > 0 else {
      throw ToolError(
        "no miniSEED 2 record in \(files.count == 1 ? "the file" : "the files"); "
          + "convert other formats first, for instance with ObsPy")
    }
    // How far floating-point samples reach is known once all are read: they are read again.
    let countsPerValue = collector.countsPerValue
    if !countsPerValue.isEmpty {
      collector = MiniSeedCollector(files, countsPerValue: countsPerValue)
    }
    var report = collector.report
    var instruments: [InstrumentRecord] = []
    for code in Set(collector.channels.keys.map(\.instrument)).sorted() {
      let lanes = (0..<3).map { collector.channels[ChannelKey(instrument: code, lane: $0)] }
      guard var record = join(code, lanes, &report) else { continue }
      record.countsPerValue = countsPerValue[code] ?? 1
      instruments.append(record)
    }
    guard !instruments.isEmpty else {
      throw ToolError(
        "no instrument to replay: components Z, N, E, 1, 2 or 3 of one rate, 20 to 1000 Hz, are needed"
          + report.complaints.map { "; " + $0 }.joined())
    }
    return (instruments, report)
  }
}
