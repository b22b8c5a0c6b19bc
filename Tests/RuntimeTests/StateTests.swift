// What is kept over a restart, on disks that keep it and on others.

import Core
import Foundation
import Settings
import Testing
import Tools

@testable import Runtime

@Suite struct StateTests {
  private static func state(_ directory: String, random: UInt64 = 12) -> KeptState {
    KeptState(in: Path(directory)) { random }
  }

  @Test func bootCounterGrowsByOneAndRefusesDamage() throws {
    let files = try StationFolder()
    let directory = Path(files.folder.path)
    for expected in 1...3 {
      #expect(try BootCounter.advance(in: directory) == UInt32(expected))
    }
    for damage in ["", "x\n", "0\n", "12", "4294967295\n", "99999999999\n", "1\n2\n"] {
      try files.write("boot-counter", damage)
      #expect(throws: Diagnostic.self, "\(damage)") { try BootCounter.advance(in: directory) }
    }
    try files.write("boot-counter", "4294967294\n")
    #expect(try BootCounter.advance(in: directory) == .max)
    #expect(throws: Diagnostic.self) { try BootCounter.advance(in: Path("/nonexistent")) }
  }

  @Test func aNumberIsStoredAndReadAgain() throws {
    let files = try StationFolder()
    let counter = try StoredCounter("site-term", in: Path(files.folder.path))
    #expect(try counter.read(largest: .max) == 0)
    #expect(counter.store(.max))
    let again = try StoredCounter("site-term", in: Path(files.folder.path))
    #expect(try again.read(largest: .max) == .max)
    for damage in ["9223372036854775808\n", "-1\n", "0\n", "", "1"] {
      try files.write("site-term", damage)
      #expect(throws: Diagnostic.self, "\(damage)") { try again.read(largest: .max) }
    }
    #expect(try !StoredCounter("site-term", in: Path("/nonexistent")).store(1))
  }

  /// No two datagrams ever have the same name: what is lost begins a new epoch.
  @Test func anEpochIsThatOfTheFolder() throws {
    let files = try StationFolder()
    let first = Self.state(files.folder.path, random: 12)
    #expect(first.problem == nil && first.epoch == 6 && first.bootCounter == 1)
    let second = Self.state(files.folder.path, random: 40)
    #expect(second.problem == nil && second.epoch == 6 && second.bootCounter == 2)
    try FileManager.default.removeItem(at: files.folder.appendingPathComponent("boot-counter"))
    try FileManager.default.removeItem(at: files.folder.appendingPathComponent("epoch"))
    let lost = Self.state(files.folder.path, random: 40)
    #expect(lost.epoch == 20 && lost.bootCounter == 1)
    // An epoch without its count of boots would have a boot twice.
    try files.write("boot-counter", "x")
    let damaged = Self.state(files.folder.path, random: 60)
    #expect(damaged.problem != nil && damaged.epoch == 30 && damaged.bootCounter == 1)
    #expect(!damaged.isNamed && first.isNamed && lost.isNamed)
    try FileManager.default.removeItem(at: files.folder.appendingPathComponent("boot-counter"))
    let uncounted = Self.state(files.folder.path, random: 80)
    #expect(uncounted.isNamed && uncounted.epoch == 40 && uncounted.bootCounter == 1)
    try files.write("boot-counter", "x")
    #expect(Self.state(files.folder.path, random: 0).epoch == 1, "0 is none")
    #expect(Self.state(files.folder.path, random: .max).epoch == UInt64(Int64.max))
  }

  @Test func whatWasStoredIsThere() throws {
    let files = try StationFolder()
    try files.write("epoch", "77\n")
    try files.write("boot-counter", "7\n")
    try files.write("site-term", "12500\n")
    try files.write("latch", "2\n")
    let state = Self.state(files.folder.path)
    #expect(state.problem == nil && state.bootCounter == 8 && state.epoch == 77)
    #expect(state.siteTerm == 12_500 && state.isAlarmStanding)
    try files.write("latch", "1\n")
    #expect(!Self.state(files.folder.path).isAlarmStanding)
  }

  /// Each is damaged in turn; the others are read, the station starts, and says what is missing.
  @Test(arguments: ["", "x\n", "0\n", "12", "99999999999999999999\n", "1\n2\n", "\0\0\0\0"])
  func whatIsDamagedIsSaidAndNotGuessed(damage: String) throws {
    for name in ["epoch", "boot-counter", "site-term", "latch"] {
      let files = try StationFolder()
      try files.write("epoch", "77\n")
      try files.write("boot-counter", "7\n")
      try files.write("site-term", "12500\n")
      try files.write("latch", "2\n")
      try files.write(name, damage)
      let state = Self.state(files.folder.path)
      let problem = try #require(state.problem).description
      #expect(problem.contains(name), "\(problem)")
      let isNamed = name == "epoch" || name == "boot-counter"
      #expect(state.epoch == (isNamed ? 6 : 77) && state.bootCounter == (isNamed ? 1 : 8))
      #expect(state.siteTerm == (name == "site-term" ? 0 : 12_500))
      #expect(state.isAlarmStanding == (name != "latch"))
    }
  }

  /// One that is not there, and one in which nobody, not even root, can make a file.
  @Test(arguments: ["/nonexistent", "/proc/self"])
  func aDirectoryThatTakesNothingIsSaid(directory: String) throws {
    let state = Self.state(directory)
    let problem = try #require(state.problem).description
    #expect(problem.contains(directory) && problem.contains("cannot be written"))
    #expect(state.bootCounter == 1 && state.epoch == 6)
    for name in ["epoch", "site-term", "latch"] as [StaticString] {
      #expect(try !StoredCounter(name, in: Path(directory)).store(1))
    }
    #expect(!OutboxFile(in: Path(directory)).isWhole)
  }
}
