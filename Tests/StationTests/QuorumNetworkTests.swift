// Stations of one site, joined by a network in virtual time that loses, delays, doubles and reorders
// what they tell each other, and somebody who records all of it.

import Core
import Digitizer
import Estimator
import StationFixture
import Testing
import Tools
import Uplink

@testable import Station

/// What the site's stations are asked for, and how their network is.
private struct SiteSettings {
  var stations = 2
  var needed = 2
  var within = 2000
  var isAlone = true
  var latency: ClosedRange<Double> = 0.001...0.005
  var loss = 0.0
  var seed: UInt64 = 1
}

/// By reference, so that an expectation can be about a call that changes it.
private final class Site {
  private struct Flight {
    var arrival: Int64
    var from: Int
    var to: Int
    var bytes: [UInt8]
  }

  let settings: SiteSettings
  private(set) var machines: [Machine] = []
  private var flights: [Flight] = []
  private var random: RandomGenerator
  private var taken: [Int]
  private var boots: [UInt32]
  /// Ten milliseconds each: a frame.
  private(set) var frame = 0
  /// Whether a datagram may go from one to another.
  var isConnected: (Int, Int) -> Bool = { _, _ in true }
  /// All that was ever sent, and where to.
  private(set) var recorded: [(from: Int, to: Int, bytes: [UInt8])] = []
  /// When each relay closed first, in seconds of the stream.
  private(set) var closed: [Double?]
  /// When each had decided, by its first message of more than a watch on expectation.
  private(set) var called: [Double?]

  init(_ settings: SiteSettings) throws {
    self.settings = settings
    random = RandomGenerator(seed: settings.seed)
    taken = Array(repeating: 0, count: settings.stations)
    boots = Array(repeating: 1, count: settings.stations)
    closed = Array(repeating: nil, count: settings.stations)
    called = closed
    for index in 0..<settings.stations { machines.append(try machine(index)) }
  }

  static func key(_ index: Int) -> Key { Key(Octets(repeating: UInt8(200 + index))) }

  private func machine(_ index: Int) throws -> Machine {
    try Machine { station in
      station.code = StationCode("XX.Q\(index)..EN")
      station.keys = UpstreamKeys(Self.key(index))
      station.epoch = UInt64(index + 1)
      (station.bootCounter, station.bootNonce) = (boots[index], random.next())
      for peer in 0..<settings.stations where peer != index {
        station.peers.add(
          Peer(
            key: SigningKey(ofStation: Self.key(peer)).publicKey, host: Text("192.0.2.1"),
            port: UInt16(1 + peer)))
      }
      station.quorum.needed = settings.needed
      station.quorum.withinMilliseconds = settings.within
      station.quorum.isAloneWhenSilent = settings.isAlone
    }
  }

  /// Power off and on; what was under way to it is lost, what it had sent is not.
  func restart(_ index: Int) throws {
    boots[index] += 1
    taken[index] = 0
    machines[index] = try machine(index)
  }

  /// Peer n of a station, as the number of a station.
  private func station(_ peer: Int, of index: Int) -> Int { peer < index ? peer : peer + 1 }

  private func deliver(_ flight: Flight, at time: Int64) {
    machines[flight.to].receive(flight.bytes, at: after(Double(time) * 1e-9))
    collect(flight.to, at: time)
  }

  /// To a station as if a peer had sent it.
  func inject(_ bytes: [UInt8], to index: Int) {
    deliver(Flight(arrival: 0, from: 0, to: index, bytes: bytes), at: Int64(frame) * 10_000_000)
  }

  private func collect(_ index: Int, at time: Int64) {
    let machine = machines[index]
    for datagram in machine.sent[taken[index]...] {
      guard case .peer(let peer) = datagram.destination else { continue }
      let to = station(peer, of: index)
      let bytes = datagram.withBytes { Array($0) }
      recorded.append((index, to, bytes))
      guard isConnected(index, to), random.uniform() >= settings.loss else { continue }
      for _ in 0..<(random.below(20) == 0 ? 2 : 1) {
        let span = settings.latency.upperBound - settings.latency.lowerBound
        let latency = settings.latency.lowerBound + random.uniform() * span
        flights.append(
          Flight(arrival: time + Int64(latency * 1e9), from: index, to: to, bytes: bytes))
      }
    }
    taken[index] = machine.sent.count
    let seconds = Double(time) * 1e-9
    if machine.wantsRelay && closed[index] == nil { closed[index] = seconds }
    if machine.health.alarmState >= 2 && called[index] == nil { called[index] = seconds }
  }

