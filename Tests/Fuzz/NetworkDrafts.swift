// Small networks of random wiring: what the onet target mutates beside the golden ones.

import Core
import Network
import Tools

struct NetworkDrafts {
  private var random: RandomGenerator
  private var draft = NetworkDraft()

  static func file(seed: UInt64) -> [UInt8] {
    var drafts = NetworkDrafts(random: RandomGenerator(seed: seed))
    drafts.build()
    return drafts.draft.file().bytes
  }

  private init(random: RandomGenerator) { self.random = random }

  private mutating func choose(_ values: Int...) -> Int { values[random.below(values.count)] }

  private mutating func build() {
    draft.name = "draft"
    draft.windowRows = choose(0, 64)
    var input = BufferRecord()
    input.width = choose(4, 8)
    input.element = random.below(2) == 0 ? .code : .sample
    input.blank = input.element == .code ? choose(0, 64) : 0
    draft.buffers = [input]
    var last = convolution(from: 0, stride: choose(1, 2, 2))
    for _ in 0..<random.below(3) {
      switch random.below(4) {
      case 0: last = joined(last)
      case 1: last = convolution(from: last, stride: 1, hasResidual: true)
      case 2 where draft.buffers[last].period > 1: last = upsampling(of: last)
      default: last = convolution(from: last, stride: choose(1, 1, 2))
      }
    }
    for _ in 0...random.below(2) { head(from: last) }
  }

  /// A buffer that `layer` writes, wholly or with others.
  private mutating func buffer(_ element: Element, width: Int, period: Int, fold: Int = 1) -> Int {
    var buffer = BufferRecord()
    (buffer.period, buffer.width, buffer.element, buffer.fold) = (period, width, element, fold)
    buffer.blank = element == .code ? choose(0, 3, 64) : 0
    draft.buffers.append(buffer)
    return draft.buffers.count - 1
  }

  private mutating func convolution(from source: Int, stride: Int, hasResidual: Bool = false)
    -> Int
  {
    let from = draft.buffers[source]
    let period = from.period * stride
    // A transposed one where there are rows to give back.
    let rows = !hasResidual && period % 2 == 0 ? choose(1, 2) : 1
    let element = hasResidual ? from.element : random.below(2) == 0 ? .code : .sample
    let fold = from.width % 16 == 0 && !hasResidual ? choose(1, 1, 2) : 1
    let width = hasResidual ? from.width : 16 * choose(1, 1, 2)
    let to = buffer(element, width: width, period: period / rows, fold: fold)
    var record = LayerRecord()
    (record.stride, record.rowsPerStep) = (stride, rows)
    record.trim = rows > 1 ? random.below(4 * rows) : 0
    if hasResidual {
      (record.hasResidual, record.residual, record.residualScale) = (true, source, 0.75)
    }
    add(record, from: source, to: to, offset: 0, channels: width)
    return to
  }

  private mutating func joined(_ source: Int) -> Int {
    let to = buffer(
      random.below(2) == 0 ? .code : .sample, width: 32, period: draft.buffers[source].period)
    for offset in [0, 16] { add(LayerRecord(), from: source, to: to, offset: offset, channels: 16) }
    return to
  }

  private mutating func upsampling(of source: Int) -> Int {
    let from = draft.buffers[source]
    guard from.fold == 1, from.period % 2 == 0 else { return convolution(from: source, stride: 1) }
    let to = buffer(from.element, width: from.width, period: from.period / 2)
    draft.buffers[to].blank = from.blank
    var record = LayerRecord()
    record.kind = .upsampling
    record.rowsPerStep = 2
    (record.source, record.sourceChannels) = (source, from.width)
    (record.destination, record.destinationChannels) = (to, from.width)
    draft.layers.append(DraftLayer(record))
    return to
  }

  private mutating func head(from source: Int) {
    let fold = choose(1, 1, 4)
    let from = draft.buffers[source]
    let logits = buffer(.sample, width: 16, period: from.period, fold: fold)
    add(LayerRecord(), from: source, to: logits, offset: 0, channels: 16)
    let classes = fold == 1 ? choose(1, 3, 8) : 3
    let output = buffer(.probability, width: fold * classes, period: from.period, fold: fold)
    var record = LayerRecord()
    record.kind = random.below(2) == 0 ? .softmax : .sigmoid
    (record.source, record.sourceChannels) = (logits, 16)
    (record.destination, record.destinationChannels) = (output, fold * classes)
    record.classes = classes
    record.classLetters = Text<8>(String("NPSabcde".prefix(classes)))
    draft.layers.append(DraftLayer(record))
  }

  /// A convolution with random taps and numbers within the format's limits.
  private mutating func add(
    _ start: LayerRecord, from source: Int, to destination: Int, offset: Int, channels: Int
  ) {
    var record = start
    (record.source, record.sourceChannels) = (source, draft.buffers[source].width)
    (record.destination, record.destinationOffset) = (destination, offset)
    record.destinationChannels = channels
    record.taps = choose(1, 2, 3, 5)
    record.dilation = choose(1, 1, 2, 7)
    record.rowsBefore = random.below(record.reach + 1)
    (record.hasInnerRelu, record.hasOuterRelu) = (random.below(3) == 0, random.below(3) == 0)
    var layer = DraftLayer(record)
    let isOfSamples = draft.buffers[source].element == .sample
    let products = record.taps * record.sourceChannels
    let largest = isOfSamples ? 60_000 / products : 127
    layer.weights = (0..<record.outputs * products).map { _ in
      Int16(random.below(2 * largest + 1) - largest)
    }
    layer.bias = (0..<record.outputs).map { _ in Int32(random.below(20_001) - 10_000) }
    let isToSamples = draft.buffers[destination].element == .sample
    let spread = Float(products).squareRoot() * Float(largest) * (isOfSamples ? 20_000 : 70)
    let scale = (isToSamples ? 3000 : 40) / spread
    layer.scale = (0..<record.outputs).map { _ in scale * Float(0.5 + random.uniform()) }
    draft.layers.append(layer)
  }
}
