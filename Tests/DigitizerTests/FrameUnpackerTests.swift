import Core
import Digitizer
import Testing

@Suite struct FrameUnpackerTests {
  /// The same numbers in each format, the corners included, on a map that leaves a lane out.
  @Test(arguments: [
    SampleFormat.signed16, .signed24In3Bytes, .signed24In4Bytes, .signed32,
  ])
  func everyFormatKeepsItsSign(format: SampleFormat) {
    let top = format.maximumCounts
    let values = [0, 1, -1, 127, -128, 255, -256, 32_767, -32_768, top, -top - 1, top - 1, -top]
      .filter { abs($0) <= top + 1 }
    var settings = DigitizerSettings()
    settings.format = format
    settings.channelCount = 5
    settings.lanes[0].channel = 4
    settings.lanes[1].channel = 0
    settings.lanes[3].channel = 2
    var bytes: [UInt8] = []
    for (index, value) in values.enumerated() {
      for channel in 0..<5 {
        // Channels 1 and 3 are connected to nothing that the station listens to.
        let sample = channel == 4 ? value : channel == 0 ? -index : channel == 2 ? index : 0x55
        let pattern = UInt32(bitPattern: Int32(sample))
        for byte in 0..<format.byteCount {
          // Some cards fill the fourth byte with anything.
          let isPadding = format == .signed24In4Bytes && byte == 3
          bytes.append(isPadding ? 0xA5 : UInt8(truncatingIfNeeded: pattern >> (8 * UInt32(byte))))
        }
      }
    }
    bytes.append(0xEE)  // the beginning of a frame that is not complete
    let unpacker = FrameUnpacker(settings)
    var frames = [Frame](repeating: Frame(repeating: 99), count: values.count + 3)
    let count = bytes.withUnsafeBytes { raw in
      frames.withUnsafeMutableBufferPointer { unpacker.unpack(raw, into: $0) }
    }
    #expect(count == values.count)
    for (index, value) in values.enumerated() {
      #expect(frames[index] == Frame(Int32(value), Int32(-index), 0, Int32(index)))
    }
    #expect(frames[count] == Frame(repeating: 99), "nothing beyond the last whole frame is written")
  }
}
