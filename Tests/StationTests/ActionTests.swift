// In what order things are done, and what is left undone first.

import Core
import Foundation
import StationFixture
import Testing
import Tools
import Uplink

@testable import Station

@Suite struct ActionTests {
  private func number(_ action: Action?) -> Int64? {
    guard case .store(_, let number)? = action else { return nil }
    return number
  }

  /// The youngest of those that matter least goes; order stays.
  @Test func aFullQueueDropsWhatMattersLeast() {
    var queue = ActionQueue()
    for index in 0..<ActionQueue.capacity {
      queue.put(.store(.latch, Int64(index)), rank: index == 10 || index == 20 ? 7 : 5)
    }
    queue.put(.store(.latch, 100), rank: 0)
    // What is left matters more than these, or as much.
    for number in [Int64(101), 102] { queue.put(.store(.latch, number), rank: 7) }
    let (count, dropped) = (queue.count, queue.dropped)
    #expect(count == ActionQueue.capacity && dropped == 3)
    var left: [Int64] = []
    while let action = queue.take() { left.append(number(action) ?? -1) }
    #expect(left == (0..<64).filter { $0 != 20 } + [100], "the younger of the two")
  }

  @Test func oneAfterTheOtherGoes() {
    var queue = ActionQueue()
    for index in 0..<ActionQueue.capacity {
      queue.put(.store(.latch, Int64(index)), rank: index % 2 == 0 ? 6 : 7)
    }
    for index in 64..<100 { queue.put(.store(.latch, Int64(index)), rank: 3) }
    var left: [Int64] = []
    while let action = queue.take() { left.append(number(action) ?? -1) }
    // All that had 7, and of those with 6 the youngest.
    #expect(left == (0..<64).filter { $0 % 2 == 0 && $0 < 56 } + Array(64..<100))
    let dropped = queue.dropped
    #expect(dropped == 36)
  }

  /// The same in a ring that has turned.
  @Test func itDropsTheSameWhereverItsRingBegins() {
    for start in 0..<ActionQueue.capacity {
      var queue = ActionQueue()
      for _ in 0..<start {
        queue.put(.store(.latch, 0), rank: 7)
        _ = queue.take()
      }
      for index in 0..<ActionQueue.capacity {
        queue.put(.store(.latch, Int64(index)), rank: index == 30 ? 7 : 1)
      }
      queue.put(.store(.latch, 64), rank: 1)
      var left: [Int64] = []
      while let action = queue.take() { left.append(number(action) ?? -1) }
      #expect(left == (0...64).filter { $0 != 30 })
    }
  }

  /// Health for an hour that nobody fetched, and then an alarm: it is there, and what is lost is
  /// told.
  @Test func anAlarmFindsRoomInAFullQueue() throws {
    let machine = try Machine()
    for second in 0..<3600 { machine.pass(after(Double(second)), isDelivering: false) }
    let dropped = machine.health.droppedActions
    #expect(dropped > 200, "one every ten seconds")
    let late = try Machine(standing)
    for second in 0..<3600 { late.pass(after(Double(second)), isDelivering: false) }
    late.carryOut()
    #expect(late.log.first == "store latch 2" || late.log.first == "relay 1 lamp 1")
    #expect(try late.alerts().contains { $0.level == .alarm && $0.relay == .actuated })
  }

  /// The line first: an alert says what it did, not what it was told.
  @Test func anAlertWaitsForTheLines() throws {
    let machine = try Machine(standing)
    machine.pass(after(0))
    var isDriven = false
    while !isDriven {
      try #require(machine.carryOutNext())
      isDriven = machine.log.last == "relay 1 lamp 1"
      #expect(!machine.log.contains { $0.hasPrefix("alert") })
    }
    machine.carryOut()
    #expect(machine.log.contains("alert alarm actuated"))
  }

  @Test func aRelayThatDoesNotObeyIsSaidInTheFirstAlert() throws {
    let machine = try Machine(standing)
    machine.relayObeys = false
    machine.tick(after(0))
    let alerts = try machine.alerts()
    #expect(alerts.map(\.relay) == [.faulty] && alerts.map(\.level) == [.alarm])
    let incapacity = machine.health.incapacity
    #expect(incapacity.contains(.relayFaulty))
    // It is tried again at every turn, and what it does then is told with the repeats.
    machine.relayObeys = true
    machine.lines.relay = .faulty
    machine.tick(after(0.02))
    machine.lines.relay = .fitted
    machine.tick(after(0.1))
    #expect(machine.log.filter { $0 == "relay 1 lamp 1" }.count >= 2)
    #expect(try machine.alerts().last?.relay == .actuated)
  }

  @Test(arguments: [Inhibit.on, .unreadable]) func aSwitchKeepsTheRelayOpen(inhibit: Inhibit) throws
  {
    let machine = try Machine(standing)
    machine.lines = fittedLines(inhibit: inhibit)
    machine.tick(after(0), isDelivering: true)
    #expect(machine.isAlarm && !machine.wantsRelay)
    #expect(try machine.alerts().map(\.relay) == [.atRest])
    #expect(!machine.log.contains { $0.hasPrefix("relay 1") })
    let health = machine.health
    #expect(health.inhibit == inhibit.rawValue && health.alarmState == 2 && health.isLatched)
    #expect(
      health.incapacity.contains(inhibit == .on ? .inhibited : .inhibitUnreadable))
    #expect(!health.incapacity.contains(inhibit == .on ? .inhibitUnreadable : .inhibited))
    // Whoever frees it while the alarm stands, closes it.
    machine.lines = fittedLines(inhibit: .off)
    machine.tick(after(1))
    #expect(machine.wantsRelay && machine.log.contains("relay 1 lamp 1"))
  }

  /// A disk that stalls must keep nobody from an alarm, a drill or a test.
  @Test(arguments: [Machine.Disk.isSilent, .refuses]) func commandsDoNotWaitForTheDisk(
    disk: Machine.Disk
  ) throws {
    let machine = try Machine(standing)
    machine.tick(after(0))
    #expect(machine.lines.isActuated)
    machine.disk = disk
    machine.forget()
    machine.receive(.drill, 1)
    #expect(machine.isDrill && !machine.lines.isActuated)
    machine.receive(.drill, 0)
    #expect(!machine.isDrill && machine.lines.isActuated, "armed again, and the alarm stands")
    machine.receive(.release)
    #expect(!machine.isAlarm && !machine.lines.isActuated)
    #expect(machine.log.contains("relay 0 lamp 0") && machine.log.contains("alert clear atRest"))
    #expect(machine.log.filter { $0 == "answer done" }.count == 3)
    machine.receive(.relayTest, 500)
    #expect(machine.wantsRelay, "a test is of the contacts")
  }

  @Test(arguments: [0.0, 3600, -3600, 86_400]) func aDrillEndsByItself(jump: Double) throws {
    let machine = try Machine(standing)
    machine.tick(after(0))
    machine.receive(.drill, 1)
    let begun = machine.health
    #expect(begun.drillSeconds == 1801 || begun.drillSeconds == 1800)
    #expect(begun.incapacity.contains(.drill) && !machine.lines.isActuated)
    machine.tick(after(1799.9, jumped: jump))
    let left = machine.health.drillSeconds
    #expect(machine.isDrill && left == 1)
    machine.tick(after(1800, jumped: jump))
    let after = machine.health
    #expect(!machine.isDrill && after.drillSeconds == 0 && !after.incapacity.contains(.drill))
    #expect(after.changedParameters == 0 && machine.lines.isActuated)
  }
}
