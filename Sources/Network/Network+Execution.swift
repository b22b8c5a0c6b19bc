// How far a layer can go, and going there.

import CKernels
import CLinux
import Core
import Kernels

extension LayerState {
  init(_ plan: NetworkPlan, _ index: Int, _ kernels: ckernels_variant) {
    record = plan.layers[index]
    let source = plan.buffers[record.source]
    let destination = plan.buffers[record.destination]
    sourceOffsetBytes = record.sourceOffset * source.element.byteCount
    destinationOffsetBytes = record.destinationOffset * destination.element.byteCount
    rowChannelBytes = record.destinationChannels * destination.element.byteCount
    foldBytes = rowChannelBytes / destination.fold
    groupPitch = source.width / source.fold
    sourceWriter = LayerState.writer(plan, record.sourceRange)
    if record.hasResidual { residualWriter = LayerState.writer(plan, record.residualRange) }
    guard record.kind == .convolution else { return }
    let isContiguous =
      record.rowsPerStep == 1 || record.destinationChannels == destination.width
    parts = isContiguous ? 1 : record.rowsPerStep
    let outputs = record.outputs / parts
    let weightByteCount = source.element == .sample ? 2 : 1
    partWeightBytes = outputs * record.taps * record.sourceChannels * weightByteCount
    switch (source.element, destination.element) {
    case (.code, .code): function = kernels.codes_to_codes
    case (.code, _): function = kernels.codes_to_samples
    case (_, .code): function = kernels.samples_to_codes
    default: function = kernels.samples_to_samples
    }
    call.input_step = record.stride * source.rowByteCount
    call.tap_step = record.dilation * source.rowByteCount
    call.weights = plan.bytes.baseAddress! + record.weightsOffset
    call.bias = (plan.bytes.baseAddress! + record.biasOffset).assumingMemoryBound(to: Int32.self)
    call.scale = (plan.bytes.baseAddress! + record.scaleOffset).assumingMemoryBound(to: Float.self)
    call.output_step = record.rowsPerStep * destination.rowByteCount
    call.inner_relu = record.hasInnerRelu ? 1 : 0
    call.output_blank = Int32(destination.blank)
    let lowest = destination.element == .code ? 0 : Int32(Int16.min)
    call.output_floor = record.hasOuterRelu ? Int32(destination.blank) : lowest
    call.taps = Int32(record.taps)
    call.channels_in = Int32(record.sourceChannels)
    call.channels_out = Int32(outputs)
    guard record.hasResidual else { return }
    let residual = plan.buffers[record.residual]
    residualOffsetBytes = record.residualOffset * residual.element.byteCount
    call.residual_step = residual.rowByteCount
    call.residual_scale = record.residualScale
    call.residual_blank = Int32(residual.blank)
  }
}

extension LayerState {
  private static func writer(_ plan: NetworkPlan, _ range: ChannelRange) -> Int {
    var found = noLayer
    for index in 0..<plan.header.layerCount where plan.layers[index].writes(range) {
      found = found == noLayer ? index : several
    }
    return found
  }
}

extension Network {
  /// Rows of the channels that a layer reads.
  private func rowsWritten(_ range: ChannelRange, by writer: Int) -> Int {
    if writer >= 0 { return (layers + writer).pointee.rowsDone }
    if writer == LayerState.noLayer { return buffers.pointee.available }
    var rows = Int.max
    for index in 0..<plan.header.layerCount where (layers + index).pointee.record.writes(range) {
      rows = min(rows, (layers + index).pointee.rowsDone)
    }
    return rows
  }

  /// Steps that could be complete, were there room for them.
  func stepsWanted(_ layer: UnsafeMutablePointer<LayerState>) -> Int {
    let record = layer.pointee.record
    let source = buffers + record.source
    var rows = rowsWritten(record.sourceRange, by: layer.pointee.sourceWriter)
    // After the end of a window there are blank ones.
    if rows == source.pointee.total { rows += source.pointee.after }
    let seen = rows - 1 + record.rowsBefore - record.reach
    if seen < 0 { return 0 }
    var steps = record.stride == 1 ? seen + 1 : seen / record.stride + 1
    let total = (buffers + record.destination).pointee.total
    if total != Int.max {
      steps = min(steps, (total + record.trim + record.rowsPerStep - 1) / record.rowsPerStep)
    }
    if record.hasResidual {
      steps = min(steps, rowsWritten(record.residualRange, by: layer.pointee.residualWriter))
    }
    return steps
  }

  /// Steps of the wanted ones for which the destination has room.
  func stepsPossible(_ layer: UnsafeMutablePointer<LayerState>, _ wanted: Int) -> Int {
    let record = layer.pointee.record
    let destination = buffers + record.destination
    let rows = wanted * record.rowsPerStep - record.trim
    let isEnd = rows >= destination.pointee.total
    let through = max(rows, isEnd ? destination.pointee.total + destination.pointee.after : 0)
    if through - destination.pointee.firstRow <= destination.pointee.capacity { return wanted }
    makeRoom(record.destination, through: through)
    let room = destination.pointee.firstRow + destination.pointee.capacity
    if through <= room { return wanted }
    // Short of the end, so that the blank rows behind it are no concern.
    let limit = min(room, destination.pointee.total - 1)
    return min(wanted, (limit + record.trim) / record.rowsPerStep)
  }

