// Alarms go out: to receivers that answer, that do not, and that come back; once, of however many
// collectors; whether or not the store takes anything.

import Core
import Foundation
import StationFixture
import Synchronization
import Testing
import Tools
import Uplink

@testable import Collector

@Suite struct AlarmDeskTests {
  /// Somebody who is told, and answers with what he is set to.
  private final class Receiver: Sendable {
    private struct State {
      var status: UInt32 = 200
      var told: [(path: String, headers: [String: String], body: String)] = []
    }
    private let state = Mutex(State())
    private let came = DispatchSemaphore(value: 0)
    private let server = Mutex<HttpServerBox?>(nil)
    private struct HttpServerBox: @unchecked Sendable { let server: HttpServer }

    init() throws {
      let box = HttpServerBox(
        server: try HttpServer(host: "127.0.0.1", port: 0) { [unowned self] request in
          let headers = ["Onset-Signature", "Idempotency-Key", "Content-Type"].reduce(into: [:]) {
            $0[$1] = request.header($1)
          }
          let status = state.withLock {
            $0.told.append((request.path, headers, String(decoding: request.body, as: UTF8.self)))
            return $0.status
          }
          came.signal()
          return .text(status, "so it is\n")
        })
      server.withLock { $0 = box }
    }

    var url: String { "http://127.0.0.1:\(server.withLock { $0!.server.port })/told" }
    func answer(with status: UInt32) { state.withLock { $0.status = status } }
    var told: [(path: String, headers: [String: String], body: String)] {
      state.withLock { $0.told }
    }
    /// Until so many have come.
    func wait(for count: Int) -> Bool {
      while told.count < count {
        guard came.wait(timeout: .now() + 30) == .success else { return false }
      }
      return true
    }
    func states() throws -> [String] {
      try told.map {
        let object = try JSONSerialization.jsonObject(with: Data($0.body.utf8)) as? [String: Any]
        return "\(object?["state"] ?? "") \((object?["stations"] as? [Any])?.count ?? 0)"
      }
    }
  }

  private final class World {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-desk-\(UUID().uuidString)")
    private(set) var settings = CollectorSettings()
    private final class Complaints: Sendable { let all = Mutex<[String]>([]) }
    private let complained = Complaints()
    var complaints: [String] { complained.all.withLock { $0 } }

    init() throws {
      let receivers = folder.appendingPathComponent("receivers")
      try FileManager.default.createDirectory(at: receivers, withIntermediateDirectories: true)
      settings.database = folder.appendingPathComponent("onset.sqlite").path
      settings.receivers = receivers.path
      try Data("0123456789abcdef\n".utf8).write(to: receivers.appendingPathComponent("secret"))
      _ = try Store(settings.database, patienceMilliseconds: 0)
    }
    deinit { try? FileManager.default.removeItem(at: folder) }

    func add(_ name: String, _ text: String) throws {
      try Data(text.utf8).write(to: folder.appendingPathComponent("receivers/\(name).toml"))
    }

    func webhook(_ url: String, _ rule: String = "level = \"alarm\"") -> String {
      "[receiver]\nkind = \"webhook\"\nurl = \"\(url)\"\nsecret_file = \"secret\"\n[rule]\n\(rule)\n"
    }

    func desk(_ name: String = "room") throws -> AlarmDesk {
      let made = try AlarmDesk(settings, name: name, passing: nil) { [complained] sentence in
        complained.all.withLock { $0.append(sentence) }
      }
      return try #require(made)
    }
  }

  private static func send(
    _ desks: [AlarmDesk], _ name: String, _ level: AlertLevel, sequence: UInt32,
    pick: UInt32 = 0, into world: World? = nil
  ) throws {
    let now = UTC(nanoseconds: Int64(Date().timeIntervalSince1970 * 1e9))
    var alert = AlertMessage()
    (alert.level, alert.decided, alert.reason) = (level, now, .measuredShaking)
    alert.pickID = pick
    let header = Header(
      type: .alert, station: Text("XX.\(name)..HH"), epoch: 9, bootCounter: 1, sequence: sequence,
      emitted: now, clockState: 3, clockSource: 2, clockUncertaintyNanoseconds: 1000)
    let datagram = Datagram(header, key: testKey) { alert.write(to: &$0) }
    try datagram.withBytes { bytes throws in
      let opened = try OpenedDatagram(bytes, key: nil)
      desks.forEach { $0.note(opened, received: now) }
      if let world {
        _ = try Store(world.settings.database, patienceMilliseconds: 1000).keep(
          [Arrived(bytes: Array(bytes), header: header, received: now)], refused: [])
      }
    }
  }

