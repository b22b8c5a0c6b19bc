// [digitizer] of a board file: what delivers frames, its stream, and which channel is which
// component.

import Core
import Settings

/// What a digitizer is to the machine. A new one begins here, and in `Capture` of Devices.
public enum DigitizerKind: UInt8, Sendable {
  /// A sound card, through libasound.
  case alsa
  /// A Raspberry Shake's data cast, over UDP.
  case shake
  /// An AnyShake Explorer, on a serial line.
  case anyshake
  /// A driver of the kernel's Industrial I/O.
  case iio
  /// An ADS1256 on the SPI bus.
  case ads1256
}

/// How a sample lies in the digitizer's stream, little-endian.
public enum SampleFormat: UInt8, Sendable {
  case signed16, signed24In3Bytes, signed24In4Bytes, signed32

  public var byteCount: Int {
    switch self {
    case .signed16: 2
    case .signed24In3Bytes: 3
    case .signed24In4Bytes, .signed32: 4
    }
  }

  /// The largest positive count.
  public var maximumCounts: Int {
    switch self {
    case .signed16: 32_767
    case .signed24In3Bytes, .signed24In4Bytes: 8_388_607
    case .signed32: 2_147_483_647
    }
  }
}

/// The components of motion, in the order of the lanes in which they travel through the station.
public enum Component: Int, Sendable {
  case vertical, north, east, auxiliary
  public static let count = 4
}

/// One lane: the digitizer channel it comes from (−1: none) and what its counts are multiplied by.
public struct ChannelAssignment: Sendable {
  public var channel = -1
  /// Polarity times gain: counts of the lane per count of the channel.
  public var gain = 1.0
}

public struct DigitizerSettings: Sendable {
  /// Audio interfaces have up to so many.
  static var channelMaximum: Int { 32 }

  public var kind = DigitizerKind.alsa
  public var device = Text<128>()
  public var format = SampleFormat.signed32
  public var sampleRateMillihertz = 0
  public var channelCount = 0
  public var periodFrames = 0
  public var bufferFrames = 0
  /// A card whose lanes may change places when its stream is started again: it is opened anew.
  public var reopensAfterOverrun = false
  /// Counts at and beyond which a sample is clipped.
  public var clipCounts = 0
  /// From the sensor's terminal to the frame's time stamp: the converter's own filter delay.
  public var delayMicroseconds = 0
  public var lanes = InlineArray<4, ChannelAssignment>(repeating: ChannelAssignment())
  /// The auxiliary lane carries a second sensor: where it is still, no shaking is believed.
  public var hasSecondSensor = false
  /// The auxiliary lane is a vertical that is quieter than the other: picks come from it.
  public var hasQuietVertical = false
  public var shake = ShakeSettings()
  public var anyShake = AnyShakeSettings()
  public var iio = IioSettings()
  public var ads = AdsSettings()
  public init() {}
}

extension DigitizerSettings {
  public init(_ file: inout ConfigurationFile) {
    if file.has("digitizer", "kind") {
      kind = DigitizerKind(
        rawValue: UInt8(
          file.choice("digitizer", "kind", ["alsa", "shake", "anyshake", "iio", "ads1256"])))!
    }
    // A card's keys come last: of those that several kinds have, the reference tells the card's.
    if kind == .shake || file.wantsAllKeys { readShake(&file) }
    if kind == .anyshake || file.wantsAllKeys { readAnyShake(&file) }
    if kind == .iio || file.wantsAllKeys { readIio(&file) }
    if kind == .ads1256 || file.wantsAllKeys { readAds(&file) }
    if kind == .alsa || file.wantsAllKeys { readCard(&file) }
    file.demand(
      sampleRateMillihertz % 1000 == 0, "digitizer", "sample_rate_millihertz",
      "must be a multiple of 1000: digitizers run at whole hertz")
    clipCounts = file.integer(
      "digitizer", "clip_counts", in: 1...format.maximumCounts, default: usualClipCounts)
    delayMicroseconds = file.integer(
      "digitizer", "delay_microseconds", in: 0...1_000_000, default: 0)
    readLane(0, &file, "vertical_channel", "vertical_polarity", "vertical_gain")
    readLane(1, &file, "north_channel", "north_polarity", "north_gain")
    readLane(2, &file, "east_channel", "east_polarity", "east_gain")
    readLane(3, &file, "auxiliary_channel", "auxiliary_polarity", "auxiliary_gain")
    hasSecondSensor = file.flag("digitizer", "auxiliary_must_agree")
    file.demand(
      !hasSecondSensor || lanes[3].channel >= 0, "digitizer", "auxiliary_must_agree",
      "needs an auxiliary_channel beside it: that of the second sensor")
    hasQuietVertical = file.flag("digitizer", "auxiliary_picks")
    file.demand(
      !hasQuietVertical || lanes[3].channel >= 0, "digitizer", "auxiliary_picks",
      "needs an auxiliary_channel beside it: that of the quieter vertical")
    checkLanes(&file)
  }

