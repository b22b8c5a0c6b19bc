// SimulatedFleet: many stations that are not there, for whoever wants to see what a collector makes
// of them (`onset simulate`). Their datagrams are real, sealed with keys of a master; an earthquake
// crosses them with the times that its waves take, datagrams are lost, and stations lose their
// power.
//
//     var fleet = try SimulatedFleet(settings, target: "127.0.0.1:6464", masterPath: "master.key")
//     print(try fleet.run())

import CLinux
import Clock
import Core
import Devices
import Estimator
import Foundation
import Station
import Uplink

public struct SimulatedFleetSettings {
  public var stations = 100
  public var seconds = 60.0
  /// How often each tells its health.
  public var healthSeconds = 10.0
  /// The share of datagrams that are lost on the way, each way.
  public var loss = 0.0
  /// Stations that lose their power, once each.
  public var powerCuts = 0
  public var seed: UInt64 = 1
  public init() {}
}

public struct SimulatedFleet: ~Copyable {
  // The crust's: P 6 km/s, S slower by the square root of three.
  private static let compressionalKilometresPerSecond = 6.0
  private static let shearKilometresPerSecond = 3.46
  private static let depthKilometres = 10.0
  /// The square that the stations stand in, and its middle.
  private static let sideKilometres = 100.0
  private static let middle = (latitude: 47.0, longitude: 8.5)
  private static let kilometresPerDegree = 111.2
  /// Within it an alarm is raised.
  private static let alarmKilometres = 25.0
  private static let alarmSeconds = 20.0
  /// How long the last acknowledgements are waited for.
  private static let patienceNanoseconds = 600 * nanosecondsPerSecond

  /// A station with what it keeps; the outbox is large, and most never need one.
  private final class Member {
    let code: StationCode
    let key: Key
    let epoch: UInt64
    let kilometres: Double
    let place: (latitude: Double, longitude: Double)
    var boot: UInt32 = 1
    var sequence: UInt32 = 0
    var picks: UInt32 = 0
    var isAlarm = false
    var outbox = Outbox()

    init(_ code: StationCode, _ key: Key, _ random: inout RandomGenerator) {
      (self.code, self.key) = (code, key)
      epoch = max(random.next() >> 1, 1)
      let half = SimulatedFleet.sideKilometres / 2
      let (north, east) = (
        Double.random(in: -half...half, using: &random),
        Double.random(in: -half...half, using: &random)
      )
      kilometres =
        (north * north + east * east + SimulatedFleet.depthKilometres
        * SimulatedFleet.depthKilometres)
        .squareRoot()
      place = (
        SimulatedFleet.middle.latitude + north / SimulatedFleet.kilometresPerDegree,
        SimulatedFleet.middle.longitude + east / (SimulatedFleet.kilometresPerDegree * 0.682)
      )
    }
  }

  private enum Happening {
    case health, instrument, announced, confirmed, estimate(UInt16), alert, clear, shear, powerCut

    var isAlert: Bool { if case .alert = self { true } else { false } }

    /// After the arrival that it is about, as a station's stages tell them.
    var delaySeconds: Double {
      switch self {
      case .announced: 0.4
      case .estimate(let after): 0.1 + Double(after) / 1000
      case .alert: 1.2
      case .clear: 1.2 + SimulatedFleet.alarmSeconds
      case .confirmed, .shear: 3.3
      case .health, .instrument, .powerCut: 0
      }
    }
  }

  private let settings: SimulatedFleetSettings
  private let endpoint: UdpEndpoint
  private let address: Address
  private var members: [Member] = []
  private var byCode: [String: Int] = [:]
  private var plan: [(at: Int64, member: Int, what: Happening)] = []
  private var random: RandomGenerator
  private var counts = (sent: 0, lost: 0, kept: 0, resent: 0, health: 0)

  public init(_ settings: SimulatedFleetSettings, target: String, masterPath: String) throws {
    let address = try StationLink.resolve(target)
    let master = try KeyFiles.read(masterPath)
    let endpoint = try UdpEndpoint(listenPort: 0)
    (self.settings, self.address) = (settings, address)
    self.endpoint = endpoint
    random = RandomGenerator(seed: settings.seed)
    for number in 0..<settings.stations {
      let code = StationCode("XX.S\(number).00.HH")
      byCode[code.string] = members.count
      members.append(Member(code, Key.ofStation(code, master: master), &random))
    }
    makePlan()
  }

