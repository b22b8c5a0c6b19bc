// Whose clock is wrong: this machine's, a station's, or nobody can say.

import Core
import Testing
import Uplink

@testable import Collector

@Suite struct FleetClockTests {
  private static let start = UTC(nanoseconds: 1_800_000_000_000_000_000)

  /// A machine and its stations, whose clocks are so many seconds ahead of the true time.
  private struct World {
    var clock = FleetClock()
    /// Since the start, seconds.
    var now = 0.0
    var machineAhead = 0.0
    private var sequence: UInt32 = 0
    /// The monotonic clock began somewhere.
    private var uptime: Int64 { 5_000_000_000 + Int64(now * 1e9) }

    private func time(_ ahead: Double) -> UTC { FleetClockTests.start + Int64((now + ahead) * 1e9) }

    mutating func health(
      _ station: String, ahead: Double, clockState: UInt8 = 3, boot: UInt32 = 1,
      sequence number: UInt32? = nil
    ) {
      sequence += 1
      clock.note(
        Header(
          type: .health, station: Text(station), epoch: 9, bootCounter: boot,
          sequence: number ?? sequence, emitted: time(ahead), clockState: clockState,
          clockSource: 2, clockUncertaintyNanoseconds: 1000), uptime: uptime)
    }

    /// Health that is too old to be stored.
    mutating func old(_ station: String, ahead: Double, epoch: UInt64) {
      clock.noteOld(
        Header(
          type: .health, station: Text(station), epoch: epoch, bootCounter: 1, sequence: 1,
          emitted: time(ahead), clockState: 3, clockSource: 2, clockUncertaintyNanoseconds: 1000),
        uptime: uptime)
    }

    mutating func judge() -> FleetClock.Judgement {
      clock.judge(at: time(machineAhead), uptime: uptime)
    }

    var latest: UTC? { clock.latest(uptime: uptime) }
  }

  /// To the microsecond: a time in nanoseconds has more digits than a Double.
  private func isNear(_ a: Double?, _ b: Double) -> Bool { a.map { abs($0 - b) < 1e-6 } ?? false }

  @Test func withoutLockedStationsNothingIsSaid() {
    var world = World()
    world.machineAhead = 1000
    #expect(world.judge() == FleetClock.Judgement())
    for state in 0...2 as ClosedRange<UInt8> {
      world.health("XX.\(state)", ahead: 0, clockState: state)
    }
    #expect(world.judge() == FleetClock.Judgement())
  }

  @Test func theDifferenceIsTheMedianOfTheLockedStations() {
    var world = World()
    for (station, ahead) in [("A", 0.1), ("B", -0.3), ("C", 0.2)] {
      world.health(station, ahead: ahead)
    }
    world.health("D", ahead: 50, clockState: 2)
    world.machineAhead = 0.5
    let judgement = world.judge()
    #expect(isNear(judgement.aheadSeconds, 0.4))
    #expect(judgement.locked == 3 && judgement.wrong == 0 && judgement.complaints.isEmpty)
  }

  @Test(arguments: [2, 3, 20], [-7200.0, -2.5, 2.5, 7200]) func aMachineThatIsOutvotedIsWrong(
    stations: Int, ahead: Double
  ) {
    var world = World()
    for number in 0..<stations { world.health("S\(number)", ahead: 0.01 * Double(number)) }
    #expect(world.judge().complaints.isEmpty)
    // No station has told its health since the clock was set.
    world.now = 3
    world.machineAhead = ahead
    var judgement = world.judge()
    #expect(judgement.complaints.count == 1)
    let said = judgement.complaints.first ?? ""
    #expect(said.hasPrefix("this machine's clock is wrong: it is "))
    #expect(said.contains(ahead > 0 ? "ahead of \(stations) of" : "behind \(stations) of"))
    #expect(judgement.isMachineWrong && judgement.wrong == 0)
    judgement = world.judge()
    #expect(judgement.complaints.isEmpty && judgement.isMachineWrong, "once")
    world.machineAhead = ahead > 0 ? 1.5 : -1.5
    #expect(world.judge().complaints.isEmpty, "at the limit it is not told for ever")
    world.machineAhead = 0
    judgement = world.judge()
    #expect(judgement.complaints == ["this machine's clock is right again"])
    #expect(!judgement.isMachineWrong && world.judge().complaints.isEmpty)
  }

