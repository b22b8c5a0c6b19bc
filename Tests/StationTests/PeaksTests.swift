// How strong each second was: told while an event lasts, and while somebody asks.

import Conditioning
import Core
import Digitizer
import Estimator
import StationFixture
import Testing
import Tools
import Uplink

@testable import Station

@Suite struct PeaksTests {
  /// Everything of a type, and when it was told.
  private static func told<Message: Payload>(
    _ station: inout Station, _ frames: [Frame], firstFrame: Int64 = 0
  ) throws -> [(message: Message, at: UTC)] {
    var told: [(Message, UTC)] = []
    feed(&station, frames, firstFrame: firstFrame) { datagram in
      if let found: Message = try? message(datagram), let header = try? open(datagram) {
        told.append((found, header.emitted))
      }
    }
    return told
  }

  private static func withStation(
    _ body: (inout Station) throws -> Void
  ) throws {
    let settings = stationSettings()
    guard var arena = Arena(byteCount: Estimator.arenaByteCount()) else {
      throw ToolError("no memory")
    }
    let estimator = Estimator.make(
      Relations(), for: settings.conditioner, arena: &arena)
    var station = Station(settings, estimator: estimator)
    try body(&station)
    withExtendedLifetime(arena) {}
  }

  @Test func everySecondOfAnEventIsTold() throws {
    try Self.withStation { station in
      let peaks: [(message: PeaksMessage, at: UTC)] = try Self.told(
        &station, strongFrames(seconds: 150))
      let seconds = peaks.map { Int(($0.message.time - streamStart) / nanosecondsPerSecond) }
      let first = try #require(seconds.first)
      #expect((19...23).contains(first), "P is at 20 s: \(first)")
      #expect(seconds == Array(first..<(first + seconds.count)), "none is missing")
      #expect(seconds.count > 60 && seconds.last! < 140)
      #expect(peaks.allSatisfy { $0.message.sampleCount == 100 })
      // The first was over when P was known; each of the others is told when it is.
      for (message, at) in peaks.dropFirst() {
        #expect((1.0...1.2).contains(Double(at - message.time) * 1e-9))
      }
      let strongest = peaks.map { $0.message.horizontalAcceleration.value ?? 0 }.max()!
      #expect(strongest > 0.5)
      let intensities = peaks.map { Double($0.message.jmaIntensityHundredths) / 100 }
      #expect(intensities.max()! > 4 && intensities.last! < intensities.max()! - 1)
      #expect(peaks.allSatisfy { $0.message.verticalDisplacement.value != nil })
    }
  }

  @Test func quietGroundIsToldToWhoAsksForAsLongAsAsked() throws {
    try Self.withStation { station in
      let quiet = Array(strongFrames(seconds: 12)[..<1200])
      var peaks: [(message: PeaksMessage, at: UTC)] = try Self.told(&station, quiet)
      #expect(peaks.isEmpty)
      func give(_ value: Int64?, _ issued: UInt64) throws -> CommandMessage? {
        var command = CommandMessage()
        command.parameter = CommandParameter.peaks.rawValue
        command.issuedMicroseconds = issued
        if let value { command.value = value }
        signed(command, key: testWatcher).withBytes {
          station.receive($0, from: Address(ipv4: 1, port: 1))
        }
        var answer: CommandMessage?
        while let datagram = station.nextDatagram() {
          if let found: AnswerMessage = try message(datagram) { answer = found.command }
        }
        return answer
      }
      #expect(try give(3601, 1)?.result == .outOfRange)
      #expect(try give(nil, 2)?.value == 0)
      let answer = try give(3, 3)
      #expect(answer?.result == .done && answer?.value == 3)
      peaks = try Self.told(&station, Array(quiet[..<600]), firstFrame: 1200)
      #expect(peaks.count == 3 || peaks.count == 4, "\(peaks.count)")
      #expect(try give(100, 4)?.value == 100)
      #expect(try give(0, 5)?.value == 0)
      peaks = try Self.told(&station, Array(quiet[..<600]), firstFrame: 1800)
      #expect(peaks.isEmpty)
    }
  }

  /// A clock that stands still: the number of samples is bounded, and the message is one.
  @Test func aSecondThatDoesNotEndIsTold() throws {
    try Self.withStation { station in
      func feed(_ block: Int64, at time: UTC) throws -> [PeaksMessage] {
        let frames = [Frame](repeating: Frame(repeating: Int32(block)), count: 100)
        frames.withUnsafeBufferPointer {
          station.process(
            Block(
              frames: $0, firstFrame: 100 * block, firstFrameTime: time, nanosecondsPerFrame: 1000,
              clock: lockedClock()))
        }
        var told: [PeaksMessage] = []
        while let datagram = station.nextDatagram() {
          if let found: PeaksMessage = try message(datagram) { told.append(found) }
        }
        return told
      }
      for block in 0..<20 as Range<Int64> { #expect(try feed(block, at: streamStart).isEmpty) }
      var command = CommandMessage()
      (command.parameter, command.value) = (CommandParameter.peaks.rawValue, 10)
      signed(command).withBytes { station.receive($0, from: Address(ipv4: 1, port: 1)) }
      let told = try feed(20, at: streamStart + 2_000_000_000)
      #expect(told.first?.sampleCount == PeaksMessage.samplesMaximum)
    }
  }

  /// Without a calibration there is nothing to tell.
  @Test func countsAreNoPeaks() throws {
    var station = Station(stationSettings())
    station.tick(moment(streamStart), clock: lockedClock(), isDelivering: true)
    while station.nextDatagram() != nil {}
    var command = CommandMessage()
    command.parameter = CommandParameter.peaks.rawValue
    command.value = 10
    signed(command).withBytes { station.receive($0, from: Address(ipv4: 1, port: 1)) }
    let answer = station.nextDatagram()
    #expect(
      try message(try #require(answer), as: AnswerMessage.self)?.command.result == .impossible)
  }
}
