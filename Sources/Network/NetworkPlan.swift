// NetworkPlan: a network file that can run, and what running it takes.
//
// A network file comes from outside, and the kernels that run it check no bounds. Checks at every
// layer while it runs would cost time at every row, and what is wrong, or a lack of memory, would
// show in the middle of an earthquake.
//
// So every field is checked, alone and against the others, before anything is computed: that
// channels, periods and offsets fit, that no layer waits for itself, that no sum can overflow. What
// follows from the fields is worked out as well: how far each buffer lags behind the input, how
// many of its rows must be kept, and so how much memory the network will take.
//
// Terms (more in ONET-FORMAT.md): a layer's *reach* is the distance from its first to its last tap.
// After n input rows a buffer of period p has at least (n − latest) / p and at most (n − earliest)
// / p rows; both are linear bounds on the same staircase.
//
//     let plan = try NetworkPlan(bytes, maximumRows: 4)
//     guard var arena = Arena(byteCount: plan.arenaByteCount) else { … }
//     var network = Network(plan, kernels: .scalar, arena: &arena)

import Core
import Kernels

/// When rows come, in input rows: see the top of the file.
struct Timing: Sendable {
  var earliest = 0
  var latest = 0

  /// The timing of rows that come from both.
  mutating func join(_ other: Timing) {
    earliest = min(earliest, other.earliest)
    latest = max(latest, other.latest)
  }
}

/// How many rows of a buffer are kept.
struct BufferPlan: Sendable {
  /// The timing of all layers that write it.
  var timing = Timing()
  /// Blank rows in front of the first one: what the first steps of its readers read.
  var lead = 0
  /// Blank rows after the end of a window that readers read.
  var after = 0
  /// Rows from the oldest one that a reader still needs to the newest, at most.
  var kept = 0
  var isOutput = false

  /// Once the memory is full, the rows still needed move to its front; the slack makes that rare.
  var capacity: Int { lead + kept + after + kept + 64 }
}

public struct NetworkPlan {
  public static let maximumBuffers = 64
  public static let maximumLayers = 64
  /// Larger networks than this have no place on a station.
  public static let maximumByteCount = 64 << 20

  /// The file, without its signature; must outlive the plan and every network made from it.
  public let bytes: UnsafeRawBufferPointer
  public let header: NetworkHeader
  /// Input rows that one push may bring.
  public let maximumRows: Int
  public private(set) var buffers = InlineArray<64, BufferRecord>(repeating: BufferRecord())
  public private(set) var layers = InlineArray<64, LayerRecord>(repeating: LayerRecord())
  var bufferPlans = InlineArray<64, BufferPlan>(repeating: BufferPlan())
  /// The timing of what each layer writes.
  var layerTimings = InlineArray<64, Timing>(repeating: Timing())

  /// Checks `bytes`, a whole file that starts at a multiple of 64, for pushes of up to
  /// `maximumRows`.
  public init(_ bytes: UnsafeRawBufferPointer, maximumRows: Int) throws(NetworkError) {
    precondition((1...65_536).contains(maximumRows))
    precondition(UInt(bitPattern: bytes.baseAddress) % 64 == 0, "weights would not be aligned")
    let header = try NetworkHeader(bytes)
    self.bytes = UnsafeRawBufferPointer(rebasing: bytes[0..<min(header.byteCount, bytes.count)])
    self.header = header
    self.maximumRows = maximumRows
    try checkFile(given: bytes.count)
    try readRecords()
    for index in 0..<header.layerCount { try check(layer: index) }
    for index in 1..<header.bufferCount { try check(buffer: index) }
    for index in 0..<header.layerCount { try deriveTiming(layer: index) }
    for index in 0..<header.layerCount { deriveKept(layer: index) }
    for index in 0..<header.bufferCount where bufferPlans[index].isOutput {
      bufferPlans[index].kept = rows(index, spanning: maximumRows) + 1
    }
    guard arenaByteCount <= NetworkPlan.maximumByteCount else {
      throw NetworkError(
        place: .file, reason: "the network would take more than 64 MiB: not one for a station")
    }
  }

  /// What the network will take from the arena.
  public var arenaByteCount: Int {
    // A cache line more each for alignment.
    var total =
      header.bufferCount * MemoryLayout<BufferState>.stride + 64
      + header.layerCount * MemoryLayout<LayerState>.stride + 64
      + (header.layerCount + 1) * MemoryLayout<Int>.stride + 64
      + FixedPointHead.tableCount * MemoryLayout<UInt32>.stride + 64
    for index in 0..<header.bufferCount {
      total += bufferPlans[index].capacity * buffers[index].rowByteCount + 64
    }
    return total
  }

