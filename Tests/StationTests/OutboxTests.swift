// What must reach the upstream is sent until it is acknowledged, and nothing else is.

import Core
import StationFixture
import Testing
import Uplink

@testable import Station

@Suite struct OutboxTests {
  private static func datagram(_ number: UInt32) -> Datagram {
    let header = Header(
      type: .pick, station: Text<24>("XX.TEST..EH"), epoch: testEpoch, bootCounter: 1,
      sequence: number, emitted: UTC(nanoseconds: 0), clockState: 0, clockSource: 0,
      clockUncertaintyNanoseconds: 0)
    return Datagram(header, key: testKey) { PickMessage().write(to: &$0) }
  }

  private static func number(_ datagram: Datagram) throws -> UInt32 {
    try datagram.withBytes { bytes throws in
      try OpenedDatagram(bytes, key: testKey).header.sequence
    }
  }

  /// An upstream that acknowledges, and has said so of a number that is none of ours.
  private static func heard() -> Outbox {
    var outbox = Outbox()
    outbox.settle(AcknowledgementMessage(boot: 1, sequence: 10_000), at: 0)
    return outbox
  }

  /// When each number is sent again, looked at every hundredth of a second.
  private static func sent(
    _ outbox: inout Outbox, seconds: Double
  ) throws -> [(at: Double, number: UInt32)] {
    var sent: [(at: Double, number: UInt32)] = []
    for step in 0...Int(seconds * 100) {
      let now = Int64(step) * 10_000_000
      if let datagram = outbox.due(at: now) {
        sent.append((Double(step) / 100, try number(datagram)))
      }
    }
    return sent
  }

  @Test func anUpstreamThatAcknowledgesNothingIsSentNothingTwice() throws {
    var outbox = Outbox()
    var (count, givenUp) = (0, 0)
    for number in 0..<100 as Range<UInt32> {
      _ = outbox.keep(Self.datagram(number), boot: 1, number, rank: 3, at: 0)
    }
    #expect(try Self.sent(&outbox, seconds: 200).isEmpty)
    (count, givenUp) = (outbox.count, Int(outbox.givenUp))
    #expect(givenUp == 0 && count == 64)
    // One that begins to do so has everything from before.
    outbox.settle(AcknowledgementMessage(boot: 1, sequence: 99), at: 0)
    let numbers = Set(try Self.sent(&outbox, seconds: 60).map(\.number))
    #expect(numbers == Set(36..<99))
  }

  @Test func itWaitsTwiceAsLongEachTimeUpToAMinuteInSilence() throws {
    var outbox = Self.heard()
    _ = outbox.keep(Self.datagram(7), boot: 1, 7, rank: 3, at: 0)
    let times = try Self.sent(&outbox, seconds: 400).map(\.at)
    var expected = 1.0
    for (before, after) in zip([0] + times, times) {
      #expect((0.75 * expected...1.26 * expected).contains(after - before), "\(times)")
      // It was heard at 0.
      expected = min(2 * expected, after < 60 ? 10 : 60)
    }
    #expect(times.count >= 12)
    var acknowledgement = AcknowledgementMessage(boot: 1, sequence: 20)
    acknowledgement.stored = 1 << 13
    outbox.settle(acknowledgement, at: 0)
    let isSentAgain = outbox.due(at: 1_000 * nanosecondsPerSecond) != nil
    #expect(!isSentAgain)
  }

