// EstimatorModel: a network file that says what the first seconds of P mean
// (EstimatorFeatures.swift). A row of codes goes in; out come quantiles and a softmax over the
// classes, in this order:
//
//   16 samples       16 %, 50 %, 84 % of magnitude; the same of log distance, of how much larger
//                    than until now acceleration will become (log), and velocity; four unused; in
//                    units of ln 2 / 256
//   softmax EBLNTF   earthquake, blast, local impact, noise, teleseism, fault of the instrument
//
//     let model = try EstimatorModel(bytes)
//     let estimator = Estimator.make(
//       Relations(), model: model, kernels: kernels, for: conditioner, arena: &arena)

import Core
import Network

public struct EstimatorModel: NetworkModel {
  static let unit = 0.6931471805599453 / 256
  static let quantileWidth = 16
  static let classCount = 6

  public let plan: NetworkPlan
  let quantiles: Int
  let classes: Int

  public init(_ bytes: UnsafeRawBufferPointer) throws(NetworkError) {
    let plan = try NetworkPlan(bytes, maximumRows: 1)
    func fail(_ reason: StaticString) -> NetworkError { NetworkError(place: .file, reason: reason) }
    let header = plan.header
    let input = plan.buffers[0]
    guard header.windowRows == 0, header.normalization == .callers, input.element == .code,
      input.width == EstimatorFeatures.count, input.blank == 0
    else { throw fail("not an estimator: it must take rows of 20 codes of blank 0") }
    var quantiles: Int?
    var classes: Int?
    var outputs = 0
    for index in 0..<header.bufferCount where plan.isOutput(index) {
      let buffer = plan.buffers[index]
      outputs += 1
      guard buffer.period == 1, buffer.fold == 1, plan.lookahead(ofBuffer: index) == 0 else {
        throw fail("not an estimator: it must answer every row at once")
      }
      if buffer.element == .sample && buffer.width == EstimatorModel.quantileWidth {
        quantiles = index
      }
    }
    for index in 0..<header.layerCount
    where plan.layers[index].kind == .softmax && plan.layers[index].classLetters.equals("EBLNTF") {
      classes = plan.layers[index].destination
    }
    guard outputs == 2, let quantiles, let classes else {
      throw fail("not an estimator: it must end in 16 samples and a softmax EBLNTF")
    }
    (self.plan, self.quantiles, self.classes) = (plan, quantiles, classes)
  }

  /// What an EstimatorNetwork takes of an arena.
  public var arenaByteCount: Int {
    plan.arenaByteCount + MemoryLayout<EstimatorNetwork>.stride + 64
  }
}
