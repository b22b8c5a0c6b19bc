// The runner on the simulated card, in simulated time: overrun, loss and return of the digitizer,
// and the socket, as far as the machine's clock is not needed for them.

import CAllocationGuard
import CLinux
import Clock
import Core
import Devices
import Foundation
import Kernels
import StationFixture
import Testing
import Tools
import Uplink

@testable import Runtime

/// Time that moves with the frames, and at one frame by as much as an overrun lost.
struct LossyClock: HostClock {
  var time: FrameClock
  var delivered = 0
  let lossAt: Int
  let lost: Int

  mutating func monotonicNanoseconds() -> Int64 { time.monotonicNanoseconds() }
  mutating func systemClock() -> SystemClockReading { time.systemClock() }
  mutating func delivered(frames: Int) {
    if delivered < lossAt && delivered + frames >= lossAt { pending = lost }
    delivered += frames
    time.delivered(frames: frames)
  }
  private var pending = 0
  /// The frames that were lost have passed when the card runs again.
  mutating func passLoss() {
    time.delivered(frames: pending)
    pending = 0
  }

  init(lossAt: Int, lost: Int) {
    time = FrameClock(start: streamStart, rateMillihertz: 8_000_000)
    self.lossAt = lossAt
    self.lost = lost
  }
}

@Suite(.serialized) struct RunnerTests {
  /// Everything that a runner needs, and the messages that it sent.
  final class Setup {
    let files: StationFolder
    let receiverPort: Int
    let receiver: UdpEndpoint
    let raw: URL
    var definition: UnsafeMutablePointer<CChar>

    /// `change`: what else is in the folder, or in the station file.
    init(
      frames: Int, extra: String = "speed 0",
      _ change: (StationFolder, String) throws -> String = { $1 }
    ) throws {
      files = try StationFolder()
      receiver = try UdpEndpoint(at: Address(ipv4: 0x7F00_0001, port: 0))
      receiverPort = receiver.boundPort
      try files.write(
        "station.toml",
        change(files, StationFolder.station).replacingOccurrences(
          of: "port = 9\n", with: "port = \(receiverPort)\n"
        )
        .replacingOccurrences(
          of: "listen_port = 6999", with: "listen_port = \(try Setup.freePort())"))
      raw = files.folder.appendingPathComponent("frames.raw")
      var bytes = Data(capacity: frames * 12)
      for frame in earthquakeFrames(seconds: frames / 8000, rateHertz: 8000) {
        for lane in 0..<3 { withUnsafeBytes(of: frame[lane]) { bytes.append(contentsOf: $0) } }
      }
      try bytes.write(to: raw)
      definition = strdup(
        try SimulatedCard.definition(file: raw.path, channels: 3, extra: extra))!
    }

    deinit {
      free(definition)
    }

    static func freePort() throws -> Int {
      let probe = try UdpEndpoint(at: Address(ipv4: 0x7F00_0001, port: 0))
      return probe.boundPort
    }

    func runner<Clock: HostClock>(
      _ clock: Clock, kernels: KernelSelection = KernelVariant.select()
    ) throws -> Runner<Clock> {
      try Runner(
        try files.configuration(), hostClock: clock,
        deviceDefinition: UnsafePointer(definition), listenAt: Address(ipv4: 0x7F00_0001, port: 0),
        kernels: kernels,
        random: { 14 })
    }

    func messages() throws -> [(header: Header, json: String, health: HealthMessage?)] {
      var messages: [(Header, String, HealthMessage?)] = []
      var buffer = [UInt8](repeating: 0, count: 401)
      while true {
        let received = buffer.withUnsafeMutableBufferPointer { receiver.receive(into: $0) }
        guard let (count, _) = received else { return messages }
        try buffer[0..<count].withUnsafeBufferPointer { bytes in
          let opened = try OpenedDatagram(bytes, key: testKey)
          let health = opened.header.type == .health ? try HealthMessage(opened.payload) : nil
          messages.append((opened.header, try JsonLine.text(opened), health))
        }
      }
    }
  }

