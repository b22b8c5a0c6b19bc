// The golden datagrams, and a receiver in another language that was written from the document
// alone.

import Core
import Foundation
import Testing
import Tools

@testable import Uplink

@Suite struct GoldenTests {
  /// All messages, one after another, as in a file of --wire; what is signed is in one of its own,
  /// because the receiver is an upstream. To change the format on purpose: run
  /// ONSET_WRITE_GOLDEN=1 swift test --filter datagramsAreTheGoldenBytes and review the difference.
  @Test func datagramsAreTheGoldenBytes() throws {
    for (name, types) in [("datagrams.bin", Golden.sealed), ("signed.bin", Golden.signed)] {
      var bytes = Data()
      for type in types { Golden.datagram(type).withBytes { bytes.append($0) } }
      let file = Golden.folder.appendingPathComponent(name)
      if ProcessInfo.processInfo.environment["ONSET_WRITE_GOLDEN"] != nil {
        try bytes.write(to: file)
      }
      #expect(try Data(contentsOf: file) == bytes, "\(name)")
    }
  }

  /// The document's own example, byte by byte.
  @Test func documentsExampleIsTheGoldenPick() throws {
    let document = try String(
      contentsOf: Golden.folder.appendingPathComponent("../../Sources/Uplink/WIRE-FORMAT.md"),
      encoding: .utf8)
    let lines = document.split(separator: "\n").drop { !$0.hasPrefix("    4F 4E 53 54 02 01") }
    let hex = lines.prefix { $0.hasPrefix("    ") }.joined(separator: " ")
    let stated = hex.split(separator: " ").compactMap { UInt8($0, radix: 16) }
    #expect(stated == Golden.datagram(.pick).withBytes { Array($0) })
  }

