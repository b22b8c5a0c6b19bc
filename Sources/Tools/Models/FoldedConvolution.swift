// A convolution of signals whose steps lie side by side in rows, as a convolution of rows.
//
// With fold f a row holds f steps; a narrow signal so fills the 16 channels that the kernels work
// on, and a layer of 8 channels and 7 taps does an eighth more multiplications than it must instead
// of four times as many. The transpose of a convolution of stride u becomes a convolution that
// writes u steps at a time, with the taps that meet each of them and no others.

struct FoldedConvolution {
  var taps = 1
  var stride = 1
  var dilation = 1
  var rowsBefore = 0
  var rowsPerStep = 1
  var trim = 0
  /// For each tap, source step in the row, and step in the group that one step writes: the tap of
  /// the original convolution, nil where they do not meet.
  private var table: [Int?] = []
  private var sourceFold = 1
  private var group = 1

  init(_ c: FloatConvolution, sourceFold: Int, fold: Int) throws {
    self.sourceFold = sourceFold
    if !c.isTransposed && sourceFold == 1 && fold == 1 {
      (taps, stride, dilation, rowsBefore) = (c.taps, c.stride, c.dilation, c.before)
      table = (0..<c.taps).map { $0 }
      try check()
      return
    }
    if c.isTransposed {
      group = c.stride * sourceFold
      guard group % fold == 0 else {
        throw ToolError("a fold of \(fold) does not divide the \(group) steps it writes at a time")
      }
      rowsPerStep = group / fold
      guard rowsPerStep <= 16 else {
        throw ToolError("it would write \(rowsPerStep) rows at a time; the most is 16")
      }
      // The trim that needs the fewest taps.
      var best: (taps: Range<Int>, trim: Int)?
      for trim in 0..<(4 * rowsPerStep) {
        let met = tapRange(c, fold: fold, trim: trim)
        guard !met.isEmpty, met.lowerBound <= 0, met.upperBound >= 1 else { continue }
        if best == nil || met.count < best!.taps.count { best = (met, trim) }
      }
      guard let best else { throw ToolError("its taps lie too far from its steps") }
      trim = best.trim
      fill(c, best.taps, fold: fold)
    } else {
      group = fold
      guard (fold * c.stride) % sourceFold == 0 else {
        throw ToolError("folds \(sourceFold) and \(fold) do not go with stride \(c.stride)")
      }
      stride = fold * c.stride / sourceFold
      fill(c, tapRange(c, fold: fold, trim: 0), fold: fold)
    }
    try check()
  }

  private func check() throws {
    guard taps <= 15, stride <= 4, dilation <= 256, rowsPerStep <= 16, rowsBefore >= 0,
      rowsBefore <= (taps - 1) * dilation
    else {
      throw ToolError(
        "\(taps) taps, stride \(stride), dilation \(dilation), \(rowsBefore) before: the limits are "
          + "15, 4, 256, and (taps - 1) x dilation")
    }
  }

  /// The tap of `c` by which `output`, of the group of step 0, reads `source` of the row `row`.
  private func tap(
    _ c: FloatConvolution, output: Int, row: Int, source: Int, fold: Int, trim: Int
  ) -> Int? {
    let step = output - trim * fold
    let from = row * sourceFold + source
    if c.isTransposed {
      let tap = step + c.crop + c.before - c.stride * from
      return (0..<c.taps).contains(tap) ? tap : nil
    }
    let distance = from - step * c.stride + c.before
    guard distance >= 0, distance % c.dilation == 0 else { return nil }
    let tap = distance / c.dilation
    return tap < c.taps ? tap : nil
  }

  /// The rows, relative to a step's own, that it reads.
  private func tapRange(_ c: FloatConvolution, fold: Int, trim: Int) -> Range<Int> {
    // Source steps that any output of the group can meet, in rows.
    let span = c.taps * c.dilation + c.before + trim * fold + c.crop
    let far =
      c.isTransposed
      ? (span + group) / (c.stride * sourceFold) + 1 : (span + group * c.stride) / sourceFold + 1
    var (first, last) = (Int.max, Int.min)
    for row in -far...far {
      for source in 0..<sourceFold {
        for output in 0..<group
        where tap(c, output: output, row: row, source: source, fold: fold, trim: trim) != nil {
          (first, last) = (min(first, row), max(last, row))
        }
      }
    }
    return first <= last ? first..<(last + 1) : 0..<0
  }

  private mutating func fill(_ c: FloatConvolution, _ rows: Range<Int>, fold: Int) {
    taps = rows.count
    rowsBefore = -rows.lowerBound
    for row in rows {
      for source in 0..<sourceFold {
        for output in 0..<group {
          table.append(tap(c, output: output, row: row, source: source, fold: fold, trim: trim))
        }
      }
    }
  }

  func originalTap(tap: Int, sourceStep: Int, output: Int) -> Int? {
    table[(tap * sourceFold + sourceStep) * group + output]
  }

  /// Steps that one step writes.
  var stepsPerStep: Int { group }
}
