// The alarm in the station: datagrams of a strong earthquake, the relay, drill, test and
// inhibition.

import Conditioning
import Core
import Digitizer
import Estimator
import StationFixture
import Testing
import Tools
import Uplink

@testable import Station

@Suite(.serialized) struct StationAlarmTests {
  private struct Told {
    var picks: [PickMessage] = []
    var estimates: [(header: Header, message: EstimateMessage)] = []
    var alerts: [(header: Header, message: AlertMessage)] = []
    var relayClosed: UTC?
    var relayOpened: UTC?

    mutating func take(_ datagram: Datagram) throws {
      try datagram.withBytes { bytes throws in
        let opened = try OpenedDatagram(bytes, key: testKey)
        switch opened.header.type {
        case .pick: picks.append(try PickMessage(opened.payload))
        case .estimate: estimates.append((opened.header, try EstimateMessage(opened.payload)))
        case .alert: alerts.append((opened.header, try AlertMessage(opened.payload)))
        default: break
        }
      }
    }
  }

  private func run(
    _ frames: [Frame], lanes: LaneSet = 0b111, before: (inout Station) -> Void = { _ in }
  ) throws -> Told {
    var settings = stationSettings()
    settings.conditioner.presentLanes = lanes
    guard var arena = Arena(byteCount: Estimator.arenaByteCount()) else {
      throw ToolError("no memory")
    }
    var station = Station(
      settings,
      estimator: Estimator.make(Relations(), for: settings.conditioner, arena: &arena))
    station.note(.lines(fittedLines()))
    before(&station)
    var told = Told()
    for index in stride(from: 0, to: frames.count, by: 4) {
      feed(&station, Array(frames[index..<(index + 4)]), firstFrame: Int64(index)) {
        try? told.take($0)
      }
      if told.relayClosed == nil && station.wantsRelay { told.relayClosed = station.now }
      if told.relayClosed != nil && told.relayOpened == nil && !station.wantsRelay {
        told.relayOpened = station.now
      }
    }
    withExtendedLifetime(arena) {}
    return told
  }

  @Test func aStrongEarthquakeClosesTheRelayBeforeItsShear() throws {
    let told = try run(strongFrames())
    let p = streamStart + 20_000_000_000
    let closed = try #require(told.relayClosed)
    #expect(Double(closed - p) * 1e-9 < 2.3, "S comes 2.6 s after P")
    let alarm = try #require(told.alerts.first { $0.message.level == .alarm })
    #expect(alarm.header.emitted == closed, "decided and acted on in one block")
    #expect(alarm.message.relay == .actuated && !alarm.message.isDrill)
    #expect(alarm.message.pickID == told.picks.first?.id)
    let repeats = told.alerts.filter { $0.message.level == .alarm }
    #expect(repeats.map(\.message.repeat) == [0, 1, 2, 3])
    #expect(repeats.allSatisfy { $0.header.emitted - alarm.header.emitted <= 200_000_000 })
    #expect(Set(told.alerts.map(\.message.id)) == [alarm.message.id])
    // Held for half a minute, until a minute after the last strong motion at most.
    let opened = try #require(told.relayOpened)
    #expect((30...75).contains(Double(opened - closed) * 1e-9))
    #expect(told.alerts.last?.message.level == .clear && told.alerts.last?.message.relay == .atRest)
  }

