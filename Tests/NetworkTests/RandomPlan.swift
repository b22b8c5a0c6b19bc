// A seeded network that is valid and alive: layers of every kind that the format knows, each scaled
// to what really flows into it, which the reference tells layer by layer.

import Core
import Network
import Tools

struct RandomPlan {
  private(set) var draft = NetworkDraft()
  private var random: RandomGenerator
  /// What flows: the network so far over the rows of a short window.
  private var reference: Reference
  /// Channels that are complete, and so may be read.
  private var signals: [Channels] = []
  private var unread: Set<Int> = []

  struct Channels {
    var buffer: Int
    var first: Int
    var count: Int
  }

  /// Rows of the window that the scales are made for.
  private static let liveRows = 40

  init(seed: UInt64, layersAtMost: Int = 12) {
    var random = RandomGenerator(seed: seed)
    var input = BufferRecord()
    input.width = [4, 4, 8, 12][random.below(4)]
    input.element = random.below(2) == 0 ? .code : .sample
    input.blank = input.element == .code ? random.below(90) : 0
    draft.buffers = [input]
    draft.name = "seed \(seed)"
    draft.components = ["Z", "ENZ", "ENZA"][random.below(3)]
    let values = (0..<(RandomPlan.liveRows * input.width)).map { _ in
      input.element == .code ? random.below(128) : random.below(8001) - 4000
    }
    reference = Reference(input: values, width: input.width, isWindow: true)
    self.random = random
    signals = [Channels(buffer: 0, first: 0, count: input.width)]
    unread = [0]
    // Each of what remains unread takes up to two layers more.
    let trunk = 1 + random.below(max(1, layersAtMost - 3))
    while draft.layers.count < trunk && draft.layers.count + 2 * unread.count < layersAtMost {
      switch random.below(10) {
      case 0: addConcatenation()
      case 1: addUpsampling()
      case 2, 3: addResidual()
      default: addConvolution()
      }
    }
    addHeads()
  }

  // MARK: Choices

  private mutating func chance(_ oneIn: Int) -> Bool { random.below(oneIn) == 0 }

  /// Mostly of what nobody reads yet.
  private mutating func anySignal() -> Channels {
    let fresh = signals.filter { unread.contains($0.buffer) }
    return random.element(of: fresh.isEmpty || chance(4) ? signals : fresh)
  }

  /// A part of it that a convolution may read: at multiples of 4.
  private mutating func readable(_ signal: Channels) -> Channels? {
    let first = (signal.first + 3) & ~3
    let quads = (signal.first + signal.count - first) / 4
    guard quads > 0 else { return nil }
    guard chance(3) else { return Channels(buffer: signal.buffer, first: first, count: quads * 4) }
    let skipped = random.below(quads)
    return Channels(
      buffer: signal.buffer, first: first + 4 * skipped,
      count: 4 * (1 + random.below(quads - skipped)))
  }

  private mutating func newBuffer(period: Int, width: Int, _ element: Element) -> Int {
    var buffer = BufferRecord()
    buffer.period = period
    buffer.width = width
    buffer.element = element
    buffer.blank = element == .code ? [0, 0, 20, 41, 64][random.below(5)] : 0
    draft.buffers.append(buffer)
    reference.addBuffer(buffer)
    return draft.buffers.count - 1
  }

  private mutating func setFold(_ fold: Int, ofBuffer buffer: Int) {
    draft.buffers[buffer].fold = fold
  }

  private mutating func anyElement() -> Element { chance(2) ? .code : .sample }

  private mutating func add(_ layer: DraftLayer) {
    draft.layers.append(layer)
    reference.run(draft, draft.layers.count - 1)
    unread.remove(layer.record.source)
    if layer.record.hasResidual { unread.remove(layer.record.residual) }
  }

  private mutating func complete(_ buffer: Int) {
    signals.append(Channels(buffer: buffer, first: 0, count: draft.buffers[buffer].width))
    unread.insert(buffer)
  }

  // MARK: Layers

  /// A convolution's own numbers; `rowsPerStep` and where it writes come later.
  private mutating func convolution(from source: Channels, stride: Int) -> LayerRecord {
    var record = LayerRecord()
    record.source = source.buffer
    record.sourceOffset = source.first
    record.sourceChannels = source.count
    record.taps = chance(6) ? 1 + random.below(15) : 1 + random.below(4)
    record.stride = stride
    let period = draft.buffers[source.buffer].period
    let farthest = chance(8) ? 256 / period : 9
    record.dilation = chance(2) ? 1 : 1 + random.below(farthest)
    let reach = record.reach
    // Causal, or with any part of it ahead.
    record.rowsBefore = chance(2) ? reach : random.below(reach + 1)
    record.hasInnerRelu = chance(4)
    record.hasOuterRelu = chance(3)
    return record
  }

