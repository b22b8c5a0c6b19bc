// Demo: a synthetic earthquake through the real chain. Ground motion is turned into an
// accelerometer's counts and a file of raw frames; libasound reads it from a simulated card; the
// station's runner conditions, picks, signs and sends over UDP on the loopback; a receiver decodes
// and verifies. Only the clock is not the machine's: it moves with the frames, so that a minute
// takes a moment.
//
//     let demo = try Demo(DemoOptions())
//     print(demo.story(try demo.run()))

import CAlsa
import CLinux
import Clock
import Conditioning
import Core
import Decision
import Devices
import Digitizer
import Estimator
import Foundation
import Picker
import Runtime
import Settings
import Station
import Uplink

public struct DemoOptions {
  public var synthetic = SyntheticSettings()
  public var seconds = 60.0
  public var svgPath: String?
  public var rawPath: String?
  /// The program onset-collector, to be at the other end.
  public var collectorPath: String?
  public init() {
    synthetic.magnitude = 6.4
    synthetic.epicentralKilometres = 40
    synthetic.depthKilometres = 10
  }
}

public struct Demo {
  private static let rateHertz = 8000
  private static let channels = 3
  /// ±2 g on a converter of 2³¹ counts: 0.4 V/g, of 1.25 V at full scale after a gain of 1.5625.
  private static let voltsPerUnit = 0.0407886
  private static let countsPerVolt = 2_684_354_560.0
  private static let countsPerUnit = voltsPerUnit * countsPerVolt
  private static let standardGravity = 9.80665
  /// When the synthetic station's time begins.
  private static let start = UTC(CalendarDate(year: 2026, month: 1, day: 1))

  private let options: DemoOptions
  private let folder: URL