  @Test func captureToDatagramOverTheLoopback() throws {
    let setup = try Setup(frames: 240_000)
    var runner = try setup.runner(FrameClock(start: streamStart, rateMillihertz: 8_000_000))
    var messages: [(header: Header, json: String, health: HealthMessage?)] = []
    var isThere = true
    while isThere {
      if case .digitizerLost = runner.step() { isThere = false }
      messages += try setup.messages()
    }
    let frames = runner.framesProcessed
    #expect(frames == 240_000)
    #expect(messages.filter { $0.header.type == .pick }.count == 2)
    #expect(messages.map(\.header.sequence) == Array(0..<UInt32(messages.count)))
    #expect(messages.allSatisfy { $0.header.clockState == ClockState.locked.rawValue })
  }

  /// A processor that fails its self-test is told of in every health message.
  @Test(arguments: [false, true]) func rejectedKernelsAreTold(isRejected: Bool) throws {
    let setup = try Setup(frames: 80_000)
    let kernels = KernelSelection(variant: .scalar, hasRejectedBetter: isRejected)
    var runner = try setup.runner(
      FrameClock(start: streamStart, rateMillihertz: 8_000_000), kernels: kernels)
    var told: [Bool] = []
    var isThere = true
    while isThere {
      if case .digitizerLost = runner.step() { isThere = false }
      told += try setup.messages().compactMap { $0.health?.hasRejectedKernels }
    }
    #expect(!told.isEmpty)
    #expect(told.allSatisfy { $0 == isRejected })
  }

  @Test func overrunLeavesAGapOfItsLength() throws {
    let setup = try Setup(
      frames: 80_000, extra: "speed 0 overrun_at 40000 overrun_frames 4000")
    var runner = try setup.runner(LossyClock(lossAt: 40_000, lost: 4000))
    var last: HealthMessage?
    var isThere = true
    while isThere {
      if case .digitizerLost = runner.step() { isThere = false }
      runner.hostClock.passLoss()
      for message in try setup.messages() { last = message.health ?? last }
    }
    let health = try #require(last)
    #expect(health.overruns == 1)
    #expect(health.gaps == 1)
    #expect(abs(Int(health.gapFrames) - 4000) <= 4, "\(health.gapFrames) frames")
    // 76,000 frames were delivered, the other 4000 are in the numbering.
    let frames = runner.framesProcessed
    #expect(abs(frames - 80_000) <= 4)
  }

  /// The whole of the runner, libasound and the socket included.
  @Test func turnsOfTheRunnerAllocateNothing() throws {
    let setup = try Setup(frames: 800_000)
    var runner = try setup.runner(FrameClock(start: streamStart, rateMillihertz: 8_000_000))
    for _ in 0..<50 { _ = runner.step() }
    allocation_guard_begin()
    for _ in 0..<5000 { _ = runner.step() }
    let count = allocation_guard_end()
    #expect(count.allocations == 0, "\(count)")
    // Far from the end of the file, where the card would be opened again.
    let frames = runner.framesProcessed
    #expect((400_000..<800_000).contains(frames))
  }

  /// All that a runner sends until its card's file is over.
  private func run(
    _ runner: inout Runner<FrameClock>, _ setup: Setup
  ) throws -> [(header: Header, json: String, health: HealthMessage?)] {
    var messages: [(header: Header, json: String, health: HealthMessage?)] = []
    var isThere = true
    while isThere {
      if case .digitizerLost = runner.step() { isThere = false }
      messages += try setup.messages()
    }
    runner.finish()
    _ = runner.step()
    return messages + (try setup.messages())
  }

