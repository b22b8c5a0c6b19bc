import Board
import Core
import Decision
import Picker
import Testing
import Tools
import Uplink

private let good = Lines(
  """
  [station]
  format = 1
  code = "XX.ONST1.00.EH"
  [sensor]
  vertical_calibration = "cal/z.toml"
  north_calibration = "/etc/onset/n.toml"
  [picker]
  band_low_hertz = 3
  band_high_hertz = 30.5
  short_term_seconds = 0.5
  long_term_seconds = 20
  trigger_ratio = 8
  release_ratio = 2.5
  minimum_duration_milliseconds = 200
  refractory_milliseconds = 5000
  network = "models/picker.onet"
  announce_probability = 0.25
  confirm_probability = 0.45
  shear_probability = 0.55
  event_probability = 0
  unseen_probability = 0.75
  announce_unseen_probability = 0.65
  [estimator]
  relations = "r.toml"
  network = "models/e.onet"
  [alarm]
  acceleration_metres_per_second_squared = 0.3
  velocity_metres_per_second = 0.03
  watch_probability = 0.1
  alarm_probability = 0.4
  displacement_metres = 0.001
  period_seconds = 0.5
  hold_seconds = 20
  refractory_seconds = 5
  latch = true
  jma_intensity = 4.5
  modified_mercalli = 6
  earthquake_probability = 0.2
  [uplink]
  host = "collector.example.org"
  port = 6464
  listen_port = 6465
  key_file = "station.key"
  [state]
  directory = "state"
  """)

@Suite struct StationFileTests {
  private func read(_ lines: Lines, path: String = "/etc/onset/station.toml") throws -> StationFile
  {
    try parse(lines.text, path: path) { file throws(Diagnostic) in try StationFile(&file) }
  }

  private func refused(_ lines: Lines) -> String {
    refusal(lines.text) { file throws(Diagnostic) in try StationFile(&file) } ?? "accepted"
  }

  @Test func everyKeyArrives() throws {
    let station = try read(good)
    #expect(station.code.string == "XX.ONST1.00.EH")
    #expect(station.picker.bandLowHertz == 3)
    #expect(station.picker.bandHighHertz == 30.5)
    #expect(station.picker.shortTermSeconds == 0.5)
    #expect(station.picker.longTermSeconds == 20)
    #expect(station.picker.triggerRatio == 8)
    #expect(station.picker.releaseRatio == 2.5)
    #expect(station.picker.minimumDurationMilliseconds == 200)
    #expect(station.picker.refractoryMilliseconds == 5000)
    #expect(station.network.string == "/etc/onset/models/picker.onet")
    #expect(station.picker.network.announceProbability == 0.25)
    #expect(station.picker.network.confirmProbability == 0.45)
    #expect(station.picker.network.shearProbability == 0.55)
    #expect(station.picker.network.eventProbability == 0)
    #expect(station.picker.network.unseenProbability == 0.75)
    #expect(station.picker.network.announceUnseenProbability == 0.65)
    #expect(station.relations.string == "/etc/onset/r.toml")
    let alarm = station.alarm
    #expect(alarm.accelerationMetresPerSecondSquared == 0.3)
    #expect(alarm.velocityMetresPerSecond == 0.03)
    #expect((alarm.watchProbability, alarm.alarmProbability) == (0.1, 0.4))
    #expect((alarm.displacementMetres, alarm.periodSeconds) == (0.001, 0.5))
    #expect((alarm.holdSeconds, alarm.refractorySeconds) == (20, 5))
    #expect(alarm.isLatched)
    #expect((alarm.jmaIntensity, alarm.modifiedMercalli) == (4.5, 6))
    #expect(alarm.earthquakeProbability == 0.2)
    #expect(station.estimatorNetwork.equals("/etc/onset/models/e.onet"))
    #expect(station.uplink.first.host.string == "collector.example.org")
    #expect(station.uplink.first.port == 6464)
    #expect(station.uplink.listenPort == 6465)
  }

