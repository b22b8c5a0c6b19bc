// Network: runs a plan, row by row as they come (a stream) or over a window of known length.
//
// A stream wants an answer every few samples, and each answer rests on hundreds before it. The
// obvious way is to run the network over its last window for each of them, which computes almost
// every row again each time.
//
// Here every row of every buffer is computed once, and what later steps still need stays in the
// buffers. The result does not depend on how the input is cut into pushes. A buffer's rows lie one
// after the other in memory. When the memory is full, the rows that are still needed move to its
// front: that costs less than a ring whose end every kernel would have to see.
//
//     network.push(rows, count: 4)
//     repeat { more = network.advance(); … read network.output(buffer) … } while more

import CKernels
import CLinux
import Core
import Kernels

/// Rows of an output that the last pass made.
public struct NetworkOutput {
  public var firstRow: Int
  public var rowCount: Int
  /// `width` values a row of the buffer's element, steps of a fold one after the other. A
  /// probability of 1 is 32768.
  public var values: UnsafeRawPointer
  public var width: Int
}

public struct Network: ~Copyable {
  let layerCount: Int
  let bufferCount: Int
  let maximumRows: Int
  let buffers: UnsafeMutablePointer<BufferState>
  let layers: UnsafeMutablePointer<LayerState>
  /// Rows that each layer has written, and behind them those of the input.
  let rowsDone: UnsafeMutablePointer<Int>
  let head: FixedPointHead

  /// Takes `plan.arenaByteCount` bytes of the arena, and touches them.
  public init(_ plan: NetworkPlan, kernels: KernelVariant, arena: inout Arena) {
    let header = plan.header
    buffers = Network.room(BufferState.self, header.bufferCount, &arena)
    head = FixedPointHead(
      table: Network.room(UInt32.self, FixedPointHead.tableCount, &arena))
    layers = Network.room(LayerState.self, header.layerCount, &arena)
    rowsDone = Network.room(Int.self, header.layerCount + 1, &arena)
    for index in 0..<header.bufferCount {
      let record = plan.buffers[index]
      let kept = plan.bufferPlans[index]
      let bytes = arena.take(UInt8.self, count: kept.capacity * record.rowByteCount)
      var state = BufferState(base: UnsafeMutableRawPointer(bytes.baseAddress!))
      (state.rowBytes, state.width) = (record.rowByteCount, record.width)
      state.capacity = kept.capacity
      state.blankByte = UInt8(record.blank)
      (state.lead, state.after) = (kept.lead, kept.after)
      (state.period, state.isOutput) = (record.period, kept.isOutput)
      (buffers + index).initialize(to: state)
    }
    for index in 0..<header.layerCount {
      (layers + index).initialize(
        to: LayerState(plan, index, kernels.functions, buffers, rowsDone))
    }
    layerCount = header.layerCount
    bufferCount = header.bufferCount
    maximumRows = plan.maximumRows
    reset()
  }

  private static func room<State>(
    _ type: State.Type, _ count: Int, _ arena: inout Arena
  ) -> UnsafeMutablePointer<State> {
    let bytes = arena.take(UInt8.self, count: count * MemoryLayout<State>.stride)
    return UnsafeMutableRawPointer(bytes.baseAddress!).bindMemory(to: type, capacity: count)
  }

  /// Forgets everything. With `windowRows` the input ends after as many rows, and the last rows of
  /// the outputs follow from blank ones behind it; without, it goes on for ever.
  public mutating func reset(windowRows: Int? = nil) {
    for index in 0..<bufferCount {
      let buffer = buffers + index
      buffer.pointee.firstRow = -buffer.pointee.lead
      (buffer.pointee.end, buffer.pointee.consumed) = (0, 0)
      let period = buffer.pointee.period
      buffer.pointee.total = windowRows.map { ($0 + period - 1) / period } ?? Int.max
      memset(
        buffer.pointee.base, Int32(buffer.pointee.blankByte),
        buffer.pointee.capacity * buffer.pointee.rowBytes)
    }
    for index in 0..<layerCount { (layers + index).pointee.restart() }
    rowsDone.update(repeating: 0, count: layerCount + 1)
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
    precondition(count >= 0 && count <= maximumRows, "more rows than the plan was made for")
    let begin = buffers.pointee.end
    precondition(count <= buffers.pointee.total - begin, "more rows than the window has")
    makeRoom(0, through: begin + count + buffers.pointee.after)
    return buffers.pointee.pointer(begin)
  }

  private mutating func endPush(_ count: Int) {
    buffers.pointee.end += count
    rowsDone[layerCount] += count
    if buffers.pointee.end == buffers.pointee.total { blankBehind(buffers) }
  }

  /// One pass over the layers: each goes as far as its source and the room in its destination let
  /// it. Returns whether another pass would go further; the outputs of this one must be read
  /// before.
  public mutating func advance() -> Bool {
    var wasHeldUp = false
    for index in 0..<layerCount {
      let layer = layers + index
      if layer.pointee.isOutput {
        layer.pointee.destination.pointee.consumed = rowsDone[index]
      }
      let wanted = stepsWanted(layer)
      if wanted <= layer.pointee.stepsDone { continue }
      let possible = stepsPossible(layer, wanted)
      wasHeldUp = wasHeldUp || possible < wanted
      if possible > layer.pointee.stepsDone { run(layer, index, to: possible) }
    }
    return wasHeldUp
  }

  /// What the last pass added to the output `buffer`.
  public func output(_ buffer: Int) -> NetworkOutput {
    let state = (buffers + buffer).pointee
    precondition(state.isOutput, "not an output")
    return NetworkOutput(
      firstRow: state.consumed, rowCount: state.end - state.consumed,
      values: UnsafeRawPointer(state.pointer(state.consumed)), width: state.width)
  }

  /// For the fuzzer: gives every buffer memory of its own, so that a sanitizer sees what leaves it.
  /// `memory` is asked for as many bytes as a buffer has. A reset must follow.
  public mutating func scatter(_ memory: (Int) -> UnsafeMutableRawPointer) {
    for index in 0..<bufferCount {
      let buffer = buffers + index
      buffer.pointee.base = memory(buffer.pointee.capacity * buffer.pointee.rowBytes)
    }
  }

  /// For tests and for judging a network: a row of any buffer that has not been moved out yet.
  public func row(_ row: Int, ofBuffer buffer: Int) -> UnsafeRawPointer? {
    let state = (buffers + buffer).pointee
    guard row >= state.firstRow, row < state.end else { return nil }
    return UnsafeRawPointer(state.pointer(row))
  }
}