  @Test func whatMattersMostGoesFirstAndTheLinkIsNotFilled() throws {
    var outbox = Self.heard()
    for number in 0..<30 as Range<UInt32> {
      _ = outbox.keep(Self.datagram(number), boot: 1, number, rank: 5, at: 0)
    }
    _ = outbox.keep(Self.datagram(50), boot: 1, 50, rank: 2, at: 0)
    var sent: [UInt32] = []
    // All are due; one leaves every 50 ms.
    for step in 0..<31 {
      let now = 2 * nanosecondsPerSecond + Int64(step) * Outbox.spacing
      let next = outbox.due(at: now)
      sent.append(try Self.number(try #require(next)))
      let isTooEarly = outbox.due(at: now + Outbox.spacing - 1) != nil
      #expect(!isTooEarly)
    }
    #expect(sent == [50] + Array(0..<30))
  }

  /// The newest of an event's estimates says all; a full box gives up what matters least.
  @Test func theNewerReplacesTheOlderAndTheLesserGivesWay() {
    var outbox = Self.heard()
    var (count, givenUp) = (0, 0)
    for number in 0..<20 as Range<UInt32> {
      _ = outbox.keep(Self.datagram(number), boot: 1, number, about: 4, rank: 5, at: 0)
    }
    (count, givenUp) = (outbox.count, Int(outbox.givenUp))
    #expect(count == 1 && givenUp == 0)
    for number in 100..<163 as Range<UInt32> {
      _ = outbox.keep(Self.datagram(number), boot: 1, number, rank: 3, at: 0)
    }
    (count, givenUp) = (outbox.count, Int(outbox.givenUp))
    #expect(count == 64 && givenUp == 0)
    _ = outbox.keep(Self.datagram(200), boot: 1, 200, rank: 2, at: 0)
    (count, givenUp) = (outbox.count, Int(outbox.givenUp))
    #expect(givenUp == 1, "the estimate")
    _ = outbox.keep(Self.datagram(201), boot: 1, 201, rank: 5, at: 0)
    (count, givenUp) = (outbox.count, Int(outbox.givenUp))
    #expect(givenUp == 2, "the new one, which matters least")
    _ = outbox.keep(Self.datagram(202), boot: 1, 202, rank: 3, at: 0)
    (count, givenUp) = (outbox.count, Int(outbox.givenUp))
    #expect(givenUp == 3 && count == 64, "the oldest of the picks")
    outbox.settle(AcknowledgementMessage(boot: 1, sequence: 200), at: 0)
    (count, givenUp) = (outbox.count, Int(outbox.givenUp))
    #expect(count == 63)
    outbox.settle(AcknowledgementMessage(boot: 1, sequence: 100), at: 0)
    (count, givenUp) = (outbox.count, Int(outbox.givenUp))
    #expect(count == 63, "it was given up")
  }

  /// Picks are numbered from 1 in every boot.
  @Test func anEstimateOfAnotherBootIsOfAnotherEvent() {
    var outbox = Self.heard()
    for number in 0..<63 as Range<UInt32> {
      _ = outbox.keep(Self.datagram(number), boot: 1, number, rank: 3, at: 0)
    }
    _ = outbox.keep(Self.datagram(70), boot: 1, 70, about: 5, rank: 5, at: 0)
    _ = outbox.keep(Self.datagram(0), boot: 2, 0, about: 5, rank: 5, at: 0)
    var (count, givenUp) = (outbox.count, Int(outbox.givenUp))
    #expect(count == 64 && givenUp == 1, "the older one had to go, and that is told")
    _ = outbox.keep(Self.datagram(1), boot: 2, 1, about: 5, rank: 5, at: 0)
    (count, givenUp) = (outbox.count, Int(outbox.givenUp))
    #expect(count == 64 && givenUp == 1, "this one says what the one before it said")
  }

  /// One that is away for long fills the box and takes no place that the other needs.
  @Test func whatOneUpstreamHasMakesRoomFirst() throws {
    var outbox = Outbox(upstreamCount: 2)
    outbox.settle(AcknowledgementMessage(boot: 1, sequence: 10_000), from: 0, at: 0)
    for number in 0..<64 as Range<UInt32> {
      _ = outbox.keep(Self.datagram(number), boot: 1, number, rank: 2, at: 0)
    }
    for number in 0..<63 as Range<UInt32> {
      outbox.settle(AcknowledgementMessage(boot: 1, sequence: number), from: 0, at: 0)
    }
    var counts = [outbox.count(for: 0), outbox.count(for: 1)]
    #expect(counts == [1, 64])
    let isKept = outbox.keep(Self.datagram(70), boot: 1, 70, rank: 5, at: 0) != nil
    counts = [outbox.count(for: 0), outbox.count(for: 1), Int(outbox.givenUp)]
    #expect(isKept && counts == [2, 64, 1], "though it matters less")
    // Only who was heard is sent anything again, and each what it lacks.
    #expect(Set(try Self.sent(&outbox, seconds: 20).map(\.number)) == [63, 70])
    outbox.settle(AcknowledgementMessage(boot: 1, sequence: 63), from: 1, at: 0)
    counts = [outbox.count(for: 0), outbox.count(for: 1)]
    #expect(counts == [2, 63])
    let next = outbox.due(at: 30 * nanosecondsPerSecond)
    #expect(try #require(next).destination == .upstream(1))
  }

  /// What cannot be restored, because it is another station's, must not stand above what comes.
  @Test func recordsThatAreRefusedAreOlderAllTheSame() throws {
    let foreign = Datagram(
      Header(.health, to: StationCode("XX.OTHER..EH"), epoch: testEpoch, at: UTC(nanoseconds: 0)),
      key: testKey
    ) { HealthMessage().write(to: &$0) }
    var station = Station(stationSettings())
    station.restore(
      OutboxRecord(
        place: 3, generation: 350, waiting: [1 << 3, 0], rank: 3, subject: 0,
        datagram: foreign), lacking: 0b1)
    station.tick(moment(streamStart), clock: lockedClock(), isDelivering: true)
    var command = CommandMessage()
    command.parameter = CommandParameter.triggerRatio.rawValue
    signed(command).withBytes { station.receive($0, from: Address(ipv4: 1, port: 1)) }
    var kept: [OutboxRecord] = []
    while let action = station.nextAction() {
      if case .keep(let record) = action { kept.append(record) }
    }
    #expect(kept.map(\.generation) == [351] && kept.map { $0.waiting[0] } == [1])
  }

  /// After a power cut: what the newest record says, and nothing that had been settled before it.
  @Test func whatWaitedIsSentAgainInTheNextBoot() throws {
    var outbox = Self.heard()
    var disk: [UInt8: OutboxRecord] = [:]
    func keep(_ number: UInt32, about subject: UInt32 = 0) {
      let record = outbox.keep(
        Self.datagram(number), boot: 1, number, about: subject, rank: 3, at: 0)
      if let record { disk[record.place] = record }
    }
    for number in 0..<5 as Range<UInt32> { keep(number, about: number < 2 ? 9 : 0) }
    outbox.settle(AcknowledgementMessage(boot: 1, sequence: 3), at: 0)
    keep(5)
    // The upstream has it, and no record says so.
    outbox.settle(AcknowledgementMessage(boot: 1, sequence: 5), at: 0)
    let newest = try #require(disk.values.max { $0.generation < $1.generation })
    #expect(newest.waiting[0].nonzeroBitCount == 4)

    var next = Outbox()
    for (place, record) in disk where newest.lacking(Int(place)) == 0b1 {
      next.restore(record, lacking: 0b1, boot: 1, try Self.number(record.datagram))
    }
    let isSilent = next.due(at: 100 * nanosecondsPerSecond) == nil
    #expect(isSilent, "the upstream has not been heard in this boot")
    next.settle(AcknowledgementMessage(boot: 2, sequence: 0), at: 0)
    #expect(Set(try Self.sent(&next, seconds: 0.9).map(\.number)) == [1, 2, 4, 5])
    next.settle(AcknowledgementMessage(boot: 2, sequence: 4), at: 0)
    var count = next.count
    #expect(count == 4, "that is another boot's")
    for number in [1, 2, 4, 5] as [UInt32] {
      next.settle(AcknowledgementMessage(boot: 1, sequence: number), at: 0)
    }
    count = next.count
    #expect(count == 0)
    let record = next.keep(Self.datagram(0), boot: 2, 0, rank: 3, at: 0)
    #expect(record?.generation == newest.generation + 1, "it is newer than all before")
  }

  @Test func theNextBootKnowsWhichUpstreamLacksWhat() throws {
    var outbox = Outbox(upstreamCount: 2)
    let one = outbox.keep(Self.datagram(1), boot: 1, 1, rank: 3, at: 0)
    outbox.settle(AcknowledgementMessage(boot: 1, sequence: 1), from: 1, at: 0)
    let other = outbox.keep(Self.datagram(2), boot: 1, 2, rank: 3, at: 0)
    let (first, second) = (try #require(one), try #require(other))
    #expect(second.lacking(Int(first.place)) == 0b01 && second.lacking(Int(second.place)) == 0b11)
    // The station file names one upstream now.
    var next = Outbox(upstreamCount: 1)
    next.restore(first, lacking: second.lacking(Int(first.place)), boot: 1, 1)
    next.restore(second, lacking: 0b10, boot: 1, 2)
    let counts = [next.count(for: 0), next.count(for: 1)]
    #expect(counts == [1, 0])
  }
}
