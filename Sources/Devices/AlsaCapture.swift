// AlsaCapture: frames from a sound card, through libasound.
//
// A card runs for years, and in them it overruns, is suspended, is pulled out, or just stops. A
// read that blocks waits for ever for a card that delivers nothing. A program that ends at any
// error has to settle before it picks again. And reading on after an overrun shifts all samples
// that follow.
//
// So no read waits, and whatever can go wrong while running is recovered from. After an overrun or
// a suspension the stream is restarted. A vanished card is opened again with a back-off from 0.1 to
// 10 s, and one that is there and delivers nothing is taken for a vanished one. Each is counted,
// and each leaves a gap whose length the sample clock tells, never shifted samples.
//
//     var capture = try AlsaCapture(settings)
//     let result = capture.read(raw, monotonicNow: now)
//     if case .lost = result { _ = capture.reopenIfDue(monotonicNow: now) }

import CAlsa
import CLinux
import Core
import Digitizer

public struct AlsaCapture: ~Copyable, DigitizerSource {
  public private(set) var counters = DigitizerCounters()
  /// The sizes that the card granted, which may be others than were asked for.
  public private(set) var periodFrames: Int
  public private(set) var bufferFrames: Int
  private var handle: OpaquePointer?
  private let settings: DigitizerSettings
  private let definition: UnsafePointer<CChar>?
  private var backOff = BackOff()
  private var isSuspended = false
  private var lastDelivery: Int64?
  private let stallNanoseconds: Int64
  private let bytesPerFrame: Int

  /// Opens the device; refuses with a sentence what it cannot do. `definition` is libasound
  /// configuration text that defines the device, for one that the system's files do not know; it
  /// must outlive the capture.
  public init(
    _ settings: DigitizerSettings, definition: UnsafePointer<CChar>? = nil
  ) throws(Diagnostic) {
    self.settings = settings
    self.definition = definition
    bytesPerFrame = FrameUnpacker(settings).bytesPerFrame
    periodFrames = settings.periodFrames
    bufferFrames = settings.bufferFrames
    let period = Int64(settings.periodFrames) * 1_000_000_000_000
    stallNanoseconds = max(
      2 * nanosecondsPerSecond, 4 * period / Int64(settings.sampleRateMillihertz))
    var step: UnsafePointer<CChar>?
    let code = open(&step)
    guard code < 0 else { return }
    var diagnostic = Diagnostic("digitizer: device \"")
    diagnostic.text.append(settings.device)
    diagnostic.text.append("\" refuses ")
    diagnostic.text.append(cString: step)
    if code == -EINVAL {
      diagnostic.text.append(" as configured (")
      diagnostic.text.append(settings.channelCount)
      diagnostic.text.append(" channels at ")
      diagnostic.text.append(thousandths: settings.sampleRateMillihertz)
      diagnostic.text.append(" Hz): arecord --dump-hw-params shows what it can do")
    } else {
      diagnostic.text.append(": ")
      diagnostic.text.append(cString: snd_strerror(code))
      diagnostic.text.append("; arecord -L lists the devices there are")
    }
    throw diagnostic
  }

  deinit { if let handle { snd_pcm_close(handle) } }

  private mutating func open(_ step: inout UnsafePointer<CChar>?) -> Int32 {
    var shape = calsa_shape(
      rate_hertz: UInt32(settings.sampleRateMillihertz / 1000),
      channels: UInt32(settings.channelCount), period_frames: UInt(settings.periodFrames),
      buffer_frames: UInt(settings.bufferFrames))
    let format: snd_pcm_format_t =
      switch settings.format {
      case .signed16: SND_PCM_FORMAT_S16_LE
      case .signed24In3Bytes: SND_PCM_FORMAT_S24_3LE
      case .signed24In4Bytes: SND_PCM_FORMAT_S24_LE
      case .signed32: SND_PCM_FORMAT_S32_LE
      }
    var opened: OpaquePointer?
    let code = settings.device.withCString { device in
      if let definition {
        return calsa_open_defined(&opened, definition, device, format, &shape, &step)
      }
      return calsa_open(&opened, device, format, &shape, &step)
    }
    if code >= 0 {
      handle = opened
      periodFrames = Int(shape.period_frames)
      bufferFrames = Int(shape.buffer_frames)
    }
    return code
  }

