// What ONET-FORMAT.md says of a network's rows, written down in plain arrays, a value at a time:
// every buffer is there from its first row to its last, nothing is packed and nothing moves.

import Core
import Foundation
import Network
import Tools

struct Reference {
  /// Each buffer's values: [rows][width].
  private(set) var values: [[Int]]
  /// Rows that each layer has written.
  private(set) var written: [Int] = []
  private let inputRows: Int
  /// The input ends after its rows; else others may follow.
  private let isWindow: Bool

  /// `input`: [rows][width].
  init(input: [Int], width: Int, isWindow: Bool) {
    values = [input]
    inputRows = input.count / width
    self.isWindow = isWindow
  }

  init(_ draft: NetworkDraft, input: [Int], isWindow: Bool) {
    self.init(input: input, width: draft.buffers[0].width, isWindow: isWindow)
    for buffer in draft.buffers.dropFirst() { addBuffer(buffer) }
    for index in draft.layers.indices { run(draft, index) }
  }

  /// A buffer that nobody has written yet.
  mutating func addBuffer(_ buffer: BufferRecord) {
    let rows = (inputRows + buffer.period - 1) / buffer.period
    values.append([Int](repeating: buffer.blank, count: isWindow ? rows * buffer.width : 0))
  }

  /// For a buffer whose width is known only after its place.
  mutating func replaceLastBuffer(_ buffer: BufferRecord) {
    values.removeLast()
    addBuffer(buffer)
  }

  /// Codes have a byte each, all else two.
  func bytes(ofBuffer index: Int, _ draft: NetworkDraft) -> [UInt8] {
    values[index].flatMap { value -> [UInt8] in
      let low = UInt8(truncatingIfNeeded: value)
      return draft.buffers[index].element == .code
        ? [low] : [low, UInt8(truncatingIfNeeded: value >> 8)]
    }
  }

  mutating func run(_ draft: NetworkDraft, _ index: Int) {
    let layer = draft.layers[index].record
    let buffer = draft.buffers[layer.destination]
    let rows: Int
    if isWindow {
      rows = values[layer.destination].count / buffer.width
    } else {
      rows = rowsOfStream(draft, index)
      let missing = rows * buffer.width - values[layer.destination].count
      values[layer.destination] += [Int](repeating: buffer.blank, count: max(0, missing))
    }
    written.append(rows)
    let stepCount = (rows + layer.trim + layer.rowsPerStep - 1) / layer.rowsPerStep
    for step in 0..<stepCount {
      let results = self.results(draft, index, step: step)
      for place in results.indices {
        let row =
          step * layer.rowsPerStep - layer.trim + place / layer.destinationChannels
        guard row >= 0, row < rows else { continue }
        let channel = layer.destinationOffset + place % layer.destinationChannels
        values[layer.destination][row * buffer.width + channel] = results[place]
      }
    }
    if isWindow { blankSurplus(layer, buffer) }
  }

  /// What a step writes: all of its rows, channel by channel.
  private func results(_ draft: NetworkDraft, _ index: Int, step: Int) -> [Int] {
    let layer = draft.layers[index].record
    switch layer.kind {
    case .convolution: return convolve(draft, index, step: step)
    case .upsampling:
      let row = source(draft, layer, row: step)
      return (0..<layer.rowsPerStep).flatMap { _ in row }
    case .softmax, .sigmoid: return judge(draft, layer, step: step)
    }
  }

  /// Rows that a layer can write while nobody knows what follows.
  private func rowsOfStream(_ draft: NetworkDraft, _ index: Int) -> Int {
    func known(_ buffer: Int, _ first: Int, _ count: Int) -> Int {
      var rows = buffer == 0 ? inputRows : Int.max
      for (earlier, rowsOf) in written.enumerated() {
        let writer = draft.layers[earlier].record
        let channels =
          writer.destinationOffset..<(writer.destinationOffset + writer.destinationChannels)
        if writer.destination == buffer && channels.overlaps(first..<(first + count)) {
          rows = min(rows, rowsOf)
        }
      }
      return rows
    }
    let layer = draft.layers[index].record
    let reaches = (layer.taps - 1) * layer.dilation - layer.rowsBefore
    let rows = known(layer.source, layer.sourceOffset, layer.sourceChannels)
    var steps = 0
    while steps * layer.stride + reaches < rows { steps += 1 }
    if layer.hasResidual {
      steps = min(
        steps, known(layer.residual, layer.residualOffset, layer.destinationChannels))
    }
    return max(0, steps * layer.rowsPerStep - layer.trim)
  }

