// Report: how the collector itself is, as a JSON line for whoever watches it.
//
//     tell(Report(time: now, …).line)

import Core
import Tools

struct Report {
  let time: UTC
  let keys: Int
  let stations: Int
  let counts: Intake.Counts
  let waiting: Int
  let oldestWaitingSeconds: Double
  /// The last commit succeeded.
  let isStoring: Bool
  let linesLost: Int
  let clocks: FleetClock.Judgement
  let beside: [JsonLine.Field]

  var line: String {
    let refused = counts.refused.sorted { $0.key < $1.key }
      .map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
    let difference = clocks.aheadSeconds.map { decimal($0, 3) } ?? "null"
    return "{\"type\":\"collector\",\"time\":\"\(time.iso8601)\",\"keys\":\(keys),"
      + "\"stations\":\(stations),\"received\":\(counts.received),"
      + "\"stored\":\(counts.stored),\"doubles\":\(counts.doubles),\"waiting\":\(waiting),"
      + "\"oldest_waiting_s\":\(decimal(oldestWaitingSeconds, 3)),\"storing\":\(isStoring),"
      + "\"lost\":\(counts.lost),\"lines_lost\":\(linesLost),\"passed\":\(counts.passed),"
      + "\"failures\":\(counts.failures),\"clock_difference_s\":\(difference),"
      + "\"clock_wrong\":\(clocks.isMachineWrong),\"locked_stations\":\(clocks.locked),"
      + "\"wrong_stations\":\(clocks.wrong),\"refused\":{\(refused)}"
      + beside.map { ",\"\($0.name)\":\($0.value)" }.joined() + "}"
  }
}
