// ImpostorTrials: what is no earthquake, spread evenly over its kinds, each on a station of its own
// (`onset evaluate --impostors`). How many of each kind raise the alarm, and why?
//
// Days of recorded noise are the obvious test against false alarms. What raises one is rare, so
// that such days hold hardly any of it. A handful of made-up cases shows only that those few do
// not.
//
// So every trial draws its parameters, its size and its noise by chance, and about one in four
// comes during an earthquake that itself stays well below the limit. Trial k of a seed is the same
// alone and among all the others, so that one that raised an alarm can be looked at again (`tell`).
//
//     let trials = ImpostorTrials(ReplayOptions())
//     print(try trials.report(200_000, seed: 1).table)

import Core
import Dispatch
import Foundation
import Synchronization
import Uplink

/// What a station said of one impostor.
struct ImpostorOutcome: Equatable, Sendable {
  var kind: ImpostorKind
  var isDuringEarthquake: Bool
  var hasWatch = false
  /// The first alarm's.
  var reason: AlertReason?
  /// The earthquake alone would have raised one.
  var isEarthquakes = false
}

/// One trial as it is told in full.
public struct ToldTrial {
  public let text: String
  public let json: String
  /// Rows of three little-endian 32-bit floats, m/s², a hundred a second; NaN for frames that
  /// never came.
  public let accelerations: Data
}

/// Which trial is next, and what came of those before.
private final class Progress: Sendable {
  private let count: Int
  private let taken = Atomic<Int>(0)
  private let finished = Atomic<Int>(0)
  private let results: Mutex<[Result<ImpostorOutcome, Error>?]>

  init(_ count: Int) {
    self.count = count
    results = Mutex(Array(repeating: nil, count: count))
  }

  func next() -> Int? {
    let index = taken.wrappingAdd(1, ordering: .relaxed).oldValue
    return index < count ? index : nil
  }

  /// How many are finished with this one.
  func note(_ index: Int, _ result: sending Result<ImpostorOutcome, Error>) -> Int {
    results.withLock { $0[index] = result }
    return finished.wrappingAdd(1, ordering: .relaxed).newValue
  }

  func outcomes() throws -> [ImpostorOutcome] {
    try results.withLock { try $0.map { try $0!.get() } }
  }
}

public struct ImpostorTrials: Sendable {
  private let options: ReplayOptions
  private let station: SyntheticTrials
  private let otherShare: Double?

  /// `otherShare`: another station of the site is waited for, and feels so much of what moves the
  /// floor; nil for a station that is alone.
  public init(_ options: ReplayOptions, otherShare: Double? = nil) {
    self.options = options
    self.otherShare = otherShare
    station = SyntheticTrials(options)
  }

  typealias Alert = (seconds: Double, level: AlertLevel, reason: AlertReason)

  func trial(_ index: Int, seed: UInt64) -> ImpostorTrial {
    ImpostorTrial(
      seed: seed, index: index,
      limitMetresPerSecondSquared: options.alarm.accelerationMetresPerSecondSquared)
  }

  func outcome(_ index: Int, seed: UInt64) throws -> ImpostorOutcome {
    let trial = trial(index, seed: seed)
    let alerts = try alerts(of: trial)
    var outcome = ImpostorOutcome(
      kind: trial.kind, isDuringEarthquake: trial.earthquake != nil,
      hasWatch: alerts.contains { $0.level == .watch },
      reason: alerts.first { $0.level == .alarm }?.reason)
    if outcome.reason != nil && trial.earthquake != nil {
      let own = try self.alerts(
        trial.ground, other: otherShare.map { _ in trial.ground }, missing: 0..<0)
      outcome.isEarthquakes = own.contains { $0.level == .alarm }
    }
    return outcome
  }

  func alerts(of trial: ImpostorTrial) throws -> [Alert] {
    try alerts(
      trial.frames, other: otherShare.map(trial.atAnotherStation), missing: trial.missing)
  }