  @Test func pathsAreRelativeToTheFolderOfTheFile() throws {
    let station = try read(good)
    #expect(station.calibrations[0].string == "/etc/onset/cal/z.toml")
    #expect(station.calibrations[1].string == "/etc/onset/n.toml")
    #expect(station.calibrations[2].isEmpty)
    #expect(station.uplink.first.keyFile.string == "/etc/onset/station.key")
    #expect(station.stateDirectory.string == "/etc/onset/state")
    #expect(try read(good, path: "station.toml").uplink.first.keyFile.string == "station.key")
    #expect(try read(good, path: "a/b").uplink.first.keyFile.string == "a/station.key")
  }

  @Test func aPathTooLongWithItsFolderIsRefused() throws {
    let folder = String(repeating: "f", count: 199) + "/"
    let fits = good.with("key_file", "\"\(String(repeating: "k", count: 56))\"")
    #expect(try read(fits, path: folder + "s.toml").uplink.first.keyFile.count == 256)
    let tooLong = good.with("key_file", "\"\(String(repeating: "k", count: 57))\"")
    let sentence = refusal(tooLong.text, path: folder + "s.toml") { file throws(Diagnostic) in
      try StationFile(&file)
    }
    #expect(sentence?.contains(":43: key_file is too long together with the folder") == true)
  }