  private mutating func makePlan() {
    func at(_ seconds: Double) -> Int64 { Int64(seconds * 1e9) }
    let quake = settings.seconds / 3
    for (index, member) in members.enumerated() {
      var next = Double.random(in: 0..<settings.healthSeconds, using: &random)
      plan.append((at(next / 2), index, .instrument))
      while next < settings.seconds {
        plan.append((at(next), index, .health))
        next += settings.healthSeconds
      }
      let p = quake + member.kilometres / SimulatedFleet.compressionalKilometresPerSecond
      let s = quake + member.kilometres / SimulatedFleet.shearKilometresPerSecond
      func tell(_ what: Happening, _ arrival: Double) {
        plan.append((at(arrival + what.delaySeconds), index, what))
      }
      tell(.announced, p)
      for after in [500, 1000, 3000] as [UInt16] { tell(.estimate(after), p) }
      if member.kilometres < SimulatedFleet.alarmKilometres {
        tell(.alert, p)
        tell(.clear, p)
      }
      tell(.confirmed, p)
      tell(.shear, s)
    }
    for _ in 0..<settings.powerCuts {
      let index = Int.random(in: 0..<members.count, using: &random)
      plan.append((at(Double.random(in: 0..<settings.seconds, using: &random)), index, .powerCut))
    }
    plan.sort { $0.at < $1.at }
  }

  /// How it went, as a JSON line; whether all that stations keep was acknowledged.
  public mutating func run() throws -> (line: String, isComplete: Bool) {
    let start = clinux_monotonic_nanoseconds()
    let end = Int64(settings.seconds * 1e9)
    var (next, nextLook, nextHealth): (Int, Int64, Int64) = (0, 0, end)
    while true {
      let now = clinux_monotonic_nanoseconds() - start
      while next < plan.count, plan[next].at <= now {
        happen(plan[next].what, to: members[plan[next].member], at: now)
        next += 1
      }
      receive(at: now)
      if now >= nextLook {
        nextLook = now + 10_000_000
        for member in members where member.outbox.count > 0 {
          if let datagram = member.outbox.due(at: now) {
            counts.resent += 1
            send(datagram)
          }
        }
      }
      if now >= nextHealth {
        // Those that still wait live on: nobody resends to an upstream that was never heard.
        nextHealth = now + Int64(settings.healthSeconds * 1e9)
        for member in members where member.outbox.count > 0 {
          happen(.health, to: member, at: now)
        }
      }
      let isDone = next == plan.count && now >= end
      if isDone && (waiting == 0 || now >= end + SimulatedFleet.patienceNanoseconds) { break }
      _ = endpoint.hasDatagram(withinMilliseconds: 2)
    }
    let line =
      "{\"type\":\"simulation\",\"stations\":\(members.count),\"sent\":\(counts.sent),"
      + "\"health\":\(counts.health),\"kept\":\(counts.kept),\"resent\":\(counts.resent),"
      + "\"lost\":\(counts.lost),\"waiting\":\(waiting),\"given_up\":\(givenUp)}"
    return (line, waiting == 0 && givenUp == 0)
  }

  private var waiting: Int { members.reduce(0) { $0 + $1.outbox.count } }
  private var givenUp: Int { members.reduce(0) { $0 + Int($1.outbox.givenUp) } }

  private mutating func happen(_ what: Happening, to member: Member, at now: Int64) {
    let told = StationLink.now()
    let time = told + -Int64(what.delaySeconds * 1e9)
    switch what {
    case .health:
      counts.health += 1
      tell(health(member), member, at: now)
    case .instrument: describe(member, at: now)
    case .powerCut:
      // What it keeps is on its disk.
      member.boot += 1
      (member.sequence, member.picks) = (0, 0)
      describe(member, at: now)
    case .announced:
      member.picks += 1
      tell(pick(member, status: 1, phase: 1, time), member, at: now)
    case .confirmed:
      tell(pick(member, status: 2, phase: 1, time), member, at: now, isKept: true)
    case .shear:
      member.picks += 1
      tell(pick(member, status: 2, phase: 2, time), member, at: now, isKept: true)
    case .estimate(let after):
      var estimate = EstimateMessage()
      (estimate.pickID, estimate.pickTime) = (max(member.picks, 1), time)
      (estimate.afterPMilliseconds, estimate.eventClass) = (after, 1)
      (estimate.magnitudeHundredths, estimate.magnitudeSigmaHundredths) = (550, 40)
      estimate.distanceMetres = UInt32(member.kilometres * 1000)
      estimate.expectedAcceleration = WireFloat(expectedAcceleration(member))
      tell(estimate, member, at: now, isKept: true, about: max(member.picks, 1))
    case .alert, .clear:
      var alert = AlertMessage()
      (alert.id, alert.pickID, alert.pickTime, alert.decided) = (1, 1, time, told)
      member.isAlarm = what.isAlert
      (alert.level, alert.reason) =
        member.isAlarm ? (.alarm, .expectedShaking) : (.clear, .timeIsOver)
      alert.relay = member.isAlarm ? .actuated : .atRest
      tell(alert, member, at: now, isKept: true)
    }
  }

