// The self-test's ears: some seconds of the digitizer and of the pulse, and what they say of
// cables, levels, the ground and the crystal.

import Board
import CLinux
import Clock
import Conditioning
import Core
import Devices
import Digitizer
import Pins

extension SelfTest {
  private static var listeningNanoseconds: Int64 { 6 * nanosecondsPerSecond }
  private static var pollMilliseconds: Int32 { 200 }
  /// Crystals are within 50 ppm, and stamps may be late by milliseconds on a busy machine; a
  /// digitizer that is off by more runs at another rate than is written.
  private static var rateErrorMaximum: Double { 2000e-6 }
  /// A sensor that runs by no crystal; what `IioScans` follows.
  private static var oscillatorErrorMaximum: Double { 0.05 }
  private static var pulseErrorMaximum: Int64 { 1_000_000 }

  mutating func listen(
    to board: BoardFile, _ response: Response?, _ clock: MachineClock, _ tell: (Finding) -> Void
  ) {
    var pulse: PulseInput?
    if let settings = board.pulse {
      do throws(Diagnostic) { pulse = try PulseInput(settings) } catch {
        let holder =
          settings.device.isEmpty ? LineHolder.find("pps", settings.chip, settings.line) : nil
        note(Finding("pps", holder ?? error), tell)
      }
    }
    var edges = EdgeStatistics()
    do throws(Diagnostic) {
      var capture = try Capture(board.digitizer)
      var levels = LevelStatistics(board.digitizer)
      let stays = hear(&capture, &pulse, &levels, &edges, board.digitizer, clock)
      if !stays { waitForEdges(&pulse, &edges, clock) }
      if levels.frames == 0
        && (stays || board.digitizer.kind != .alsa && board.digitizer.kind != .shake)
      {
        note(Finding("digitizer", .bad, capture.complaint), tell)
      } else if stays {
        note(digitizer(capture.counters, levels, board.digitizer), tell)
      } else {
        note(
          Finding(
            "digitizer", .bad, "it went away while it was listened to: see its plug and dmesg"),
          tell)
      }
      if levels.frames > 0 {
        for lane in 0..<3 where board.digitizer.lanes[lane].channel >= 0 {
          note(level(levels, lane, board.digitizer, response), tell)
        }
      }
    } catch {
      note(Finding("digitizer", error), tell)
      waitForEdges(&pulse, &edges, clock)
    }
    guard let settings = board.pulse else {
      note(
        Finding(
          "pps", .skipped, "the board has no [pps]: time is the machine's or the digitizer's"),
        tell)
      return
    }
    if hasPulse(pulse) { note(pulses(edges, settings), tell) }
    if !settings.chronySocket.isEmpty { note(chrony(settings.chronySocket), tell) }
  }

  private func hasPulse(_ pulse: borrowing PulseInput?) -> Bool {
    switch pulse {
    case .some: true
    case .none: false
    }
  }

  /// False when the card went away.
  private func hear(
    _ capture: inout Capture, _ pulse: inout PulseInput?, _ levels: inout LevelStatistics,
    _ edges: inout EdgeStatistics, _ settings: DigitizerSettings, _ clock: MachineClock
  ) -> Bool {
    let chunk = settings.periodFrames
    guard
      var arena = Arena(byteCount: FrameFeeder.byteCount(settings, chunkFrames: chunk))
    else { return false }
    defer { arena.seal() }
    let feeder = FrameFeeder(settings, chunkFrames: chunk, arena: &arena)
    let end = clock.monotonicNanoseconds() + SelfTest.listeningNanoseconds
    while clock.monotonicNanoseconds() < end {
      wait(capture)
      while let edge = pulse?.next() { edges.add(edge) }
      let result = capture.read(
        feeder.raw, monotonicNow: clock.monotonicNanoseconds())
      switch result {
      case .frames(let delivery):
        if delivery.gap != .none { levels.forgetRate() }
        if let stated = delivery.stated {
          levels.note(stamp: stated.utc.nanoseconds, frames: levels.frames)
        } else {
          levels.note(
            stamp: delivery.stamp ?? clock.monotonicNanoseconds(),
            frames: levels.frames + delivery.stampedFrames)
        }
        for frame in feeder.unpack(delivery.count) { levels.add(frame) }
      case .interrupted: levels.forgetRate()
      case .lost: return false
      case .nothingYet: break
      }
    }
    return true
  }

