// Capture through libasound. Whatever can go wrong while running is recovered from: an overrun or a
// suspended card is restarted, a vanished one is opened again with a back-off from 0.1 to 10 s. Each is
// counted, and each leaves a gap whose length the sample clock tells, never shifted samples.

import Board
import CAlsa
import CLinux
import Core

public enum CaptureResult {
  /// `count` frames were read into the raw buffer; `stampedFrames` from the first of them on had been
  /// taken at the kernel's time stamp, or by now where the device gives none.
  case frames(count: Int, stampedFrames: Int, monotonicNanoseconds: Int64?)
  case nothingYet
  /// The stream begins anew; the next frames come after a gap.
  case interrupted
  /// The device is gone; `reopen` tries again when its time has come.
  case lost
}

public struct AlsaCapture: ~Copyable {
  public private(set) var counters = DigitizerCounters()
  public private(set) var periodFrames: Int
  private var handle: OpaquePointer?
  private let settings: DigitizerSettings
  private let definition: UnsafePointer<CChar>?
  private var retryMonotonicNanoseconds: Int64 = 0
  private var retryDelayNanoseconds: Int64 = 0

  private static let firstRetryNanoseconds: Int64 = 100_000_000
  private static let longestRetryNanoseconds: Int64 = 10_000_000_000

  /// Opens the device; refuses with a sentence what it cannot do. `definition` is libasound
  /// configuration text that defines the device, for one that the system's files do not know; it must
  /// outlive the capture.
  public init(
    _ settings: DigitizerSettings, definition: UnsafePointer<CChar>? = nil
  ) throws(Diagnostic) {
    self.settings = settings
    self.definition = definition
    periodFrames = settings.periodFrames
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
    }
    return code
  }

  /// Descriptors to wait on; zero while the device is lost.
  public func pollDescriptors(_ buffer: UnsafeMutableBufferPointer<pollfd>) -> Int {
    guard let handle else { return 0 }
    return max(Int(calsa_poll_descriptors(handle, buffer.baseAddress, UInt32(buffer.count))), 0)
  }

  /// Reads what is there, without waiting, up to the size of the buffer.
  public mutating func read(
    _ raw: UnsafeMutableRawBufferPointer, bytesPerFrame: Int, monotonicNow: Int64
  ) -> CaptureResult {
    guard let handle else { return .lost }
    var stamp: Int64 = 0
    let available = calsa_available(handle, &stamp)
    guard available >= 0 else { return recover(Int32(available), monotonicNow) }
    let wanted = raw.count / bytesPerFrame
    let got = snd_pcm_readi(handle, raw.baseAddress, UInt(wanted))
    if got == -Int(EAGAIN) || got == 0 { return .nothingYet }
    guard got > 0 else { return recover(Int32(got), monotonicNow) }
    if got < min(available, wanted) { counters.shortReads &+= 1 }
    counters.frames &+= UInt64(got)
    let isStamped = stamp > 0 && stamp <= monotonicNow
    return .frames(
      count: got, stampedFrames: isStamped ? max(available, got) : got,
      monotonicNanoseconds: isStamped ? stamp : nil)
  }

  private mutating func recover(_ code: Int32, _ now: Int64) -> CaptureResult {
    if code == -EINTR { return .nothingYet }
    var restarted = false
    if code == -EPIPE {
      counters.overruns &+= 1
      restarted = snd_pcm_prepare(handle) >= 0 && snd_pcm_start(handle) >= 0
    } else if code == -ESTRPIPE {
      counters.suspends &+= 1
      let resumed = snd_pcm_resume(handle)
      // Still suspended: ask again at the next wake-up.
      if resumed == -EAGAIN { return .nothingYet }
      restarted = resumed >= 0 || (snd_pcm_prepare(handle) >= 0 && snd_pcm_start(handle) >= 0)
    }
    guard !restarted else { return .interrupted }
    snd_pcm_close(handle)
    handle = nil
    retryDelayNanoseconds = AlsaCapture.firstRetryNanoseconds
    retryMonotonicNanoseconds = now + retryDelayNanoseconds
    return .lost
  }

  /// While the device is lost: tries to open it when the back-off has passed. True when it is there again.
  public mutating func reopenIfDue(monotonicNow: Int64) -> Bool {
    guard handle == nil, monotonicNow >= retryMonotonicNanoseconds else { return false }
    var step: UnsafePointer<CChar>?
    if open(&step) >= 0 {
      counters.reopenings &+= 1
      return true
    }
    retryDelayNanoseconds = min(2 * retryDelayNanoseconds, AlsaCapture.longestRetryNanoseconds)
    retryMonotonicNanoseconds = monotonicNow + retryDelayNanoseconds
    return false
  }

  public var isLost: Bool { handle == nil }

  public mutating func countGap(frames: Int64) {
    counters.gaps &+= 1
    counters.gapFrames &+= UInt64(clamping: frames)
  }
}