  /// A block of four frames for each station, and what arrives until its end, in order of arrival.
  func step(_ frames: (Int) -> ArraySlice<Frame>) {
    let end = Int64(frame + 4) * 10_000_000
    while let next = flights.indices.filter({ flights[$0].arrival <= end })
      .min(by: { flights[$0].arrival < flights[$1].arrival })
    {
      let flight = flights.remove(at: next)
      if isConnected(flight.from, flight.to) { deliver(flight, at: flight.arrival) }
    }
    for index in machines.indices {
      machines[index].feed(Array(frames(index)), firstFrame: Int64(frame))
      collect(index, at: end)
    }
    frame += 4
  }

  /// `shaken`: those at which the earthquake is felt; the others have its noise alone.
  func run(
    _ seconds: ClosedRange<Int>, shaken: Set<Int>, _ each: (Double) -> Void = { _ in }
  ) {
    while frame < seconds.upperBound * 100 {
      step { index in
        let first = frame
        if shaken.contains(index) { return earthquake[first..<(first + 4)] }
        // Its own noise, before P.
        let quiet = (first + 400 * index) % 1600
        return earthquake[quiet..<(quiet + 4)]
      }
      each(Double(frame) / 100)
    }
  }
}

/// P at 20 s.
private let earthquake = strongFrames(seconds: 60)

extension Machine {
  fileprivate func receive(_ bytes: [UInt8], at now: Moment) {
    pass(now, isDelivering: true)
    bytes.withUnsafeBufferPointer { receive($0) }
  }
}

