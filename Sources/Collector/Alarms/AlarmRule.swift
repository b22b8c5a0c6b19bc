// AlarmRule: of which stations' alerts a receiver is told, and when: a siren hears two stations, an
// engineer hears one.
//
//     let rule = AlarmRule(stations: ["XX.*"], level: .alarm, quorum: 2, withinSeconds: 10)
//     rule.concerns("XX.ONST1.00.EH")

import Core
import Uplink

public struct AlarmRule: Equatable, Sendable {
  /// Codes in which * stands for anything; of all stations where there is none.
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
    stations.isEmpty || stations.contains { AlarmRule.matches(station.utf8[...], $0.utf8[...]) }
  }

  func isReached(by level: AlertLevel) -> Bool {
    level == .alarm || (level == .watch && self.level == .watch)
  }

  /// The last * takes as much as it must; one before it is never asked again.
  private static func matches(_ text: Substring.UTF8View, _ pattern: Substring.UTF8View) -> Bool {
    let star = UInt8(ascii: "*")
    var (text, pattern) = (text, pattern)
    var retry: (text: Substring.UTF8View, pattern: Substring.UTF8View)?
    while let byte = text.first {
      if pattern.first == star {
        pattern = pattern.dropFirst()
        retry = (text, pattern)
      } else if pattern.first == byte {
        (text, pattern) = (text.dropFirst(), pattern.dropFirst())
      } else if let last = retry {
        (text, pattern) = (last.text.dropFirst(), last.pattern)
        retry = (text, pattern)
      } else {
        return false
      }
    }
    return pattern.allSatisfy { $0 == star }
  }
}
