// What is kept over a restart, on disks that keep it and on others.

import Core
import Foundation
import Settings
import Testing
import Tools

@testable import Runtime

/// The time of a clock that nobody has set.
private let unset = UTC(CalendarDate(year: 1970, month: 1, day: 1))
private let realtime = UTC(CalendarDate(year: 2026, month: 6, day: 1))

@Suite struct StateTests {
  @Test func bootCounterGrowsByOneAndRefusesDamage() throws {
    let files = try StationFolder()
    let directory = Path(files.folder.path)
    for expected in 1...3 {
      #expect(try BootCounter.advance(directory: directory, realtime: unset) == UInt32(expected))
    }
    for damage in ["", "x\n", "0\n", "12", "4294967295\n", "99999999999\n", "1\n2\n"] {
      try files.write("boot-counter", damage)
      #expect(throws: Diagnostic.self, "\(damage)") {
        try BootCounter.advance(directory: directory, realtime: unset)
      }
    }
    try files.write("boot-counter", "4294967294\n")
    #expect(try BootCounter.advance(directory: directory, realtime: unset) == .max)
    #expect(throws: Diagnostic.self) {
      try BootCounter.advance(directory: Path("/nonexistent"), realtime: unset)
    }
  }

  @Test func aCounterOfCommandsIsStoredAndReadAgain() throws {
    let files = try StationFolder()
    let counter = try StoredCounter("command-counter", in: Path(files.folder.path))
    #expect(try counter.read(largest: .max) == 0)
    #expect(counter.store(.max))
    let again = try StoredCounter("command-counter", in: Path(files.folder.path))
    #expect(try again.read(largest: .max) == .max)
    for damage in ["9223372036854775808\n", "-1\n", "0\n", "", "1"] {
      try files.write("command-counter", damage)
      #expect(throws: Diagnostic.self, "\(damage)") { try again.read(largest: .max) }
    }
    #expect(try !StoredCounter("command-counter", in: Path("/nonexistent")).store(1))
  }

  /// A clock that was set tells more than a disk that was lost; a disk that was kept, more than a
  /// clock that stands before it.
  @Test func bootCounterGrowsWithAndWithoutItsDisk() throws {
    let files = try StationFolder()
    let directory = Path(files.folder.path)
    let seconds: UInt32 = 1_780_272_000
    #expect(BootCounter.byClock(realtime) == seconds && BootCounter.byClock(unset) == 1)
    #expect(try BootCounter.advance(directory: directory, realtime: unset) == 1)
    #expect(try BootCounter.advance(directory: directory, realtime: realtime) == seconds)
    let later = realtime + nanosecondsPerSecond
    #expect(try BootCounter.advance(directory: directory, realtime: realtime) == seconds + 1)
    #expect(try BootCounter.advance(directory: directory, realtime: realtime) == seconds + 2)
    #expect(try BootCounter.advance(directory: directory, realtime: later) == seconds + 3)
    #expect(try BootCounter.advance(directory: directory, realtime: unset) == seconds + 4)
    try FileManager.default.removeItem(at: files.folder.appendingPathComponent("boot-counter"))
    let lost = try BootCounter.advance(directory: directory, realtime: later + 60_000_000_000)
    #expect(lost == seconds + 61, "the disk was lost a minute later, and no number comes again")
    // Nobody writes to it, and the station starts all the same.
    let absent = KeptState(in: Path("/nonexistent"), realtime: later)
    #expect(absent.bootCounter == seconds + 1)
  }

  @Test func aFirstStartHasNoProblem() throws {
    let files = try StationFolder()
    let state = KeptState(in: Path(files.folder.path), realtime: unset)
    #expect(state.problem == nil && state.bootCounter == 1 && state.commandCounter == 0)
    #expect(state.siteTerm == 0 && !state.isAlarmStanding)
  }

  @Test func whatWasStoredIsThere() throws {
    let files = try StationFolder()
    try files.write("boot-counter", "7\n")
    try files.write("command-counter", "41\n")
    try files.write("site-term", "12500\n")
    try files.write("latch", "2\n")
    let state = KeptState(in: Path(files.folder.path), realtime: unset)
    #expect(state.problem == nil && state.bootCounter == 8 && state.commandCounter == 41)
    #expect(state.siteTerm == 12_500 && state.isAlarmStanding)
    try files.write("latch", "1\n")
    #expect(!KeptState(in: Path(files.folder.path), realtime: unset).isAlarmStanding)
  }

  /// Each is damaged in turn; the others are read, the station starts, and says what is missing.
  @Test(arguments: ["", "x\n", "0\n", "12", "99999999999999999999\n", "1\n2\n", "\0\0\0\0"])
  func whatIsDamagedIsSaidAndNotGuessed(damage: String) throws {
    for name in ["boot-counter", "command-counter", "site-term", "latch"] {
      let files = try StationFolder()
      try files.write("boot-counter", "7\n")
      try files.write("command-counter", "41\n")
      try files.write("site-term", "12500\n")
      try files.write("latch", "2\n")
      try files.write(name, damage)
      let state = KeptState(in: Path(files.folder.path), realtime: realtime)
      let problem = try #require(state.problem).description
      #expect(problem.contains(name), "\(problem)")
      #expect(state.bootCounter == 1_780_272_000)
      #expect(state.commandCounter == (name == "command-counter" ? .max : 41))
      #expect(state.siteTerm == (name == "site-term" ? 0 : 12_500))
      #expect(state.isAlarmStanding == (name != "latch"))
    }
  }

  /// One that is not there, and one in which nobody, not even root, can make a file.
  @Test(arguments: ["/nonexistent", "/proc/self"])
  func aDirectoryThatTakesNothingIsSaid(directory: String) throws {
    let state = KeptState(in: Path(directory), realtime: unset)
    let problem = try #require(state.problem).description
    #expect(problem.contains(directory) && problem.contains("cannot be written"))
    #expect(state.bootCounter == 1 && state.commandCounter == 0)
    for name in ["command-counter", "site-term", "latch"] as [StaticString] {
      #expect(try !StoredCounter(name, in: Path(directory)).store(1))
    }
  }
}
