// StationState: what is known of one station now: its newest health, where it stands, and how much
// of what it sent has come.
//
//     var state = StationState("XX.ONST1.00.EH")
//     state.note(header, health, received: now)
//     let json = state.json

import Clock
import Core
import Tools
import Uplink

struct StationState {
  let code: String
  private(set) var header: Header?
  private(set) var health: HealthMessage?
  private(set) var received: UTC?
  private(set) var instrument: InstrumentMessage?
  /// The newest of its alerts, with where it stands among all that the station sent.
  private var alert: (header: Header, message: AlertMessage)?
  /// Numbers of the boot that is heard now.
  private var boot: (epoch: UInt64, counter: UInt32) = (0, 0)
  private var (first, highest): (UInt32, UInt32) = (0, 0)
  private(set) var count: UInt32 = 0

  init(_ code: String) { self.code = code }

  /// A datagram that had not come before, of any type.
  mutating func note(_ header: Header) {
    if boot != (header.epoch, header.bootCounter) {
      // What an earlier boot still had to say says nothing of this one.
      if boot.epoch == header.epoch && header.bootCounter < boot.counter { return }
      boot = (header.epoch, header.bootCounter)
      (first, highest, count) = (header.sequence, header.sequence, 0)
    }
    guard header.sequence >= first else { return }
    highest = max(highest, header.sequence)
    count += 1
  }

  mutating func note(_ header: Header, _ health: HealthMessage, received: UTC) {
    if let last = self.header, Place(header).isOlder(than: Place(last)) { return }
    (self.header, self.health, self.received) = (header, health, received)
  }

  mutating func note(_ instrument: InstrumentMessage) { self.instrument = instrument }

  /// Whether it says something new: it is no repeat, and comes no later than what followed it.
  mutating func note(_ header: Header, _ alert: AlertMessage) -> Bool {
    if let last = self.alert, Place(header).isOlder(than: Place(last.header)) { return false }
    let isNew =
      self.alert.map {
        Origin($0.header) != Origin(header) || $0.message.id != alert.id
          || $0.message.level != alert.level
      } ?? true
    self.alert = (header, alert)
    return isNew
  }

  /// As the newest word has it: an alert's, or that of a health message after it, because a station
  /// that was cut off in an alarm never says that it is over. nil where there is none yet.
  var alarm: String? {
    if let alert = newestAlert { return alert.level == .clear ? "quiet" : "\(alert.level)" }
    return health.map {
      ["quiet", "watch", "alarm", "alarm, digitizer lost", "watch"][Int($0.alarmState)]
    }
  }

  /// nil where a health message has come after it.
  private var newestAlert: AlertMessage? {
    guard let alert, header.map({ Place($0).isOlder(than: Place(alert.header)) }) ?? true else {
      return nil
    }
    return alert.message
  }

  /// What is known of the alarm that stands.
  private var standingAlert: AlertMessage? {
    guard let alert, alert.message.level != .clear, alarm != "quiet",
      header.map({ $0.epoch == alert.header.epoch && $0.bootCounter == alert.header.bootCounter })
        ?? true
    else { return nil }
    return alert.message
  }

  /// Whether it has an alarm, or can have none; nil where it has not told.
  var isArmed: Bool? { health.map { $0.incapacity.isEmpty } }

  /// How many numbers its boot has used since it is heard here; nil where it has not been.
  var expected: UInt32? { count == 0 ? nil : highest - first + 1 }

  /// Share of them that never came.
  var loss: Double? { expected.map { max(1 - Double(count) / Double($0), 0) } }

  /// What was sent while nobody heard is not lost on the way.
  mutating func forgetCounts() {
    boot = (0, 0)
    count = 0
  }

  /// From the newest health's leaving to its coming, by two clocks.
  var delaySeconds: Double? {
    guard let header, let received, header.clockState > ClockState.unsynchronised.rawValue
    else { return nil }
    return Double(received - header.emitted) * 1e-9
  }

  var uncertaintySeconds: Double? {
    guard let header, header.clockUncertaintyNanoseconds != .max else { return nil }
    return Double(header.clockUncertaintyNanoseconds) * 1e-9
  }

