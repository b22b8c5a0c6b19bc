// The capture against the real libasound: the package's simulated card, and libasound's own file
// plug-in.

import CAlsa
import Core
import Devices
import Foundation
import Testing
import Tools

@testable import Digitizer

/// A raw file in a temporary folder, and the device that plays it.
final class CardFixture {
  let folder: URL
  var file: URL { folder.appendingPathComponent("frames.raw") }
  private var texts: [UnsafeMutablePointer<CChar>] = []

  init(_ bytes: [UInt8]) throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-card-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data(bytes).write(to: file)
  }

  deinit {
    try? FileManager.default.removeItem(at: folder)
    for text in texts { free(text) }
  }

  func definition(_ text: String) -> UnsafePointer<CChar> {
    texts.append(strdup(text)!)
    return UnsafePointer(texts[texts.count - 1])
  }

  func card(channels: Int, extra: String = "speed 0") throws -> UnsafePointer<CChar> {
    definition(
      try SimulatedCard.definition(file: file.path, channels: channels, extra: extra))
  }
}

/// Frame n, channel c is n·10 + c, with alternating sign.
func ramp(frames: Int, channels: Int, format: SampleFormat) -> [UInt8] {
  var bytes: [UInt8] = []
  for frame in 0..<frames {
    for channel in 0..<channels {
      let value = UInt32(bitPattern: Int32(rampValue(frame, channel)))
      for byte in 0..<format.byteCount {
        bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt32(byte))))
      }
    }
  }
  return bytes
}

func rampValue(_ frame: Int, _ channel: Int) -> Int {
  let value = (frame * 10 + channel) % 30_000
  return frame % 2 == 0 ? value : -value
}

func digitizer(
  channels: Int, format: SampleFormat, rateHertz: Int = 8000, device: String? = nil
) -> DigitizerSettings {
  var settings = DigitizerSettings()
  settings.device = Text<128>(device ?? SimulatedCard.deviceName)
  settings.format = format
  settings.sampleRateMillihertz = rateHertz * 1000
  settings.channelCount = channels
  settings.periodFrames = 80
  settings.bufferFrames = 800
  for lane in 0..<min(channels, 4) { settings.lanes[lane].channel = channels - 1 - lane }
  return settings
}

@Suite(.serialized) struct AlsaCaptureTests {
  /// Everything that the capture says until the card is lost, or until enough frames have come.
  struct Listener: ~Copyable {
    var frames: [Frame] = []
    var interruptions: [Int] = []
    var now: Int64 = 1

    mutating func listen(
      _ capture: inout AlsaCapture, _ settings: DigitizerSettings, atMost limit: Int = .max
    ) -> Bool {
      let unpacker = FrameUnpacker(settings)
      var raw = [UInt8](repeating: 0, count: 200 * unpacker.bytesPerFrame)
      var block = [Frame](repeating: .zero, count: 200)
      var idle = 0
      while frames.count < limit && idle < 1000 {
        now += 1_000_000
        let result = raw.withUnsafeMutableBytes {
          capture.read($0, monotonicNow: now)
        }
        switch result {
        case .frames(let delivery):
          #expect(delivery.stampedFrames >= delivery.count)
          let bytes = raw[0..<(delivery.count * unpacker.bytesPerFrame)]
          let got = bytes.withUnsafeBytes { from in
            block.withUnsafeMutableBufferPointer { unpacker.unpack(from, into: $0) }
          }
          #expect(got == delivery.count)
          frames += block[0..<got]
          idle = 0
        case .interrupted: interruptions.append(frames.count)
        case .lost: return true
        case .nothingYet: idle += 1
        }
      }
      return false
    }
  }

