// IioCapture: frames from a sensor or converter with a driver of the kernel's Industrial I/O.
//
// The kernel dates each sample when it is triggered, on the monotonic clock. A frame's time is that
// stamp, less the filter delay that the board file tells. A device that is taken away, or delivers
// nothing for three seconds, is opened and set up again with a back-off.
//
//     var capture = try IioCapture(settings)
//     let result = capture.read(raw, monotonicNow: now)

import CLinux
import Core
import Digitizer

// Public, because whoever destroys a Capture in Embedded Swift must see how this ends.
public struct IioCapture: ~Copyable, DigitizerSource {
  public private(set) var counters = DigitizerCounters()
  private let settings: DigitizerSettings
  private let root: Text<64>
  private let arena: Arena
  private var device: IioDevice?
  private var scans: IioScans
  private var backOff = BackOff()
  private var lastDelivery: Int64?

  private static let stallNanoseconds: Int64 = 3 * nanosecondsPerSecond

  /// Opens the device and starts it; refuses with a sentence what it cannot do. `root` is where
  /// /sys and /dev are looked for.
  public init(
    _ settings: DigitizerSettings, root: Text<64> = Text<64>()
  ) throws(Diagnostic) {
    let device = try IioDevice(settings, root: root)
    let layout = try device.start()
    guard var arena = Arena(byteCount: IioScans.byteCount) else {
      throw Diagnostic("the kernel has no memory for the digitizer's scans")
    }
    scans = IioScans(
      channels: settings.channelCount, rateMillihertz: settings.sampleRateMillihertz, arena: &arena)
    scans.begin(layout)
    arena.seal()
    self.arena = arena
    self.settings = settings
    self.root = root
    self.device = consume device
  }

  private var descriptor: Int32 {
    switch device {
    case .some(let device): device.descriptor
    case .none: -1
    }
  }

  public mutating func read(
    _ raw: UnsafeMutableRawBufferPointer, monotonicNow now: Int64
  ) -> CaptureResult {
    let descriptor = descriptor
    guard descriptor >= 0 else { return .lost }
    let room = scans.room
    let got = clinux_read_arrived(descriptor, room.baseAddress, room.count)
    if got > 0 { scans.came(got) }
    let found = scans.next(into: raw, monotonicNow: now)
    counters.shortReads = scans.refusedCount
    if let found {
      counters.frames &+= UInt64(found.count)
      lastDelivery = now
      backOff.reset()
      // The stamp is the last frame's own.
      return .frames(
        Delivery(
          count: found.count, stampedFrames: found.time == nil ? found.count : found.count - 1,
          stamp: found.time, gap: found.gap, hasMore: found.hasMore))
    }
    let since = lastDelivery ?? now
    lastDelivery = since
    guard got >= 0, now - since < IioCapture.stallNanoseconds else { return abandon(now) }
    return .nothingYet
  }

  private mutating func abandon(_ now: Int64) -> CaptureResult {
    device = nil
    lastDelivery = nil
    backOff.wait(from: now)
    return .lost
  }

  public mutating func reopenIfDue(monotonicNow now: Int64) -> Bool {
    guard descriptor < 0, backOff.isDue(now) else { return false }
    do throws(Diagnostic) {
      let device = try IioDevice(settings, root: root)
      scans.begin(try device.start())
      self.device = consume device
      counters.reopenings &+= 1
      return true
    } catch {
      backOff.wait(from: now)
      return false
    }
  }

  var needsRetry: Bool { descriptor < 0 }

  var complaint: Text<320> {
    scans.refusedCount > 0
      ? Text<320>(
        "scans come whose time is not on the kernel's monotonic clock: current_timestamp_clock was changed"
      )
      : Text<320>(
        "the device is set up and takes no sample: is its data-ready line wired to the pin that the overlay names, does the trigger run?"
      )
  }

  mutating func countGap(frames: Int64) { counters.countGap(frames: frames) }

  func pollDescriptors(_ buffer: UnsafeMutableBufferPointer<pollfd>) -> Int {
    wait(on: descriptor, buffer)
  }
}
