// The exact text of the lines: what other programs read is changed on purpose or not at all.

import Core
import Foundation
import Testing
import Tools
import Uplink

@Suite struct JsonLinesTests {
  private static let key = Key(Octets(repeating: 1))

  private static func header(_ type: MessageType) -> Header {
    Header(
      type: type, station: Text("XX.ONST1.00.EH"), epoch: 0xABC, bootCounter: 3, sequence: 12,
      emitted: UTC(nanoseconds: 1_583_020_813_000_000_000), clockState: 3, clockSource: 2,
      clockUncertaintyNanoseconds: 2000)
  }

  private static func line(_ datagram: Datagram) throws -> String {
    try datagram.withBytes { bytes throws in
      try JsonLine.text(try OpenedDatagram(bytes, key: nil))
    }
  }

  private static func pick() -> PickMessage {
    var pick = PickMessage()
    pick.id = 7
    pick.status = 2
    pick.phase = 1
    pick.firstMotion = 1
    pick.quality = 1
    pick.time = UTC(nanoseconds: 1_583_020_812_345_678_901)
    pick.timeSigmaMicroseconds = 42_000
    pick.firstMotionProbability = 9312
    pick.signalToNoiseCentidecibels = 2350
    return pick
  }

  @Test func aPick() throws {
    let pick = Self.pick()
    let line = try Self.line(
      Datagram(Self.header(.pick), key: Self.key) { pick.write(to: &$0) })
    #expect(
      line == """
        {"type":"pick","id":7,"status":"confirmed","station":"XX.ONST1.00.EH","phase":"P",\
        "time":"2020-03-01T00:00:12.345678Z","time_sigma_s":0.042,"probability":null,\
        "polarity":"up","polarity_probability":0.9312,"snr_db":23.5,"quality":"A",\
        "picker":"sta-lta","sta_lta":null,"fingerprint":null,"epoch":"0000000000000abc","boot":3,"sequence":12,"clock":"locked",\
        "clock_uncertainty_s":0.000002,"emitted":"2020-03-01T00:00:13.000000Z"}
        """)
  }

  /// Sixteen digits, as text: a number of 63 bits is not safe in JSON.
  @Test func aFingerprint() throws {
    var pick = Self.pick()
    pick.picker = 2
    pick.fingerprint = 0x0123_4567_89AB_CDEF
    let line = try Self.line(
      Datagram(Self.header(.pick), key: Self.key) { pick.write(to: &$0) })
    #expect(line.contains(#""sta_lta":false,"fingerprint":"0123456789abcdef","epoch""#))
  }

  /// A value in the operator's unit, whatever the wire counts in.
  @Test(arguments: [
    (UInt16(1), Int64(6500), "\"trigger_ratio\"", "6.5000"),
    (2, 4000, "\"confirm_probability\"", "0.4000"), (4, 1, "\"drill\"", "1"),
    (5, CommandMessage.noValue, "\"health\"", "null"), (700, -3, "700", "-3"),
  ]) func aCommand(parameter: UInt16, value: Int64, name: String, text: String) throws {
    var command = CommandMessage()
    command.giver = 0x1F
    command.issuedMicroseconds = 9_500_000
    command.id = 8
    command.parameter = parameter
    command.value = value
    command.result = .expired
    let line = try Self.line(
      Datagram(Self.header(.answer), signedBy: SigningKey(ofStation: Self.key)) {
        command.write(to: &$0)
      })
    #expect(
      line == """
        {"type":"answer","station":"XX.ONST1.00.EH","operator":"000000000000001f","id":8,"parameter":\(name),\
        "result":"expired","value":\(text),"issued_s":9.500,"life_s":60.000,"epoch":"0000000000000abc","boot":3,\
        "sequence":12,"clock":"locked","clock_uncertainty_s":0.000002,\
        "emitted":"2020-03-01T00:00:13.000000Z"}
        """)
  }

  @Test func whatAPickDoesNotKnowIsNull() throws {
    var pick = Self.pick()
    pick.status = 1
    pick.phase = 2
    pick.firstMotion = 0
    pick.firstMotionProbability = Wire.noProbability
    pick.probability = 10_000
    pick.quality = 4
    pick.picker = 2
    pick.signalToNoiseCentidecibels = -150
    var header = Self.header(.pick)
    header.clockState = 0
    header.clockUncertaintyNanoseconds = .max
    let line = try Self.line(Datagram(header, key: Self.key) { pick.write(to: &$0) })
    #expect(
      line == """
        {"type":"pick","id":7,"status":"provisional","station":"XX.ONST1.00.EH","phase":"S",\
        "time":"2020-03-01T00:00:12.345678Z","time_sigma_s":0.042,"probability":1.0000,\
        "polarity":null,"polarity_probability":null,"snr_db":-1.5,"quality":"D",\
        "picker":"network","sta_lta":false,"fingerprint":null,"epoch":"0000000000000abc","boot":3,"sequence":12,"clock":"unsynchronised",\
        "clock_uncertainty_s":null,"emitted":"2020-03-01T00:00:13.000000Z"}
        """)
  }

  @Test func healthOfAStationThatKnowsAll() throws {
    let health = Self.health()
    let line = try Self.line(
      Datagram(Self.header(.health), key: Self.key) { health.write(to: &$0) })
    #expect(
      line == """
        {"type":"health","station":"XX.ONST1.00.EH","armed":false,"clock_source":"pps",\
        "clock_offset_s":-0.000001234,"clock_rate_ppm":-12.345,"pps_edges":1000,"pps_missed":2,\
        "pps_rejected":3,"clock_steps":4,"clock_steps_refused":5,"frames":8000000,"gap_frames":480,\
        "gaps":6,"overruns":7,"short_reads":8,"suspends":9,"reopenings":10,"clipped_frames":11,\
        "spikes":12,"clipped":["Z"],"spiked":["N","E"],"stuck":["auxiliary"],"dead":[],\
        "loop_median_us":41.2,"loop_p999_us":90.0,"loop_maximum_us":250.0,"ring_fill":0.012,\
        "temperature_c":-4.5,"resident_kib":3000,"memory_available_mib":900,"disk_free_mib":12000,\
        "uptime_s":1000,"sent":100,"send_failures":1,"accepted":2,"rejected":3,"picks":4,\
        "noise_counts":812.50,"last_pick":"2020-03-01T00:00:00.000000Z","live":true,\
        "kernels_rejected":true,"network_missing":false,"estimator_network_missing":false,\
        "software":"0.1.0","model":"sta-lta","quorum_needed":0,"peers_ready":0,"refused_votes":0,"relay":"at rest","alarm":"watch","latch":true,\
        "state_lost":true,"inhibit":"unreadable","unarmed_because":["inhibit unreadable","drill"],\
        "changed":["trigger_ratio","drill"],"calibration_days":-17,"drill_s":1799,"dropped":18,\
        "unacknowledged":0,"given_up":0,"unacknowledged_second":0,\
        "time_stratum":0,"pulse_feed":"none","time_reference":0,"root_distance_us":null,\
        "epoch":"0000000000000abc","boot":3,"sequence":12,"clock":"locked","clock_uncertainty_s":0.000002,"emitted":"2020-03-01T00:00:13.000000Z"}
        """)
  }

  @Test func healthOfAStationThatKnowsNothing() throws {
    var header = Self.header(.health)
    header.clockSource = 0
    header.clockState = 1
    let line = try Self.line(
      Datagram(header, key: Self.key) { HealthMessage().write(to: &$0) })
    #expect(
      line == """
        {"type":"health","station":"XX.ONST1.00.EH","armed":true,"clock_source":"none",\
        "clock_offset_s":0.000000000,"clock_rate_ppm":0.000,"pps_edges":0,"pps_missed":0,\
        "pps_rejected":0,"clock_steps":0,"clock_steps_refused":0,"frames":0,"gap_frames":0,\
        "gaps":0,"overruns":0,"short_reads":0,"suspends":0,"reopenings":0,"clipped_frames":0,\
        "spikes":0,"clipped":[],"spiked":[],"stuck":[],"dead":[],"loop_median_us":null,\
        "loop_p999_us":null,"loop_maximum_us":null,"ring_fill":0.000,"temperature_c":null,\
        "resident_kib":null,"memory_available_mib":null,"disk_free_mib":null,"uptime_s":0,"sent":0,\
        "send_failures":0,"accepted":0,"rejected":0,"picks":0,"noise_counts":0.00,"last_pick":null,\
        "live":false,"kernels_rejected":false,"network_missing":false,\
        "estimator_network_missing":false,"software":"","model":"","quorum_needed":0,"peers_ready":0,"refused_votes":0,"relay":"none","alarm":"quiet",\
        "latch":false,"state_lost":false,"inhibit":"none","unarmed_because":[],"changed":[],\
        "calibration_days":null,"drill_s":0,"dropped":0,\
        "unacknowledged":0,"given_up":0,"unacknowledged_second":0,\
        "time_stratum":0,"pulse_feed":"none","time_reference":0,"root_distance_us":null,"epoch":"0000000000000abc","boot":3,"sequence":12,"clock":"free-running",\
        "clock_uncertainty_s":0.000002,"emitted":"2020-03-01T00:00:13.000000Z"}
        """)
  }

  /// Quotes and backslashes are printable ASCII, and so the wire format lets them through.
  @Test func textsAreQuoted() throws {
    var header = Self.header(.health)
    header.station = Text(#"X"Y\Z"#)
    var health = Self.health()
    health.software = Text(#"","live":true,"x":""#)
    health.noiseCountsBits = Float.nan.bitPattern
    let line = try Self.line(Datagram(header, key: Self.key) { health.write(to: &$0) })
    let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    #expect(object?["station"] as? String == #"X"Y\Z"#)
    #expect(object?["software"] as? String == #"","live":true,"x"#)
    #expect(object?["noise_counts"] is NSNull)
  }

  /// The ends of 64 bits of nanoseconds.
  @Test(arguments: [
    (Int64.min, "1677-09-21T00:12:43.145224Z"), (Int64.max, "2262-04-11T23:47:16.854775Z"),
    (-1, "1969-12-31T23:59:59.999999Z"), (0, "1970-01-01T00:00:00.000000Z"),
  ])
  func timesAtTheEdges(nanoseconds: Int64, text: String) throws {
    var pick = Self.pick()
    pick.time = UTC(nanoseconds: nanoseconds)
    let line = try Self.line(
      Datagram(Self.header(.pick), key: Self.key) { pick.write(to: &$0) })
    #expect(line.contains("\"time\":\"\(text)\""))
  }

  @Test func aPong() throws {
    let line = try Self.line(
      Datagram(Self.header(.pong), signedBy: SigningKey(ofStation: Self.key)) {
        var pong = PongMessage()
        (pong.nonce, pong.bootNonce, pong.health) = (0xAB, 0xCD, Self.health())
        pong.write(to: &$0)
      })
    #expect(
      line.hasPrefix(
        #"{"type":"pong","nonce":"00000000000000ab","boot_nonce":"00000000000000cd","station":"XX."#
      ))
  }

  private static func health() -> HealthMessage {
    var health = HealthMessage()
    health.clockOffsetNanoseconds = -1234
    health.clockRatePartsPerBillion = -12_345
    (health.edges, health.missedEdges, health.rejectedEdges) = (1000, 2, 3)
    (health.forwardSteps, health.refusedBackwardSteps) = (4, 5)
    (health.frames, health.gaps, health.gapFrames) = (8_000_000, 6, 480)
    (health.overruns, health.shortReads, health.suspends, health.reopenings) = (7, 8, 9, 10)
    (health.clippedFrames, health.spikes) = (11, 12)
    (health.clippedLanes, health.spikedLanes, health.stuckLanes) = (0b0001, 0b0110, 0b1000)
    health.machine.loopMedianNanoseconds = 41_200
    health.machine.loop999Nanoseconds = 90_000
    health.machine.loopMaximumNanoseconds = 250_000
    health.machine.ringFillPerMille = 12
    health.machine.temperatureCentidegrees = -450
    health.machine.residentKibibytes = 3000
    health.machine.memoryAvailableMebibytes = 900
    health.machine.diskFreeMebibytes = 12_000
    health.machine.uptimeSeconds = 1000
    (health.datagramsSent, health.sendFailures) = (100, 1)
    (health.datagramsAccepted, health.datagramsRejected, health.picks) = (2, 3, 4)
    health.lastPick = UTC(nanoseconds: 1_583_020_800_000_000_000)
    health.noiseCountsBits = Float(812.5).bitPattern
    health.isLive = true
    health.hasRejectedKernels = true
    health.software.append("0.1.0")
    health.model.append("sta-lta")
    (health.relay, health.alarmState, health.inhibit) = (.atRest, 1, 3)
    (health.isLatched, health.losesState) = (true, true)
    health.incapacity = Incapacity.inhibitUnreadable.union(.drill)
    health.changedParameters = 0b1001
    (health.calibrationDays, health.drillSeconds, health.droppedActions) = (-17, 1799, 18)
    return health
  }

  /// States are numbered from 1.
  @Test func whatBecameOfANetworkIsNamed() throws {
    for (state, name) in [
      (TrialMessage.State.shadow, "shadow"), (.refused, "refused"), (.rolledBack, "rolled back"),
    ] {
      var message = TrialMessage()
      message.state = state
      let header = Header(.trial, to: Text<24>("XX.ONST1.00.EH"), epoch: 1, at: UTC(nanoseconds: 0))
      let key = Key(Octets(repeating: 1))
      let line = try Datagram(header, key: key) { message.write(to: &$0) }.withBytes {
        bytes throws in
        try JsonLine.text(try OpenedDatagram(bytes, key: key))
      }
      #expect(line.contains("\"state\":\"\(name)\""), "\(line)")
    }
  }
}
