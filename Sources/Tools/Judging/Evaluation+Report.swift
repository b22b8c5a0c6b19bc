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
      for (name, score) in [("announced P", row.announcedP), ("P", row.p), ("S", row.s)]
      where score.truths > 0 && (score.picks > 0 || name != "announced P") {
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
          + "\(percent(score.recall(place))), F1 \(percent(score.f1(place)))"
          + (place == PickScore.tolerancesSeconds.count - 1 ? likely(score) : ""))
    }
    parts.append(
      "mean \(seconds(score.mean)), σ \(seconds(score.deviation)), MAE "
        + "\(seconds(score.meanAbsolute)), MAD \(seconds(score.medianAbsoluteDeviation))")
    return "  \(name) of \(score.truths): " + parts.joined(separator: "; ")
  }

  /// Where 95 of 100 other samples of records would have put F1.
  private static func interval(_ score: PickScore) -> ClosedRange<Double>? {
    Bootstrap.f1(score.tallies, draws: 1000, seed: 1)
  }

  private static func likely(_ score: PickScore) -> String {
    interval(score).map {
      " (\(decimal(100 * $0.lowerBound, 1)) to \(decimal(100 * $0.upperBound, 1)))"
    } ?? ""
  }

  private func details(_ row: Row) -> [String] {
    var lines = row.breakdowns.filter { !$0.isEmpty }.map { "  found of " + $0.text }
    lines += row.reliabilities.filter { $0.picks > 0 }.map { "  probability of " + $0.text }
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
        "\($0) \(row.covered[$0]!.once) (\(row.covered[$0]!.twice)) of \(row.covered[$0]!.all)"
      }
      lines.append("  stated σ (1.96 σ) covers: " + parts.joined(separator: ", "))
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
      let likely = interval(score)
      return "{\"truths\":\(score.truths),\"picks\":\(score.picks),\"at\":["
        + at.joined(separator: ",") + "],\"f1_from\":\(number(likely?.lowerBound)),"
        + "\"f1_to\":\(number(likely?.upperBound)),\"mean_s\":\(number(score.mean)),"
        + "\"sigma_s\":\(number(score.deviation)),\"mae_s\":\(number(score.meanAbsolute)),"
        + "\"mad_s\":\(number(score.medianAbsoluteDeviation))}"
    }
    let covered = row.covered.keys.sorted().map {
      "\"\($0)\":{\"covered\":\(row.covered[$0]!.once),\"covered_95\":\(row.covered[$0]!.twice),"
        + "\"all\":\(row.covered[$0]!.all)}"
    }
    let perDay = row.continuousHours > 0 ? Double(row.unsupported) / row.continuousHours * 24 : nil
    return "{\"picker\":\"\(row.picker)\",\"source\":\"\(row.source)\",\"records\":\(row.records),"
      + "\"hours\":\(decimal(row.hours, 3)),\"p\":\(score(row.p)),\"s\":\(score(row.s)),"
      + "\"announced\":\(score(row.announcedP)),"
      + "\"breakdowns\":[\(row.breakdowns.map(\.json).joined(separator: ","))],"
      + "\"reliability\":[\(row.reliabilities.map(\.json).joined(separator: ","))],"
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
