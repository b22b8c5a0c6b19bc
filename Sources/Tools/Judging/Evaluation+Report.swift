// The evaluation as a table, and as one JSON object.

import Foundation

extension Evaluation {
  /// A picker's sources, then all of them together.
  private var reported: [Row] {
    var names: [String] = []
    for row in rows where !names.contains(row.picker) { names.append(row.picker) }
    return names.flatMap { name in
      let own = rows.filter { $0.picker == name }
      return own.count == 1 ? own : own + [total(name)]
    }
  }

  public var table: String {
    var lines: [String] = []
    for row in reported {
      lines.append(
        "\(row.picker), \(row.source): \(row.records) records, \(decimal(row.hours, 2)) h")
      for (name, score) in [("P", row.p), ("S", row.s)] where score.truths > 0 {
        lines.append(Evaluation.text(name, score))
      }
      lines += details(row)
    }
    return lines.joined(separator: "\n")
  }

  private static func text(_ name: String, _ score: PickScore) -> String {
    var parts: [String] = []
    for (place, tolerance) in PickScore.tolerancesSeconds.enumerated() {
      parts.append(
        "±\(decimal(tolerance, 1)) s: precision \(percent(score.precision(place))), recall "
          + "\(percent(score.recall(place))), F1 \(percent(score.f1(place)))")
    }
    parts.append(
      "mean \(seconds(score.mean)), σ \(seconds(score.deviation)), MAE "
        + "\(seconds(score.meanAbsolute)), MAD \(seconds(score.medianAbsoluteDeviation))")
    return "  \(name) of \(score.truths): " + parts.joined(separator: "; ")
  }

  private func details(_ row: Row) -> [String] {
    var lines: [String] = []
    if row.p.truths > 0 {
      let edges = ["below 6", "6 to 12", "12 to 20", "from 20"]
      let bins = zip(edges, row.byDecibels).filter { $0.1.truths > 0 }
        .map { "\($0.0) dB \($0.1.hits) of \($0.1.truths)" }
      lines.append("  P found by signal-to-noise: " + bins.joined(separator: ", "))
    }
    if row.agreedP.all + row.agreedS.all > 0 {
      lines.append(
        "  of what teachers agree on: P \(row.agreedP.found) of \(row.agreedP.all), S "
          + "\(row.agreedS.found) of \(row.agreedS.all)")
    }
    if row.continuousHours > 0 {
      lines.append(
        "  P a day that no teacher supports: "
          + decimal(Double(row.unsupported) / row.continuousHours * 24, 1)
          + " (\(row.unsupported) in \(decimal(row.continuousHours, 2)) h)")
    }
    if row.announced > 0 {
      lines.append(
        "  announced \(row.announced) of \(row.confirmed) P; retracted a day "
          + decimal(Double(row.retracted) / row.hours * 24, 1)
          + "; delay to the announcement: median "
          + seconds(quantile(row.delays, 0.5)) + ", 90 % " + seconds(quantile(row.delays, 0.9)))
    }
    if row.motionsKnown > 0 {
      lines.append(
        "  first motion right \(row.motionsRight) of \(row.motionsSaid) said, "
          + "\(row.motionsKnown) known")
    }
    if !row.covered.isEmpty {
      let parts = row.covered.keys.sorted().map {
        "\($0) \(row.covered[$0]!.covered) of \(row.covered[$0]!.all)"
      }
      lines.append("  stated σ covers: " + parts.joined(separator: ", "))
    }
    return lines
  }

  public var json: String {
    "{\"evaluation\":[" + reported.map(Evaluation.object).joined(separator: ",") + "]}"
  }

  private static func object(_ row: Row) -> String {
    func number(_ value: Double?) -> String { value.map { decimal($0, 4) } ?? "null" }
    func score(_ score: PickScore) -> String {
      let at = PickScore.tolerancesSeconds.enumerated().map { place, tolerance in
        "{\"tolerance_s\":\(decimal(tolerance, 1)),\"hits\":\(score.hits[place]),"
          + "\"precision\":\(number(score.precision(place))),"
          + "\"recall\":\(number(score.recall(place))),\"f1\":\(number(score.f1(place)))}"
      }
      return "{\"truths\":\(score.truths),\"picks\":\(score.picks),\"at\":["
        + at.joined(separator: ",") + "],\"mean_s\":\(number(score.mean)),"
        + "\"sigma_s\":\(number(score.deviation)),\"mae_s\":\(number(score.meanAbsolute)),"
        + "\"mad_s\":\(number(score.medianAbsoluteDeviation))}"
    }
    let bins = row.byDecibels.map { "{\"truths\":\($0.truths),\"hits\":\($0.hits)}" }
    let covered = row.covered.keys.sorted().map {
      "\"\($0)\":{\"covered\":\(row.covered[$0]!.covered),\"all\":\(row.covered[$0]!.all)}"
    }
    let perDay = row.continuousHours > 0 ? Double(row.unsupported) / row.continuousHours * 24 : nil
    return "{\"picker\":\"\(row.picker)\",\"source\":\"\(row.source)\",\"records\":\(row.records),"
      + "\"hours\":\(decimal(row.hours, 3)),\"p\":\(score(row.p)),\"s\":\(score(row.s)),"
      + "\"p_by_snr\":[\(bins.joined(separator: ","))],"
      + "\"agreed_p\":{\"found\":\(row.agreedP.found),\"all\":\(row.agreedP.all)},"
      + "\"agreed_s\":{\"found\":\(row.agreedS.found),\"all\":\(row.agreedS.all)},"
      + "\"unsupported_p_a_day\":\(number(perDay)),\"confirmed_p\":\(row.confirmed),"
      + "\"announced_p\":\(row.announced),\"retracted\":\(row.retracted),"
      + "\"delay_median_s\":\(number(quantile(row.delays, 0.5))),"
      + "\"delay_90_s\":\(number(quantile(row.delays, 0.9))),"
      + "\"motion\":{\"known\":\(row.motionsKnown),\"said\":\(row.motionsSaid),"
      + "\"right\":\(row.motionsRight)},\"sigma_covers\":{\(covered.joined(separator: ","))}}"
  }
}

private func percent(_ value: Double?) -> String {
  value.map { decimal(100 * $0, 1) + " %" } ?? "–"
}

private func seconds(_ value: Double?) -> String { value.map { decimal($0, 3) + " s" } ?? "–" }