  /// Input rows beyond row r · period of the output `buffer` that must have come before its row r
  /// is out, at most.
  public func lookahead(ofBuffer index: Int) -> Int {
    // With n rows more than `latest` there are more than r rows as soon as n is more than r ·
    // period.
    max(0, bufferPlans[index].timing.latest)
  }

  /// Multiplications of one input row, on average: padding included, as the kernels do them.
  public var multiplicationsPerRow: Double {
    var total = 0.0
    for index in 0..<header.layerCount where layers[index].kind == .convolution {
      let layer = layers[index]
      total +=
        Double(layer.outputs * layer.taps * layer.sourceChannels)
        / Double(buffers[layer.source].period * layer.stride)
    }
    return total
  }

  public func isOutput(_ buffer: Int) -> Bool { bufferPlans[buffer].isOutput }

  /// The smallest number of rows of `buffer` that `inputRows` are sure to fit.
  private func rows(_ buffer: Int, spanning inputRows: Int) -> Int {
    (inputRows + buffers[buffer].period - 1) / buffers[buffer].period
  }

  // MARK: Checks

  private func checkFile(given: Int) throws(NetworkError) {
    func fail(_ reason: StaticString) -> NetworkError { NetworkError(place: .file, reason: reason) }
    guard (2...NetworkPlan.maximumBuffers).contains(header.bufferCount) else {
      throw fail("a network has 2 to 64 buffers")
    }
    guard (1...NetworkPlan.maximumLayers).contains(header.layerCount) else {
      throw fail("a network has 1 to 64 layers")
    }
    guard header.byteCount <= given else {
      throw fail("shorter than it says: the file was cut off")
    }
    guard header.byteCount == given || header.byteCount + NetworkSignature.byteCount == given else {
      throw fail("longer than it says, and not by a signature")
    }
    guard
      header.byteCount == given
        || NetworkSignature.begins(at: bytes.baseAddress! + header.byteCount)
    else { throw fail("what follows the network does not begin as a signature: ED25") }
    guard header.byteCount >= dataOffset else {
      throw fail("shorter than its own buffers and layers")
    }
    var checksum = Checksum()
    checksum.add(UnsafeRawBufferPointer(rebasing: bytes[16...]))
    guard checksum.value == header.checksum else {
      throw fail("the checksum is wrong: the file is damaged")
    }
    guard (1000...1_000_000).contains(header.sampleRateMillihertz) else {
      throw fail("the sample rate must be 1000 to 1000000 millihertz")
    }
    guard header.windowRows <= 65_536 else { throw fail("the window must be 0 to 65536 rows") }
    guard header.inputUnit.isFinite, header.inputUnit > 0 else {
      throw fail("the input unit must be a number above zero")
    }
  }

  /// Where the records end and the weights may begin.
  var dataOffset: Int {
    NetworkHeader.byteCount + header.bufferCount * BufferRecord.byteCount
      + header.layerCount * LayerRecord.byteCount
  }

  private mutating func readRecords() throws(NetworkError) {
    var offset = NetworkHeader.byteCount
    for index in 0..<header.bufferCount {
      let end = offset + BufferRecord.byteCount
      buffers[index] = try BufferRecord(
        UnsafeRawBufferPointer(rebasing: bytes[offset..<end]), index: index)
      offset = end
    }
    for index in 0..<header.layerCount {
      let end = offset + LayerRecord.byteCount
      layers[index] = try LayerRecord(
        UnsafeRawBufferPointer(rebasing: bytes[offset..<end]), index: index)
      offset = end
    }
    let input = buffers[0]
    guard input.period == 1, input.fold == 1, input.element != .probability, input.width % 4 == 0,
      input.width >= header.components.count
    else {
      throw NetworkError(
        place: .buffer(0),
        reason: """
          the input needs period 1, fold 1, codes or samples, and a width that is a multiple of 4 \
          and holds all components
          """)
    }
  }

