import Clock
import Core
import Foundation
import Picker
import StationFixture
import Testing
import Tools
import Uplink

@testable import Station

@Suite struct CommandTests {
  private static let asker = Address(ipv4: 0x7F00_0001, port: 4000)

  private static func command(
    _ issued: UInt64, _ parameter: CommandParameter, _ value: Int64 = CommandMessage.noValue,
    lifeMilliseconds: UInt32 = 60_000
  ) -> CommandMessage {
    var command = CommandMessage()
    command.issuedMicroseconds = issued
    command.lifeMilliseconds = lifeMilliseconds
    command.id = UInt32(truncatingIfNeeded: issued) &+ 100
    command.parameter = parameter.rawValue
    command.value = value
    return command
  }

  /// What comes back; nil where nothing does.
  private func answer(_ station: inout Station, to datagram: Datagram) throws -> CommandMessage? {
    datagram.withBytes { station.receive($0, from: Self.asker) }
    var answer: CommandMessage?
    for sent in carryOut(&station) where sent.destination != .upstream(0) {
      #expect(answer == nil && sent.destination == .asker(Self.asker))
      answer = try message(sent, as: AnswerMessage.self)?.command
    }
    return answer
  }

  private func carryOut(_ station: inout Station) -> [Datagram] {
    var sent: [Datagram] = []
    while let action = station.nextAction() {
      switch action {
      case .send(let datagram): sent.append(datagram)
      case .store(let value, _): station.note(.stored(value, isDone: true))
      case .drive(let relay, _): station.note(.lines(fittedLines(isActuated: relay)))
      case .keep, .restart, .network, .keepKey: break
      }
    }
    return sent
  }

  private func obeyed(
    _ station: inout Station, _ command: CommandMessage, key: SigningKey = testOperator
  ) throws -> CommandMessage {
    let answer = try answer(&station, to: signed(command, key: key))
    return try #require(answer)
  }

