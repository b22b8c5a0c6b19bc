// How far a layer can go, and going there.
//
// Functions that change nothing of `Network` itself are mutating all the same: a borrowed `self`
// would be copied for each call, and these are called for every layer of every push.

import CKernels
import CLinux
import Core
import Kernels

extension Network {
  /// Rows of channels that several layers write.
  private mutating func rowsWritten(_ range: ChannelRange) -> Int {
    var rows = Int.max
    for index in 0..<layerCount where (layers + index).pointee.record.writes(range) {
      rows = min(rows, rowsDone[index])
    }
    return rows
  }

  /// Steps that could be complete, were there room for them.
  @inline(__always)
  mutating func stepsWanted(_ layer: UnsafeMutablePointer<LayerState>) -> Int {
    let source = layer.pointee.source
    var rows = layer.pointee.sourceRows?.pointee ?? rowsWritten(layer.pointee.record.sourceRange)
    // After the end of a window there are blank ones.
    if rows == source.pointee.total { rows += source.pointee.after }
    let seen = rows &- 1 &- layer.pointee.rowsBehind
    if seen < 0 { return 0 }
    var steps = layer.pointee.stride == 1 ? seen &+ 1 : seen / layer.pointee.stride &+ 1
    steps = min(steps, layer.pointee.stepsAtMost)
    if layer.pointee.residual != nil {
      steps = min(
        steps,
        layer.pointee.residualRows?.pointee ?? rowsWritten(layer.pointee.record.residualRange))
    }
    return steps
  }

  /// Steps of the wanted ones for which the destination has room.
  @inline(__always)
  mutating func stepsPossible(_ layer: UnsafeMutablePointer<LayerState>, _ wanted: Int) -> Int {
    let destination = layer.pointee.destination
    let rows = wanted &* layer.pointee.rowsPerStep &- layer.pointee.trim
    if rows <= destination.pointee.rowLimit && rows < destination.pointee.total { return wanted }
    let isEnd = rows >= destination.pointee.total
    let through = max(rows, isEnd ? destination.pointee.total + destination.pointee.after : 0)
    if through <= destination.pointee.rowLimit { return wanted }
    return stepsAfterMoving(layer, wanted, through: through)
  }

  @inline(never)
  private mutating func stepsAfterMoving(
    _ layer: UnsafeMutablePointer<LayerState>, _ wanted: Int, through: Int
  ) -> Int {
    let destination = layer.pointee.destination
    makeRoom(layer.pointee.record.destination, through: through)
    let room = destination.pointee.rowLimit
    if through <= room { return wanted }
    // Short of the end, so that the blank rows behind it are no concern.
    let limit = min(room, destination.pointee.total - 1)
    return min(wanted, (limit + layer.pointee.trim) / layer.pointee.rowsPerStep)
  }

  /// Moves the rows that are still needed to the front when `through` rows would not fit.
  mutating func makeRoom(_ index: Int, through: Int) {
    let buffer = buffers + index
    if through <= buffer.pointee.rowLimit { return }
    var needed = buffer.pointee.isOutput ? buffer.pointee.consumed : buffer.pointee.end
    for number in 0..<layerCount {
      let layer = layers + number
      if layer.pointee.source == buffer {
        needed = min(
          needed, layer.pointee.stepsDone * layer.pointee.stride - layer.pointee.rowsBefore)
      }
      if layer.pointee.residual == buffer { needed = min(needed, rowsDone[number]) }
      if layer.pointee.destination == buffer {
        // In front of row 0 while there is a trim to write.
        needed = min(
          needed, layer.pointee.stepsDone * layer.pointee.rowsPerStep - layer.pointee.trim)
      }
    }
    if needed <= buffer.pointee.firstRow { return }
    let blanks = buffer.pointee.end == buffer.pointee.total ? buffer.pointee.after : 0
    let rows = max(0, buffer.pointee.end + blanks - needed)
    memmove(
      buffer.pointee.base, buffer.pointee.pointer(needed), rows * buffer.pointee.rowBytes)
    let bytes = (needed - buffer.pointee.firstRow) * buffer.pointee.rowBytes
    for number in 0..<layerCount { (layers + number).pointee.follow(buffer, bytes: bytes) }
    buffer.pointee.firstRow = needed
  }

