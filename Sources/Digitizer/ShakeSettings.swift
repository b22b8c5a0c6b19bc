// [digitizer] with kind = "shake": which Raspberry Shake sends its data cast here, and which of its
// channels are taken, in which order.

import Core
import Settings

public struct ShakeSettings: Sendable {
  /// The converter has 24 bits (Raspberry Shake, technical specifications).
  static let maximumCounts = 8_388_607
  public static let channelMaximum = 4

  /// Where its datagrams come to.
  public var port = 0
  /// From where they come: whatever else sends to the port is not believed.
  public var source = Text<128>()
  public var sampleRateMillihertz = 100_000
  /// By position, which is the channel's number: up to four characters as one number, 0 for none.
  public private(set) var names = InlineArray<4, UInt32>(repeating: 0)
  public private(set) var channelCount = 0
  /// For so long a datagram may be late before what it holds is a gap.
  public var patienceMilliseconds = 0
  /// How far the Shake's stamps may be off, by who knows how it has its time.
  public var clockUncertaintyMicroseconds = 0
  /// The network interface that alone is listened to, because nobody but the Shake is on its wire;
  /// empty for all of them.
  public var interface = Text<16>()
  public init() {}

  /// A cast has four datagrams a second and channel.
  public var usualFramesPerDatagram: Int { max(sampleRateMillihertz / 4000, 1) }
}

extension ShakeSettings {
  init(_ file: inout ConfigurationFile) {
    port = file.integer("digitizer", "port", in: 1...65_535, default: 8888)
    source = file.text("digitizer", "source", Text<128>.self)
    sampleRateMillihertz = file.integer(
      "digitizer", "sample_rate_millihertz", in: 20_000...200_000)
    let list = file.text("digitizer", "channel_names", Text<40>.self)
    let areNames = readNames(list)
    // What then is wrong with the lanes' numbers follows from this.
    if !areNames { channelCount = names.count }
    file.demand(
      areNames, "digitizer", "channel_names",
      "must be up to four different names with commas between them, such as \"EHZ,EHN,EHE\"")
    patienceMilliseconds = file.integer(
      "digitizer", "patience_milliseconds", in: 10...5000, default: 500)
    // Its stamps are within a sample of its clock (manual.raspberryshake.org, "NTP and GPS timing
    // details").
    let sampleMicroseconds = 1_000_000_000 / max(sampleRateMillihertz, 1)
    clockUncertaintyMicroseconds = file.integer(
      "digitizer", "clock_uncertainty_microseconds", in: 1...4_000_000,
      default: sampleMicroseconds)
    interface = file.text("digitizer", "private_interface", Text<16>.self, isOptional: true)
  }

  private mutating func readNames(_ list: Text<40>) -> Bool {
    var name: UInt32 = 0
    for index in 0...list.count {
      let byte = index < list.count ? list[index] : UInt8(ascii: ",")
      guard byte == UInt8(ascii: ",") else {
        guard ChannelName.isPart(byte), name >> 24 == 0 else { return false }
        name = name << 8 | UInt32(byte)
        continue
      }
      guard name != 0, channelCount < names.count, channel(of: name) == nil else { return false }
      names[channelCount] = name
      channelCount += 1
      name = 0
    }
    return true
  }

  /// Which channel has this name.
  public func channel(of name: UInt32) -> Int? {
    for index in 0..<channelCount where names[index] == name { return index }
    return nil
  }

  /// As it is written.
  public func name(of channel: Int) -> Text<4> {
    var text = Text<4>()
    for place in 0..<4 {
      let byte = UInt8(truncatingIfNeeded: names[channel] >> UInt32(24 - 8 * place))
      if byte > 0 { text.append(byte: byte) }
    }
    return text
  }

  /// The machine itself, or a wire that nobody else is on.
  public var isTrusted: Bool {
    !interface.isEmpty || source.equals("127.0.0.1") || source.equals("::1")
  }
}

/// A channel's name as one number.
enum ChannelName {
  static func isPart(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}