  private func wait(_ capture: borrowing Capture) {
    withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 4) { descriptors in
      memset(descriptors.baseAddress!, 0, 4 * MemoryLayout<pollfd>.stride)
      let count = capture.pollDescriptors(descriptors)
      _ = poll(descriptors.baseAddress, nfds_t(count), SelfTest.pollMilliseconds)
      capture.acknowledge(UnsafeMutableBufferPointer(rebasing: descriptors[0..<count]))
    }
  }

  private func waitForEdges(
    _ pulse: inout PulseInput?, _ edges: inout EdgeStatistics, _ clock: MachineClock
  ) {
    guard hasPulse(pulse) else { return }
    let end = clock.monotonicNanoseconds() + SelfTest.listeningNanoseconds
    while clock.monotonicNanoseconds() < end {
      _ = poll(nil, 0, SelfTest.pollMilliseconds)
      while let edge = pulse?.next() { edges.add(edge) }
    }
  }

  // MARK: What was heard

  private func digitizer(
    _ counters: DigitizerCounters, _ levels: LevelStatistics, _ settings: DigitizerSettings
  ) -> Finding {
    var text = Text<320>()
    text.append(settings.channelCount)
    text.append(" channels, ")
    text.append(levels.frames)
    text.append(" frames")
    if settings.kind == .ads1256, settings.channelCount > 1 {
      text.append(", channel after channel ")
      text.append(thousandths: settings.ads.skewNanoseconds(1) / 1000)
      text.append(" ms apart")
    }
    if let error = levels.rateError {
      text.append(", rate off by ")
      text.append(thousandths: Elementary.nearestInteger(error * 1e9))
      text.append(settings.kind == .shake ? " ppm by its own clock" : " ppm on the kernel's clock")
      if settings.kind == .iio, error.magnitude > SelfTest.rateErrorMaximum,
        error.magnitude < SelfTest.oscillatorErrorMaximum
      {
        text.append(": the sensor's own oscillator; stamps are right, frequencies off by as much")
        return Finding("digitizer", .doubtful, text)
      }
      if error.magnitude > SelfTest.rateErrorMaximum {
        text.append(": the digitizer does not run at sample_rate_millihertz")
        return Finding("digitizer", .bad, text)
      }
    }
    if counters.overruns > 0 {
      text.append("; ")
      text.append(Int(counters.overruns))
      text.append(" overruns: this machine is busy, or buffer_frames is small")
      return Finding("digitizer", .doubtful, text)
    }
    return Finding("digitizer", .good, text)
  }

  private func level(
    _ levels: LevelStatistics, _ lane: Int, _ settings: DigitizerSettings, _ response: Response?
  ) -> Finding {
    let part: StaticString =
      switch lane {
      case 0: "vertical"
      case 1: "north"
      default: "east"
      }
    let lowest = Int(levels.lowest[lane])
    let highest = Int(levels.highest[lane])
    if lowest == highest {
      return Finding(
        part, .bad,
        lowest == 0
          ? "nothing but zeros: is the sensor's cable on, is it the right channel?"
          : "the same value all the time: the input is saturated or the converter hangs")
    }
    let rms = levels.deviation(lane)
    var text = Text<320>("noise of ")
    text.append(thousandths: Elementary.nearestInteger(min(rms, 1e9) * 1000))
    text.append(" counts rms around ")
    text.append(Elementary.nearestInteger(levels.mean(lane)))
    if let response, response.unitsPerCount[lane] != 0 {
      let perCount = response.unitsPerCount[lane] * settings.lanes[lane].gain
      let nano = rms * perCount.magnitude * 1e9
      text.append(", ")
      text.append(thousandths: Elementary.nearestInteger(min(nano, 1e12)))
      text.append(response.quantity == .velocity ? " um/s" : " um/s2")
    }
    let largest = max(highest.magnitude, lowest.magnitude)
    if largest >= settings.clipCounts.magnitude {
      text.append(": at full scale; level the sensor, look at its supply, or turn the gain down")
      return Finding(part, .bad, text)
    }
    if rms < 1 {
      text.append(": less than the converter's step, so quiet ground is not resolved; more gain")
      return Finding(part, .doubtful, text)
    }
    if 2 * levels.mean(lane).magnitude > Double(settings.clipCounts) {
      text.append(": half of full scale is taken by the offset; level the sensor")
      return Finding(part, .doubtful, text)
    }
    return Finding(part, .good, text)
  }

  /// Whether chronyd would take the edges.
  private func chrony(_ path: Text<64>) -> Finding {
    let socket = clinux_chrony_open()
    defer { close(socket) }
    guard path.withCString({ clinux_chrony_takes(socket, $0) }) != 0 else {
      var text = Text<320>("chrony listens for edges at ")
      text.append(path)
      return Finding("chrony", .good, text)
    }
    var text = Text<320>("nobody takes edges at ")
    text.append(path)
    text.append(" (")
    text.append(cString: UnsafePointer(strerror(clinux_errno())))
    text.append("): chrony.conf needs refclock SOCK with this path, and onset the right to write there")
    return Finding("chrony", .doubtful, text)
  }

  private func pulses(_ edges: EdgeStatistics, _ settings: PulseSettings) -> Finding {
    var text = Text<320>()
    text.append(edges.count)
    if settings.device.isEmpty {
      text.append(" edges on line ")
      text.append(settings.line)
      text.append(" of ")
      text.append(settings.chip)
    } else {
      text.append(" edges of ")
      text.append(settings.device)
    }
    guard edges.count > 0 else {
      text.append(
        " in 6 s: does the receiver see the sky (its lamp blinks), is its pulse on this pin?")
      return Finding("pps", .bad, text)
    }
    guard edges.count >= 3 else {
      text.append(" in 6 s: has the receiver just found its fix, or are pulses missing?")
      return Finding("pps", .bad, text)
    }
    guard edges.worst <= SelfTest.pulseErrorMaximum else {
      text.append(", not a second apart (")
      text.append(thousandths: Int(min(edges.worst, 9_000_000_000) / 1000))
      text.append(" ms off): a floating pin, mains hum, or another signal")
      return Finding("pps", .bad, text)
    }
    text.append(", a second apart to ")
    text.append(thousandths: Int(edges.worst))
    text.append(" us")
    return Finding("pps", .good, text)
  }
}