  @Test func aStationThatDiffersFromTheOthersIsNamed() {
    var world = World()
    func tell(_ world: inout World, odd: Double) {
      for station in ["A", "B", "C"] { world.health(station, ahead: 0) }
      world.health("ODD", ahead: odd)
    }
    // Its receiver's weeks have rolled over: 1024 of them.
    tell(&world, odd: -1024 * 7 * 86_400)
    var judgement = world.judge()
    #expect(
      judgement.complaints == [
        "the clock of ODD is wrong: it is 619315200.0 s behind the others, and says it is locked"
      ])
    #expect(judgement.wrong == 1 && !judgement.isMachineWrong)
    #expect(isNear(judgement.aheadSeconds, 0))
    tell(&world, odd: 1.5)
    #expect(world.judge().complaints.isEmpty)
    tell(&world, odd: 0.5)
    judgement = world.judge()
    #expect(judgement.complaints == ["the clock of ODD is right again"] && judgement.wrong == 0)
    // This machine's and a station's at once.
    tell(&world, odd: 60)
    world.machineAhead = -10
    judgement = world.judge()
    #expect(judgement.complaints.count == 2 && judgement.isMachineWrong && judgement.wrong == 1)
    #expect(
      judgement.complaints.last
        == "the clock of ODD is wrong: it is 60.0 s ahead of the others, and says it is locked")
  }

  /// Two clocks that differ, or three of which no two agree.
  @Test(arguments: [[5.0], [-5, 5], [5, 5, 0]]) func whereNoMajorityIsNobodyIsBlamed(
    stations: [Double]
  ) {
    var world = World()
    for (number, ahead) in stations.enumerated() { world.health("S\(number)", ahead: ahead) }
    var judgement = world.judge()
    #expect(judgement.complaints.count == 1)
    #expect(
      judgement.complaints.first?.hasPrefix(
        "clocks differ, and no majority says whose is wrong: "
          + "this machine's is 5.0 s ") == true)
    #expect(!judgement.isMachineWrong && judgement.wrong == 0)
    #expect(world.judge().complaints.isEmpty, "once")
    for number in stations.indices { world.health("S\(number)", ahead: 0) }
    judgement = world.judge()
    #expect(
      judgement.complaints == [
        "a majority of the clocks agrees again, this machine's among them"
      ])
  }

  /// One station differs, and then another says that it is that one.
  @Test func aSecondStationDecides() {
    var world = World()
    world.health("A", ahead: 5)
    #expect(world.judge().complaints.count == 1)
    world.health("B", ahead: 0)
    let judgement = world.judge()
    #expect(judgement.complaints.count == 2 && judgement.wrong == 1 && !judgement.isMachineWrong)
    #expect(judgement.complaints.last?.hasPrefix("the clock of A is wrong") == true)
  }

  /// What somebody recorded in another epoch.
  @Test func recordingsOfAnotherEpochDoNotVote() {
    var world = World()
    for station in ["A", "B", "C"] { world.health(station, ahead: 0) }
    world.old("A", ahead: -1000, epoch: 77)
    #expect(world.judge().complaints.isEmpty)
    world.old("D", ahead: -1000, epoch: 77)
    #expect(world.judge().wrong == 1, "nothing else is known of that one")
  }

  /// A datagram that was long on its way, or that somebody sends again.
  @Test func whatComesLateDoesNotCount() {
    var world = World()
    for station in ["A", "B", "C"] { world.health(station, ahead: 0) }
    world.now = 100
    world.health("A", ahead: -100, sequence: 0)
    world.health("A", ahead: -100, boot: 0)
    #expect(world.judge().complaints.isEmpty)
    world.health("A", ahead: -100, boot: 2, sequence: 0)
    #expect(world.judge().wrong == 1)
  }

  /// A station that is silent or has lost its source is no witness.
  @Test func whoIsSilentDoesNotVote() {
    var world = World()
    for station in ["A", "B", "C"] { world.health(station, ahead: 0) }
    world.machineAhead = 10
    #expect(world.judge().isMachineWrong)
    world.health("A", ahead: 0, clockState: 2)
    world.health("B", ahead: 0, clockState: 0)
    #expect(world.judge().locked == 1)
    world.now = 7201
    let judgement = world.judge()
    #expect(judgement.locked == 0 && judgement.aheadSeconds == nil)
    #expect(judgement.isMachineWrong, "nobody says that it is right again")
  }

  @Test func theLatestTimeIsThatOfAStationThatKnowsTheTime() {
    var world = World()
    #expect(world.latest == nil)
    world.health("A", ahead: 900, clockState: 0)
    #expect(world.latest == nil)
    world.health("B", ahead: -5, clockState: 1)
    world.health("C", ahead: -7)
    world.now = 60
    #expect(world.latest == Self.start + 55 * nanosecondsPerSecond)
  }

  /// What a header may say, however absurd, is reckoned with.
  @Test func noTimeIsTooAbsurd() {
    var clock = FleetClock()
    for (number, emitted) in [Int64.min, .max, 0].enumerated() {
      clock.note(
        Header(
          type: .health, station: Text("S\(number)"), epoch: 9, bootCounter: 1, sequence: 1,
          emitted: UTC(nanoseconds: emitted), clockState: 3, clockSource: 2,
          clockUncertaintyNanoseconds: 0), uptime: 1)
    }
    #expect(clock.judge(at: Self.start, uptime: 2).locked == 3)
    #expect(clock.latest(uptime: 2) != nil)
  }
}
