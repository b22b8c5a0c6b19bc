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
    try file.finish()
  }
}
