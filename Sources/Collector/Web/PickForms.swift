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

  /// PyOcto's form: station, phase, time in seconds since 1970; and what tells which pick it is.
  static func pyocto(_ picks: [StoredPick]) -> String {
    picks.reduce("station,phase,time,probability,epoch,boot,pick_id\n") { text, pick in
      let probability = pick.message.probability
      let fields = [
        pick.header.station.string, pick.phase,
        decimal(Double(pick.message.time.nanoseconds / 1000) * 1e-6, 6),
        probability == Wire.noProbability ? "" : decimal(Double(probability) / 10_000, 4),
        JsonLine.hex(pick.header.epoch), "\(pick.header.bootCounter)", "\(pick.message.id)",
      ]
      return text + fields.joined(separator: ",") + "\n"
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