  /// What a station says of a stream, without repeats. `other`: that of the one it waits for.
  func alerts(
    _ frames: [SIMD4<Double>], other: [SIMD4<Double>]? = nil, missing: Range<Int>
  ) throws -> [Alert] {
    var alerts: [Alert] = []
    var place = 0
    // Half a frame more, because a product of seconds and rate may fall short of a whole number.
    try station.run(
      seconds: (Double(frames.count) + 0.5) / SyntheticTrials.rateHertz,
      ground: { index in
        place = index
        return frames[index]
      }, other: other.map { other in { other[$0] } }
    ) { messages, time in
      for alert in messages.alerts {
        alerts.append((time, alert.message.level, alert.message.reason))
      }
    } isMissing: {
      missing.contains(place)
    }
    return alerts
  }

  /// Trials 0 to `count` − 1, in their order, whatever the number of threads.
  func run(
    _ count: Int, seed: UInt64, threads: Int = ProcessInfo.processInfo.activeProcessorCount,
    told: @escaping @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws -> [ImpostorOutcome] {
    let progress = Progress(count)
    let finished = DispatchSemaphore(value: 0)
    for _ in 0..<max(threads, 1) {
      // Threads of one's own, because Dispatch starts fewer where others keep the machine busy.
      Thread {
        while let index = progress.next() {
          told(progress.note(index, Result { try outcome(index, seed: seed) }), count)
        }
        finished.signal()
      }.start()
    }
    for _ in 0..<max(threads, 1) { finished.wait() }
    return try progress.outcomes()
  }

  public func report(
    _ count: Int, seed: UInt64,
    progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws -> ImpostorReport {
    ImpostorReport(try run(count, seed: seed, told: progress))
  }
}

extension ImpostorTrials {
  /// One trial in full: what it was and what the station said, with times from the stream's start.
  public func tell(_ index: Int, seed: UInt64) throws -> ToldTrial {
    let trial = trial(index, seed: seed)
    let alerts = try alerts(of: trial)
    let (start, end) = (Double(trial.start) / 100, Double(trial.end) / 100)
    var lines = [
      "trial \(index): \(trial.kind.name), \(trial.kind.isElectrical ? "electrical" : "mechanical")"
        + (trial.earthquake == nil ? "" : ", during an earthquake"),
      "  from \(decimal(start, 2)) to \(decimal(end, 2)) s",
    ]
    lines += trial.parameters.map { "  \($0.name) \(decimal($0.value, 5))" }
    if alerts.isEmpty { lines.append("no alert") }
    for alert in alerts {
      lines.append("\(decimal(alert.seconds, 2)) s: \(alert.level), \(alert.reason)")
    }
    let parameters = trial.parameters.map { "\"\($0.name)\":\(decimal($0.value, 6))" }
    let told = alerts.map {
      "{\"s\":\(decimal($0.seconds, 2)),\"level\":\"\($0.level)\",\"reason\":\"\($0.reason)\"}"
    }
    let json =
      "{\"trial\":\(index),\"impostor\":\"\(trial.kind.rawValue)\","
      + "\"start_s\":\(decimal(start, 2)),\"end_s\":\(decimal(end, 2)),"
      + "\"during_earthquake\":\(trial.earthquake != nil),"
      + "\"parameters\":{\(parameters.joined(separator: ","))},"
      + "\"alerts\":[\(told.joined(separator: ","))]}"
    return ToldTrial(
      text: lines.joined(separator: "\n"), json: json, accelerations: trial.accelerations)
  }
}

extension ImpostorTrial {
  var accelerations: Data {
    var data = Data(capacity: 12 * frames.count)
    for (index, frame) in frames.enumerated() {
      for lane in 0..<3 {
        let value = missing.contains(index) ? Float.nan : Float(frame[lane])
        withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) }
      }
    }
    return data
  }
}
