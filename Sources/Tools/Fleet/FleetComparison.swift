// FleetComparison: whether a station is as well as it was before it was given something.
//
//     let fallen = FleetComparison(order).fallen(from: before, to: after, at: list.time)
//
// A clock's uncertainty, losses and temperatures go up and down by themselves: of these counts what
// has become bad, and not each step.

import Clock
import Core
import Doctor
import Uplink

struct FleetComparison {
  private static let clocks = ["unsynchronised", "free-running", "holdover", "locked"]

  let order: FleetOrder
  var silentSeconds = FleetFindings.silentSecondsUsual

  init(_ order: FleetOrder) { self.order = order }

  /// Each in words; empty where it is as well as before.
  func fallen(from before: FleetStation, to after: FleetStation, at time: UTC) -> [String] {
    var fallen: [String] = []
    if after.hasAlarm && !before.hasAlarm { fallen.append("it has the \(after.alarm!) now") }
    let new = after.why.filter { why in
      !before.why.contains(why) && !(why == "drill" && order.concernsDrills)
    }
    if !new.isEmpty {
      let (known, unknown) = FleetFindings.incapacity(new)
      let reasons = HealthFindings.reasons(known, drillMinutes: nil) + unknown
      fallen.append("it cannot raise its alarm now, because " + reasons.joined(separator: ", and "))
    } else if before.isArmed == true && after.isArmed != true && after.why != ["drill"] {
      fallen.append("it is not armed any more")
    }
    if before.isLive == true && after.isLive != true && !new.contains("not live") {
      fallen.append("it is not live any more")
    }
    if clock(after) < clock(before) {
      fallen.append(
        "its clock is \(after.clock ?? "unknown") now and was \(before.clock ?? "unknown")")
    }
    if after.relay == "faulty" && before.relay != "faulty" && !new.contains("relay faulty") {
      fallen.append("its relay is faulty now")
    }
    if fallen.isEmpty { fallen = worse(before, after, time) }
    return fallen
  }

  private func clock(_ s: FleetStation) -> Int {
    s.clock.flatMap { FleetComparison.clocks.firstIndex(of: $0) } ?? -1
  }

  /// What else is bad now and was not.
  private func worse(_ before: FleetStation, _ after: FleetStation, _ time: UTC) -> [String] {
    func bad(_ station: FleetStation, _ time: UTC) -> [FleetFinding] {
      var findings = FleetFindings(at: time)
      findings.silentSeconds = silentSeconds
      return findings.of(station).filter { $0.verdict == .bad }
    }
    // Before, it was heard at that time.
    let parts = Set(bad(before, before.received ?? time).map(\.part))
    return bad(after, time).filter { !parts.contains($0.part) && $0.part != .drill }.map(\.text)
  }
}
