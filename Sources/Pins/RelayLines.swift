// RelayLines: the relay, its lamps and its inhibiting switch.
//
// A relay moves doors and valves, so nobody may have to guess where it stands. A program that opens
// its lines, sets them and goes on leaves that to chance: a line that opens low may move the relay
// at every start, one that fails leaves it somewhere else than is told, and a switch that cannot be
// read counts as off.
//
// So the line opens with the relay at rest, whichever level that is, and the report says what
// became of each setting of it. A relay's line that fails is said to be faulty, and is tried again
// each time it is set, until it obeys. A switch that cannot be read is reported as such, and counts
// as one that keeps the relay open. The lamps are set and not checked.
//
//     var lines = try RelayLines(settings)
//     lines.set(relay: true)
//     if lines.report.relay == .faulty { … }

import CGpiod
import Core

public struct RelayLines: ~Copyable {
  private let settings: RelaySettings
  private var watchIsLit = false
  private var heartbeatIsLit = false
  public private(set) var report = LinesReport()

  /// Opens the lines with the relay at rest, which is where a stopped station leaves it: actuated
  /// where the board says `fail_safe = "actuated"` and nobody inhibits it.
  public init(_ settings: RelaySettings) throws(Diagnostic) {
    self.settings = settings
    do throws(Diagnostic) {
      try RelayLines.open(CGPIOD_INHIBIT, settings, settings.inhibit)
      let inhibit = RelayLines.inhibit(settings)
      report.inhibit = inhibit
      report.isActuated = settings.failSafeIsActive && !inhibit.keepsRelayOpen
      try RelayLines.open(CGPIOD_RELAY, settings, settings.relay, isActive: report.isActuated)
      report.relay = .fitted
      try RelayLines.open(CGPIOD_WATCH, settings, settings.watchLamp)
      try RelayLines.open(CGPIOD_HEARTBEAT, settings, settings.heartbeatLamp)
    } catch {
      RelayLines.closeAll()
      throw error
    }
  }

  private static func closeAll() {
    for purpose in 0..<Int32(CGPIOD_PURPOSES.rawValue) { cgpiod_line_close(purpose) }
  }

  deinit { RelayLines.closeAll() }

  private static func open(
    _ purpose: cgpiod_purpose, _ settings: RelaySettings, _ line: LineSettings?,
    isActive: Bool = false
  ) throws(Diagnostic) {
    guard let line else { return }
    let failed = settings.chip.withCString {
      cgpiod_line_open(
        Int32(purpose.rawValue), $0, UInt32(line.line), line.isActiveLow ? 1 : 0, isActive ? 1 : 0)
    }
    if failed != 0 { throw Diagnostic("relay", line: line.line, of: settings.chip) }
  }

  private static func inhibit(_ settings: RelaySettings) -> Inhibit {
    guard settings.inhibit != nil else { return .none }
    switch cgpiod_line_get(Int32(CGPIOD_INHIBIT.rawValue)) {
    case 0: return .off
    case 1: return .on
    default: return .unreadable
    }
  }

  /// Looks at the switch. True when it says something new.
  public mutating func readInhibit() -> Bool {
    let before = report.inhibit
    report.inhibit = RelayLines.inhibit(settings)
    return report.inhibit != before
  }

  /// The report says what became of it.
  public mutating func set(relay isActive: Bool) {
    guard isActive != report.isActuated || report.relay == .faulty else { return }
    let failed = cgpiod_line_set(Int32(CGPIOD_RELAY.rawValue), isActive ? 1 : 0) != 0
    report.relay = failed ? .faulty : .fitted
    if !failed { report.isActuated = isActive }
  }

  public mutating func set(watch isLit: Bool) {
    guard isLit != watchIsLit, settings.watchLamp != nil else { return }
    watchIsLit = isLit
    _ = cgpiod_line_set(Int32(CGPIOD_WATCH.rawValue), isLit ? 1 : 0)
  }

  public mutating func beat() {
    guard settings.heartbeatLamp != nil else { return }
    heartbeatIsLit.toggle()
    _ = cgpiod_line_set(Int32(CGPIOD_HEARTBEAT.rawValue), heartbeatIsLit ? 1 : 0)
  }

  /// Before an end of any kind.
  public mutating func rest() {
    _ = readInhibit()
    set(relay: settings.failSafeIsActive && !report.inhibit.keepsRelayOpen)
    set(watch: false)
  }
}
