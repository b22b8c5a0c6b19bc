// Network: runs a plan, row by row as they come (a stream) or over a window of known length. Every row
// of every buffer is computed once; what later steps still need stays in the buffers. The result does not
// depend on how the input is cut into pushes.
//
//     network.push(rows, count: 4)
//     repeat { more = network.advance(); … read network.output(buffer) … } while more
//
// A buffer's rows lie one after the other in memory. When the memory is full, the rows that are still
// needed move to its front: that costs less than a ring whose end every kernel would have to see.

import CKernels
import CLinux
import Core
import Kernels

struct BufferState {
  var base: UnsafeMutableRawPointer
  var rowBytes = 0
  var capacity = 0
  var blankByte: UInt8 = 0
  var lead = 0
  var after = 0
  var period = 1
  var isOutput = false
  /// The row that lies at `base`; the lead lies in front of row 0.
  var firstRow = 0
  /// One past the last row that any layer has written.
  var end = 0
  /// Of the input and of outputs: rows that may be read.
  var available = 0
  /// Of an output: rows that were there before this pass.
  var consumed = 0
  /// Rows that the window has; Int.max in a stream.
  var total = Int.max

  func pointer(_ row: Int) -> UnsafeMutableRawPointer { base + (row - firstRow) * rowBytes }
}

struct LayerState {
  static let noLayer = -1
  static let several = -2

  var record = LayerRecord()
  /// The one layer that writes what this one reads, or `several`, or `noLayer` for the input.
  var sourceWriter = LayerState.noLayer
  var residualWriter = LayerState.noLayer
  var stepsDone = 0
  var rowsDone = 0
  /// For a convolution: all but the pointers that move.
  var call = ckernels_convolution()
  var function: ckernels_function? = nil
  /// Calls of the kernel for each step: one for each of its rows where they are not contiguous.
  var parts = 1
  var partWeightBytes = 0
  var sourceOffsetBytes = 0
  var destinationOffsetBytes = 0
  var residualOffsetBytes = 0
  /// Bytes of one step of a folded destination, and of all of them in this layer's channels.
  var foldBytes = 0
  var rowChannelBytes = 0
  var groupPitch = 0
}

/// Rows of an output that the last pass made.
public struct NetworkOutput {
  public var firstRow: Int
  public var rowCount: Int
  /// Probabilities, 32768 = 1: `width` values a row, steps of a fold one after the other.
  public var values: UnsafePointer<UInt16>
  public var width: Int
}

public struct Network: ~Copyable {
  public let plan: NetworkPlan
  let buffers: UnsafeMutablePointer<BufferState>
  let layers: UnsafeMutablePointer<LayerState>
  let head = FixedPointHead()

  /// Takes `plan.arenaByteCount` bytes of the arena, and touches them.
  public init(_ plan: NetworkPlan, kernels: KernelVariant, arena: inout Arena) {
    let header = plan.header
    buffers = arena.take(BufferState.self, count: header.bufferCount).baseAddress!
    let layerBytes = header.layerCount * MemoryLayout<LayerState>.stride
    layers = UnsafeMutableRawPointer(arena.take(UInt8.self, count: layerBytes).baseAddress!)
      .bindMemory(to: LayerState.self, capacity: header.layerCount)
    for index in 0..<header.bufferCount {
      let record = plan.buffers[index]
      let kept = plan.bufferPlans[index]
      let bytes = arena.take(UInt8.self, count: kept.capacity * record.rowByteCount)
      var state = BufferState(base: UnsafeMutableRawPointer(bytes.baseAddress!))
      state.rowBytes = record.rowByteCount
      state.capacity = kept.capacity
      state.blankByte = UInt8(record.blank)
      (state.lead, state.after) = (kept.lead, kept.after)
      (state.period, state.isOutput) = (record.period, kept.isOutput)
      (buffers + index).initialize(to: state)
    }
    for index in 0..<header.layerCount {
      (layers + index).initialize(to: LayerState(plan, index, kernels.functions))
    }
    self.plan = plan
    reset()
  }

