// SVG: the few shapes that a picture is made of, and where times and labels lie on it.

import Core
import Foundation

/// A picture in the making: shapes cover what was drawn before them.
struct Page {
  static let ink = "#1a1a1a"
  static let faint = "#666"
  static let letterShare = 0.6
  private(set) var shapes = ""

  mutating func line(
    _ from: (x: Double, y: Double), _ to: (x: Double, y: Double), _ color: String,
    width: Double = 1, dash: String? = nil
  ) {
    shapes += "<line x1=\"\(decimal(from.x, 1))\" x2=\"\(decimal(to.x, 1))\""
    shapes += " y1=\"\(decimal(from.y, 1))\" y2=\"\(decimal(to.y, 1))\" stroke=\"\(color)\""
    shapes += " stroke-width=\"\(decimal(width, 1))\""
    if let dash { shapes += " stroke-dasharray=\"\(dash)\"" }
    shapes += "/>\n"
  }

  mutating func rectangle(
    _ corner: (x: Double, y: Double), width: Double, height: Double, fill: String,
    stroke: String = "none", opacity: Double = 1
  ) {
    shapes += "<rect x=\"\(decimal(corner.x, 1))\" y=\"\(decimal(corner.y, 1))\""
    shapes += " width=\"\(decimal(width, 1))\" height=\"\(decimal(height, 1))\" fill=\"\(fill)\""
    if stroke != "none" { shapes += " stroke=\"\(stroke)\"" }
    if opacity < 1 { shapes += " fill-opacity=\"\(decimal(opacity, 2))\"" }
    shapes += "/>\n"
  }

  mutating func circle(_ center: (x: Double, y: Double), radius: Double, fill: String) {
    shapes += "<circle cx=\"\(decimal(center.x, 1))\" cy=\"\(decimal(center.y, 1))\""
    shapes += " r=\"\(decimal(radius, 1))\" fill=\"\(fill)\"/>\n"
  }

  mutating func curve(
    _ path: String, _ color: String, width: Double = 0.8, dash: String? = nil
  ) {
    guard !path.isEmpty else { return }
    shapes += "<path d=\"\(path)\" fill=\"none\" stroke=\"\(color)\""
    shapes += " stroke-width=\"\(decimal(width, 1))\""
    if let dash { shapes += " stroke-dasharray=\"\(dash)\"" }
    shapes += "/>\n"
  }

  mutating func area(_ path: String, _ color: String, opacity: Double) {
    shapes += "<path d=\"\(path)\" fill=\"\(color)\" fill-opacity=\"\(decimal(opacity, 2))\"/>\n"
  }

  enum Anchor: String { case start, middle, end }

  mutating func text(
    _ words: String, _ place: (x: Double, y: Double), size: Double = 11,
    color: String = Page.faint, anchor: Anchor = .start, isBold: Bool = false
  ) {
    let escaped = words.replacingOccurrences(of: "&", with: "&amp;")
      .replacingOccurrences(of: "<", with: "&lt;")
    shapes += "<text x=\"\(decimal(place.x, 1))\" y=\"\(decimal(place.y, 1))\""
    shapes += " font-size=\"\(decimal(size, 0))\" fill=\"\(color)\""
    if anchor != .start { shapes += " text-anchor=\"\(anchor.rawValue)\"" }
    if isBold { shapes += " font-weight=\"bold\"" }
    shapes += ">\(escaped)</text>\n"
  }

  /// A label with white letters on a color; its left edge at the place.
  mutating func flag(_ words: String, _ place: (x: Double, y: Double), _ color: String) {
    let width = Page.width(of: words, size: 10) + 6
    rectangle(place, width: width, height: 13, fill: color)
    text(
      words, (place.x + width / 2, place.y + 10), size: 10, color: "#ffffff", anchor: .middle,
      isBold: true)
  }

  /// A little more than most typefaces take.
  static func width(of words: String, size: Double) -> Double {
    Double(words.count) * size * letterShare
  }

  func svg(width: Double, height: Double) -> String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(decimal(width, 0)) \(decimal(height, 0))" \
    font-family="sans-serif" font-size="11">
    <rect width="100%" height="100%" fill="#ffffff"/>
    \(shapes)</svg>

    """
  }
}

/// A stretch of time, and where it lies from left to right.
struct TimeScale {
  var start: UTC
  var seconds: Double
  var left: Double
  var width: Double
  var right: Double { left + width }
  var end: UTC { start + Int64(seconds * 1e9) }

  func x(_ time: UTC) -> Double { left + Double(time - start) * 1e-9 / seconds * width }
  func contains(_ time: UTC) -> Bool { time >= start && time <= end }

  private static let steps: [Double] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
  ]

  /// Seconds between marks; there are ten marks at most.
  var step: Double {
    let days = (seconds / 86_400 / 10).rounded(.up)
    return TimeScale.steps.first { seconds / $0 <= 10 } ?? days * 86_400
  }

  /// Whole minutes, or whatever the step is, of the clock.
  var clockMarks: [UTC] {
    let spacing = Int64(step) * nanosecondsPerSecond
    var mark = floorQuotient(start.nanoseconds, spacing) * spacing
    if mark < start.nanoseconds { mark += spacing }
    return stride(from: mark, through: end.nanoseconds, by: Int(spacing)).map {
      UTC(nanoseconds: $0)
    }
  }
}

/// Puts labels beside each other where they fit, and below each other where they do not.
struct LabelRows {
  private var ends: [Double] = []
  private let countMaximum: Int
  var count: Int { ends.count }

  init(countMaximum: Int) { self.countMaximum = countMaximum }

  /// The row that is free from `start` on; nil where all are taken.
  mutating func place(from start: Double, to end: Double) -> Int? {
    if let row = ends.firstIndex(where: { $0 <= start }) {
      ends[row] = end
      return row
    }
    guard count < countMaximum else { return nil }
    ends.append(end)
    return count - 1
  }
}
