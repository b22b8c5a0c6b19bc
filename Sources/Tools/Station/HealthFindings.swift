// HealthFindings: a station's health in plain words, with what to do (`onset doctor HOST:PORT`).
//
//     for finding in HealthFindings.of(pong.health, header) { print(finding.line.string) }

import Clock
import Core
import Doctor
import Uplink

public enum HealthFindings {
  static let diskMebibytesMinimum: UInt32 = 100
  static let memoryMebibytesMinimum: UInt32 = 50
  /// Where processors of such boards begin to slow down.
  static let temperatureMaximum: Int16 = 80_00
  static let uncertaintyMaximum: UInt32 = 5_000_000
  /// What a station assumes of systemd-timesyncd, which states nothing.
  private static let unstatedUncertainty: UInt32 = 50_000_000
  private static let ringPerMilleMaximum: UInt16 = 500

  // What to do, for whoever sees a whole fleet as well.
  static let lookAtReceiver = "look at the antenna and the receiver"
  static let lookForTime = "see chronyc tracking, the antenna and the pulse's pin"
  static let tellTheKernel =
    "wait until it is sure; where that takes longer than ten minutes, chrony.conf lacks rtcsync"
  static let wantsBetterTime = "a pulse or a nearer time server would do better"
  static let edgesRefused =
    "nobody takes the pulse's edges; is chrony_socket in chrony.conf, and may onset write there?"
  static let makeRoom = "make room on the disk"
  static let somethingEatsMemory = "something else eats the memory"
  static let coolIt = "too hot; shade it, or give it air"
  static let notLive = "not live: no frames come, or the picker has just begun to settle"

  public static func of(_ health: HealthMessage, _ header: Header) -> [Finding] {
    [
      alarm(health), relay(health), running(health), clock(health, header), digitizer(health),
      channels(health), calibration(health), parameters(health), picker(health), state(health),
      uplink(health), peers(health), machine(health),
    ].compactMap { $0 }
  }

  static func finding(
    _ part: StaticString, _ verdict: Verdict, _ text: String
  ) -> Finding {
    Finding(part, verdict, Text<320>(text))
  }

  private static func running(_ h: HealthMessage) -> Finding {
    let state =
      "onsetd \(h.software.string), up for \(duration(h.machine.uptimeSeconds)), \(h.picks) picks"
    guard h.isLive else {
      return finding(
        "station", .bad,
        state + "; " + notLive)
    }
    return finding("station", .good, state + ", live")
  }

  private static func clock(_ h: HealthMessage, _ header: Header) -> Finding {
    let uncertainty = header.clockUncertaintyNanoseconds
    let source = [
      "nothing", "the machine's clock", "the pulse", "a record", "the digitizer's clock",
    ][
      Int(min(header.clockSource, 4))]
    let figures =
      "\(h.edges) pulses, \(h.missedEdges) missed, \(h.rejectedEdges) rejected, crystal "
      + "\(decimal(Double(h.clockRatePartsPerBillion) / 1000, 1)) ppm off" + follows(h.machine)
      + (h.machine.pulseFeed == .taken ? "; chrony takes the pulse's edges" : "")
    let off =
      uncertainty == .max ? "unknown" : "\(decimal(Double(uncertainty) / 1e6, 3)) ms"
    switch ClockState(rawValue: header.clockState) {
    case .locked where uncertainty <= uncertaintyMaximum && h.machine.pulseFeed == .refused:
      return finding(
        "clock", .doubtful,
        "locked to \(source), uncertain by \(off); \(figures): \(edgesRefused)")
    case .locked where uncertainty <= uncertaintyMaximum:
      return finding("clock", .good, "locked to \(source), uncertain by \(off); \(figures)")
    case .locked:
      return finding(
        "clock", .doubtful,
        "locked to \(source), uncertain by \(off); \(figures): " + advice(header))
    case .holdover:
      return finding(
        "clock", .doubtful,
        "\(source) is gone and its rate carried on, uncertain by \(off); \(figures): \(lookAtReceiver)"
      )
    case _ where h.machine.timeStratum > 0:
      return finding(
        "clock", .bad,
        "chrony has the time, and the kernel has not heard of it; \(figures): \(tellTheKernel)")
    default:
      return finding(
        "clock", .bad,
        "nobody tells the time, uncertain by \(off); \(figures): \(lookForTime)"
      )
    }
  }