  /// The table of rights in WIRE-FORMAT.md and the code.
  @Test func theDocumentSaysWhoMayDoWhat() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Sources/Uplink/WIRE-FORMAT.md")
    let document = try String(contentsOf: path, encoding: .utf8)
    let words: [(String, Rights)] = [
      ("watch", .watch), ("tune", .tune), ("relay", .relay), ("update", .update),
    ]
    for (word, right) in words {
      let row = try #require(document.split(separator: "\n").first { $0.hasPrefix("| \(word) |") })
      var numbers: [Int] = []
      for item in row.split(separator: "|")[1].replacing(";", with: ",").split(separator: ",") {
        let ends = item.replacing(" to ", with: "–").split(separator: "–").compactMap {
          Int($0.filter { $0 != " " })
        }
        if let first = ends.first, let last = ends.last { numbers += first...last }
      }
      let coded = CommandParameter.allCases.filter { $0.right == right }.map { Int($0.rawValue) }
      #expect(numbers.sorted() == coded, "\(word)")
    }
  }

  private func expectSilence(
    _ station: inout Station, _ command: CommandMessage, _ reason: Comment? = nil
  ) throws {
    let answer = try answer(&station, to: signed(command))
    #expect(answer == nil, reason)
  }

  private func later(than moment: Moment, _ milliseconds: Int64) -> Moment {
    Moment(
      monotonicNanoseconds: moment.monotonicNanoseconds + milliseconds * 1_000_000,
      utc: moment.utc + milliseconds * 1_000_000)
  }

  private func running() -> Station {
    var station = Station(stationSettings())
    feed(&station, Array(earthquakeFrames(seconds: 10).prefix(100)))
    return station
  }

  @Test func aThresholdIsToldAndSet() throws {
    var station = running()
    let told = try obeyed(&station, Self.command(10, .triggerRatio))
    #expect(told.result == .done && told.value == 6000)
    #expect(told.issuedMicroseconds == 10 && told.id == 110)
    #expect(told.giver == testOperator.publicKey.name)
    let set = try obeyed(&station, Self.command(11, .triggerRatio, 8500))
    #expect(set.result == .done && set.value == 8500)
    #expect(station.picker.triggerRatio == 8.5)
    for (counter, value) in [(UInt64(12), Int64(1499)), (13, 1_000_001), (14, -1)] {
      let refused = try obeyed(&station, Self.command(counter, .triggerRatio, value))
      #expect(refused.result == .outOfRange && refused.value == 8500)
    }
  }

  /// Ratio 6 finds this earthquake; the largest there is does not.
  @Test func whatIsSetDecides() throws {
    var station = running()
    _ = try answer(&station, to: signed(Self.command(1, .triggerRatio, 1_000_000)))
    var picks = 0
    feed(&station, earthquakeFrames(seconds: 60), firstFrame: 100) {
      if (try? pick($0)) != nil { picks += 1 }
    }
    #expect(picks == 0)
  }

  @Test func nothingIsObeyedTwice() throws {
    var station = running()
    let first = Self.command(21, .triggerRatio, 9000)
    _ = try obeyed(&station, first)
    let last = Self.command(22, .triggerRatio, 7000)
    _ = try obeyed(&station, last)
    try expectSilence(&station, first)
    #expect(station.picker.triggerRatio == 7)
    // The answer may have been lost: the last command is answered again, and not carried out again.
    station.picker.triggerRatio = 8
    let again = try obeyed(&station, last)
    #expect(again.result == .done && again.value == 7000)
    #expect(station.picker.triggerRatio == 8)
    try expectSilence(&station, Self.command(22, .triggerRatio, 9000), "another of the same time")
    try expectSilence(&station, Self.command(20, .triggerRatio, 9000), "an older one")
    let other = try obeyed(&station, Self.command(5, .triggerRatio), key: testWatcher)
    #expect(other.result == .done, "each operator has a time of their own")
  }

  /// Recorded in an earlier boot, or before the station lost its folder.
  @Test func whatWasForAnotherBootIsNotObeyed() throws {
    var station = running()
    let command = Self.command(1, .triggerRatio, 9000)
    for datagram in [
      signed(command, bootNonce: testBootNonce + 1), signed(command, epoch: testEpoch + 1),
      signed(command, epoch: 0),
    ] {
      let none = try answer(&station, to: datagram)
      #expect(none == nil)
    }
    #expect(station.picker.triggerRatio == 6)
  }

  @Test func strangersAndAnswersAreNotObeyed() throws {
    var station = running()
    let good = Self.command(1, .triggerRatio, 9000)
    var answered = good
    answered.result = .done
    for datagram in [
      signed(good, code: ""), signed(good, code: "XX.OTHER..EH"), signed(good, key: pair(7)),
      signed(answered),
    ] {
      let none = try answer(&station, to: datagram)
      #expect(none == nil)
    }
    // Named after the operator, and signed by somebody else.
    var forged = good
    (forged.giver, forged.bootNonce) = (testOperator.publicKey.name, testBootNonce)
    let header = Header(
      .command, to: StationCode("XX.TEST..EH"), epoch: testEpoch, at: UTC(nanoseconds: 0))
    let datagram = Datagram(header, signedBy: pair(7)) { forged.write(to: &$0) }
    let none = try answer(&station, to: datagram)
    #expect(none == nil && station.picker.triggerRatio == 6)
    let last = try obeyed(&station, good)
    #expect(last.result == .done)
  }

  /// By the station's own monotonic clock; nobody's date has a say, and no date is needed.
  @Test func aCommandHasALife() throws {
    var station = running()  // for 0.96 s
    let late = try obeyed(
      &station, Self.command(100_000, .triggerRatio, 9000, lifeMilliseconds: 859))
    #expect(late.result == .expired && station.picker.triggerRatio == 6)
    let inTime = try obeyed(
      &station, Self.command(100_001, .triggerRatio, 9000, lifeMilliseconds: 860))
    #expect(inTime.result == .done)
    let timeless = Moment(
      monotonicNanoseconds: station.moment.monotonicNanoseconds, utc: UTC(nanoseconds: 0))
    station.tick(timeless, clock: ClockReading(), isDelivering: true)
    while station.nextDatagram() != nil {}
    let released = try obeyed(&station, Self.command(960_000, .release))
    #expect(released.result == .done, "an unsynchronised station can be released")
  }

  /// One from the future would lock out what is said until then.
  @Test func theFutureIsRefused() throws {
    var station = running()  // for 0.96 s
    try expectSilence(&station, Self.command(1_960_001, .triggerRatio, 9000))
    try expectSilence(&station, Self.command(UInt64(Int64.max), .triggerRatio, 9000))
    let next = try obeyed(&station, Self.command(960_000, .triggerRatio, 8000))
    #expect(next.result == .done && next.value == 8000)
  }

  @Test func rightsDecide() throws {
    var station = running()
    station.note(.lines(fittedLines()))
    for (issued, parameter, value) in [
      (UInt64(1), CommandParameter.triggerRatio, Int64(9000)), (2, .relayTest, 500),
      (3, .drill, 1), (4, .release, CommandMessage.noValue), (5, .restart, 1),
    ] {
      let refused = try obeyed(
        &station, Self.command(issued, parameter, value), key: testWatcher)
      #expect(refused.result == .notPermitted && refused.value == CommandMessage.noValue)
    }
    let isDrill = station.isDrill
    #expect(station.picker.triggerRatio == 6 && !isDrill)
    let asked = try obeyed(&station, Self.command(6, .triggerRatio), key: testWatcher)
    #expect(asked.result == .done && asked.value == 6000)
  }

  /// Each moves what is wired to it.
  @Test func theRelayIsTestedTwelveTimesAnHour() throws {
    var station = running()
    station.note(.lines(fittedLines()))
    var results: [CommandResult] = []
    for test in 1...13 as ClosedRange<UInt64> {
      station.tick(later(than: station.moment, 2000), clock: ClockReading(), isDelivering: true)
      while station.nextDatagram() != nil {}
      station.note(.lines(fittedLines()))
      results.append(try obeyed(&station, Self.command(test, .relayTest, 100)).result)
    }
    #expect(results == Array(repeating: .done, count: 12) + [.tooOften])
    // Thirteen tests 2 s apart: the first is an hour old 24 s before the last is.
    station.tick(later(than: station.moment, 3_574_000), clock: ClockReading(), isDelivering: true)
    while station.nextDatagram() != nil {}
    station.note(.lines(fittedLines()))
    var early = Self.command(station.uptimeMicroseconds, .relayTest, 100)
    #expect(try obeyed(&station, early).result == .tooOften)
    station.tick(later(than: station.moment, 2000), clock: ClockReading(), isDelivering: true)
    while station.nextDatagram() != nil {}
    station.note(.lines(fittedLines()))
    early.issuedMicroseconds = station.uptimeMicroseconds
    #expect(try obeyed(&station, early).result == .done, "the first is an hour old")
    early.issuedMicroseconds += 1
    #expect(try obeyed(&station, early).result == .tooOften, "the second is not")
    station.tick(later(than: station.moment, 3_600_000), clock: ClockReading(), isDelivering: true)
    while station.nextDatagram() != nil {}
    station.note(.lines(fittedLines()))
    var command = Self.command(1_000_000, .relayTest, 100)
    command.lifeMilliseconds = CommandMessage.lifeMaximum
    command.issuedMicroseconds = station.uptimeMicroseconds
    #expect(try obeyed(&station, command).result == .done)
  }

  @Test func aNewStartIsAskedForAfterTheAnswer() throws {
    var station = running()
    signed(Self.command(1, .restart, 1)).withBytes {
      station.receive($0, from: Address(ipv4: 1, port: 1))
    }
    var order: [String] = []
    while let action = station.nextAction() {
      switch action {
      case .send(let datagram): order.append("\(try open(datagram).type)")
      case .restart: order.append("restart")
      default: break
      }
    }
    #expect(order == ["answer", "audit", "restart"])
    #expect(try obeyed(&station, Self.command(2, .restart)).result == .done)
    #expect(try obeyed(&station, Self.command(3, .restart, 2)).result == .outOfRange)
    let machine = try Machine(standing)
    machine.tick(after(0))
    machine.receive(.restart, 1)
    #expect(machine.log.contains("answer impossible"), "an alarm stands")
  }

  @Test func healthComesAsOftenAsItIsWanted() throws {
    var station = running()
    #expect(try obeyed(&station, Self.command(1, .healthInterval)).value == 10)
    #expect(try obeyed(&station, Self.command(2, .healthInterval, 60)).value == 60)
    #expect(try obeyed(&station, Self.command(3, .healthInterval, 0)).result == .outOfRange)
    #expect(try obeyed(&station, Self.command(4, .healthInterval, 3601)).result == .outOfRange)
    station.tick(later(than: station.moment, 2000), clock: lockedClock(), isDelivering: true)
    while station.nextDatagram() != nil {}
    var times: [Int] = []
    for second in 1...130 {
      station.tick(later(than: station.moment, 1000), clock: lockedClock(), isDelivering: true)
      while let datagram = station.nextDatagram() {
        if try open(datagram).type == .health { times.append(second) }
      }
    }
    #expect(times.count == 2 && times[1] - times[0] == 60, "\(times)")
  }

  /// A pulse of the relay, for as long as was asked, and not while somebody inhibits it.
  @Test func theRelayIsTested() throws {
    var station = running()
    station.note(.lines(fittedLines()))
    // The station cannot be copied into an expectation.
    var isClosed = station.wantsRelay
    #expect(!isClosed)
    let answered = try obeyed(&station, Self.command(1, .relayTest, 500))
    #expect(answered.result == .done && answered.value == 500)
    isClosed = station.wantsRelay
    #expect(isClosed)
    let asked = try obeyed(&station, Self.command(2, .relayTest))
    #expect(asked.result == .done && asked.value == 500)
    station.tick(later(than: station.moment, 499), clock: ClockReading(), isDelivering: true)
    isClosed = station.wantsRelay
    #expect(isClosed)
    station.tick(later(than: station.moment, 1), clock: ClockReading(), isDelivering: true)
    isClosed = station.wantsRelay
    #expect(!isClosed)
    while station.nextDatagram() != nil {}
    #expect(try obeyed(&station, Self.command(3, .relayTest, 10_001)).result == .outOfRange)
    station.note(.lines(fittedLines(inhibit: .on)))
    #expect(try obeyed(&station, Self.command(4, .relayTest, 500)).result == .impossible)
    isClosed = station.wantsRelay
    #expect(!isClosed)
  }

  @Test func aDrillIsTurnedOnAndOff() throws {
    var station = running()
    #expect(try obeyed(&station, Self.command(1, .drill)).value == 0)
    #expect(try obeyed(&station, Self.command(2, .drill, 1)).value == 1)
    let isDrill = station.isDrill
    #expect(isDrill)
    #expect(try obeyed(&station, Self.command(3, .drill, 2)).result == .outOfRange)
    #expect(try obeyed(&station, Self.command(4, .drill, 0)).value == 0)
    #expect(try obeyed(&station, Self.command(5, .release)).result == .done)
  }

  @Test func whatIsNotThereIsSaid() throws {
    var station = running()
    for (counter, parameter) in [
      (UInt64(1), CommandParameter.relayTest), (3, .confirmProbability),
    ] {
      let answered = try obeyed(&station, Self.command(counter, parameter, 1000))
      #expect(answered.result == .impossible && answered.value == CommandMessage.noValue)
    }
    var unknown = Self.command(4, .health)
    unknown.parameter = 999
    let unknownAnswer = try obeyed(&station, unknown)
    #expect(unknownAnswer.result == .unknownParameter)
  }

  @Test func healthFollowsWhenItIsAskedFor() throws {
    var station = running()
    signed(Self.command(1, .health, 0)).withBytes {
      station.receive($0, from: Self.asker)
    }
    let sent = carryOut(&station)
    #expect(
      sent.map(\.destination) == [.asker(Self.asker), .upstream(0), .upstream(0)],
      "two of them go upstream")
    #expect(try sent.map { try open($0).type } == [.answer, .audit, .health])
    let (answer, audit) = (
      try message(sent[0], as: AnswerMessage.self)?.command,
      try message(sent[1], as: AuditMessage.self)?.command
    )
    #expect(answer?.result == .done && answer == audit)
    #expect(try message(sent[2], as: HealthMessage.self)?.datagramsAccepted == 1)
  }

  /// The first message of a boot, again when it is asked for, and kept until the upstream has it.
  @Test func theInstrumentIsDescribed() throws {
    var settings = stationSettings()
    var instrument = InstrumentMessage()
    instrument.latitude = 473_000_000
    settings.instrument = instrument
    var station = Station(settings)
    station.tick(moment(streamStart), clock: lockedClock(), isDelivering: true)
    var first: [InstrumentMessage] = []
    var kept = 0
    while let action = station.nextAction() {
      if case .send(let datagram) = action, let told: InstrumentMessage = try message(datagram) {
        first.append(told)
        #expect(try open(datagram).sequence == 0)
      }
      if case .keep = action { kept += 1 }
    }
    #expect(first.map(\.latitude) == [473_000_000] && kept == 1)
    signed(Self.command(0, .instrument)).withBytes {
      station.receive($0, from: Address(ipv4: 1, port: 1))
    }
    #expect(try carryOut(&station).map { try open($0).type } == [.answer, .audit, .instrument])
    var other = running()
    #expect(try obeyed(&other, Self.command(1, .instrument)).result == .impossible)
  }

  /// An answer takes no number, and its copy to the upstream does: what goes there has no gap.
  @Test func answersUseNoSequenceNumber() throws {
    var station = running()
    var numbers: [(isAnswer: Bool, number: UInt32)] = []
    for counter in 1...2 {
      signed(Self.command(UInt64(counter), .triggerRatio)).withBytes {
        station.receive($0, from: Address(ipv4: 1, port: 1))
      }
      numbers += try carryOut(&station).map {
        ($0.destination != .upstream(0), try open($0).sequence)
      }
    }
    #expect(numbers.map(\.isAnswer) == [true, false, true, false])
    let first = try #require(numbers.first).number
    #expect(numbers.map(\.number) == [first, first, first + 1, first + 1])
  }

  /// A storm of the same command does not make a station an amplifier.
  @Test func repeatsAreAnsweredAFewTimesASecond() throws {
    var station = running()
    let command = signed(Self.command(1, .triggerRatio))
    var answers = 0
    for _ in 0..<20 where try answer(&station, to: command) != nil { answers += 1 }
    #expect(answers == 6, "one that obeys and five")
  }
}
