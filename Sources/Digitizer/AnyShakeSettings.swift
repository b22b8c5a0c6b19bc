// [digitizer] with kind = "anyshake": an AnyShake Explorer on a serial line.

import Core
import Settings

public struct AnyShakeSettings: Sendable {
  /// The line's speed, in bits a second.
  public var baudRate = 0
  /// The time in v2's packets is GNSS's; v3 says so itself, and v1 has none.
  public var isTimeGnss = false
  /// How far the device's stamps may be off; they have whole milliseconds.
  public var clockUncertaintyMicroseconds = 0
  public init() {}
}

extension AnyShakeSettings {
  init(_ file: inout ConfigurationFile) {
    baudRate = file.integer("digitizer", "baud_rate", in: 9600...921_600)
    file.demand(
      AnyShakeSettings.isRate(baudRate), "digitizer", "baud_rate",
      "must be one of 9600, 19200, 38400, 57600, 115200, 230400, 460800 and 921600")
    isTimeGnss = file.flag("digitizer", "time_is_gnss")
    clockUncertaintyMicroseconds = file.integer(
      "digitizer", "clock_uncertainty_microseconds", in: 1...4_000_000, default: 1000)
  }

  private static func isRate(_ rate: Int) -> Bool {
    switch rate {
    case 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600: true
    default: false
    }
  }
}
