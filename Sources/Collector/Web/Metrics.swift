// Metrics: stations and collector for Prometheus, in its text format and its conventions: base
// units, counters that end in _total, one time series a station.
//
//     let text = Metrics.text(stations, report: line, at: now)

import Clock
import Core
import Foundation
import Tools
import Uplink

enum Metrics {
  private typealias Reading = @Sendable (StationState) -> Double?

  private static let stationGauges: [(name: String, help: String, value: Reading)] = [
    (
      "armed", "1 where an alarm can close the relay, 0 where something keeps it from that",
      { $0.isArmed.map { $0 ? 1 : 0 } }
    ),
    ("live", "1 where picks can come", { $0.health.map { $0.isLive ? 1 : 0 } }),
    (
      "alarm", "0 quiet, 1 watch, 2 alarm",
      { $0.alarm.map { $0 == "quiet" ? 0 : $0 == "watch" ? 1 : 2 } }
    ),
    (
      "drill", "1 where its alerts are a drill's",
      { $0.health.map { $0.incapacity.contains(.drill) ? 1 : 0 } }
    ),
    (
      "last_health_timestamp_seconds", "when its newest health came",
      { $0.received.map { Double($0.nanoseconds) * 1e-9 } }
    ),
    (
      "clock_locked", "1 where its clock is locked to a source",
      { $0.clock.map { $0 == .locked ? 1 : 0 } }
    ),
    (
      "clock_uncertainty_seconds", "of its time stamps, one standard deviation",
      \.uncertaintySeconds
    ),
    (
      "delay_seconds", "from leaving to coming of its newest health, by two clocks",
      { $0.delaySeconds }
    ),
    ("loss_ratio", "share of this boot's datagrams that never came", { $0.loss }),
    ("noise_counts", "RMS of the lane that is watched", { $0.noiseCounts }),
    (
      "temperature_celsius", "of the machine",
      {
        $0.health.flatMap {
          let value = $0.machine.temperatureCentidegrees
          return value == Wire.unknownTemperature ? nil : Double(value) / 100
        }
      }
    ),
    (
      "disk_free_bytes", "where it writes",
      {
        $0.health.flatMap {
          let value = $0.machine.diskFreeMebibytes
          return value == Wire.unknownSize ? nil : Double(value) * 1_048_576
        }
      }
    ),
    (
      "state_lost", "1 where its disk does not take what outlives a boot",
      { $0.health.map { $0.losesState ? 1 : 0 } }
    ),
    (
      "calibration_days", "until its first calibration runs out",
      {
        $0.health.flatMap {
          $0.calibrationDays == Wire.unknownDays ? nil : Double($0.calibrationDays)
        }
      }
    ),
    (
      "unacknowledged", "detections that it sends again until they are acknowledged",
      { $0.health.map { Double($0.unacknowledged) } }
    ),
    ("uptime_seconds", "since its boot", { $0.health.map { Double($0.machine.uptimeSeconds) } }),
  ]

  private static let stationCounters: [(name: String, help: String, value: Reading)] = [
    (
      "expected_datagrams_total", "numbers that its boot has used since the collector hears it",
      { $0.expected.map(Double.init) }
    ),
    (
      "received_datagrams_total", "those of them that came",
      { $0.expected == nil ? nil : Double($0.count) }
    ),
    ("picks_total", "arrivals announced since its boot", { $0.health.map { Double($0.picks) } }),
    (
      "gaps_total", "interruptions of its stream since its boot",
      { $0.health.map { Double($0.gaps) } }
    ),
    (
      "dropped_total", "messages that its full queue dropped since its boot",
      { $0.health.map { Double($0.droppedActions) } }
    ),
    (
      "given_up_total", "detections given up since its boot",
      { $0.health.map { Double($0.givenUp) } }
    ),
  ]

  /// Keys of the collector's own report.
  private static let collector: [(key: String, name: String, type: String, help: String)] = [
    ("stations", "stations", "gauge", "that were heard"),
    ("received", "received_total", "counter", "datagrams that came"),
    ("stored", "stored_total", "counter", "messages that are on disk"),
    ("doubles", "doubles_total", "counter", "messages that came again"),
    ("waiting", "waiting", "gauge", "messages that wait to be stored"),
    ("oldest_waiting_s", "oldest_waiting_seconds", "gauge", "for how long the oldest waits"),
    ("storing", "storing", "gauge", "1 where the last commit succeeded"),
    ("failures", "failures_total", "counter", "commits that failed"),
    ("lost", "lost_total", "counter", "messages given up because too many waited"),
    ("lines_lost", "lines_lost_total", "counter", "lines that nobody took"),
    ("passed_on", "passed_on_total", "counter", "messages that an MQTT broker took"),
    ("clock_difference_s", "clock_ahead_seconds", "gauge", "of the locked stations"),
    ("clock_wrong", "clock_wrong", "gauge", "1 where this machine's clock is the wrong one"),
  ]

  /// What is told of each receiver of alarms, by its keys in the report.
  private static let receivers: [(key: String, name: String, type: String, help: String)] = [
    ("raised", "raised", "gauge", "1 while an alarm of this receiver stands"),
    ("told", "told_total", "counter", "steps of alarms that it took"),
    ("failures", "failures_total", "counter", "times that it did not take one"),
    ("given_up", "given_up_total", "counter", "steps that it was never told"),
    ("waiting", "waiting", "gauge", "steps that it is still to be told"),
    ("stale", "stale_total", "counter", "alerts that came too late to raise anything"),
  ]

  static func text(_ stations: [StationState], report line: String) -> String {
    var out = ""
    for (name, help, value) in stationGauges {
      series("onset_station_\(name)", "gauge", help, stations, value, &out)
    }
    for (name, help, value) in stationCounters {
      series("onset_station_\(name)", "counter", help, stations, value, &out)
    }
    addReport(line, &out)
    return out
  }

  private static func head(_ name: String, _ type: String, _ help: String) -> String {
    "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
  }

  private static func series(
    _ name: String, _ type: String, _ help: String, _ stations: [StationState],
    _ value: Reading, _ out: inout String
  ) {
    out += head(name, type, help)
    for station in stations {
      // What is unknown has no sample.
      guard let value = value(station), value.isFinite else { continue }
      out += "\(name){station=\(JsonLine.quoted(station.code))} \(value)\n"
    }
  }

  private static func addReport(_ line: String, _ out: inout String) {
    guard
      let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    else { return }
    for (key, name, type, help) in collector {
      guard let value = object[key] as? NSNumber else { continue }
      out += head("onset_collector_\(name)", type, help)
      out += "onset_collector_\(name) \(value.doubleValue)\n"
    }
    let refused = object["refused"] as? [String: Any] ?? [:]
    let name = "onset_collector_refused_total"
    out += head(name, "counter", "datagrams that were refused, by cause")
    for (cause, count) in refused.sorted(by: { $0.key < $1.key }) {
      guard let count = count as? NSNumber else { continue }
      out += "\(name){cause=\(JsonLine.quoted(cause))} \(count.doubleValue)\n"
    }
    let told = object["receivers"] as? [[String: Any]] ?? []
    for (key, name, type, help) in receivers where !told.isEmpty {
      out += head("onset_receiver_\(name)", type, help)
      for one in told {
        guard let receiver = one["receiver"] as? String, let value = one[key] as? NSNumber else {
          continue
        }
        out +=
          "onset_receiver_\(name){receiver=\(JsonLine.quoted(receiver))} \(value.doubleValue)\n"
      }
    }
  }
}
