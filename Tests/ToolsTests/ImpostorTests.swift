// What is no earthquake: that each of its kinds is as large as it says, begins when it says and
// ends, and that a trial is the same alone, among others and on any number of threads.

import Core
import Foundation
import Testing

@testable import Tools

@Suite struct ImpostorTests {
  private static let limit = 0.49

  /// Four of each kind.
  private static let trials = (0..<100).map { trial($0, seed: 3) }

  private static func trial(_ index: Int, seed: UInt64) -> ImpostorTrial {
    ImpostorTrial(seed: seed, index: index, limitMetresPerSecondSquared: limit)
  }

  /// What the impostor did to each frame.
  private func differences(_ trial: ImpostorTrial) -> [SIMD4<Double>] {
    zip(trial.frames, trial.ground).map { $0 - $1 }
  }

  private func isClose(_ a: SIMD4<Double>, _ b: SIMD4<Double>, within tolerance: Double) -> Bool {
    Disturbance.largest([a - b]) <= tolerance
  }

  @Test func everyKindComesEquallyOften() {
    let kinds = Self.trials.map(\.kind)
    #expect(kinds.count == 4 * ImpostorKind.allCases.count)
    for kind in ImpostorKind.allCases { #expect(kinds.filter { $0 == kind }.count == 4) }
    let electrical = ImpostorKind.allCases.filter(\.isElectrical).count
    #expect(electrical == 17 && ImpostorKind.allCases.count - electrical == 8)
  }

  @Test func everyPeakIsWhatTheTrialSaysAndInTheRange() {
    for trial in Self.trials {
      let peak = trial.peakMetresPerSecondSquared
      #expect(trial.kind.peaks.contains(peak) && (0.3...20).contains(peak), "\(trial.kind)")
      // Where a lane no longer hears the ground, the ground is in the difference too.
      let tolerance = 2.001 * Disturbance.largest(trial.ground)
      let largest = Disturbance.largest(differences(trial))
      if trial.kind == .gainJump {
        #expect(abs(largest / peak - 1) < 1e-9)
      } else {
        #expect(abs(largest - peak) <= tolerance, "\(trial.kind): \(largest) of \(peak)")
      }
    }
  }

  @Test func theGroundIsItsOwnBeforeTheImpostor() {
    for trial in Self.trials {
      #expect(trial.frames.count == trial.ground.count)
      #expect(trial.frames[..<trial.start] == trial.ground[..<trial.start], "\(trial.kind)")
      #expect(trial.frames[trial.start...] != trial.ground[trial.start...], "\(trial.kind)")
      #expect(trial.missing.upperBound == trial.start)
      switch trial.kind {
      case .settlingAtStart: #expect(trial.start == 0)
      case .settlingAfterGap: #expect((50...500).contains(trial.missing.count))
      default: #expect(trial.start >= 2500 && trial.missing.isEmpty)
      }
    }
  }

  /// An offset may stay, and a gain; nothing else moves in the last seconds.
  @Test func everyImpostorEndsWhileTheStationIsWatched() {
    for trial in Self.trials {
      let observed = Int(Disturbance.observedSeconds * Disturbance.rateHertz)
      #expect(trial.end + observed == trial.frames.count)
      let differences = differences(trial)
      let last = differences.last!
      if trial.kind == .gainJump {
        let isForever = trial.parameters.contains { $0.name == "forever" && $0.value == 1 }
        #expect((last != .zero) == isForever)
        continue
      }
      // The grounds differ where lanes stay exchanged.
      let tolerance =
        0.01 * trial.peakMetresPerSecondSquared
        + (trial.kind == .laneSwap ? 4 * Disturbance.largest(trial.ground) : 1e-9)
      #expect(
        differences.suffix(500).allSatisfy { isClose($0, last, within: tolerance) },
        "\(trial.kind)")
    }
  }

