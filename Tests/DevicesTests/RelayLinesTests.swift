// The relay's lines need a GPIO chip. Without one they are refused in a sentence; with one they are
// tried on the emulated board.

import Core
import Devices
import Pins
import Testing
import Tools

@Suite struct RelayLinesTests {
  @Test func aChipThatIsNotThereIsNamed() throws {
    var settings = RelaySettings()
    settings.chip = Text<64>("no-such-chip")
    settings.relay.line = 17
    var sentence = ""
    do throws(Diagnostic) {
      var lines = try RelayLines(settings)
      lines.rest()
    } catch { sentence = error.text.string }
    #expect(sentence.hasPrefix("relay: line 17 of no-such-chip cannot be taken ("))
    #expect(sentence.hasSuffix("): see gpioinfo for its name and who holds it"))
  }
}