  @Test(arguments: [
    SampleFormat.signed16, .signed24In3Bytes, .signed24In4Bytes, .signed32,
  ])
  func everyFormatArrivesSampleByExactSample(format: SampleFormat) throws {
    let fixture = try CardFixture(ramp(frames: 2000, channels: 3, format: format))
    let settings = digitizer(channels: 3, format: format)
    var capture = try AlsaCapture(settings, definition: try fixture.card(channels: 3))
    var listener = Listener()
    #expect(listener.listen(&capture, settings), "at the end of its file the card vanishes")
    #expect(listener.frames.count == 2000)
    for (index, frame) in listener.frames.enumerated() {
      for lane in 0..<3 { #expect(Int(frame[lane]) == rampValue(index, 2 - lane)) }
    }
    #expect(capture.counters.frames == 2000)
    #expect(capture.counters.overruns == 0)
  }

  @Test(arguments: [1, 2, 4, 8], [100, 44_100, 192_000])
  func channelsAndRates(channels: Int, rateHertz: Int) throws {
    let fixture = try CardFixture(ramp(frames: 500, channels: channels, format: .signed32))
    let settings = digitizer(channels: channels, format: .signed32, rateHertz: rateHertz)
    var capture = try AlsaCapture(settings, definition: try fixture.card(channels: channels))
    var listener = Listener()
    _ = listener.listen(&capture, settings)
    #expect(listener.frames.count == 500)
    #expect(Int(listener.frames[499][0]) == rampValue(499, channels - 1))
  }

  /// No card has a buffer of less than two periods, and this one none between whole ones.
  @Test func theBufferIsAsLongAsTheCardGrants() throws {
    let fixture = try CardFixture(ramp(frames: 400, channels: 2, format: .signed32))
    var settings = digitizer(channels: 2, format: .signed32)
    var granted: [Int] = []
    for frames in [800, 100, 330] {
      settings.bufferFrames = frames
      let capture = try AlsaCapture(settings, definition: try fixture.card(channels: 2))
      granted.append(capture.bufferFrames)
    }
    #expect(granted == [800, 160, 320])
  }

  @Test func overrunIsRestartedCountedAndNothingShifts() throws {
    let fixture = try CardFixture(ramp(frames: 3000, channels: 2, format: .signed32))
    let settings = digitizer(channels: 2, format: .signed32)
    let card = try fixture.card(
      channels: 2, extra: "speed 0 overrun_at 1000 overrun_frames 250")
    var capture = try AlsaCapture(settings, definition: card)
    var listener = Listener()
    _ = listener.listen(&capture, settings)
    #expect(capture.counters.overruns == 1)
    #expect(listener.interruptions.count == 1)
    let at = try #require(listener.interruptions.first)
    #expect(listener.frames.count == 2750)
    #expect(Int(listener.frames[at - 1][0]) == rampValue(at - 1, 1))
    #expect(
      Int(listener.frames[at][0]) == rampValue(at + 250, 1),
      "the lost frames are missing, not moved")
  }

  /// A card whose lanes may change places when it is only started again.
  @Test func anOverrunClosesACardThatIsToBeOpenedAnew() throws {
    let fixture = try CardFixture(ramp(frames: 3000, channels: 2, format: .signed32))
    var settings = digitizer(channels: 2, format: .signed32)
    settings.reopensAfterOverrun = true
    let card = try fixture.card(
      channels: 2, extra: "speed 0 overrun_at 1000 overrun_frames 250")
    var capture = try AlsaCapture(settings, definition: card)
    var listener = Listener()
    let isLost = listener.listen(&capture, settings)
    #expect(isLost && listener.interruptions.isEmpty)
    let isThere = capture.reopenIfDue(monotonicNow: listener.now + 100_000_000)
    let counters = capture.counters
    #expect(isThere && counters.overruns == 1 && counters.reopenings == 1)
  }