  /// What chronyd says of the machine's clock, where it is asked and answers.
  private static func follows(_ machine: MachineStatus) -> String {
    guard machine.timeStratum > 0 else { return "" }
    let bytes = (0..<4).map { UInt8(truncatingIfNeeded: machine.timeReference >> (24 - 8 * $0)) }
    let letters = bytes.prefix { $0 > 0 }
    let isWord = letters.allSatisfy { (0x21...0x7E).contains($0) } && !letters.isEmpty
    let name =
      isWord && machine.timeStratum == 1
      ? String(decoding: letters, as: UTF8.self) : bytes.map { "\($0)" }.joined(separator: ".")
    let distance = decimal(Double(machine.rootDistanceMicroseconds) / 1000, 1)
    return "; chrony follows \(name), stratum \(machine.timeStratum), \(distance) ms from the root"
  }

  /// What would make a clock better that is locked and uncertain.
  private static func advice(_ header: Header) -> String {
    let uncertainty = header.clockUncertaintyNanoseconds
    if header.clockSource == ClockSource.pulse.rawValue && uncertainty >= nanosecondsPerSecond {
      return "the machine's clock contradicts the pulse by whole seconds; see chronyc tracking"
    }
    if header.clockSource == ClockSource.system.rawValue && uncertainty >= unstatedUncertainty {
      return wantsBetterTime + ", and chrony where it is "
        + "systemd-timesyncd that keeps the clock"
    }
    if header.clockSource == ClockSource.digitizer.rawValue {
      return "the digitizer's own clock says no better"
    }
    return wantsBetterTime
  }

  private static func digitizer(_ h: HealthMessage) -> Finding {
    let lost = h.frames > 0 ? Double(h.gapFrames) / Double(h.frames + h.gapFrames) : 0
    let figures =
      "\(h.frames) frames, \(h.gaps) gaps (\(decimal(100 * lost, 4)) % lost), \(h.overruns) overruns, "
      + "\(h.reopenings) reopenings, buffer full to \(decimal(Double(h.machine.ringFillPerMille) / 10, 1)) %"
    if h.frames == 0 {
      return finding(
        "digitizer", .bad, figures + ": the card gives nothing; look at its power and overlay")
    }
    if h.reopenings > 0 {
      return finding(
        "digitizer", .doubtful,
        figures + ": the digitizer went away and came back; look at its plug")
    }
    if h.overruns > 0 || h.machine.ringFillPerMille > ringPerMilleMaximum {
      return finding(
        "digitizer", .doubtful,
        figures + ": something holds the loop up; is its priority real-time?")
    }
    return h.gaps > 0
      ? finding(
        "digitizer", .doubtful, figures + ": see the journal for when, and what else happened then")
      : finding("digitizer", .good, figures)
  }

  private static func channels(_ h: HealthMessage) -> Finding {
    func named(_ lanes: LaneSet) -> String {
      ["vertical", "north", "east", "auxiliary"].enumerated()
        .filter { lanes.contains(lane: $0.offset) }.map(\.element).joined(separator: " and ")
    }
    let noise = "noise \(decimal(Double(Float(bitPattern: h.noiseCountsBits)), 1)) counts rms"
    if !h.deadLanes.isEmpty {
      return finding("channels", .bad, "\(named(h.deadLanes)): nothing but zeros; is the cable on?")
    }
    if !h.stuckLanes.isEmpty {
      return finding(
        "channels", .bad,
        "\(named(h.stuckLanes)): always the same value; saturated, or the converter hangs")
    }
    if !h.clippedLanes.isEmpty {
      return finding(
        "channels", .doubtful,
        "\(named(h.clippedLanes)): at full scale; strong shaking, or too much gain; \(noise)")
    }
    if !h.spikedLanes.isEmpty {
      return finding(
        "channels", .doubtful,
        "\(named(h.spikedLanes)): spikes (\(h.spikes) since the start); look at ground and power; \(noise)"
      )
    }
    return finding("channels", .good, noise)
  }