@Suite(.serialized) struct QuorumNetworkTests {
  @Test func anEarthquakeThatBothFeelClosesBothRelays() throws {
    let site = try Site(SiteSettings())
    site.run(0...30, shaken: [0, 1])
    let closed = try site.closed.map { try #require($0) }
    let called = try site.called.map { try #require($0) }
    // As soon as both have decided, and the word of the second has come.
    for (index, time) in closed.enumerated() {
      #expect(time >= called.max()! - 0.001 && time - called.max()! <= 0.05, "station \(index)")
      let alarm = try #require(
        try alerts(site, index).first { $0.level == .alarm })
      #expect(alarm.votes == 0x81 && alarm.relay == .actuated)
    }
    let alone = try Machine()
    alone.feed(Array(earthquake.prefix(3000)))
    #expect(alone.wantsRelay, "nor would one alone have been still")
  }

  /// The vehicle against the slab, and the sensor in the hand.
  @Test func whatOnlyOneFeelsClosesNothing() throws {
    let site = try Site(SiteSettings())
    site.run(0...60, shaken: [1])
    #expect(site.called[1] != nil && site.called[0] == nil)
    #expect(site.closed == [nil, nil])
    let told = try alerts(site, 1).filter { $0.repeat == 0 }
    #expect(told.contains { $0.votes == 0x80 && $0.level == .watch })
    #expect(told.contains { $0.level == .clear && $0.reason == .outvoted })
    let health = site.machines[1].health
    #expect(health.quorumNeeded == 2 && health.peersReady == 1)
    // What the network has doubled.
    #expect(health.refusedVotes < 10)
    #expect(health.incapacity.isEmpty)
  }

  @Test func twoOfThreeCloseTheirRelaysAndTheThirdStaysOpen() throws {
    var settings = SiteSettings()
    settings.stations = 3
    let site = try Site(settings)
    site.run(0...30, shaken: [0, 2])
    #expect(site.closed[0] != nil && site.closed[2] != nil && site.closed[1] == nil)
    let alarm = try #require(try alerts(site, 0).first { $0.level == .alarm })
    #expect(alarm.votes == 0x82, "by the second of its peers")
  }

  /// A third of all datagrams lost each way, up to 0.3 s under way, out of order.
  @Test(arguments: 1...4) func aBadNetworkCostsLittle(seed: Int) throws {
    var settings = SiteSettings()
    (settings.loss, settings.latency, settings.seed) = (0.33, 0.001...0.3, UInt64(seed))
    settings.isAlone = false
    let site = try Site(settings)
    site.run(0...30, shaken: [0, 1])
    let called = try site.called.map { try #require($0) }
    for time in site.closed {
      #expect(try #require(time) - called.max()! <= 1.0)
    }
    let felt = try Site(settings)
    felt.run(0...40, shaken: [0])
    #expect(felt.closed == [nil, nil])
  }

  /// The cable is cut before the earthquake, or with the first decision.
  @Test(arguments: [10.0, nil]) func whereTheCableIsCutTheFileDecides(cut: Double?) throws {
    for isAlone in [true, false] {
      var settings = SiteSettings()
      settings.isAlone = isAlone
      let site = try Site(settings)
      site.run(0...40, shaken: [0]) { now in
        if cut.map({ now >= $0 }) ?? (site.called[0] != nil) {
          site.isConnected = { _, _ in false }
        }
      }
      let called = try #require(site.called[0])
      if isAlone {
        // One that is there was waited for half a second; one that was gone before, not at all.
        let closed = try #require(site.closed[0])
        #expect(closed - called <= (cut == nil ? 0.6 : 0.001))
        let alarm = try #require(try alerts(site, 0).first { $0.level == .alarm })
        #expect(alarm.votes == 0x80)
      } else {
        #expect(site.closed[0] == nil)
        let health = site.machines[0].health
        #expect(health.incapacity == .peersSilent && health.peersReady == 0)
      }
      #expect(site.closed[1] == nil)
    }
  }

  /// A start of either costs a second or two, and no vote of before counts after it.
  @Test func aStationThatStartsAnewIsHeardAgain() throws {
    var settings = SiteSettings()
    settings.isAlone = false
    let site = try Site(settings)
    site.run(0...12, shaken: [0, 1])
    #expect(site.machines.allSatisfy { $0.health.peersReady == 1 })
    try site.restart(1)
    // Its picker has to settle: until then it is there, and cannot see.
    site.run(12...14, shaken: [0, 1])
    #expect(site.machines[0].health.peersReady == 0 && site.machines[1].health.peersReady == 1)
    #expect(site.machines[0].health.incapacity == .peersSilent)
    // Some for which the first had the number of the boot before.
    #expect(site.machines[1].health.refusedVotes <= 2)
  }

  /// All that was sent in an earthquake that both felt, again: in the same boot, after a start of the
  /// receiver and of the sender, and to the other one.
  @Test func nothingThatWasRecordedCounts() throws {
    var settings = SiteSettings()
    settings.isAlone = false
    let site = try Site(settings)
    site.run(0...26, shaken: [0, 1])
    #expect(site.closed[0] != nil)
    let recorded = site.recorded.filter { $0.to == 0 }
    #expect(recorded.count > 50)
    let back = site.recorded.filter { $0.to == 1 }
    func replay(_ kind: String, _ datagrams: [(from: Int, to: Int, bytes: [UInt8])]) {
      let machine = site.machines[0]
      for datagram in datagrams {
        let before = machine.health
        site.inject(datagram.bytes, to: 0)
        let after = machine.health
        #expect(after.refusedVotes == min(before.refusedVotes + 1, 255), "\(kind)")
        #expect(after.peersReady <= before.peersReady && !machine.hasVote, "\(kind)")
      }
    }
    site.isConnected = { _, _ in false }
    site.run(26...32, shaken: [])
    replay("the same boot", recorded)
    replay("its own", back)
    try site.restart(0)
    site.run(32...33, shaken: [])
    // Greetings of the start name nobody's boot and are no votes.
    replay("another boot", recorded.filter { voteOf($0.bytes).receiverNonce != 0 })
    site.isConnected = { _, _ in true }
    site.run(33...36, shaken: [])
    replay("once they know each other", recorded)
  }

  /// Whatever bit is flipped on the way.
  @Test func everyFlippedBitIsRefused() throws {
    let site = try Site(SiteSettings())
    site.run(0...16, shaken: [0, 1])
    let count = site.recorded.count
    site.isConnected = { _, _ in false }
    site.run(16...17, shaken: [0, 1])
    let vote = try #require(site.recorded[count...].first { $0.to == 0 })
    let machine = site.machines[0]
    let before = machine.health
    for index in vote.bytes.indices {
      for bit in 0..<8 {
        var bytes = vote.bytes
        bytes[index] ^= 1 << UInt8(bit)
        site.inject(bytes, to: 0)
      }
    }
    let after = machine.health
    #expect(after.datagramsAccepted == before.datagramsAccepted)
    #expect(after.datagramsRejected == before.datagramsRejected + UInt32(8 * vote.bytes.count))
    // Nor did they crowd it out.
    site.isConnected = { _, _ in true }
    site.run(17...19, shaken: [0, 1])
    #expect(machine.health.peersReady == 1)
  }

  /// A stranger, a name without its key, one to another station, and one that was held up.
  @Test func whoMayNotVoteIsRefused() throws {
    let site = try Site(SiteSettings())
    site.run(0...16, shaken: [])
    let machine = site.machines[0]
    func forged(
      _ change: (inout VoteMessage) -> Void, key: SigningKey = SigningKey(ofStation: Site.key(1))
    ) -> Bool {
      let newest = site.recorded.last { $0.to == 0 }!
      var vote = voteOf(newest.bytes)
      // Half a second later.
      (vote.sentMicroseconds, vote.evidenceMilliseconds) = (vote.sentMicroseconds + 500_000, 0)
      vote.heldMicroseconds += 500_000
      change(&vote)
      var header = newest.bytes.withUnsafeBufferPointer { try! OpenedDatagram($0, key: nil).header }
      header.sequence += 1
      let datagram = Datagram(header, signedBy: key) { vote.write(to: &$0) }
      let before = machine.health.datagramsAccepted
      site.inject(datagram.withBytes { Array($0) }, to: 0)
      return machine.health.datagramsAccepted > before
    }
    #expect(!forged({ _ in }, key: pair(77)), "another's signature")
    #expect(!forged({ $0.voter = pair(77).publicKey.name }, key: pair(77)), "a stranger")
    #expect(!forged { $0.receiver = 5 })
    #expect(!forged { $0.receiverNonce ^= 1 })
    #expect(!forged { $0.bootNonce ^= 1 }, "two boots of one number")
    #expect(!forged { $0.sentMicroseconds -= 500_000 }, "it has come already")
    #expect(!forged { $0.heardMicroseconds -= 2_000_000 }, "it was held up")
    #expect(!forged { $0.heldMicroseconds += 4_000_000 }, "it answers what was not sent yet")
    #expect(!forged { $0.heardMicroseconds += 30_000_000 }, "nor what will be")
    #expect(
      !forged { ($0.heardMicroseconds, $0.heldMicroseconds) = (UInt64(Int64.max), .max) },
      "no sum overflows")
    #expect(!machine.hasVote)
    // A key that came over the air signs answers, and no votes.
    #expect(forged { _ in } && machine.hasVote)
  }

  /// What it has decided counts for nobody who is named to nobody.
  @Test func aStationWithoutAQuorumRefusesVotes() throws {
    let site = try Site(SiteSettings())
    site.run(0...3, shaken: [])
    let lone = try Machine()
    for datagram in site.recorded { lone.receive(datagram.bytes, at: after(3)) }
    #expect(lone.health.datagramsAccepted == 0 && lone.health.quorumNeeded == 0)
    #expect(lone.health.datagramsRejected == UInt32(site.recorded.count))
  }

  /// Once a second in quiet, ten times while something was decided.
  @Test func howOftenTheySpeak() throws {
    let site = try Site(SiteSettings())
    site.run(0...15, shaken: [0])
    let quiet = site.recorded.filter { $0.from == 0 }.count
    #expect((14...18).contains(quiet), "\(quiet)")
    site.run(15...30, shaken: [0])
    let loud = site.recorded.filter { $0.from == 0 }.count - quiet
    #expect((30...170).contains(loud), "\(loud)")
  }

  private func alerts(_ site: Site, _ index: Int) throws -> [AlertMessage] {
    try site.machines[index].sent.compactMap { datagram in
      try datagram.withBytes { bytes throws in
        let opened = try OpenedDatagram(bytes, key: nil)
        return opened.header.type == .alert ? try AlertMessage(opened.payload) : nil
      }
    }
  }
}

/// What a datagram says, whoever made it.
private func voteOf(_ bytes: [UInt8]) -> VoteMessage {
  bytes.withUnsafeBufferPointer { try! VoteMessage(OpenedDatagram($0, key: nil).payload) }
}
