// From stations' alerts to a receiver's alarm: a table of what comes and what must be told.

import Core
import Foundation
import Testing
import Tools
import Uplink

@testable import Collector

@Suite struct AlarmWatchTests {
  private static let now = UTC(nanoseconds: 1_800_000_000_000_000_000)

  private static func at(_ seconds: Double) -> UTC { now + Int64(seconds * 1e9) }

  /// An alert of station "XX.<name>..HH", decided at a second of the story.
  private static func alert(
    _ watch: inout AlarmWatch, _ name: String, _ level: AlertLevel, at seconds: Double,
    sequence: UInt32? = nil, heard: Double? = nil, isDrill: Bool = false, isTimed: Bool = true,
    pick: UInt32 = 1
  ) -> [String] {
    var alert = AlertMessage()
    (alert.level, alert.decided, alert.isDrill, alert.pickID) = (level, at(seconds), isDrill, pick)
    let header = Header(
      type: .alert, station: Text("XX.\(name)..HH"), epoch: 9, bootCounter: 1,
      sequence: sequence ?? UInt32(seconds * 10), emitted: at(seconds),
      clockState: isTimed ? 3 : 0, clockSource: 2, clockUncertaintyNanoseconds: 1000)
    return words(watch.note(header, alert, at: at(heard ?? seconds)))
  }

  private static func estimate(
    _ watch: inout AlarmWatch, _ name: String, mmi: Double, pick: UInt32 = 1, sequence: UInt32 = 1
  ) -> [String] {
    var estimate = EstimateMessage()
    (estimate.pickID, estimate.modifiedMercalliHundredths) = (pick, UInt16(mmi * 100))
    let header = Header(
      type: .estimate, station: Text("XX.\(name)..HH"), epoch: 9, bootCounter: 1,
      sequence: sequence, emitted: at(0), clockState: 3, clockSource: 2,
      clockUncertaintyNanoseconds: 1000)
    return words(watch.note(header, estimate, at: at(0)))
  }

  /// "raised A B"
  private static func words(_ steps: [AlarmStep]) -> [String] {
    steps.map { step in
      ([step.kind.rawValue] + step.parts.map { $0.station.split(separator: ".")[1].description })
        .joined(separator: " ")
    }
  }

  @Test func oneStationIsEnoughForWhoHearsOne() {
    var watch = AlarmWatch(AlarmRule())
    #expect(Self.alert(&watch, "A", .watch, at: 0) == [])
    #expect(Self.alert(&watch, "A", .alarm, at: 1) == ["raised A"])
    #expect(Self.alert(&watch, "A", .alarm, at: 2) == [], "a repeat")
    #expect(Self.alert(&watch, "B", .alarm, at: 3) == ["extended A B"])
    #expect(Self.alert(&watch, "A", .clear, at: 20) == [])
    #expect(Self.alert(&watch, "A", .alarm, at: 2, sequence: 25) == [], "late, and taken back")
    #expect(Self.alert(&watch, "B", .clear, at: 21) == ["ended B"])
    #expect(Self.alert(&watch, "B", .clear, at: 22) == [] && !watch.isRaised)
  }

  @Test func aQuorumMustDecideShortlyOneAfterAnother() {
    let rule = AlarmRule(quorum: 3, withinSeconds: 5)
    var watch = AlarmWatch(rule)
    #expect(Self.alert(&watch, "A", .alarm, at: 0) == [])
    #expect(Self.alert(&watch, "B", .alarm, at: 1) == [])
    #expect(Self.alert(&watch, "B", .alarm, at: 1.2) == [], "it counts once")
    #expect(Self.alert(&watch, "C", .alarm, at: 6) == [], "A is too long ago")
    #expect(Self.alert(&watch, "D", .alarm, at: 6.1) == ["raised A B C D"])
    // By their own clocks, whenever it comes.
    watch = AlarmWatch(rule)
    #expect(Self.alert(&watch, "A", .alarm, at: 0, heard: 20) == [])
    #expect(Self.alert(&watch, "B", .alarm, at: 1, heard: 30) == [])
    #expect(Self.alert(&watch, "C", .alarm, at: 4, heard: 31) == ["raised A B C"])
  }

