// Whom a station may talk to, and that nothing is denied where that is not known.

import Foundation
import Testing

@testable import Tools

@Suite struct NetworkLimitsTests {
  private typealias Allowed = NetworkLimits.Allowed

  private func limits(
    _ upstreams: [String] = ["192.0.2.1"], shake: String? = nil, hasOperators: Bool = false,
    _ allowed: NetworkLimits.Allowed = .notSaid
  ) throws -> NetworkLimits {
    try NetworkLimits(
      upstreams: upstreams, shake: shake, hasOperators: hasOperators, allowed: allowed)
  }

  private func allowed(_ limits: NetworkLimits) -> [String] {
    let mark = "IPAddressAllow="
    return (limits.text ?? "").split(separator: "\n").filter { $0.hasPrefix(mark) }
      .map { String($0.dropFirst(mark.count)) }
  }

  @Test func everybodyWhoIsInTheFilesIsAllowed() throws {
    let all = try limits(
      ["192.0.2.1", "2001:db8::1"], shake: "192.0.2.7", hasOperators: true,
      .others(["192.0.2.64/28"]))
    #expect(
      allowed(all) == ["localhost", "192.0.2.1", "2001:db8::1", "192.0.2.64/28", "192.0.2.7"])
    #expect(all.text?.contains("[Service]\nIPAddressDeny=any\n") == true)
    #expect(
      all.remark.contains("192.0.2.1, 2001:db8::1, 192.0.2.64/28, 192.0.2.7 and to this machine"))
    #expect(allowed(try limits()) == ["localhost", "192.0.2.1"])
    #expect(allowed(try limits(hasOperators: true, .upstreamAlone)) == ["localhost", "192.0.2.1"])
    // systemd knows no interfaces within addresses.
    #expect(allowed(try limits(["fe80::1%eth0"])) == ["localhost", "fe80::1"])
  }

  @Test func nothingIsDeniedInDoubt() throws {
    let doubts: [(NetworkLimits, String)] = [
      (try limits(["collector.example.org"]), "collector.example.org is a name"),
      (try limits(["192.0.2.1", "second.example.org"]), "second.example.org is a name"),
      (try limits(["collector.example.org"], .upstreamAlone), "is a name"),
      (try limits(hasOperators: true), "operators are named and not where they are"),
      (try limits(["192.0.2.1"], .anybody), "that was asked for"),
      // An address that is none is a name.
      (try limits(["192.0.2.256"]), "192.0.2.256 is a name"),
    ]
    for (limits, reason) in doubts {
      #expect(limits.text == nil && limits.remark.contains(reason), "\(limits.remark)")
      #expect(limits.remark.hasPrefix("network: the station talks to everybody, because"))
    }
    let error = #expect(throws: ToolError.self) {
      try limits(["collector.example.org"], .others(["192.0.2.64"]))
    }
    #expect(error?.description.contains("would be cut off") == true)
  }

  @Test func networksAreReadAsSystemdReadsThem() throws {
    #expect(try Allowed("any") == Allowed.anybody)
    #expect(try Allowed("collector") == Allowed.upstreamAlone)
    #expect(
      try Allowed("192.0.2.64/28,2001:db8::/32,192.0.2.9")
        == .others(["192.0.2.64/28", "2001:db8::/32", "192.0.2.9"]))
    for text in [
      "", "everybody", "192.0.2.64/33", "192.0.2.64/", "192.0.2.64/+8", "192.0.2.64/8/8",
      "2001:db8::/129",
      "192.0.2.1,", "a.example.org", "192.0.2.1\nIPAddressAllow=any",
    ] {
      let error = #expect(throws: ToolError.self) { try Allowed(text) }
      #expect(error?.description.contains("is no network") == true, "\(text)")
    }
  }

  // MARK: The file

  private func fixture(
    _ body: (Setup, (String, NetworkLimits.Allowed) throws -> [String]) throws -> Void
  ) throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-limits-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().path
    let setup = try Setup(folder: folder + "/etc", share: source, state: folder + "/state")
    let shake = try SetupAnswers.device("raspberry-shake=192.0.2.7", boards: setup.boardNames)
    try body(setup) { upstream, allowed in
      try setup.write(
        SetupAnswers(
          device: shake, code: "XX.ONST1.00.EH", upstream: SetupAnswers.upstream(upstream),
          sensors: [], allowed: allowed), replaces: true)
    }
  }

  @Test func setupWritesRewritesAndTakesAway() throws {
    try fixture { setup, write in
      func text() throws -> String { try String(contentsOfFile: setup.limitsPath, encoding: .utf8) }
      let said = try write("192.0.2.1", .notSaid)
      #expect(said.last?.contains("192.0.2.1, 192.0.2.7 and to this machine alone") == true)
      #expect(said.last?.contains("goes to /etc/systemd/system/onsetd.service.d") == true)
      #expect(
        try text().contains("IPAddressAllow=192.0.2.1\n# The digitizer\nIPAddressAllow=192.0.2.7\n")
      )
      _ = try write("192.0.2.2", .others(["192.0.2.64/28"]))
      #expect(try text().contains("=192.0.2.2\n") && !text().contains("=192.0.2.1\n"))
      #expect(try write("collector.example.org", .notSaid).last?.contains("is a name") == true)
      #expect(!FileManager.default.fileExists(atPath: setup.limitsPath))
    }
  }

  @Test func anotherOnesFileStays() throws {
    try fixture { setup, write in
      _ = try write("192.0.2.1", .notSaid)
      let own = "[Service]\nIPAddressDeny=any\n"
      try own.write(toFile: setup.limitsPath, atomically: true, encoding: .utf8)
      #expect(
        try write("192.0.2.2", .notSaid).last?.contains("was written by hand and stays") == true)
      #expect(try String(contentsOfFile: setup.limitsPath, encoding: .utf8) == own)
    }
  }

  @Test func refusedAnswersChangeNothing() throws {
    try fixture { setup, write in
      _ = try write("192.0.2.1", .notSaid)
      let files = [setup.boardPath, setup.stationPath, setup.limitsPath]
      let before = files.map { FileManager.default.contents(atPath: $0) }
      #expect(throws: ToolError.self) {
        try write("collector.example.org", .others(["192.0.2.64"]))
      }
      #expect(files.map { FileManager.default.contents(atPath: $0) } == before)
    }
  }
}
