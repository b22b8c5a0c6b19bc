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
  var bytes = InlineArray<32, UInt8>(repeating: 0)
  for index in 0..<32 { bytes[index] = UInt8(index) }
  return Key(bytes)
}()

public func stationSettings(rateHertz: Int = 100) -> StationSettings {
  StationSettings(
    code: StationCode("XX.TEST..EH"), bootCounter: 5, key: testKey,
    conditioner: ConditionerSettings(
      rateMillihertz: rateHertz * 1000, presentLanes: 0b111,
      response: Response(quantity: .acceleration, unitsPerCount: Lanes(repeating: 1e-6))),
    picker: PickerSettings())
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

public func open(_ datagram: Datagram) throws -> Header {
  try datagram.withBytes { bytes throws in try OpenedDatagram(bytes, key: testKey).header }
}

/// The message in a datagram of the station's; nil where it is another.
public func message<Message: Payload>(
  _ datagram: Datagram, as: Message.Type = Message.self
) throws -> Message? {
  try datagram.withBytes { bytes throws in
    let opened = try OpenedDatagram(bytes, key: testKey)
    return opened.header.type == Message.type ? try Message(opened.payload) : nil
  }
}

/// A command as an operator sends it to the station of these settings.
public func signed(
  _ command: CommandMessage, code: String = "XX.TEST..EH", key: Key = testKey
) -> Datagram {
  let header = Header(
    type: .command, station: Text<24>(code), bootCounter: 0, sequence: 0,
    emitted: UTC(nanoseconds: 0), clockState: 0, clockSource: 0,
    clockUncertaintyNanoseconds: .max)
  return Datagram(header, key: key) { command.write(to: &$0) }
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
