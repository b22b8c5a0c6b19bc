// AdsSampler: a thread that does what an ADS1256 wants within half a millisecond of each conversion.
//
// The loop wakes a hundred times a second and may be busy for a millisecond. So a thread of a
// higher priority waits for the data-ready line, exchanges a sample for the next input, and puts
// whole frames into a ring. It ends when it is told to, when the converter has lost its settings,
// answers no more or has no conversion for a second; nobody waits for it.
//
//     let sampler = AdsSampler(settings)
//     sampler.start()
//     while let frame = sampler.take() { … }

import CLinux
import Core
import Digitizer
import Synchronization

/// What the thread sees, and whoever started it.
private struct AdsDesk: ~Copyable {
  let settings: DigitizerSettings
  let frames: Ring<AdsFrame>
  let bell = clinux_event_descriptor()
  /// A thread is there, and is to end.
  let isRunning = Atomic<Bool>(false)
  let isToEnd = Atomic<Bool>(false)
  /// Frames that found no room.
  let droppedCount = Atomic<Int>(0)
  let lateCount = Atomic<Int>(0)
}

struct AdsSampler: ~Copyable {
  /// Above the loop's 50 (onsetd): what it does takes a tenth of a millisecond.
  private static let priority: Int32 = 55
  private static let waitMilliseconds: Int32 = 100
  private static let silentNanoseconds: Int64 = nanosecondsPerSecond
  /// In conversions.
  private static let checkInterval: Int64 = 2048
  private static let refusedMaximum: UInt32 = 64

  private let desk: UnsafeMutablePointer<AdsDesk>

  /// Its pages stay until the program ends, because a thread may still look at them.
  init(_ settings: DigitizerSettings) throws(Diagnostic) {
    guard let memory = clinux_map_anonymous(MemoryLayout<AdsDesk>.stride),
      let frames = Ring<AdsFrame>(capacity: settings.bufferFrames)
    else { throw Diagnostic("the kernel has no memory for the converter's frames") }
    desk = memory.bindMemory(to: AdsDesk.self, capacity: 1)
    desk.initialize(to: AdsDesk(settings: settings, frames: frames))
  }

  var descriptor: Int32 { desk.pointee.bell }
  var isRunning: Bool { desk.pointee.isRunning.load(ordering: .acquiring) }
  var droppedCount: Int { desk.pointee.droppedCount.load(ordering: .relaxed) }
  var lateCount: Int { desk.pointee.lateCount.load(ordering: .relaxed) }

  /// False where the kernel starts none, or the last one has not ended yet.
  func start() -> Bool {
    guard !isRunning, desk.pointee.bell >= 0 else { return false }
    desk.pointee.isToEnd.store(false, ordering: .relaxed)
    desk.pointee.isRunning.store(true, ordering: .releasing)
    if clinux_start_thread(adsThread, desk) == 0 { return true }
    desk.pointee.isRunning.store(false, ordering: .releasing)
    return false
  }

  func stop() { desk.pointee.isToEnd.store(true, ordering: .relaxed) }

  func take() -> AdsFrame? { desk.pointee.frames.take() }
  func clearBell() { clinux_clear_event(desk.pointee.bell) }

  // MARK: The thread

  fileprivate static func run(_ place: UnsafeMutableRawPointer) {
    let desk = place.assumingMemoryBound(to: AdsDesk.self)
    _ = clinux_realtime_priority(priority)
    do throws(Diagnostic) {
      let converter = try AdsConverter(desk.pointee.settings)
      if converter.configure() == .asSet { sample(converter, desk) }
    } catch {
      // Whoever has started it sees that it has ended, and tries again.
    }
    desk.pointee.isRunning.store(false, ordering: .releasing)
    clinux_signal_event(desk.pointee.bell)
  }

  private static func sample(
    _ converter: borrowing AdsConverter, _ desk: UnsafeMutablePointer<AdsDesk>
  ) {
    var cycle = AdsCycle(desk.pointee.settings.ads)
    var lastEdge = clinux_monotonic_nanoseconds()
    var (conversions, unrung, lost) = (Int64(0), 0, Int64(0))
    while !desk.pointee.isToEnd.load(ordering: .relaxed) {
      var line = pollfd(fd: converter.descriptor, events: Int16(POLLIN), revents: 0)
      _ = poll(&line, 1, waitMilliseconds)
      // Of several the last alone can still be acted on.
      var order = AdsCycle.Order.nothing
      var isEdge = false
      while let stamp = converter.edge() {
        order = cycle.edge(stamp)
        (lastEdge, isEdge) = (stamp, true)
        conversions += 1
      }
      guard isEdge else {
        if clinux_monotonic_nanoseconds() - lastEdge > silentNanoseconds { return }
        continue
      }
      switch order {
      case .refused:
        if cycle.refusedCount > refusedMaximum { return }
      case .nothing:
        if conversions >= checkInterval {
          guard converter.ask() == .asSet else { return }
          conversions = 0
        }
      case .exchange(let input):
        guard let value = converter.exchange(selecting: input) else { return }
        cycle.read(value, doneAt: clinux_monotonic_nanoseconds())
      }
      guard var frame = cycle.takeFrame() else { continue }
      desk.pointee.lateCount.store(Int(cycle.lateCount), ordering: .relaxed)
      frame.lost += lost
      let isTaken = desk.pointee.frames.put(frame)
      lost = isTaken ? 0 : frame.lost + 1
      if !isTaken { desk.pointee.droppedCount.add(1, ordering: .relaxed) }
      unrung += 1
      guard unrung >= desk.pointee.settings.periodFrames else { continue }
      unrung = 0
      clinux_signal_event(desk.pointee.bell)
    }
  }
}

/// A thread's body for C.
private func adsThread(_ desk: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let desk { AdsSampler.run(desk) }
  return nil
}
