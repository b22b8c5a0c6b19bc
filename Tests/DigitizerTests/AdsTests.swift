// An ADS1256's conversions, of inputs that take turns, become frames; and what it is told.

import Board
import Core
import Digitizer
import Settings
import Testing

@Suite struct AdsTests {
  private static func settings(
    _ inputs: String = "0-1,2-3,4-5", rateMillihertz: Int = 125_000, _ lines: String = ""
  ) throws -> DigitizerSettings {
    let text = """
      [board]
      format = 1
      name = "converter"
      description = "on the bus"
      [digitizer]
      kind = "ads1256"
      device = "/dev/spidev0.0"
      data_ready_chip = "gpiochip0"
      data_ready_line = 17
      channel_inputs = "\(inputs)"
      sample_rate_millihertz = \(rateMillihertz)
      vertical_channel = 0
      \(lines)
      """
    let bytes = Array(text.utf8)
    return try bytes.withUnsafeBufferPointer { bytes in
      var file = try ConfigurationFile(path: Path("board.toml"), bytes: bytes)
      return try BoardFile(&file).digitizer
    }
  }

  /// A converter whose conversions are of the input that was selected while they heard; each input
  /// has the number of the conversion, and its own in the lowest digit. One that heard two is a 9.
  private struct Converter {
    let settings: AdsSettings
    let begin: Int64 = 1_000_000_000
    var selections: [(time: Int64, input: UInt8)] = [(0, 0x01)]

    var period: Int64 { Int64(settings.conversionNanoseconds) }
    var settling: Int64 {
      [500: 2_180_000, 1000: 1_180_000, 2000: 680_000][settings.conversionHertz]!
    }
    func end(_ conversion: Int64) -> Int64 { begin + conversion * period }

    /// As it is read at this time: of the last conversion that was over.
    func value(at time: Int64) -> Int32 {
      let conversion = (time - begin) / period
      let heard = end(conversion) - settling
      let before = selections.last { $0.time <= heard }!.input
      let after = selections.last { $0.time <= end(conversion) }!.input
      let number = before == after ? Int(before >> 4) / 2 : 9
      return Int32(conversion * 10) + Int32(number)
    }
  }

  private struct Heard {
    var number: Int64
    var frame: AdsFrame
  }

  /// Runs so many conversions; `delay` says how late the reader is at each, and how many edges it
  /// misses altogether (negative).
  private static func run(
    _ settings: AdsSettings, conversions: Int64, ppm: Int64 = 0,
    delay: (Int64) -> Int64 = { _ in 20_000 }
  ) -> (frames: [Heard], cycle: AdsCycle) {
    var cycle = AdsCycle(settings)
    var converter = Converter(settings: settings)
    var frames: [Heard] = []
    var number: Int64 = 0
    for conversion in 0..<conversions {
      let late = delay(conversion)
      guard late >= 0 else { continue }
      let time = converter.end(conversion)
      let order = cycle.edge(time + min(late, 15_000))
      guard case .exchange(let input) = order else { continue }
      let value = converter.value(at: time + late)
      converter.selections.append((time + late, input))
      cycle.read(value, doneAt: time + late + 80_000)
      if let frame = cycle.takeFrame() {
        number += frame.lost
        frames.append(Heard(number: number, frame: frame))
        number += 1
      }
    }
    return (frames, cycle)
  }

  /// No sample of another input, of two, or of another round than its frame's.
  private static func areRight(_ frames: [Heard], _ settings: AdsSettings) -> Bool {
    let slots = Int32(settings.slotCount)
    guard let first = frames.first else { return false }
    let begin = first.frame.samples[0] / 10 / (2 * slots) - Int32(first.number)
    return frames.allSatisfy { heard in
      (0..<settings.slotCount).allSatisfy { slot in
        let sample = heard.frame.samples[slot]
        let conversion = (Int32(heard.number) + begin) * 2 * slots + 2 * Int32(slot) + 1
        return sample == conversion * 10 + Int32(min(slot, settings.inputCount - 1))
      }
    }
  }

  @Test(arguments: [
    ("0-1", 250_000), ("0-1", 1_000_000), ("0-1,2-3", 125_000), ("0-1,2-3", 500_000),
    ("0-1,2-3,4-5", 125_000), ("0-1,2-3,4-5,6-7", 250_000),
  ])
  func everyFrameHasEachInputOfItsRound(_ inputs: String, _ rate: Int) throws {
    let settings = try Self.settings(inputs, rateMillihertz: rate).ads
    let (frames, cycle) = Self.run(settings, conversions: 4000)
    #expect(frames.count >= 4000 / (2 * settings.slotCount) - 2)
    #expect(Self.areRight(frames, settings))
    #expect(frames.allSatisfy { $0.frame.lost == 0 })
    #expect(cycle.lateCount == 0 && cycle.refusedCount == 0)
  }

