// boards/<name>/board.toml: what is wired to what. Truth about the hardware, none about the site.

import Core
import Digitizer
import Pins
import Settings

public struct BoardFile: Sendable {
  public var name = Text<40>()
  public var serial = Text<24>()
  public var digitizer = DigitizerSettings()
  public var pulse: PulseSettings?
  public var relay: RelaySettings?

  public init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    _ = file.integer("board", "format", in: 1...1)
    name = file.text("board", "name", Text<40>.self)
    serial = file.text("board", "serial", Text<24>.self, isOptional: true)
    _ = file.text("board", "description", Text<200>.self)
    digitizer = DigitizerSettings(&file)
    if file.has(section: "pps") { pulse = PulseSettings(&file) }
    if file.has(section: "relay") { relay = RelaySettings(&file) }
    if digitizer.kind == .shake { demandsOfShake(&file) }
    try file.finish()
  }

  private func demandsOfShake(_ file: inout ConfigurationFile) {
    file.demand(
      pulse == nil, "pps", file.stated("pps", "chip", or: "device"),
      "says nothing beside a Shake, which dates its samples by a clock of its own: drop [pps]")
    // Whoever reaches its port could send an earthquake.
    file.demand(
      relay == nil || digitizer.shake.isTrusted, "digitizer", "source",
      "is believed by its address alone, and the relay would close by it: name the interface that only the Shake is on (private_interface), or drop [relay]"
    )
  }
}
