// What the station says of itself: type 4 of WIRE-FORMAT.md.

import Core

/// Why no alarm can come, or none that closes the relay.
public struct Incapacity: BitSet {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static let noRelay = Incapacity(rawValue: 1)
  public static let relayFaulty = Incapacity(rawValue: 2)
  public static let inhibited = Incapacity(rawValue: 4)
  public static let inhibitUnreadable = Incapacity(rawValue: 8)
  public static let drill = Incapacity(rawValue: 16)
  /// No frames come, or the picker has not settled on them.
  public static let notLive = Incapacity(rawValue: 32)
  /// Counts mean nothing: no component has a calibration.
  public static let uncalibrated = Incapacity(rawValue: 64)
  /// Fewer than two components can be believed, because others clip, stick or are dead.
  public static let lanesBroken = Incapacity(rawValue: 128)
  /// Too few other stations of the site are heard, and the station file says to wait for them.
  public static let peersSilent = Incapacity(rawValue: 256)
  public static let all = Incapacity(rawValue: 511)

  /// What JSON calls them, from the lowest bit on, between bars.
  public static let names: StaticString =
    "no relay|relay faulty|inhibited|inhibit unreadable|drill|not live|no calibration|lanes broken|peers silent"
}

/// Whether chronyd takes the station's edges, where it is to have them.
public enum PulseFeedState: UInt8, Sendable { case none, waiting, taken, refused }

/// The loop, and the machine under it.
public struct MachineStatus: Sendable {
  public var loopMedianNanoseconds = Wire.unknownDuration
  public var loop999Nanoseconds = Wire.unknownDuration
  public var loopMaximumNanoseconds = Wire.unknownDuration
  /// The fullest that the capture buffer was since the last health message.
  public var ringFillPerMille: UInt16 = 0
  public var temperatureCentidegrees = Wire.unknownTemperature
  public var residentKibibytes = Wire.unknownSize
  public var memoryAvailableMebibytes = Wire.unknownSize
  public var diskFreeMebibytes = Wire.unknownSize
  public var uptimeSeconds: UInt32 = 0
  /// Steps from chronyd to a reference clock; 0 where none answers, or it follows nobody.
  public var timeStratum: UInt8 = 0
  /// Whom it follows: an IPv4 address, or four letters.
  public var timeReference: UInt32 = 0
  public var rootDistanceMicroseconds = Wire.unknownSize
  public var pulseFeed = PulseFeedState.none
  public init() {}
}