  /// Forgets everything. With `windowRows` the input ends after as many rows, and the last rows of
  /// the outputs follow from blank ones behind it; without, it goes on for ever.
  public mutating func reset(windowRows: Int? = nil) {
    for index in 0..<plan.header.bufferCount {
      let buffer = buffers + index
      buffer.pointee.firstRow = -buffer.pointee.lead
      (buffer.pointee.end, buffer.pointee.available, buffer.pointee.consumed) = (0, 0, 0)
      let period = buffer.pointee.period
      buffer.pointee.total = windowRows.map { ($0 + period - 1) / period } ?? Int.max
      memset(
        buffer.pointee.base, Int32(buffer.pointee.blankByte),
        buffer.pointee.capacity * buffer.pointee.rowBytes)
    }
    for index in 0..<plan.header.layerCount {
      (layers + index).pointee.stepsDone = 0
      (layers + index).pointee.rowsDone = 0
    }
  }

  /// Brings `count` input rows, at most `plan.maximumRows`, of the width and element of buffer 0.
  public mutating func push(_ rows: UnsafeRawPointer, count: Int) {
    let input = beginPush(count)
    memcpy(input, rows, count * buffers.pointee.rowBytes)
    endPush(count)
  }

  /// `count` rows of silence, for a gap that is too short for a reset.
  public mutating func pushBlank(count: Int) {
    let input = beginPush(count)
    memset(input, Int32(buffers.pointee.blankByte), count * buffers.pointee.rowBytes)
    endPush(count)
  }

  private mutating func beginPush(_ count: Int) -> UnsafeMutableRawPointer {
    precondition(count >= 0 && count <= plan.maximumRows, "more rows than the plan was made for")
    let begin = buffers.pointee.end
    precondition(count <= buffers.pointee.total - begin, "more rows than the window has")
    makeRoom(0, through: begin + count + buffers.pointee.after)
    return buffers.pointee.pointer(begin)
  }

  private mutating func endPush(_ count: Int) {
    buffers.pointee.end += count
    buffers.pointee.available += count
    if buffers.pointee.end == buffers.pointee.total { blankBehind(0) }
  }

  /// One pass over the layers: each goes as far as its source and the room in its destination let it.
  /// Returns whether another pass would go further; the outputs of this one must be read before.
  public mutating func advance() -> Bool {
    for index in 0..<plan.header.bufferCount where (buffers + index).pointee.isOutput {
      (buffers + index).pointee.consumed = (buffers + index).pointee.available
    }
    var wasHeldUp = false
    for index in 0..<plan.header.layerCount {
      let layer = layers + index
      let wanted = stepsWanted(layer)
      if wanted <= layer.pointee.stepsDone { continue }
      let possible = stepsPossible(layer, wanted)
      wasHeldUp = wasHeldUp || possible < wanted
      if possible > layer.pointee.stepsDone { run(layer, to: possible) }
    }
    return wasHeldUp
  }

  /// What the last pass added to the output `buffer`.
  public func output(_ buffer: Int) -> NetworkOutput {
    let state = (buffers + buffer).pointee
    precondition(state.isOutput, "not an output")
    return NetworkOutput(
      firstRow: state.consumed, rowCount: state.available - state.consumed,
      values: UnsafePointer(
        state.pointer(state.consumed).assumingMemoryBound(to: UInt16.self)),
      width: state.rowBytes / 2)
  }

  /// For tests and for judging a network: a row of any buffer that has not been moved out yet.
  public func row(_ row: Int, ofBuffer buffer: Int) -> UnsafeRawPointer? {
    let state = (buffers + buffer).pointee
    guard row >= state.firstRow, row < state.end else { return nil }
    return UnsafeRawPointer(state.pointer(row))
  }
}