  @Test func pythonReceiverReadsTheSame() throws {
    let output = try runReceiver(
      key: Array(0..<32), file: Golden.folder.appendingPathComponent("datagrams.bin"))
    try #require(output.status == 0, "\(output.error)")
    let lines = try output.text.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    try #require(
      lines.map { $0["type"] as? String }
        == Golden.sealed.map { "\($0)" })
    for line in lines {
      #expect(line["station"] as? String == "XX.ONST1.00.EH")
      #expect(line["epoch"] as? Int == 0x1122_3344_5566_7788)
      #expect(line["boot"] as? Int == 3)
      #expect(line["sequence"] as? Int == 41)
      #expect(line["emitted_ns"] as? Int == 1_398_903_127_910_000_000)
      #expect(line["clock_uncertainty_ns"] as? Int == 2100)
    }
    #expect(lines[0]["time_ns"] as? Int == 1_398_903_127_430_000_000)
    #expect(lines[0]["probability"] is NSNull)
    #expect(lines[0]["first_motion_probability"] as? Double == 0.88)
    #expect(lines[0]["snr_centidecibels"] as? Int == 1720)
    #expect(lines[0]["fingerprint"] as? Int == 0x7020_4081_0203_0405)
    #expect(lines[4]["acknowledged_boot"] as? Int == 3 && lines[4]["newest"] as? Int == 41)
    #expect(lines[4]["stored"] as? Int == 1 << 40 | 0b1011)
    do {
      let line = lines[1]
      #expect(line["frames"] as? Int == 28_800_000_123)
      #expect(line["noise_counts"] as? Double == 61.5)
      #expect(line["temperature_centidegrees"] as? Int == -1250)
      #expect(line["last_pick_ns"] as? Int == 1_398_903_127_430_000_000)
      #expect(line["software"] as? String == "0.2.0")
      #expect(line["model"] as? String == "sta-lta")
      #expect(line["datagrams_rejected"] as? Int == 15)
      let alarm: [String: Int] = [
        "relay": 1, "alarm_state": 2, "keeping": 1, "inhibit": 3, "incapacity": 24,
        "changed_parameters": 9, "calibration_days": -17, "drill_s": 1799, "dropped_actions": 18,
        "unacknowledged": 5, "unacknowledged_second": 6, "given_up": 70_000, "time_stratum": 1,
        "pulse_feed": 3,
        "quorum": 0x72, "refused_votes": 19,
      ]
      for (name, value) in alarm { #expect(line[name] as? Int == value, "\(name)") }
    }
    #expect(lines[5]["operator"] as? UInt64 == 0x8877_6655_4433_2211)
    #expect(lines[5]["boot_nonce"] as? UInt64 == 0xF0E1_D2C3_B4A5_9687)
    let audit: [String: Int] = [
      "issued_us": 86_400_000_123, "life_ms": 45_000, "command_id": 4_000_000_001, "parameter": 2,
      "result": 1, "value": 4500,
    ]
    for (name, value) in audit { #expect(lines[5][name] as? Int == value, "\(name)") }
    let instrument: [String: Int] = [
      "latitude": -338_012_345, "longitude": 1_512_345_678, "elevation_cm": -1250, "depth_cm": 3000,
      "north_azimuth": 1234, "lanes": 5, "quantity": 2, "rate_mhz": 8_000_001,
      "vertical_measured": 20_000, "vertical_until": 21_000, "vertical_counts": 1_048_576,
      "picker_checksum": 0xCAFE_F00D, "estimator_checksum": 7,
    ]
    for (name, value) in instrument { #expect(lines[6][name] as? Int == value, "\(name)") }
    #expect(lines[6]["east_measured"] is NSNull && lines[6]["north_counts"] is NSNull)
    #expect(lines[6]["east_serial"] as? String == "E-3" && lines[6]["board"] as? String == "hat")
    let peaks: [String: Double] = [
      "second_ns": 1_398_903_127_000_000_000, "samples": 100, "clipped_lanes": 2, "jma": -87,
      "vertical_pga_ms2": 0.125, "vertical_pd_m": 0.000_030_517_578_125, "horizontal_pga_ms2": 1.5,
      "horizontal_pgv_ms": 0,
    ]
    for (name, value) in peaks { #expect(lines[7][name] as? Double == value, "\(name)") }
    #expect(lines[7]["horizontal_pd_m"] is NSNull)
    let trial: [String: Int] = [
      "trial_state": 4, "checksum": 0xCAFE_F00D, "live_checksum": 7, "shadow_s": 86_400, "both": 12,
      "live_only": 3, "shadow_only": 70_000, "largest_us": 210_000,
    ]
    for (name, value) in trial { #expect(lines[8][name] as? Int == value, "\(name)") }
    let numbers: [String: Double] = [
      "pick_id": 17, "after_p_ms": 3000, "event_class": 1, "estimate_flags": 14,
      "class_probability": 0.97, "magnitude": -41, "magnitude_sigma": 56,
      "distance_sigma_log10": 220, "distance_m": 38_120, "back_azimuth": 21_234,
      "back_azimuth_sigma": 1850, "tau_c_s": 0.75, "pd_m": 0.000_030_517_578_125, "pa_ms2": 0.125,
      "pv_ms": 0.007_812_5, "pga_ms2": 1.5, "pga_sigma_log10": 418, "pgv_sigma_log10": 487,
      "mmi": 553, "jma": 391, "observed_pga_ms2": 0.25, "observed_pgv_ms": 0, "observed_jma": -123,
    ]
    for (name, value) in numbers { #expect(lines[2][name] as? Double == value, "\(name)") }
    #expect(lines[2]["pgv_ms"] is NSNull)
    let alert: [String: Int] = [
      "alert_id": 4, "pick_id": 17, "pick_time_ns": 1_398_903_127_430_000_000,
      "decided_ns": 1_398_903_128_600_000_000, "level": 2, "reason": 3, "relay": 2, "drill": 1,
      "repeat": 2, "evidence": 25, "votes": 133,
    ]
    for (name, value) in alert { #expect(lines[3][name] as? Int == value, "\(name)") }
  }

  @Test func pythonReceiverRefusesAForgery() throws {
    let output = try runReceiver(
      key: [UInt8](repeating: 1, count: 32),
      file: Golden.folder.appendingPathComponent("datagrams.bin"))
    #expect(output.status == 1)
    #expect(output.error.contains("is not sealed with this key"))
  }

  @Test func pythonReceiverLeavesWhatIsSignedToOperators() throws {
    let output = try runReceiver(
      key: Array(0..<32), file: Golden.folder.appendingPathComponent("signed.bin"))
    #expect(output.status == 1)
    #expect(output.error.contains("is between an operator and a station"))
  }

  @Test func receiverIsShort() throws {
    let text = try String(
      contentsOf: Golden.folder.appendingPathComponent("receiver.py"), encoding: .utf8)
    #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count - 1 <= 70)
  }

  private func runReceiver(
    key: [UInt8], file: URL
  ) throws -> (status: Int32, text: String, error: String) {
    let keyFile = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-key-\(UUID().uuidString)")
    try Data(key).write(to: keyFile)
    defer { try? FileManager.default.removeItem(at: keyFile) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "python3", Golden.folder.appendingPathComponent("receiver.py").path, keyFile.path, file.path,
    ]
    let (out, err) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (out, err)
    try process.run()
    let text = out.fileHandleForReading.readDataToEndOfFile()
    let error = err.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (
      process.terminationStatus, String(decoding: text, as: UTF8.self),
      String(decoding: error, as: UTF8.self)
    )
  }
}
