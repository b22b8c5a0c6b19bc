// Picks in the forms of other systems: FDSN-style text, Earthworm's lines, QuakeML, SeisComP's XML.
//
//     let text = PickText.fdsn(picks)

import Core
import Tools
import Uplink

typealias StoredPick = StoredMessage<PickMessage>

extension StoredMessage<PickMessage> {
  /// Network, station, location, band and source.
  var codes: [String] {
    header.station.string.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
  }

  /// A P is seen on the vertical; an S on three components at once.
  var channel: String { (codes.last ?? "") + (message.phase == 1 ? "Z" : "") }

  var phase: String { message.phase == 1 ? "P" : "S" }

  var polarity: String {
    message.firstMotion == 0 ? "undecidable" : message.firstMotion > 0 ? "positive" : "negative"
  }

  /// For ever, and the same wherever it is asked for.
  var name: String {
    let epoch = String(header.epoch, radix: 16)
    return "onset/\(header.station.string)/\(epoch)/\(header.bootCounter)/\(message.id)"
  }

  var uncertaintySeconds: Double { Double(message.timeSigmaMicroseconds) * 1e-6 }
}

enum PickText {
  /// A line each, fields between bars, as FDSN's event service has them.
  static func fdsn(_ picks: [StoredPick]) -> String {
    picks.reduce(
      "#PickID|Network|Station|Location|Channel|Time|TimeUncertainty|Phase|Polarity|Probability|SNR_dB|Quality\n"
    ) { text, pick in
      let probability = pick.message.probability
      let fields =
        [pick.name] + pick.codes.prefix(3) + [
          pick.channel, String(pick.message.time.iso8601.dropLast()),
          decimal(pick.uncertaintySeconds, 3), pick.phase, pick.polarity,
          probability == Wire.noProbability ? "" : decimal(Double(probability) / 10_000, 4),
          decimal(Double(pick.message.signalToNoiseCentidecibels) / 100, 1),
          ["A", "B", "C", "D"][Int(pick.message.quality) - 1],
        ]
      return text + fields.joined(separator: "|") + "\n"
    }
  }

  /// Earthworm's TYPE_PICK_SCNL: type, module and installation, number, SCNL, first motion with
  /// weight, time, three amplitudes. An operator's Earthworm gives module and installation.
  static func earthworm(_ picks: [StoredPick]) -> String {
    picks.map { pick in
      let motion = pick.message.firstMotion == 0 ? "?" : pick.message.firstMotion > 0 ? "U" : "D"
      let codes = pick.codes
      let location = codes[2].isEmpty ? "--" : codes[2]
      let digits = pick.message.time.iso8601.filter { $0.isNumber || $0 == "." }
      return "8 0 0 \(pick.message.id) \(codes[1]).\(pick.channel).\(codes[0]).\(location) "
        + "\(motion)\(pick.message.quality - 1) \(digits.dropLast(3)) 0 0 0\n"
    }.joined()
  }
}

/// Texts in XML.
private func element(_ name: String, _ content: String, _ attributes: [(String, String)] = [])
  -> String
{
  let all = attributes.map { " \($0.0)=\"\(escaped($0.1))\"" }.joined()
  return content.isEmpty ? "<\(name)\(all)/>" : "<\(name)\(all)>\(content)</\(name)>"
}

private func escaped(_ text: String) -> String {
  text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    .replacing("\"", with: "&quot;")
}

private let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

/// What QuakeML and SeisComP's XML have in common.
private func parts(of pick: StoredPick) -> (waveform: String, content: String) {
  let codes = pick.codes
  let waveform = element(
    "waveformID", "",
    [
      ("networkCode", codes[0]), ("stationCode", codes[1]), ("locationCode", codes[2]),
      ("channelCode", pick.channel),
    ])
  let content =
    element(
      "time",
      element("value", pick.message.time.iso8601)
        + element("uncertainty", decimal(pick.uncertaintySeconds, 6))) + waveform
    + element("phaseHint", pick.phase) + element("polarity", pick.polarity)
    + element("evaluationMode", "automatic")
    + element(
      "creationInfo",
      element("author", "onset") + element("creationTime", pick.header.emitted.iso8601))
  return (waveform, content)
}

/// QuakeML 1.2, basic event description. Nobody has associated the picks: each is of an event of
/// its own, without an origin.
enum QuakeML {
  static func text(_ picks: [(pick: StoredPick, estimate: EstimateMessage?)]) -> String {
    let events = picks.map { pick, estimate in
      let (waveform, content) = parts(of: pick)
      let name = "smi:local/\(pick.name)"
      return element(
        "event",
        element("pick", content, [("publicID", name)])
          + amplitudes(estimate, pickName: name, waveform: waveform),
        [("publicID", name + "/event")])
    }
    return declaration
      + element(
        "q:quakeml",
        element(
          "eventParameters", events.joined(separator: "\n"), [("publicID", "smi:local/onset/picks")]
        ),
        [
          ("xmlns", "http://quakeml.org/xmlns/bed/1.2"),
          ("xmlns:q", "http://quakeml.org/xmlns/quakeml/1.2"),
        ]) + "\n"
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
      return element(
        "amplitude",
        element("genericAmplitude", element("value", "\(value)")) + element("type", type)
          + element("unit", unit) + element("pickID", pickName) + waveform
          + element("evaluationMode", "automatic"),
        [("publicID", "\(pickName)/\(type)")])
    }.joined()
  }
}

/// For `scdispatch -O add`.
enum SeisComPML {
  private static let version = "0.12"

  static func text(_ picks: [StoredPick]) -> String {
    declaration
      + element(
        "seiscomp",
        element(
          "EventParameters",
          picks.map { element("pick", parts(of: $0).content, [("publicID", $0.name)]) }
            .joined(separator: "\n")),
        [
          ("xmlns", "http://geofon.gfz-potsdam.de/ns/seiscomp3-schema/\(version)"),
          ("version", version),
        ]) + "\n"
  }
}
