// AlarmForms: an alarm's step as those have it who are told: JSON, OASIS' Common Alerting Protocol
// 1.2, and Prometheus' Alertmanager.
//
//     let json = AlarmForms.json(step, receiver: "siren", places: places)

import Core
import Foundation
import Tools
import Uplink

enum AlarmForms {
  typealias Places = [String: (latitude: Double, longitude: Double)]

  /// By which a receiver knows what comes twice.
  static func name(_ step: AlarmStep, receiver: String) -> String {
    "\(receiver)-\(step.alarm)-\(step.key)"
  }

  static func json(_ step: AlarmStep, receiver: String, places: Places) -> String {
    let stations = step.parts.map { part in
      let place = places[part.station]
      return JsonLine.object([
        ("station", JsonLine.quoted(part.station)), ("level", "\"\(part.level)\""),
        ("decided", "\"\(part.decided.iso8601)\""),
        ("reason", "\"\(JsonLine.sentence(part.reason))\""), ("drill", "\(part.isDrill)"),
        ("mmi", orNull(part.intensity, 1)), ("latitude", orNull(place?.latitude, 5)),
        ("longitude", orNull(place?.longitude, 5)),
      ])
    }
    return JsonLine.object([
      ("id", JsonLine.quoted(name(step, receiver: receiver))),
      ("alarm", JsonLine.quoted(step.alarm)),
      ("receiver", JsonLine.quoted(receiver)), ("state", "\"\(step.kind.rawValue)\""),
      ("level", "\"\(step.level)\""), ("drill", "\(step.isDrill)"),
      ("begun", "\"\(step.begun.iso8601)\""), ("time", "\"\(step.at.iso8601)\""),
      ("mmi", orNull(step.intensity, 1)),
      ("stations", "[\(stations.joined(separator: ","))]"),
    ])
  }

  // MARK: CAP 1.2

  /// How long a message holds that nobody takes back; it is told anew in good time.
  private static let holdNanoseconds = AlarmWatch.renewalNanoseconds * 3 / 2

  static func cap(
    _ step: AlarmStep, receiver: String, sender: String, places: Places
  ) -> String {
    let isEnd = step.kind == .ended
    // The beginning has the same name and time whoever told it.
    let sent = step.kind == .raised ? step.begun : step.at
    let reference = "\(sender),\(receiver)-\(step.alarm)-raised,\(capTime(step.begun))"
    let codes = step.parts.map(\.station)
    let what = step.level == .alarm ? "Strong shaking" : "Shaking"
    let headline =
      isEnd
      ? "The earthquake alarm is over"
      : "\(what) is expected or measured at \(codes.count) station\(codes.count == 1 ? "" : "s")"
    let parameters = step.intensity.map {
      Xml.element(
        "parameter",
        Xml.element("valueName", "ModifiedMercalliIntensity")
          + Xml.element("value", decimal($0, 1)))
    }
    let info =
      Xml.element("language", "en-US") + Xml.element("category", "Geo")
      + Xml.element("event", "Earthquake")
      + Xml.element("responseType", isEnd ? "AllClear" : "Execute")
      + Xml.element("urgency", isEnd ? "Past" : "Immediate")
      + Xml.element("severity", severity(step)) + Xml.element("certainty", certainty(step))
      + Xml.element("effective", capTime(sent))
      + Xml.element("onset", capTime(step.begun))
      + Xml.element("expires", capTime(step.at + holdNanoseconds))
      + Xml.element("senderName", Xml.escaped(sender)) + Xml.element("headline", headline)
      + Xml.element(
        "description",
        Xml.escaped(
          step.parts.map { "\($0.station): \($0.level), \(JsonLine.sentence($0.reason))" }
            .joined(separator: "; "))) + (parameters ?? "")
      + Xml.element(
        "area",
        Xml.element("areaDesc", Xml.escaped("at " + codes.joined(separator: ", ")))
          + codes.compactMap { places[$0] }.map {
            Xml.element("circle", "\(decimal($0.latitude, 4)),\(decimal($0.longitude, 4)) 1")
          }.joined())
    return Xml.declaration
      + Xml.element(
        "alert",
        Xml.element("identifier", Xml.escaped(name(step, receiver: receiver)))
          + Xml.element("sender", Xml.escaped(sender))
          + Xml.element("sent", capTime(sent))
          + Xml.element("status", step.isDrill ? "Exercise" : "Actual")
          + Xml.element("msgType", step.kind == .raised ? "Alert" : "Update")
          + Xml.element("scope", "Restricted")
          + Xml.element("restriction", Xml.escaped("for whom \(receiver) serves"))
          + (step.kind == .raised ? "" : Xml.element("references", Xml.escaped(reference)))
          + Xml.element("info", info), [("xmlns", "urn:oasis:names:tc:emergency:cap:1.2")]) + "\n"
  }

  /// With a zone in digits, as CAP wants it; no fractions.
  private static func capTime(_ time: UTC) -> String { "\(time.iso8601.prefix(19))-00:00" }

  /// By the Modified Mercalli scale: IX heavy damage, VII moderate, V felt by all.
  private static func severity(_ step: AlarmStep) -> String {
    guard let intensity = step.intensity else { return "Unknown" }
    return intensity >= 9
      ? "Extreme" : intensity >= 7 ? "Severe" : intensity >= 5 ? "Moderate" : "Minor"
  }

  /// What was measured is observed; what several stations expect is likelier than not.
  private static func certainty(_ step: AlarmStep) -> String {
    if step.parts.contains(where: { $0.reason == .measuredShaking }) { return "Observed" }
    return step.parts.count > 1 ? "Likely" : "Possible"
  }

  // MARK: Alertmanager

  /// For POST …/api/v2/alerts.
  static func alertmanager(_ step: AlarmStep, receiver: String) -> String {
    let codes = step.parts.map(\.station)
    let ends = step.kind == .ended ? step.at : step.at + holdNanoseconds
    let labels = JsonLine.object([
      ("alertname", "\"EarthquakeAlarm\""), ("alarm", JsonLine.quoted(step.alarm)),
      ("receiver", JsonLine.quoted(receiver)), ("severity", "\"critical\""),
      ("drill", "\"\(step.isDrill)\""),
    ])
    let annotations = JsonLine.object([
      (
        "summary",
        JsonLine.quoted("earthquake \(step.level) at \(codes.joined(separator: ", "))")
      )
    ])
    return "["
      + JsonLine.object([
        ("labels", labels), ("annotations", annotations),
        ("startsAt", "\"\(step.begun.iso8601)\""), ("endsAt", "\"\(ends.iso8601)\""),
      ]) + "]"
  }
}
