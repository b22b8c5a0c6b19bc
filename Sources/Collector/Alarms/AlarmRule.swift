// AlarmRule: of which stations' alerts a receiver is told, and when: a siren hears two stations, an
// engineer hears one.
//
//     let rule = AlarmRule(stations: ["XX.*"], level: .alarm, quorum: 2, withinSeconds: 10)
//     rule.concerns("XX.ONST1.00.EH")

import Core
import Foundation
import Uplink

public struct AlarmRule: Equatable, Sendable {
  /// Codes, and patterns of them as a shell has them for files; of all stations where there is none.
  var stations: [String] = []
  /// From this level on: a watch is lower than an alarm.
  var level = AlertLevel.alarm
  /// The Modified Mercalli intensity that is expected there, at least; nil for any, and for none
  /// yet.
  var intensityMinimum: Double?
  /// So many stations…
  public internal(set) var quorum = 1
  /// …must have decided so shortly one after another.
  public internal(set) var withinSeconds = 10.0
  var takesDrills = false

  public func concerns(_ station: String) -> Bool {
    stations.isEmpty || stations.contains { fnmatch($0, station, 0) == 0 }
  }

  func isReached(by level: AlertLevel) -> Bool {
    level == .alarm || (level == .watch && self.level == .watch)
  }
}
