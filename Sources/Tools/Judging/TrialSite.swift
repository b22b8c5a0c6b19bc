// TrialSite: the station of a trial; or two of one site that wait for each other ([quorum], two of
// two), each with a ground of its own, of which the first one is heard.
//
//     var site = try TrialSite(options, settings, isPair: true)
//     site.feed(frames, at: firstFrame)
//     site.feedOther(otherFrames, at: firstFrame)
//     while let datagram = site.next() { … }

import Clock
import Core
import Digitizer
import Station
import Uplink

struct TrialSite: ~Copyable {
  /// Keeps the networks that the stations work with.
  private let options: ReplayOptions
  private var firstArena: Arena
  private var secondArena: Arena
  private var first: Station
  private var second: Station?
  private var told: [Datagram] = []

  init(_ options: ReplayOptions, _ settings: StationSettings, isPair: Bool) throws {
    // All that can fail comes before the first member.
    var firstArena = try options.arena()
    var secondArena = try options.arena()
    self.options = options
    let members = Self.members(settings)
    first = options.station(isPair ? members[0] : settings, arena: &firstArena)
    second = isPair ? options.station(members[1], arena: &secondArena) : nil
    self.firstArena = firstArena
    self.secondArena = secondArena
  }

  private static func members(_ settings: StationSettings) -> [StationSettings] {
    let keys = (1...2).map { Key(Octets(repeating: $0)) }
    return (0...1).map { own in
      var member = settings
      member.keys = UpstreamKeys(keys[own])
      (member.epoch, member.bootNonce) = (UInt64(own + 1), UInt64(own + 1))
      member.peers.add(
        Peer(key: SigningKey(ofStation: keys[1 - own]).publicKey, host: Text("192.0.2.1"), port: 1))
      member.quorum.needed = 2
      // Else the silence of a start would be an answer.
      member.quorum.isAloneWhenSilent = false
      return member
    }
  }

  /// A block without a gap, a hundred frames a second.
  mutating func feed(_ frames: [Frame], at firstFrame: Int64) {
    first.process(frames, at: firstFrame)
    exchange()
  }

  mutating func feedOther(_ frames: [Frame], at firstFrame: Int64) {
    second?.process(frames, at: firstFrame)
    exchange()
  }

  private mutating func exchange() {
    var isQuiet = false
    while !isQuiet {
      isQuiet = true
      while let datagram = first.nextDatagram() {
        if case .peer = datagram.destination {
          second?.receive(datagram)
          isQuiet = false
        } else {
          told.append(datagram)
        }
      }
      while let datagram = second?.nextDatagram() {
        guard case .peer = datagram.destination else { continue }
        first.receive(datagram)
        isQuiet = false
      }
    }
  }

  /// What the first one tells its upstream.
  mutating func next() -> Datagram? { told.isEmpty ? nil : told.removeFirst() }
}

extension Station {
  fileprivate mutating func receive(_ datagram: Datagram) {
    datagram.withBytes { receive($0, from: Address(ipv4: 0xC000_0201, port: 1)) }
  }

  fileprivate mutating func process(_ frames: [Frame], at firstFrame: Int64) {
    var clock = ClockReading()
    (clock.state, clock.source) = (.locked, .record)
    frames.withUnsafeBufferPointer {
      process(
        Block(
          frames: $0, firstFrame: firstFrame,
          firstFrameTime: UTC(nanoseconds: firstFrame * 10_000_000),
          nanosecondsPerFrame: 1e7, clock: clock))
    }
  }
}