  @inline(__always)
  mutating func run(_ layer: UnsafeMutablePointer<LayerState>, _ index: Int, to steps: Int) {
    let first = layer.pointee.stepsDone
    let count = steps &- first
    layer.pointee.call.steps = Int32(truncatingIfNeeded: count)
    if let function = layer.pointee.function {
      function(&layer.pointee.call)
      if layer.pointee.parts > 1 { convolveParts(layer) }
    } else if layer.pointee.isHead {
      judge(layer, count)
    } else {
      upsample(layer, count)
    }
    layer.pointee.call.input += count &* layer.pointee.call.input_step
    layer.pointee.call.output += count &* layer.pointee.call.output_step
    if layer.pointee.residual != nil {
      layer.pointee.call.residual += count &* layer.pointee.call.residual_step
    }
    layer.pointee.stepsDone = steps
    let buffer = layer.pointee.destination
    let rows = steps &* layer.pointee.rowsPerStep &- layer.pointee.trim
    rowsDone[index] = rows
    let isAtEdge = first &* layer.pointee.rowsPerStep < layer.pointee.trim
    if isAtEdge || rows >= buffer.pointee.total { blankAround(layer, index, first, rows) }
    if rowsDone[index] > buffer.pointee.end { buffer.pointee.end = rowsDone[index] }
  }

  /// What was written in front of row 0 or behind the end of a window is blank again.
  @inline(never)
  private mutating func blankAround(
    _ layer: UnsafeMutablePointer<LayerState>, _ index: Int, _ first: Int, _ rows: Int
  ) {
    let buffer = layer.pointee.destination
    let firstRow = first * layer.pointee.rowsPerStep - layer.pointee.trim
    blank(buffer, from: firstRow, to: min(0, rows))
    rowsDone[index] = max(0, min(rows, buffer.pointee.total))
    if rows >= buffer.pointee.total {
      blankSurplus(layer)
      blankBehind(buffer)
    }
  }

  /// Where the rows of a step are not contiguous, each has its own call, outputs and weights. The
  /// first one is done.
  private mutating func convolveParts(_ layer: UnsafeMutablePointer<LayerState>) {
    var call = layer.pointee.call
    let channels = layer.pointee.record.destinationChannels
    for _ in 1..<layer.pointee.parts {
      call.weights += layer.pointee.partWeightBytes
      call.bias += channels
      call.scale += channels
      call.output += layer.pointee.destination.pointee.rowBytes
      layer.pointee.function!(&call)
    }
  }

  private mutating func upsample(_ layer: UnsafeMutablePointer<LayerState>, _ count: Int) {
    for step in 0..<count {
      let from = layer.pointee.call.input! + step * layer.pointee.call.input_step
      let to = layer.pointee.call.output! + step * layer.pointee.call.output_step
      for row in 0..<layer.pointee.rowsPerStep {
        memcpy(
          to + row * layer.pointee.destination.pointee.rowBytes, from,
          layer.pointee.rowChannelBytes)
      }
    }
  }

  private mutating func judge(_ layer: UnsafeMutablePointer<LayerState>, _ count: Int) {
    layer.pointee.headLayout.rows = count
    head.run(
      layer.pointee.record.kind == .softmax ? .softmax : .sigmoid, layer.pointee.headLayout,
      from: layer.pointee.call.input!.assumingMemoryBound(to: Int16.self),
      to: layer.pointee.call.output!.assumingMemoryBound(to: UInt16.self))
  }

  /// The end of a window may lie inside the last row of a fold: what is beyond it is blank.
  private mutating func blankSurplus(_ layer: UnsafeMutablePointer<LayerState>) {
    let buffer = layer.pointee.destination.pointee
    let foldBytes = layer.pointee.foldBytes
    let fold = layer.pointee.rowChannelBytes / foldBytes
    if fold == 1 || buffer.total == 0 { return }
    // ceil(n · fold / period) steps, `fold` in every row but the last.
    let inputRows = buffers.pointee.total
    let stepCount = (inputRows * fold + buffer.period - 1) / buffer.period
    let used = stepCount - (buffer.total - 1) * fold
    let row = buffer.pointer(buffer.total - 1) + layer.pointee.destinationOffsetBytes
    memset(row + used * foldBytes, Int32(buffer.blankByte), (fold - used) * foldBytes)
  }

  mutating func blankBehind(_ buffer: UnsafeMutablePointer<BufferState>) {
    let total = buffer.pointee.total
    blank(buffer, from: total, to: total + buffer.pointee.after)
  }

  private mutating func blank(_ buffer: UnsafeMutablePointer<BufferState>, from: Int, to: Int) {
    if from >= to { return }
    memset(
      buffer.pointee.pointer(from), Int32(buffer.pointee.blankByte),
      (to - from) * buffer.pointee.rowBytes)
  }
}
