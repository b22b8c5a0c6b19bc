// Capture: a digitizer of whichever kind the board file names. The loop does not know which it is.
//
// The contract is small. There are descriptors to wait on. `read` never waits: it delivers frames
// in the board's format with what is known of their time and of what is missing before them, or
// says that nothing is there, that the stream begins anew, or that the device is gone. Then
// `reopenIfDue` tries again when its time has come. Each kind lives in a file of its own.
//
//     var capture = try Capture(settings)
//     let result = capture.read(raw, bytesPerFrame: bytesPerFrame, monotonicNow: now)
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

public struct Capture: ~Copyable {
  // One of them is there. A kind is no generic parameter of the loop: that would be a loop a kind.
  private var card: AlsaCapture?
  private var shake: ShakeCapture?
  private var anyShake: AnyShakeCapture?
  /// The sizes that were granted, which may be others than were asked for.
  public let periodFrames: Int
  public let bufferFrames: Int

  /// Opens the device; refuses with a sentence what it cannot do. `definition` as in AlsaCapture.
  public init(
    _ settings: DigitizerSettings, definition: UnsafePointer<CChar>? = nil
  ) throws(Diagnostic) {
    switch settings.kind {
    case .alsa:
      let opened = try AlsaCapture(settings, definition: definition)
      (periodFrames, bufferFrames) = (opened.periodFrames, opened.bufferFrames)
      card = consume opened
    case .shake:
      shake = try ShakeCapture(settings)
      (periodFrames, bufferFrames) = (settings.periodFrames, settings.bufferFrames)
    case .anyshake:
      anyShake = try AnyShakeCapture(settings)
      (periodFrames, bufferFrames) = (settings.periodFrames, settings.bufferFrames)
    }
  }

  public var counters: DigitizerCounters {
    switch card {
    case .some(let card): return card.counters
    case .none: break
    }
    switch shake {
    case .some(let shake): return shake.counters
    case .none: break
    }
    switch anyShake {
    case .some(let line): return line.counters
    case .none: return DigitizerCounters()
    }
  }

  /// Descriptors to wait on; none while the device is lost or asleep.
  public func pollDescriptors(_ buffer: UnsafeMutableBufferPointer<pollfd>) -> Int {
    switch card {
    case .some(let card): return card.pollDescriptors(buffer)
    case .none: break
    }
    var descriptor: Int32 = -1
    switch shake {
    case .some(let shake): descriptor = shake.descriptor
    case .none: break
    }
    switch anyShake {
    case .some(let line): descriptor = line.descriptor
    case .none: break
    }
    guard descriptor >= 0 else { return 0 }
    (buffer[0].fd, buffer[0].events) = (descriptor, Int16(POLLIN))
    return 1
  }

  /// To be called with the descriptors after they were waited on.
  public func acknowledge(_ descriptors: UnsafeMutableBufferPointer<pollfd>) {
    switch card {
    case .some(let card): card.acknowledge(descriptors)
    case .none: break
    }
  }

  /// The device has to be asked again by and by, because nothing will say when it is ready.
  public var needsRetry: Bool {
    switch card {
    case .some(let card): return card.needsRetry
    case .none: break
    }
    switch anyShake {
    case .some(let line): return line.needsRetry
    case .none: return false
    }
  }

  /// Why no frame comes, for whoever has opened the device and hears nothing.
  public var complaint: Text<320> {
    switch shake {
    case .some(let shake): return shake.complaint
    case .none: break
    }
    switch anyShake {
    case .some(let line): return line.complaint
    case .none:
      return Text<320>(
        "the device opens and gives no frame: is its clock running (I2S master), is the overlay the right one?"
      )
    }
  }

  /// Reads what is there, without waiting, up to the size of the buffer.
  public mutating func read(
    _ raw: UnsafeMutableRawBufferPointer, bytesPerFrame: Int, monotonicNow: Int64
  ) -> CaptureResult {
    card?.read(raw, bytesPerFrame: bytesPerFrame, monotonicNow: monotonicNow)
      ?? shake?.read(raw, monotonicNow: monotonicNow)
      ?? anyShake?.read(raw, monotonicNow: monotonicNow) ?? .nothingYet
  }

  /// While the device is lost: tries to open it when the back-off has passed. True when it is there
  /// again.
  public mutating func reopenIfDue(monotonicNow: Int64) -> Bool {
    card?.reopenIfDue(monotonicNow: monotonicNow)
      ?? anyShake?.reopenIfDue(monotonicNow: monotonicNow) ?? true
  }

  public mutating func countGap(frames: Int64) {
    card?.countGap(frames: frames)
    shake?.countGap(frames: frames)
    anyShake?.countGap(frames: frames)
  }
}
