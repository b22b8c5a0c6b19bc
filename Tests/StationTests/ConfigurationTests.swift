import Board
import Core
import Foundation
import Testing
import Tools

@testable import Station

@Suite struct ConfigurationTests {
  private func sentence(
    _ today: CalendarDate = CalendarDate(year: 2026, month: 6, day: 1),
    _ change: (StationFolder) throws -> Void
  ) throws -> String? {
    let files = try StationFolder()
    try change(files)
    do {
      _ = try files.configuration(today: today)
      return nil
    } catch let error as Diagnostic { return error.description }
  }

  @Test func goodFilesAreRead() throws {
    let configuration = try StationFolder().configuration()
    #expect(configuration.presentLanes == 0b111)
    let response = try #require(configuration.response)
    #expect(response.unitsPerCount[0] == 2e-6)
    #expect(response.unitsPerCount[1] == 0, "a component without calibration has no units")
  }

  @Test func calibrationOutsideItsValidityIsRefused() throws {
    let early = try sentence(CalendarDate(year: 2025, month: 12, day: 31)) { _ in }
    #expect(early?.contains("is valid from 2026-01-01 to 2026-12-31, not on 2025-12-31") == true)
    #expect(try sentence(CalendarDate(year: 2026, month: 12, day: 31)) { _ in } == nil)
    let late = try sentence(CalendarDate(year: 2027, month: 1, day: 1)) { _ in }
    #expect(late?.contains("calibrate the sensor") == true)
  }

  @Test func calibrationsMustFitTogether() throws {
    let mixed = try sentence { files in
      try files.write(
        "station.toml",
        StationFolder.station.replacingOccurrences(
          of: "[uplink]", with: "north_calibration = \"other.toml\"\n[uplink]"))
      try files.write(
        "other.toml",
        StationFolder.sensor.replacingOccurrences(of: "acceleration", with: "velocity")
          .replacingOccurrences(of: "metre_per_second_squared", with: "metre_per_second"))
    }
    #expect(mixed?.contains("differs in quantity or response") == true)
    let absent = try sentence { files in
      try files.write(
        "board.toml",
        StationFolder.board.replacingOccurrences(of: "north_channel = 1\n", with: ""))
      try files.write(
        "station.toml",
        StationFolder.station.replacingOccurrences(
          of: "[uplink]", with: "north_calibration = \"sensor.toml\"\n[uplink]"))
    }
    #expect(absent?.contains("gives no channel") == true)
  }

  @Test func missingFilesAreNamed() throws {
    let missing = try sentence { files in
      try FileManager.default.removeItem(at: files.folder.appendingPathComponent("sensor.toml"))
    }
    #expect(missing?.contains("sensor.toml: cannot be read (No such file") == true)
  }

  @Test func bootCounterGrowsByOneAndRefusesDamage() throws {
    let files = try StationFolder()
    let directory = Path(files.folder.path)
    for expected in 1...3 {
      #expect(try BootCounter.advance(directory: directory) == UInt32(expected))
    }
    for damage in ["", "x\n", "0\n", "12", "4294967295\n", "99999999999\n", "1\n2\n"] {
      try files.write("boot-counter", damage)
      #expect(throws: Diagnostic.self, "\(damage)") {
        try BootCounter.advance(directory: directory)
      }
    }
    try files.write("boot-counter", "4294967294\n")
    #expect(try BootCounter.advance(directory: directory) == .max)
    #expect(throws: Diagnostic.self) { try BootCounter.advance(directory: Path("/nonexistent")) }
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
}