public struct HealthMessage: Payload, Equatable, Sendable {
  public static let type = MessageType.health
  public static let byteCount = 216
  // Clock
  public var clockOffsetNanoseconds: Int64 = 0
  public var clockRatePartsPerBillion: Int32 = 0
  public var edges: UInt32 = 0
  public var missedEdges: UInt32 = 0
  public var rejectedEdges: UInt32 = 0
  public var forwardSteps: UInt32 = 0
  public var refusedBackwardSteps: UInt32 = 0
  // Digitizer
  public var frames: UInt64 = 0
  public var gapFrames: UInt64 = 0
  public var gaps: UInt32 = 0
  public var overruns: UInt32 = 0
  public var shortReads: UInt32 = 0
  public var suspends: UInt32 = 0
  public var reopenings: UInt32 = 0
  public var clippedFrames: UInt32 = 0
  public var spikes: UInt32 = 0
  public var clippedLanes = LaneSet()
  public var spikedLanes = LaneSet()
  public var stuckLanes = LaneSet()
  public var deadLanes = LaneSet()
  public var machine = MachineStatus()
  // Uplink, since boot
  public var datagramsSent: UInt32 = 0
  public var sendFailures: UInt32 = 0
  public var datagramsAccepted: UInt32 = 0
  public var datagramsRejected: UInt32 = 0
  // Picker
  public var picks: UInt32 = 0
  /// RMS of the band-passed lane that is watched, counts, as the bits of an IEEE 754 binary32.
  public var noiseCountsBits: UInt32 = 0
  /// Int64.min when there was none since boot.
  public var lastPick = UTC(nanoseconds: .min)
  public var isLive = false
  /// A faster variant of the network's arithmetic failed its self-test at start.
  public var hasRejectedKernels = false
  /// The network that was to pick is not there or failed its test: STA/LTA picks.
  public var lacksNetwork = false
  /// The network that was to estimate is not there or failed its test: relations estimate alone.
  public var lacksEstimator = false
  public var software = Text<16>()
  public var model = Text<21>()
  // Alarm
  public var relay = RelayState.none
  /// 0 quiet, 1 watch, 2 alarm, 3 an alarm whose digitizer is lost, 4 others are waited for
  public var alarmState: UInt8 = 0
  /// An alarm stands until a command ends it.
  public var isLatched = false
  /// The disk does not take what is to be kept over a restart.
  public var losesState = false
  /// 0 no switch, 1 off, 2 on, 3 not to be read
  public var inhibit: UInt8 = 0
  /// Why no alarm can come, or none that closes the relay; empty: armed.
  public var incapacity = Incapacity()
  /// Parameters that commands have changed since the start: the bit of a parameter's number less
  /// one.
  public var changedParameters: UInt16 = 0
  /// Until the calibration runs out.
  public var calibrationDays = Wire.unknownDays
  /// Until a drill ends by itself.
  public var drillSeconds: UInt16 = 0
  /// What a full queue dropped, since boot.
  public var droppedActions: UInt16 = 0
  /// Detections that the upstream has not acknowledged; 0 where it acknowledges nothing.
  public var unacknowledged: UInt16 = 0
  /// The same of the second upstream.
  public var unacknowledgedBySecond: UInt16 = 0
  /// How many stations of the site must have decided, this one included; 0: none is waited for.
  public var quorumNeeded: UInt8 = 0
  /// How many of the others are heard that could decide.
  public var peersReady: UInt8 = 0
  public var refusedVotes: UInt8 = 0
  /// Detections that were given up because too many waited.
  public var givenUp: UInt32 = 0
  public init() {}

  public static func == (a: HealthMessage, b: HealthMessage) -> Bool {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2 * byteCount) { buffer in
      var first = ByteWriter(UnsafeMutableBufferPointer(rebasing: buffer[..<byteCount]))
      var second = ByteWriter(UnsafeMutableBufferPointer(rebasing: buffer[byteCount...]))
      a.write(to: &first)
      b.write(to: &second)
      for index in 0..<byteCount where buffer[index] != buffer[byteCount + index] { return false }
      return true
    }
  }
}

// The table of the document.
extension HealthMessage {
  public mutating func visit(_ v: inout some FieldVisitor) {
    visitClock(&v)
    visitDigitizer(&v)
    machine.visit(&v)
    visitUplink(&v)
    visitPicker(&v)
    visitAlarm(&v)
  }

  // swift-format-ignore
  private mutating func visitClock(_ v: inout some FieldVisitor) {
    v.number(&clockOffsetNanoseconds, "clock_offset_ns", "ns", "the time that the clock is steered to, minus what the stamps say", json: "clock_offset_s", as: .decimal(unit: 1e-9, digits: 9))
    v.number(&clockRatePartsPerBillion, "clock_rate_ppb", "10⁻⁹", "how much faster than nominal the sample clock runs", json: "clock_rate_ppm", as: .decimal(unit: 1e-3, digits: 3))
    v.number(&edges, "edges", "", "pulse-per-second edges used", json: "pps_edges")
    v.number(&missedEdges, "missed_edges", "", "seconds without an edge between two edges", json: "pps_missed")
    v.number(&rejectedEdges, "rejected_edges", "", "edges without half a second of silence before them, or not a whole number of seconds after the last", json: "pps_rejected")
    v.number(&forwardSteps, "forward_steps", "", "jumps of the time stamps, forward by more than 2 s", json: "clock_steps")
    v.number(&refusedBackwardSteps, "refused_backward_steps", "", "steps of the source back by more than 2 s, not followed", json: "clock_steps_refused")
  }