  public init(_ options: DemoOptions) throws {
    self.options = options
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "onset-demo-\(getpid())", isDirectory: true)
  }

  /// What came out of the receiver at the far end.
  public struct Outcome {
    public var lines: [String] = []
    public var messages = DrawnMessages()
    public var timeOfP = UTC(nanoseconds: 0)
    public var timeOfS = UTC(nanoseconds: 0)
    /// When the ground's acceleration first exceeded 0.05 g.
    public var timeOfExceedance: UTC?
    public var frames: Int64 = 0
    public var rejected = 0
    var seen: Set<UInt32> = []
    /// What the collector says in the end.
    public var collected: String?
    public var trace: [TracePoint] = []
  }

  public func run() throws -> Outcome {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let rawFile =
      options.rawPath.map { URL(fileURLWithPath: $0) }
      ?? folder.appendingPathComponent("frames.raw")
    var outcome = Outcome()
    let recorded = try writeFrames(to: rawFile, &outcome)
    outcome.trace = recorded
    try capture(rawFile, &outcome)
    if let path = options.svgPath {
      try draw(outcome).write(toFile: path, atomically: true, encoding: .utf8)
    }
    return outcome
  }

  /// The ground and the sensor; also the conditioned trace, for the picture.
  private func writeFrames(to file: URL, _ outcome: inout Outcome) throws -> [TracePoint] {
    let rate = Double(Demo.rateHertz)
    var earthquake = SyntheticEarthquake(options.synthetic, rateHertz: rate)
    outcome.timeOfP = Demo.start + Int64(earthquake.timeOfP * 1e9)
    outcome.timeOfS = Demo.start + Int64(earthquake.timeOfS * 1e9)
    var sensor = SensorSimulator(
      quantity: .acceleration, countsPerUnit: Demo.countsPerUnit, corner: nil, rateHertz: rate,
      maximumCounts: 2_147_483_647)
    var recorder = TraceRecorder(
      ConditionerSettings(
        rateMillihertz: Demo.rateHertz * 1000, presentLanes: 0b111), PickerSettings(),
      unitsPerCount: Lanes(repeating: 1 / Demo.countsPerUnit))
    let count = Int(options.seconds * rate)
    var raw = Data(capacity: count * Demo.channels * 4)
    var frames: [Frame] = []
    for index in 0..<count {
      let ground = earthquake.next()
      let largest = max(ground[0].magnitude, ground[1].magnitude, ground[2].magnitude)
      if outcome.timeOfExceedance == nil, largest > 0.05 * Demo.standardGravity {
        outcome.timeOfExceedance = Demo.start + Int64(Double(index) / rate * 1e9)
      }
      let frame = sensor.step(ground)
      frames.append(frame)
      for lane in 0..<Demo.channels {
        withUnsafeBytes(of: frame[lane].littleEndian) { raw.append(contentsOf: $0) }
      }
    }
    try raw.write(to: file)
    frames.withUnsafeBufferPointer {
      recorder.process(
        Block(
          frames: $0, firstFrame: 0, firstFrameTime: Demo.start, nanosecondsPerFrame: 1e9 / rate,
          clock: ClockReading()))
    }
    return recorder.points
  }

  private func capture(_ rawFile: URL, _ outcome: inout Outcome) throws {
    let receiver = try UdpEndpoint(at: Address(ipv4: loopback, port: 0))
    let configuration = try writeConfiguration(port: receiver.boundPort)
    let definition = try SimulatedCard.definition(
      file: rawFile.path, channels: Demo.channels, extra: "speed 0")
    // The device is opened again with this text after it vanished, so it must stay.
    let text = strdup(definition)!
    defer { free(text) }
    var runner = try Runner(
      configuration,
      hostClock: FrameClock(start: Demo.start, rateMillihertz: Demo.rateHertz * 1000),
      deviceDefinition: UnsafePointer(text), listenAt: Address(ipv4: loopback, port: 0),
      random: { 2 })
    let collector = try options.collectorPath.map {
      try DemoCollector(program: $0, folder: folder, station: configuration.station.code.string)
    }
    let stationPort = UInt16(runner.listenPort)
    var isThere = true
    while isThere {
      if case .digitizerLost = runner.step() { isThere = false }
      receive(receiver, configuration.keys.key, &outcome) {
        collector?.pass($0, on: receiver, station: stationPort)
      }
    }
    outcome.frames = runner.framesProcessed
    outcome.collected = try collector?.finish()
  }

  private let loopback: UInt32 = 0x7F00_0001

  private static let accelerometer = """
    [instrument]
    format = 1
    model = "accelerometer, 2 g"
    serial = "simulated"
    quantity = "acceleration"
    measured = "2026-01-01"
    valid_from = "2026-01-01"
    valid_until = "2026-12-31"
    sensitivity_volts_per_metre_per_second_squared = \(voltsPerUnit)
    [digitizer]
    counts_per_volt = \(decimal(countsPerVolt, 1))

    """

  private func writeConfiguration(port: Int) throws -> Configuration {
    func write(_ name: String, _ text: String) throws {
      try text.write(
        to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }
    try write(
      "board.toml",
      """
      [board]
      format = 1
      name = "demo"
      description = "a simulated card"
      [digitizer]
      device = "\(SimulatedCard.deviceName)"
      sample_format = "S32"
      sample_rate_millihertz = \(Demo.rateHertz * 1000)
      channels = \(Demo.channels)
      period_frames = 160
      buffer_frames = 8000
      vertical_channel = 0
      north_channel = 1
      east_channel = 2

      """)
    try write("sensor.toml", Demo.accelerometer)
    try PickerNetwork.standard.write(to: folder.appendingPathComponent("picker.onet").path)
    try StationNetwork<EstimatorModel>.standard.write(
      to: folder.appendingPathComponent("estimator.onet").path)
    try write(
      "station.toml",
      """
      [station]
      format = 1
      code = "XX.DEMO..HN"
      [sensor]
      vertical_calibration = "sensor.toml"
      north_calibration = "sensor.toml"
      east_calibration = "sensor.toml"
      [picker]
      network = "picker.onet"
      [estimator]
      network = "estimator.onet"
      [uplink]
      host = "127.0.0.1"
      port = \(port)
      listen_port = \(try freePort())
      key_file = "station.key"
      [state]
      directory = "."

      """)
    var random = SystemRandomNumberGenerator()
    let key = Data((0..<Key.byteCount).map { _ in UInt8.random(in: 0...255, using: &random) })
    let keyFile = folder.appendingPathComponent("station.key")
    try key.write(to: keyFile)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: keyFile.path)
    return try Configuration(
      boardPath: Path(folder.appendingPathComponent("board.toml").path),
      stationPath: Path(folder.appendingPathComponent("station.toml").path))
  }

  private func freePort() throws -> Int {
    let probe = try UdpEndpoint(at: Address(ipv4: loopback, port: 0))
    return probe.boundPort
  }

  private func receive(
    _ receiver: borrowing UdpEndpoint, _ key: Key, _ outcome: inout Outcome,
    pass: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Wire.maximumByteCount + 1) { buffer in
      while let (count, _) = receiver.receive(into: buffer) {
        let bytes = UnsafeBufferPointer(rebasing: buffer[0..<min(count, buffer.count)])
        do throws(DatagramError) {
          let datagram = try OpenedDatagram(bytes, key: key)
          pass(bytes)
          // What the collector says is for the station, and what the station repeats is told once.
          guard datagram.header.type != .acknowledgement,
            outcome.seen.insert(datagram.header.sequence).inserted
          else { continue }
          outcome.lines.append(try JsonLine.text(datagram))
          try outcome.messages.take(datagram)
        } catch {
          outcome.rejected += 1
        }
      }
    }
  }

  private func draw(_ outcome: Outcome) -> String {
    let s = options.synthetic
    return Drawing(
      trace: outcome.trace, messages: outcome.messages,
      title: "Synthetic M \(decimal(s.magnitude, 1)) at \(decimal(s.epicentralKilometres, 0)) km, "
        + "\(decimal(s.depthKilometres, 0)) km deep",
      triggerRatio: PickerSettings().triggerRatio, unit: .acceleration,
      alarmAcceleration: AlarmSettings().accelerationMetresPerSecondSquared
    ).svg()
  }

  // MARK: The story

  public func story(_ outcome: Outcome) -> String {
    let s = options.synthetic
    func after(_ time: UTC) -> String {
      decimal(Double(time - Demo.start) * 1e-9, 2)
    }
    var lines = [
      "A magnitude \(decimal(s.magnitude, 1)) earthquake, \(decimal(s.epicentralKilometres, 0)) km away "
        + "and \(decimal(s.depthKilometres, 0)) km deep (synthetic, seed \(s.seed)).",
      "Three channels at \(Demo.rateHertz) Hz were read through libasound: \(outcome.frames) frames, "
        + "\(decimal(options.seconds, 0)) s of ground motion.",
      "",
    ]
    var events: [(time: UTC, text: String)] = [
      (outcome.timeOfP, "the P wave arrives at the station"),
      (outcome.timeOfS, "the S wave, the strong shaking, arrives"),
    ]
    for pick in outcome.messages.picks {
      let m = pick.message
      let arrival = m.phase == 1 ? outcome.timeOfP : outcome.timeOfS
      let error = decimal(Double(m.time - arrival) * 1e-9, 3)
      let delay = decimal(Double(pick.emitted - m.time) * 1e-9, 2)
      let what = ["provisional", "confirmed", "retracted"][Int(m.status) - 1]
      let sign = ["down", "unclear", "up"][Int(m.firstMotion) + 1]
      events.append(
        (
          pick.emitted,
          "\(m.phase == 1 ? "P" : "S") pick \(m.id) \(what): onset \(after(m.time)) s "
            + "(off by \(error) s), told \(delay) s after it; "
            + "quality \(["A", "B", "C", "D"][Int(m.quality) - 1]), "
            + "σ \(decimal(Double(m.timeSigmaMicroseconds) * 1e-6, 3)) s, "
            + "\(decimal(Double(m.signalToNoiseCentidecibels) / 100, 0)) dB, first motion \(sign)"
        ))
    }
    for estimate in outcome.messages.estimates { events.append(line(estimate)) }
    for alert in outcome.messages.alerts {
      let why = JsonLine.sentence(alert.message.reason)
      events.append((alert.emitted, "\(alert.message.level), because of \(why)"))
    }
    for event in events.sorted(by: { $0.time < $1.time }) {
      lines.append("  \(pad(after(event.time))) s  \(event.text)")
    }
    lines.append("")
    if let first = outcome.messages.picks.first(where: { $0.message.status == 1 }) {
      let lead = Double(outcome.timeOfS - first.emitted) * 1e-9
      lines.append(
        lead > 0
          ? "The first datagram left \(decimal(lead, 1)) s before the strong shaking."
          : "The first datagram left \(decimal(-lead, 1)) s after the S wave: P was below the noise."
      )
    } else {
      lines.append("No pick: the earthquake stays below the noise at this station.")
    }
    lines += leadOfAlarm(outcome)
    lines.append(
      "\(outcome.lines.count) datagrams came over UDP and were verified, \(outcome.rejected) rejected. "
        + "The picks as JSON:")
    lines += outcome.lines.filter { $0.hasPrefix("{\"type\":\"pick\"") }
    if let sentence = outcome.collected { lines.append(sentence) }
    if let path = options.svgPath { lines.append("The picture is in \(path).") }
    return lines.joined(separator: "\n")
  }

  private func line(_ estimate: Drawn<EstimateMessage>) -> (time: UTC, text: String) {
    let e = estimate.message
    let expected = e.expectedAcceleration.value.map { decimal($0, 2) } ?? "–"
    let factor = decimal(Elementary.powerOfTen(Double(e.accelerationSigma) / 1000), 1)
    return (
      estimate.emitted,
      "\(decimal(Double(e.afterPMilliseconds) / 1000, 1)) s after P: \(kind(e)), magnitude "
        + "\(decimal(Double(e.magnitudeHundredths) / 100, 1)) "
        + "± \(decimal(Double(e.magnitudeSigmaHundredths) / 100, 1))"
        + (e.isMagnitudeLowerBound ? " or more" : "")
        + ", \(decimal(Double(e.distanceMetres) / 1000, 0)) km; expected here \(expected) m/s² "
        + "(×/÷ \(factor)), measured \(decimal(e.observedAcceleration.value ?? 0, 2))"
    )
  }

  private func kind(_ e: EstimateMessage) -> String {
    guard e.eventClass > 0 else { return "of no known class" }
    let name = JsonLine.classes[Int(e.eventClass) - 1]
    return e.classProbability == Wire.noProbability
      ? name : "\(name) (\(e.classProbability / 100) %)"
  }

  /// How long before the ground moved so much the alarm was told.
  private func leadOfAlarm(_ outcome: Outcome) -> [String] {
    guard let alarm = outcome.messages.alerts.first(where: { $0.message.level == .alarm }) else {
      return ["No alarm: less than 0.05 g was to be expected."]
    }
    let lead = Double(outcome.timeOfS - alarm.emitted) * 1e-9
    guard let exceeded = outcome.timeOfExceedance else {
      return ["The alarm was false: 0.05 g was never reached."]
    }
    let margin = Double(exceeded - alarm.emitted) * 1e-9
    return [
      "The alarm left \(decimal(lead, 1)) s before the S wave and \(decimal(margin, 1)) s before "
        + "0.05 g was exceeded."
    ]
  }

  private func pad(_ text: String) -> String {
    String(repeating: " ", count: max(6 - text.count, 0)) + text
  }
}

/// The simulated card as libasound configuration text.
public enum SimulatedCard {
  public static let deviceName = "onset_simulated"

  /// The plug-in lies beside the program that runs, where the package manager builds both.
  public static func definition(file: String, channels: Int, extra: String = "") throws -> String {
    let library = try pluginPath()
    return """
      pcm_type.onset { lib "\(library)" }
      pcm.\(deviceName) { type onset infile "\(file)" channels \(channels) \(extra) }
      """
  }

  private static func pluginPath() throws -> String {
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let name = "libasound_module_pcm_onset.so"
    var folder = URL(fileURLWithPath: program).deletingLastPathComponent()
    // Test bundles run from the same folder or from one above it.
    for _ in 0..<3 {
      let path = folder.appendingPathComponent(name).path
      if FileManager.default.fileExists(atPath: path) { return path }
      folder.deleteLastPathComponent()
    }
    throw ToolError(
      "\(name) is not beside \(program): build the whole package (swift build), not one product")
  }
}
