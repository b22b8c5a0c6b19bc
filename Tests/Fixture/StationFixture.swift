// A station without a machine around it: its settings, what it is fed with and what it says.

import Clock
import Conditioning
import Core
import Digitizer
import Estimator
import Picker
import Station
import Tools
import Uplink

public let testKey: Key = {
  var bytes = Octets<4>()
  for index in 0..<32 { bytes[index] = UInt8(index) }
  return Key(bytes)
}()

/// Its secret words are 1, 2, 3 and 4.
public let testExchange: ExchangeKey = {
  var word: UInt64 = 0
  return ExchangeKey {
    word += 1
    return word
  }
}()

/// A key of nines that libsodium has encrypted for that pair.
public let sealedTestKey: [UInt8] = {
  let digits =
    "5c370c5a7694a4e9fce0d563a8d3c3940f1baef67d8894396c2efefd7fda806e23ddb5b209d1438f"
    + "dfb423659fd3aa47b97329ce1e6f417c64247b5f59c3c1de942872016a81cb29ce925df38d2c76de"
  return stride(from: 0, to: digits.count, by: 2).map { offset in
    UInt8(digits.dropFirst(offset).prefix(2), radix: 16)!
  }
}()

/// A pair follows from any secret.
public func pair(_ byte: UInt8) -> SigningKey {
  SigningKey(ofStation: Key(Octets(repeating: byte)))
}

/// With these the station of these settings signs its answers.
public let testIdentity = SigningKey(ofStation: testKey)
/// An operator who may do everything, and one who may ask.
public let testOperator = pair(101)
public let testWatcher = pair(102)
public let testEpoch: UInt64 = 0x0E0C
public let testBootNonce: UInt64 = 0xB007

private let testOperators: Operators = {
  var operators = Operators()
  operators.add(Operator(key: testOperator.publicKey, rights: Rights(rawValue: 15)))
  operators.add(Operator(key: testWatcher.publicKey, rights: .watch))
  return operators
}()

public func stationSettings(rateHertz: Int = 100) -> StationSettings {
  var settings = StationSettings(
    code: StationCode("XX.TEST..EH"), epoch: testEpoch, bootCounter: 5, bootNonce: testBootNonce,
    keys: UpstreamKeys(testKey),
    conditioner: ConditionerSettings(
      rateMillihertz: rateHertz * 1000, presentLanes: 0b111,
      response: Response(quantity: .acceleration, unitsPerCount: Lanes(repeating: 1e-6))),
    picker: PickerSettings())
  settings.operators = testOperators
  return settings
}

/// A strong earthquake, P at 20 s.
public func strongFrames(magnitude: Double = 6.5, seconds: Int = 100) -> [Frame] {
  var synthetic = SyntheticSettings()
  (synthetic.magnitude, synthetic.epicentralKilometres, synthetic.leadSeconds) = (magnitude, 20, 20)
  var earthquake = SyntheticEarthquake(synthetic, rateHertz: 100)
  var sensor = SensorSimulator(
    quantity: .acceleration, countsPerUnit: 1e6, corner: nil, rateHertz: 100,
    maximumCounts: 2_147_483_647)
  return (0..<(seconds * 100)).map { _ in sensor.step(earthquake.next()) }
}

/// Noise with an earthquake in the middle, as an accelerometer of 10⁶ counts per m/s² would give
/// it.
public func earthquakeFrames(seconds: Int, rateHertz: Int = 100, seed: UInt64 = 1) -> [Frame] {
  var synthetic = SyntheticSettings()
  synthetic.seed = seed
  synthetic.leadSeconds = Double(seconds) / 2
  var earthquake = SyntheticEarthquake(synthetic, rateHertz: Double(rateHertz))
  var sensor = SensorSimulator(
    quantity: .acceleration, countsPerUnit: 1e6, corner: nil, rateHertz: Double(rateHertz),
    maximumCounts: 8_388_607)
  return (0..<(seconds * rateHertz)).map { _ in sensor.step(earthquake.next()) }
}