  /// The time is the middle of what the first conversion hears, and goes by even steps.
  @Test func aFramesTimeIsTheMiddleOfItsFirstConversion() throws {
    let settings = try Self.settings().ads
    let (frames, _) = Self.run(settings, conversions: 4000)
    let converter = Converter(settings: settings)
    let off = frames.suffix(400).map { heard in
      let conversion = Int64(heard.frame.samples[0] / 10)
      return heard.frame.time - (converter.end(conversion) - 1_180_000 / 2)
    }
    #expect(off.allSatisfy { (0...16_000).contains($0) })
  }

  /// Whoever comes late loses the frame, never a sample's input; the number of the lost ones is exact.
  @Test(arguments: 0..<20)
  func aReaderThatIsLateLosesWholeFrames(_ seed: UInt64) throws {
    var random = RandomGenerator(seed: seed)
    let settings = try Self.settings(rateMillihertz: seed % 2 == 0 ? 125_000 : 250_000).ads
    let period = Int64(settings.conversionNanoseconds)
    var away: Int64 = 0
    let (frames, cycle) = Self.run(settings, conversions: 40_000) { _ in
      if away > 0 { away -= 1 }
      if random.next() % 300 == 0 { away = Int64(random.next() % 60) }
      if away > 0 { return -1 }
      return random.next() % 20 == 0 ? Int64(random.next() % UInt64(period)) : 30_000
    }
    #expect(frames.count > 500)
    #expect(Self.areRight(frames, settings))
    #expect(cycle.lateCount > 0)
    #expect(frames.contains { $0.frame.lost > 0 })
  }

  /// A converter that has forgotten its settings converts thirty times as fast.
  @Test func edgesThatComeTooSoonAreRefused() throws {
    var cycle = AdsCycle(try Self.settings().ads)
    var refused = 0
    for number in 0..<100 where cycle.edge(1_000_000_000 + Int64(number) * 33_333) == .refused {
      refused += 1
    }
    #expect(refused > 90)
    #expect(cycle.refusedCount == UInt32(refused))
  }

  @Test func registersAreThoseOfTheDataSheet() throws {
    let settings = try Self.settings(
      "6-7,2-8", rateMillihertz: 500_000, "amplifier_gain = 64\ninput_buffer = true"
    ).ads
    let setting = AdsRegisters.setting(settings)
    #expect((0..<6).map { setting[$0] } == [0x50, 3, 0x02, 0x67, 0x06, 0xB0])
    let selection = AdsRegisters.selection(0x28)
    #expect((0..<3).map { selection[$0] } == [0x51, 0, 0x28])
    #expect(AdsRegisters.judge([0x33, 0x28, 0x06, 0xB0], settings) == .asSet)
    #expect(AdsRegisters.judge([0x32, 0x67, 0x86, 0xB0], settings) == .asSet)
    for bytes in [
      [0x30, 0x28, 0x06, 0xB0], [0x33, 0x28, 0x00, 0xB0], [0x33, 0x28, 0x06, 0xF0],
      [0x23, 0x28, 0x06, 0xB0],
    ] as [[UInt8]] {
      #expect(AdsRegisters.judge([bytes[0], bytes[1], bytes[2], bytes[3]], settings) == .other)
    }
    #expect(AdsRegisters.judge([0, 0, 0, 0], settings) == .nobody)
    #expect(AdsRegisters.judge([255, 255, 255, 255], settings) == .nobody)
    #expect(AdsRegisters.sample([0x80, 0, 0]) == -8_388_608)
    #expect(AdsRegisters.sample([0x7F, 0xFF, 0xFF]) == 8_388_607)
    #expect(AdsRegisters.sample([0xFF, 0xFF, 0xFE]) == -2)
  }

  @Test func skewIsTwoConversionsAnInput() throws {
    let settings = try Self.settings()
    #expect((0..<3).map { settings.ads.skewNanoseconds($0) } == [0, 2_000_000, 4_000_000])
    #expect(settings.clipCounts == 8_388_607 && settings.channelCount == 3)
  }

  @Test(arguments: [
    ("0-1,0-1", "channel_inputs"), ("", "channel_inputs"), ("0-9", "channel_inputs"),
    ("3-3", "channel_inputs"), ("0-1,", "channel_inputs"), ("01", "channel_inputs"),
    ("0-1,2-3,4-5,6-7,0-2", "channel_inputs"), ("0-1;2-3", "channel_inputs"),
  ])
  func inputsThatAreWrong(_ inputs: String, _ key: String) throws {
    #expect(Self.refusal(inputs).contains(key), "\(Self.refusal(inputs))")
  }

  @Test func ratesAndGainsThatAreWrong() {
    #expect(Self.refusal("0-1", 126_000).contains("sample_rate_millihertz"))
    #expect(Self.refusal("0-1,2-3,4-5", 500_000).contains("sample_rate_millihertz"))
    #expect(Self.refusal("0-1", 250_000, "amplifier_gain = 3").contains("amplifier_gain"))
  }

  private static func refusal(
    _ inputs: String, _ rate: Int = 125_000, _ lines: String = ""
  ) -> String {
    do {
      _ = try settings(inputs, rateMillihertz: rate, lines)
      return "none"
    } catch let error as Diagnostic {
      return error.text.withBytes { String(decoding: $0, as: UTF8.self) }
    } catch {
      return "another"
    }
  }
}
