// boards/<name>/board.toml: what is wired to what. Truth about the hardware, none about the site.

import Core
import Digitizer
import Pins
import Settings

public struct BoardFile: Sendable {
  public var name = Text<40>()
  public var digitizer = DigitizerSettings()
  public var pulse: PulseSettings?
  public var relay: RelaySettings?

  public init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    _ = try file.integer("board", "format", in: 1...1)
    name = try file.text("board", "name", Text<40>.self)
    _ = try file.text("board", "description", Text<200>.self)
    digitizer = try DigitizerSettings(&file)
    if file.has(section: "pps") { pulse = try PulseSettings(&file) }
    if file.has(section: "relay") { relay = try RelaySettings(&file) }
    try file.finish()
  }
}