  // swift-format-ignore
  private mutating func visitDigitizer(_ v: inout some FieldVisitor) {
    v.number(&frames, "frames", "", "received from the digitizer; a frame is one sample of every lane")
    v.number(&gapFrames, "gap_frames", "", "frames that the digitizer made and nobody received")
    v.number(&gaps, "gaps", "", "interruptions of the stream")
    v.number(&overruns, "overruns", "", "interruptions because the capture buffer was full")
    v.number(
      &shortReads, "short_reads", "",
      "reads that gave fewer frames than were there; of a digitizer that sends packets, those that were not taken"
    )
    v.number(&suspends, "suspends", "", "interruptions because the machine or device slept")
    v.number(&reopenings, "reopenings", "", "times that the digitizer was opened again after it was lost")
    v.number(&clippedFrames, "clipped_frames", "", "frames with a lane at the converter's full scale")
    v.number(&spikes, "spikes", "", "single-sample spikes removed, over all lanes")
    let lanes = LaneSet.names
    v.words(&clippedLanes, of: .all, "clipped_lanes", "at full scale since the last health message", lanes, json: "clipped")
    v.words(&spikedLanes, of: .all, "spiked_lanes", "a spike was removed since the last health message", lanes, json: "spiked")
    v.words(&stuckLanes, of: .all, "stuck_lanes", "the same value, not zero, for a second or longer", lanes, json: "stuck")
    v.words(&deadLanes, of: .all, "dead_lanes", "zero for a second or longer", lanes, json: "dead")
  }

  // swift-format-ignore
  private mutating func visitUplink(_ v: inout some FieldVisitor) {
    v.number(&datagramsSent, "datagrams_sent", "", "handed to the kernel", json: "sent")
    v.number(&sendFailures, "send_failures", "", "not taken by the kernel")
    v.number(&datagramsAccepted, "datagrams_accepted", "", "signed pings, commands, votes and acknowledgements that were meant for this station; repeats and what is refused with a result are among them", json: "accepted")
    v.number(&datagramsRejected, "datagrams_rejected", "", "all others that came in", json: "rejected")
  }

  // swift-format-ignore
  private mutating func visitPicker(_ v: inout some FieldVisitor) {
    v.number(&picks, "picks", "", "arrivals announced, those retracted later included")
    v.number(&noiseCountsBits, "noise_counts", "counts", "RMS of the band-passed lane that is watched (the vertical while it works), after the board's gain; NaN or infinite: unknown", as: .float(digits: 2))
    v.time(&lastPick, "last_pick_ns", "time of the last pick", unknown: .min, json: "last_pick")
    v.truths(&isLive, &hasRejectedKernels, &lacksNetwork, &lacksEstimator, "state", "bit 0: picks can come (else the filters and the noise level are settling); bit 1: a faster variant of the network's arithmetic failed its self-test at start, and a slower one computes; bit 2: the network that was to pick is missing, damaged or failed its self-test at start, and STA/LTA picks; bit 3: the same of the network that was to estimate, and relations do alone; others 0", json: "live|kernels_rejected|network_missing|estimator_network_missing")
    v.text(&software, "software", "version of the station's program")
    v.text(&model, "model", "name of the picker's model, or \"sta-lta\"")
    v.nibbles(&quorumNeeded, &peersReady, "quorum", "bits 0 to 3: how many stations of the site must have decided, this one included, 0: none is waited for; bits 4 to 7: how many of the others are heard that could decide", json: "quorum_needed|peers_ready", to: 0x78)
    v.number(&refusedVotes, "refused_votes", "", "votes that were of nobody who is named, not signed, stale, for another boot or had come before; 255: or more")
  }

