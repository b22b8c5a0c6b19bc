// [digitizer] with kind = "ads1256": a Texas Instruments ADS1255 or ADS1256 on the SPI bus, one
// converter behind a multiplexer.
//
// Every figure of the converter's is its data sheet's, SBAS288K.

import Core
import Settings

public struct AdsSettings: Sendable {
  /// The line that falls when a conversion is over.
  public var chip = Text<64>()
  public var line = 0
  /// By position, which is the channel's number: the multiplexer's byte, plus above minus.
  public private(set) var inputs = InlineArray<4, UInt8>(repeating: 0)
  public private(set) var inputCount = 0
  /// Two to this power.
  public private(set) var gainPower = 0
  public var isBuffered = false
  /// Conversions a second.
  public private(set) var conversionHertz = 0
  public init() {}

  /// Differential inputs side by side, from the first on.
  public init(inputs count: Int, conversionHertz: Int) {
    for input in 0..<count { inputs[input] = UInt8(0x01 + 0x22 * input) }
    (inputCount, self.conversionHertz) = (count, conversionHertz)
  }

  /// Two conversions each: in the first the input before is still heard.
  public static var conversionsPerInput: Int { 2 }
  /// Inputs in a round: one, two or four, because three would not give whole hertz.
  public var slotCount: Int { inputCount == 3 ? 4 : inputCount }

  /// The DRATE register (page 32), and how long an input that jumps is still heard (table 13).
  var rate: (register: UInt8, settlingNanoseconds: Int64) {
    switch conversionHertz {
    case 2000: (0xB0, 680_000)
    case 1000: (0xA1, 1_180_000)
    default: (0x92, 2_180_000)
    }
  }

  public var conversionNanoseconds: Double { 1e9 / Double(max(conversionHertz, 1)) }

  /// A channel is sampled so much later than the first.
  public func skewNanoseconds(_ channel: Int) -> Int {
    Elementary.nearestInteger(
      Double(channel * AdsSettings.conversionsPerInput) * conversionNanoseconds)
  }
}

extension AdsSettings {
  /// `rateMillihertz`: of whole frames.
  init(_ file: inout ConfigurationFile, rateMillihertz: Int) {
    chip = file.text("digitizer", "data_ready_chip", Text<64>.self)
    line = file.integer("digitizer", "data_ready_line", in: 0...1023)
    let list = file.text("digitizer", "channel_inputs", Text<40>.self)
    let areInputs = readInputs(list)
    // What then is wrong with the lanes' numbers follows from this.
    if !areInputs { inputCount = inputs.count }
    file.demand(
      areInputs, "digitizer", "channel_inputs",
      "must be up to four different pairs with commas between them, plus first, such as \"0-1,2-3,4-5\"; 8 is the common input"
    )
    let gain = file.integer("digitizer", "amplifier_gain", in: 1...64, default: 1)
    while 1 << gainPower < gain { gainPower += 1 }
    file.demand(
      1 << gainPower == gain, "digitizer", "amplifier_gain", "must be 1, 2, 4, 8, 16, 32 or 64")
    isBuffered = file.flag("digitizer", "input_buffer")
    conversionHertz = rateMillihertz / 1000 * AdsSettings.conversionsPerInput * slotCount
    let isPossible = conversionHertz == 500 || conversionHertz == 1000 || conversionHertz == 2000
    file.demand(
      isPossible, "digitizer", "sample_rate_millihertz",
      "times two conversions of one, two or four inputs must be 500, 1000 or 2000 conversions a second: 125000 or 250000 of three or four inputs"
    )
    if !isPossible { conversionHertz = 1000 }
  }

  private mutating func readInputs(_ list: Text<40>) -> Bool {
    var place = 0
    while place + 3 <= list.count {
      let plus = list[place] &- UInt8(ascii: "0")
      let minus = list[place + 2] &- UInt8(ascii: "0")
      let pair = plus << 4 | minus
      guard plus <= 8, minus <= 8, plus != minus, list[place + 1] == UInt8(ascii: "-"),
        inputCount < inputs.count
      else { return false }
      for other in 0..<inputCount where inputs[other] == pair { return false }
      inputs[inputCount] = pair
      inputCount += 1
      place += 3
      if place == list.count { return true }
      guard list[place] == UInt8(ascii: ",") else { return false }
      place += 1
    }
    return false
  }
}
