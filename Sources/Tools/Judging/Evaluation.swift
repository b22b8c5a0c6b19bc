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

  public struct Row {
    public var picker: String
    public var source: String
    public var records = 0
    public var hours = 0.0
    public var p = PickScore()
    public var s = PickScore()
    /// P as they were announced, whatever became of them.
    public var announcedP = PickScore()
    /// Truths by what they are, and whether they were found.
    public var breakdowns = [
      Breakdown("P by signal-to-noise", "dB", edges: [6, 12, 20, 35, 50]),
      Breakdown("S by P's signal-to-noise", "dB", edges: [6, 12, 20, 35, 50]),
      Breakdown("P by S − P", "s", edges: [1, 2, 5, 10, 20]),
      Breakdown("S by S − P", "s", edges: [1, 2, 5, 10, 20]),
      Breakdown("P by magnitude", edges: [1, 2, 3, 4, 5]),
      Breakdown("S by magnitude", edges: [1, 2, 3, 4, 5]),
    ]
    public var reliabilities = [
      Reliability("announced P"), Reliability("confirmed P"), Reliability("confirmed S"),
    ]
    public var motionsRight = 0
    public var motionsSaid = 0
    public var motionsKnown = 0
    public var delays: [Double] = []
    public var confirmed = 0
    public var announced = 0
    public var retracted = 0
    /// Hits, by quality.
    public var covered: [Character: Coverage] = [:]
    public var agreedP = (found: 0, all: 0)
    public var agreedS = (found: 0, all: 0)
    public var unsupported = 0
    public var continuousHours = 0.0
  }

  /// Hits whose stated σ, and nearly twice of it, covers their residual: 68 and 95 of a hundred.
  public struct Coverage: Equatable {
    public static let most = 1.96
    public var all = 0
    public var once = 0
    public var twice = 0
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
      let announced = found.announced.filter { $0.timeSeconds >= settling }
      judgeAnalyst(p, s, announced: announced, analyst, conditioned, &row)
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
    _ p: [JudgedPick], _ s: [JudgedPick], announced: [JudgedPick], _ analyst: AnalystPicks,
    _ conditioned: ConditionedRecord, _ row: inout Row
  ) {
    let truthP = analyst.p.map { $0 >= Evaluation.settlingSeconds ? [$0] : [] } ?? []
    let truthS = analyst.s.map { $0 >= Evaluation.settlingSeconds ? [$0] : [] } ?? []
    let hits = row.p.add(picks: p.map(\.timeSeconds), truths: truthP)
    let hitsOfS = row.s.add(picks: s.map(\.timeSeconds), truths: truthS)
    let early = row.announcedP.add(picks: announced.map(\.timeSeconds), truths: truthP)
    for (place, said) in [(announced, early), (p, hits), (s, hitsOfS)].enumerated() {
      for (pick, truth) in zip(said.0, said.1) {
        row.reliabilities[place].add(pick.probability, isRight: truth != nil)
      }
    }
    let found = [hits, hitsOfS].map { $0.contains { $0 != nil } }
    let decibels = truthP.first.map { SignalToNoise.decibels(conditioned, at: $0) }
    let interval = analyst.p.flatMap { p in analyst.s.map { $0 - p } }
    for phase in 0..<2 where !(phase == 0 ? truthP : truthS).isEmpty {
      for (place, value) in [decibels, interval, analyst.magnitude].enumerated() {
        if let value { row.breakdowns[2 * place + phase].add(value, isHit: found[phase]) }
      }
    }
    for (pick, truth) in zip(p, hits) {
      guard let truth else { continue }
      if let delay = pick.delaySeconds {
        row.delays.append(delay + pick.timeSeconds - truthP[truth])
      }
      if let sigma = pick.sigmaSeconds, let quality = pick.quality {
        let error = abs(pick.timeSeconds - truthP[truth])
        row.covered[quality, default: Coverage()].all += 1
        row.covered[quality]!.once += error <= sigma ? 1 : 0
        row.covered[quality]!.twice += error <= Coverage.most * sigma ? 1 : 0
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
      sum.announcedP.add(row.announcedP)
      for place in sum.breakdowns.indices {
        sum.breakdowns[place].add(row.breakdowns[place])
      }
      for place in sum.reliabilities.indices {
        sum.reliabilities[place].add(row.reliabilities[place])
      }
      sum.motionsRight += row.motionsRight
      sum.motionsSaid += row.motionsSaid
      sum.motionsKnown += row.motionsKnown
      sum.delays += row.delays
      sum.confirmed += row.confirmed
      sum.announced += row.announced
      sum.retracted += row.retracted
      for (quality, count) in row.covered {
        sum.covered[quality, default: Coverage()].all += count.all
        sum.covered[quality]!.once += count.once
        sum.covered[quality]!.twice += count.twice
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
