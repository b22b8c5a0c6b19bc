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

  private static func health(
    _ watch: inout AlarmWatch, _ name: String, alarm: UInt8, at seconds: Double
  ) -> [String] {
    var health = HealthMessage()
    health.alarmState = alarm
    let header = Header(
      type: .health, station: Text("XX.\(name)..HH"), epoch: 9, bootCounter: 1,
      sequence: UInt32(seconds * 10), emitted: at(seconds), clockState: 3, clockSource: 2,
      clockUncertaintyNanoseconds: 1000)
    return words(watch.note(header, health, at: at(seconds)))
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
    #expect(watch.staleCount == 0)
    _ = Self.alert(&watch, "B", .alarm, at: 1000, heard: 2000)
    #expect(watch.staleCount == 1, "and it is counted")
  }

  /// Whoever is cut off in an alarm does not keep it for ever; whoever is heard, or tells it anew,
  /// does.
  @Test func anAlarmStandsForAsLongAsItsStationIsHeard() {
    var watch = AlarmWatch(AlarmRule())
    #expect(Self.alert(&watch, "A", .alarm, at: 0) == ["raised A"])
    #expect(Self.health(&watch, "A", alarm: 2, at: 3600) == [])
    #expect(Self.words(watch.pass(at: Self.at(7201))) == ["extended A"], "told anew")
    #expect(Self.words(watch.pass(at: Self.at(7202))) == [])
    #expect(Self.words(watch.pass(at: Self.at(8402))) == ["extended A"])
    #expect(Self.words(watch.pass(at: Self.at(3600 + 7201))) == ["ended A"])
    // A station that has started anew knows that nothing stands.
    #expect(Self.alert(&watch, "A", .alarm, at: 20_000) == ["raised A"])
    #expect(Self.health(&watch, "A", alarm: 0, at: 19_999) == [], "of before it")
    #expect(Self.health(&watch, "A", alarm: 0, at: 20_030) == ["ended A"])
  }

  @Test func whatFallsOrBeginsMeanwhileEndsNothing() {
    var watch = AlarmWatch(AlarmRule(intensityMinimum: 5))
    _ = Self.alert(&watch, "A", .alarm, at: 0)
    #expect(Self.estimate(&watch, "A", mmi: 5.2) == ["raised A"])
    #expect(Self.estimate(&watch, "A", mmi: 4.9, sequence: 2) == [])
    #expect(Self.estimate(&watch, "A", mmi: 5.3, sequence: 3) == [])
    #expect(
      Self.alert(&watch, "A", .clear, at: 20, isDrill: true) == ["ended A"], "a drill has begun")
  }

  /// An alert may say anything that 64 bits say.
  @Test func timesThatCannotBeAreThoseOfReception() {
    for decided in [Int64.min, .min + 1, 0, .max - 1, .max] {
      var watch = AlarmWatch(AlarmRule(quorum: 1))
      var alert = AlertMessage()
      (alert.level, alert.decided) = (.alarm, UTC(nanoseconds: decided))
      let header = Header(
        type: .alert, station: Text("XX.A..HH"), epoch: 9, bootCounter: 1, sequence: 1,
        emitted: Self.now, clockState: 3, clockSource: 2, clockUncertaintyNanoseconds: 1000)
      let steps = watch.note(header, alert, at: Self.now)
      #expect(steps.map(\.begun) == [Self.now])
    }
  }

  /// A recorded alert of an earlier life of the station takes nothing back.
  @Test func anotherEpochIsNewerByItsTime() {
    var watch = AlarmWatch(AlarmRule())
    #expect(Self.alert(&watch, "A", .alarm, at: 100) == ["raised A"])
    var alert = AlertMessage()
    (alert.level, alert.decided) = (.clear, Self.at(-5000))
    let old = Header(
      type: .alert, station: Text("XX.A..HH"), epoch: 8, bootCounter: 1, sequence: 1,
      emitted: Self.at(-5000), clockState: 3, clockSource: 2, clockUncertaintyNanoseconds: 1000)
    #expect(Self.words(watch.note(old, alert, at: Self.at(101))) == [])
    let new = Header(
      type: .alert, station: Text("XX.A..HH"), epoch: 10, bootCounter: 1, sequence: 1,
      emitted: Self.at(102), clockState: 3, clockSource: 2, clockUncertaintyNanoseconds: 1000)
    #expect(Self.words(watch.note(new, alert, at: Self.at(102))) == ["ended A"])
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
    let parts = names[0].map { $0.split(separator: "-") }
    #expect(parts.map { $0[6] } == ["raised", "extended", "ended", "raised"])
    #expect(Set(parts.map { $0[5] }).count == 2, "two beginnings have two names")
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
