// AdsCapture: frames from an ADS1256, which a thread of its own samples.
//
// A frame's time is the middle of what its first input's conversion hears, by the kernel's stamp of
// the converter's data-ready line. A converter that is gone, silent or has lost its settings ends
// the thread; another one is started with a back-off, and sets it up anew.
//
//     var capture = try AdsCapture(settings)
//     let result = capture.read(raw, monotonicNow: now)

import CLinux
import Core
import Digitizer

// Public, because whoever destroys a Capture in Embedded Swift must see how this ends.
public struct AdsCapture: ~Copyable, DigitizerSource {
  private(set) var counters = DigitizerCounters()
  private let sampler: AdsSampler
  private let settings: DigitizerSettings
  private var backOff = BackOff()
  private var isLost = false
  /// A frame that is of another batch than those before it.
  private var held: AdsFrame?

  init(_ settings: DigitizerSettings) throws(Diagnostic) {
    // Opened here first, for a sentence that says what is wrong.
    do {
      let converter = try AdsConverter(settings)
      switch converter.configure() {
      case .asSet: break
      case .nobody:
        throw Diagnostic(
          "digitizer: nobody answers on ", settings.device,
          ": are DIN, DOUT, SCLK and CS on the pins of this bus, is RESET high, does the converter have power?"
        )
      case .other:
        throw Diagnostic(
          "digitizer: what answers on ", settings.device,
          " is no ADS1255 or ADS1256, or it does not keep what it is told: short wires, one ground, a steady supply?"
        )
      }
    }
    let sampler = try AdsSampler(settings)
    guard sampler.start() else {
      throw Diagnostic("the kernel starts no thread for the converter: see ulimit -u")
    }
    self.sampler = sampler
    self.settings = settings
  }

  deinit { sampler.stop() }

  func pollDescriptors(_ buffer: UnsafeMutableBufferPointer<pollfd>) -> Int {
    wait(on: isLost ? -1 : sampler.descriptor, buffer)
  }

  var needsRetry: Bool { isLost }

  var complaint: Text<320> {
    Text<320>(
      "the converter answers, and its data-ready line never falls: is DRDY on the line that data_ready_line names?"
    )
  }

  mutating func read(
    _ raw: UnsafeMutableRawBufferPointer, monotonicNow now: Int64
  ) -> CaptureResult {
    guard !isLost else { return .lost }
    sampler.clearBell()
    counters.shortReads = UInt32(clamping: sampler.lateCount)
    counters.overruns = UInt32(clamping: sampler.droppedCount)
    let capacity = raw.count / (settings.channelCount * 4)
    var delivery = Delivery(count: 0, stampedFrames: 0, stamp: nil)
    while delivery.count < capacity, let frame = held ?? sampler.take() {
      held = nil
      if frame.lost > 0 {
        guard delivery.count == 0 else {
          held = frame
          break
        }
        delivery.gap = .frames(frame.lost)
      }
      for channel in 0..<settings.channelCount {
        raw.storeBytes(
          of: frame.samples[channel].littleEndian,
          toByteOffset: (delivery.count * settings.channelCount + channel) * 4, as: Int32.self)
      }
      // The stamp is the last frame's own.
      (delivery.stampedFrames, delivery.stamp) = (delivery.count, frame.time)
      delivery.count += 1
    }
    guard delivery.count > 0 else {
      guard !sampler.isRunning else { return .nothingYet }
      isLost = true
      backOff.wait(from: now)
      return .lost
    }
    delivery.hasMore = held != nil || delivery.count == capacity
    counters.frames &+= UInt64(delivery.count)
    backOff.reset()
    return .frames(delivery)
  }

  mutating func reopenIfDue(monotonicNow now: Int64) -> Bool {
    guard isLost, backOff.isDue(now) else { return false }
    backOff.wait(from: now)
    guard sampler.start() else { return false }
    isLost = false
    counters.reopenings &+= 1
    return true
  }

  mutating func countGap(frames: Int64) { counters.countGap(frames: frames) }
}
