// Capture: a digitizer of whichever kind the board file names. The loop does not know which it is.
//
// The contract is small. There are descriptors to wait on. `read` never waits: it delivers frames
// in the board's format with what is known of their time and of what is missing before them, or
// says that nothing is there, that the stream begins anew, or that the device is gone. Then
// `reopenIfDue` tries again when its time has come. Each kind lives in a file of its own.
//
//     var capture = try Capture(settings)
//     let result = capture.read(raw, monotonicNow: now)
//     if case .lost = result { _ = capture.reopenIfDue(monotonicNow: now) }

import CAlsa
import CLinux
import Core
import Digitizer

public enum CaptureResult {
  /// Frames were read into the raw buffer.
  case frames(Delivery)
  case nothingYet
  /// The stream begins anew; the next frames come after a gap.
  case interrupted
  /// The device is gone; `reopenIfDue` tries again when its time has come.
  case lost
}

/// What each kind is behind.
protocol DigitizerSource: ~Copyable {
  var counters: DigitizerCounters { get }
  /// The device has to be asked again by and by, because nothing will say when it is ready.
  var needsRetry: Bool { get }
  /// Why no frame comes, for whoever has opened the device and hears nothing.
  var complaint: Text<320> { get }
  /// What to wait on; none while the device is lost or asleep.
  func pollDescriptors(_ buffer: UnsafeMutableBufferPointer<pollfd>) -> Int
  mutating func read(
    _ raw: UnsafeMutableRawBufferPointer, monotonicNow: Int64
  ) -> CaptureResult
  mutating func reopenIfDue(monotonicNow: Int64) -> Bool
  mutating func countGap(frames: Int64)
}

extension DigitizerSource where Self: ~Copyable {
  /// For those that wait on one descriptor.
  func wait(on descriptor: Int32, _ buffer: UnsafeMutableBufferPointer<pollfd>) -> Int {
    guard descriptor >= 0 else { return 0 }
    (buffer[0].fd, buffer[0].events) = (descriptor, Int16(POLLIN))
    return 1
  }
}

public struct Capture: ~Copyable {
  // One of them is there. A kind is no generic parameter of the loop: that would be a loop a kind.
  private var card: AlsaCapture?
  private var shake: ShakeCapture?
  private var anyShake: AnyShakeCapture?
  private var iio: IioCapture?
  private var ads: AdsCapture?
  /// The sizes that were granted, which may be others than were asked for.
  public let periodFrames: Int
  public let bufferFrames: Int

  /// Opens the device; refuses with a sentence what it cannot do. `definition` as in AlsaCapture.
  public init(
    _ settings: DigitizerSettings, definition: UnsafePointer<CChar>? = nil
  ) throws(Diagnostic) {
    var (period, buffer) = (settings.periodFrames, settings.bufferFrames)
    switch settings.kind {
    case .alsa:
      let opened = try AlsaCapture(settings, definition: definition)
      (period, buffer) = (opened.periodFrames, opened.bufferFrames)
      card = consume opened
    case .shake: shake = try ShakeCapture(settings)
    case .anyshake: anyShake = try AnyShakeCapture(settings)
    case .iio: iio = try IioCapture(settings)
    case .ads1256: ads = try AdsCapture(settings)
    }
    (periodFrames, bufferFrames) = (period, buffer)
  }

  /// What the one that is there says. Embedded Swift cannot borrow through `?.` what is noncopyable.
  private func ask<Source: DigitizerSource & ~Copyable, Answer>(
    _ source: borrowing Source?, _ question: (borrowing Source) -> Answer
  ) -> Answer? {
    switch source {
    case .some(let source): question(source)
    case .none: nil
    }
  }

  public var counters: DigitizerCounters {
    ask(card) { $0.counters } ?? ask(shake) { $0.counters } ?? ask(anyShake) { $0.counters }
      ?? ask(iio) { $0.counters } ?? ask(ads) { $0.counters } ?? DigitizerCounters()
  }

  /// Descriptors to wait on; none while the device is lost or asleep.
  public func pollDescriptors(_ buffer: UnsafeMutableBufferPointer<pollfd>) -> Int {
    ask(card) { $0.pollDescriptors(buffer) } ?? ask(shake) { $0.pollDescriptors(buffer) }
      ?? ask(anyShake) { $0.pollDescriptors(buffer) } ?? ask(iio) { $0.pollDescriptors(buffer) }
      ?? ask(ads) { $0.pollDescriptors(buffer) } ?? 0
  }

  /// To be called with the descriptors after they were waited on.
  public func acknowledge(_ descriptors: UnsafeMutableBufferPointer<pollfd>) {
    _ = ask(card) { $0.acknowledge(descriptors) }
  }

  /// The device has to be asked again by and by, because nothing will say when it is ready.
  public var needsRetry: Bool {
    ask(card) { $0.needsRetry } ?? ask(shake) { $0.needsRetry } ?? ask(anyShake) { $0.needsRetry }
      ?? ask(iio) { $0.needsRetry } ?? ask(ads) { $0.needsRetry } ?? false
  }

  /// Why no frame comes, for whoever has opened the device and hears nothing.
  public var complaint: Text<320> {
    ask(card) { $0.complaint } ?? ask(shake) { $0.complaint } ?? ask(anyShake) { $0.complaint }
      ?? ask(iio) { $0.complaint } ?? ask(ads) { $0.complaint } ?? Text<320>()
  }

  /// Reads what is there, without waiting, up to the size of the buffer.
  public mutating func read(
    _ raw: UnsafeMutableRawBufferPointer, monotonicNow: Int64
  ) -> CaptureResult {
    card?.read(raw, monotonicNow: monotonicNow) ?? shake?.read(raw, monotonicNow: monotonicNow)
      ?? anyShake?.read(raw, monotonicNow: monotonicNow)
      ?? iio?.read(raw, monotonicNow: monotonicNow)
      ?? ads?.read(raw, monotonicNow: monotonicNow) ?? .nothingYet
  }

  /// While the device is lost: tries to open it when the back-off has passed. True when it is there
  /// again.
  public mutating func reopenIfDue(monotonicNow: Int64) -> Bool {
    card?.reopenIfDue(monotonicNow: monotonicNow) ?? shake?.reopenIfDue(monotonicNow: monotonicNow)
      ?? anyShake?.reopenIfDue(monotonicNow: monotonicNow)
      ?? iio?.reopenIfDue(monotonicNow: monotonicNow)
      ?? ads?.reopenIfDue(monotonicNow: monotonicNow) ?? true
  }

  public mutating func countGap(frames: Int64) {
    card?.countGap(frames: frames)
    shake?.countGap(frames: frames)
    anyShake?.countGap(frames: frames)
    iio?.countGap(frames: frames)
    ads?.countGap(frames: frames)
  }
}
