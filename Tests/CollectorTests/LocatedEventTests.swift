// Events that somebody has located: who may bring them, what is refused, and how they are told.

import Core
import Foundation
import Testing
import Tools
import Uplink

@testable import Collector

@Suite struct LocatedEventTests {
  private static let token = "sixteen letters+"
  private static let may = ["Authorization": "Bearer \(token)"]

  /// Two picks of one station, of the arrivals 1 and 2.
  private static func body(
    _ version: Int = 1, picks: String? = nil, _ change: (String) -> String = { $0 }
  ) -> String {
    let one = "{\"station\":\"XX.ONST1.00.EH\",\"epoch\":\"0000000000000009\",\"boot\":3,"
    let rest = "\"residual_s\":-0.12,\"distance_km\":11.1195}"
    return change(
      "{\"id\":\"20270115-1\",\"version\":\(version),\"time\":\"2027-01-15T07:59:58.5Z\","
        + "\"latitude\":46.2,\"longitude\":-7.5,\"depth_km\":8.25,\"rms_s\":0.1,\"picks\":["
        + (picks
          ?? one + "\"pick_id\":1,\"phase\":\"P\"," + rest + "," + one
          + "\"pick_id\":2,\"phase\":\"S\"," + rest) + "]}")
  }

  private static func post(_ world: RoomWorld, _ body: String) -> (status: UInt32, text: String) {
    world.get("/api/origins", operate: token, headers: may, method: "POST", body: body)
  }

  private static func told() throws -> RoomWorld {
    let world = try RoomWorld()
    world.send(RoomWorld.pick(1, 2))
    world.send(RoomWorld.pick(2, 2, phase: 2))
    var estimate = EstimateMessage()
    (estimate.pickID, estimate.magnitudeHundredths) = (1, 4_20)
    world.send(estimate)
    estimate.magnitudeHundredths = 4_60
    world.send(estimate)
    return world
  }

  @Test func whatSomebodyLocatedIsToldInEachForm() throws {
    let world = try Self.told()
    #expect(Self.post(world, Self.body()).status == 200)
    let all = try #require(try world.object("/api/origins")["origins"] as? [[String: Any]])
    #expect(all.count == 1 && all[0]["magnitude"] as? Double == 4.6)
    #expect(all[0]["station_count"] as? Int == 1 && (all[0]["picks"] as? [Any])?.count == 2)
    let text = world.get("/fdsnws/event/1/query", ["format": "text"]).text.split(separator: "\n")
    #expect(
      text.last
        == "20270115-1|2027-01-15T07:59:58.500000|46.2000|-7.5000|8.3|onset|onset|onset|20270115-1|M|4.6|onset|"
    )
    let xml = world.get("/fdsnws/event/1/query").text
    #expect(
      xml.contains("<arrival publicID=\"smi:local/onset/event/20270115-1/origin/1/onset/XX.ONST1"))
    #expect(xml.contains("<distance>0.1000</distance><timeResidual>-0.120</timeResidual>"))
    #expect(xml.split(separator: "<pick ").count == 3 && xml.contains("<depth><value>8250</value>"))
  }

  @Test func whatIsAskedForIsWhatComes() throws {
    let world = try Self.told()
    #expect(Self.post(world, Self.body()).status == 200)
    func status(_ query: [String: String]) -> UInt32 {
      world.get("/fdsnws/event/1/query", query).status
    }
    for (name, within, beyond) in [
      ("starttime", "2027-01-15T07:59:58", "2027-01-15T07:59:59"),
      ("endtime", "2027-01-15T07:59:59", "2027-01-15T07:59:58"), ("minmagnitude", "4.6", "4.7"),
      ("maxmag", "4.6", "4.5"), ("minlatitude", "46", "47"), ("maxlongitude", "-7", "-8"),
      ("mindepth", "8", "9"),
      ("eventid", "20270115-1", "none"),
    ] {
      #expect(status([name: within]) == 200, "\(name)")
      #expect(status([name: beyond]) == 204, "\(name)")
      #expect(status([name: beyond, "nodata": "404"]) == 404, "\(name)")
    }
    for wrong in [
      ["starttime": "soon"], ["limit": "0"], ["minlatitude": "91"], ["orderby": "size"],
      ["format": "csv"], ["minmagnitude": "5", "maxmagnitude": "4"],
    ] {
      #expect(status(wrong) == 400, "\(wrong)")
    }
  }

  @Test func aNewerVersionReplacesAndOneWithoutPicksWithdraws() throws {
    let world = try Self.told()
    func count() throws -> Int? { (try world.object("/api/origins")["origins"] as? [Any])?.count }
    #expect(Self.post(world, Self.body(2)).status == 200)
    #expect(Self.post(world, Self.body(2)).status == 409)
    #expect(Self.post(world, Self.body(1)).status == 409)
    #expect(
      Self.post(world, Self.body(3) { $0.replacing("46.2", with: "46.3") }).status == 200)
    #expect(world.get("/api/origins").text.contains("\"latitude\":46.30000"))
    try world.beginAgain()
    #expect(try count() == 1)
    #expect(Self.post(world, Self.body(4, picks: "")).status == 200)
    #expect(try count() == 0)
  }

  @Test func whatIsNoEventIsRefusedWithASentence() throws {
    let world = try Self.told()
    for (old, new, said) in [
      ("46.2", "91", "latitude"), ("-7.5", "181", "longitude"), ("8.25", "900", "depth_km"),
      ("20270115-1", "a b", "id must be"), ("\"version\":1", "\"version\":0", "version"),
      ("2027-01-15T07:59:58.5Z", "then", "time is no time"), ("\"P\"", "\"Pg\"", "phase"),
      ("XX.ONST1.00.EH", "ONST1", "station"), ("0000000000000009", "9", "epoch"),
      ("-0.12", "2000", "residual_s"), ("\"pick_id\":2", "\"pick_id\":1", "once"),
      ("\"rms_s\":0.1,", "", "rms_s is missing"), ("\"boot\":3", "\"boot\":\"3\"", "another kind"),
      ("{", "[", "no event"),
    ] {
      let (status, text) = Self.post(world, Self.body { $0.replacing(old, with: new) })
      #expect(status == 400 && text.contains(said), "\(new): \(text)")
    }
    #expect(world.get("/fdsnws/event/1/query").status == 204)
  }

  @Test func whoDoesNotOperateBringsNothing() throws {
    let world = try Self.told()
    for (operate, headers) in [
      (nil, Self.may), (Self.token, [:]), (Self.token, ["Authorization": "Bearer wrong"]),
      (Self.token, ["Authorization": "Bearer a token to look"]),
    ] as [(String?, [String: String])] {
      let (status, _) = world.get(
        "/api/origins", token: "a token to look", operate: operate, headers: headers,
        method: "POST", body: Self.body())
      #expect(status == (operate == nil ? 403 : 401))
    }
    // Who operates may look as well.
    #expect(
      world.get("/api/origins", token: "another", operate: Self.token, headers: Self.may).status
        == 200)
    #expect(world.get("/fdsnws/event/1/query").status == 204)
  }
}
