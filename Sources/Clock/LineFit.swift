// A straight line through the last 64 points (x, y), both in nanoseconds, refitted when a point
// comes.
//
// Jitter of edges and interrupts is bounded rather than Gaussian, and for bounded errors a higher
// power beats least squares: with 60 points of uniform jitter the sixth-power norm has 0.59 of its
// slope error (4: 0.69, 8: 0.53, but worse for Gaussian jitter). So: least squares first, points
// beyond four times the median residual dropped, then the sixth-power norm by damped reweighting,
// which is Newton's method.

import Core

struct LineFit: ~Copyable {
  private var xs = InlineArray<64, Int64>(repeating: 0)
  private var ys = InlineArray<64, Int64>(repeating: 0)
  private(set) var count = 0
  private var next = 0
  private var pointsForSlope = 4
  /// y = yOrigin + offset + (1 + slopeError) · (x − xOrigin)
  private(set) var xOrigin: Int64 = 0
  private var yOrigin: Int64 = 0
  private var offset = 0.0
  private(set) var slopeError = 0.0
  private(set) var residualNanoseconds = 0.0
  /// The newest point's residual, though it may have been taken for an outlier.
  private(set) var newestResidualNanoseconds = 0.0

  /// Forgets the points, keeps the slope and its residual until there are enough new ones for a
  /// better.
  mutating func restart() {
    count = 0
    next = 0
    if slopeError != 0 { pointsForSlope = 16 }
  }

  mutating func add(x: Int64, y: Int64) {
    xs[next] = x
    ys[next] = y
    next = (next + 1) % 64
    count = min(count + 1, 64)
    refit()
  }

  /// Moves all points, and with them the line, by a constant.
  mutating func shift(by nanoseconds: Int64) {
    for index in 0..<64 { ys[index] += nanoseconds }
    yOrigin += nanoseconds
  }

  func y(at x: Int64) -> Int64 {
    let dx = x - xOrigin
    return yOrigin + dx + Int64(Elementary.nearestInteger(offset + slopeError * Double(dx)))
  }

  /// The inverse, to the nanosecond: the slope differs from 1 by less than 1e-3.
  func x(at y: Int64) -> Int64 {
    let dy = y - yOrigin
    return xOrigin + dy
      + Int64(Elementary.nearestInteger(-(offset + slopeError * Double(dy)) / (1 + slopeError)))
  }

  private mutating func refit() {
    let latest = (next + 63) % 64
    xOrigin = xs[latest]
    yOrigin = ys[latest]
    guard count >= pointsForSlope else {
      // Too few for a slope: the mean distance from the line with the slope known so far.
      var sum = 0.0
      for index in 0..<count { sum += deviation(index) - slopeError * distance(index) }
      offset = sum / Double(count)
      newestResidualNanoseconds = residual(latest).magnitude
      return
    }
    var weights = InlineArray<64, Double>(repeating: 1)
    solve(weights, damping: 1)
    dropOutliers(&weights)
    solve(weights, damping: 1)
    let kept = weights
    for _ in 0..<12 {
      for index in 0..<count {
        let r = residual(index)
        weights[index] = kept[index] * (r * r * r * r + 1)
      }
      solve(weights, damping: 1.0 / 5)  // 1/(p − 1), without which reweighting oscillates for p > 3
    }
    var sum = 0.0
    var used = 0.0
    for index in 0..<count {
      let r = residual(index)
      sum += kept[index] * r * r
      used += kept[index]
    }
    residualNanoseconds = (sum / max(used, 1)).squareRoot()
    newestResidualNanoseconds = residual(latest).magnitude
  }

  private func distance(_ index: Int) -> Double { Double(xs[index] - xOrigin) }
  private func deviation(_ index: Int) -> Double {
    Double((ys[index] - yOrigin) - (xs[index] - xOrigin))
  }
  private func residual(_ index: Int) -> Double {
    deviation(index) - offset - slopeError * distance(index)
  }

  private mutating func solve(_ weights: InlineArray<64, Double>, damping: Double) {
    var w = 0.0
    var mx = 0.0
    var my = 0.0
    for index in 0..<count {
      w += weights[index]
      mx += weights[index] * distance(index)
      my += weights[index] * deviation(index)
    }
    guard w > 0 else { return }
    mx /= w
    my /= w
    var xx = 0.0
    var xy = 0.0
    for index in 0..<count {
      let dx = distance(index) - mx
      xx += weights[index] * dx * dx
      xy += weights[index] * dx * (deviation(index) - my)
    }
    guard xx > 0 else { return }
    let slope = xy / xx
    offset += damping * (my - slope * mx - offset)
    slopeError += damping * (slope - slopeError)
  }

  private func dropOutliers(_ weights: inout InlineArray<64, Double>) {
    var residuals = InlineArray<64, Double>(repeating: 0)
    for index in 0..<count { residuals[index] = residual(index).magnitude }
    // The median by counting: for each residual, how many are not larger. 64² comparisons once a
    // second. It may be zero, where most points lie on the line.
    var median = Double.infinity
    for candidate in 0..<count where residuals[candidate] < median {
      var notLarger = 0
      for index in 0..<count where residuals[index] <= residuals[candidate] { notLarger += 1 }
      if notLarger * 2 >= count { median = residuals[candidate] }
    }
    // Four medians are 2.7 σ of Gaussian residuals and twice the largest of uniform ones; a
    // microsecond is what kernel stamps resolve.
    for index in 0..<count where residuals[index] > 4 * median + 1000 {
      weights[index] = 0
    }
  }
}
