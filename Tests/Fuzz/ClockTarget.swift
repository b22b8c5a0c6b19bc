// clock: what happens to a sample clock, as a list of happenings of eight bytes each.
//
//   kind, flags, 16 bits a, 32 bits b (signed)
//
// Promised of every list: nothing traps, the time that is served never runs backwards from block
// to block, and no block claims to be certain.

import CLinux
import Clock
import Core
import Tools

struct ClockTarget: Target, ~Copyable {
  /// The kinds, by their remainder.
  enum Kind: UInt8, CaseIterable {
    /// Tenths of a second, `a` of them up to six seconds, with everything as it should be.
    case steady
    /// Frames of `a` milliseconds, stamped `b` nanoseconds late.
    case frames
    /// An edge `b` nanoseconds from now.
    case edge
    /// A second edge like the last.
    case duplicate
    /// The system's clock is looked at; by the flags the kernel's words about it.
    case look
    /// The system's clock steps by `b` units of a nanosecond to a second, by the flags.
    case step
    /// Frames are lost for `a` hundredths of a second.
    case gap
    /// Nothing comes for `a` seconds, up to two hours, in which the system's clock is looked at ten
    /// times.
    case silence
    /// Time passes and is asked for.
    case refresh
  }
  private static let rateMillihertz = 1_000_000
  private static let nanosecondsPerFrame: Int64 = 1_000_000
  /// No stamp of a frame is later than a machine is busy.
  private static let lateNanosecondsMaximum: Int64 = 100_000_000
  private static let happeningsMaximum = 24

  let corpus: [[UInt8]] = ClockTarget.makeCorpus()
  let dialect = Dialect(
    tokens: ClockTarget.makeTokens(), unitByteCount: 8, headByteCount: 2,
    maximumByteCount: 8 * ClockTarget.happeningsMaximum)
  private var locked = 0

  var summary: String { "\(locked) locked to a pulse" }

  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {}

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    var world = World()
    for index in 0..<min(bytes.count / 8, Self.happeningsMaximum) {
      try world.happen(UnsafeBufferPointer(rebasing: bytes[(8 * index)..<(8 * index + 8)]))
    }
    if world.wasLocked { locked += 1 }
    return true
  }

  /// A clock with the machine around it.
  private struct World: ~Copyable {
    var clock = SampleClock(rateMillihertz: rateMillihertz)
    var monotonic: Int64 = 10 * nanosecondsPerSecond
    /// UTC of the monotonic clock's zero, as the system's clock has it.
    var offset: Int64 = 1_800_000_000 * nanosecondsPerSecond
    var kernel = KernelClock(
      state: 0, status: 0, maximumErrorMicroseconds: 9000, estimatedErrorMicroseconds: 90)
    var frame: Int64 = 0
    var served: UTC?
    var lastEdge: Int64 = 0
    var wasLocked = false

    mutating func happen(_ bytes: UnsafeBufferPointer<UInt8>) throws {
      var reader = ByteReader(bytes)
      let kinds = Kind.allCases
      let kind = kinds[Int(reader.read(UInt8.self)) % kinds.count]
      let flags = reader.read(UInt8.self)
      let a = Int64(reader.read(UInt16.self))
      let b = Int64(Int32(bitPattern: reader.read(UInt32.self)))
      switch kind {
      case .steady: for _ in 0..<min(a, 60) { try tenth() }
      case .frames:
        try deliver(a, lateNanoseconds: min(b.magnitude, UInt64(lateNanosecondsMaximum)))
      case .edge:
        lastEdge = monotonic + b
        clock.observe(edgeMonotonicNanoseconds: lastEdge)
      case .duplicate: clock.observe(edgeMonotonicNanoseconds: lastEdge)
      case .look: look(flags, b)
      case .step:
        let units: [Int64] = [1, 1000, 1_000_000, nanosecondsPerSecond]
        // Between the first year and the last that 64 bits of nanoseconds have.
        let (years, whole) = (250 * 365 * 86_400 * nanosecondsPerSecond, units[Int(flags) % 4])
        offset = min(max(offset + (b % 1_000_000_000) * whole, 0), years)
      case .gap: resume(after: a * 10_000_000)
      case .silence:
        for _ in 0..<10 {
          monotonic += min(a, 7200) * nanosecondsPerSecond / 10
          observeSystem()
        }
        clock.refresh(monotonicNow: monotonic)
        try check()
      case .refresh:
        monotonic += b.magnitude > 1_000_000_000 ? nanosecondsPerSecond : Int64(b.magnitude)
        clock.refresh(monotonicNow: monotonic)
        _ = clock.time(ofMonotonicNanoseconds: monotonic)
        _ = clock.needsRestart(monotonicNow: monotonic)
        try check()
      }
    }

    /// With an edge and a look where a second is full by the system's clock.
    private mutating func tenth() throws {
      let before = monotonic + offset
      try deliver(100, lateNanoseconds: 0)
      let second = floorQuotient(monotonic + offset, nanosecondsPerSecond)
      guard floorQuotient(before, nanosecondsPerSecond) != second else { return }
      observeSystem()
      lastEdge = second * nanosecondsPerSecond - offset
      clock.observe(edgeMonotonicNanoseconds: lastEdge)
    }

    private mutating func deliver(_ count: Int64, lateNanoseconds: UInt64) throws {
      guard count > 0 else { return }
      monotonic += count * nanosecondsPerFrame
      let first = frame
      frame += count
      let stamp = monotonic + Int64(lateNanoseconds)
      clock.observe(frame: frame, monotonicNanoseconds: stamp)
      let (time, nanoseconds) = clock.time(ofBlockAt: first, monotonicNow: stamp)
      if let served {
        try require(time >= served, "time runs backwards by \(served - time) ns")
      }
      try require(nanoseconds > 0, "a frame takes \(nanoseconds) ns")
      served = time
      try check()
    }

    private mutating func look(_ flags: UInt8, _ b: Int64) {
      let states: [Int32] = [TIME_OK, TIME_INS, TIME_OOP, TIME_WAIT]
      let statuses: [Int32] = [0, STA_PLL, STA_INS, STA_DEL, STA_PLL | STA_INS, STA_UNSYNC, 0, 0]
      kernel.state = flags & 0x40 != 0 ? -1 : states[Int(flags) & 3]
      kernel.status = statuses[Int(flags >> 2) & 7]
      kernel.maximumErrorMicroseconds = flags & 0x80 != 0 ? 0 : Int(b)
      kernel.estimatedErrorMicroseconds = flags & 0x20 != 0 ? 0 : 90
      observeSystem()
    }

    private mutating func observeSystem() {
      clock.observe(
        SystemClockReading(
          monotonicNanoseconds: monotonic, realtime: UTC(nanoseconds: monotonic + offset),
          kernel: kernel))
    }

    private mutating func resume(after nanoseconds: Int64) {
      monotonic += nanoseconds
      frame = clock.resume(atMonotonicNanoseconds: monotonic, after: frame)
    }

    private mutating func check() throws {
      let reading = clock.reading
      try require(reading.uncertaintyNanoseconds > 0, "it claims to be certain")
      if reading.source == .pulse && reading.state == .locked { wasLocked = true }
    }
  }
}

