// EventList: the newest arrivals, with what was expected of each and whether there was an alert:
// one line of the page each, which changes as messages come.
//
//     var events = EventList()
//     let event = events.note(header, pick)
//     let json = event.json

import Core
import Tools
import Uplink

/// One arrival, the same in all messages about it.
struct EventKey: Hashable, Sendable {
  let station: String
  let epoch: UInt64
  let boot: UInt32
  let pick: UInt32

  init(station: String, epoch: UInt64, boot: UInt32, pick: UInt32) {
    (self.station, self.epoch, self.boot, self.pick) = (station, epoch, boot, pick)
  }

  init(_ header: Header, pick: UInt32) {
    self.init(
      station: header.station.string, epoch: header.epoch, boot: header.bootCounter, pick: pick)
  }

  /// As lists have it, and as whoever associates picks gives it back.
  var fields: [JsonLine.Field] {
    [
      ("station", JsonLine.quoted(station)), ("epoch", "\"\(JsonLine.hex(epoch))\""),
      ("boot", "\(boot)"), ("pick_id", "\(pick)"),
    ]
  }
}

struct Event {
  let key: EventKey
  fileprivate(set) var pick: Newest<PickMessage>
  fileprivate(set) var estimate: Newest<EstimateMessage>
  fileprivate(set) var alert: Newest<AlertMessage>
  /// When it was told first.
  fileprivate(set) var told: UTC
  /// How many had come before it. By their times a station with a wrong clock would keep the list.
  fileprivate let order: Int

  /// The newest message of one boot: what comes late takes nothing back.
  struct Newest<Message: Sendable>: Sendable {
    private(set) var message: Message?
    private var sequence: UInt32 = 0

    mutating func note(_ message: Message, _ header: Header) {
      guard self.message == nil || header.sequence >= sequence else { return }
      (self.message, sequence) = (message, header.sequence)
    }
  }

  /// When it arrived, by whatever told of it.
  var time: UTC {
    if let pick = pick.message { return pick.time }
    if let estimate = estimate.message { return estimate.pickTime }
    return alert.message.map { $0.pickTime == AlertMessage.noTime ? $0.decided : $0.pickTime }
      ?? told
  }

  var json: String {
    let (pick, statuses) = (pick.message, ["provisional", "confirmed", "retracted"])
    let status = pick.map { statuses[Int($0.status) - 1] } ?? "provisional"
    let probability = pick.flatMap {
      $0.probability == Wire.noProbability ? nil : Double($0.probability) / 10_000
    }
    let motion = pick.map { $0.firstMotion == 0 ? "unclear" : $0.firstMotion > 0 ? "up" : "down" }
    return JsonLine.object(
      key.fields + [
        ("time", "\"\(time.iso8601)\""),
        ("phase", pick?.phase == 2 ? "\"S\"" : "\"P\""), ("status", "\"\(status)\""),
        ("probability", orNull(probability, 3)),
        ("first_motion", "\"\(motion ?? "unclear")\""),
        (
          "snr_db",
          orNull(pick.map { Double($0.signalToNoiseCentidecibels) / 100 }, 1)
        ),
      ] + expected)
  }

  private var expected: [JsonLine.Field] {
    func known<Value: FixedWidthInteger>(_ value: Value?, unless unknown: Value, _ unit: Double)
      -> Double?
    {
      value.flatMap { $0 == unknown ? nil : Double($0) * unit }
    }
    let (e, alert) = (estimate.message, alert.message)
    let name = e.flatMap { $0.eventClass == 0 ? nil : JsonLine.classes[Int($0.eventClass) - 1] }
    return [
      ("magnitude", orNull(known(e?.magnitudeHundredths, unless: .min, 0.01), 1)),
      (
        "magnitude_sigma",
        orNull(known(e?.magnitudeSigmaHundredths, unless: .max, 0.01), 1)
      ),
      ("distance_km", orNull(known(e?.distanceMetres, unless: .max, 1e-3), 0)),
      ("pga_ms2", orNull(e?.expectedAcceleration.value, 4)),
      ("mmi", orNull(known(e?.modifiedMercalliHundredths, unless: .max, 0.01), 1)),
      ("class", "\"\(name ?? "unknown")\""),
      ("level", alert.map { "\"\($0.level)\"" } ?? "\"none\""),
      ("drill", "\(alert?.isDrill ?? false)"),
      ("told_s", orNull(Double(told - time) * 1e-9, 2)),
    ]
  }
}

struct EventList {
  static let capacity = 200
  private var events: [EventKey: Event] = [:]
  private var comeCount = 0

  var newest: [Event] { events.values.sorted { $0.time > $1.time } }

  func of(_ station: String) -> [Event] { newest.filter { $0.key.station == station } }

  /// The event as it is now; nil where the message is about none, or about an older one than all of
  /// these.
  mutating func note(_ header: Header, _ pick: PickMessage) -> Event? {
    change(EventKey(header, pick: pick.id), header) { $0.pick.note(pick, header) }
  }

  mutating func note(_ header: Header, _ estimate: EstimateMessage) -> Event? {
    guard estimate.pickID != 0 else { return nil }
    return change(EventKey(header, pick: estimate.pickID), header) {
      $0.estimate.note(estimate, header)
    }
  }

  mutating func note(_ header: Header, _ alert: AlertMessage) -> Event? {
    guard alert.pickID != 0 else { return nil }
    return change(EventKey(header, pick: alert.pickID), header) { $0.alert.note(alert, header) }
  }

  private mutating func change(
    _ key: EventKey, _ header: Header, _ body: (inout Event) -> Void
  ) -> Event? {
    var event =
      events[key]
      ?? Event(
        key: key, pick: Event.Newest(), estimate: Event.Newest(), alert: Event.Newest(),
        told: header.emitted, order: comeCount)
    comeCount += 1
    body(&event)
    event.told = min(event.told, header.emitted)
    events[key] = event
    if events.count > EventList.capacity,
      let oldest = events.values.min(by: { $0.order < $1.order })
    {
      events[oldest.key] = nil
    }
    return events[key]
  }
}