  /// A sensor does not stop on a day: it is used, and told with every estimate and all health.
  @Test(arguments: [("2026-05-15", -17), ("2026-06-01", 0), ("2026-06-11", 10)])
  func aCalibrationThatHasRunOutIsSaid(end: String, days: Int) throws {
    let setup = try Setup(frames: 240_000) { files, station in
      try files.write(
        "sensor.toml", StationFolder.sensor.replacingOccurrences(of: "2026-12-31", with: end))
      return station
    }
    var runner = try setup.runner(FrameClock(start: streamStart, rateMillihertz: 8_000_000))
    let messages = try run(&runner, setup)
    let told = messages.compactMap { $0.health?.calibrationDays }
    #expect(!told.isEmpty && told.allSatisfy { $0 == days }, "\(told)")
    let estimates = messages.filter { $0.header.type == .estimate }
    #expect(!estimates.isEmpty)
    #expect(
      estimates.allSatisfy { $0.json.contains("\"calibration_expired\":\(days < 0)") })
  }

  @Test func withoutADiskTheStationStartsAndSaysSo() throws {
    for (directory, isLost) in [(".", false), ("/nonexistent", true), ("/proc/self", true)] {
      let setup = try Setup(frames: 80_000) { _, station in
        station.replacingOccurrences(of: "directory = \".\"", with: "directory = \"\(directory)\"")
      }
      var runner = try setup.runner(FrameClock(start: streamStart, rateMillihertz: 8_000_000))
      let problem = runner.stateProblem?.description
      #expect((problem != nil) == isLost && problem?.contains(directory) ?? true)
      let messages = try run(&runner, setup)
      let told = messages.compactMap { $0.health?.losesState }
      #expect(!told.isEmpty && told.allSatisfy { $0 == isLost }, "\(directory): \(told)")
      // An epoch of its own, where no boot can be counted.
      #expect(messages.allSatisfy { $0.header.epoch == 7 && $0.header.bootCounter == 1 })
    }
  }

  /// From its files: where it stands, which sensor, how many counts after the board's gain.
  @Test func theInstrumentIsToldFirst() throws {
    let setup = try Setup(frames: 8000) { files, station in
      try files.write(
        "board.toml", StationFolder.board + "vertical_gain = 2\n")
      return station
        + "[site]\nlatitude_degrees = 47.3\nlongitude_degrees = 8.5\nelevation_metres = 450\n"
    }
    var runner = try setup.runner(FrameClock(start: streamStart, rateMillihertz: 8_000_000))
    let first = try #require(try run(&runner, setup).first)
    #expect(first.header.type == .instrument && first.header.sequence == 0)
    for part in [
      #""latitude_deg":47.3000000,"longitude_deg":8.5000000,"elevation_m":450.00,"depth_m":0.00"#,
      #""quantity":"acceleration","rate_hz":8000.000,"vertical_serial":"1""#,
      #""vertical_measured":"2026-01-01","vertical_until":"2026-12-31","vertical_counts":500000,"#,
      #""north_serial":"","north_measured":null,"north_until":null,"north_counts":null"#,
      #""sensor":"test","board":"test","board_serial":"","software":"0.2.0","picker_checksum":0,"#,
    ] {
      #expect(first.json.contains(part), "\(first.json)")
    }
  }

  /// What waited when the program ended is sent again when the upstream is heard.
  @Test func whatWaitedForTheUpstreamOutlivesTheProgram() throws {
    let setup = try Setup(frames: 400_000) { files, station in
      try files.write("epoch", "7\n")
      return station
    }
    func start() throws -> [(header: Header, json: String, health: HealthMessage?)] {
      var runner = try setup.runner(FrameClock(start: streamStart, rateMillihertz: 8_000_000))
      let port = UInt16(runner.listenPort)
      let header = Header(
        .acknowledgement, to: StationCode("XX.TEST..EH"), epoch: 7, at: UTC(nanoseconds: 0))
      let heard = Datagram(header, key: testKey) {
        AcknowledgementMessage(boot: 0, sequence: 0).write(to: &$0)
      }
      _ = setup.receiver.send(heard, to: Address(ipv4: 0x7F00_0001, port: port))
      return try run(&runner, setup)
    }
    let first = try start().filter { $0.header.type == .pick && $0.header.bootCounter == 1 }
    let confirmed = first.filter { $0.json.contains("confirmed") }
    #expect(!confirmed.isEmpty)
    let second = try start()
    for pick in confirmed {
      #expect(second.contains { $0.json == pick.json }, "\(pick.json)")
    }
    let size =
      try FileManager.default.attributesOfItem(
        atPath: setup.files.folder.appendingPathComponent("outbox").path)[.size] as? Int
    #expect(size == 64 * 4096)
  }
}
