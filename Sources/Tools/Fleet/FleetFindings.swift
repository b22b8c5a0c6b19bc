// FleetFindings: what is wrong with a station, by what its collector tells of it. Limits and words
// are the doctor's where the doctor has them.
//
//     let findings = FleetFindings(at: list.time).of(station)
//     let rank = FleetFindings.rank(findings)
//
// The doctor asks a station itself and knows more; what to do about one station it tells better.

import Clock
import Core
import Doctor
import Uplink

/// What can be wrong, the worst first.
enum FleetPart: String, CaseIterable {
  case alarm, watch, silent, live, armed, drill, clock, loss, delay, disk, memory, temperature
  case calibration, software
}

struct FleetFinding: Equatable {
  let part: FleetPart
  let verdict: Verdict
  let text: String

  /// As the doctor's findings.
  var json: String {
    JsonLine.object([
      ("part", "\"\(part.rawValue)\""), ("verdict", verdict == .bad ? "\"bad\"" : "\"doubtful\""),
      ("text", Terminal.quoted(text)),
    ])
  }
}

struct FleetFindings {
  /// Six messages at the usual interval: so many are not lost in a row. The page has the same.
  static let silentSecondsUsual = 60.0
  /// Above it the page says that data are lost: a link that is well loses less.
  private static let lossPercentMaximum = 1.0
  /// As prometheus-alerts.yml has it: a provisional pick is sent once, and a fifth of them is lost.
  private static let lossPercentBad = 20.0
  /// As on the page: 5 s after a P the S is there too, 40 km from an earthquake.
  private static let delaySecondsMaximum = 5.0
  /// What comes before it was sent is told by a wrong clock; FleetClock has the same tolerance.
  private static let delaySecondsMinimum = -2.0
  /// As on the page: there is time to come by before it is full.
  private static let diskMebibytesDoubtful = 500.0

  let time: UTC
  var silentSeconds = silentSecondsUsual
  /// What most of the fleet run; nil where nobody has told.
  var usualSoftware: String?

  init(at time: UTC) { self.time = time }

  /// The worst first.
  func of(_ station: FleetStation) -> [FleetFinding] {
    var found = alarm(station)
    if let silent = silent(station) {
      // What it said last says nothing of now.
      return found + [silent]
    }
    found += armed(station) + clock(station) + link(station) + machine(station)
    if let finding = calibration(station) { found.append(finding) }
    if let finding = software(station) { found.append(finding) }
    return found.enumerated().sorted { a, b in
      (Self.rank(a.element), a.offset) < (Self.rank(b.element), b.offset)
    }.map(\.element)
  }

  /// 0 is the worst. What is bad comes before what is to be looked at.
  static func rank(_ findings: [FleetFinding]) -> Int {
    findings.map(rank).min() ?? 2 * FleetPart.allCases.count
  }

  private static func rank(_ finding: FleetFinding) -> Int {
    let place = FleetPart.allCases.firstIndex(of: finding.part)!
    return finding.verdict == .bad ? place : FleetPart.allCases.count + place
  }

  private func alarm(_ s: FleetStation) -> [FleetFinding] {
    guard let alarm = s.alarm, s.alarmStands else { return [] }
    let since = s.alarmSince.map { " since \($0)" } ?? ""
    let reason = s.alarmReason.map { " (\($0))" } ?? ""
    guard s.hasAlarm else {
      return [FleetFinding(part: .drill, verdict: .doubtful, text: "a drill's \(alarm)\(since)")]
    }
    if alarm == "watch" {
      return [FleetFinding(part: .watch, verdict: .bad, text: "a watch is on\(since)\(reason)")]
    }
    return [
      FleetFinding(
        part: .alarm, verdict: .bad,
        text: "\(alarm)\(since)\(reason): look, and where it does not end by itself, "
          + "end it by the command release")
    ]
  }

  func isSilent(_ s: FleetStation) -> Bool {
    s.silence(at: time).map { $0 > silentSeconds } ?? true
  }

  private func silent(_ s: FleetStation) -> FleetFinding? {
    guard isSilent(s) else { return nil }
    let text =
      s.silence(at: time).map {
        "silent for \(Terminal.duration($0)): look at its power and its link"
      } ?? "has never told its health"
    return FleetFinding(part: .silent, verdict: .bad, text: text)
  }

  private func armed(_ s: FleetStation) -> [FleetFinding] {
    var found: [FleetFinding] = []
    var why = s.why
    if s.isLive == false {
      found.append(FleetFinding(part: .live, verdict: .bad, text: HealthFindings.notLive))
      why.removeAll { $0 == "not live" }
    }
    // A board without a relay was built so.
    guard s.isArmed != true, why != ["no relay"], !(why.isEmpty && s.isLive == false) else {
      return found
    }
    let (incapacity, unknown) = FleetFindings.incapacity(why)
    let reasons = HealthFindings.reasons(incapacity, drillMinutes: nil) + unknown
    let verdict = unknown.isEmpty ? HealthFindings.severity(incapacity) : .bad
    let isDrill =
      incapacity.union(.noRelay) == Incapacity.noRelay.union(.drill) && unknown.isEmpty
    let text =
      reasons.isEmpty
      ? "not armed, and it does not say why"
      : "not armed, because " + reasons.joined(separator: ", and ")
    found.append(
      FleetFinding(
        part: isDrill ? .drill : .armed, verdict: verdict == .doubtful ? .doubtful : .bad,
        text: text))
    return found
  }

