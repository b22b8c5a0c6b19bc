// StrongMotion: what the station expected, against what came, on records whose ground motion is
// known (`onset evaluate --strong-motion`). The truth is the record itself, through the station's
// own filters.
//
//     var evaluation = StrongMotion(ReplayOptions())
//     let records = try EvaluationIndex.shaking("INDEX.csv", split: nil)
//     try evaluation.run(records, complain: { print($0) })
//     print(evaluation.table)

import Conditioning
import Core
import Decision
import Estimator
import Foundation
import Uplink

/// What is known of a record beside its samples.
public struct ShakingRecord {
  public var file: String
  public var path: String
  public var source: String
  public var countsPerUnit: Double
  public var magnitude: Double?
  public var hypocentralKilometres: Double?
}

/// Peak by peak: what the ground did, and when.
struct GroundTruth: ~Copyable {
  private var meter = IntensityMeter()
  private(set) var times: [UTC] = []
  private(set) var acceleration: [Double] = []
  private var motions: [Motion] = []
  private(set) var velocity: [Double] = []

  mutating func add(_ sample: Sample) {
    guard let motion = sample.motion else { return }
    func largest(_ lanes: Lanes) -> Double {
      max(lanes[0].magnitude, lanes[1].magnitude, lanes[2].magnitude)
    }
    times.append(sample.time)
    meter.step(motion.acceleration)
    motions.append(motion)
    acceleration.append(largest(motion.acceleration))
    velocity.append(largest(motion.velocity))
  }

  var intensity: Double? { meter.intensity }

  /// Whether and where acceleration is largest after the station is live.
  var peak: (time: UTC, acceleration: Double)? {
    let settled = Int(Evaluation.settlingSeconds * outputRateHertz)
    guard times.count > settled else { return nil }
    let place = (settled..<times.count).max { acceleration[$0] < acceleration[$1] }!
    return (times[place], acceleration[place])
  }

  func exceeds(_ limit: Double) -> UTC? {
    let settled = Int(Evaluation.settlingSeconds * outputRateHertz)
    return times.indices.first { $0 >= settled && acceleration[$0] >= limit }.map { times[$0] }
  }

  /// When shaking of these limits can have been measured, after the station has settled.
  func measures(_ settings: AlarmSettings) -> UTC? {
    let settled = Int(Evaluation.settlingSeconds * outputRateHertz)
    var shaking = MeasurableShaking(settings)
    for place in times.indices where place >= settled {
      shaking.add(motions[place], at: 0)
      if shaking.seconds != nil { return times[place] }
    }
    return nil
  }

  func peaks(from start: UTC, seconds: Double) -> (acceleration: Double, velocity: Double) {
    var peaks = (acceleration: 0.0, velocity: 0.0)
    for place in times.indices where times[place] >= start {
      guard Double(times[place] - start) * 1e-9 <= seconds else { break }
      peaks.acceleration = max(peaks.acceleration, acceleration[place])
      peaks.velocity = max(peaks.velocity, velocity[place])
    }
    return peaks
  }
}

public struct StrongMotion {
  /// Seconds after P at which estimates are judged.
  public static let secondsAfterP = [0.5, 1, 2, 3, 5]
  /// 0.02, 0.05 and 0.1 g.
  public static let limits = [0.02, 0.05, 0.1].map { $0 * 9.80665 }
  /// P to the largest shaking: beyond it the pick was another event's.
  private static let searchedSeconds = 60.0
  private static let shakingSeconds = 120.0

  public struct Judged {
    public var source: String
    public var magnitude: Double?
    public var kilometres: Double?
    public var logAcceleration = 0.0
    public var logVelocity = 0.0
    /// At `secondsAfterP`; nil where none was told.
    public var estimates: [EstimateMessage?] = []
  }

  public struct Alarms {
    public var right = 0
    public var wrong = 0
    public var missed = 0
    /// Records whose shaking could be measured, and those on which the alarm came in time for that.
    public var measurable = 0
    public var inTime = 0
    /// The others, and by how many seconds the alarm was late; nil where none came.
    public var late: [(file: String, seconds: Double?)] = []
    /// From the alarm to the exceedance, where both were.
    public var leads: [Double] = []
  }

  public private(set) var judged: [Judged] = []
  public private(set) var alarms = [Alarms](repeating: Alarms(), count: limits.count)
  /// Every record's JMA intensity as the station measures it.
  public private(set) var intensities: [(file: String, value: Double)] = []
  public private(set) var records = 0
  public private(set) var withoutP = 0
  private let options: ReplayOptions

  public init(_ options: ReplayOptions) { self.options = options }

  /// `complain` gets a sentence for each record that could not be read, `remark` one for each that
  /// was read in part.
  public mutating func run(
    _ records: [ShakingRecord], complain: (String) -> Void,
    remark: (String) -> Void = { _ in }, progress: ProgressTold = { _, _ in }
  ) throws {
    try RecordFiles.forEach(
      records, \.path, progress: progress, complain: complain, remark: remark
    ) {
      try judge($1, $0)
    }
  }

