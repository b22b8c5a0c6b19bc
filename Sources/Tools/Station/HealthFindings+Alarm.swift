// What a running station's health says of its alarm: whether one can come, what stands, and what is
// not as the station file has it.

import Core
import Doctor
import Uplink

extension HealthFindings {
  static func alarm(_ h: HealthMessage) -> Finding {
    let reasons = reasons(h)
    guard reasons.isEmpty else {
      return finding(
        "alarm", severity(h.incapacity), "NOT armed, because " + reasons.joined(separator: ", and ")
      )
    }
    let ending = h.isLatched ? "stands until a command releases it" : "ends by itself"
    return finding("alarm", .good, "armed, an alarm closes the relay and " + ending)
  }

  /// A board without a relay was built so, and a drill ends by itself. Somebody must put right all
  /// else.
  static func severity(_ incapacity: Incapacity) -> Verdict {
    let faults: [Incapacity] = [
      .relayFaulty, .inhibited, .inhibitUnreadable, .notLive, .lanesBroken, .peersSilent,
    ]
    let hasRelay = !incapacity.contains(.noRelay)
    if faults.contains(where: { incapacity.contains($0) }) { return .bad }
    if incapacity.contains(.uncalibrated) { return hasRelay ? .bad : .doubtful }
    return incapacity.contains(.drill) ? .doubtful : .skipped
  }

  /// Each in plain words, and what to do.
  static func reasons(_ h: HealthMessage) -> [String] {
    reasons(h.incapacity, drillMinutes: (Int(h.drillSeconds) + 59) / 60)
  }

  /// `drillMinutes`: until a drill ends; nil where nobody knows.
  static func reasons(_ incapacity: Incapacity, drillMinutes: Int?) -> [String] {
    let left = drillMinutes.map { " for \($0) min more" } ?? ""
    let all: [(Incapacity, String)] = [
      (.noRelay, "the board has no [relay] (alerts go upstream)"),
      (.relayFaulty, "the relay's line does not obey (see gpioinfo)"),
      (.inhibited, "the inhibiting switch is on or its wire is cut (look at both)"),
      (.inhibitUnreadable, "the inhibiting switch cannot be read (see gpioinfo)"),
      (.drill, "a drill is on\(left) (end it by drill 0)"),
      (.notLive, "no frames come or the picker settles (see digitizer)"),
      (.uncalibrated, "the vertical has no calibration (name it in [sensor])"),
      (.lanesBroken, "too few components can be believed (see channels)"),
      (.peersSilent, "too few of the site's other stations are heard (see peers)"),
    ]
    return all.filter { incapacity.contains($0.0) }.map(\.1)
  }

  /// Where it stands, and which alarm has put it there.
  static func relay(_ h: HealthMessage) -> Finding {
    let place =
      switch h.relay {
      case .none: "none is fitted"
      case .atRest: "at rest"
      case .actuated: "actuated"
      case .faulty: "its line does not obey"
      }
    switch h.alarmState {
    case 1: return finding("relay", .doubtful, place + "; a watch is on")
    case 2:
      let ending = h.isLatched ? "look, then end it by the command release" : "it ends by itself"
      return finding("relay", .doubtful, place + "; an alarm stands: " + ending)
    case 3:
      return finding(
        "relay", .bad, place + "; an alarm stands, and the digitizer is lost: nothing is seen")
    case 4:
      return finding(
        "relay", .doubtful, place + "; this station has decided, and waits for the site's others")
    default:
      let verdict: Verdict = h.relay == .faulty ? .bad : h.relay == .none ? .skipped : .good
      return finding("relay", verdict, place + (h.relay == .actuated ? " by a test" : ""))
    }
  }

  /// The other stations of the site; nil where none is waited for.
  static func peers(_ h: HealthMessage) -> Finding? {
    guard h.quorumNeeded > 0 else { return nil }
    let wanted = Int(h.quorumNeeded) - 1
    let figures =
      "\(h.peersReady) of the site's other stations are heard and could decide, \(wanted) must agree; "
      + "\(h.refusedVotes) votes refused"
    guard h.peersReady < h.quorumNeeded - 1 else { return finding("peers", .good, figures) }
    let consequence =
      h.incapacity.contains(.peersSilent) ? "no alarm can come" : "an alarm comes without them"
    return finding(
      "peers", .doubtful,
      figures
        + ": \(consequence); do they run, is the network between them up, and has each the other's "
        + "key, address and listen_port in [quorum], and in network.conf?")
  }

  static func calibration(_ h: HealthMessage) -> Finding {
    let isKnown = h.calibrationDays != Wire.unknownDays
    let (verdict, text) = calibration(days: isKnown ? Int(h.calibrationDays) : nil)
    return finding("calibration", verdict, text)
  }

  static func calibration(days: Int?) -> (Verdict, String) {
    guard let days else {
      return (.doubtful, "no component is calibrated: picks come, estimates and alarms do not")
    }
    if days < 0 {
      return (
        .bad,
        "ran out \(-days) days ago; estimates go on and are marked: calibrate the sensor and enter "
          + "the new dates"
      )
    }
    if days < SelfTest.calibrationDaysMinimum {
      return (
        .doubtful, "runs out in \(days) days: calibrate the sensor and enter the new dates"
      )
    }
    return (.good, "holds for \(days) days")
  }

  /// What commands have set holds until the next start alone; a drill is the alarm's finding.
  static func parameters(_ h: HealthMessage) -> Finding {
    let names = (1...UInt16(12)).filter { h.changedParameters & (1 << ($0 - 1)) != 0 }
      .compactMap { CommandParameter(rawValue: $0) }.filter { $0 != .drill }.map(\.name)
    guard !names.isEmpty else {
      return finding("parameters", .good, "as the station file has them")
    }
    return finding(
      "parameters", .doubtful,
      names.joined(separator: ", ")
        + ": not as the station file has it, until the next start; write it there, or restart")
  }

  static func state(_ h: HealthMessage) -> Finding {
    guard h.losesState else {
      return finding("state", .good, "the disk keeps what a restart needs")
    }
    return finding(
      "state", .bad,
      "the disk does not take what a restart needs: a restart forgets a latched alarm and what waits "
        + "for the upstream; is the [state] directory writable, is the disk full or dead?")
  }
}
