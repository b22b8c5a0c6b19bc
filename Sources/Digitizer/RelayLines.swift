// The relay, its lamps and its inhibiting switch. A line that fails once is tried again at every change,
// and said to be faulty until it obeys.

import Board
import CGpiod
import Core

public struct RelayLines: ~Copyable {
  private let settings: RelaySettings
  private var relayIsActive: Bool
  private var watchIsLit = false
  private var heartbeatIsLit = false
  private var isFaulty = false

  /// All lines at rest; the relay in its fail-safe state.
  public init(_ settings: RelaySettings) throws(Diagnostic) {
    self.settings = settings
    relayIsActive = settings.failSafeIsActive
    do throws(Diagnostic) {
      try RelayLines.open(CGPIOD_RELAY, settings, settings.relay, isActive: relayIsActive)
      try RelayLines.open(CGPIOD_WATCH, settings, settings.watchLamp)
      try RelayLines.open(CGPIOD_HEARTBEAT, settings, settings.heartbeatLamp)
      try RelayLines.open(CGPIOD_INHIBIT, settings, settings.inhibit)
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

  /// The switch is on; false where there is none, and where it cannot be read.
  public mutating func readInhibit() -> Bool {
    settings.inhibit != nil && cgpiod_line_get(Int32(CGPIOD_INHIBIT.rawValue)) == 1
  }

  /// Whether it obeys.
  public mutating func set(relay isActive: Bool) -> Bool {
    if isActive != relayIsActive || isFaulty {
      relayIsActive = isActive
      isFaulty = cgpiod_line_set(Int32(CGPIOD_RELAY.rawValue), isActive ? 1 : 0) != 0
    }
    return !isFaulty
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

  /// Before an orderly stop.
  public mutating func rest() {
    _ = set(relay: settings.failSafeIsActive)
    set(watch: false)
  }
}
