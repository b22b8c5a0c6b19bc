import Core
import Foundation
import Kernels
import Runtime
import Testing
import Tools

@Suite struct ConfigurationTests {
  private func sentence(_ change: (StationFolder) throws -> Void) throws -> String? {
    let files = try StationFolder()
    try change(files)
    do {
      _ = try files.configuration()
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

  /// A sensor does not stop on a day: the first of the last days is kept, to be told.
  @Test func theFirstCalibrationToRunOutIsKnown() throws {
    let files = try StationFolder()
    let end = try files.configuration().response?.validUntil
    #expect(end == CalendarDate(year: 2026, month: 12, day: 31))
    try files.write(
      "station.toml",
      StationFolder.station.replacingOccurrences(
        of: "[uplink]", with: "north_calibration = \"other.toml\"\n[uplink]"))
    try files.write(
      "other.toml",
      StationFolder.sensor.replacingOccurrences(of: "2026-12-31", with: "2026-02-01"))
    let earlier = try files.configuration().response?.validUntil
    #expect(earlier == CalendarDate(year: 2026, month: 2, day: 1))
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

  /// One that is not signed by whom the file names is as good as missing; without a name anybody's
  /// are taken.
  @Test func networksAreSignedByWhomTheFileNames() throws {
    let files = try StationFolder()
    func path(_ name: String) -> String { files.folder.appendingPathComponent(name).path }
    try PickerNetwork.standard.write(to: path("picker.onet"))
    _ = try ModelSignature.makeKeys(path: path("maker"))
    _ = try ModelSignature.makeKeys(path: path("other"))
    let digits = try KeyFiles.publicKey(path("maker.pub")).withBytes { bytes in
      bytes.map { String(Int($0) + 0x100, radix: 16).dropFirst() }.joined()
    }
    func problem(_ signer: String) throws -> String? {
      try files.write(
        "station.toml",
        StationFolder.station.replacingOccurrences(
          of: "[uplink]", with: "[picker]\nnetwork = \"picker.onet\"\n\(signer)[uplink]"))
      let station = try files.configuration().station
      return StationNetworks(station, kernels: KernelVariant.select().variant)
        .pickerProblem?.description
    }
    let signer = "[networks]\npublic_key = \"\(digits)\"\n"
    #expect(try problem("") == nil)
    #expect(try problem(signer)?.contains("is not signed by the holder of") == true)
    _ = try ModelSignature.sign(path: path("picker.onet"), keyPath: path("other"))
    #expect(try problem(signer)?.contains("is not signed by the holder of") == true)
    try PickerNetwork.standard.write(to: path("picker.onet"))
    _ = try ModelSignature.sign(path: path("picker.onet"), keyPath: path("maker"))
    #expect(try problem(signer) == nil && problem("") == nil)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path("picker.onet")))
    bytes[bytes.count - 1] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path("picker.onet")))
    #expect(try problem(signer)?.contains("is not signed by the holder of") == true)
    #expect(throws: Diagnostic.self) {
      try problem("[networks]\npublic_key = \"\(digits.dropLast())\"\n")
    }
  }
}
