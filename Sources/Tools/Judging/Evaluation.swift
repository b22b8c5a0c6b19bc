// Evaluation: pickers judged on records, by source and over all, in one table (`onset evaluate`).
//
// Which picker is better? What their papers state cannot be compared, because records, rates and
// tolerances differ from paper to paper. And on continuous records nobody has picked every small
// event, so that a pick of one would count as wrong.
//
// So all pickers run here over the same records, under the same rules, whether they are stations,
// networks for windows or lists of picks. Records with analysts' picks give precision, recall and
// residuals. Others, where picks of teachers are at hand, give recall of what the teachers agree
// on, and how many picks a day none of them supports.
//
//     var evaluation = try Evaluation(EvaluationOptions())
//     let records = try EvaluationIndex.read("INDEX.csv", split: nil)
//     try evaluation.run(records, complain: { print($0) })
//     print(evaluation.table)

import Conditioning
import Core
import Digitizer
import Foundation

public struct EvaluationOptions {
  public var pickers: [String] = ["onset"]
  /// Everything that any teacher suspects, with its probability.
  public var teachers: [String: [ListedPick]] = [:]
  /// What teachers agree on.
  public var agreed: [String: [ListedPick]] = [:]
  public var isVerticalAlone = false
  public var degradation: Degradation?
  /// The noise before P, rms, that a coarser converter makes of each record; nil for its own.
  public var noiseCounts: Double?
  /// The rate of a digitizer that records are turned into; nil for their own.
  public var rateMillihertz: Int?
  public var replay = ReplayOptions()
  public init() {}
}

public struct Evaluation {
  /// A station is live 5 s after its first sample: what is true or said before counts for nobody.
  static let settlingSeconds = 5.0
  /// A teacher who suspects something within this supports a pick.
  private static let supportSeconds = 1.0
  static let decibelEdges = [6.0, 12, 20]

  public struct Row {
    public var picker: String
    public var source: String
    public var records = 0
    public var hours = 0.0
    public var p = PickScore()
    public var s = PickScore()
    /// P by signal-to-noise ratio: truths and hits at the widest tolerance.
    public var byDecibels = [(truths: Int, hits: Int)](
      repeating: (0, 0), count: decibelEdges.count + 1)
    public var motionsRight = 0
    public var motionsSaid = 0
    public var motionsKnown = 0
    public var delays: [Double] = []
    public var confirmed = 0
    public var announced = 0
    public var retracted = 0
    /// Hits whose stated σ covers their residual, by quality.
    public var covered: [Character: (covered: Int, all: Int)] = [:]
    public var agreedP = (found: 0, all: 0)
    public var agreedS = (found: 0, all: 0)
    public var unsupported = 0
    public var continuousHours = 0.0
  }

  public private(set) var rows: [Row] = []
  private let options: EvaluationOptions
  private var noise: NoiseSource?

  public init(_ options: EvaluationOptions) throws {
    self.options = options
    noise = try options.degradation.map(NoiseSource.init)
  }

  /// `complain` gets a sentence for each record that could not be read, `remark` one for each that
  /// was read in part.
  public mutating func run(
    _ records: [EvaluationRecord], complain: (String) -> Void,
    remark: (String) -> Void = { _ in }, progress: ProgressTold = { _, _ in }
  ) throws {
    let pickers = try options.pickers.map { try EvaluatedPicker($0, options: options.replay) }
    try RecordFiles.forEach(
      records, \.path, progress: progress, complain: complain, remark: remark
    ) {
      try judge($0, $1, pickers)
    }
  }

  private mutating func judge(
    _ record: EvaluationRecord, _ original: InstrumentRecord, _ pickers: [EvaluatedPicker]
  ) throws {
    var instrument = original
    let analyst = record.analyst(rateMillihertz: instrument.rateMillihertz)
    if options.isVerticalAlone { instrument.keepVerticalAlone() }
    if noise != nil, let p = analyst.p {
      guard noise!.degrade(&instrument, p: p) else { return }
    }
    if let counts = options.noiseCounts, let p = analyst.p {
      guard instrument.coarsen(noiseCounts: counts, p: p) else { return }
    }
    if let rate = options.rateMillihertz {
      instrument = instrument.resampled(rateMillihertz: rate)
    }
    let conditioned = instrument.conditioned()
    for picker in pickers {
      let found = try picker.run(instrument, file: record.file, conditioned)
      let known = rows.firstIndex { $0.picker == picker.name && $0.source == record.source }
      let place = known ?? rows.count
      if place == rows.count { rows.append(Row(picker: picker.name, source: record.source)) }
      judge(found, record.file, analyst, conditioned, &rows[place])
    }
  }

  private func judge(
    _ found: RecordPicks, _ file: String, _ analyst: AnalystPicks,
    _ conditioned: ConditionedRecord, _ row: inout Row
  ) {
    let settling = Evaluation.settlingSeconds
    let picks = found.picks.filter { $0.timeSeconds >= settling }
    let p = picks.filter { $0.phase == .p }
    let s = picks.filter { $0.phase == .s }
    row.records += 1
    row.hours += conditioned.hours
    row.confirmed += p.count
    row.announced += p.filter(\.wasAnnounced).count
    row.retracted += found.retracted
    if analyst.p != nil || analyst.s != nil {
      judgeAnalyst(p, s, analyst, conditioned, &row)
    } else if let teachers = options.teachers[file] {
      row.continuousHours += conditioned.hours
      let suspected = teachers.map(\.timeSeconds)
      row.unsupported +=
        p.filter { pick in
          !suspected.contains { abs($0 - pick.timeSeconds) <= Evaluation.supportSeconds }
        }.count
      let agreed = (options.agreed[file] ?? []).filter { $0.timeSeconds >= settling }
      let widest = PickScore.tolerancesSeconds.last!
      for truth in agreed {
        let times = (truth.phase == .p ? p : s).map(\.timeSeconds)
        let isFound = times.contains { abs($0 - truth.timeSeconds) <= widest }
        if truth.phase == .p {
          row.agreedP = (row.agreedP.found + (isFound ? 1 : 0), row.agreedP.all + 1)
        } else {
          row.agreedS = (row.agreedS.found + (isFound ? 1 : 0), row.agreedS.all + 1)
        }
      }
    }
  }