  private mutating func addConvolution() {
    guard let source = readable(anySignal()) else { return }
    let period = draft.buffers[source.buffer].period
    let stride = period > 16 || chance(2) ? 1 : 1 + random.below(4)
    var record = convolution(from: source, stride: stride)
    let factors = (1...16).filter { period * stride % $0 == 0 && ($0 > 1 || period < 64) }
    record.rowsPerStep = chance(2) ? factors.last! : random.element(of: factors)
    if period == 1 && stride == 1 { record.rowsPerStep = 1 }
    // Any number of channels whose rows together are a multiple of 16: contiguous.
    let unit = 16 / greatestCommonDivisor(16, record.rowsPerStep)
    record.destinationChannels =
      unit < 16 ? unit * (1 + random.below(3)) : 16 * (1 + random.below(2))
    if chance(2) { record.trim = random.below(4 * record.rowsPerStep) }
    record.destination = newBuffer(
      period: period * stride / record.rowsPerStep, width: record.destinationChannels,
      record.destinationChannels < 4 ? .sample : anyElement())
    let folds = (1...16).filter { record.destinationChannels % $0 == 0 }
    setFold(chance(2) ? 1 : random.element(of: folds), ofBuffer: record.destination)
    add(withNumbers(record))
    complete(record.destination)
  }

  private mutating func addResidual() {
    let wide = signals.filter { $0.count >= 16 && $0.buffer > 0 }
    guard !wide.isEmpty else { return addConvolution() }
    let residual = random.element(of: wide)
    let to = draft.buffers[residual.buffer]
    // What it reads has the period of the residual, or with a stride comes to it.
    let sources = signals.filter {
      let period = draft.buffers[$0.buffer].period
      return to.period % period == 0 && to.period / period <= 4
    }
    guard let source = readable(random.element(of: sources)) else { return }
    var record = convolution(
      from: source, stride: to.period / draft.buffers[source.buffer].period)
    record.hasResidual = true
    record.destinationChannels = 16 * (1 + random.below(residual.count / 16))
    record.residual = residual.buffer
    record.residualOffset =
      residual.first + random.below(residual.count - record.destinationChannels + 1)
    record.residualScale = Float([1, 0.75, -0.6, 1.25, 0.3][random.below(5)])
    record.destination = newBuffer(
      period: to.period, width: record.destinationChannels, to.element)
    add(withNumbers(record))
    complete(record.destination)
  }

  private mutating func addUpsampling() {
    let signal = anySignal()
    // Whoever reads the result needs a multiple of 4.
    guard signal.count >= 4 else { return }
    let from = draft.buffers[signal.buffer]
    let factors = (1...16).filter { from.period % $0 == 0 }
    let factor = chance(2) ? factors.last! : random.element(of: factors)
    let destination = newBuffer(period: from.period / factor, width: signal.count, from.element)
    draft.buffers[destination].blank = from.blank
    add(upsampling(signal, factor, into: destination, at: 0, signal.count))
    complete(destination)
  }

  private mutating func upsampling(
    _ signal: Channels, _ factor: Int, into destination: Int, at offset: Int, _ count: Int
  ) -> DraftLayer {
    var record = LayerRecord()
    record.kind = .upsampling
    record.source = signal.buffer
    record.sourceOffset = signal.first + random.below(signal.count - count + 1)
    record.sourceChannels = count
    record.destination = destination
    record.destinationOffset = offset
    record.destinationChannels = count
    record.rowsPerStep = factor
    return DraftLayer(record)
  }

  /// Two or three layers into one buffer, the first of them a convolution that several rows a step
  /// may write.
  private mutating func addConcatenation() {
    guard let source = readable(anySignal()) else { return }
    let from = draft.buffers[source.buffer].period
    let factors = [1, 2, 3, 4].filter { from % $0 == 0 }
    let period = from / random.element(of: factors)
    let element = anyElement()
    let buffer = newBuffer(period: period, width: 0, element)
    let first = Part(
      from: source, stride: 1, rows: from / period, count: 16 * (1 + random.below(2)))
    var parts = [first]
    for _ in 0..<(1 + random.below(2)) {
      let signal = anySignal()
      let record = draft.buffers[signal.buffer]
      let factor = record.period / period
      if record.element == element && record.blank == draft.buffers[buffer].blank
        && record.period % period == 0 && factor <= 16 && chance(2)
      {
        let count = 1 + random.below(signal.count)
        parts.append(
          Part(from: signal, stride: 1, rows: factor, count: count, isUpsampling: true))
        continue
      }
      let strides = (1...4).filter {
        record.period * $0 % period == 0 && record.period * $0 / period <= 16
      }
      guard let channels = readable(signal), !strides.isEmpty else { continue }
      let stride = random.element(of: strides)
      parts.append(
        Part(from: channels, stride: stride, rows: record.period * stride / period, count: 16))
    }
    if parts.count == 1 { parts.append(first) }
    for index in parts.indices { parts.swapAt(index, random.below(parts.count)) }
    write(parts, into: buffer)
  }

  /// One writer of a concatenation: `count` channels, `rows` at a time.
  private struct Part {
    var from: Channels
    var stride: Int
    var rows: Int
    var count: Int
    var isUpsampling = false
  }

