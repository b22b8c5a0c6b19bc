// What must hold for a convolution's numbers so that no sum overflows and no rounding leaves the
// range that the kernels' contract promises, whatever the input.

import Core

extension NetworkPlan {
  func checkConvolution(_ index: Int) throws(NetworkError) {
    func fail(_ reason: StaticString) -> NetworkError {
      NetworkError(place: .layer(index), reason: reason)
    }
    let layer = layers[index]
    let source = buffers[layer.source]
    let destination = buffers[layer.destination]
    guard source.element != .probability, destination.element != .probability else {
      throw fail("a convolution reads and writes codes or samples")
    }
    guard layer.sourceOffset % 4 == 0, layer.sourceChannels % 4 == 0 else {
      throw fail("source offset and channels must be multiples of 4")
    }
    let isContiguous = layer.rowsPerStep == 1 || layer.destinationChannels == destination.width
    guard layer.outputs % 16 == 0, isContiguous || layer.destinationChannels % 16 == 0 else {
      throw fail("outputs must be a multiple of 16, in each row of a wider buffer too")
    }
    if layer.hasResidual {
      let residual = buffers[layer.residual]
      guard residual.element == destination.element, residual.period == destination.period,
        layer.residualOffset + layer.destinationChannels <= residual.width,
        layer.rowsPerStep == 1, layer.trim == 0
      else {
        throw fail(
          """
          a residual has the destination's element, period and channels, and goes with 1 row a \
          step and no trim
          """)
      }
      guard layer.residualScale.isFinite, layer.residualScale.magnitude <= 1024 else {
        throw fail("the residual scale must be within 1024")
      }
    }
    try checkNumbers(index, weightsAre16Bit: source.element == .sample)
  }

  /// Offsets, biases, scales and weights.
  private func checkNumbers(_ index: Int, weightsAre16Bit: Bool) throws(NetworkError) {
    func fail(_ reason: StaticString) -> NetworkError {
      NetworkError(place: .layer(index), reason: reason)
    }
    let layer = layers[index]
    let products = layer.taps * layer.sourceChannels
    let weightBytes = layer.outputs * products * (weightsAre16Bit ? 2 : 1)
    guard isInData(layer.weightsOffset, weightBytes),
      isInData(layer.biasOffset, layer.outputs * 4), isInData(layer.scaleOffset, layer.outputs * 4)
    else { throw fail("weights, bias or scale lie outside the file or not at a multiple of 64") }
    for output in 0..<layer.outputs {
      let bias = bytes.load(fromByteOffset: layer.biasOffset + 4 * output, as: Int32.self)
      let scale = bytes.load(fromByteOffset: layer.scaleOffset + 4 * output, as: Float.self)
      guard bias.magnitude <= 1 << 30 else { throw fail("a bias is beyond 2^30") }
      let products =
        weightsAre16Bit
        ? magnitudeOfSampleWeights(layer, output: output) * 32768 : products * 127 * 127
      let largest = Int(bias.magnitude) + products
      guard largest < 1 << 31 else { throw fail("the weights of an output could overflow its sum") }
      guard scale > 0, Double(scale) * Double(largest) <= 0x1p30 else {
        throw fail("a scale is not above 0, or makes more than 2^30 of the largest sum")
      }
    }
    for offset in 0..<weightBytes / (weightsAre16Bit ? 2 : 1) {
      let isLowest =
        weightsAre16Bit
        ? bytes.load(fromByteOffset: layer.weightsOffset + 2 * offset, as: Int16.self) == .min
        : bytes.load(fromByteOffset: layer.weightsOffset + offset, as: Int8.self) == .min
      guard !isLowest else { throw fail("a weight is below -127 (of samples: -32767)") }
    }
  }

  private func isInData(_ offset: Int, _ count: Int) -> Bool {
    offset >= dataOffset && offset % 64 == 0 && offset + count <= bytes.count
  }

  /// Σ |weight| of one output in the canonical order `[outputs/16][taps × channels/2][16][2]`.
  private func magnitudeOfSampleWeights(_ layer: LayerRecord, output: Int) -> Int {
    let lines = layer.taps * layer.sourceChannels / 2
    var sum = 0
    for line in 0..<lines {
      let start = layer.weightsOffset + ((output / 16 * lines + line) * 16 + output % 16) * 4
      sum += Int(bytes.load(fromByteOffset: start, as: Int16.self).magnitude)
      sum += Int(bytes.load(fromByteOffset: start + 2, as: Int16.self).magnitude)
    }
    return sum
  }
}