  /// The channels that a layer reads of a row; blank before the start and after the end.
  private func source(_ draft: NetworkDraft, _ layer: LayerRecord, row: Int) -> [Int] {
    let buffer = draft.buffers[layer.source]
    guard row >= 0, (row + 1) * buffer.width <= values[layer.source].count else {
      return [Int](repeating: buffer.blank, count: layer.sourceChannels)
    }
    let start = row * buffer.width + layer.sourceOffset
    return Array(values[layer.source][start..<(start + layer.sourceChannels)])
  }

  private func convolve(_ draft: NetworkDraft, _ index: Int, step: Int) -> [Int] {
    let layer = draft.layers[index].record
    let numbers = draft.layers[index]
    let from = (0..<layer.taps).flatMap {
      source(draft, layer, row: step * layer.stride - layer.rowsBefore + $0 * layer.dilation)
    }
    let products = from.count
    return (0..<layer.outputs).map { output in
      var sum = Int(numbers.bias[output])
      from.withUnsafeBufferPointer { from in
        numbers.weights.withUnsafeBufferPointer { weights in
          let start = output * products
          var place = 0
          while place < products {
            sum &+= from[place] &* Int(weights[start &+ place])
            place &+= 1
          }
        }
      }
      return rounded(draft, index, step: step, output: output, sum: Int32(sum))
    }
  }

  /// Steps 2 to 6 of the arithmetic.
  private func rounded(
    _ draft: NetworkDraft, _ index: Int, step: Int, output: Int, sum: Int32
  ) -> Int {
    let layer = draft.layers[index].record
    let buffer = draft.buffers[layer.destination]
    var x = Float(sum) * draft.layers[index].scale[output]
    if layer.hasInnerRelu { x = x < 0 ? 0 : x }
    if layer.hasResidual {
      let residual = draft.buffers[layer.residual]
      let value = values[layer.residual][step * residual.width + layer.residualOffset + output]
      let addend = Float(value - residual.blank) * layer.residualScale
      x = x + addend
    }
    let v = Int(x.rounded(.toNearestOrEven))
    if buffer.element == .code {
      return min(127, max(layer.hasOuterRelu ? buffer.blank : 0, v + buffer.blank))
    }
    return min(32767, max(layer.hasOuterRelu ? 0 : -32768, v))
  }

  private func judge(_ draft: NetworkDraft, _ layer: LayerRecord, step: Int) -> [Int] {
    let row = source(draft, layer, row: step)
    let fold = draft.buffers[layer.source].fold
    return (0..<fold).flatMap { group -> [Int] in
      let first = group * (row.count / fold)
      let logits = Array(row[first..<(first + layer.classes)])
      if layer.kind == .softmax { return Reference.softmax(logits) }
      return logits.map { Reference.softmax([$0, 0])[0] }
    }
  }

  static func softmax(_ logits: [Int]) -> [Int] {
    let largest = logits.max()!
    let powers = logits.map { logit -> Int in
      let distance = largest - logit
      let power = Int((65536 * exp2(-Double(distance % 256) / 256)).rounded())
      return distance / 256 >= 17 ? 0 : power >> (distance / 256)
    }
    let sum = powers.reduce(0, +)
    return powers.map { ($0 * 32768 + sum / 2) / sum }
  }

  /// Steps of a fold beyond the end of the window.
  private mutating func blankSurplus(_ layer: LayerRecord, _ buffer: BufferRecord) {
    let rows = values[layer.destination].count / buffer.width
    let steps = (inputRows * buffer.fold + buffer.period - 1) / buffer.period
    let channels = layer.destinationChannels / buffer.fold
    for step in steps..<max(steps, rows * buffer.fold) {
      let row = step / buffer.fold
      for channel in 0..<channels {
        let place = layer.destinationOffset + step % buffer.fold * channels + channel
        values[layer.destination][row * buffer.width + place] = buffer.blank
      }
    }
  }
}
