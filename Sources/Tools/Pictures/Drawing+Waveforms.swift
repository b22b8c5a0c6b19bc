// The picture's curves: least and greatest value in each column, so that nothing is lost however
// long the record is, and nothing where there are no data.

import Board
import Conditioning
import Core

/// What the values of a trace are.
public enum TraceUnit: String, Sendable {
  case counts
  case acceleration = "m/s²"
  case velocity = "m/s"
  /// Those of a file of floating-point samples without a response.
  case file = "file's unit"

  public init(_ quantity: MotionQuantity) {
    self = quantity == .velocity ? .velocity : .acceleration
  }

  /// "221 M" and "counts", "57" and "mm/s²": three digits at most.
  func words(_ value: Double) -> (number: String, unit: String) {
    let isMotion = self == .acceleration || self == .velocity
    let parts: [(Double, String)] =
      isMotion
      ? [(1, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")] : [(1e9, "G"), (1e6, "M"), (1e3, "k")]
    let least = isMotion ? 0.1 : 1
    let (factor, prefix) =
      parts.first { value >= least * $0.0 } ?? (isMotion ? parts[3] : (1, ""))
    let scaled = value / factor
    let number = decimal(scaled, scaled < 1 ? 2 : scaled < 10 ? 1 : 0)
    return isMotion
      ? (number, prefix + rawValue) : (prefix.isEmpty ? number : "\(number) \(prefix)", rawValue)
  }
}

extension TracePoint {
  /// The conditioned stream has a hundred points a second.
  func isBeforeGap(_ next: TracePoint) -> Bool {
    Double(next.time - time) * 1e-9 * outputRateHertz > 2.5
  }
}

extension Drawing {
  private static let names = ["Z", "N", "E"]
  static let traceColor = "#24476b"
  private static let triggerColor = "#7a4b9d"

  static func peaks(_ points: ArraySlice<TracePoint>) -> [Double] {
    var peaks = SIMD4<Float>.zero
    for point in points {
      let magnitudes = pointwiseMax(point.values, -point.values)
      // Never where there are no data: nothing is greater than NaN, nor NaN than anything.
      peaks.replace(with: magnitudes, where: magnitudes .> peaks)
    }
    return (0..<3).map { Double(peaks[$0]) }
  }

  func component(_ page: inout Page, _ lane: Int, top: Double) -> Double {
    let height = 84.0
    let next = frame(
      &page, Drawing.names[lane], top: top, height: height, gaps: gapsOfLanes[lane])
    let (number, unit) = self.unit.words(peaks[lane])
    leftLabel(&page, "±\(number)", y: top + 30)
    leftLabel(&page, unit, y: top + 42)
    drawTrace(&page, lane, trace[...], scale, top: top, height: height)
    return next
  }

  /// One component to its own scale.
  func drawTrace(
    _ page: inout Page, _ lane: Int, _ points: ArraySlice<TracePoint>, _ scale: TimeScale,
    top: Double, height: Double
  ) {
    let peak = Drawing.peaks(points)[lane]
    // What filters ring with after a channel has died is no motion.
    guard peak > 1e-6 * peaks[lane] else { return }
    let half = height / 2
    let path = Drawing.path(points, scale) {
      top + half - Double($0.values[lane]) / peak * (half - 3)
    }
    page.curve(path, Drawing.traceColor)
  }

  /// Logarithmic, from 0.1 to whatever was reached.
  func trigger(_ page: inout Page, top: Double) -> Double {
    let height = 64.0
    let greatest = trace.reduce(triggerRatio * 2) { max($0, Double($1.ratio)) }
    func y(_ ratio: Double) -> Double {
      let share =
        Elementary.logarithm10(max(ratio, 0.1) / 0.1) / Elementary.logarithm10(greatest / 0.1)
      return top + height - 3 - share * (height - 6)
    }
    let next = frame(&page, "STA/LTA", top: top, height: height)
    page.curve(Drawing.path(trace[...], scale) { y(Double($0.ratio)) }, Drawing.triggerColor)
    let threshold = y(triggerRatio)
    page.line(
      (scale.left, threshold), (scale.right, threshold), Drawing.triggerColor, dash: "4 3")
    leftLabel(
      &page, decimal(triggerRatio, 0), y: max(threshold + 4, top + 28),
      color: Drawing.triggerColor)
    return next
  }

  /// A curve through all points where they are few, and through the extremes of each column where
  /// they are many. It is interrupted where the record is.
  static func path(
    _ points: ArraySlice<TracePoint>, _ scale: TimeScale, y: (TracePoint) -> Double
  ) -> String {
    let isDense = Double(points.count) > 2 * scale.width
    var path = ""
    var pen: Double?
    var column: (x: Double, low: Double, high: Double)?
    func finishColumn() {
      guard let ended = column else { return }
      // The nearer end first: the curve goes on from where it was.
      let isRising = abs((pen ?? ended.low) - ended.low) <= abs((pen ?? ended.low) - ended.high)
      let ends = isRising ? [ended.low, ended.high] : [ended.high, ended.low]
      for (index, end) in ends.enumerated() where index == 0 || ended.low != ended.high {
        path += "\(pen == nil ? "M" : "L")\(decimal(ended.x, 1)) \(decimal(end, 1))"
        pen = end
      }
      column = nil
    }
    var previous: TracePoint?
    for point in points {
      let exact = scale.x(point.time)
      let x = isDense ? exact.rounded(.down) + 0.5 : exact
      let value = y(point)
      guard !value.isNaN else {
        finishColumn()
        pen = nil
        continue
      }
      if let previous, previous.isBeforeGap(point) {
        finishColumn()
        pen = nil
      } else if let open = column, open.x != x {
        finishColumn()
      }
      previous = point
      let open = column ?? (x, value, value)
      column = (x, min(open.low, value), max(open.high, value))
    }
    finishColumn()
    return path
  }
}