  @Test func estimatesComeAtTheirTimes() throws {
    let told = try run(strongFrames())
    let times = told.estimates.map { Int($0.message.afterPMilliseconds) }
    for due in [500, 1000, 2000, 3000, 5000, 10_000] { #expect(times.contains(due), "\(due)") }
    #expect(times == times.sorted() && times.count < 20)
    let three = try #require(told.estimates.first { $0.message.afterPMilliseconds == 3000 })
    let delay = Double(three.header.emitted - three.message.pickTime) * 1e-9
    #expect((3.0...3.1).contains(delay))
    #expect(three.message.expectedAcceleration.value! > 0.49)
    #expect(three.message.magnitudeHundredths > 500 && three.message.eventClass == 0)
    #expect(three.message.classProbability == Wire.noProbability)
  }

  @Test func aWeakOneRaisesNothing() throws {
    let told = try run(strongFrames(magnitude: 3, seconds: 60))
    #expect(!told.estimates.isEmpty)
    #expect(told.alerts.isEmpty && told.relayClosed == nil)
  }

  @Test func aDrillLeavesTheRelayAtRest() throws {
    let told = try run(strongFrames()) { $0.drillEnd = .max }
    #expect(told.relayClosed == nil)
    #expect(!told.alerts.isEmpty && told.alerts.allSatisfy { $0.message.isDrill })
    #expect(told.alerts.allSatisfy { $0.message.relay == .atRest })
  }

  @Test func whoInhibitsTheRelayKeepsItOpen() throws {
    let told = try run(strongFrames()) { $0.note(.lines(fittedLines(inhibit: .on))) }
    #expect(told.relayClosed == nil)
    #expect(told.alerts.contains { $0.message.level == .alarm && !$0.message.isDrill })
  }

  @Test func aBrokenRelayIsSaid() throws {
    func report(_ relay: RelayHealth) -> LinesReport {
      var report = LinesReport()
      report.relay = relay
      return report
    }
    let told = try run(strongFrames()) { $0.note(.lines(report(.faulty))) }
    #expect(told.alerts.allSatisfy { $0.message.relay == .faulty })
    let none = try run(strongFrames(seconds: 40)) { $0.note(.lines(report(.none))) }
    #expect(none.alerts.allSatisfy { $0.message.relay == .none })
  }

  /// A file keeps it over a restart, and a command takes it back.
  @Test func theSiteTermIsKeptAndTakenBack() throws {
    let settings = stationSettings()
    guard var arena = Arena(byteCount: Estimator.arenaByteCount()) else {
      throw ToolError("no memory")
    }
    let estimator = Estimator.make(Relations(), for: settings.conditioner, arena: &arena)
    for (kept, value) in [(Int64(0), 0.0), (12_500, 0.25), (7000, -0.3), (9999, -0.0001)] {
      #expect(abs(Station.siteTerm(stored: kept).value - value) < 1e-9)
    }
    estimator?.pointee.siteTerm = Station.siteTerm(stored: 13_000)
    var station = Station(settings, estimator: estimator)
    var stored: [Int64] = []
    feed(&station, Array(strongFrames(seconds: 40).prefix(100)))
    while station.nextDatagram() != nil {}
    func answer(_ issued: UInt64, _ value: Int64) throws -> CommandMessage {
      var command = CommandMessage()
      (command.issuedMicroseconds, command.value) = (issued, value)
      command.parameter = CommandParameter.siteTerm.rawValue
      signed(command).withBytes {
        station.receive($0, from: Address(ipv4: 1, port: 1))
      }
      var answer: CommandMessage?
      while let action = station.nextAction() {
        switch action {
        case .store(.siteTerm, let term): stored.append(term)
        case .store(let value, _): station.note(.stored(value, isDone: true))
        case .drive, .keep, .restart, .network, .keepKey: break
        case .send(let datagram):
          answer = try message(datagram, as: AnswerMessage.self)?.command ?? answer
        }
      }
      return try #require(answer)
    }
    #expect(try answer(1, CommandMessage.noValue).value == 3000)
    #expect(try answer(2, 3001).result == .outOfRange)
    #expect(try answer(3, 0).value == 0)
    station.tick(moment(station.now + 1), clock: lockedClock(), isDelivering: true)
    #expect(try answer(4, CommandMessage.noValue).value == 0)
    #expect(stored == [10_000], "once, when it has changed")
    withExtendedLifetime(arena) {}
  }

  @Test func withoutCalibrationNothingIsEstimated() throws {
    var settings = stationSettings()
    settings.conditioner.response = nil
    guard var arena = Arena(byteCount: Estimator.arenaByteCount()) else {
      throw ToolError("no memory")
    }
    var station = Station(
      settings,
      estimator: Estimator.make(Relations(), for: settings.conditioner, arena: &arena))
    var told = Told()
    feed(&station, strongFrames(seconds: 40)) { try? told.take($0) }
    #expect(!told.picks.isEmpty && told.estimates.isEmpty && told.alerts.isEmpty)
  }
}
