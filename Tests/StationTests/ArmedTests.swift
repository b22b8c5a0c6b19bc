// Whether the station could raise an alarm, and what was changed in it: what health says before one
// is needed.

import Core
import Digitizer
import Foundation
import StationFixture
import Testing
import Tools
import Uplink

@testable import Station

@Suite struct ArmedTests {
  /// Ten seconds of noise: the picker has settled.
  private func settled(isCalibrated: Bool = true, lanes: Frame = Frame(1, 1, 1, 1)) throws
    -> Machine
  {
    let machine = try Machine(isCalibrated: isCalibrated)
    machine.feed(earthquakeFrames(seconds: 60).prefix(1500).map { $0 &* lanes &+ (1 &- lanes) })
    return machine
  }

  @Test func whatIsInOrderIsArmed() throws {
    let machine = try settled()
    #expect(machine.health.incapacity.isEmpty)
    let health = machine.health
    #expect(health.isLive && health.relay == .atRest && health.alarmState == 0)
    #expect(!health.losesState && health.droppedActions == 0)
  }

  @Test func everyReasonIsSaid() throws {
    func incapacity(_ machine: Machine) -> Incapacity { machine.health.incapacity }
    #expect(incapacity(try Machine()) == .notLive)
    #expect(incapacity(try settled(isCalibrated: false)) == .uncalibrated)
    let machine = try settled()
    machine.lines = LinesReport()
    #expect(incapacity(machine) == .noRelay)
    machine.lines.relay = .faulty
    #expect(incapacity(machine) == .relayFaulty)
    machine.lines = fittedLines(inhibit: .on)
    #expect(incapacity(machine) == .inhibited)
    machine.lines = fittedLines(inhibit: .unreadable)
    #expect(incapacity(machine) == .inhibitUnreadable)
    machine.lines = fittedLines(inhibit: .off)
    machine.receive(.drill, 1)
    #expect(incapacity(machine) == .drill)
    machine.receive(.drill, 0)
    #expect(incapacity(machine).isEmpty)
    machine.tick(after(17), isDelivering: false)
    #expect(incapacity(machine) == .notLive)
    // Two lanes that say the same for a second: one is left.
    let broken = try settled(lanes: Frame(1, 0, 0, 1))
    #expect(incapacity(broken) == .lanesBroken)
  }

  /// One component broken leaves two.
  @Test func twoComponentsAreEnough() throws {
    let machine = try settled(lanes: Frame(1, 0, 1, 1))
    #expect(machine.health.incapacity.isEmpty && machine.health.stuckLanes == 0b010)
  }

  /// Each parameter that holds until the next start says whether it differs from the station file.
  @Test func whatCommandsHaveChangedIsSaid() throws {
    let machine = try settled()
    #expect(machine.health.changedParameters == 0)
    machine.receive(.triggerRatio)
    #expect(machine.health.changedParameters == 0, "it was only told")
    machine.receive(.triggerRatio, 1)
    #expect(machine.health.changedParameters == 0, "it was refused")
    machine.receive(.triggerRatio, 8000)
    #expect(machine.health.changedParameters == 1)
    machine.receive(.drill, 1)
    #expect(machine.health.changedParameters == 0b1001)
    machine.receive(.drill, 0)
    #expect(machine.health.changedParameters == 1)
    for parameter in [CommandParameter.relayTest, .health, .release, .siteTerm] {
      machine.receive(parameter, parameter == .relayTest ? 10 : 0)
    }
    #expect(machine.health.changedParameters == 1, "none of them holds")
  }

  @Test func aDiskThatTakesNothingIsSaid() throws {
    let machine = try settled()
    machine.disk = .refuses
    machine.receive(.triggerRatio, 8000)
    #expect(machine.health.losesState)
    machine.disk = .takes
    machine.receive(.triggerRatio, 8000)
    #expect(!machine.health.losesState)
    // One that it took says nothing of another that it did not take, or of a start without a folder.
    machine.note(.stored(.latch, isDone: false))
    machine.receive(.triggerRatio, 8000)
    #expect(machine.health.losesState)
    machine.note(.stored(.latch, isDone: true))
    #expect(!machine.health.losesState)
    var status = HostStatus()
    status.keepsState = false
    machine.note(.host(status))
    machine.note(.host(HostStatus()))
    machine.receive(.triggerRatio, 8000)
    #expect(machine.health.losesState)
  }

  /// Station is a function of its inputs: none of its files may import what could tell it more.
  @Test func theStationImportsNoMachine() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Sources/Station")
    let allowed: Set = [
      "Clock", "Conditioning", "Core", "Decision", "Digitizer", "Estimator", "Picker", "Uplink",
    ]
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".swift") }
    #expect(files.count >= 5)
    for file in files {
      let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        guard !line.hasPrefix("//"), let place = words.firstIndex(of: "import"), place <= 1
        else { continue }
        let module = String(words[words.count - 1])
        #expect(allowed.contains(module), "\(file) imports \(module)")
      }
    }
  }
}
