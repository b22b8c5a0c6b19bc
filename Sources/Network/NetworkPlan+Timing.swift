// How far each buffer lags, and how many rows of it must be kept.
//
// A convolution with stride s, reach D, `before` B rows before, u rows a step and trim T makes, of
// a source with w rows, u · (⌊(w − 1 + B − D) / s⌋ + 1) − T rows. With w between (n − latest) / p
// and (n − earliest) / p, and p' = p · s / u the period of the result:
//     latest'   = latest   + p · (D − B)             + p' · T
//     earliest' = earliest + p · (D − B) − p (s − 1) + p' · T
// Upsampling and heads are the case D = B = T = 0, s = 1.

extension NetworkPlan {
  mutating func deriveTiming(layer index: Int) throws(NetworkError) {
    let layer = layers[index]
    var timing = self.timing(of: layer.sourceRange, before: index)
    let period = buffers[layer.source].period
    let later =
      period * (layer.reach - layer.rowsBefore) + buffers[layer.destination].period * layer.trim
    timing.latest += later
    timing.earliest += later - period * (layer.stride - 1)
    if layer.hasResidual { timing.join(self.timing(of: layer.residualRange, before: index)) }
    guard timing.latest <= 1 << 20, timing.earliest >= -(1 << 20) else {
      throw NetworkError(place: .layer(index), reason: "it looks further ahead than 2^20 rows")
    }
    layerTimings[index] = timing
    let whole = ChannelRange(
      buffer: layer.destination, first: 0, count: buffers[layer.destination].width)
    bufferPlans[layer.destination].timing = self.timing(of: whole, before: index + 1)
  }

  /// The timing of channels that layers before `end` write.
  private func timing(of range: ChannelRange, before end: Int) -> Timing {
    var joined: Timing?
    for index in 0..<end where layers[index].writes(range) {
      joined?.join(layerTimings[index])
      if joined == nil { joined = layerTimings[index] }
    }
    return joined ?? Timing()
  }

  mutating func deriveKept(layer index: Int) {
    let layer = layers[index]
    let source = timing(of: layer.sourceRange, before: index)
    // The rows that a trim drops make more steps than the window has.
    let stepsMore = (layer.trim + layer.rowsPerStep - 1) / layer.rowsPerStep
    keep(
      layer.source, readBackTo: max(source.latest, residualLatest(index)), rows: layer.reach,
      lead: layer.rowsBefore,
      after: layer.reach - layer.rowsBefore + layer.stride * stepsMore)
    // Rows that a trim drops are written in front of row 0 first, and so are whole steps.
    keep(
      layer.destination, readBackTo: layerTimings[index].latest, rows: layer.rowsPerStep,
      lead: layer.trim, after: 0)
    if layer.hasResidual {
      keep(
        layer.residual, readBackTo: layerTimings[index].latest, rows: 0, lead: 0, after: 0)
    }
  }

  /// A layer also waits for its residual: its source is kept as long.
  private func residualLatest(_ index: Int) -> Int {
    guard layers[index].hasResidual else { return 0 }
    return timing(of: layers[index].residualRange, before: index).latest
  }

  /// A reader that, after n input rows, may still need row (n − latest) / period − rows.
  private mutating func keep(
    _ buffer: Int, readBackTo latest: Int, rows: Int, lead: Int, after: Int
  ) {
    let period = buffers[buffer].period
    let span = maximumRows - bufferPlans[buffer].timing.earliest + latest
    let kept = (span + period - 1) / period + rows + 1
    bufferPlans[buffer].kept = max(bufferPlans[buffer].kept, kept)
    bufferPlans[buffer].lead = max(bufferPlans[buffer].lead, lead)
    bufferPlans[buffer].after = max(bufferPlans[buffer].after, after)
  }
}
