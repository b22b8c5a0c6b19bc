// WindowPicker: a network made for windows, such as PhaseNet, run as its users run it: over windows
// that overlap by half, of each the middle. It tells what such a picker finds, not when: by its
// nature it is a window late.
//
//     let picker = try WindowPicker(path: "phasenet.onet")
//     let (p, s) = picker.probabilities(conditioned.samples)
//     let onsets = WindowPicker.peaks(p, threshold: 0.5)

import Conditioning
import Core
import Kernels
import Network

public final class WindowPicker {
  private let runner: NetworkRunner
  private let rows: Int
  private let letters: [Character]
  private let classes: Int
  private let lanes: [Int]

  public init(path: String) throws {
    let bytes = try NetworkBytes(path: path)
    let header: NetworkHeader
    do { header = try bytes.plan(maximumRows: 1).header } catch {
      throw ToolError("\(path): \(error)")
    }
    guard header.windowRows > 0, header.sampleRateMillihertz == 100_000,
      header.normalization == .window
    else {
      throw ToolError(
        "\(path): not for windows of 100 samples a second, each normalized: nothing to run it by")
    }
    rows = header.windowRows
    runner = try NetworkRunner(bytes, kernels: KernelVariant.select().variant, maximumRows: 1024)
    let plan = runner.plan
    let output = runner.outputs[0]
    let head = (0..<plan.header.layerCount).map { plan.layers[$0] }
      .first { $0.destination == output }!
    letters = Array(head.classLetters.string)
    classes = head.classes
    lanes = try header.components.string.map {
      guard let lane = ["Z", "N", "E"].firstIndex(of: $0) else {
        throw ToolError("\(path): component \($0): there are Z, N and E")
      }
      return lane
    }
  }

  /// Probabilities of P and S at every sample.
  public func probabilities(_ samples: [Lanes]) -> (p: [Float], s: [Float]) {
    var p = [Float](repeating: 0, count: samples.count)
    var s = p
    let hop = rows / 2
    guard let place = letters.firstIndex(of: "P"), let other = letters.firstIndex(of: "S") else {
      return (p, s)
    }
    // The last window ends with the record; of each what lies in the middle half counts, of the
    // first and the last the outer quarter too.
    let last = max(0, samples.count - rows)
    for begin in Array(stride(from: 0, to: last, by: hop)) + [last] {
      let found = runner.window(runner.inputRows(window(samples, from: begin)))[0]
      for row in (begin == 0 ? 0 : hop / 2)..<min(rows, samples.count - begin) {
        p[begin + row] = Float(found[row * classes + place]) / 32768
        s[begin + row] = Float(found[row * classes + other]) / 32768
      }
    }
    return (p, s)
  }

  /// Each component minus its mean, over its standard deviation; what lies behind the end is zero.
  private func window(_ samples: [Lanes], from begin: Int) -> [Float] {
    let piece = samples[begin..<min(begin + rows, samples.count)]
    var values = [Float](repeating: 0, count: rows * lanes.count)
    for (place, lane) in lanes.enumerated() {
      let mean = piece.reduce(0) { $0 + $1[lane] } / Double(piece.count)
      let variance = piece.reduce(0) { $0 + ($1[lane] - mean) * ($1[lane] - mean) }
      let deviation = (variance / Double(piece.count)).squareRoot()
      guard deviation > 0 else { continue }
      for (row, sample) in piece.enumerated() {
        values[row * lanes.count + place] = Float((sample[lane] - mean) / deviation)
      }
    }
    return values
  }

  /// The largest value of each stretch at or above `threshold`.
  public static func peaks(_ values: [Float], threshold: Float) -> [(sample: Int, value: Float)] {
    var peaks: [(sample: Int, value: Float)] = []
    var isInside = false
    for (sample, value) in values.enumerated() {
      if value < threshold {
        isInside = false
      } else if !isInside {
        isInside = true
        peaks.append((sample, value))
      } else if value > peaks[peaks.count - 1].value {
        peaks[peaks.count - 1] = (sample, value)
      }
    }
    return peaks
  }
}
