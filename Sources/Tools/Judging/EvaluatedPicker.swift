// EvaluatedPicker: any picker as `onset evaluate` sees it: a record in, picks out.
//
//     let picker = try EvaluatedPicker("sta-lta", options: ReplayOptions())
//     let found = try picker.run(record, file: "record.mseed", conditioned)

import Conditioning
import Core
import Foundation
import Picker
import Uplink

/// What a picker said of one arrival in the end.
public struct JudgedPick {
  public var phase: ListedPick.Phase
  public var timeSeconds: Double
  public var probability: Double
  public var sigmaSeconds: Double?
  public var quality: Character?
  /// +1 up, −1 down
  public var motion: Int?
  /// From the onset to the first message about it; nil where it makes no sense to ask.
  public var delaySeconds: Double?
  public var wasAnnounced = false
}

public struct RecordPicks {
  public var picks: [JudgedPick] = []
  /// P as they were first told, whatever became of them.
  public var announced: [JudgedPick] = []
  public var retracted = 0
}

public final class EvaluatedPicker {
  public enum Kind {
    case station(PickerNetwork?)
    case windows(WindowPicker)
    case list([String: [ListedPick]])
  }
  /// PhaseNet's own.
  private static let windowThreshold: Float = 0.5

  public let name: String
  private let kind: Kind
  private let options: ReplayOptions

  /// `name`: onset, sta-lta, a network file, or a CSV file of picks.
  public init(_ name: String, options: ReplayOptions) throws {
    self.name = name.contains("/") ? URL(fileURLWithPath: name).lastPathComponent : name
    self.options = options
    switch name {
    case "onset": kind = .station(.standard)
    case "sta-lta": kind = .station(nil)
    case let path where path.hasSuffix(".csv"): kind = .list(try EvaluationIndex.picks(path))
    default:
      let bytes = try NetworkBytes(path: name)
      let isWindow: Bool
      do { isWindow = try bytes.plan(maximumRows: 1).header.windowRows > 0 } catch {
        throw ToolError("\(name): \(error)")
      }
      kind =
        isWindow ? .windows(try WindowPicker(path: name)) : .station(try PickerNetwork(path: name))
    }
  }

  public func run(
    _ record: InstrumentRecord, file: String, _ conditioned: ConditionedRecord
  ) throws -> RecordPicks {
    switch kind {
    case .station(let network): return try station(record, network)
    case .windows(let picker): return windows(picker, conditioned)
    case .list(let lists):
      return RecordPicks(
        picks: (lists[file] ?? []).map {
          JudgedPick(
            phase: $0.phase, timeSeconds: $0.timeSeconds, probability: $0.probability)
        })
    }
  }

  private func windows(_ picker: WindowPicker, _ conditioned: ConditionedRecord) -> RecordPicks {
    let (p, s) = picker.probabilities(conditioned.samples)
    func picks(_ values: [Float], _ phase: ListedPick.Phase) -> [JudgedPick] {
      WindowPicker.peaks(values, threshold: EvaluatedPicker.windowThreshold).map {
        JudgedPick(
          phase: phase, timeSeconds: conditioned.seconds($0.sample),
          probability: Double($0.value))
      }
    }
    return RecordPicks(picks: picks(p, .p) + picks(s, .s))
  }

  private func station(
    _ record: InstrumentRecord, _ network: PickerNetwork?
  ) throws -> RecordPicks {
    var options = options
    options.network = network
    let start = record.segments[0].start
    var result = RecordPicks()
    var firstEmitted: [UInt32: UTC] = [:]
    var replay = Replay(options)
    try replay.run(record) { datagram in
      try datagram.withBytes { bytes throws in
        let opened = try OpenedDatagram(bytes, key: nil)
        guard opened.header.type == .pick else { return }
        let pick = try PickMessage(opened.payload)
        let isFirst = firstEmitted[pick.id] == nil
        if isFirst { firstEmitted[pick.id] = opened.header.emitted }
        let told = JudgedPick(
          phase: pick.phase == 1 ? .p : .s, timeSeconds: Double(pick.time - start) * 1e-9,
          probability: pick.probability == Wire.noProbability
            ? 1 : Double(pick.probability) / 10_000,
          sigmaSeconds: Double(pick.timeSigmaMicroseconds) * 1e-6,
          quality: Array("ABCD")[Int(pick.quality) - 1],
          motion: pick.firstMotion == 0 ? nil : Int(pick.firstMotion),
          delaySeconds: isFirst ? nil : Double(firstEmitted[pick.id]! - pick.time) * 1e-9,
          wasAnnounced: !isFirst)
        switch pick.status {
        case 1: result.announced.append(told)
        case 2: result.picks.append(told)
        default: result.retracted += 1
        }
      }
    }
    return result
  }
}