  @Test func levelDrillStationsAndIntensityAreTheRules() {
    var watch = AlarmWatch(AlarmRule(stations: ["XX.A*", "*.C..HH"], level: .watch))
    #expect(Self.alert(&watch, "B", .alarm, at: 0) == [])
    #expect(Self.alert(&watch, "C", .watch, at: 0) == ["raised C"])
    #expect(Self.alert(&watch, "C", .alarm, at: 1) == ["extended C"], "it has grown")
    #expect(Self.alert(&watch, "A", .alarm, at: 2, isDrill: true) == [])
    watch = AlarmWatch(AlarmRule(takesDrills: true))
    #expect(Self.alert(&watch, "A", .alarm, at: 2, isDrill: true) == ["raised A"])
    watch = AlarmWatch(AlarmRule(intensityMinimum: 6))
    #expect(Self.alert(&watch, "A", .alarm, at: 0) == [], "nobody knows yet")
    #expect(Self.estimate(&watch, "A", mmi: 5.9) == [])
    #expect(Self.estimate(&watch, "A", mmi: 6.5, pick: 2, sequence: 2) == [], "another arrival's")
    #expect(Self.estimate(&watch, "A", mmi: 6.1, sequence: 3) == ["raised A"])
  }

  @Test func whatIsOldRaisesNothing() {
    var watch = AlarmWatch(AlarmRule())
    #expect(Self.alert(&watch, "A", .alarm, at: 0, heard: 61) == [], "after an outage")
    #expect(Self.alert(&watch, "B", .alarm, at: 100) == ["raised A B"], "A stands all the same")
    // A station that has no clock has decided when it was heard.
    watch = AlarmWatch(AlarmRule())
    #expect(
      Self.alert(&watch, "A", .alarm, at: -1e9, sequence: 1, heard: 0, isTimed: false)
        == ["raised A"])
    // Whoever is cut off in an alarm does not keep it for ever.
    #expect(Self.words(watch.pass(at: Self.at(1800))) == [])
    #expect(Self.words(watch.pass(at: Self.at(1801))) == ["ended A"])
  }

  @Test func theSameStoryHasTheSameNames() {
    var (one, two) = (AlarmWatch(AlarmRule()), AlarmWatch(AlarmRule()))
    var names: [[String]] = []
    for watch in [0, 1] {
      var told: [AlarmStep] = []
      for (name, level, second) in [
        ("A", .alarm, 0), ("B", .alarm, 1), ("A", .clear, 9), ("B", .clear, 10), ("A", .alarm, 11),
      ] as [(String, AlertLevel, Double)] {
        var alert = AlertMessage()
        (alert.level, alert.decided, alert.id) = (level, Self.at(second), second < 11 ? 1 : 2)
        let header = Header(
          type: .alert, station: Text("XX.\(name)..HH"), epoch: 9, bootCounter: 1,
          sequence: UInt32(second), emitted: Self.at(second), clockState: 3, clockSource: 2,
          clockUncertaintyNanoseconds: 1000)
        told +=
          watch == 0
          ? one.note(header, alert, at: Self.at(second))
          : two.note(header, alert, at: Self.at(second + 0.4))
      }
      names.append(told.map { AlarmForms.name($0, receiver: "siren") })
    }
    #expect(names[0] == names[1])
    #expect(
      names[0].map { $0.prefix(24) } == [
        "siren-XX.A..HH-9-1-1-raised".prefix(24), "siren-XX.A..HH-9-1-1-extended".prefix(24),
        "siren-XX.A..HH-9-1-1-ended".prefix(24), "siren-XX.A..HH-9-1-2-raised".prefix(24),
      ])
  }

  @Test func starsStandForAnything() {
    for (pattern, code, fits) in [
      ("*", "XX.A..HH", true), ("XX.A..HH", "XX.A..HH", true), ("XX.A", "XX.A..HH", false),
      ("XX.*.HH", "XX.A..HH", true), ("*A*H", "XX.A..HH", true), ("*B*", "XX.A..HH", false),
      ("XX.A..HH*", "XX.A..HH", true), ("", "XX.A..HH", false), ("*.A.*.*HH", "XX.A..HHH", true),
    ] {
      #expect(AlarmRule(stations: [pattern]).concerns(code) == fits, "\(pattern)")
    }
  }
}
