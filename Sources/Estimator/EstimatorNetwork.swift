// EstimatorNetwork: what a network makes of a row of codes, each by itself.

import Core
import Kernels
import Network

/// In the order of the network's classes and of the wire's.
public enum EventClass: UInt8, Sendable {
  case earthquake = 1
  case blast, localImpact, noise, teleseism, instrumentFault
}

struct EstimatorNetwork: ~Copyable {
  struct Answer {
    var magnitude: Uncertain
    var logKilometres: Uncertain
    /// The logarithm of the peaks to come over those until now.
    var logAccelerationGrowth: Uncertain
    var logVelocityGrowth: Uncertain
    var likeliest: EventClass
    var likeliestProbability: Double
    var earthquakeProbability: Double
  }
  /// Quantiles nearer to each other are an accident.
  private static let sigmaMinimum = 0.05

  private let model: EstimatorModel
  private var network: Network

  init(_ model: EstimatorModel, kernels: KernelVariant, arena: inout Arena) {
    self.model = model
    network = Network(model.plan, kernels: kernels, arena: &arena)
  }

  mutating func answer(_ codes: EstimatorFeatures.Codes) -> Answer {
    var codes = codes
    withUnsafeBytes(of: &codes) { network.push($0.baseAddress!, count: 1) }
    _ = network.advance()
    let samples = network.output(model.quantiles).values
    let probabilities = network.output(model.classes).values
    var likeliest = 0
    for index in 1..<EstimatorModel.classCount
    where Self.probability(probabilities, index) > Self.probability(probabilities, likeliest) {
      likeliest = index
    }
    return Answer(
      magnitude: Self.value(samples, 0), logKilometres: Self.value(samples, 1),
      logAccelerationGrowth: Self.value(samples, 2), logVelocityGrowth: Self.value(samples, 3),
      likeliest: EventClass(rawValue: UInt8(likeliest + 1)) ?? .noise,
      likeliestProbability: Self.probability(probabilities, likeliest),
      earthquakeProbability: Self.probability(probabilities, 0))
  }

  /// From the three quantiles as if they were a normal distribution's.
  private static func value(_ samples: UnsafeRawPointer, _ index: Int) -> Uncertain {
    func quantile(_ place: Int) -> Double {
      let sample = samples.loadUnaligned(fromByteOffset: 2 * (3 * index + place), as: Int16.self)
      return Double(sample) * EstimatorModel.unit
    }
    return Uncertain(quantile(1), sigma: max((quantile(2) - quantile(0)) / 2, sigmaMinimum))
  }

  private static func probability(_ values: UnsafeRawPointer, _ index: Int) -> Double {
    Double(values.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) / 32_768
  }
}