/// Counts of each lane and the rate at which they came.
struct LevelStatistics {
  private let nominalNanosecondsPerFrame: Double
  private(set) var frames = 0
  private(set) var lowest = Frame(repeating: .max)
  private(set) var highest = Frame(repeating: .min)
  private var firstFrame = Frame.zero
  /// Sums of the distance from the first frame, which takes a large offset out.
  private var sum = Lanes.zero
  private var squares = Lanes.zero
  private struct Stamp {
    var nanoseconds: Int64
    var lateness: Double
  }
  private var begin: Stamp?
  private var latest: Stamp?
  private var secondBegin: Int64 = 0
  /// The earliest of the first second, and of the last that is over.
  private var first: Stamp?
  private var last: Stamp?

  init(_ settings: DigitizerSettings) {
    nominalNanosecondsPerFrame = 1e12 / Double(settings.sampleRateMillihertz)
  }

  mutating func add(_ frame: Frame) {
    if frames == 0 { firstFrame = frame }
    frames += 1
    lowest.replace(with: frame, where: frame .< lowest)
    highest.replace(with: frame, where: frame .> highest)
    let beyond = Lanes(frame) - Lanes(firstFrame)
    sum += beyond
    squares += beyond * beyond
  }

  /// Stamps come late and never early, so of each second the earliest counts.
  mutating func note(stamp: Int64, frames: Int) {
    let lateness = Double(stamp) - Double(frames) * nominalNanosecondsPerFrame
    let place = Stamp(nanoseconds: stamp, lateness: lateness)
    guard let begin else {
      (self.begin, latest, secondBegin) = (place, place, stamp)
      return
    }
    if stamp - secondBegin >= nanosecondsPerSecond {
      if first == nil { first = latest } else { last = latest }
      (latest, secondBegin) = (place, stamp)
    } else if lateness < latest?.lateness ?? begin.lateness {
      latest = place
    }
  }

  mutating func forgetRate() { (begin, latest, first, last) = (nil, nil, nil, nil) }

  func mean(_ lane: Int) -> Double { Double(firstFrame[lane]) + sum[lane] / Double(max(frames, 1)) }

  func deviation(_ lane: Int) -> Double {
    let count = Double(max(frames, 1))
    let mean = sum[lane] / count
    return max(squares[lane] / count - mean * mean, 0).squareRoot()
  }

  /// nil before two seconds are over.
  var rateError: Double? {
    guard let first, let last else { return nil }
    return (first.lateness - last.lateness) / Double(last.nanoseconds - first.nanoseconds)
  }
}

/// The first edge is not counted: a chip may have kept it from before anybody listened.
struct EdgeStatistics {
  private(set) var count = 0
  private var isFirst = true
  private var previous: Int64 = 0
  /// From a whole second, the largest.
  private(set) var worst: Int64 = 0

  mutating func add(_ edge: Int64) {
    if isFirst {
      isFirst = false
      return
    }
    if count > 0 {
      let off = edge - previous - nanosecondsPerSecond
      worst = max(worst, off < 0 ? -off : off)
    }
    previous = edge
    count += 1
  }
}