  /// Reasons that this program knows, and the words of those that it does not.
  static func incapacity(_ why: [String]) -> (Incapacity, unknown: [String]) {
    let names = words(Incapacity.names)
    var known = Incapacity()
    for (bit, name) in names.enumerated() where why.contains(name) {
      known.insert(Incapacity(rawValue: 1 << UInt16(bit)))
    }
    return (known, why.filter { !names.contains($0) })
  }

  private func clock(_ s: FleetStation) -> [FleetFinding] {
    func finding(_ verdict: Verdict, _ text: String) -> [FleetFinding] {
      [FleetFinding(part: .clock, verdict: verdict, text: text)]
    }
    var found: [FleetFinding] = []
    if let delay = s.delaySeconds, delay < Self.delaySecondsMinimum {
      found += finding(
        .doubtful,
        "its messages come \(decimal(-delay, 1)) s before they leave: its clock or the collector's is wrong"
      )
    }
    let off = s.uncertaintyMilliseconds.map { "uncertain by \(decimal($0, 1)) ms" }
    switch s.clock {
    case "locked":
      guard let milliseconds = s.uncertaintyMilliseconds,
        milliseconds > Double(HealthFindings.uncertaintyMaximum) / 1e6
      else { return found }
      return found + finding(.doubtful, "clock \(off!): \(HealthFindings.wantsBetterTime)")
    case "holdover":
      return found
        + finding(
          .doubtful,
          "clock in holdover, \(off ?? "nobody knows how uncertain"): \(HealthFindings.lookAtReceiver)"
        )
    default:
      return found
        + finding(
          .bad,
          "clock \(s.clock ?? "unknown"), nobody tells it the time: \(HealthFindings.lookForTime)")
    }
  }

  private func link(_ s: FleetStation) -> [FleetFinding] {
    var found: [FleetFinding] = []
    if let loss = s.lossPercent, loss > Self.lossPercentMaximum {
      found.append(
        FleetFinding(
          part: .loss, verdict: loss > Self.lossPercentBad ? .bad : .doubtful,
          text: "\(decimal(loss, 1)) % of its messages are lost: look at its link"))
    }
    if let delay = s.delaySeconds, delay > Self.delaySecondsMaximum {
      found.append(
        FleetFinding(
          part: .delay, verdict: .doubtful,
          text:
            "its messages come \(decimal(delay, 1)) s late: its link is slow, or a clock is wrong"
        ))
    }
    return found
  }

  private func machine(_ s: FleetStation) -> [FleetFinding] {
    var found: [FleetFinding] = []
    if let disk = s.diskMebibytes, disk < Self.diskMebibytesDoubtful {
      found.append(
        FleetFinding(
          part: .disk,
          verdict: disk < Double(HealthFindings.diskMebibytesMinimum) ? .bad : .doubtful,
          text: "\(decimal(disk, 0)) MiB of disk free: \(HealthFindings.makeRoom)"))
    }
    if let memory = s.memoryMebibytes, memory < Double(HealthFindings.memoryMebibytesMinimum) {
      found.append(
        FleetFinding(
          part: .memory, verdict: .doubtful,
          text: "\(decimal(memory, 0)) MiB of memory free: \(HealthFindings.somethingEatsMemory)"))
    }
    if let degrees = s.temperatureCelsius,
      degrees > Double(HealthFindings.temperatureMaximum) / 100
    {
      found.append(
        FleetFinding(
          part: .temperature, verdict: .doubtful,
          text: "\(decimal(degrees, 0)) degrees: \(HealthFindings.coolIt)"))
    }
    return found
  }

  private func calibration(_ s: FleetStation) -> FleetFinding? {
    // It is told already, among the reasons why it is not armed.
    if s.calibrationDays == nil && s.why.contains("no calibration") { return nil }
    let days = s.calibrationDays.map { Int(max(min($0, 1e6), -1e6)) }
    let (verdict, text) = HealthFindings.calibration(days: days)
    guard verdict != .good else { return nil }
    return FleetFinding(
      part: .calibration, verdict: verdict, text: days == nil ? text : "calibration " + text)
  }

  private func software(_ s: FleetStation) -> FleetFinding? {
    guard let own = s.software, let usual = usualSoftware, own != usual else { return nil }
    let isOlder = SoftwareVersion.isOlder(own, than: usual)
    return FleetFinding(
      part: .software, verdict: .doubtful,
      text: "onsetd \(own), where most have \(usual)"
        + (isOlder ? ": bring it with the next visit" : ""))
  }
}

/// Versions such as "0.2.0".
enum SoftwareVersion {
  static func isOlder(_ a: String, than b: String) -> Bool {
    let (first, second) = (parts(a), parts(b))
    for index in 0..<max(first.count, second.count) {
      let (x, y) = (
        index < first.count ? first[index] : 0, index < second.count ? second[index] : 0
      )
      if x != y { return x < y }
    }
    return a < b
  }

  private static func parts(_ version: String) -> [Int] {
    version.split { !("0"..."9").contains($0) }.map { Int($0) ?? .max }
  }
}