  private mutating func write(_ parts: [Part], into buffer: Int) {
    let width = parts.reduce(0) { $0 + $1.count }
    draft.buffers[buffer].width = width
    // The reference has made the buffer without a width: make it again.
    reference.replaceLastBuffer(draft.buffers[buffer])
    if !parts.contains(where: \.isUpsampling) && chance(2) {
      setFold([2, 4, 8, 16][random.below(4)], ofBuffer: buffer)
    }
    var offset = 0
    for part in parts {
      if part.isUpsampling {
        add(upsampling(part.from, part.rows, into: buffer, at: offset, part.count))
      } else {
        var record = convolution(from: part.from, stride: part.stride)
        record.destination = buffer
        record.destinationOffset = offset
        record.destinationChannels = part.count
        record.rowsPerStep = part.rows
        if chance(2) { record.trim = random.below(4 * part.rows) }
        add(withNumbers(record))
      }
      // A part can be read before the others are there.
      signals.append(Channels(buffer: buffer, first: offset, count: part.count))
      offset += part.count
      unread.insert(buffer)
    }
    signals.append(Channels(buffer: buffer, first: 0, count: width))
  }

  // MARK: Heads

  private mutating func addHeads() {
    if draft.layers.isEmpty { addConvolution() }
    for buffer in unread.sorted() where buffer > 0 { addHead(over: buffer) }
    // All of it came to nothing: a head over the input.
    if unread.contains(0) { addHead(over: 0) }
  }

  private mutating func addHead(over buffer: Int) {
    let from = draft.buffers[buffer]
    if from.element == .sample && from.width % from.fold == 0 && chance(2) && buffer > 0 {
      return judge(buffer)
    }
    let whole = Channels(buffer: buffer, first: 0, count: from.width)
    guard let source = readable(whole) else { return judge(buffer) }
    var record = convolution(from: source, stride: from.period < 16 ? 1 + random.below(2) : 1)
    let period = from.period * record.stride
    let factors = [1, 2, 3, 4, 8, 16].filter { period % $0 == 0 }
    record.rowsPerStep = factors.last!
    record.trim = chance(2) ? random.below(4 * record.rowsPerStep) : 0
    record.destinationChannels = 16 / greatestCommonDivisor(16, record.rowsPerStep)
    record.destination = newBuffer(
      period: period / record.rowsPerStep, width: record.destinationChannels, .sample)
    let folds = [1, 2, 4, 8].filter { record.destinationChannels % $0 == 0 }
    setFold(random.element(of: folds), ofBuffer: record.destination)
    add(withNumbers(record, spread: 512))
    judge(record.destination)
  }

  private mutating func judge(_ source: Int) {
    let from = draft.buffers[source]
    let group = from.width / from.fold
    var record = LayerRecord()
    record.kind = chance(2) ? .softmax : .sigmoid
    record.source = source
    record.sourceChannels = from.width
    record.classes = 1 + random.below(min(8, group))
    for letter in "abcdefgh".utf8.prefix(record.classes) {
      record.classLetters.append(byte: letter)
    }
    record.destinationChannels = from.fold * record.classes
    record.destination = newBuffer(
      period: from.period, width: record.destinationChannels, .probability)
    setFold(from.fold, ofBuffer: record.destination)
    add(DraftLayer(record))
  }

  // MARK: Numbers

  /// Random weights, and the bias and scale that spread the results over their range.
  private mutating func withNumbers(_ record: LayerRecord, spread: Int? = nil) -> DraftLayer {
    var layer = DraftLayer(record)
    let from = draft.buffers[record.source]
    let to = draft.buffers[record.destination]
    let products = record.taps * record.sourceChannels
    let largest = from.element == .code ? 127 : min(32767, 32768 / products)
    layer.weights = (0..<(record.outputs * products)).map { _ in
      Int16(random.below(2 * largest + 1) - largest)
    }
    let spread = Double(spread ?? (to.element == .code ? 20 : 3000))
    let deviation = reference.deviation(ofBuffer: record.source)
    // The spread of a sum of uniform weights times values that are as far apart as these.
    let size = Double(largest) * 0.58 * deviation.spread * Double(products).squareRoot() + 1
    for output in 0..<record.outputs {
      let weights = layer.weights[(output * products)..<((output + 1) * products)]
      let centre = Double(weights.reduce(0) { $0 + Int($1) }) * deviation.mean
      let lift = size * (random.uniform() - 0.3)
      layer.bias.append(Int32(max(-0x1p29, min(0x1p29, lift - centre))))
      layer.scale.append(Float(min(0.49, spread * (0.75 + random.uniform() / 2) / size)))
    }
    return layer
  }
}

extension Reference {
  /// Mean of the values of a buffer and their mean distance from it.
  func deviation(ofBuffer index: Int) -> (mean: Double, spread: Double) {
    let all = values[index]
    let mean = Double(all.reduce(0, +)) / Double(max(1, all.count))
    let distances = all.reduce(0.0) { $0 + (Double($1) - mean).magnitude }
    return (mean, distances / Double(max(1, all.count)))
  }
}

private func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
  b == 0 ? a : greatestCommonDivisor(b, a % b)
}