  /// Descriptors to wait on; none while the device is lost or asleep.
  public func pollDescriptors(_ buffer: UnsafeMutableBufferPointer<pollfd>) -> Int {
    guard let handle, !isSuspended else { return 0 }
    return max(Int(calsa_poll_descriptors(handle, buffer.baseAddress, UInt32(buffer.count))), 0)
  }

  /// To be called with the descriptors after they were waited on.
  public func acknowledge(_ descriptors: UnsafeMutableBufferPointer<pollfd>) {
    guard let handle, descriptors.count > 0 else { return }
    calsa_acknowledge(handle, descriptors.baseAddress, UInt32(descriptors.count))
  }

  /// The device has to be asked again by and by, because nothing will say when it is ready.
  public var needsRetry: Bool { handle == nil || isSuspended }

  /// Reads what is there, without waiting, up to the size of the buffer.
  public mutating func read(
    _ raw: UnsafeMutableRawBufferPointer, monotonicNow: Int64
  ) -> CaptureResult {
    guard let handle else { return .lost }
    var stamp: Int64 = 0
    let available = calsa_available(handle, &stamp)
    guard available >= 0 else { return recover(Int32(available), monotonicNow) }
    // No more than the stamp stands for: what has come since would seem to have been taken too
    // early. A read of none is made all the same, because it tells of a card that is gone, and
    // libasound's avail does not.
    let wanted = min(raw.count / bytesPerFrame, available)
    let got = snd_pcm_readi(handle, raw.baseAddress, UInt(wanted))
    if got == -Int(EAGAIN) || got == 0 { return nothing(monotonicNow) }
    guard got > 0 else { return recover(Int32(got), monotonicNow) }
    if got < wanted { counters.shortReads &+= 1 }
    counters.frames &+= UInt64(got)
    lastDelivery = monotonicNow
    backOff.reset()
    let isStamped = stamp > 0 && stamp <= monotonicNow
    // A buffer that was filled may have left some behind; one that was not is worth no second look.
    return .frames(
      Delivery(
        count: got, stampedFrames: isStamped ? available : got, stamp: isStamped ? stamp : nil,
        hasMore: got == raw.count / bytesPerFrame))
  }

  /// Nothing came, as is usual between periods, unless it has been so for too long.
  private mutating func nothing(_ now: Int64) -> CaptureResult {
    let since = lastDelivery ?? now
    lastDelivery = since
    guard now - since > stallNanoseconds else { return .nothingYet }
    return abandon(now)
  }

  private mutating func recover(_ code: Int32, _ now: Int64) -> CaptureResult {
    if code == -EINTR { return .nothingYet }
    var restarted = false
    if code == -EPIPE {
      counters.overruns &+= 1
      restarted =
        !settings.reopensAfterOverrun && snd_pcm_prepare(handle) >= 0 && snd_pcm_start(handle) >= 0
    } else if code == -ESTRPIPE {
      if !isSuspended { counters.suspends &+= 1 }
      let resumed = snd_pcm_resume(handle)
      isSuspended = resumed == -EAGAIN
      if isSuspended { return .nothingYet }
      restarted = resumed >= 0 || (snd_pcm_prepare(handle) >= 0 && snd_pcm_start(handle) >= 0)
    }
    guard restarted else { return abandon(now) }
    lastDelivery = nil
    return .interrupted
  }

  private mutating func abandon(_ now: Int64) -> CaptureResult {
    snd_pcm_close(handle)
    handle = nil
    isSuspended = false
    lastDelivery = nil
    backOff.wait(from: now)
    return .lost
  }

  /// While the device is lost: tries to open it when the back-off has passed. True when it is there
  /// again.
  public mutating func reopenIfDue(monotonicNow: Int64) -> Bool {
    guard handle == nil, backOff.isDue(monotonicNow) else { return false }
    var step: UnsafePointer<CChar>?
    if open(&step) >= 0 {
      counters.reopenings &+= 1
      return true
    }
    backOff.wait(from: monotonicNow)
    return false
  }

  public var isLost: Bool { handle == nil }

  var complaint: Text<320> {
    Text<320>(
      "the device opens and gives no frame: is its clock running (I2S master), is the overlay the right one?"
    )
  }

  public mutating func countGap(frames: Int64) { counters.countGap(frames: frames) }
}
