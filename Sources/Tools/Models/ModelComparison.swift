// ModelComparison: a network file against the probabilities of an independent float implementation
// (`onset model compare`).
//
//     let comparison = try ModelComparison(file, kernels: .scalar, reference: archive)
//     print(comparison.report)

import Foundation
import Kernels
import Network

public struct ModelComparison {
  public struct Agreement {
    public var pickCount = 0
    public var agreeing = 0
    public var fraction: Double { Double(agreeing) / Double(max(1, pickCount)) }
  }

  /// Picks of all windows, and of windows of records with analyst's picks.
  public private(set) var all = Agreement()
  public private(set) var analyst = Agreement()
  public private(set) var windowCount = 0
  public private(set) var meanDifference = 0.0

  /// A pick is the largest value of a stretch at or above this.
  private static let threshold: Float = 0.5
  private static let toleranceSeconds = 0.02

  public init(_ file: NetworkBytes, kernels: KernelVariant, reference: NumpyArchive) throws {
    let windows = try reference.array("windows")
    let expected = try reference.array("probabilities")
    let isAnalyst = try reference.array("analyst")
    let inputs = try ModelImport.windows(
      windows, components: try file.plan(maximumRows: 1).header.components.count)
    let runner = try NetworkRunner(file, kernels: kernels, maximumRows: windows.shape[1])
    // A network that can be planned has an output, and a layer that makes it.
    let output = runner.outputs[0]
    let head = (0..<runner.plan.header.layerCount).map { runner.plan.layers[$0] }
      .first { $0.destination == output }!
    guard runner.plan.buffers[output].period == runner.plan.buffers[output].fold else {
      throw ToolError("its output is not of the input's rate: nothing to compare")
    }
    let shape = [windows.shape[0], windows.shape[1], head.classes]
    guard expected.shape == shape else {
      throw ToolError("probabilities have the shape \(expected.shape), not \(shape)")
    }
    guard isAnalyst.values.count == inputs.count else {
      throw ToolError("analyst has \(isAnalyst.values.count) values, not \(inputs.count)")
    }
    let letters = head.classLetters.string
    let tolerance = Int(
      (ModelComparison.toleranceSeconds * Double(runner.plan.header.sampleRateMillihertz) / 1000)
        .rounded())
    let size = expected.shape[1] * expected.shape[2]
    var difference = 0.0
    for (index, input) in inputs.enumerated() {
      let found = runner.window(runner.inputRows(input))[0].prefix(size).map { Float($0) / 32768 }
      let wanted = Array(expected.values[(index * size)..<((index + 1) * size)])
      difference += zip(found, wanted).reduce(0) { $0 + Double(($1.0 - $1.1).magnitude) }
      for (place, letter) in letters.enumerated() where letter == "P" || letter == "S" {
        let picks = { (values: [Float]) in
          ModelComparison.picks(values, place: place, classes: head.classes)
        }
        let others = picks(found)
        for pick in picks(wanted) {
          let agrees = others.contains { abs($0 - pick) <= tolerance }
          all.pickCount += 1
          all.agreeing += agrees ? 1 : 0
          guard isAnalyst.values[index] > 0 else { continue }
          analyst.pickCount += 1
          analyst.agreeing += agrees ? 1 : 0
        }
      }
    }
    windowCount = inputs.count
    meanDifference = difference / Double(max(1, size * inputs.count))
  }

  static func picks(_ values: [Float], place: Int, classes: Int) -> [Int] {
    var picks: [Int] = []
    var best: Int?
    let steps = values.count / classes
    func value(_ step: Int) -> Float { values[step * classes + place] }
    for step in 0...steps {
      if step < steps, value(step) >= threshold {
        if best == nil || value(step) > value(best!) { best = step }
      } else if let found = best {
        picks.append(found)
        best = nil
      }
    }
    return picks
  }

  public var report: String {
    """
    \(windowCount) windows, picks at probability \(decimal(Double(ModelComparison.threshold), 1)), \
    P and S, within \(decimal(ModelComparison.toleranceSeconds, 2)) s of the float network's:
      all windows              \(all.agreeing) of \(all.pickCount), \(decimal(100 * all.fraction, 2)) %
      with analyst's picks     \(analyst.agreeing) of \(analyst.pickCount), \
    \(decimal(100 * analyst.fraction, 2)) %
    mean difference of probabilities \(decimal(meanDifference, 6))
    """
  }

  public var json: String {
    "{\"windows\":\(windowCount),\"picks\":\(all.pickCount),\"agreeing\":\(all.agreeing),"
      + "\"analyst_picks\":\(analyst.pickCount),\"analyst_agreeing\":\(analyst.agreeing),"
      + "\"mean_difference\":\(decimal(meanDifference, 7))}"
  }
}
