// ModelInfo: what a network is, layer by layer, and what running it will take (`onset model info`).
//
//     print(try ModelInfo.text(NetworkBytes(path: "network.onet"), maximumRows: nil))

import Core
import Foundation
import Network

public enum ModelInfo {
  /// `maximumRows`: of one push; nil for the network's window, or a second of signal.
  public static func text(_ file: NetworkBytes, maximumRows: Int?) throws -> String {
    let header = try file.plan(maximumRows: 1).header
    let rate = Double(header.sampleRateMillihertz) / 1000
    let rows =
      maximumRows ?? (header.windowRows > 0 ? header.windowRows : Int(rate.rounded(.up)))
    let plan = try file.plan(maximumRows: rows)
    var lines = [
      "\(header.name.string): \(header.components.string) at \(decimal(rate, 3)) sps, "
        + (header.windowRows > 0 ? "windows of \(header.windowRows) rows" : "streams")
        + (header.normalization == .window ? ", each normalized" : ""),
      "\(header.byteCount) bytes, checksum \(String(header.checksum, radix: 16)), "
        + "\(header.layerCount) layers, \(header.bufferCount) buffers",
      "\(decimal(plan.multiplicationsPerRow, 0)) multiplications a sample, "
        + "\(decimal(plan.multiplicationsPerRow * rate / 1e6, 2)) million a second of signal",
      "arena \(plan.arenaByteCount) bytes for pushes of up to \(rows) rows",
    ]
    for index in 0..<header.layerCount { lines.append(describe(plan, index)) }
    for index in 0..<header.bufferCount where plan.isOutput(index) {
      let seconds = Double(plan.lookahead(ofBuffer: index)) / rate
      lines.append("output in buffer \(index): look-ahead \(decimal(seconds, 2)) s")
    }
    return lines.joined(separator: "\n")
  }

  private static func describe(_ plan: NetworkPlan, _ index: Int) -> String {
    let layer = plan.layers[index]
    let source = plan.buffers[layer.source]
    let destination = plan.buffers[layer.destination]
    func place(_ buffer: Int, _ offset: Int, _ channels: Int) -> String {
      "\(buffer)[\(offset)..<\(offset + channels)]"
    }
    let from = place(layer.source, layer.sourceOffset, layer.sourceChannels)
    let to = place(layer.destination, layer.destinationOffset, layer.destinationChannels)
    let number = String(index).padding(toLength: 3, withPad: " ", startingAt: 0)
    var text = "  \(number)\(layer.kind) \(from) → \(to)"
    if layer.kind == .convolution {
      text += " k\(layer.taps) s\(layer.stride) d\(layer.dilation) before \(layer.rowsBefore)"
      text += source.element == .code ? ", int8" : ", int16"
      text += destination.element == .code ? " to int8" : " to int16"
      if layer.rowsPerStep > 1 { text += ", \(layer.rowsPerStep) rows a step" }
      if layer.trim > 0 { text += ", trim \(layer.trim)" }
      if layer.hasInnerRelu { text += ", ReLU" }
      if layer.hasResidual { text += ", + \(layer.residual)" }
      if layer.hasOuterRelu { text += ", ReLU" }
    } else if layer.isHead {
      text += " classes \(layer.classLetters.string)"
    } else {
      text += " by \(layer.rowsPerStep)"
    }
    if destination.fold > 1 { text += ", \(destination.fold) steps a row" }
    return text + ", period \(destination.period)"
  }
}
