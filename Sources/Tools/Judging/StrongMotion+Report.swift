// The strong-motion evaluation as a table, and as one JSON object.

import Core
import Estimator
import Foundation
import Uplink

/// Differences, and how often they lie within one and two of their own standard deviations.
struct Residuals {
  private(set) var values: [Double] = []
  private var sigmas: [Double] = []

  mutating func add(_ value: Double, sigma: Double = .nan) {
    values.append(value)
    sigmas.append(sigma)
  }

  var count: Int { values.count }
  var mean: Double { values.reduce(0, +) / Double(count) }
  var deviation: Double {
    (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)).squareRoot()
  }
  var meanAbsolute: Double { values.reduce(0) { $0 + $1.magnitude } / Double(count) }

  func covered(_ factor: Double) -> Double {
    Double(zip(values, sigmas).filter { $0.magnitude <= factor * $1 }.count) / Double(count)
  }
}

extension StrongMotion {
  private static let magnitudeEdges = [
    ("M below 5", 0.0..<5), ("M 5 to 6.5", 5..<6.51), ("M above 6.5", 6.51..<10),
  ]

  /// One line of the table: what of which records, at which time.
  private struct Line {
    var name: String
    var seconds: Double
    var residuals: Residuals
    var isMagnitude = false
  }

  private func lines(_ records: [Judged]) -> [Line] {
    var lines: [Line] = []
    for (place, seconds) in StrongMotion.secondsAfterP.enumerated() {
      var found: [(String, Residuals, Bool)] = []
      func add(
        _ name: String, isMagnitude: Bool = false,
        _ body: (Judged, EstimateMessage) -> (Double, Double)?
      ) {
        var residuals = Residuals()
        for record in records {
          guard let estimate = record.estimates[place], let (value, sigma) = body(record, estimate)
          else { continue }
          residuals.add(value, sigma: sigma)
        }
        if residuals.count > 0 { found.append((name, residuals, isMagnitude)) }
      }
      add("log PGA") { record, e in
        e.expectedAcceleration.value.map {
          (record.logAcceleration - Elementary.logarithm10($0), Double(e.accelerationSigma) / 1000)
        }
      }
      add("log PGV") { record, e in
        e.expectedVelocity.value.map {
          (record.logVelocity - Elementary.logarithm10($0), Double(e.velocitySigma) / 1000)
        }
      }
      add("magnitude", isMagnitude: true) { record, e in
        record.magnitude.map {
          ($0 - Double(e.magnitudeHundredths) / 100, Double(e.magnitudeSigmaHundredths) / 100)
        }
      }
      add("log distance") { record, e in
        record.kilometres.map {
          (
            Elementary.logarithm10($0 * 1000) - Elementary.logarithm10(Double(e.distanceMetres)),
            Double(e.distanceSigma) / 1000
          )
        }
      }
      addRelations(add)
      lines += found.map { Line(name: $0.0, seconds: seconds, residuals: $0.1, isMagnitude: $0.2) }
    }
    return lines
  }

  /// Each published relation alone, on what the same messages say.
  private func addRelations(
    _ add: (String, Bool, (Judged, EstimateMessage) -> (Double, Double)?) -> Void
  ) {
    let relations = Relations()
    add("log PGV of Pd alone, Wu and Kanamori 2008", false) { record, e in
      e.peakDisplacement.value.map {
        (
          record.logVelocity
            - relations.velocityOfDisplacement.value(Elementary.logarithm10($0)), 0.309
        )
      }
    }
    add("magnitude of τc alone, Wu and Kanamori 2008", true) { record, e in
      guard let magnitude = record.magnitude, let tauC = e.tauC.value, tauC > 0 else { return nil }
      return (
        magnitude - relations.magnitudeOfPeriod.value(Elementary.logarithm10(tauC)), 0.385
      )
    }
    add("magnitude of Pd and the true distance, Kuyuk and Allen 2013", true) { record, e in
      guard let magnitude = record.magnitude, let kilometres = record.kilometres,
        let pd = e.peakDisplacement.value
      else { return nil }
      let found =
        1.23 * (Elementary.logarithm10(pd) + 2) + 1.38 * Elementary.logarithm10(kilometres) + 5.39
      return (magnitude - found, 0.31)
    }
  }

