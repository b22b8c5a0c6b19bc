// [pps] and [relay] of a board file: where the pulse is, and which GPIO line is what.

import Core
import Settings

/// A pulse a second, on a GPIO line or by a pulse device.
public struct PulseSettings: Sendable {
  /// A pulse device of the kernel's, such as /dev/pps0, which others may watch as well; empty for a
  /// line of one's own.
  public var device = Text<64>()
  public var chip = Text<64>()
  public var line = 0
  public var isFallingEdge = false
  /// How much later than the UTC second the edge arrives (cable, level shifter).
  public var delayNanoseconds = 0
  /// Where chronyd takes edges (`refclock SOCK` of chrony.conf); empty: it gets none.
  public var chronySocket = Text<64>()
}

/// A GPIO line that is switched or read.
public struct LineSettings: Equatable, Sendable {
  public var line = 0
  /// The pin is low when the line is active.
  public var isActiveLow = false
}

/// What an alarm drives, and who may keep it from doing so.
public struct RelaySettings: Sendable {
  public var chip = Text<64>()
  public var relay = LineSettings()
  /// Where the relay is left when the station stops in order: not all doors may close.
  public var failSafeIsActive = false
  /// Lit from a watch on.
  public var watchLamp: LineSettings?
  /// Changes every second while the station runs.
  public var heartbeatLamp: LineSettings?
  public var inhibit: LineSettings?
  public init() {}
}

extension PulseSettings {
  public init(_ file: inout ConfigurationFile) {
    device = file.text("pps", "device", Text<64>.self, isOptional: true)
    file.demand(
      device.isEmpty || !file.has("pps", "chip"), "pps", "device",
      "and a chip's line are two pulses: drop one of them")
    if device.isEmpty || file.wantsAllKeys {
      chip = file.text("pps", "chip", Text<64>.self)
      line = file.integer("pps", "line", in: 0...1023)
    }
    // A device's edge is asserted, whichever way the driver was told.
    guard device.isEmpty || file.has("pps", "edge") || file.wantsAllKeys else {
      readRest(&file)
      return
    }
    isFallingEdge = file.choice("pps", "edge", ["rising", "falling", "", "", ""]) == 1
    readRest(&file)
  }

  private mutating func readRest(_ file: inout ConfigurationFile) {
    delayNanoseconds = file.integer(
      "pps", "delay_nanoseconds", in: -1_000_000...1_000_000, default: 0)
    chronySocket = file.text("pps", "chrony_socket", Text<64>.self, isOptional: true)
    file.demand(
      chronySocket.isEmpty || chronySocket[0] == UInt8(ascii: "/"), "pps", "chrony_socket",
      "must be the whole path that chrony.conf has after refclock SOCK, such as /run/chrony.onset.sock"
    )
  }
}

extension RelaySettings {
  public init(_ file: inout ConfigurationFile) {
    chip = file.text("relay", "chip", Text<64>.self)
    relay.line = file.integer("relay", "line", in: 0...1023)
    relay.isActiveLow = file.flag("relay", "active_low")
    failSafeIsActive =
      file.choice("relay", "fail_safe", ["released", "actuated", "", "", ""]) == 1
    watchLamp = RelaySettings.line(&file, "watch_line", "watch_active_low")
    heartbeatLamp = RelaySettings.line(&file, "heartbeat_line", "heartbeat_active_low")
    inhibit = RelaySettings.line(&file, "inhibit_line", "inhibit_active_low")
    let keys: InlineArray<3, StaticString> = ["watch_line", "heartbeat_line", "inhibit_line"]
    let lines: InlineArray<3, LineSettings?> = [watchLamp, heartbeatLamp, inhibit]
    for a in 0..<3 {
      guard let line = lines[a]?.line else { continue }
      var isTaken = line == relay.line
      for b in 0..<a where lines[b]?.line == line { isTaken = true }
      file.demand(
        !isTaken, "relay", keys[a],
        "names a line that something else has already: each needs its own")
    }
  }

  private static func line(
    _ file: inout ConfigurationFile, _ key: StaticString, _ polarityKey: StaticString
  ) -> LineSettings? {
    guard file.has("relay", key) else {
      file.demand(
        !file.has("relay", polarityKey), "relay", polarityKey,
        "is given for a line that is not: name the line or drop this")
      return nil
    }
    return LineSettings(
      line: file.integer("relay", key, in: 0...1023),
      isActiveLow: file.flag("relay", polarityKey))
  }
}
