// How far a layer can go, and going there.

import CKernels
import CLinux
import Core
import Kernels

extension Network {
  /// Rows of channels that several layers write.
  private func rowsWritten(_ range: ChannelRange) -> Int {
    var rows = Int.max
    for index in 0..<layerCount where (layers + index).pointee.record.writes(range) {
      rows = min(rows, rowsDone[index])
    }
    return rows
  }

  /// Steps that could be complete, were there room for them.
  @inline(__always)
  func stepsWanted(_ layer: UnsafeMutablePointer<LayerState>) -> Int {
    let source = layer.pointee.source
    var rows = layer.pointee.sourceRows?.pointee ?? rowsWritten(layer.pointee.record.sourceRange)
    // After the end of a window there are blank ones.
    if rows == source.pointee.total { rows += source.pointee.after }
    let seen = rows - 1 - layer.pointee.rowsBehind
    if seen < 0 { return 0 }
    var steps = layer.pointee.stride == 1 ? seen + 1 : seen / layer.pointee.stride + 1
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
  func stepsPossible(_ layer: UnsafeMutablePointer<LayerState>, _ wanted: Int) -> Int {
    let destination = layer.pointee.destination
    let rows = wanted * layer.pointee.rowsPerStep - layer.pointee.trim
    let isEnd = rows >= destination.pointee.total
    let through = max(rows, isEnd ? destination.pointee.total + destination.pointee.after : 0)
    if through - destination.pointee.firstRow <= destination.pointee.capacity { return wanted }
    return stepsAfterMoving(layer, wanted, through: through)
  }

  @inline(never)
  private func stepsAfterMoving(
    _ layer: UnsafeMutablePointer<LayerState>, _ wanted: Int, through: Int
  ) -> Int {
    let destination = layer.pointee.destination
    makeRoom(layer.pointee.record.destination, through: through)
    let room = destination.pointee.firstRow + destination.pointee.capacity
    if through <= room { return wanted }
    // Short of the end, so that the blank rows behind it are no concern.
    let limit = min(room, destination.pointee.total - 1)
    return min(wanted, (limit + layer.pointee.trim) / layer.pointee.rowsPerStep)
  }

  /// Moves the rows that are still needed to the front when `through` rows would not fit.
  func makeRoom(_ index: Int, through: Int) {
    let buffer = buffers + index
    if through - buffer.pointee.firstRow <= buffer.pointee.capacity { return }
    var needed = buffer.pointee.isOutput ? buffer.pointee.consumed : buffer.pointee.end
    for number in 0..<layerCount {
      let layer = layers + number
      if layer.pointee.source == buffer {
        needed = min(
          needed, layer.pointee.stepsDone * layer.pointee.stride - layer.pointee.rowsBefore)
      }
      if layer.pointee.residual == buffer || layer.pointee.destination == buffer {
        needed = min(needed, rowsDone[number])
      }
      if layer.pointee.destination == buffer {
        // What a trim drops is still to be written in front of row 0.
        needed = min(
          needed, layer.pointee.stepsDone * layer.pointee.rowsPerStep - layer.pointee.trim)
      }
    }
    if needed <= buffer.pointee.firstRow { return }
    let blanks = buffer.pointee.end == buffer.pointee.total ? buffer.pointee.after : 0
    let rows = max(0, buffer.pointee.end + blanks - needed)
    memmove(
      buffer.pointee.base, buffer.pointee.pointer(needed), rows * buffer.pointee.rowBytes)
    buffer.pointee.firstRow = needed
  }

  @inline(__always)
  func run(_ layer: UnsafeMutablePointer<LayerState>, _ index: Int, to steps: Int) {
    let first = layer.pointee.stepsDone
    let buffer = layer.pointee.destination
    if layer.pointee.function != nil {
      convolve(layer, first, steps)
    } else if layer.pointee.isHead {
      judge(layer, first, steps)
    } else {
      upsample(layer, first, steps)
    }
    layer.pointee.stepsDone = steps
    let rows = steps * layer.pointee.rowsPerStep - layer.pointee.trim
    let firstRow = first * layer.pointee.rowsPerStep - layer.pointee.trim
    if firstRow < 0 { blank(buffer, from: firstRow, to: min(0, rows)) }
    rowsDone[index] = max(0, min(rows, buffer.pointee.total))
    if rows >= buffer.pointee.total { blankSurplus(layer) }
    buffer.pointee.end = max(buffer.pointee.end, rowsDone[index])
    if buffer.pointee.end == buffer.pointee.total { blankBehind(buffer) }
  }

  @inline(__always)
  private func convolve(
    _ layer: UnsafeMutablePointer<LayerState>, _ first: Int, _ steps: Int
  ) {
    layer.pointee.call.steps = Int32(steps - first)
    layer.pointee.call.input = UnsafeRawPointer(
      layer.pointee.source.pointee.pointer(
        first * layer.pointee.stride - layer.pointee.rowsBefore)
        + layer.pointee.sourceOffsetBytes)
    layer.pointee.call.output =
      layer.pointee.destination.pointee.pointer(
        first * layer.pointee.rowsPerStep - layer.pointee.trim)
      + layer.pointee.destinationOffsetBytes
    if let residual = layer.pointee.residual {
      layer.pointee.call.residual = UnsafeRawPointer(
        residual.pointee.pointer(first) + layer.pointee.residualOffsetBytes)
    }
    let function = layer.pointee.function!
    withUnsafePointer(to: &layer.pointee.call) { function($0) }
    if layer.pointee.parts > 1 { convolveParts(layer) }
  }

  /// Where the rows of a step are not contiguous, each has its own call, outputs and weights. The
  /// first one is done.
  private func convolveParts(_ layer: UnsafeMutablePointer<LayerState>) {
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

  private func upsample(
    _ layer: UnsafeMutablePointer<LayerState>, _ first: Int, _ steps: Int
  ) {
    let rows = layer.pointee.rowsPerStep
    for step in first..<steps {
      let from =
        layer.pointee.source.pointee.pointer(step) + layer.pointee.sourceOffsetBytes
      for row in 0..<rows {
        let to = layer.pointee.destination.pointee.pointer(step * rows + row)
        memcpy(to + layer.pointee.destinationOffsetBytes, from, layer.pointee.rowChannelBytes)
      }
    }
  }

  private func judge(_ layer: UnsafeMutablePointer<LayerState>, _ first: Int, _ steps: Int) {
    layer.pointee.headLayout.rows = steps - first
    head.run(
      layer.pointee.record.kind == .softmax ? .softmax : .sigmoid, layer.pointee.headLayout,
      from: layer.pointee.source.pointee.pointer(first).assumingMemoryBound(to: Int16.self),
      to: layer.pointee.destination.pointee.pointer(first).assumingMemoryBound(to: UInt16.self))
  }

  /// The end of a window may lie inside the last row of a fold: what is beyond it is blank.
  private func blankSurplus(_ layer: UnsafeMutablePointer<LayerState>) {
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

  func blankBehind(_ buffer: UnsafeMutablePointer<BufferState>) {
    let total = buffer.pointee.total
    blank(buffer, from: total, to: total + buffer.pointee.after)
  }

  private func blank(_ buffer: UnsafeMutablePointer<BufferState>, from: Int, to: Int) {
    if from >= to { return }
    memset(
      buffer.pointee.pointer(from), Int32(buffer.pointee.blankByte),
      (to - from) * buffer.pointee.rowBytes)
  }
}
