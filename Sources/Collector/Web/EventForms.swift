// Picks and events as QuakeML and as SeisComP's XML, and events as lines of text.
//
//     let text = QuakeML.text(QuakeML.events(located) + QuakeML.events(picks))

import Core
import Tools
import Uplink

/// An event that was located, with what its stations told.
struct DescribedEvent {
  let entry: EventBook.Entry
  let arrivals: [(arrival: LocatedEvent.Arrival, pick: StoredPick, estimate: EstimateMessage?)]
}

/// What QuakeML and SeisComP's XML have in common.
private func parts(of pick: StoredPick) -> (waveform: String, content: String) {
  let codes = pick.codes
  let waveform = Xml.element(
    "waveformID", "",
    [
      ("networkCode", codes[0]), ("stationCode", codes[1]), ("locationCode", codes[2]),
      ("channelCode", pick.channel),
    ])
  let content =
    Xml.quantity(
      "time", pick.message.time.iso8601, uncertainty: decimal(pick.uncertaintySeconds, 6))
    + waveform
    + Xml.element("phaseHint", pick.phase) + Xml.element("polarity", pick.polarity)
    + Xml.element("evaluationMode", "automatic")
    + Xml.element(
      "creationInfo",
      Xml.element("author", "onset") + Xml.element("creationTime", pick.header.emitted.iso8601))
  return (waveform, content)
}

/// QuakeML 1.2, basic event description.
enum QuakeML {
  static func text(_ events: [String]) -> String {
    Xml.declaration
      + Xml.element(
        "q:quakeml",
        Xml.element(
          "eventParameters", events.joined(separator: "\n"),
          [("publicID", "smi:local/onset/events")]
        ),
        [
          ("xmlns", "http://quakeml.org/xmlns/bed/1.2"),
          ("xmlns:q", "http://quakeml.org/xmlns/quakeml/1.2"),
        ]) + "\n"
  }

  /// A pick that nobody has associated is of an event of its own, without an origin.
  static func event(_ pick: StoredPick, _ estimate: EstimateMessage?) -> String {
    Xml.element(
      "event", described(pick, estimate), [("publicID", "smi:local/\(pick.name)/event")])
  }

  static func event(_ event: DescribedEvent) -> String {
    let (located, name) = (event.entry.event, "smi:local/onset/event/\(event.entry.event.id)")
    let origin = "\(name)/origin/\(located.version)"
    let arrivals = event.arrivals.map { one in
      Xml.element(
        "arrival",
        Xml.element("pickID", "smi:local/\(one.pick.name)")
          + Xml.element("phase", one.arrival.isShear ? "S" : "P")
          + Xml.element(
            "distance", decimal(one.arrival.distanceKilometres / kilometresPerDegree, 4))
          + Xml.element("timeResidual", decimal(one.arrival.residualSeconds, 3)),
        [("publicID", "\(origin)/\(one.pick.name)")])
    }.joined()
    let magnitude = event.entry.magnitude.map {
      Xml.element(
        "magnitude",
        Xml.quantity("mag", decimal($0, 1)) + Xml.element("originID", origin)
          + Xml.element("stationCount", "\(event.entry.magnitudeCount)")
          + Xml.element("evaluationMode", "automatic"),
        [("publicID", "\(origin)/magnitude")])
    }
    return Xml.element(
      "event",
      Xml.element("preferredOriginID", origin)
        + (magnitude == nil ? "" : Xml.element("preferredMagnitudeID", "\(origin)/magnitude"))
        + Xml.element(
          "origin",
          Xml.quantity("time", located.time.iso8601)
            + Xml.quantity("latitude", decimal(located.latitude, 5))
            + Xml.quantity("longitude", decimal(located.longitude, 5))
            + Xml.quantity("depth", decimal(located.depthKilometres * 1000, 0))
            + Xml.element(
              "quality",
              Xml.element("usedPhaseCount", "\(located.arrivals.count)")
                + Xml.element("usedStationCount", "\(located.stationCount)")
                + Xml.element("standardError", decimal(located.rmsSeconds, 3)))
            + Xml.element("evaluationMode", "automatic") + arrivals, [("publicID", origin)])
        + (magnitude ?? "")
        + event.arrivals.map { described($0.pick, $0.estimate) }.joined(),
      [("publicID", name)])
  }

  /// A great circle's, on a sphere of the Earth's volume (radius 6371 km).
  private static let kilometresPerDegree = 111.195

  private static func described(_ pick: StoredPick, _ estimate: EstimateMessage?) -> String {
    let (waveform, content) = parts(of: pick)
    let name = "smi:local/\(pick.name)"
    return Xml.element("pick", content, [("publicID", name)])
      + amplitudes(estimate, pickName: name, waveform: waveform)
  }

  /// What was measured in the first seconds after P.
  private static func amplitudes(
    _ estimate: EstimateMessage?, pickName: String, waveform: String
  ) -> String {
    guard let estimate else { return "" }
    let measured: [(type: String, unit: String, value: WireFloat)] = [
      ("PD", "m", estimate.peakDisplacement), ("PV", "m/s", estimate.peakVelocity),
      ("PA", "m/(s*s)", estimate.peakAcceleration), ("TAUC", "s", estimate.tauC),
    ]
    return measured.map { type, unit, value in
      guard let value = value.value else { return "" }
      return Xml.element(
        "amplitude",
        Xml.quantity("genericAmplitude", "\(value)") + Xml.element("type", type)
          + Xml.element("unit", unit) + Xml.element("pickID", pickName) + waveform
          + Xml.element("evaluationMode", "automatic"),
        [("publicID", "\(pickName)/\(type)")])
    }.joined()
  }
}

/// For `scdispatch -O add`.
enum SeisComPML {
  private static let version = "0.12"

  static func text(_ picks: [StoredPick]) -> String {
    Xml.declaration
      + Xml.element(
        "seiscomp",
        Xml.element(
          "EventParameters",
          picks.map { Xml.element("pick", parts(of: $0).content, [("publicID", $0.name)]) }
            .joined(separator: "\n")),
        [
          ("xmlns", "http://geofon.gfz-potsdam.de/ns/seiscomp3-schema/\(version)"),
          ("version", version),
        ]) + "\n"
  }
}

enum EventText {
  /// A line each, as FDSN's event service has them.
  static func fdsn(_ entries: [EventBook.Entry]) -> String {
    entries.reduce(
      "#EventID|Time|Latitude|Longitude|Depth/km|Author|Catalog|Contributor|ContributorID|MagType|"
        + "Magnitude|MagAuthor|EventLocationName\n"
    ) { text, entry in
      let event = entry.event
      let fields = [
        event.id, String(event.time.iso8601.dropLast()), decimal(event.latitude, 4),
        decimal(event.longitude, 4), decimal(event.depthKilometres, 1), "onset", "onset", "onset",
        event.id, entry.magnitude == nil ? "" : "M", entry.magnitude.map { decimal($0, 1) } ?? "",
        entry.magnitude == nil ? "" : "onset", "",
      ]
      return text + fields.joined(separator: "|") + "\n"
    }
  }
}