/// The same time on both clocks, as blocks without a monotonic time of their own have it.
public func moment(_ utc: UTC) -> Moment {
  Moment(monotonicNanoseconds: utc.nanoseconds, utc: utc)
}

/// Lines that were found as they should be.
public func fittedLines(isActuated: Bool = false, inhibit: Inhibit = .none) -> LinesReport {
  var report = LinesReport()
  (report.relay, report.isActuated, report.inhibit) = (.fitted, isActuated, inhibit)
  return report
}

public let streamStart = UTC(CalendarDate(year: 2026, month: 6, day: 1))

public func lockedClock() -> ClockReading {
  var clock = ClockReading()
  clock.state = .locked
  clock.source = .pulse
  clock.uncertaintyNanoseconds = 2000
  return clock
}

/// Feeds frames in blocks and hands every datagram to `receive`.
public func feed(
  _ station: inout Station, _ frames: [Frame], rateHertz: Int = 100, blockFrames: Int = 4,
  firstFrame: Int64 = 0, _ receive: (Datagram) -> Void = { _ in }
) {
  let nanosecondsPerFrame = 1e9 / Double(rateHertz)
  frames.withUnsafeBufferPointer { frames in
    var index = 0
    while index < frames.count {
      let end = min(index + blockFrames, frames.count)
      let offset = Int64(Double(firstFrame + Int64(index)) * nanosecondsPerFrame)
      station.process(
        Block(
          frames: UnsafeBufferPointer(rebasing: frames[index..<end]),
          firstFrame: firstFrame + Int64(index), firstFrameTime: streamStart + offset,
          nanosecondsPerFrame: nanosecondsPerFrame, clock: lockedClock()))
      while let datagram = station.nextDatagram() { receive(datagram) }
      index = end
    }
  }
}

/// What that station sealed or signed.
public func opened<Result>(
  _ datagram: Datagram, _ body: (OpenedDatagram) throws -> Result
) throws -> Result {
  try datagram.withBytes { bytes throws in
    try body(
      try OpenedDatagram(bytes) {
        $0.type.isSigned ? $0.isSigned(by: testIdentity.publicKey) : $0.isSealed(with: testKey)
      })
  }
}

public func open(_ datagram: Datagram) throws -> Header { try opened(datagram) { $0.header } }

/// The message in a datagram of the station's; nil where it is another.
public func message<Message: Payload>(
  _ datagram: Datagram, as: Message.Type = Message.self
) throws -> Message? {
  try opened(datagram) { opened throws in
    opened.header.type == Message.type ? try Message(opened.payload) : nil
  }
}

/// A command as an operator gives it to the station of these settings.
public func signed(
  _ command: CommandMessage, code: String = "XX.TEST..EH", epoch: UInt64 = testEpoch,
  bootNonce: UInt64 = testBootNonce, key: SigningKey = testOperator
) -> Datagram {
  var command = command
  (command.giver, command.bootNonce) = (key.publicKey.name, bootNonce)
  let header = Header(.command, to: Text<24>(code), epoch: epoch, at: UTC(nanoseconds: 0))
  return Datagram(header, signedBy: key) { command.write(to: &$0) }
}

/// A ping as an operator sends it at a time of their clock.
public func signedPing(
  _ nonce: UInt64, code: String = "", epoch: UInt64 = 0, at time: Int64 = 0,
  key: SigningKey = testOperator
) -> Datagram {
  let header = Header(.ping, to: Text<24>(code), epoch: epoch, at: UTC(nanoseconds: time))
  return Datagram(header, signedBy: key) {
    PingMessage(asker: key.publicKey.name, nonce: nonce).write(to: &$0)
  }
}

/// A station that estimates by relations; the arena must outlive it.
public func estimatingStation(_ settings: StationSettings, in arena: inout Arena) -> Station {
  Station(
    settings, estimator: Estimator.make(Relations(), for: settings.conditioner, arena: &arena))
}

public func estimatingArena() throws -> Arena {
  guard let arena = Arena(byteCount: Estimator.arenaByteCount()) else {
    throw ToolError("no memory")
  }
  return arena
}

public func pick(_ datagram: Datagram) throws -> PickMessage? { try message(datagram) }