  @Test func theLowPassKeepsWhatIsBelow35HertzAndNothingBeyond50() {
    func gain(_ hertz: Double) -> Double {
      var (real, imaginary) = (0.0, 0.0)
      for (index, tap) in BandLimit.taps.enumerated() {
        real += tap * Elementary.cosine(twoPi * hertz * Double(index) / 100)
        imaginary += tap * Elementary.sine(twoPi * hertz * Double(index) / 100)
      }
      return (real * real + imaginary * imaginary).squareRoot()
    }
    for hertz in stride(from: 0.0, through: 34, by: 1) { #expect(abs(gain(hertz) - 1) < 1e-3) }
    #expect(gain(50) < 1e-4)
    let step = BandLimit.filtered(Array(repeating: SIMD4(1, 2, 0, 0), count: 60))
    #expect(isClose(step.last!, SIMD4(1, 2, 0, 0), within: 1e-12))
    #expect(Disturbance.largest(step) > 2.1, "an edge rings")
  }

  @Test func anEarthquakeUnderneathIsHeardAndStaysBelowTheLimit() {
    let all = Self.trials
    let during = all.filter { $0.earthquake != nil }
    #expect((12...40).contains(during.count), "a quarter")
    for trial in during {
      let peak = Disturbance.largest(trial.ground)
      #expect((0.02...(0.5 * Self.limit)).contains(peak))
      #expect(trial.earthquake!.peakMetresPerSecondSquared == peak)
      #expect(trial.kind == .settlingAtStart || trial.start >= 2500)
    }
    for trial in all where trial.earthquake == nil {
      #expect(Disturbance.largest(trial.ground) < 0.02, "noise of 2 mm/s² and no more")
    }
    let low = ImpostorTrial(seed: 3, index: during[0].index, limitMetresPerSecondSquared: 0.04)
    #expect(low.earthquake == nil, "none is heard below so low a limit")
  }

  @Test func aTrialIsOfItsSeedAndIndex() {
    let a = Self.trials[40]
    #expect(a.frames == Self.trial(40, seed: 3).frames)
    let other = Self.trial(40, seed: 4)
    #expect(a.kind == other.kind && a.frames != other.frames)
    let next = Self.trials[65]
    #expect(a.kind == next.kind && a.frames.prefix(100) != next.frames.prefix(100))
  }

  /// Pickers and estimators without networks, because these tests are not optimised.
  private var options: ReplayOptions {
    var options = ReplayOptions()
    (options.network, options.estimatorNetwork) = (nil, nil)
    return options
  }

  @Test func outcomesDoNotDependOnThreads() throws {
    let trials = ImpostorTrials(options)
    let alone = try trials.run(14, seed: 3, threads: 1)
    let together = try trials.run(14, seed: 3, threads: 3)
    #expect(alone == together)
    #expect(ImpostorReport(alone) == ImpostorReport(together))
    for index in [1, 13] {
      #expect(try trials.outcome(index, seed: 3) == together[index])
    }
    // Otherwise all could be equal because nothing happens at all.
    let outcomes = Set(
      together.map { "\($0.isDuringEarthquake) \($0.hasWatch) \($0.reason, default: "")" })
    #expect(outcomes.count > 1)
    let other = try trials.run(14, seed: 4, threads: 3)
    #expect(other != together && other.map(\.kind) == together.map(\.kind))
  }

  /// A vehicle that closes the relay of a station that is alone, and no other's.
  @Test func anotherStationOfTheSiteHasToFeelIt() throws {
    func alerts(_ share: Double?) throws -> [ImpostorTrials.Alert] {
      let trials = ImpostorTrials(ReplayOptions(), otherShare: share)
      let trial = trials.trial(22, seed: 101)
      #expect(trial.kind == .vehicle && trial.earthquake == nil)
      return try trials.alerts(of: trial)
    }
    #expect(try alerts(nil).contains { $0.level == .alarm })
    let unfelt = try alerts(0)
    #expect(unfelt.map(\.level) == [.watch, .clear] && unfelt.last?.reason == .outvoted)
    #expect(try alerts(1).contains { $0.level == .alarm })
  }

  @Test func aTrialIsToldAndDumped() throws {
    let trials = ImpostorTrials(options)
    let index = ImpostorKind.allCases.firstIndex(of: .settlingAfterGap)!
    let trial = trials.trial(index, seed: 3)
    let told = try trials.tell(index, seed: 3)
    #expect(told.text.hasPrefix("trial 8: settling after a gap, electrical"))
    #expect(told.json.contains("\"impostor\":\"settlingAfterGap\""))
    let parsed = try #require(
      try JSONSerialization.jsonObject(with: Data(told.json.utf8)) as? [String: Any])
    #expect((parsed["alerts"] as? [Any])?.count == (try trials.alerts(of: trial)).count)
    let values = told.accelerations.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    #expect(values.count == 3 * trial.frames.count)
    for (place, value) in values.enumerated() {
      let (frame, lane) = place.quotientAndRemainder(dividingBy: 3)
      if trial.missing.contains(frame) {
        #expect(value.isNaN)
      } else {
        #expect(value == Float(trial.frames[frame][lane]))
      }
    }
  }

  @Test func outcomesAreCountedByKindAndReason() {
    var outcomes = [ImpostorOutcome(kind: .knock, isDuringEarthquake: false)]
    outcomes.append(
      ImpostorOutcome(
        kind: .knock, isDuringEarthquake: false, hasWatch: true, reason: .measuredShaking))
    outcomes.append(
      ImpostorOutcome(
        kind: .knock, isDuringEarthquake: true, reason: .expectedShaking, isEarthquakes: true))
    outcomes.append(ImpostorOutcome(kind: .step, isDuringEarthquake: false, reason: .amplitudeOfP))
    let report = ImpostorReport(outcomes)
    let knock = report[.knock]
    #expect((knock.still.trials, knock.still.watches, knock.still.alarms) == (2, 1, 1))
    #expect(knock.still.byReason == [0, 0, 1] && knock.during.byReason == [1, 0, 0])
    #expect(knock.during.earthquakes == 1 && knock.still.earthquakes == 0)
    let electrical = report.total("electrical", where: \.isElectrical)
    #expect((electrical.still.trials, electrical.still.alarms) == (1, 1))
    #expect(electrical.still.byReason == [0, 1, 0])
    #expect(report.table.split(separator: "\n").count == 2 + 25 + 3)
    #expect(report.json.split(separator: "\n").count == 25 + 3)
  }

  @Test func earthquakesStandBesideThem() {
    var outcome = SyntheticTrials.Outcome()
    (outcome.events, outcome.strong, outcome.inTime, outcome.late) = (10, 4, 2, 1)
    (outcome.missed, outcome.wrong) = (1, 3)
    let synthetic = EarthquakeRow(outcome)
    #expect((synthetic.exceeding, synthetic.alarmed, synthetic.inTime) == (4, 3, 2))
    #expect((synthetic.below, synthetic.wrong) == (6, 3))
    var alarms = StrongMotion.Alarms()
    (alarms.right, alarms.wrong, alarms.missed) = (3, 1, 2)
    alarms.inTime = 2
    let records = EarthquakeRow(alarms, records: 20, limitMetresPerSecondSquared: 0.490_332_5)
    #expect(records.name == "records at 0.05 g")
    #expect((records.exceeding, records.alarmed, records.inTime) == (5, 3, 2))
    #expect((records.below, records.wrong) == (15, 1))
    var report = ImpostorReport()
    report.earthquakes = [synthetic, records]
    #expect(report.table.split(separator: "\n").count == 3)
  }
}
