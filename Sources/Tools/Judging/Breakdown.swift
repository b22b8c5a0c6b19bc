// What lies under one figure of an evaluation: where hits and misses are, whether a stated
// probability is how often it is right, and how far another sample of records might move it.
//
// One F1 over all records is the obvious result. It hides that a picker finds strong events and
// not weak ones, and it invites to tell apart what a handful of records cannot tell apart.
//
//     var bySize = Breakdown("P by magnitude", edges: [1, 2, 3])
//     bySize.add(2.4, isHit: true)
//     let likely = Bootstrap.f1(tallies, draws: 1000, seed: 1)

import Core

/// Truths and how many of them were found, by what they are.
public struct Breakdown: Equatable {
  public struct Bin: Equatable {
    public var truths = 0
    public var hits = 0
  }

  public let name: String
  private let unit: String
  private let edges: [Double]
  public private(set) var bins: [Bin]

  public init(_ name: String, _ unit: String = "", edges: [Double]) {
    (self.name, self.unit, self.edges) = (name, unit, edges)
    bins = Array(repeating: Bin(), count: edges.count + 1)
  }

  /// An edge belongs to the bin above it.
  public mutating func add(_ value: Double, isHit: Bool) {
    let place = edges.firstIndex { value < $0 } ?? edges.count
    bins[place].truths += 1
    bins[place].hits += isHit ? 1 : 0
  }

  mutating func add(_ other: Breakdown) {
    for place in bins.indices {
      bins[place].truths += other.bins[place].truths
      bins[place].hits += other.bins[place].hits
    }
  }

  var isEmpty: Bool { bins.allSatisfy { $0.truths == 0 } }

  private func label(_ place: Int) -> String {
    func edge(_ place: Int) -> String { decimal(edges[place], edges[place] < 1 ? 1 : 0) }
    let range =
      place == 0
      ? "below \(edge(0))"
      : place == edges.count
        ? "from \(edge(place - 1))" : "\(edge(place - 1)) to \(edge(place))"
    return unit.isEmpty ? range : "\(range) \(unit)"
  }

  var text: String {
    name + ": "
      + bins.indices.filter { bins[$0].truths > 0 }
      .map { "\(label($0)) \(bins[$0].hits) of \(bins[$0].truths)" }.joined(separator: ", ")
  }

  var json: String {
    let parts = bins.indices.map {
      "{\"range\":\"\(label($0))\",\"truths\":\(bins[$0].truths),\"hits\":\(bins[$0].hits)}"
    }
    return "{\"of\":\"\(name)\",\"bins\":[\(parts.joined(separator: ","))]}"
  }
}

/// How often picks that state about the same probability are right.
public struct Reliability: Equatable {
  private static let edges = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
  private struct Bin: Equatable {
    var picks = 0
    var right = 0
    var stated = 0.0
  }

  public let name: String
  private var bins = Array(repeating: Bin(), count: edges.count + 1)

  public init(_ name: String) { self.name = name }

  public mutating func add(_ probability: Double, isRight: Bool) {
    let place = Reliability.edges.firstIndex { probability < $0 } ?? Reliability.edges.count
    bins[place].picks += 1
    bins[place].right += isRight ? 1 : 0
    bins[place].stated += probability
  }

  mutating func add(_ other: Reliability) {
    for place in bins.indices {
      bins[place].picks += other.bins[place].picks
      bins[place].right += other.bins[place].right
      bins[place].stated += other.bins[place].stated
    }
  }

  public var picks: Int { bins.reduce(0) { $0 + $1.picks } }

  /// By how much a stated probability is off on average, up or down, weighted by how often it is
  /// stated (Naeini et al. 2015: expected calibration error).
  public var error: Double? {
    guard picks > 0 else { return nil }
    return bins.reduce(0) { $0 + abs($1.stated - Double($1.right)) } / Double(picks)
  }

  var text: String {
    name + ": "
      + bins.filter { $0.picks > 0 }.map {
        "\(decimal($0.stated / Double($0.picks), 2)) right in \($0.right) of \($0.picks)"
      }.joined(separator: ", ") + "; off by " + decimal(error ?? 0, 2)
  }

  var json: String {
    let parts = bins.filter { $0.picks > 0 }.map {
      "{\"stated\":\(decimal($0.stated / Double($0.picks), 4)),\"picks\":\($0.picks),"
        + "\"right\":\($0.right)}"
    }
    return "{\"of\":\"\(name)\",\"bins\":[\(parts.joined(separator: ","))]}"
  }
}

/// What a score might have been on other records of the same kind: 95 of 100 samples of as many
/// records, drawn with replacement, lie between (Efron 1979).
public enum Bootstrap {
  public struct Tally: Equatable, Sendable {
    public var picks: Int
    public var truths: Int
    public var hits: Int

    public init(picks: Int, truths: Int, hits: Int) {
      (self.picks, self.truths, self.hits) = (picks, truths, hits)
    }
  }

  /// `tallies`: one a record. nil where fewer than two of them say anything.
  public static func f1(_ tallies: [Tally], draws: Int, seed: UInt64) -> ClosedRange<Double>? {
    let told = tallies.filter { $0.picks + $0.truths > 0 }
    guard told.count > 1, draws > 0 else { return nil }
    var random = RandomGenerator(seed: seed)
    var scores: [Double] = []
    for _ in 0..<draws {
      var (hits, whole) = (0, 0)
      for _ in told.indices {
        let tally = told.randomElement(using: &random)!
        hits += tally.hits
        whole += tally.picks + tally.truths
      }
      scores.append(Double(2 * hits) / Double(whole))
    }
    return quantile(scores, 0.025)!...quantile(scores, 0.975)!
  }
}