  @Test func aWebhookIsToldAndSigned() throws {
    let (world, receiver) = (try World(), try Receiver())
    try world.add("siren", world.webhook(receiver.url))
    let desk = try world.desk()
    try Self.send([desk], "A", .alarm, sequence: 1)
    #expect(receiver.wait(for: 1))
    try Self.send([desk], "A", .clear, sequence: 2)
    #expect(receiver.wait(for: 2))
    desk.end()
    #expect(try receiver.states() == ["raised 1", "ended 1"])
    let first = receiver.told[0]
    let name = try #require(first.headers["Idempotency-Key"])
    #expect(name.hasPrefix("siren-XX.A..HH-9-1-1-") && name.hasSuffix("-raised"))
    let parts = try #require(first.headers["Onset-Signature"]).split(separator: ",")
    let second = parts[0].dropFirst(2)
    #expect(
      parts[1].dropFirst(3)
        == AlarmDesk.signature("\(second).\(first.body)", Array("0123456789abcdef".utf8))[...])
  }

  @Test func theClientSaysWhatIsWrong() throws {
    let receiver = try Receiver()
    receiver.answer(with: 404)
    let client = HttpClient(patienceMilliseconds: 2000)
    #expect(try client.ask("POST", receiver.url, body: Array("x".utf8)).status == 404)
    #expect(receiver.told[0].body == "x" && receiver.told[0].path == "/told")
    for (url, said) in [
      ("http://127.0.0.1:1/", "connect"), ("ftp://127.0.0.1/", "ftp"), ("nothing", "resolve"),
    ] {
      #expect { _ = try client.ask("GET", url) } throws: {
        "\($0)".hasPrefix(url.prefix(15)) && "\($0)".lowercased().contains(said)
      }
    }
  }

  /// RFC 4231, test case 2.
  @Test func theSignatureIsHmacSha256() {
    #expect(
      AlarmDesk.signature("what do ya want for nothing?", Array("Jefe".utf8))
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
  }

  @Test func whoIsAwayIsToldWhenHeIsBackAndKeepsNobodyWaiting() throws {
    let (world, away, there) = (try World(), try Receiver(), try Receiver())
    away.answer(with: 503)
    try world.add("away", world.webhook(away.url))
    try world.add("there", world.webhook(there.url))
    let desk = try world.desk()
    try Self.send([desk], "A", .alarm, sequence: 1)
    #expect(there.wait(for: 1) && away.wait(for: 1))
    away.answer(with: 204)
    #expect(away.wait(for: 2))
    try Self.send([desk], "A", .clear, sequence: 2)
    #expect(there.wait(for: 2) && away.wait(for: 3))
    desk.end()
    #expect(try away.states() == ["raised 1", "raised 1", "ended 1"])
    #expect(
      world.complaints.first?.contains("is not told, and is tried again") == true
        && world.complaints.last == "the receiver away takes alarms again")
    #expect(
      desk.report.contains("\"receiver\":\"away\",\"raised\":false,\"told\":2,\"failures\":1"))
  }

  @Test func ofTwoCollectorsOneTellsEvenInAnotherOrder() throws {
    let (world, receiver) = (try World(), try Receiver())
    try world.add("siren", world.webhook(receiver.url))
    let (one, two) = (try world.desk("one"), try world.desk("two"))
    try Self.send([one], "A", .alarm, sequence: 1)
    #expect(receiver.wait(for: 1))
    try Self.send([two], "B", .alarm, sequence: 1)
    try Self.send([two], "A", .alarm, sequence: 1)
    try Self.send([one], "B", .alarm, sequence: 1)
    #expect(receiver.wait(for: 2))
    for desk in [two, one] {
      try Self.send([desk], "A", .clear, sequence: 2)
      try Self.send([desk], "B", .clear, sequence: 2)
    }
    #expect(receiver.wait(for: 3))
    two.end()
    one.end()
    #expect(try receiver.states() == ["raised 1", "extended 2", "ended 1"])
  }

  @Test func whoTakesAnothersPlaceGoesOn() throws {
    let (world, receiver) = (try World(), try Receiver())
    try world.add("siren", world.webhook(receiver.url))
    let first = try world.desk("one")
    try Self.send([first], "A", .alarm, sequence: 1, into: world)
    #expect(receiver.wait(for: 1))
    // It ends, and its place is taken after the station has said that it is over.
    first.end()
    try Self.send([], "A", .clear, sequence: 2, into: world)
    let second = try world.desk("two")
    #expect(receiver.wait(for: 2))
    second.end()
    #expect(try receiver.states() == ["raised 1", "ended 1"])
  }

  /// A foreshock's alarm is over, its end not yet told, when the mainshock's begins.
  @Test func twoAlarmsOfASlowReceiverAreTwo() throws {
    let (world, receiver) = (try World(), try Receiver())
    try world.add("siren", world.webhook(receiver.url))
    let desk = try world.desk()
    try Self.send([desk], "A", .alarm, sequence: 1)
    #expect(receiver.wait(for: 1))
    receiver.answer(with: 503)
    try Self.send([desk], "A", .clear, sequence: 2)
    #expect(receiver.wait(for: 2))
    try Self.send([desk], "A", .alarm, sequence: 3)
    receiver.answer(with: 200)
    #expect(receiver.wait(for: 4))
    try Self.send([desk], "A", .clear, sequence: 4)
    #expect(receiver.wait(for: 5))
    desk.end()
    #expect(try receiver.states() == ["raised 1", "ended 1", "ended 1", "raised 1", "ended 1"])
  }

  @Test func nobodyIsRousedForWhatIsOver() throws {
    let (world, receiver) = (try World(), try Receiver())
    receiver.answer(with: 503)
    try world.add("siren", world.webhook(receiver.url))
    let desk = try world.desk()
    try Self.send([desk], "A", .alarm, sequence: 1)
    #expect(receiver.wait(for: 1))
    try Self.send([desk], "A", .clear, sequence: 2)
    receiver.answer(with: 200)
    #expect(receiver.wait(for: 2))
    desk.end()
    #expect(try receiver.states() == ["raised 1", "ended 1"])
    #expect(desk.report.contains("\"given_up\":1"))
  }

  /// With a rule that asks for an intensity, what was expected comes out of the store as well.
  @Test func anIntensityIsKnownAfterARestart() throws {
    let (world, receiver) = (try World(), try Receiver())
    try world.add(
      "siren", world.webhook(receiver.url, "level = \"alarm\"\nintensity_minimum = 5"))
    let first = try world.desk("one")
    let now = UTC(nanoseconds: Int64(Date().timeIntervalSince1970 * 1e9))
    var estimate = EstimateMessage()
    (estimate.pickID, estimate.modifiedMercalliHundredths) = (7, 6_00)
    let header = Header(
      type: .estimate, station: Text("XX.A..HH"), epoch: 9, bootCounter: 1, sequence: 0,
      emitted: now, clockState: 3, clockSource: 2, clockUncertaintyNanoseconds: 1000)
    try Datagram(header, key: testKey) { estimate.write(to: &$0) }.withBytes { bytes throws in
      first.note(try OpenedDatagram(bytes, key: nil), received: now)
      _ = try Store(world.settings.database, patienceMilliseconds: 1000).keep(
        [Arrived(bytes: Array(bytes), header: header, received: now)], refused: [])
    }
    try Self.send([first], "A", .alarm, sequence: 1, pick: 7, into: world)
    #expect(receiver.wait(for: 1))
    first.end()
    let second = try world.desk("two")
    try Self.send([second], "A", .clear, sequence: 2)
    #expect(receiver.wait(for: 2))
    second.end()
    #expect(try receiver.states() == ["raised 1", "ended 1"])
  }

  @Test func aStoreThatIsGoneKeepsNobodyFromBeingTold() throws {
    let (world, receiver) = (try World(), try Receiver())
    try world.add("siren", world.webhook(receiver.url))
    let desk = try world.desk()
    let holder = try SqliteDatabase(path: world.settings.database, patienceMilliseconds: 0)
    try holder.execute("BEGIN EXCLUSIVE")
    try Self.send([desk], "A", .alarm, sequence: 1)
    #expect(receiver.wait(for: 1))
    try holder.execute("ROLLBACK")
    try Self.send([desk], "A", .clear, sequence: 2)
    #expect(receiver.wait(for: 2))
    desk.end()
    #expect(try receiver.states() == ["raised 1", "ended 1"])
  }

  @Test func capAndAlertmanagerSayTheSame() throws {
    let step = AlarmStep(
      alarm: "XX.A..HH-9-1-1", kind: .extended,
      at: UTC(nanoseconds: 5_500_000_000),
      begun: UTC(nanoseconds: -1_000_000_000),
      parts: [
        AlarmStep.Part(
          station: "XX.A..HH", level: .alarm, decided: UTC(nanoseconds: 0),
          reason: .measuredShaking, isDrill: false, intensity: 7.2),
        AlarmStep.Part(
          station: "XX.B..HH", level: .watch, decided: UTC(nanoseconds: 1),
          reason: .expectedShaking, isDrill: false, intensity: nil),
      ], joined: ["XX.A..HH alarm", "XX.B..HH watch"])
    let cap = AlarmForms.cap(
      step, receiver: "lift", sender: "onset@example.org", places: ["XX.A..HH": (47, 8.5)])
    for part in [
      "<identifier>lift-XX.A..HH-9-1-1-extended-", "<sent>1970-01-01T00:00:05-00:00</sent>",
      "<status>Actual</status><msgType>Update</msgType>",
      "<references>onset@example.org,lift-XX.A..HH-9-1-1-raised,1969-12-31T23:59:59-00:00</references>",
      "<severity>Severe</severity><certainty>Observed</certainty>",
      "<circle>47.0000,8.5000 1</circle>", "<expires>1970-01-01T00:30:05-00:00</expires>",
    ] {
      #expect(cap.contains(part), "\(part) is not in \(cap)")
    }
    // In the order, and with the words, that the Common Alerting Protocol 1.2 has (section 3.4).
    let order = [
      "identifier", "sender", "sent", "status", "msgType", "scope", "restriction", "references",
      "info", "language", "category", "event", "responseType", "urgency", "severity", "certainty",
      "effective", "onset", "expires", "senderName", "headline", "description", "parameter",
      "valueName", "value", "area", "areaDesc", "circle",
    ]
    let names = cap.matches(of: /<([A-Za-z]+)[ >]/).map { String($0.1) }.dropFirst()
    #expect(Array(names) == order)
    #expect(!cap.contains(/<(identifier|sender)>[^<]*[ ,&]/), "neither may have these")
    let json = AlarmForms.alertmanager(step, receiver: "lift")
    let alerts = try #require(
      try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [[String: Any]])
    #expect((alerts[0]["labels"] as? [String: String])?["alarm"] == "XX.A..HH-9-1-1")
    #expect(alerts[0]["endsAt"] as? String == "1970-01-01T00:30:05.500000Z")
  }

  @Test func aReceiverThatIsWronglyDescribedIsRefused() throws {
    let world = try World()
    let rule = "[rule]\nlevel = \"alarm\"\n"
    for (text, said) in [
      ("[receiver]\nkind = \"pigeon\"\n" + rule, "webhook"),
      (
        "[receiver]\nkind = \"webhook\"\nurl = \"ftp://x\"\nsecret_file = \"secret\"\n" + rule,
        "http"
      ),
      (
        "[receiver]\nkind = \"webhook\"\nurl = \"http://x\"\n[rule]\nlevel = \"alarm\"\n",
        "secret_file"
      ),
      (world.webhook("http://x", "level = \"alarm\"\nquorum = 0"), "quorum"),
      (world.webhook("http://x", "level = \"alarm\"\nstation = \"XX\""), "stations"),
      ("[receiver]\nkind = \"cap\"\nurl = \"http://x\"\n[rule]\nlevel = \"alarm\"\n", "sender"),
      ("[receiver]\nkind = \"mqtt\"\n[rule]\nlevel = \"alarm\"\n", "--mqtt"),
    ] {
      try world.add("siren", text)
      #expect { _ = try world.desk() } throws: { "\($0)".contains(said) }
    }
  }
}
