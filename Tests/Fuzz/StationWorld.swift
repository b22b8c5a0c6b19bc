// A station with the machine around it, to which things happen.

import Clock
import Conditioning
import Core
import Digitizer
import Estimator
import Station
import StationFixture
import Tools
import Uplink

final class StationWorld {
  private static let blockFrames = 4
  private static let nanosecondsPerFrame: Int64 = 10_000_000
  /// What a station can want done between two turns: a full queue, and what doing it gives rise to.
  private static let actionsMaximum = 256

  private var station: Station
  private let arena: Arena
  private var random: RandomGenerator
  private var monotonic = 1000 * nanosecondsPerSecond
  /// UTC of the monotonic clock's zero.
  private var offset = 1_800_000_000 * nanosecondsPerSecond
  private var frame: Int64 = 0
  private var counter: UInt64 = 0
  private var lines = fittedLines()
  private var diskTakes = true
  private var relayObeys = true

  private var isAlarm = false
  /// When the last test that was answered is over.
  private var testEnd = Int64.min
  private var drillEnd = Int64.min
  private(set) var hadAlarm = false
  private(set) var wasClosed = false

  init(seed: UInt64, isLatched: Bool) throws {
    random = RandomGenerator(seed: seed)
    var settings = stationSettings()
    settings.alarm.isLatched = isLatched
    var arena = try estimatingArena()
    station = estimatingStation(settings, in: &arena)
    self.arena = arena
    station.note(.lines(lines))
  }

  func happen(_ bytes: UnsafeBufferPointer<UInt8>) throws {
    var reader = ByteReader(bytes)
    let kinds = StationTarget.Kind.allCases
    let kind = kinds[Int(reader.read(UInt8.self)) % kinds.count]
    let flags = reader.read(UInt8.self)
    let a = Int(reader.read(UInt16.self))
    let b = Int32(bitPattern: reader.read(UInt32.self))
    let count = min(a, 2000)
    switch kind {
    case .noise: try deliver(count) { [self] _ in noise() &* Self.mask(flags) }
    case .shaking:
      let hertz = 0.5 + Double(flags) / 10
      try deliver(count) { [self] in noise() &+ shaking(Double($0) / 100, hertz, b) }
    case .constant: try deliver(count) { _ in Frame(repeating: b) &* Self.mask(flags) }
    case .spike:
      try deliver(1) { _ in Frame(repeating: b) &* Self.mask(flags) }
      try deliver(9) { [self] _ in noise() }
    case .rails:
      try deliver(count) { $0 % 2 == 0 ? Frame(repeating: .max) : Frame(repeating: .min) }
    case .gap:
      frame += Int64(a)
      monotonic += Int64(a) * Self.nanosecondsPerFrame
    case .renumber: frame = Int64(b)
    case .silence: try wait(tenths: min(a, 600), isDelivering: flags & 1 != 0)
    case .step: step(seconds: Int64(b))
    case .command: try command(UInt16(flags), Int64(b))
    case .lines: try set(lines: flags)
    case .disk: diskTakes = flags & 1 == 0
    case .neglect: try deliver(count, isServed: false) { [self] _ in noise() }
    }
  }

  // MARK: The ground

  private static func mask(_ flags: UInt8) -> Frame {
    Frame(Int32(flags & 1), Int32(flags >> 1 & 1), Int32(flags >> 2 & 1), Int32(flags >> 3 & 1))
  }

  private func noise() -> Frame {
    Frame(Int32(random.below(200)), Int32(random.below(200)), Int32(random.below(200)), 0)
  }

  /// In three directions, growing for two seconds.
  private func shaking(_ seconds: Double, _ hertz: Double, _ counts: Int32) -> Frame {
    let size = min(seconds / 2, 1) * Double(counts)
    var frame = Frame.zero
    for lane in 0..<3 {
      let phase = 6.283185307179586 * hertz * seconds * (1 + 0.31 * Double(lane)) + Double(lane)
      frame[lane] = Int32(clamping: Elementary.nearestInteger(size * Elementary.sine(phase)))
    }
    return frame
  }