  /// Fewer a day by surer picks; and who states both must mean one.
  @Test func aLimitMayBeNamedAsPicksADay() throws {
    func network(_ rate: String) throws -> NetworkPickerSettings {
      try read(
        good.without("confirm_probability", "unseen_probability")
          .with("trigger_ratio", "6\nunsupported_a_day = \(rate)")
      ).picker.network
    }
    let usual = try network("38")
    #expect((usual.confirmProbability - 0.5).magnitude < 1e-9)
    #expect((usual.unseenProbability - 0.75).magnitude < 1e-9)
    var last = 0.0
    for rate in ["70", "54", "40", "20", "11", "6"] {
      let found = try network(rate)
      #expect(found.confirmProbability > last && found.confirmProbability < 0.8)
      #expect(found.unseenProbability > found.confirmProbability)
      last = found.confirmProbability
    }
    #expect(throws: Diagnostic.self) { try network("5") }
    #expect {
      _ = try read(good.with("trigger_ratio", "6\nunsupported_a_day = 38"))
    } throws: { "\($0)".contains("state it or them") }
  }

  @Test(arguments: [("1", "drop one of them"), ("0", "from 0.02 to 500")])
  func aCostThatIsWrong(_ cost: String, _ part: String) {
    #expect {
      let lines = cost == "1" ? good : good.without("alarm_probability")
      _ = try read(lines.adding("false_alarm_cost = \(cost)", after: "[alarm]"))
    } throws: {
      "\($0)".contains(part)
    }
  }

  /// To act is right where what is spared outweighs what it costs.
  @Test(
    arguments: [(1.0, 0.5), (0.25, 0.2), (4.0, 0.8), (500.0, 500.0 / 501)] as [(Double, Double)])
  func aCostIsAProbability(_ cost: Double, _ probability: Double) throws {
    let lines = good.without("alarm_probability").with("watch_probability", "0.01")
    let alarm = try read(lines.adding("false_alarm_cost = \(cost)", after: "[alarm]")).alarm
    #expect((alarm.alarmProbability - probability).magnitude < 1e-12)
    let other = good.without("watch_probability").with("alarm_probability", "0.999")
    let watch = try read(other.adding("false_watch_cost = \(cost)", after: "[alarm]")).alarm
    #expect((watch.watchProbability - probability).magnitude < 1e-12)
  }

  @Test func thePickerHasDefaults() throws {
    let keys = [
      "[picker]", "band_low_hertz", "band_high_hertz", "short_term_seconds", "long_term_seconds",
      "trigger_ratio", "release_ratio", "minimum_duration_milliseconds", "refractory_milliseconds",
      "network", "announce_probability", "confirm_probability", "shear_probability",
      "event_probability", "unseen_probability", "announce_unseen_probability", "[estimator]",
      "relations", "network", "[alarm]", "acceleration_metres_per_second_squared",
      "velocity_metres_per_second", "watch_probability",
      "alarm_probability", "displacement_metres", "period_seconds", "hold_seconds",
      "refractory_seconds", "latch", "jma_intensity", "modified_mercalli", "earthquake_probability",
    ]
    let lines = keys.reduce(good) { $0.without($1) }
    #expect(try read(lines).picker == PickerSettings())
    #expect(try read(lines).alarm == AlarmSettings())
    #expect(try read(lines).relations.isEmpty)
    #expect(try read(lines).network.isEmpty, "STA/LTA picks where no network is named")
    #expect(
      try read(lines.without("vertical_calibration", "north_calibration", "[sensor]"))
        .calibrations[0].isEmpty)
  }

  @Test(arguments: [
    ("format", "2", "from 1 to 1"),
    ("code", "\"XX.ONST1.00\"", "must be NET.STA.LOC.BS"),
    ("code", "\"xx.ONST1.00.EH\"", "must be NET.STA.LOC.BS"),
    ("code", "\"ABCDEFGH.ABCDEFGH.00.EH12\"", "1 to 24 characters"),
    ("vertical_calibration", "\"\"", "1 to 256 characters"),
    ("network", "\"\"", "1 to 256 characters"),
    ("announce_probability", "0", "from 0.01 to 0.99"),
    ("confirm_probability", "1", "from 0.01 to 0.99"),
    ("shear_probability", "\"high\"", "must be a number"),
    ("event_probability", "-0.1", "from 0 to 0.99"),
    ("unseen_probability", "1.5", "from 0 to 0.99"),
    ("announce_unseen_probability", "1", "from 0 to 0.99"),
    ("relations", "\"\"", "1 to 256 characters"),
    ("acceleration_metres_per_second_squared", "0", "from 0.001 to 20"),
    ("velocity_metres_per_second", "0", "from 1e-4 to 2"),
    ("alarm_probability", "1", "from 0.01 to 0.999"),
    ("watch_probability", "0.5", "at or below the alarm's"),
    ("displacement_metres", "2", "from 1e-5 to 1"),
    ("period_seconds", "0", "from 0.1 to 10"),
    ("hold_seconds", "0", "from 1 to 3600"),
    ("refractory_seconds", "-1", "from 0 to 3600"),
    ("latch", "1", "must be true"),
    ("jma_intensity", "8", "from 0 to 7"),
    ("modified_mercalli", "1", "from 2 to 10"),
    ("earthquake_probability", "1", "from 0 to 0.99"),
    ("band_low_hertz", "0.09", "from 0.1 to 20"),
    ("band_high_hertz", "40.1", "from 1 to 40"),
    ("band_high_hertz", "5.9", "leaves no octave"),
    ("short_term_seconds", "5.5", "from 0.05 to 5"),
    ("long_term_seconds", "2.4", "at least five times short_term_seconds"),
    ("trigger_ratio", "1.4", "from 1.5 to 1000"),
    ("release_ratio", "8", "must leave release_ratio below trigger_ratio"),
    ("minimum_duration_milliseconds", "9", "from 10 to 1000"),
    ("refractory_milliseconds", "2999", "from 3000 to 60000"),
    ("host", "6464", "a text in double quotes of 1 to 128"),
    ("port", "0", "from 1 to 65535"),
    ("port", "65536", "from 1 to 65535"),
    ("listen_port", "6465.0", "a whole number from 1 to 65535"),
  ])
  func valuesThatAreWrong(_ key: String, _ value: String, _ phrase: String) {
    let sentence = refused(good.with(key, value))
    #expect(sentence.hasPrefix("t.toml:\(good.number(of: key)): \(key) "))
    #expect(sentence.contains(phrase))
  }

  @Test(arguments: [
    ("band_high_hertz", "6", 6), ("long_term_seconds", "2.5", 2.5), ("release_ratio", "7.9", 7.9),
  ])
  func theLimitsBetweenTwoKeysAreFine(_ key: String, _ value: String, _ expected: Double) throws {
    let picker = try read(good.with(key, value)).picker
    #expect([picker.bandHighHertz, picker.longTermSeconds, picker.releaseRatio].contains(expected))
  }

  /// Against a default, the line to blame is the one that is there.
  @Test(arguments: [
    ("band_high_hertz", "band_low_hertz", "15", "leaves no octave"),
    ("long_term_seconds", "short_term_seconds", "2.1", "at least five times"),
    ("release_ratio", "trigger_ratio", "1.5", "below trigger_ratio"),
  ])
  func aContradictionOfADefault(_ absent: String, _ key: String, _ value: String, _ phrase: String)
  {
    let lines = good.without(absent).with(key, value)
    let sentence = refused(lines)
    #expect(sentence.hasPrefix("t.toml:\(lines.number(of: key)): \(key) "))
    #expect(sentence.contains(phrase))
  }

  @Test(arguments: ["format", "code", "host", "port", "listen_port"])
  func missingKeys(_ key: String) {
    #expect(refused(good.without(key)).hasPrefix("t.toml: missing key \(key) in ["))
  }

  @Test func theKeyFileIsNeeded() {
    #expect(
      refused(good.without("key_file"))
        == "t.toml: missing key key_file in [uplink]: a text in double quotes of 1 to 256 characters is needed"
    )
  }

  @Test func theStateDirectoryIsNeeded() {
    #expect(
      refused(good.without("[state]", "directory"))
        == "t.toml: missing key directory in [state]: a text in double quotes of 1 to 256 characters is needed"
    )
  }

  @Test func unknownKeysAreRefused() {
    let lines = good.adding("trigger_ration = 3", after: "trigger_ratio")
    #expect(
      refused(lines)
        == "t.toml:13: unknown key trigger_ration in [picker]; "
        + "did you mean trigger_ratio in [picker]?")
  }

  @Test(arguments: [
    ("XX.ONST1.00.EH", true), ("XX.ONST1..EH", true), ("A.B.C.DE", true),
    ("12345678.12345678.12.EH", true), ("X.ABC.12345678.EH", true), ("", false), ("XX", false),
    ("XX.ONST1.EH", false), (".ONST1.00.EH", false), ("XX..00.EH", false), ("XX.ONST1.00.E", false),
    ("XX.ONST1.00.EHZ", false), ("XX.ONST1.00.", false), ("XX.ONST1.00.EH.", false),
    ("XX.ONST1.00.E.H", false), ("XX.onst1.00.EH", false), ("XX.ON-T1.00.EH", false),
    ("123456789.A.00.EH", false), ("XX.123456789.00.EH", false), ("XX.A.123456789.EH", false),
    ("XX.A. .EH", false),
  ])
  func stationCodes(_ code: String, _ isGood: Bool) {
    #expect(StationCode(code).isStationCode == isGood)
  }

  @Test func theSiteIsInTheWiresUnits() throws {
    let none = try read(good).site
    #expect(none.latitude == InstrumentMessage.unknownPlace && none.northAzimuthCentidegrees == 0)
    let site = """
      [site]
      latitude_degrees = -33.8012345
      longitude_degrees = 151.2345678
      elevation_metres = -12.5
      """
    let found = try read(Lines(good.text + "\n" + site)).site
    #expect(found.latitude == -338_012_345 && found.longitude == 1_512_345_678)
    #expect(found.elevationCentimetres == -1250 && found.depthCentimetres == 0)
    let more = try read(
      Lines(good.text + "\n" + site + "\ndepth_metres = 30\nnorth_azimuth_degrees = 12.34")
    ).site
    #expect(more.depthCentimetres == 3000 && more.northAzimuthCentidegrees == 1234)
    for line in ["latitude_degrees = 90.1", "elevation_metres = 1", "north_azimuth_degrees = 360"] {
      #expect(refused(Lines(good.text + "\n[site]\n" + line)) != "accepted", "\(line)")
    }
  }

  private static let digits = String(repeating: "0123456789abCDef", count: 4)
  private static let otherDigits = "ff" + digits.dropFirst(2)

  private func quorum(_ lines: String...) -> Lines {
    Lines(([good.text, "[quorum]"] + lines).joined(separator: "\n"))
  }

  @Test func theSitesOtherStationsHaveKeysAndPlaces() throws {
    let none = try read(good)
    #expect(none.peers.count == 0 && none.quorum == QuorumSettings() && none.quorum.needed == 1)
    let two = try read(
      quorum(
        "needed = 3", "peer_1 = \"\(Self.digits) 192.0.2.12 6465\"",
        "peer_2 = \"\(Self.otherDigits)  b.example.org  65535\"", "within_milliseconds = 1500",
        "when_silent = \"wait\""))
    #expect(two.peers.count == 2 && two.peers[1].port == 65535)
    #expect(two.peers[0].host.equals("192.0.2.12") && two.peers[1].host.equals("b.example.org"))
    #expect(two.peers.place(of: two.peers[1].key.name) == 1)
    #expect(two.quorum.needed == 3 && two.quorum.withinMilliseconds == 1500)
    #expect(!two.quorum.isAloneWhenSilent)
    let alone = try read(
      quorum("needed = 2", "peer_1 = \"\(Self.digits) a 1\"", "when_silent = \"alone\""))
    #expect(alone.quorum.isAloneWhenSilent && alone.quorum.withinMilliseconds == 2000)
  }

  @Test func aQuorumThatIsWrong() {
    func refusal(_ lines: String...) -> String {
      refused(
        Lines(([good.text, "[quorum]", "when_silent = \"wait\""] + lines).joined(separator: "\n")))
    }
    let (one, other) = ("peer_1 = \"\(Self.digits) a 1\"", "peer_2 = \"\(Self.otherDigits) a 1\"")
    #expect(refusal("needed = 2").contains("missing key peer_1 in [quorum]"))
    #expect(refused(quorum("needed = 2", one)).contains("missing key when_silent in [quorum]"))
    #expect(refusal(one).contains("missing key needed in [quorum]"))
    #expect(refusal("needed = 3", one).contains("at most the number of peers and one more"))
    #expect(refusal("needed = 1", one).contains("from 2 to 8"))
    #expect(refusal("needed = 2", one, other).contains("the address and port of a peer before it"))
    #expect(
      refusal("needed = 2", one, "peer_3 = \"\(Self.digits) b 1\"")
        .contains("has the key of a peer before it"))
    #expect(refusal("needed = 2", one, "within_milliseconds = 999").contains("from 1000 to 10000"))
    for peer in [
      "\(Self.digits) a", "\(Self.digits) a 0", "\(Self.digits) a 65536", "\(Self.digits)a 1",
      "\(Self.digits) a 1 ", "\(Self.digits) a 1x", "a 1",
    ] {
      #expect(
        refusal("needed = 2", "peer_1 = \"\(peer)\"").contains(
          "must be 64 hexadecimal digits, a public key"), "\(peer)")
    }
  }

  private func operators(_ lines: String...) -> (Operators?, String) {
    let text = Lines(([good.text, "[operators]"] + lines).joined(separator: "\n"))
    return ((try? read(text))?.operators, refused(text))
  }

  @Test func operatorsHaveKeysAndRights() throws {
    #expect(try read(good).operators.count == 0)
    let other = "ff" + Self.digits.dropFirst(2)
    let (found, _) = operators(
      "operator_1 = \"\(Self.digits) watch relay\"", "operator_8 = \"\(other)  update tune\"")
    let operators = try #require(found)
    #expect(operators.count == 2)
    #expect(operators[0].rights == Rights.watch.union(.relay))
    #expect(operators[1].rights == Rights.update.union(.tune))
    #expect(operators[0].key == PublicKey(hexadecimal: Text(Self.digits)))
    #expect(operators.place(of: 0xEFCD_AB89_6745_2301) == 0)
    #expect(operators.place(of: 0xEFCD_AB89_6745_23FF) == 1)
    #expect(operators.place(of: 1) == nil)
  }

  @Test(arguments: [
    "\(digits)", "\(digits) ", "\(digits)watch", "\(digits) watches", "watch", "x \(digits)",
    "\(digits.dropLast()) watch", "\(digits) watch,tune", "\(digits) watch and everything else",
  ]) func anOperatorThatIsNoneIsRefused(_ text: String) {
    let (found, sentence) = operators("operator_3 = \"\(text)\"")
    #expect(found == nil && sentence.contains("must be 64 hexadecimal digits"), "\(sentence)")
  }

  @Test func twoOperatorsHaveTwoKeys() {
    let line = "\"\(Self.digits) watch\""
    let (found, sentence) = operators("operator_1 = \(line)", "operator_2 = \(line)")
    #expect(
      found == nil && sentence.contains("has the key of an operator before it"), "\(sentence)")
  }
}