  /// As a rough rule has it for M 5.5; nothing is decided by it.
  private func expectedAcceleration(_ member: Member) -> Double {
    20 / max(member.kilometres, 5)
  }

  private mutating func health(_ member: Member) -> HealthMessage {
    var health = HealthMessage()
    health.isLive = true
    (health.relay, health.picks) = (member.isAlarm ? .actuated : .atRest, member.picks)
    health.alarmState = member.isAlarm ? 2 : 0
    health.machine.diskFreeMebibytes = 12_000
    // A year's: they are calibrated, as their alarms are.
    health.calibrationDays = 365
    health.noiseCountsBits = Float.random(in: 80...120, using: &random).bitPattern
    health.machine.temperatureCentidegrees = Int16.random(in: 35_00...45_00, using: &random)
    health.machine.loopMedianNanoseconds = UInt32.random(in: 40_000...60_000, using: &random)
    health.software.append(softwareVersion)
    health.model.append("simulated")
    return health
  }

  private mutating func describe(_ member: Member, at now: Int64) {
    var instrument = InstrumentMessage()
    instrument.latitude = Int32(member.place.latitude * 1e7)
    instrument.longitude = Int32(member.place.longitude * 1e7)
    (instrument.elevationCentimetres, instrument.depthCentimetres) = (0, 0)
    instrument.sensor.append("simulated")
    tell(instrument, member, at: now, isKept: true, about: .max)
  }

  private func pick(_ member: Member, status: UInt8, phase: UInt8, _ time: UTC) -> PickMessage {
    var pick = PickMessage()
    (pick.id, pick.status, pick.phase, pick.time) = (max(member.picks, 1), status, phase, time)
    (pick.quality, pick.picker, pick.timeSigmaMicroseconds) = (2, 2, 50_000)
    (pick.probability, pick.signalToNoiseCentidecibels) = (9000, 20_00)
    return pick
  }

  private mutating func tell<Message: Payload>(
    _ message: Message, _ member: Member, at now: Int64, isKept: Bool = false,
    about subject: UInt32 = 0
  ) {
    let header = Header(
      type: Message.type, station: member.code, epoch: member.epoch, bootCounter: member.boot,
      sequence: member.sequence, emitted: StationLink.now(),
      clockState: ClockState.locked.rawValue, clockSource: ClockSource.system.rawValue,
      clockUncertaintyNanoseconds: 1_000_000)
    let datagram = Datagram(header, key: member.key) { message.write(to: &$0) }
    if isKept {
      counts.kept += 1
      _ = member.outbox.keep(
        datagram, boot: member.boot, member.sequence, about: subject,
        rank: Message.type == .alert ? 2 : 3, at: now)
    }
    member.sequence += 1
    send(datagram)
  }

  private mutating func send(_ datagram: Datagram) {
    counts.sent += 1
    guard Double.random(in: 0..<1, using: &random) >= settings.loss else {
      counts.lost += 1
      return
    }
    _ = endpoint.send(datagram, to: address)
  }

  private mutating func receive(at now: Int64) {
    while endpoint.hasDatagram(withinMilliseconds: 0) {
      let isLost = Double.random(in: 0..<1, using: &random) < settings.loss
      _ = endpoint.take { bytes, _ -> Bool? in
        guard !isLost, let opened = try? OpenedDatagram(bytes, key: nil),
          let index = byCode[opened.header.station.string],
          opened.sealed.isSealed(with: members[index].key),
          opened.header.epoch == members[index].epoch,
          let acknowledgement = try? AcknowledgementMessage(opened.payload)
        else { return nil }
        members[index].outbox.settle(acknowledgement, at: now)
        return true
      }
    }
  }
}
