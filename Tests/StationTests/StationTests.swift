import CAllocationGuard
import Clock
import Conditioning
import Core
import Digitizer
import StationFixture
import Testing
import Uplink

@testable import Station

@Suite(.serialized) struct StationTests {
  @Test func earthquakeBecomesSignedDatagramsInOrder() throws {
    var station = Station(stationSettings())
    var datagrams: [Datagram] = []
    feed(&station, earthquakeFrames(seconds: 60)) { datagrams.append($0) }
    let headers = try datagrams.map(open)
    #expect(headers.map(\.sequence) == Array(0..<UInt32(headers.count)))
    #expect(headers.allSatisfy { $0.bootCounter == 5 && $0.station.equals("XX.TEST..EH") })
    #expect(headers.allSatisfy { $0.clockState == 3 && $0.clockUncertaintyNanoseconds == 2000 })
    for (a, b) in zip(headers, headers.dropFirst()) { #expect(a.emitted <= b.emitted) }
    let picks = try datagrams.compactMap(pick)
    #expect(picks.map(\.status) == [1, 2])
    let onset = Double(picks[1].time - streamStart) * 1e-9
    #expect((onset - 30).magnitude < 0.1)
    let emitted = try #require(headers.first { $0.type == .pick }).emitted
    // The last frame that was needed had arrived.
    #expect(Double(emitted - picks[0].time) * 1e-9 > 0.04)
  }

  /// A Shake 4D: an accelerometer whose noise hides the event, a geophone that hears it, and is cut off.
  @Test(arguments: [(true, true), (true, false), (false, true)])
  func picksComeFromTheQuieterOfTwoSensors(hasQuiet: Bool, isPluggedIn: Bool) throws {
    var settings = stationSettings()
    settings.conditioner.presentLanes = 0b1111
    settings.conditioner.hasQuietVertical = hasQuiet
    var station = Station(settings)
    var random = RandomGenerator(seed: 7)
    let frames = earthquakeFrames(seconds: 60).map { quiet -> Frame in
      func noise() -> Int32 { Int32(random.next() % 2_000_000) - 1_000_000 }
      return Frame(
        quiet[0] / 4 + noise(), quiet[1] / 4 + noise(), quiet[2] / 4 + noise(),
        isPluggedIn ? quiet[0] : 0)
    }
    var picks: [PickMessage] = []
    feed(&station, frames) { if let found = try? pick($0) { picks.append(found) } }
    let found = picks.filter { $0.status == 2 && Double($0.time - streamStart) * 1e-9 < 32 }
    guard hasQuiet, isPluggedIn else { return #expect(found.isEmpty) }
    let onset = try #require(found.first)
    #expect((Double(onset.time - streamStart) * 1e-9 - 30).magnitude < 0.1)
  }

  @Test func healthComesEveryTenSecondsAndOnChange() throws {
    var station = Station(stationSettings())
    var times: [Double] = []
    let quiet = earthquakeFrames(seconds: 80).prefix(3500)
    func note(_ datagram: Datagram) {
      guard let header = try? open(datagram), header.type == .health else { return }
      times.append(Double(header.emitted - streamStart) * 1e-9)
    }
    feed(&station, Array(quiet)) { note($0) }
    // The first block, the moment in which the picker is live, and then every ten seconds.
    #expect(times.count == 5)
    #expect(times[0] < 0.1)
    #expect((times[1] - 5.04).magnitude < 0.1)
    #expect(
      zip(times.dropFirst(), times.dropFirst(2)).allSatisfy { ($1 - $0 - 10).magnitude < 0.1 })
    times = []
    var frames = [Frame](repeating: Frame(8_388_607, 0, 0, 0), count: 4)
    frames += Array(quiet[0..<46])
    var counters = DigitizerCounters()
    counters.gaps = 1
    station.note(.digitizer(counters))
    feed(&station, frames, firstFrame: 4000) { note($0) }
    #expect(!times.isEmpty, "a gap is told at once")
  }

  @Test func onlyAnOperatorsPingIsAnswered() throws {
    var station = Station(stationSettings())
    feed(&station, Array(earthquakeFrames(seconds: 10).prefix(100)))
    let start = streamStart.nanoseconds
    func answer(_ datagram: Datagram) throws -> PongMessage? {
      datagram.withBytes { station.receive($0, from: Address(ipv4: 0x7F00_0001, port: 4000)) }
      guard let answer = station.nextDatagram() else { return nil }
      #expect(answer.destination == .asker(Address(ipv4: 0x7F00_0001, port: 4000)))
      return try message(answer)
    }
    let pong = try #require(try answer(signedPing(77, at: start + 1)))
    #expect(pong.nonce == 77 && pong.bootNonce == testBootNonce)
    #expect(pong.uptimeMicroseconds == 960_000, "since the end of the first block")
    #expect(pong.health.datagramsAccepted == 1)
    #expect(try answer(signedPing(1, code: "XX.TEST..EH", epoch: testEpoch, at: start + 2)) != nil)
    #expect(try answer(signedPing(1, at: start + 1, key: testWatcher)) != nil)
    for stranger in [
      signedPing(1, code: "XX.OTHER..EH", at: start + 3), signedPing(1, epoch: 1, at: start + 4),
      signedPing(1, at: start + 5, key: pair(7)),
    ] {
      #expect(try answer(stranger) == nil)
    }
    // What an upstream would seal.
    let header = Header(.health, to: Text(), epoch: 0, at: UTC(nanoseconds: 0))
    #expect(try answer(Datagram(header, key: testKey) { HealthMessage().write(to: &$0) }) == nil)
    let last = try #require(try answer(signedPing(2, at: start + 6)))
    #expect(last.health.datagramsRejected == 4 && last.health.datagramsAccepted == 4)
  }

  /// Five hundred recorded pings a second: a hundred of an hour ago to a station that knows the time,
  /// and one after the other to one that does not.
  @Test(arguments: [true, false]) func aRecordedPingDoesNotCrowdTheOperatorOut(
    isSynchronised: Bool
  ) throws {
    var station = Station(stationSettings())
    feed(&station, Array(earthquakeFrames(seconds: 10).prefix(100)))
    let hour = 3600 * nanosecondsPerSecond
    let recorded = (0..<(isSynchronised ? 100 : 1)).map {
      signedPing(UInt64($0), at: streamStart.nanoseconds - hour + Int64($0))
    }
    for second in 1...20 {
      let now = moment(streamStart + Int64(second) * nanosecondsPerSecond)
      station.tick(
        now, clock: isSynchronised ? lockedClock() : ClockReading(), isDelivering: true)
      while station.nextDatagram() != nil {}
      var answered: [UInt64: Int] = [:]
      func receive(_ datagram: Datagram) throws {
        datagram.withBytes { station.receive($0, from: Address(ipv4: 1, port: 1)) }
        while let sent = station.nextDatagram() {
          if let pong: PongMessage = try message(sent) { answered[pong.nonce, default: 0] += 1 }
        }
      }
      for index in 0..<500 {
        try receive(recorded[(second * 37 + index) % recorded.count])
        if index == 450 {
          try receive(signedPing(UInt64(1000 + second), at: now.utc.nanoseconds))
        }
      }
      #expect(answered[UInt64(1000 + second)] == 1, "in second \(second)")
      #expect(answered.values.reduce(0, +) <= 4, "recorded ones take two places a second")
    }
    // A wrong clock is no reason to be left alone.
    station.tick(
      moment(streamStart + hour), clock: lockedClock(), isDelivering: true)
    while station.nextDatagram() != nil {}
    signedPing(77, at: .max).withBytes { station.receive($0, from: Address(ipv4: 1, port: 1)) }
    let sent = station.nextDatagram()
    #expect(try message(try #require(sent), as: PongMessage.self)?.nonce == 77)
  }

  /// Whoever forges pings with an operator's name takes the pings' share, and no command's. What is for
  /// another station takes nothing.
  @Test func forgedPingsKeepNoCommandFromBeingObeyed() throws {
    var station = Station(stationSettings())
    feed(&station, Array(earthquakeFrames(seconds: 10).prefix(100)))
    let start = streamStart.nanoseconds
    for number in 0..<100 as Range<Int64> {
      let header = Header(.ping, to: Text(), epoch: 0, at: UTC(nanoseconds: start + number))
      let forged = Datagram(header, signedBy: pair(7)) {
        PingMessage(asker: testOperator.publicKey.name, nonce: 1).write(to: &$0)
      }
      forged.withBytes { station.receive($0, from: Address(ipv4: 1, port: 1)) }
    }
    var command = CommandMessage()
    command.parameter = CommandParameter.release.rawValue
    signed(command).withBytes { station.receive($0, from: Address(ipv4: 1, port: 1)) }
    let answer = station.nextDatagram()
    #expect(try message(try #require(answer), as: AnswerMessage.self)?.command.result == .done)

    var other = Station(stationSettings())
    feed(&other, Array(earthquakeFrames(seconds: 10).prefix(100)))
    for number in 0..<100 as Range<Int64> {
      signedPing(1, code: "XX.OTHER..EH", at: start + number).withBytes {
        other.receive($0, from: Address(ipv4: 1, port: 1))
      }
    }
    signedPing(77, at: start).withBytes { other.receive($0, from: Address(ipv4: 1, port: 1)) }
    let pong = other.nextDatagram()
    #expect(try message(try #require(pong), as: PongMessage.self)?.nonce == 77)
  }

  /// A laptop whose clock once stood in the future does not make the pings of later days old.
  @Test func aPingFromTheFutureSpoilsNothing() throws {
    var station = Station(stationSettings())
    feed(&station, Array(earthquakeFrames(seconds: 10).prefix(100)))
    func pongs(_ datagrams: [Datagram]) throws -> [UInt64] {
      for datagram in datagrams {
        datagram.withBytes { station.receive($0, from: Address(ipv4: 1, port: 1)) }
      }
      var nonces: [UInt64] = []
      while let sent = station.nextDatagram() {
        if let pong: PongMessage = try message(sent) { nonces.append(pong.nonce) }
      }
      return nonces
    }
    let start = streamStart.nanoseconds
    let future = signedPing(1, at: start + 86_400 * nanosecondsPerSecond)
    // Twice in a second the old are looked at; the new one is not among them.
    #expect(try pongs([future, future, future]) == [1, 1])
    #expect(try pongs([signedPing(2, at: start + 1)]) == [2])
    // The same before anybody knows the time.
    station.tick(
      moment(streamStart + 2 * nanosecondsPerSecond), clock: ClockReading(), isDelivering: true)
    #expect(try pongs([future]) == [1])
    station.tick(
      moment(streamStart + 3 * nanosecondsPerSecond), clock: lockedClock(), isDelivering: true)
    #expect(try pongs([future, future, signedPing(3, at: start + 3)]) == [1, 1, 3])
  }

  /// What leaves does not depend on how the digitizer cuts its blocks, but for the time of leaving.
  @Test(arguments: [1, 3, 10, 25]) func blocksOfAnySizeGiveTheSamePicks(blockFrames: Int) throws {
    let frames = earthquakeFrames(seconds: 60, seed: 3)
    func picks(_ size: Int) throws -> [PickMessage] {
      var station = Station(stationSettings())
      var picks: [PickMessage] = []
      feed(&station, frames, blockFrames: size) { if let p = try? pick($0) { picks.append(p) } }
      return picks
    }
    let reference = try picks(4)
    #expect(reference.count == 2)
    #expect(try picks(blockFrames) == reference)
  }

  @Test func tickKeepsReportingWithoutADigitizer() throws {
    var station = Station(stationSettings())
    var reports = 0
    for tenth in 0..<400 {
      station.tick(
        moment(streamStart + Int64(tenth) * 100_000_000), clock: ClockReading(),
        isDelivering: false)
      while let datagram = station.nextDatagram() {
        if try message(datagram, as: HealthMessage.self)?.isLive == false { reports += 1 }
      }
    }
    #expect(reports == 4)
  }

  @Test func lostDigitizerIsToldAtOnce() throws {
    var station = Station(stationSettings())
    feed(&station, Array(earthquakeFrames(seconds: 16).prefix(1600)))
    var reports: [(seconds: Double, isLive: Bool)] = []
    for tenth in 0..<30 {
      let now = streamStart + 16_000_000_000 + Int64(tenth) * 100_000_000
      station.tick(moment(now), clock: lockedClock(), isDelivering: tenth < 10)
      while let datagram = station.nextDatagram() {
        if let message: HealthMessage = try message(datagram) {
          reports.append((Double(now - streamStart) * 1e-9, message.isLive))
        }
      }
    }
    let lost = try #require(reports.first { !$0.isLive })
    #expect((lost.seconds - 17).magnitude < 0.11)
  }

  @Test func guardIsActive() {
    #expect(allocation_guard_is_active() == 1, "without it the next test means nothing")
  }

  /// 100,000 turns of the loop's body, with earthquakes, picks, health and pings among them.
  @Test func hundredThousandStepsAllocateNothing() {
    let frames = earthquakeFrames(seconds: 400)
    var station = Station(stationSettings())
    let pings = (0..<120).map {
      signedPing(UInt64($0), at: streamStart.nanoseconds + Int64($0) * 40 * nanosecondsPerSecond)
    }
    var pinged = 0
    var sent = 0
    func run(_ steps: Int, from start: Int) {
      frames.withUnsafeBufferPointer { frames in
        for step in start..<(start + steps) {
          let index = step * 4 % frames.count
          station.process(
            Block(
              frames: UnsafeBufferPointer(rebasing: frames[index..<(index + 4)]),
              firstFrame: Int64(step) * 4, firstFrameTime: streamStart + Int64(step) * 40_000_000,
              nanosecondsPerFrame: 1e7, clock: lockedClock()))
          if step % 1000 == 0 {
            pings[pinged].withBytes { station.receive($0, from: Address(ipv4: 1, port: 1)) }
            pinged += 1
          }
          while station.nextDatagram() != nil { sent += 1 }
        }
      }
    }
    run(20_000, from: 0)  // debug builds make generic metadata once
    let before = sent
    allocation_guard_begin()
    run(100_000, from: 20_000)
    let count = allocation_guard_end()
    #expect(count.allocations == 0 && count.releases == 0, "\(count)")
    #expect(sent - before > 500, "the loop did what it does in an earthquake")
  }

  /// The negative control: the guard sees a single allocation among as many steps.
  @Test func guardSeesOneAllocation() {
    var values: [Int] = []
    allocation_guard_begin()
    values.append(1)
    let count = allocation_guard_end()
    #expect(count.allocations >= 1)
    #expect(values.count == 1)
  }
}
