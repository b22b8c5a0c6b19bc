// PickScore: how picks compare with what is true, as pickers are judged in the literature (Zhu &
// Beroza 2019; Mousavi et al. 2020): a hit is a pick within a tolerance of the truth, each truth
// and each pick used once.
//
//     var score = PickScore()
//     _ = score.add(picks: [12.3], truths: [12.2])
//     let recall = score.recall(0)

import Foundation

public struct PickScore {
  public static let tolerancesSeconds = [0.1, 0.5]

  public private(set) var truths = 0
  public private(set) var picks = 0
  /// One a tolerance.
  public private(set) var hits = [Int](repeating: 0, count: tolerancesSeconds.count)
  /// Pick minus truth, of hits at the widest tolerance.
  public private(set) var residuals: [Double] = []
  /// One a record, at the widest tolerance.
  public private(set) var tallies: [Bootstrap.Tally] = []

  /// Counts one record's picks of one phase. Returns, for each pick, the truth that it hits at the
  /// widest tolerance.
  public mutating func add(picks times: [Double], truths known: [Double]) -> [Int?] {
    truths += known.count
    picks += times.count
    var widest: [Int?] = []
    for (place, tolerance) in PickScore.tolerancesSeconds.enumerated() {
      let pairs = PickScore.pairs(times, known, tolerance)
      hits[place] += pairs.compactMap { $0 }.count
      widest = pairs
    }
    tallies.append(
      Bootstrap.Tally(
        picks: times.count, truths: known.count, hits: widest.count { $0 != nil }))
    for (pick, truth) in widest.enumerated() {
      if let truth { residuals.append(times[pick] - known[truth]) }
    }
    return widest
  }

  /// The closest ones first.
  private static func pairs(
    _ picks: [Double], _ truths: [Double], _ tolerance: Double
  ) -> [Int?] {
    var candidates: [(distance: Double, pick: Int, truth: Int)] = []
    for (pick, time) in picks.enumerated() {
      for (truth, other) in truths.enumerated() where abs(time - other) <= tolerance {
        candidates.append((abs(time - other), pick, truth))
      }
    }
    var result = [Int?](repeating: nil, count: picks.count)
    var isTaken = [Bool](repeating: false, count: truths.count)
    for candidate in candidates.sorted(by: { $0.distance < $1.distance })
    where result[candidate.pick] == nil && !isTaken[candidate.truth] {
      result[candidate.pick] = candidate.truth
      isTaken[candidate.truth] = true
    }
    return result
  }

  public mutating func add(_ other: PickScore) {
    truths += other.truths
    picks += other.picks
    for place in hits.indices { hits[place] += other.hits[place] }
    residuals += other.residuals
    tallies += other.tallies
  }

  public func precision(_ place: Int) -> Double? { ratio(hits[place], picks) }
  public func recall(_ place: Int) -> Double? { ratio(hits[place], truths) }
  public func f1(_ place: Int) -> Double? { ratio(2 * hits[place], picks + truths) }
  private func ratio(_ part: Int, _ whole: Int) -> Double? {
    whole == 0 ? nil : Double(part) / Double(whole)
  }

  public var mean: Double? {
    residuals.isEmpty ? nil : residuals.reduce(0, +) / Double(residuals.count)
  }
  public var deviation: Double? {
    guard let mean, residuals.count > 1 else { return nil }
    let sum = residuals.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (sum / Double(residuals.count - 1)).squareRoot()
  }
  public var meanAbsolute: Double? {
    residuals.isEmpty ? nil : residuals.reduce(0) { $0 + abs($1) } / Double(residuals.count)
  }
  /// From the median.
  public var medianAbsoluteDeviation: Double? {
    guard let centre = quantile(residuals, 0.5) else { return nil }
    return quantile(residuals.map { abs($0 - centre) }, 0.5)
  }
}

/// The value below which a share of the others lies; nil of none.
func quantile(_ values: [Double], _ share: Double) -> Double? {
  guard !values.isEmpty else { return nil }
  let sorted = values.sorted()
  return sorted[min(Int(share * Double(sorted.count)), sorted.count - 1)]
}