  private func judgeAnalyst(
    _ p: [JudgedPick], _ s: [JudgedPick], _ analyst: AnalystPicks,
    _ conditioned: ConditionedRecord, _ row: inout Row
  ) {
    let truthP = analyst.p.map { $0 >= Evaluation.settlingSeconds ? [$0] : [] } ?? []
    let truthS = analyst.s.map { $0 >= Evaluation.settlingSeconds ? [$0] : [] } ?? []
    let hits = row.p.add(picks: p.map(\.timeSeconds), truths: truthP)
    _ = row.s.add(picks: s.map(\.timeSeconds), truths: truthS)
    for truth in truthP {
      let decibels = SignalToNoise.decibels(conditioned, at: truth)
      let bin =
        Evaluation.decibelEdges.firstIndex { decibels < $0 } ?? Evaluation.decibelEdges.count
      row.byDecibels[bin].truths += 1
      row.byDecibels[bin].hits += hits.contains { $0 != nil } ? 1 : 0
    }
    for (pick, truth) in zip(p, hits) {
      guard let truth else { continue }
      if let delay = pick.delaySeconds {
        row.delays.append(delay + pick.timeSeconds - truthP[truth])
      }
      if let sigma = pick.sigmaSeconds, let quality = pick.quality {
        let isCovered = abs(pick.timeSeconds - truthP[truth]) <= sigma
        let old = row.covered[quality] ?? (0, 0)
        row.covered[quality] = (old.covered + (isCovered ? 1 : 0), old.all + 1)
      }
      if let motion = analyst.motion {
        row.motionsKnown += 1
        row.motionsSaid += pick.motion == nil ? 0 : 1
        row.motionsRight += pick.motion == motion ? 1 : 0
      }
    }
  }

  /// Everything of one picker, over all sources.
  public func total(_ picker: String) -> Row {
    var sum = Row(picker: picker, source: "all")
    for row in rows where row.picker == picker {
      sum.records += row.records
      sum.hours += row.hours
      sum.p.add(row.p)
      sum.s.add(row.s)
      for bin in sum.byDecibels.indices {
        sum.byDecibels[bin].truths += row.byDecibels[bin].truths
        sum.byDecibels[bin].hits += row.byDecibels[bin].hits
      }
      sum.motionsRight += row.motionsRight
      sum.motionsSaid += row.motionsSaid
      sum.motionsKnown += row.motionsKnown
      sum.delays += row.delays
      sum.confirmed += row.confirmed
      sum.announced += row.announced
      sum.retracted += row.retracted
      for (quality, count) in row.covered {
        let old = sum.covered[quality] ?? (0, 0)
        sum.covered[quality] = (old.covered + count.covered, old.all + count.all)
      }
      sum.agreedP = (sum.agreedP.found + row.agreedP.found, sum.agreedP.all + row.agreedP.all)
      sum.agreedS = (sum.agreedS.found + row.agreedS.found, sum.agreedS.all + row.agreedS.all)
      sum.unsupported += row.unsupported
      sum.continuousHours += row.continuousHours
    }
    return sum
  }
}

/// A record after the station's conditioning, whose delays are taken off.
public struct ConditionedRecord {
  public var samples: [Lanes] = []
  /// The first sample's time, from the start of the record.
  public var firstSeconds = 0.0

  public init() {}
  public func seconds(_ index: Int) -> Double { firstSeconds + Double(index) / outputRateHertz }
  public func index(_ seconds: Double) -> Int {
    Int(((seconds - firstSeconds) * outputRateHertz).rounded())
  }
  var hours: Double { Double(samples.count) / outputRateHertz / 3600 }
}

extension InstrumentRecord {
  mutating func keepVerticalAlone() {
    guard presentLanes.contains(lane: 0) else { return }
    presentLanes = 1
    for segment in segments.indices {
      for frame in segments[segment].frames.indices {
        let vertical = segments[segment].frames[frame][0]
        segments[segment].frames[frame] = Frame(vertical, 0, 0, 0)
      }
    }
  }

  /// At 100 samples a second, counts, as the station's pickers see them.
  func conditioned() -> ConditionedRecord {
    var conditioner = Conditioner(
      ConditionerSettings(rateMillihertz: rateMillihertz, presentLanes: presentLanes))
    var result = ConditionedRecord()
    forEachBlock { block, _ in
      _ = conditioner.begin(block)
      for frame in block.frames {
        for index in 0..<conditioner.push(frame) {
          let sample = conditioner.sample(index)
          // Silence in a gap, so that the index of a sample is its time.
          let missing = Int(sample.number) - result.samples.count
          if missing > 0 { result.samples += [Lanes](repeating: .zero, count: missing) }
          if result.samples.isEmpty {
            result.firstSeconds = Double(sample.time - segments[0].start) * 1e-9
          }
          result.samples.append(sample.counts)
        }
      }
    }
    return result
  }
}
