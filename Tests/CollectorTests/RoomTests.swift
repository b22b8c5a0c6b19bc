// What people and programs look at: the newest of every station, events as they unfold, and the same
// after a restart.

import Core
import Foundation
import StationFixture
import Testing
import Tools
import Uplink

@testable import Collector

@Suite struct RoomTests {
  private static let code = RoomWorld.code
  private static let now = RoomWorld.now

  private static var health: HealthMessage {
    var health = HealthMessage()
    (health.isLive, health.relay) = (true, .atRest)
    health.noiseCountsBits = Float(812.5).bitPattern
    health.machine.temperatureCentidegrees = 42_10
    health.machine.diskFreeMebibytes = 12_000
    health.incapacity = .drill
    health.software.append("0.2.0")
    health.model.append("sta-lta")
    return health
  }

  private static func alert(_ level: AlertLevel, pick: UInt32 = 1) -> AlertMessage {
    var alert = AlertMessage()
    (alert.level, alert.pickID, alert.decided) = (level, pick, now)
    alert.relay = level == .alarm ? .actuated : .atRest
    return alert
  }

  @Test func aStationIsAsItsNewestMessagesSay() throws {
    let world = try RoomWorld()
    var instrument = InstrumentMessage()
    (instrument.latitude, instrument.longitude) = (462_000_000, -75_000_000)
    instrument.elevationCentimetres = 120_000
    instrument.quantity = .velocity
    world.send(instrument)
    world.send(Self.health)
    let station = try world.station()
    #expect(station["station"] as? String == Self.code)
    #expect(station["latitude"] as? Double == 46.2 && station["longitude"] as? Double == -7.5)
    #expect(
      station["elevation_m"] as? Double == 1200 && station["quantity"] as? String == "velocity")
    #expect(station["armed"] as? Bool == false && station["why"] as? [String] == ["drill"])
    #expect(
      station["clock"] as? String == "locked" && station["uncertainty_ms"] as? Double == 0.012)
    #expect(station["delay_s"] as? Double == 0.4 && station["noise_counts"] as? Double == 812.5)
    #expect(station["temperature_c"] as? Double == 42.1)
    #expect(station["memory_mib"] is NSNull && station["alarm"] as? String == "quiet")
    // One that was on its way for longer says nothing new.
    var old = Self.health
    old.incapacity = .notLive
    world.send(old, number: 1)
    #expect(try world.station()["why"] as? [String] == ["drill"])
    // Two of ten numbers have not come.
    world.send(Self.health, number: 9)
    #expect(try world.station()["loss_percent"] as? Double == 70)
    for number in 2..<7 as Range<UInt32> { world.send(Self.health, number: number) }
    #expect(try world.station()["loss_percent"] as? Double == 20)
  }

  @Test func anEventIsOneLineThatChanges() throws {
    let world = try RoomWorld()
    func events() throws -> [[String: Any]] {
      try #require(try world.object("/api/events")["events"] as? [[String: Any]])
    }
    world.send(RoomWorld.pick(1, 1), after: 1.25)
    #expect(try events().map { $0["status"] as? String } == ["provisional"])
    world.send(RoomWorld.pick(1, 2), number: 5, after: 3)
    var estimate = EstimateMessage()
    (estimate.pickID, estimate.pickTime, estimate.magnitudeHundredths) = (1, Self.now, 410)
    (estimate.distanceMetres, estimate.eventClass) = (32_000, 1)
    estimate.expectedAcceleration = WireFloat(0.125)
    world.send(estimate)
    world.send(Self.alert(.alarm))
    // A provisional pick that comes again, late.
    world.send(RoomWorld.pick(1, 1), number: 2)
    let event = try #require(try events().first)
    #expect(try events().count == 1)
    #expect(event["status"] as? String == "confirmed" && event["level"] as? String == "alarm")
    #expect(event["magnitude"] as? Double == 4.1 && event["class"] as? String == "earthquake")
    #expect(event["distance_km"] as? Double == 32 && event["pga_ms2"] as? Double == 0.125)
    #expect(event["told_s"] as? Double == -1, "by the pick that was told first")
    #expect(event["mmi"] is NSNull)
    for id in 2...(UInt32(EventList.capacity) + 20) { world.send(RoomWorld.pick(id, 2)) }
    let all = try events()
    #expect(
      all.count == EventList.capacity && all.first?["pick_id"] as? Int == EventList.capacity + 20)
  }

  @Test func anAlarmStandsUntilTheNewestWordSaysOtherwise() throws {
    let world = try RoomWorld()
    func alarm() throws -> String? { try world.station()["alarm"] as? String }
    world.send(Self.health)
    world.send(Self.alert(.alarm), number: 10)
    #expect(try alarm() == "alarm")
    world.send(Self.alert(.clear), number: 20)
    #expect(try alarm() == "quiet")
    world.send(Self.alert(.alarm), number: 11)
    #expect(try alarm() == "quiet", "a repeat that came late")
    world.send(Self.alert(.watch), number: 30)
    #expect(try alarm() == "watch")
    // It was cut off, and is there again.
    world.boot = 4
    world.send(Self.health, number: 0)
    #expect(try alarm() == "quiet")
  }

  @Test func afterARestartItIsAsBefore() throws {
    let world = try RoomWorld()
    var instrument = InstrumentMessage()
    (instrument.latitude, instrument.longitude) = (462_000_000, 75_000_000)
    world.send(instrument)
    world.send(Self.health)
    for id in 1...5 as ClosedRange<UInt32> { world.send(RoomWorld.pick(id, 2)) }
    var estimate = EstimateMessage()
    (estimate.pickID, estimate.pickTime) = (3, Self.now + 3_000_000_000)
    estimate.magnitudeHundredths = -50
    estimate.peakDisplacement = WireFloat(1.5e-6)
    world.send(estimate)
    world.send(Self.alert(.watch, pick: 3))
    var last = Self.health
    last.alarmState = 1
    world.send(last)
    let before = (world.get("/api/events").text, try world.station())
    try world.beginAgain()
    #expect(world.get("/api/events").text == before.0)
    var after = try world.station()
    // What was sent while nobody heard is not lost on the way.
    #expect(after.removeValue(forKey: "loss_percent") is NSNull)
    var expected = before.1
    expected.removeValue(forKey: "loss_percent")
    #expect(NSDictionary(dictionary: after) == NSDictionary(dictionary: expected))
    let one = try world.object("/api/stations/\(Self.code)")
    let history = try #require(one["history"] as? [[String: Any]])
    #expect(history.map { $0["noise_counts"] as? Double } == [812.5, 812.5])
    #expect((one["events"] as? [Any])?.count == 5)
  }

  @Test func picksGoOutInFourForms() throws {
    let world = try RoomWorld()
    world.send(RoomWorld.pick(1, 2))
    world.send(RoomWorld.pick(2, 3))
    world.send(RoomWorld.pick(3, 2, phase: 2))
    var estimate = EstimateMessage()
    (estimate.pickID, estimate.pickTime) = (1, Self.now)
    estimate.peakDisplacement = WireFloat(0.5)
    world.send(estimate)
    let text = world.get("/api/picks").text.split(separator: "\n")
    #expect(text.count == 3, "what was retracted is no pick")
    #expect(
      text[1]
        == "onset/XX.ONST1.00.EH/9/3/1|XX|ONST1|00|EHZ|2027-01-15T08:00:01.000000|0.030|P|positive|0.9700|17.2|A"
    )
    #expect(
      world.get("/api/picks", ["format": "earthworm"]).text
        == "8 0 0 1 ONST1.EHZ.XX.00 U0 20270115080001.000 0 0 0\n"
        + "8 0 0 3 ONST1.EH.XX.00 U0 20270115080003.000 0 0 0\n")
    let quakeml = world.get("/api/picks", ["format": "quakeml"]).text
    #expect(quakeml.split(separator: "<pick ").count == 3)
    #expect(
      quakeml.contains(
        "<genericAmplitude><value>0.5</value></genericAmplitude><type>PD</type><unit>m</unit>"
          + "<pickID>smi:local/onset/XX.ONST1.00.EH/9/3/1</pickID>"))
    let scml = world.get("/api/picks", ["format": "scml"]).text
    #expect(scml.split(separator: "<pick publicID=").count == 3)
    // Times, stations and how many.
    #expect(world.get("/api/picks", ["starttime": "2027-01-15T08:00:02"]).text.contains("|S|"))
    #expect(!world.get("/api/picks", ["endtime": "2027-01-15T08:00:02"]).text.contains("|S|"))
    #expect(world.get("/api/picks", ["limit": "1"]).text.split(separator: "\n").count == 2)
    #expect(
      world.get("/api/picks", ["station": "XX.OTHER..EH"]).text.split(separator: "\n").count == 1)
    for query in [["limit": "0"], ["limit": "x"], ["starttime": "yesterday"], ["format": "xml"]] {
      #expect(world.get("/api/picks", query).status == 400)
    }
  }

  @Test func figuresAreInPrometheusForm() throws {
    let world = try RoomWorld()
    world.send(Self.health)
    world.room.note(report: "{\"stored\":5,\"storing\":true,\"refused\":{\"is \\\"odd\\\"\":2}}")
    let lines = world.get("/metrics").text.split(separator: "\n").map(String.init)
    for line in lines {
      let isSample = line.wholeMatch(of: /[a-z_]+(\{[a-z]+="([^"\\]|\\.)*"\})? [-0-9.e+]+/) != nil
      #expect(
        isSample || line.hasPrefix("# HELP onset_") || line.hasPrefix("# TYPE onset_"), "\(line)")
    }
    #expect(lines.contains("onset_station_armed{station=\"XX.ONST1.00.EH\"} 0.0"))
    #expect(
      lines.contains("onset_station_disk_free_bytes{station=\"XX.ONST1.00.EH\"} 12582912000.0"))
    #expect(lines.contains("onset_collector_stored_total 5.0"))
    #expect(lines.contains("onset_collector_storing 1.0"))
    #expect(lines.contains("onset_collector_refused_total{cause=\"is \\\"odd\\\"\"} 2.0"))
    #expect(!lines.contains { $0.hasPrefix("onset_station_memory") || $0.contains("nan") })
  }

  @Test func aClockInTheFutureDoesNotKeepTheList() throws {
    let world = try RoomWorld()
    var future = RoomWorld.pick(1, 2)
    for id in 1...UInt32(EventList.capacity) {
      future.id = id
      future.time = Self.now + Int64(id) * 86_400_000_000_000
      world.send(future)
    }
    world.send(RoomWorld.pick(900, 2))
    let events = try #require(try world.object("/api/events")["events"] as? [[String: Any]])
    #expect(events.count == EventList.capacity)
    #expect(events.contains { $0["pick_id"] as? Int == 900 })
  }

  @Test func whoDoesNotReadIsLetGo() {
    let stream = LiveStream()
    let piece = [UInt8](repeating: 1, count: 1 << 20)
    let taken = (0..<6).map { _ in stream.send(piece) }
    #expect(taken == [true, true, true, true, false, false])
  }

  /// The collector stores what a key in its folder has sealed, whatever the station is called.
  @Test func whatHasNoStationsCodeIsNotGivenToOthers() throws {
    let provenance = [SqlValue](repeating: .integer(1), count: 9)
    let fields: [SqlValue] = [
      .integer(1), .integer(2), .integer(1), .integer(0), .integer(1), .integer(0), .integer(0),
      .integer(9000), .integer(9000), .integer(0), .integer(1), .integer(0), .integer(0),
    ]
    func isRead(_ code: String, _ fields: [SqlValue]) -> Bool {
      StoredMessage<PickMessage>([.text(code)] + provenance + fields) != nil
    }
    #expect(isRead("XX.ONST1..EH", fields))
    #expect(!isRead("SITE1", fields))
    for place in [1, 2, 4, 10] {
      var wrong = fields
      wrong[place] = .integer(9)
      #expect(!isRead("XX.ONST1..EH", wrong), "field \(place)")
    }
  }

  @Test func whoMayNotLookSeesNothing() throws {
    let world = try RoomWorld()
    world.send(Self.health)
    let paths = [
      "/api/stations", "/api/stations/\(Self.code)", "/api/events", "/api/live", "/api/picks",
      "/metrics",
      "/nothing",
    ]
    let token = "sixteen letters+"
    for path in paths {
      for header in [
        nil, "", "Bearer", "Bearer sixteen letters", "Bearer sixteen letters+ ", token,
      ] {
        let headers = header.map { ["Authorization": $0] } ?? [:]
        let (status, text) = world.get(path, token: token, headers: headers)
        #expect(status == 401 && !text.contains(Self.code), "\(path) \(header ?? "")")
      }
      let (allowed, _) = world.get(
        path, token: token, headers: ["Authorization": "Bearer \(token)", "Host": "onset.example"])
      #expect(allowed == (path == "/nothing" ? 404 : path == "/api/live" ? 0 : 200))
      // Without a token this machine alone may look, by a name of its own.
      for host in [
        "onset.example", "evil.example:8080", "127.0.0.1.evil.example", "[2001:db8::1]:80",
      ] {
        #expect(world.get(path, headers: ["Host": host]).status == 403, "\(host)")
      }
      for host in ["localhost:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080", "LOCALHOST"] {
        #expect(world.get(path, headers: ["Host": host]).status != 403, "\(host)")
      }
      #expect(world.get(path, method: "POST").status == 405)
      for header in ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"] {
        #expect(world.get(path, headers: [header: "192.0.2.1"]).status == 403, "through a proxy")
      }
    }
    #expect(
      world.get("/", headers: ["Host": "onset.example"]).status == 200, "it has nothing to hide")
    #expect(world.get("/api/stations/XX.OTHER..EH").status == 404)
  }
}