  private mutating func judge(_ instrument: InstrumentRecord, _ record: ShakingRecord) throws {
    let response = Response(
      quantity: .acceleration, unitsPerCount: Lanes(repeating: 1 / record.countsPerUnit))
    let truth = instrument.groundTruth(instrument.scaled(response))
    guard let peak = truth.peak else { return }
    records += 1
    if let intensity = truth.intensity { intensities.append((record.file, intensity)) }
    var estimates: [Drawn<EstimateMessage>] = []
    for (place, limit) in StrongMotion.limits.enumerated() {
      var messages = DrawnMessages()
      var options = options
      options.response = response
      options.alarm.accelerationMetresPerSecondSquared = limit
      var replay = Replay(options)
      try replay.run(instrument) { datagram in
        try datagram.withBytes { bytes throws in
          try messages.take(try OpenedDatagram(bytes, key: nil))
        }
      }
      let alarm = messages.alerts.first { $0.message.level == .alarm }
      alarms[place].add(
        alarm?.emitted, exceeded: truth.exceeds(limit),
        measured: truth.measures(options.alarm), file: record.file)
      estimates = messages.estimates
    }
    let near = estimates.filter {
      let seconds = Double(peak.time - $0.message.pickTime) * 1e-9
      return (0...StrongMotion.searchedSeconds).contains(seconds)
    }
    // The network's last pick before it, because an earlier one may be a foreshock's; where the
    // network is silent STA/LTA's first, because a later one may be S.
    let chosen = near.last { $0.message.pickID != 0 } ?? near.first
    guard let pickTime = chosen?.message.pickTime else {
      withoutP += 1
      return
    }
    var result = Judged(
      source: record.source, magnitude: record.magnitude, kilometres: record.hypocentralKilometres)
    let peaks = truth.peaks(from: pickTime, seconds: StrongMotion.shakingSeconds)
    result.logAcceleration = Elementary.logarithm10(max(peaks.acceleration, 1e-9))
    result.logVelocity = Elementary.logarithm10(max(peaks.velocity, 1e-12))
    for seconds in StrongMotion.secondsAfterP {
      result.estimates.append(
        estimates.first {
          $0.message.pickTime == pickTime
            && abs(Double($0.message.afterPMilliseconds) / 1000 - seconds) < 0.05
        }?.message)
    }
    judged.append(result)
  }
}

extension StrongMotion.Alarms {
  /// An alarm is right where the limit was exceeded, sooner or later.
  mutating func add(_ alarm: UTC?, exceeded: UTC?, measured: UTC?, file: String) {
    if let measured {
      measurable += 1
      let after = alarm.map { Double($0 - measured) * 1e-9 }
      if let after, after <= SyntheticTrials.measuringSeconds {
        inTime += 1
      } else {
        late.append((file, after.map { $0 - SyntheticTrials.measuringSeconds }))
      }
    }
    switch (alarm, exceeded) {
    case (let alarm?, let exceeded?):
      right += 1
      leads.append(Double(exceeded - alarm) * 1e-9)
    case (_?, nil): wrong += 1
    case (nil, _?): missed += 1
    case (nil, nil): break
    }
  }

  public var precision: Double? { right + wrong > 0 ? Double(right) / Double(right + wrong) : nil }
  public var recall: Double? { right + missed > 0 ? Double(right) / Double(right + missed) : nil }
}

extension InstrumentRecord {
  func groundTruth(_ response: Response) -> GroundTruth {
    var conditioner = Conditioner(
      ConditionerSettings(
        rateMillihertz: rateMillihertz, presentLanes: presentLanes, response: response))
    var truth = GroundTruth()
    forEachBlock { block, _ in
      _ = conditioner.begin(block)
      for frame in block.frames {
        for ready in 0..<conditioner.push(frame) { truth.add(conditioner.sample(ready)) }
      }
    }
    return truth
  }
}

extension EvaluationIndex {
  /// Records in ground units, with what is known of their events.
  public static func shaking(_ path: String, split: String?) throws -> [ShakingRecord] {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    return try of(path) { table in
      let index = try IndexTable(table, folder: folder, needed: [.file, .countsPerUnit])
      var records: [ShakingRecord] = []
      for (number, row) in index.rows.enumerated() {
        let isAcceleration = !index.has(.kind) || index.text(row, .kind) == "acceleration"
        guard try isAcceleration && index.isOf(split, row) else { continue }
        let counts = index.text(row, .countsPerUnit) ?? ""
        guard let countsPerUnit = Double(counts), countsPerUnit > 0 else {
          throw ToolError("row \(number + 1): \(counts) is no counts_per_unit")
        }
        records.append(
          ShakingRecord(
            file: index.text(row, .file) ?? "", path: index.path(row),
            source: index.text(row, .source) ?? "unnamed", countsPerUnit: countsPerUnit,
            magnitude: index.text(row, .magnitude).flatMap(Double.init),
            hypocentralKilometres: index.text(row, .distance).flatMap(Double.init)))
      }
      guard !records.isEmpty else { throw ToolError("no record of kind acceleration") }
      return records
    }
  }
}
