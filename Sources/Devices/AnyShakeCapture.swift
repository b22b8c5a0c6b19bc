// AnyShakeCapture: frames from an AnyShake Explorer on a serial line.
//
// With GNSS the device dates its packets itself. Without, a packet's frames had been taken when its
// first byte left the device: that is when it was read, less what it and the bytes after it take on
// the line. A line that was pulled out or falls silent is opened again with a back-off, because an
// adapter that was put back may be another device under the same name.
//
//     var capture = try AnyShakeCapture(settings)
//     let result = capture.read(raw, monotonicNow: now)

import CLinux
import Clock
import Core
import Digitizer

// Public, because whoever destroys a Capture in Embedded Swift must see how this ends.
public struct AnyShakeCapture: ~Copyable, DigitizerSource {
  private(set) var counters = DigitizerCounters()
  private var descriptor: Int32
  private let settings: DigitizerSettings
  private let arena: Arena
  private var decoder: AnyShakeDecoder
  private var backOff = BackOff()
  private var lastDelivery: Int64?

  private static let stallNanoseconds: Int64 = 3 * nanosecondsPerSecond
  /// A start bit, eight bits and a stop bit.
  private static let bitsPerByte: Int64 = 10

  init(_ settings: DigitizerSettings) throws(Diagnostic) {
    guard var arena = Arena(byteCount: AnyShakeDecoder.byteCount) else {
      throw Diagnostic("the kernel has no memory for the serial line's bytes")
    }
    let descriptor = AnyShakeCapture.open(settings)
    guard descriptor >= 0 else { throw AnyShakeCapture.refusal(settings) }
    decoder = AnyShakeDecoder(
      channels: settings.channelCount, rateMillihertz: settings.sampleRateMillihertz, arena: &arena)
    arena.seal()
    self.arena = arena
    self.settings = settings
    self.descriptor = descriptor
  }

  private static func refusal(_ settings: DigitizerSettings) -> Diagnostic {
    var diagnostic = Diagnostic("digitizer: ", settings.device, " cannot be opened (")
    diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
    diagnostic.text.append(
      "): see dmesg for its name, prefer /dev/serial/by-id, and give onsetd the group dialout")
    return diagnostic
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  private static func open(_ settings: DigitizerSettings) -> Int32 {
    settings.device.withCString { clinux_serial_open($0, Int32(settings.anyShake.baudRate)) }
  }

  func pollDescriptors(_ buffer: UnsafeMutableBufferPointer<pollfd>) -> Int {
    wait(on: descriptor, buffer)
  }
  var needsRetry: Bool { descriptor < 0 }
  /// Why no frame comes, as far as it is known.
  var complaint: Text<320> {
    var text = Text<320>()
    if let rate = decoder.otherRateHertz {
      text.append("it sends ")
      text.append(rate)
      text.append(" samples a second: set the device or sample_rate_millihertz")
    } else if decoder.total > 0 {
      text.append(
        "bytes come, and no packet: is baud_rate the device's, channels the number of those that are on?"
      )
    } else {
      text.append(
        "nothing comes on the line: is it the right device, does the Explorer have power?")
    }
    return text
  }

  mutating func read(
    _ raw: UnsafeMutableRawBufferPointer, monotonicNow now: Int64
  ) -> CaptureResult {
    guard descriptor >= 0 else { return .lost }
    let room = decoder.room
    let got = clinux_read_arrived(descriptor, room.baseAddress, room.count)
    if got > 0 { decoder.came(got, monotonicNow: now) }
    let refusedBefore = decoder.refusedCount
    let found = decoder.next(into: raw)
    counters.shortReads &+= decoder.refusedCount &- refusedBefore
    if let found { return .frames(delivery(found, now)) }
    let since = lastDelivery ?? now
    lastDelivery = since
    guard got >= 0, now - since < AnyShakeCapture.stallNanoseconds else { return abandon(now) }
    return .nothingYet
  }

  private mutating func delivery(_ found: AnyShakeDecoder.Found, _ now: Int64) -> Delivery {
    counters.frames &+= UInt64(found.frames)
    lastDelivery = now
    backOff.reset()
    let bits = Int64(found.byteCount + found.bytesAfter) * AnyShakeCapture.bitsPerByte
    let journey = bits * nanosecondsPerSecond / Int64(settings.anyShake.baudRate)
    return Delivery(
      count: found.frames, stampedFrames: found.frames, stamp: found.arrival - journey,
      gap: found.gap, stated: stated(found), hasMore: found.hasMore)
  }

  private func stated(_ found: AnyShakeDecoder.Found) -> StatedTime? {
    guard found.isGnss || settings.anyShake.isTimeGnss, let milliseconds = found.milliseconds,
      // A receiver that has not found its fix counts from the epoch of whoever made it.
      (AnyShakeCapture.earliest...AnyShakeCapture.latest).contains(milliseconds)
    else { return nil }
    return StatedTime(
      utc: UTC(nanoseconds: milliseconds * 1_000_000),
      uncertaintyNanoseconds: Int64(settings.anyShake.clockUncertaintyMicroseconds) * 1000)
  }

  /// 2020 and 2200, which UTC can hold.
  private static let earliest: Int64 = 1_577_836_800_000
  private static let latest: Int64 = 7_258_118_400_000

  private mutating func abandon(_ now: Int64) -> CaptureResult {
    close(descriptor)
    descriptor = -1
    lastDelivery = nil
    decoder.restart()
    backOff.wait(from: now)
    return .lost
  }

  mutating func reopenIfDue(monotonicNow now: Int64) -> Bool {
    guard descriptor < 0, backOff.isDue(now) else { return false }
    descriptor = AnyShakeCapture.open(settings)
    guard descriptor >= 0 else {
      backOff.wait(from: now)
      return false
    }
    counters.reopenings &+= 1
    return true
  }

  mutating func countGap(frames: Int64) { counters.countGap(frames: frames) }
}
