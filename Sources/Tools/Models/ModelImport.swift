// ModelImport: a description and its arrays to a network file, with the error of every layer and of
// the output on windows of the calibration set (`onset model import`).
//
//     let imported = try ModelImport(
//       descriptionPath: "network.json", arraysPath: "arrays.npz",
//       calibrationPath: "windows.npz", rule: .percentile)
//     try imported.file.write(path: "network.onet")

import Core
import Foundation
import Kernels
import Network

public struct ModelImport {
  public struct LayerError {
    public var name: String
    public var is16Bit: Bool
    /// Root mean square of the difference over that of the signal.
    public var relative: Double
  }

  public let file: NetworkBytes
  public let layerErrors: [LayerError]
  /// Mean magnitude of the difference between probabilities.
  public let outputError: Double

  /// Windows whose layers are compared.
  private static let comparedWindows = 16

  public init(
    descriptionPath: String, arraysPath: String, calibrationPath: String, rule: RangeRule,
    progress: ProgressTold = { _, _ in }
  ) throws {
    let description = try ModelDescription.read(path: descriptionPath)
    let network: FloatNetwork
    let arrays = try NumpyArchive(path: arraysPath)
    do { network = try FloatNetwork(description, arrays: arrays) } catch {
      throw ToolError("\(descriptionPath): \(error)")
    }
    let calibration = try NumpyArchive(path: calibrationPath)
    let windows: [[Float]]
    do {
      windows = try ModelImport.windows(
        try calibration.array("calibration"), components: network.signals[0].channels)
    } catch { throw ToolError("\(calibrationPath): \(error)") }
    do { try self.init(network, windows: windows, rule: rule, progress: progress) } catch {
      throw ToolError("\(descriptionPath): \(error)")
    }
  }

  public init(
    _ network: FloatNetwork, windows: [[Float]], rule: RangeRule,
    progress: ProgressTold = { _, _ in }
  ) throws {
    var quantizer = try Quantizer(network, windows: windows, rule: rule, progress: progress)
    file = try quantizer.draftNetwork().file()
    let compared = windows.prefix(ModelImport.comparedWindows)
    let rows = compared[0].count / network.signals[0].channels
    let runner: NetworkRunner
    do { runner = try NetworkRunner(file, kernels: .scalar, maximumRows: rows) } catch {
      throw ToolError("what becomes of it no station would run: \(error)")
    }
    var sums = network.signals.map { _ in (difference: 0.0, signal: 0.0) }
    var output = (difference: 0.0, count: 0)
    for window in compared {
      let expected = network.run(window)
      _ = runner.window(runner.inputRows(window))
      for index in network.signals.indices.dropFirst() {
        let found = quantizer.values(ofSignal: index, runner, steps: expected[index].count)
        for (a, b) in zip(expected[index], found) {
          sums[index].difference += Double((a - b) * (a - b))
          sums[index].signal += Double(a * a)
          guard case .head = network.signals[index].operation else { continue }
          output.difference += Double((a - b).magnitude)
          output.count += 1
        }
      }
    }
    layerErrors = network.signals.indices.dropFirst().map {
      LayerError(
        name: network.signals[$0].name, is16Bit: network.signals[$0].is16Bit,
        relative: (sums[$0].difference / max(sums[$0].signal, 1e-30)).squareRoot())
    }
    outputError = output.difference / Double(max(1, output.count))
  }

  static func windows(_ array: NumpyArray, components: Int) throws -> [[Float]] {
    guard array.shape.count == 3, array.shape[2] == components, array.shape[1] > 0 else {
      throw ToolError(
        "windows have the shape [windows, rows, \(components)], not \(array.shape)")
    }
    guard array.shape[1] <= 65_536 else {
      throw ToolError("windows have 65536 rows at most, not \(array.shape[1])")
    }
    guard array.values.allSatisfy(\.isFinite) else {
      throw ToolError("a window holds what is no finite number")
    }
    let size = array.shape[1] * components
    return (0..<array.shape[0]).map { Array(array.values[($0 * size)..<(($0 + 1) * size)]) }
  }

  public var report: String {
    var lines = ["error of each layer on the calibration set, relative to its signal:"]
    for layer in layerErrors {
      let name = layer.name.padding(toLength: 16, withPad: " ", startingAt: 0)
      lines.append("  \(name) \(layer.is16Bit ? "int16" : "int8 ")  \(decimal(layer.relative, 5))")
    }
    lines.append("of the probabilities, mean magnitude: \(decimal(outputError, 5))")
    return lines.joined(separator: "\n")
  }
}

extension Quantizer {
  /// What the integers of a signal stand for after a window has run, [steps][channels].
  func values(ofSignal index: Int, _ runner: NetworkRunner, steps: Int) -> [Float] {
    let signal = network.signals[index]
    let parts: [Int]
    if case .concatenation(let joined) = signal.operation {
      parts = joined
    } else {
      parts = [index]
    }
    var result: [Float] = []
    for step in 0..<(steps / signal.channels) {
      for part in parts {
        let layout = layouts[part]
        for channel in 0..<network.signals[part].channels {
          let place = layout.place(step % layout.fold, channel)
          let value =
            runner.value(row: step / layout.fold, place: place, ofBuffer: layout.buffer) ?? 0
          // Probabilities have no scale of their own.
          let scale = layout.scales.isEmpty ? 1 / 32768 : layout.scales[channel]
          result.append(Float(value - layout.blank) * scale)
        }
      }
    }
    return result
  }
}