// MARK: Corpus

extension ClockTarget {
  private static func happening(
    _ kind: Kind, flags: UInt8 = 0, a: UInt16 = 0, b: Int32 = 0
  ) -> [UInt8] {
    let bits = UInt32(bitPattern: b)
    return [kind.rawValue, flags, UInt8(truncatingIfNeeded: a), UInt8(truncatingIfNeeded: a >> 8)]
      + (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
  }

  /// One second more or less, noon instead of midnight, zeros of systemd-timesyncd, a leap's
  /// flags, hum.
  private static func makeTokens() -> [[UInt8]] {
    [
      happening(.step, flags: 3, b: 1), happening(.step, flags: 3, b: -1),
      happening(.step, flags: 3, b: 43_200), happening(.step, flags: 2, b: 300),
      happening(.look, flags: 0xA4), happening(.look, flags: 0x08, b: 9000),
      happening(.look, flags: 0x14), happening(.edge, b: 20_008_003), happening(.duplicate),
    ]
  }

  private static func makeCorpus() -> [[UInt8]] {
    let look = happening(.look, b: 9000)
    let steady = happening(.steady, a: 60)
    return [
      look + steady + steady,
      // A leap second with its flag, and one without.
      look + steady + happening(.look, flags: 0x0A, b: 900) + happening(.step, flags: 3, b: -1)
        + steady,
      look + steady + happening(.step, flags: 3, b: -1) + steady + happening(.silence, a: 5000)
        + happening(.frames, a: 1000),
      // systemd-timesyncd, 300 ms off.
      happening(.look, flags: 0xA4) + steady + happening(.step, flags: 2, b: 300) + steady,
      // A step ahead and back, an overrun, no pulse for a while.
      look + steady + happening(.step, flags: 3, b: 3600) + happening(.frames, a: 1000)
        + happening(.step, flags: 3, b: -3600) + happening(.gap, a: 250) + steady
        + happening(.silence, a: 20) + happening(.edge, b: 700_000_000) + steady,
      // Nobody knows the time, then somebody does.
      happening(.look, flags: 0x14, b: 1) + steady + look + steady + happening(.refresh, b: 1000),
      look + happening(.frames, a: 100, b: 5_000_000) + happening(.edge, b: -500_000_000)
        + happening(.duplicate) + happening(.edge, b: 500_000_000) + happening(.gap, a: 100),
    ]
  }
}