  /// The largest count that its converter gives, where that is known.
  private var usualClipCounts: Int? {
    switch kind {
    case .alsa: format.maximumCounts
    case .shake: ShakeSettings.maximumCounts
    case .ads1256: AdsRegisters.maximumCounts
    // How many bits their samples have is not known before they are heard.
    case .anyshake, .iio: nil
    }
  }

  private mutating func readCard(_ file: inout ConfigurationFile) {
    device = file.text("digitizer", "device", Text<128>.self)
    let word = file.choice("digitizer", "sample_format", ["S16", "S24_3", "S24_4", "S32", ""])
    format = SampleFormat(rawValue: UInt8(word))!
    sampleRateMillihertz = file.integer(
      "digitizer", "sample_rate_millihertz", in: 100_000...192_000_000)
    channelCount = file.integer("digitizer", "channels", in: 1...DigitizerSettings.channelMaximum)
    periodFrames = file.integer("digitizer", "period_frames", in: 1...19_200)
    // An alarm waits for the end of a period, and the outbox holds what one period can give rise
    // to.
    file.demand(
      periodFrames * 1000 <= sampleRateMillihertz, "digitizer", "period_frames",
      "must be at most one second of frames")
    bufferFrames = file.integer("digitizer", "buffer_frames", in: 2...768_000)
    file.demand(
      bufferFrames >= 2 * periodFrames, "digitizer", "buffer_frames",
      "must be at least twice period_frames")
    reopensAfterOverrun = file.flag("digitizer", "reopen_after_overrun")
  }

  private mutating func readAnyShake(_ file: inout ConfigurationFile) {
    device = file.text("digitizer", "device", Text<128>.self)
    anyShake = AnyShakeSettings(&file)
    format = .signed32
    sampleRateMillihertz = file.integer(
      "digitizer", "sample_rate_millihertz", in: 20_000...1_000_000)
    channelCount = file.integer("digitizer", "channels", in: 1...8, default: 3)
    // The longest packet is of a second.
    periodFrames = sampleRateMillihertz / 1000
    bufferFrames = 2 * periodFrames
  }

  private mutating func readIio(_ file: inout ConfigurationFile) {
    device = file.text("digitizer", "device", Text<128>.self)
    iio = IioSettings(&file)
    format = .signed32
    sampleRateMillihertz = file.integer(
      "digitizer", "sample_rate_millihertz", in: 20_000...4_000_000)
    channelCount = iio.channelCount
    // Woken a hundred times a second, or by each sample where there are fewer.
    periodFrames = max(sampleRateMillihertz / 100_000, 1)
    bufferFrames = 2 * sampleRateMillihertz / 1000
  }

  private mutating func readAds(_ file: inout ConfigurationFile) {
    device = file.text("digitizer", "device", Text<128>.self)
    format = .signed32
    sampleRateMillihertz = file.integer(
      "digitizer", "sample_rate_millihertz", in: 20_000...4_000_000)
    ads = AdsSettings(&file, rateMillihertz: sampleRateMillihertz)
    channelCount = ads.inputCount
    periodFrames = max(sampleRateMillihertz / 100_000, 1)
    bufferFrames = 2 * sampleRateMillihertz / 1000
  }

  private mutating func readShake(_ file: inout ConfigurationFile) {
    shake = ShakeSettings(&file)
    format = .signed32
    sampleRateMillihertz = shake.sampleRateMillihertz
    channelCount = shake.channelCount
    periodFrames = shake.usualFramesPerDatagram
    bufferFrames = FrameJoiner.frameCount
  }

  @inline(never)
  private mutating func readLane(
    _ lane: Int, _ file: inout ConfigurationFile, _ channelKey: StaticString,
    _ polarityKey: StaticString, _ gainKey: StaticString
  ) {
    guard file.has("digitizer", channelKey) else {
      file.demand(
        !file.has("digitizer", polarityKey) && !file.has("digitizer", gainKey), "digitizer",
        file.stated("digitizer", polarityKey, or: gainKey),
        "is given for a component without a channel: name the channel or drop the line")
      return
    }
    lanes[lane].channel = file.integer(
      "digitizer", channelKey, in: 0...DigitizerSettings.channelMaximum - 1)
    file.demand(
      lanes[lane].channel < channelCount, "digitizer", channelKey,
      "must be below channels: they are numbered from 0")
    let polarity = file.integer("digitizer", polarityKey, in: -1...1, default: 1)
    file.demand(
      polarity != 0, "digitizer", polarityKey, "must be 1 or -1")
    let gain = file.decimal("digitizer", gainKey, in: 1e-6...1e6, default: 1)
    lanes[lane].gain = Double(polarity) * gain
  }

  private func checkLanes(_ file: inout ConfigurationFile) {
    file.demand(
      lanes[0].channel >= 0, "digitizer",
      file.stated("digitizer", "channels", or: "channel_names"),
      "needs a vertical_channel beside it: the picker listens to it")
    for a in 0..<Component.count {
      for b in 0..<a where lanes[a].channel >= 0 && lanes[a].channel == lanes[b].channel {
        file.demand(
          false,
          "digitizer", a == 1 ? "north_channel" : a == 2 ? "east_channel" : "auxiliary_channel",
          "names a channel that another component has already: each needs its own")
      }
    }
  }
}
