// Layers that wait for a residual that comes long after what they read, or read what comes long
// after their residual: what was there first has to be kept as long.

import Core
import Network
import Testing
import Tools

@Suite struct WaitingTests {
  /// 0 → 1, from there by three layers that look 280 rows ahead each → 4; then 5 of both 1 and 4.
  private func draft(residualIsLate: Bool) -> NetworkDraft {
    var random = RandomGenerator(seed: 12)
    var draft = NetworkDraft()
    func add(_ width: Int, _ element: Element) {
      var buffer = BufferRecord()
      (buffer.width, buffer.element) = (width, element)
      draft.buffers.append(buffer)
    }
    func convolve(from source: Int, taps: Int = 1, residual: Int? = nil) {
      var record = LayerRecord()
      record.source = source
      record.sourceChannels = draft.buffers[source].width
      record.destination = draft.buffers.count
      record.destinationChannels = 16
      (record.taps, record.dilation) = (taps, taps > 1 ? 20 : 1)
      if let residual {
        (record.hasResidual, record.residual, record.residualScale) = (true, residual, 0.5)
      }
      add(16, record.destination == 6 ? .sample : .code)
      var layer = DraftLayer(record)
      let products = taps * record.sourceChannels
      layer.weights = (0..<(16 * products)).map { _ in Int16(random.below(255) - 127) }
      layer.bias = (0..<16).map { _ in Int32(random.below(20_000)) }
      layer.scale = [Float](
        repeating: record.destination == 6 ? 0.03 : 0.006 / Float(products).squareRoot(),
        count: 16)
      draft.layers.append(layer)
    }
    add(4, .code)
    convolve(from: 0)
    for source in 1...3 { convolve(from: source, taps: 15) }
    convolve(from: residualIsLate ? 1 : 4, residual: residualIsLate ? 4 : 1)
    convolve(from: 5)
    add(3, .probability)
    var head = LayerRecord()
    (head.kind, head.source, head.sourceChannels) = (.softmax, 6, 16)
    (head.destination, head.destinationChannels, head.classes) = (7, 3, 3)
    for letter in "NPS".utf8 { head.classLetters.append(byte: letter) }
    draft.layers.append(DraftLayer(head))
    return draft
  }

  @Test(arguments: [false, true]) func whatIsThereFirstIsKept(residualIsLate: Bool) throws {
    let draft = draft(residualIsLate: residualIsLate)
    let file = draft.file()
    let rows = randomRows(1400, of: draft.buffers[0], seed: 13)
    let window = Reference(draft, input: rows.map { Int($0) }, isWindow: true)
    let stream = Reference(draft, input: rows.map { Int($0) }, isWindow: false)
    for most in [1, 30, 1400] {
      let engine = try Engine(file, maximumRows: most)
      #expect(engine.plan.lookahead(ofBuffer: 7) == 840)
      let windowed = engine.window(rows, chunk: most)
      #expect(difference(windowed, [window.bytes(ofBuffer: 7, draft)]) == nil, "\(most): window")
      let streamed = engine.stream(rows, chunk: most)
      #expect(difference(streamed, [stream.bytes(ofBuffer: 7, draft)]) == nil, "\(most): stream")
      #expect(Set(streamed[0]).count > 100)
    }
  }
}