  @Test func vanishedCardIsReopenedWithBackOff() throws {
    let fixture = try CardFixture(ramp(frames: 400, channels: 2, format: .signed32))
    let settings = digitizer(channels: 2, format: .signed32)
    var capture = try AlsaCapture(settings, definition: try fixture.card(channels: 2))
    var listener = Listener()
    #expect(listener.listen(&capture, settings))
    let isLost = capture.isLost
    #expect(isLost)
    let away = fixture.folder.appendingPathComponent("away.raw")
    try FileManager.default.moveItem(at: fixture.file, to: away)
    // Tried after 0.1 s, then twice as long each time, never longer than 10 s.
    var now = listener.now
    for milliseconds in [100, 200, 400, 800, 1600, 3200, 6400, 10_000] as [Int64] {
      let early = capture.reopenIfDue(monotonicNow: now + milliseconds * 1_000_000 - 1)
      #expect(!early)
      now += milliseconds * 1_000_000
      if milliseconds == 10_000 { continue }
      let absent = capture.reopenIfDue(monotonicNow: now)
      #expect(!absent)
    }
    try FileManager.default.moveItem(at: away, to: fixture.file)
    let isBack = capture.reopenIfDue(monotonicNow: now)
    #expect(isBack)
    #expect(capture.counters.reopenings == 1)
    var again = Listener()
    _ = again.listen(&capture, settings)
    #expect(again.frames.count == 400)
  }

  /// The card is there, reports no error and delivers nothing: after two seconds it counts as gone.
  @Test func silentCardIsTakenForAVanishedOne() throws {
    let fixture = try CardFixture(ramp(frames: 400, channels: 2, format: .signed32))
    let settings = digitizer(channels: 2, format: .signed32)
    let card = try fixture.card(channels: 2, extra: "speed 0.000001")
    var capture = try AlsaCapture(settings, definition: card)
    var raw = [UInt8](repeating: 0, count: 1600)
    func isLost(after milliseconds: Int64) -> Bool {
      raw.withUnsafeMutableBytes {
        if case .lost = capture.read(
          $0, monotonicNow: 1 + milliseconds * 1_000_000)
        {
          return true
        }
        return false
      }
    }
    #expect(!isLost(after: 0))
    #expect(!isLost(after: 1999))
    #expect(isLost(after: 2001))
    let isBack = capture.reopenIfDue(monotonicNow: 2_200_000_000)
    #expect(isBack)
    #expect(!isLost(after: 2300), "the two seconds begin anew")
  }

  @Test func fileSystemPluginOfLibasoundWorksToo() throws {
    let fixture = try CardFixture(ramp(frames: 1600, channels: 3, format: .signed32))
    let text = fixture.definition(
      """
      pcm.replay { type file slave.pcm { type null } file "/dev/null" \
      infile "\(fixture.file.path)" format "raw" }
      """)
    let settings = digitizer(channels: 3, format: .signed32, device: "replay")
    var capture = try AlsaCapture(settings, definition: text)
    var listener = Listener()
    // This plug-in goes on with stale frames after the end: the first 1600 are the file's.
    _ = listener.listen(&capture, settings, atMost: 1600)
    for (index, frame) in listener.frames.prefix(1600).enumerated() {
      #expect(Int(frame[0]) == rampValue(index, 2))
    }
  }

  func refusal(_ settings: DigitizerSettings, _ text: UnsafePointer<CChar>?) -> String {
    do throws(Diagnostic) {
      _ = try AlsaCapture(settings, definition: text)
      return "was accepted"
    } catch {
      return error.description
    }
  }

  @Test func refusesInOneSentence() throws {
    let fixture = try CardFixture(ramp(frames: 10, channels: 2, format: .signed32))
    let card = try fixture.card(channels: 2)
    let missing = refusal(digitizer(channels: 2, format: .signed32, device: "no_such"), card)
    #expect(missing.contains("device \"no_such\" refuses open"))
    #expect(missing.contains("arecord -L"))
    let channels = refusal(digitizer(channels: 3, format: .signed32), card)
    #expect(channels.contains("refuses channels as configured (3 channels at 8000 Hz)"))
    let rate = refusal(digitizer(channels: 2, format: .signed32, rateHertz: 50), card)
    #expect(rate.contains("refuses sample_rate_millihertz"))
  }
}
