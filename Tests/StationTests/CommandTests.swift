import Clock
import Core
import Picker
import StationFixture
import Testing
import Tools
import Uplink

@testable import Station

@Suite struct CommandTests {
  private static func command(
    _ counter: UInt64, _ parameter: CommandParameter, _ value: Int64 = CommandMessage.noValue,
    expires: UTC = CommandMessage.neverExpires
  ) -> CommandMessage {
    var command = CommandMessage()
    command.counter = counter
    command.id = UInt32(truncatingIfNeeded: counter) &+ 100
    command.parameter = parameter.rawValue
    command.value = value
    command.expires = expires
    return command
  }

  /// What comes back, the counter stored or not; nil where nothing does.
  private func answer(
    _ station: inout Station, to datagram: Datagram, isStored: Bool = true
  ) throws -> CommandMessage? {
    datagram.withBytes { station.receive($0, address: 0x7F00_0001, port: 4000) }
    var answer: CommandMessage?
    for sent in carryOut(&station, isStored: isStored) where sent.address != 0 {
      #expect(answer == nil && sent.address == 0x7F00_0001 && sent.port == 4000)
      answer = try message(sent)
    }
    return answer
  }

  /// All that waits is done, with a disk that takes it or one that does not.
  private func carryOut(_ station: inout Station, isStored: Bool = true) -> [Datagram] {
    var sent: [Datagram] = []
    while let action = station.nextAction() {
      switch action {
      case .send(let datagram): sent.append(datagram)
      case .store(let value, _): station.note(.stored(value, isDone: isStored))
      case .drive(let relay, _): station.note(.lines(fittedLines(isActuated: relay)))
      }
    }
    return sent
  }

  private func obeyed(
    _ station: inout Station, _ command: CommandMessage, isStored: Bool = true
  ) throws -> CommandMessage {
    let answer = try answer(&station, to: signed(command), isStored: isStored)
    return try #require(answer)
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
    #expect(told.counter == 10 && told.id == 110)
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

  @Test func noCounterIsObeyedTwice() throws {
    var settings = stationSettings()
    settings.commandCounter = 20
    var station = Station(settings)
    try expectSilence(&station, Self.command(20, .triggerRatio, 9000), "one of an earlier boot")
    _ = try obeyed(&station, Self.command(21, .triggerRatio, 9000))
    _ = try obeyed(&station, Self.command(22, .triggerRatio, 7000))
    try expectSilence(&station, Self.command(21, .triggerRatio, 9000))
    #expect(station.picker.triggerRatio == 7)
    // The answer may have been lost: the last command is answered again, and not carried out again.
    var other = Self.command(22, .triggerRatio, 9000)
    let again = try obeyed(&station, other)
    #expect(again.result == .done && again.value == 7000)
    #expect(station.picker.triggerRatio == 7)
    other.id += 1
    try expectSilence(&station, other, "another sender's")
  }

  @Test func withoutItsCounterOnDiskNothingIsDone() throws {
    var station = running()
    let refused = try obeyed(&station, Self.command(5, .triggerRatio, 9000), isStored: false)
    #expect(refused.result == .impossible)
    #expect(station.picker.triggerRatio == 6)
    let later = try obeyed(&station, Self.command(6, .triggerRatio, 9000))
    #expect(later.result == .done)
  }

  @Test func strangersAndAnswersAreNotObeyed() throws {
    var station = running()
    let good = Self.command(1, .triggerRatio, 9000)
    var answered = good
    answered.result = .done
    for datagram in [
      signed(good, code: ""), signed(good, code: "XX.OTHER..EH"),
      signed(good, key: Key(InlineArray(repeating: 1))), signed(answered),
    ] {
      let none = try answer(&station, to: datagram)
      #expect(none == nil)
    }
    #expect(station.picker.triggerRatio == 6)
    let last = try obeyed(&station, good)
    #expect(last.result == .done)
  }

  @Test func oneThatCameTooLateIsNotObeyed() throws {
    var station = running()  // at 1 s
    let late = try obeyed(
      &station, Self.command(1, .triggerRatio, 9000, expires: streamStart + 999_000_000))
    #expect(late.result == .expired)
    let inTime = try #require(
      try answer(
        &station,
        to: signed(
          Self.command(2, .triggerRatio, 9000, expires: streamStart + 1_001_000_000))))
    #expect(inTime.result == .done)
    station.tick(moment(streamStart), clock: ClockReading(), isDelivering: true)
    while station.nextDatagram() != nil {}
    let timeless = try #require(
      try answer(
        &station,
        to: signed(
          Self.command(3, .triggerRatio, 9000, expires: streamStart + 1_000_000_000_000))))
    #expect(timeless.result == .expired, "who does not know the time cannot tell")
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
      station.receive($0, address: 0x7F00_0001, port: 4000)
    }
    let sent = carryOut(&station)
    #expect(sent.map(\.address) == [0x7F00_0001, 0, 0], "two of them go upstream")
    #expect(try sent.map { try open($0).type } == [.command, .command, .health])
    #expect(
      try message(sent[0], as: CommandMessage.self)?.result == .done
        && message(sent[0], as: CommandMessage.self) == message(sent[1]))
    #expect(try message(sent[2], as: HealthMessage.self)?.datagramsAccepted == 1)
  }

  /// An answer takes no number, and its copy to the upstream does: what goes there has no gap.
  @Test func answersUseNoSequenceNumber() throws {
    var station = running()
    var numbers: [(isAnswer: Bool, number: UInt32)] = []
    for counter in 1...2 {
      signed(Self.command(UInt64(counter), .triggerRatio)).withBytes {
        station.receive($0, address: 1, port: 1)
      }
      numbers += try carryOut(&station).map { ($0.address == 1, try open($0).sequence) }
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
