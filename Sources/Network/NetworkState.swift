// What a network remembers of its buffers and layers between pushes.

import CKernels
import Kernels

struct BufferState {
  var base: UnsafeMutableRawPointer
  var rowBytes = 0
  var width = 0
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
  /// Rows of an output that were there before this pass.
  var consumed = 0
  /// Rows that the window has; Int.max in a stream.
  var total = Int.max

  func pointer(_ row: Int) -> UnsafeMutableRawPointer { base + (row - firstRow) * rowBytes }

  /// Rows below this one fit without moving any.
  var rowLimit: Int { firstRow &+ capacity }
}

/// A layer. What every pass looks at comes first.
struct LayerState {
  var stepsDone = 0
  /// Steps of a window; Int.max in a stream.
  var stepsAtMost = Int.max
  /// Rows written of what this layer reads; nil when several layers write it.
  let sourceRows: UnsafePointer<Int>?
  let residualRows: UnsafePointer<Int>?
  let source: UnsafeMutablePointer<BufferState>
  let destination: UnsafeMutablePointer<BufferState>
  let residual: UnsafeMutablePointer<BufferState>?
  /// Rows beyond its own place that a step reads.
  let rowsBehind: Int
  let stride: Int
  let rowsPerStep: Int
  let trim: Int
  let isHead: Bool
  /// The caller reads what it writes.
  let isOutput: Bool

  /// The kernel of a convolution, and its arguments. Input, output and residual point to where the
  /// next step begins, in layers of every kind.
  var function: ckernels_function? = nil
  var call = ckernels_convolution()
  /// Calls of the kernel for each step: one for each of its rows where they are not contiguous.
  var parts = 1
  var partWeightBytes = 0

  /// What a head needs besides the rows.
  var headLayout: FixedPointHead.Layout

  let rowsBefore: Int
  let sourceOffsetBytes: Int
  let destinationOffsetBytes: Int
  let residualOffsetBytes: Int
  /// Bytes of one row in this layer's channels, and of one step of a fold in them.
  let rowChannelBytes: Int
  let foldBytes: Int
  let record: LayerRecord

  init(
    _ plan: NetworkPlan, _ index: Int, _ kernels: ckernels_variant,
    _ buffers: UnsafeMutablePointer<BufferState>, _ rowsDone: UnsafeMutablePointer<Int>
  ) {
    let record = plan.layers[index]
    let from = plan.buffers[record.source]
    let to = plan.buffers[record.destination]
    self.record = record
    source = buffers + record.source
    destination = buffers + record.destination
    residual = record.hasResidual ? buffers + record.residual : nil
    sourceRows = LayerState.rows(plan, record.sourceRange, rowsDone)
    residualRows = record.hasResidual ? LayerState.rows(plan, record.residualRange, rowsDone) : nil
    sourceOffsetBytes = record.sourceOffset * from.element.byteCount
    destinationOffsetBytes = record.destinationOffset * to.element.byteCount
    residualOffsetBytes = record.residualOffset * to.element.byteCount
    (stride, rowsBefore) = (record.stride, record.rowsBefore)
    rowsBehind = record.reach - record.rowsBefore
    isOutput = plan.isOutput(record.destination)
    (rowsPerStep, trim, isHead) = (record.rowsPerStep, record.trim, record.isHead)
    rowChannelBytes = record.destinationChannels * to.element.byteCount
    foldBytes = rowChannelBytes / to.fold
    headLayout = FixedPointHead.Layout(
      rows: 0, groups: to.fold, classes: max(1, record.classes), sourceRowPitch: from.width,
      sourceGroupPitch: from.width / to.fold, outputRowPitch: to.width)
    call.input_step = stride * from.rowByteCount
    call.output_step = rowsPerStep * to.rowByteCount
    if record.kind == .convolution { prepareCall(plan, kernels) }
  }

  /// The counter of the one layer that writes the range, or of the input; nil for several layers.
  private static func rows(
    _ plan: NetworkPlan, _ range: ChannelRange, _ rowsDone: UnsafeMutablePointer<Int>
  ) -> UnsafePointer<Int>? {
    var writer = plan.header.layerCount
    var count = 0
    for index in 0..<plan.header.layerCount where plan.layers[index].writes(range) {
      writer = index
      count += 1
    }
    return count > 1 ? nil : UnsafePointer(rowsDone + writer)
  }

  private mutating func prepareCall(_ plan: NetworkPlan, _ kernels: ckernels_variant) {
    let from = plan.buffers[record.source]
    let to = plan.buffers[record.destination]
    parts = rowsPerStep == 1 || record.destinationChannels == to.width ? 1 : rowsPerStep
    let outputs = record.outputs / parts
    let weightByteCount = from.element == .sample ? 2 : 1
    partWeightBytes = outputs * record.taps * record.sourceChannels * weightByteCount
    switch (from.element, to.element) {
    case (.code, .code): function = kernels.codes_to_codes
    case (.code, _): function = kernels.codes_to_samples
    case (_, .code): function = kernels.samples_to_codes
    default: function = kernels.samples_to_samples
    }
    let file = plan.bytes.baseAddress!
    call.weights = file + record.weightsOffset
    call.bias = (file + record.biasOffset).assumingMemoryBound(to: Int32.self)
    call.scale = (file + record.scaleOffset).assumingMemoryBound(to: Float.self)
    call.tap_step = record.dilation * from.rowByteCount
    call.inner_relu = record.hasInnerRelu ? 1 : 0
    call.output_blank = Int32(to.blank)
    let lowest = to.element == .code ? 0 : Int32(Int16.min)
    call.output_floor = record.hasOuterRelu ? Int32(to.blank) : lowest
    call.taps = Int32(record.taps)
    call.channels_in = Int32(record.sourceChannels)
    call.channels_out = Int32(outputs)
    guard record.hasResidual else { return }
    let residual = plan.buffers[record.residual]
    call.residual_step = residual.rowByteCount
    call.residual_scale = record.residualScale
    call.residual_blank = Int32(residual.blank)
  }

  /// After the buffers were reset.
  mutating func restart() {
    stepsDone = 0
    let total = destination.pointee.total
    stepsAtMost = total == Int.max ? Int.max : (total + trim + rowsPerStep - 1) / rowsPerStep
    call.input = UnsafeRawPointer(source.pointee.pointer(-rowsBefore) + sourceOffsetBytes)
    call.output = destination.pointee.pointer(-trim) + destinationOffsetBytes
    if let residual {
      call.residual = UnsafeRawPointer(residual.pointee.pointer(0) + residualOffsetBytes)
    }
  }

  /// The rows of `buffer` have moved towards its front.
  mutating func follow(_ buffer: UnsafeMutablePointer<BufferState>, bytes: Int) {
    if source == buffer { call.input -= bytes }
    if destination == buffer { call.output -= bytes }
    if residual == buffer { call.residual -= bytes }
  }
}