  private func deliver(
    _ count: Int, isServed: Bool = true, _ frame: (Int) -> Frame
  ) throws {
    var block = [Frame](repeating: .zero, count: Self.blockFrames)
    for index in stride(from: 0, to: count, by: Self.blockFrames) {
      for place in 0..<Self.blockFrames { block[place] = frame(index + place) }
      let first = UTC(nanoseconds: monotonic + offset)
      monotonic += Int64(Self.blockFrames) * Self.nanosecondsPerFrame
      block.withUnsafeBufferPointer {
        station.process(
          Block(
            frames: $0, firstFrame: self.frame, firstFrameTime: first,
            nanosecondsPerFrame: Double(Self.nanosecondsPerFrame), clock: lockedClock(),
            monotonicNanoseconds: monotonic))
      }
      self.frame += Int64(Self.blockFrames)
      if isServed { try serve() }
    }
    try serve()
  }

  private func wait(tenths: Int, isDelivering: Bool) throws {
    for _ in 0..<tenths {
      monotonic += nanosecondsPerSecond / 10
      station.tick(
        Moment(monotonicNanoseconds: monotonic, utc: UTC(nanoseconds: monotonic + offset)),
        clock: ClockReading(), isDelivering: isDelivering)
      try serve()
    }
  }

  /// Between the first year and the last that 64 bits of nanoseconds have.
  private func step(seconds: Int64) {
    let years = 250 * 365 * 86_400 * nanosecondsPerSecond
    offset = min(max(offset + seconds * nanosecondsPerSecond, 0), years)
  }

  // MARK: The machine

  private func set(lines flags: UInt8) throws {
    relayObeys = flags & 0b1000_0000 == 0
    lines.relay = [.fitted, .none, .faulty, .fitted][Int(flags) & 3]
    lines.inhibit = [.none, .off, .on, .unreadable][Int(flags >> 2) & 3]
    station.note(.lines(lines))
    try serve()
  }

  private func command(_ parameter: UInt16, _ value: Int64) throws {
    counter += 1
    var command = CommandMessage()
    // As old as it may be: the station counts from its first block or silence.
    command.issuedMicroseconds = UInt64(max(monotonic - 1000 * nanosecondsPerSecond, 0) / 1000)
    command.lifeMilliseconds = CommandMessage.lifeMaximum
    (command.parameter, command.value) = (parameter, value)
    signed(command).withBytes {
      station.receive($0, from: Address(ipv4: 1, port: 1))
    }
    try serve()
  }

  /// Does all that is wanted, and looks at it.
  private func serve() throws {
    var count = 0
    while let action = station.nextAction() {
      count += 1
      try require(count <= Self.actionsMaximum, "there is no end of what it wants")
      switch action {
      case .drive(let relay, _):
        try require(!relay || station.wantsRelay, "the relay is driven, and nobody wants it")
        if relayObeys { lines.isActuated = relay } else { lines.relay = .faulty }
        station.note(.lines(lines))
      case .store(let value, _): station.note(.stored(value, isDone: diskTakes))
      case .keep: station.note(.stored(.outbox, isDone: diskTakes))
      case .restart: try require(!isAlarm, "it wants a new start during an alarm")
      case .network, .keepKey: try require(false, "nobody sent a network or a key")
      case .send(let datagram): try look(at: datagram)
      }
    }
    let isClosed = station.wantsRelay
    if isClosed { wasClosed = true }
    try require(
      !isClosed || !lines.inhibit.keepsRelayOpen, "the relay is to close against the switch")
    let mayAlarm = isAlarm && drillEnd <= monotonic
    try require(
      !isClosed || mayAlarm || monotonic < testEnd, "the relay is to close, and nobody said so")
    try require(
      isClosed || !mayAlarm || lines.inhibit.keepsRelayOpen, "an alarm leaves the relay open")
  }

  private func look(at datagram: Datagram) throws {
    do {
      try opened(datagram) { opened throws in
        _ = try JsonLine.text(opened)
        switch opened.header.type {
        case .alert: note(try AlertMessage(opened.payload))
        case .answer: note(try AnswerMessage(opened.payload).command)
        default: break
        }
      }
    } catch let error as DatagramError {
      throw Violation("it sends a datagram that \(error.explanation)")
    }
  }

  private func note(_ alert: AlertMessage) {
    isAlarm = alert.level == .alarm
    if isAlarm { hadAlarm = true }
  }

  private func note(_ command: CommandMessage) {
    guard command.result == .done else { return }
    switch CommandParameter(rawValue: command.parameter) {
    case .relayTest: testEnd = max(testEnd, monotonic + command.value * 1_000_000)
    // It ends by itself.
    case .drill: drillEnd = command.value == 1 ? monotonic + 1800 * nanosecondsPerSecond : .min
    default: break
    }
  }
}
