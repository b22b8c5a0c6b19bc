// AdsRegisters: what an ADS1256 is told and asked, as bytes (data sheet SBAS288K, pages 30 to 37).

import Core

public enum AdsRegisters {
  public static let reset: UInt8 = 0xFE
  public static let stopReading: UInt8 = 0x0F
  public static let calibrate: UInt8 = 0xF0
  public static let readData: UInt8 = 0x01
  static let writeRegister: UInt8 = 0x50
  static let readRegister: UInt8 = 0x10
  /// STATUS, MUX, ADCON and DRATE are the first.
  public static let count = 4
  private static let multiplexer: UInt8 = 1

  /// 24 bits, both ends.
  public static let maximumCounts = 8_388_607

  /// An ADS1255 and an ADS1256 both say 3 in the upper half of STATUS.
  private static let identity: UInt8 = 3

  /// Most significant bit first, no calibration by itself.
  private static func status(_ settings: AdsSettings) -> UInt8 { settings.isBuffered ? 0x02 : 0 }
  /// No clock out, no current through the sensor.
  private static func control(_ settings: AdsSettings) -> UInt8 { UInt8(settings.gainPower) }

  /// All that is set, in one order.
  public static func setting(_ settings: AdsSettings) -> InlineArray<6, UInt8> {
    [
      writeRegister, UInt8(count - 1), status(settings), settings.inputs[0], control(settings),
      settings.rate.register,
    ]
  }

  public static var question: InlineArray<2, UInt8> { [readRegister, UInt8(count - 1)] }

  public static func selection(_ input: UInt8) -> InlineArray<3, UInt8> {
    [writeRegister | multiplexer, 0, input]
  }

  public enum Answer: Equatable, Sendable {
    case asSet
    /// All ones or all zeros: a line that nobody drives.
    case nobody
    case other
  }

  /// What it says of its registers. The multiplexer's changes all the time.
  public static func judge(_ bytes: InlineArray<4, UInt8>, _ settings: AdsSettings) -> Answer {
    let isSilent = bytes[0] == bytes[1] && bytes[1] == bytes[2] && bytes[2] == bytes[3]
    if isSilent && (bytes[0] == 0 || bytes[0] == 0xFF) { return .nobody }
    // The lowest bit of STATUS is the data-ready line.
    let isAsSet =
      bytes[0] >> 4 == identity && bytes[0] & 0x0E == status(settings)
      && bytes[2] & 0x7F == control(settings) && bytes[3] == settings.rate.register
    return isAsSet ? .asSet : .other
  }

  public static func sample(_ bytes: InlineArray<3, UInt8>) -> Int32 {
    let word = UInt32(bytes[0]) << 24 | UInt32(bytes[1]) << 16 | UInt32(bytes[2]) << 8
    return Int32(bitPattern: word) >> 8
  }
}