  private var groups: [(name: String, records: [Judged])] {
    var groups: [(String, [Judged])] = [("all", judged)]
    for source in Set(judged.map(\.source)).sorted() {
      groups.append((source, judged.filter { $0.source == source }))
    }
    for (name, range) in StrongMotion.magnitudeEdges {
      let records = judged.filter { $0.magnitude.map(range.contains) ?? false }
      if !records.isEmpty { groups.append((name, records)) }
    }
    return groups
  }

  public var table: String {
    var out = ["\(records) records, \(judged.count) with a P before the strongest shaking"]
    for group in groups {
      out.append("\(group.name), \(group.records.count) records")
      for line in lines(group.records) {
        let r = line.residuals
        out.append(
          "  \(decimal(line.seconds, 1)) s  \(line.name): n \(r.count), mean \(decimal(r.mean, 2)), "
            + "σ \(decimal(r.deviation, 2))"
            + (line.isMagnitude ? ", MAE \(decimal(r.meanAbsolute, 2))" : "")
            + ", within σ \(share(r.covered(1))), within 2σ \(share(r.covered(1.96)))")
      }
    }
    for (limit, found) in zip(StrongMotion.limits, alarms) {
      out.append(
        "alarm at \(decimal(limit / 9.80665, 2)) g: right \(found.right), wrong \(found.wrong), "
          + "missed \(found.missed); precision \(share(found.precision)), recall "
          + "\(share(found.recall)); lead median \(decimal(quantile(found.leads, 0.5) ?? .nan, 1)) s; "
          + "of \(found.measurable) that could be measured \(found.inTime) in time"
      )
      for (file, seconds) in found.late {
        let sentence = seconds.map { "\(decimal($0, 2)) s late" } ?? "no alarm"
        out.append("  \(file): \(sentence)")
      }
    }
    return out.joined(separator: "\n")
  }

  public var json: String {
    let groups = self.groups.map { group in
      let lines = self.lines(group.records).map { line in
        "{\"after_p_s\":\(decimal(line.seconds, 1)),\"what\":\"\(line.name)\","
          + "\"n\":\(line.residuals.count),\"mean\":\(decimal(line.residuals.mean, 4)),"
          + "\"sigma\":\(decimal(line.residuals.deviation, 4)),"
          + "\"mae\":\(decimal(line.residuals.meanAbsolute, 4)),"
          + "\"within_68\":\(decimal(line.residuals.covered(1), 4)),"
          + "\"within_95\":\(decimal(line.residuals.covered(1.96), 4))}"
      }
      return "{\"group\":\"\(group.name)\",\"records\":\(group.records.count),"
        + "\"residuals\":[\(lines.joined(separator: ","))]}"
    }
    let alarms = zip(StrongMotion.limits, alarms).map { limit, found in
      "{\"limit_ms2\":\(decimal(limit, 4)),\"right\":\(found.right),\"wrong\":\(found.wrong),"
        + "\"missed\":\(found.missed),\"lead_median_s\":"
        + "\(decimal(quantile(found.leads, 0.5) ?? .nan, 3))}"
    }
    return "{\"strong_motion\":{\"records\":\(records),\"without_p\":\(withoutP),\"groups\":["
      + groups.joined(separator: ",") + "],\"jma\":{"
      + intensities.map { "\"\($0.file)\":\(decimal($0.value, 3))" }.joined(separator: ",")
      + "},\"alarms\":[\(alarms.joined(separator: ","))]}}"
  }
}

private func share(_ value: Double?) -> String { value.map { decimal(100 * $0, 0) + " %" } ?? "–" }
