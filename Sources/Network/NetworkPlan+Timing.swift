// How far each buffer lags, and how many rows of it must be kept.
//
// A convolution with stride s, reach D, `before` B rows before, u rows a step and trim T makes, of a source
// with w rows, u · (⌊(w − 1 + B − D) / s⌋ + 1) − T rows. With w between (n − latest) / p and
// (n − earliest) / p, and p' = p · s / u the period of the result:
//     latest'   = latest   + p · (D − B)             + p' · T
//     earliest' = earliest + p · (D − B) − p (s − 1) + p' · T
// Upsampling and heads are the case D = B = T = 0, s = 1.

extension NetworkPlan {
  mutating func deriveTiming(layer index: Int) throws(NetworkError) {
    let layer = layers[index]
    let source = timing[layer.source]
    let period = buffers[layer.source].period
    let later =
      period * (layer.reach - layer.rowsBefore) + buffers[layer.destination].period * layer.trim
    let latest = source.latest + later
    let earliest = source.earliest + later - period * (layer.stride - 1)
    // The layers that write a buffer come in a row as far as its readers are concerned (checkOrder).
    var isFirst = true
    for other in 0..<index where layers[other].destination == layer.destination { isFirst = false }
    let destination = timing[layer.destination]
    timing[layer.destination].latest = isFirst ? latest : max(latest, destination.latest)
    timing[layer.destination].earliest = isFirst ? earliest : min(earliest, destination.earliest)
    guard latest <= 1 << 20, earliest >= -(1 << 20) else {
      throw NetworkError(place: .layer(index), reason: "it looks further ahead than 2^20 rows")
    }
  }

  mutating func deriveKept(layer index: Int) {
    let layer = layers[index]
    keep(
      layer.source, readBackTo: timing[layer.source].latest, rows: layer.reach,
      lead: layer.rowsBefore, after: layer.reach - layer.rowsBefore)
    // Rows that a trim drops are written in front of row 0 first, and so are whole steps.
    keep(
      layer.destination, readBackTo: timing[layer.destination].latest, rows: layer.rowsPerStep,
      lead: layer.trim, after: 0)
    if layer.hasResidual {
      keep(
        layer.residual, readBackTo: timing[layer.destination].latest, rows: 0, lead: 0, after: 0)
    }
  }

  /// A reader that, after n input rows, may still need row (n − latest) / period − rows.
  private mutating func keep(
    _ buffer: Int, readBackTo latest: Int, rows: Int, lead: Int, after: Int
  ) {
    let period = buffers[buffer].period
    let span = maximumRows - timing[buffer].earliest + latest
    let kept = (span + period - 1) / period + rows + 1
    timing[buffer].kept = max(timing[buffer].kept, kept)
    timing[buffer].lead = max(timing[buffer].lead, lead)
    timing[buffer].after = max(timing[buffer].after, after)
  }
}
