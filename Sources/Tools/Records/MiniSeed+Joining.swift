// Components to frames. The leading component, the vertical where there is one, decides where there
// are frames and when each was taken; the others are laid beside it by their times.

import Core
import Digitizer

extension MiniSeed {
  /// A stretch of one channel without a hole.
  struct Run {
    var samples: ArraySlice<Int32>
    var anchors: [TimeAnchor]
    /// Frame number of the first sample, once it is known.
    var first: Int64 = 0
    var end: Int64 { first + Int64(samples.count) }
    var start: Int64 { anchors[0].nanoseconds }
    func endTime(_ period: Double) -> Int64 { anchors.time(of: samples.count, period) }
  }

  static func join(
    _ code: String, _ lanes: [Channel?], _ report: inout MiniSeedReport
  ) -> InstrumentRecord? {
    let present = lanes.compactMap { $0 }
    guard let rate = present.first?.rateMillihertz, (20_000...1_000_000).contains(rate),
      present.allSatisfy({ $0.rateMillihertz == rate })
    else {
      report.unusableInstruments.append(code)
      return nil
    }
    let period = 1e12 / Double(rate)
    var runs: [[Run]] = lanes.map { lane in
      guard let lane else { return [] }
      return MiniSeed.runs(of: lane, period, &report)
    }
    let leading = runs.firstIndex { !$0.isEmpty }!
    number(&runs[leading], period)
    for lane in 0..<3 where lane != leading {
      for index in runs[lane].indices {
        runs[lane][index].first = frameNumber(
          at: runs[lane][index].start, beside: runs[leading], period)
      }
    }
    var presentLanes = LaneSet()
    for lane in 0..<3 where !runs[lane].isEmpty { presentLanes.insert(lane: lane) }
    report.gaps += runs[leading].count - 1
    var record = InstrumentRecord(
      code: code, rateMillihertz: rate, presentLanes: presentLanes,
      segments: segments(runs, leading: leading, &report))
    for lane in 0..<3 where lane != leading && !runs[lane].isEmpty {
      record.holes += holes(in: runs[lane], lane, beside: runs[leading], period)
    }
    return record
  }

  private static func holes(
    in runs: [Run], _ lane: Int, beside leading: [Run], _ period: Double
  ) -> [ComponentHole] {
    var from = leading[0].start
    var holes: [ComponentHole] = []
    let ends = leading[leading.count - 1].endTime(period)
    for (start, end) in runs.map({ ($0.start, $0.endTime(period)) }) + [(ends, ends)] {
      if Double(start - from) > 0.5 * period {
        holes.append(
          ComponentHole(
            lane: lane, from: UTC(nanoseconds: from), to: UTC(nanoseconds: start)))
      }
      from = max(from, end)
    }
    return holes
  }

  /// Pieces sorted by time; what overlaps an earlier one is cut off, what touches is joined.
  private static func runs(
    of channel: Channel, _ period: Double, _ report: inout MiniSeedReport
  ) -> [Run] {
    var runs: [Run] = []
    let sorted = channel.pieces.sorted { ($0.start, $0.arrival) < ($1.start, $1.arrival) }
    for piece in sorted {
      var skipped = 0
      if let end = runs.last?.endTime(period) {
        let overlap = Int((Double(end - piece.start) / period).rounded())
        if overlap > 0 {
          report.overlaps += 1
          // Where the two copies' times differ, the sample that follows is the one whose time does.
          skipped = min(overlap, piece.samples.count)
          let rest = Double(end - piece.time(of: skipped, period)) / period
          skipped = max(skipped + Int(rest.rounded()), 0)
          let earliest = end - Int64(0.5 * period)
          while skipped < piece.samples.count, piece.time(of: skipped, period) < earliest {
            skipped += 1
          }
          guard skipped < piece.samples.count else { continue }
        }
      }
      let start = piece.time(of: skipped, period)
      let anchors =
        [TimeAnchor(offset: 0, nanoseconds: start)]
        + piece.anchors.filter { $0.offset > skipped }.map {
          TimeAnchor(offset: $0.offset - skipped, nanoseconds: $0.nanoseconds)
        }
      let samples = piece.samples[skipped...]
      let last = runs.count - 1
      // Never more than half a sample before the end: that much was skipped above.
      if last >= 0, Double(start - runs[last].endTime(period)) < 0.5 * period {
        let before = runs[last].samples.count
        runs[last].anchors += anchors.map {
          TimeAnchor(offset: $0.offset + before, nanoseconds: $0.nanoseconds)
        }
        runs[last].samples.append(contentsOf: samples)
      } else {
        runs.append(Run(samples: samples, anchors: anchors))
      }
    }
    return runs
  }

  /// Numbers the leading component's runs: each gap is as many frames long as its time says.
  private static func number(_ runs: inout [Run], _ period: Double) {
    for index in runs.indices.dropFirst() {
      let gap = Double(runs[index].start - runs[index - 1].endTime(period)) / period
      runs[index].first = runs[index - 1].end + max(Int64(gap.rounded()), 1)
    }
  }

  /// The frame of the leading component that was taken at this time.
  private static func frameNumber(
    at time: Int64, beside leading: [Run], _ period: Double
  ) -> Int64 {
    let tolerated = time + Int64(0.5 * period)
    var low = 0
    var high = leading.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if leading[middle].start <= tolerated { low = middle } else { high = middle }
    }
    let run = leading[low]
    let anchor = run.anchors.last { $0.nanoseconds <= tolerated } ?? run.anchors[0]
    let distance = (Double(time - anchor.nanoseconds) / period).rounded()
    return run.first + Int64(anchor.offset) + Int64(distance)
  }

  private static func segments(
    _ runs: [[Run]], leading: Int, _ report: inout MiniSeedReport
  ) -> [FrameSegment] {
    var cursor = [0, 0, 0]
    var isMissing = [false, false, false]
    var held: Frame = .zero
    return runs[leading].map { run in
      var frames: [Frame] = []
      frames.reserveCapacity(run.samples.count)
      for number in run.first..<run.end {
        for lane in 0..<3 where !runs[lane].isEmpty {
          while cursor[lane] < runs[lane].count, runs[lane][cursor[lane]].end <= number {
            cursor[lane] += 1
          }
          let other = cursor[lane] < runs[lane].count ? runs[lane][cursor[lane]] : nil
          if let other, number >= other.first {
            held[lane] = other.samples[other.samples.startIndex + Int(number - other.first)]
            isMissing[lane] = false
          } else if !isMissing[lane] {
            isMissing[lane] = true
            report.heldGaps += 1
          }
        }
        frames.append(held)
      }
      return FrameSegment(firstFrame: run.first, anchors: run.anchors, frames: frames)
    }
  }
}