  var clock: ClockState? { header.flatMap { ClockState(rawValue: $0.clockState) } }

  var noiseCounts: Double? {
    health.map { Double(Float(bitPattern: $0.noiseCountsBits)) }.flatMap { $0.isFinite ? $0 : nil }
  }

  // MARK: As the page has it

  var json: String { JsonLine.object(place + state + machine) }

  private var place: [JsonLine.Field] {
    func degrees(_ value: Int32?) -> String {
      value.flatMap { $0 == InstrumentMessage.unknownPlace ? nil : decimal(Double($0) * 1e-7, 5) }
        ?? "null"
    }
    let elevation = instrument.flatMap {
      $0.elevationCentimetres == InstrumentMessage.unknownPlace
        ? nil : Double($0.elevationCentimetres) / 100
    }
    return [
      ("station", JsonLine.quoted(code)), ("latitude", degrees(instrument?.latitude)),
      ("longitude", degrees(instrument?.longitude)), ("elevation_m", orNull(elevation, 1)),
      (
        "quantity",
        instrument.flatMap { $0.quantity == .none ? nil : "\"\($0.quantity)\"" } ?? "null"
      ),
    ]
  }

  private var state: [JsonLine.Field] {
    let why = health.map { JsonLine.names($0.incapacity.rawValue, words(Incapacity.names)) } ?? "[]"
    let last = health.flatMap { $0.lastPick.nanoseconds == .min ? nil : $0.lastPick }
    return [
      ("received", received.map { "\"\($0.iso8601)\"" } ?? "null"),
      ("armed", isArmed.map { "\($0)" } ?? "null"), ("why", why),
      ("live", health.map { "\($0.isLive)" } ?? "null"),
      ("alarm", alarm.map { "\"\($0)\"" } ?? "null"),
      ("alarm_since", standingAlert.map { "\"\($0.decided.iso8601)\"" } ?? "null"),
      ("alarm_reason", standingAlert.map { "\"\(JsonLine.sentence($0.reason))\"" } ?? "null"),
      ("alarm_drill", standingAlert.map { "\($0.isDrill)" } ?? "null"),
      (
        "relay",
        health.map { "\"\(words(RelayState.names)[Int($0.relay.rawValue)])\"" } ?? "null"
      ),
      ("clock", clock.map { "\"\(JsonLine.name($0))\"" } ?? "null"),
      ("uncertainty_ms", orNull(uncertaintySeconds.map { $0 * 1e3 }, 4)),
      ("delay_s", orNull(delaySeconds, 3)), ("loss_percent", orNull(loss.map { $0 * 100 }, 2)),
      ("last_pick", last.map { "\"\($0.iso8601)\"" } ?? "null"),
      ("noise_counts", orNull(noiseCounts, 2)),
    ]
  }

  private var machine: [JsonLine.Field] {
    let machine = health?.machine
    func number(_ value: UInt32?, unknown: UInt32) -> String {
      value.flatMap { $0 == unknown ? nil : "\($0)" } ?? "null"
    }
    let temperature = machine.flatMap {
      $0.temperatureCentidegrees == Wire.unknownTemperature
        ? nil : Double($0.temperatureCentidegrees) / 100
    }
    let days = health.flatMap { $0.calibrationDays == Wire.unknownDays ? nil : $0.calibrationDays }
    return [
      ("temperature_c", orNull(temperature, 1)),
      ("disk_free_mib", number(machine?.diskFreeMebibytes, unknown: Wire.unknownSize)),
      ("memory_mib", number(machine?.memoryAvailableMebibytes, unknown: Wire.unknownSize)),
      ("unacknowledged", health.map { "\($0.unacknowledged)" } ?? "null"),
      ("uptime_s", machine.map { "\($0.uptimeSeconds)" } ?? "null"),
      ("software", health.map { JsonLine.quoted($0.software) } ?? "null"),
      ("model", health.map { JsonLine.quoted($0.model) } ?? "null"),
      ("calibration_days", days.map { "\($0)" } ?? "null"),
    ]
  }
}

/// A number with so many digits after the point, or null.
func orNull(_ value: Double?, _ digits: Int) -> String {
  value.map { decimal($0, digits) } ?? "null"
}