  /// Moves the rows that are still needed to the front when `through` rows would not fit.
  func makeRoom(_ index: Int, through: Int) {
    let buffer = buffers + index
    if through - buffer.pointee.firstRow <= buffer.pointee.capacity { return }
    var needed = buffer.pointee.isOutput ? buffer.pointee.consumed : buffer.pointee.end
    for number in 0..<plan.header.layerCount {
      let layer = layers + number
      let record = layer.pointee.record
      if record.source == index {
        needed = min(needed, layer.pointee.stepsDone * record.stride - record.rowsBefore)
      }
      if record.hasResidual && record.residual == index {
        needed = min(needed, layer.pointee.rowsDone)
      }
      if record.destination == index { needed = min(needed, layer.pointee.rowsDone) }
    }
    if needed <= buffer.pointee.firstRow { return }
    let blanks = buffer.pointee.end == buffer.pointee.total ? buffer.pointee.after : 0
    let rows = max(0, buffer.pointee.end + blanks - needed)
    memmove(
      buffer.pointee.base, buffer.pointee.pointer(needed), rows * buffer.pointee.rowBytes)
    buffer.pointee.firstRow = needed
  }

  func run(_ layer: UnsafeMutablePointer<LayerState>, to steps: Int) {
    let record = layer.pointee.record
    let first = layer.pointee.stepsDone
    switch record.kind {
    case .convolution: convolve(layer, first, steps)
    case .upsampling: upsample(layer, first, steps)
    case .softmax, .sigmoid: judge(layer, first, steps)
    }
    layer.pointee.stepsDone = steps
    let rows = steps * record.rowsPerStep - record.trim
    let buffer = buffers + record.destination
    if first == 0 && record.trim > 0 { blank(buffer, from: -record.trim, to: min(0, rows)) }
    layer.pointee.rowsDone = max(0, min(rows, buffer.pointee.total))
    if rows >= buffer.pointee.total { blankSurplus(layer) }
    buffer.pointee.end = max(buffer.pointee.end, layer.pointee.rowsDone)
    if buffer.pointee.end == buffer.pointee.total { blankBehind(record.destination) }
    if buffer.pointee.isOutput { buffer.pointee.available = layer.pointee.rowsDone }
  }

  private func convolve(
    _ layer: UnsafeMutablePointer<LayerState>, _ first: Int, _ steps: Int
  ) {
    let record = layer.pointee.record
    let source = (buffers + record.source).pointee
    let destination = (buffers + record.destination).pointee
    var call = layer.pointee.call
    call.steps = Int32(steps - first)
    call.input = UnsafeRawPointer(
      source.pointer(first * record.stride - record.rowsBefore) + layer.pointee.sourceOffsetBytes)
    if record.hasResidual {
      call.residual = UnsafeRawPointer(
        (buffers + record.residual).pointee.pointer(first) + layer.pointee.residualOffsetBytes)
    }
    call.output =
      destination.pointer(first * record.rowsPerStep - record.trim)
      + layer.pointee.destinationOffsetBytes
    let function = layer.pointee.function!
    function(&call)
    // Where the rows of a step are not contiguous, each has its own call, outputs and weights.
    for _ in 1..<layer.pointee.parts {
      call.weights += layer.pointee.partWeightBytes
      call.bias += record.destinationChannels
      call.scale += record.destinationChannels
      call.output += destination.rowBytes
      function(&call)
    }
  }

  private func upsample(
    _ layer: UnsafeMutablePointer<LayerState>, _ first: Int, _ steps: Int
  ) {
    let record = layer.pointee.record
    let source = (buffers + record.source).pointee
    let destination = (buffers + record.destination).pointee
    for step in first..<steps {
      let from = source.pointer(step) + layer.pointee.sourceOffsetBytes
      for row in 0..<record.rowsPerStep {
        let to = destination.pointer(step * record.rowsPerStep + row)
        memcpy(to + layer.pointee.destinationOffsetBytes, from, layer.pointee.rowChannelBytes)
      }
    }
  }

  private func judge(
    _ layer: UnsafeMutablePointer<LayerState>, _ first: Int, _ steps: Int
  ) {
    let record = layer.pointee.record
    let source = (buffers + record.source).pointee
    let destination = (buffers + record.destination).pointee
    let logits = source.pointer(first).assumingMemoryBound(to: Int16.self)
    let probabilities = destination.pointer(first).assumingMemoryBound(to: UInt16.self)
    let layout = FixedPointHead.Layout(
      rows: steps - first, groups: layer.pointee.rowChannelBytes / layer.pointee.foldBytes,
      classes: record.classes, sourceRowPitch: source.rowBytes / 2,
      sourceGroupPitch: layer.pointee.groupPitch, outputRowPitch: destination.rowBytes / 2)
    head.run(
      record.kind == .softmax ? .softmax : .sigmoid, layout, from: logits, to: probabilities)
  }

  /// The end of a window may lie inside the last row of a fold: what is beyond it is blank.
  private func blankSurplus(_ layer: UnsafeMutablePointer<LayerState>) {
    let buffer = (buffers + layer.pointee.record.destination).pointee
    let foldBytes = layer.pointee.foldBytes
    let fold = layer.pointee.rowChannelBytes / foldBytes
    if fold == 1 || buffer.total == 0 { return }
    // ceil(n · fold / period) steps, `fold` in every row but the last.
    let inputRows = buffers.pointee.total
    let stepCount = (inputRows * fold + buffer.period - 1) / buffer.period
    let used = stepCount - (buffer.total - 1) * fold
    let row = buffer.pointer(buffer.total - 1) + layer.pointee.destinationOffsetBytes
    memset(
      row + used * foldBytes, Int32(buffer.blankByte), (fold - used) * foldBytes)
  }

  func blankBehind(_ index: Int) {
    let buffer = buffers + index
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