  private static func picker(_ h: HealthMessage) -> Finding {
    if h.lacksNetwork {
      return finding(
        "networks", .bad,
        "the picker's is missing or damaged; \(h.model.string) picks: copy it again, see onset model verify"
      )
    }
    if h.lacksEstimator {
      return finding(
        "networks", .bad,
        "the estimator's is missing or damaged; relations estimate alone: copy it again, see onset model verify"
      )
    }
    if h.hasRejectedKernels {
      return finding(
        "networks", .doubtful,
        "a way of computing failed its self-test and is not used; the processor is to be doubted")
    }
    return finding("networks", .good, "\(h.model.string) picks")
  }

  private static func uplink(_ h: HealthMessage) -> Finding {
    let figures =
      "\(h.datagramsSent) datagrams sent, \(h.sendFailures) refused by the network; "
      + "\(h.datagramsAccepted) received and \(h.datagramsRejected) rejected"
    if h.sendFailures > 0 {
      return finding(
        "uplink", .doubtful, figures + ": the link was down, or the name does not resolve")
    }
    if h.datagramsRejected > h.datagramsAccepted {
      return finding("uplink", .doubtful, figures + ": somebody asks with another key")
    }
    return finding("uplink", .good, figures)
  }

  private static func machine(_ h: HealthMessage) -> Finding {
    let hot = h.machine.temperatureCentidegrees
    let temperature =
      hot == Wire.unknownTemperature ? "" : ", \(decimal(Double(hot) / 100, 1)) degrees"
    let loop =
      h.machine.loopMaximumNanoseconds == Wire.unknownDuration
      ? ""
      : ", slowest turn of the loop \(decimal(Double(h.machine.loopMaximumNanoseconds) / 1e6, 1)) ms"
    let figures =
      "\(known(h.machine.diskFreeMebibytes)) MiB of disk and \(known(h.machine.memoryAvailableMebibytes)) of memory free"
      + temperature + loop
    if h.machine.diskFreeMebibytes < diskMebibytesMinimum {
      return finding("machine", .bad, figures + ": " + makeRoom)
    }
    if h.machine.memoryAvailableMebibytes < memoryMebibytesMinimum {
      return finding("machine", .doubtful, figures + ": " + somethingEatsMemory)
    }
    if h.givenUp > 0 {
      return finding(
        "machine", .doubtful,
        figures + "; \(h.givenUp) detections were given up that the upstream did not acknowledge: "
          + "what keeps it from storing them, or the link from carrying them?")
    }
    if h.droppedActions > 0 {
      return finding(
        "machine", .doubtful,
        figures + "; \(h.droppedActions) messages were dropped because more came than could leave: "
          + "what holds the loop up?")
    }
    if hot != Wire.unknownTemperature && hot > temperatureMaximum {
      return finding("machine", .doubtful, figures + ": " + coolIt)
    }
    return finding("machine", .good, figures)
  }

  private static func known(_ value: UInt32) -> String {
    value == Wire.unknownSize ? "unknown" : "\(value)"
  }

  private static func duration(_ seconds: UInt32) -> String {
    seconds < 2 * 86_400
      ? "\(decimal(Double(seconds) / 3600, 1)) hours"
      : "\(decimal(Double(seconds) / 86_400, 1)) days"
  }
}