  // swift-format-ignore
  private mutating func visitAlarm(_ v: inout some FieldVisitor) {
    v.word(&relay, "relay", "0 none fitted, 1 at rest, 2 actuated, 3 faulty", RelayState.names)
    v.number(&alarmState, "alarm_state", "", "0 quiet, 1 watch, 2 alarm, 3 an alarm that stands while the digitizer is lost, 4 this station has decided and waits for the others of its site", to: 4, json: "alarm", as: .word("quiet|watch|alarm|blind|called"))
    v.truths(&isLatched, &losesState, "keeping", "bit 0: an alarm stands until a command releases it; bit 1: the disk does not take, or did not give back, what outlives a boot; others 0", json: "latch|state_lost")
    v.number(&inhibit, "inhibit", "", "the switch that keeps the relay open: 0 there is none, 1 off, 2 on, 3 cannot be read, and is taken for on", to: 3, as: .word("none|off|on|unreadable"))
    v.words(&incapacity, of: .all, "incapacity", "why no alarm can come, or none that closes the relay: table below; 0: armed", Incapacity.names, json: "unarmed_because")
    v.number(&changedParameters, "changed_parameters", "mask", "parameters that commands have changed since boot: bit n stands for parameter n + 1; bit 15 is 0", to: 1 << 15 - 1, json: "changed", as: .words(CommandParameter.names))
    v.number(&calibrationDays, "calibration_days", "days", "until the first calibration runs out; 0 on its last day, negative after it", unknown: Wire.unknownDays)
    v.number(&drillSeconds, "drill_s", "s", "until the drill ends by itself; 0: no drill")
    v.number(&droppedActions, "dropped_actions", "", "messages and orders to disk that a full queue dropped; 65535: or more", json: "dropped")
    v.number(&unacknowledged, "unacknowledged", "", "detections that are sent again until the upstream has them; 0 where it has never acknowledged anything in this boot")
    v.number(&givenUp, "given_up", "", "detections that were given up because too many waited for the upstream")
    v.number(&unacknowledgedBySecond, "unacknowledged_second", "", "the same of the second upstream, where there is one")
    v.number(&machine.timeStratum, "time_stratum", "", "steps from chronyd on this machine to a reference clock; 0: none answers, or it follows nobody", to: 16)
    v.word(&machine.pulseFeed, "pulse_feed", "edges for chronyd (`chrony_socket`): 0 it is to have none, 1 none is sure enough or none has come for ten seconds, 2 it takes them, 3 nobody takes them there", "none|waiting|taken|refused")
    v.number(&machine.timeReference, "time_reference", "", "whom it follows: an IPv4 address, or up to four letters such as PPS, the first in the highest byte")
    v.number(&machine.rootDistanceMicroseconds, "root_distance_us", "µs", "how far off the way to that clock may make it: half of the way there and back, and dispersion", unknown: Wire.unknownSize)
  }
}

extension MachineStatus {
  // swift-format-ignore
  fileprivate mutating func visit(_ v: inout some FieldVisitor) {
    let (duration, size) = (Wire.unknownDuration, Wire.unknownSize)
    let microseconds = Telling.decimal(unit: 1e-3, digits: 1)
    v.number(&loopMedianNanoseconds, "loop_median_ns", "ns", "one turn of the station's loop: median", unknown: duration, json: "loop_median_us", as: microseconds)
    v.number(&loop999Nanoseconds, "loop_999_ns", "ns", "the same: 99.9th percentile", unknown: duration, json: "loop_p999_us", as: microseconds)
    v.number(&loopMaximumNanoseconds, "loop_maximum_ns", "ns", "the same: longest", unknown: duration, json: "loop_maximum_us", as: microseconds)
    v.number(&ringFillPerMille, "ring_fill_per_mille", "1/1000", "the fullest that the capture buffer was", to: 1000, json: "ring_fill", as: .decimal(unit: 1e-3, digits: 3))
    v.number(&temperatureCentidegrees, "temperature_centidegrees", "0.01 °C", "of the machine", unknown: Wire.unknownTemperature, json: "temperature_c", as: .decimal(unit: 1e-2, digits: 1))
    v.number(&residentKibibytes, "resident_kib", "KiB", "memory of the station's program", unknown: size)
    v.number(&memoryAvailableMebibytes, "memory_available_mib", "MiB", "of the machine", unknown: size)
    v.number(&diskFreeMebibytes, "disk_free_mib", "MiB", "where the station writes", unknown: size)
    v.number(&uptimeSeconds, "uptime_s", "s", "since boot")
  }
}