  private func check(layer index: Int) throws(NetworkError) {
    func fail(_ reason: StaticString) -> NetworkError {
      NetworkError(place: .layer(index), reason: reason)
    }
    let layer = layers[index]
    guard layer.source < header.bufferCount, layer.destination < header.bufferCount,
      layer.residual < header.bufferCount
    else { throw fail("it names a buffer that is not there") }
    guard layer.destination != 0 else { throw fail("it writes the input") }
    let source = buffers[layer.source]
    let destination = buffers[layer.destination]
    guard layer.sourceChannels > 0, layer.destinationChannels > 0,
      layer.sourceOffset + layer.sourceChannels <= source.width,
      layer.destinationOffset + layer.destinationChannels <= destination.width
    else { throw fail("its channels lie outside the buffer") }
    guard (1...15).contains(layer.taps), (1...4).contains(layer.stride),
      (1...256).contains(layer.dilation), (1...16).contains(layer.rowsPerStep)
    else { throw fail("taps go to 15, strides to 4, dilations to 256, rows a step to 16") }
    guard layer.rowsBefore <= layer.reach else {
      throw fail("rows before must not exceed (taps - 1) x dilation")
    }
    guard layer.trim < layer.rowsPerStep * 4 else {
      throw fail("trim must be below four times the rows a step")
    }
    guard destination.period * layer.rowsPerStep == source.period * layer.stride else {
      throw fail("the destination's period does not follow from the source's")
    }
    guard layer.destinationChannels % destination.fold == 0 else {
      throw fail("its destination channels are not a multiple of the fold")
    }
    guard layer.leavesUnusedFieldsZero else {
      throw fail("a field that its kind does not use is not zero")
    }
    try checkOrder(index, reads: layer.sourceRange)
    if layer.hasResidual { try checkOrder(index, reads: layer.residualRange) }
    switch layer.kind {
    case .convolution: try checkConvolution(index)
    case .upsampling: try checkUpsampling(index)
    case .softmax, .sigmoid: try checkHead(index)
    }
  }

  /// Channels are read only by layers after all that write them, so that none waits for itself.
  private func checkOrder(_ reader: Int, reads range: ChannelRange) throws(NetworkError) {
    for index in reader..<header.layerCount where layers[index].writes(range) {
      throw NetworkError(
        place: .layer(reader), reason: "it reads channels that it or a later layer writes")
    }
  }

  /// Checks a buffer other than the input: every channel is written, none twice. What nobody reads
  /// is an output.
  private mutating func check(buffer index: Int) throws(NetworkError) {
    func fail(_ reason: StaticString) -> NetworkError {
      NetworkError(place: .buffer(index), reason: reason)
    }
    var written = 0
    var writers = 0
    var isRead = false
    for number in 0..<header.layerCount {
      let layer = layers[number]
      isRead = isRead || layer.source == index || (layer.hasResidual && layer.residual == index)
      guard layer.destination == index else { continue }
      written += layer.destinationChannels
      writers += 1
      for earlier in 0..<number where layers[earlier].destination == index {
        let other = layers[earlier]
        guard
          other.destinationOffset + other.destinationChannels <= layer.destinationOffset
            || layer.destinationOffset + layer.destinationChannels <= other.destinationOffset
        else { throw fail("two layers write the same channels") }
      }
    }
    guard written == buffers[index].width else {
      throw fail("no layer writes some of its channels")
    }
    guard isRead || writers == 1 else { throw fail("an output is written by one layer") }
    bufferPlans[index].isOutput = !isRead
  }

  private func checkUpsampling(_ index: Int) throws(NetworkError) {
    let layer = layers[index]
    let source = buffers[layer.source]
    let destination = buffers[layer.destination]
    guard layer.taps == 1, layer.stride == 1, layer.dilation == 1, layer.rowsBefore == 0,
      layer.trim == 0, !layer.hasInnerRelu, !layer.hasOuterRelu, !layer.hasResidual,
      layer.sourceChannels == layer.destinationChannels, source.element == destination.element,
      source.blank == destination.blank, source.element != .probability, destination.fold == 1
    else {
      throw NetworkError(
        place: .layer(index), reason: "an upsampling repeats rows: same element, blank and channels"
      )
    }
  }

  private func checkHead(_ index: Int) throws(NetworkError) {
    let layer = layers[index]
    let source = buffers[layer.source]
    let destination = buffers[layer.destination]
    guard source.element == .sample, destination.element == .probability,
      layer.sourceOffset == 0, layer.sourceChannels == source.width, layer.taps == 1,
      layer.stride == 1, layer.dilation == 1, layer.rowsBefore == 0, layer.trim == 0,
      layer.rowsPerStep == 1, !layer.hasInnerRelu, !layer.hasOuterRelu, !layer.hasResidual,
      (1...8).contains(layer.classes), source.fold == destination.fold,
      source.width % source.fold == 0, layer.classes <= source.width / source.fold,
      layer.destinationChannels == source.fold * layer.classes,
      layer.destinationChannels == destination.width, layer.classLetters.count == layer.classes
    else {
      throw NetworkError(
        place: .layer(index),
        reason: "a head turns samples into probabilities of 1 to 8 named classes, fold by fold")
    }
  }
}
