// What fuzzing has found in the checks of network files and in the engine, each once.

import Core
import Foundation
import Kernels
import Network
import Testing

@testable import Tools

@Suite struct NetworkFileTests {
  /// A convolution that `change` completes, logits of its output, and a head.
  private func draft(period: Int = 1, _ change: (inout LayerRecord) -> Void) -> NetworkDraft {
    var draft = NetworkDraft()
    var (input, hidden, logits, output) = (
      BufferRecord(), BufferRecord(), BufferRecord(), BufferRecord()
    )
    (input.width, hidden.width, logits.width, output.width) = (4, 16, 16, 3)
    (logits.element, output.element) = (.sample, .probability)
    draft.buffers = [input, hidden, logits, output]
    for index in 1...3 { draft.buffers[index].period = period }
    var first = LayerRecord()
    (first.sourceChannels, first.destination, first.destinationChannels) = (4, 1, 16)
    change(&first)
    var second = LayerRecord()
    (second.source, second.sourceChannels) = (1, 16)
    (second.destination, second.destinationChannels) = (2, 16)
    (second.taps, second.rowsBefore) = (4, 3)
    var head = LayerRecord()
    head.kind = .softmax
    (head.source, head.sourceChannels, head.destination) = (2, 16, 3)
    (head.destinationChannels, head.classes, head.classLetters) = (3, 3, Text<8>("NPS"))
    draft.layers = [first, second, head].map { record in
      var layer = DraftLayer(record)
      guard record.kind == .convolution else { return layer }
      let products = record.taps * record.sourceChannels
      layer.weights = (0..<(record.outputs * products)).map { Int16($0 * 37 % 255 - 127) }
      layer.bias = [Int32](repeating: 50, count: record.outputs)
      layer.scale = [Float](repeating: 1e-3, count: record.outputs)
      return layer
    }
    return draft
  }

  private func said(_ draft: NetworkDraft) -> String {
    refusal { _ = try draft.file().plan(maximumRows: 8) } ?? "accepted"
  }

  @Test func fieldsWithoutUseAreZero() {
    #expect(said(draft { _ in }) == "accepted")
    let sentence = "a field that its kind does not use is not zero"
    #expect(said(draft { $0.residual = 1 }) == "layer 0: " + sentence)
    #expect(said(draft { $0.residualOffset = 4 }) == "layer 0: " + sentence)
    #expect(said(draft { $0.residualScale = 0.5 }) == "layer 0: " + sentence)
    #expect(said(draft { $0.classes = 3 }) == "layer 0: " + sentence)
    #expect(said(draft { $0.classLetters = Text<8>("NPS") }) == "layer 0: " + sentence)
    var other = draft { _ in }
    other.layers[2].record.weightsOffset = 64
    #expect(said(other) == "layer 2: " + sentence)
  }

  @Test func whatFollowsANetworkIsASignature() {
    let bytes = draft { _ in }.file().bytes
    func said(_ trailer: [UInt8]) -> String {
      refusal { _ = try NetworkBytes(bytes + trailer).plan(maximumRows: 8) } ?? "accepted"
    }
    #expect(said([]) == "accepted")
    #expect(said(Array("ED25".utf8) + [UInt8](repeating: 7, count: 96)) == "accepted")
    #expect(
      said([UInt8](repeating: 7, count: 100))
        == "what follows the network does not begin as a signature: ED25")
    #expect(said([1]) == "longer than it says, and not by a signature")
  }

  /// Every value of a window, and that nothing beside the buffers was written.
  private func window(_ file: NetworkBytes, rows: Int, chunk: Int) throws -> [UInt16] {
    let margin = 1 << 12
    let plan = try file.plan(maximumRows: chunk)
    guard var arena = Arena(byteCount: plan.arenaByteCount) else { throw ToolError("no memory") }
    var network = Network(plan, kernels: .scalar, arena: &arena)
    var regions: [(whole: UnsafeMutableRawBufferPointer, count: Int)] = []
    defer { for region in regions { region.whole.deallocate() } }
    network.scatter { count in
      let whole = UnsafeMutableRawBufferPointer.allocate(
        byteCount: count + 2 * margin, alignment: 64)
      whole.initializeMemory(as: UInt8.self, repeating: 0xA5)
      regions.append((whole, count))
      return whole.baseAddress! + margin
    }
    network.reset(windowRows: rows)
    let rowBytes = plan.buffers[0].rowByteCount
    let input = (0..<(rows * rowBytes)).map { UInt8($0 * 31 % 128) }
    var values: [UInt16] = []
    for row in stride(from: 0, to: rows, by: chunk) {
      let count = min(chunk, rows - row)
      input.withUnsafeBytes { network.push($0.baseAddress! + row * rowBytes, count: count) }
      var hasMore = true
      while hasMore {
        hasMore = network.advance()
        let new = network.output(3)
        values += UnsafeRawBufferPointer(start: new.values, count: 2 * new.rowCount * new.width)
          .bindMemory(to: UInt16.self)
      }
    }
    for (index, region) in regions.enumerated() {
      let isUntouched =
        region.whole[..<margin].allSatisfy { $0 == 0xA5 }
        && region.whole[(margin + region.count)...].allSatisfy { $0 == 0xA5 }
      #expect(isUntouched, "beside buffer \(index)")
    }
    return values
  }

  /// The window is over before the first step is made: all steps are made at once, their buffer is
  /// too small for them, and its rows move before what the trim drops was written.
  @Test(arguments: [1, 3, 50])
  func aTrimKeepsItsRowsInFrontOfTheFirst(chunk: Int) throws {
    let file = draft {
      ($0.taps, $0.dilation, $0.stride, $0.rowsPerStep, $0.trim) = (3, 256, 2, 2, 6)
    }.file()
    let values = try window(file, rows: 300, chunk: chunk)
    #expect(values.count == 900)
    #expect(try values == window(file, rows: 300, chunk: 300))
  }
}
