// Thirty seconds of each of the largest events, for records so long that an event is a stroke.

import Core
import Uplink

extension Drawing {
  private static let insetsMaximum = 6
  private static let columns = 3
  private static let before = 5 * nanosecondsPerSecond
  private static let seconds = 30.0

  /// The P to draw, in order of time: those that raised an alert, then those with the largest
  /// motion.
  var events: [Drawn<PickMessage>] {
    let alerted = Set(messages.alerts.map(\.message.pickID))
    let ranked = messages.finalPicks.filter { $0.message.phase == 1 && $0.message.status != 3 }
      .map { pick in
        let points = points(window(pick, width: 1))
        let peak = Drawing.peaks(points).max() ?? 0
        return (pick, alerted.contains(pick.message.id) ? .infinity : peak)
      }
      .sorted { ($1.1, $0.0.message.time) < ($0.1, $1.0.message.time) }
    var chosen: [Drawn<PickMessage>] = []
    let apart = Int64(Drawing.seconds * 1e9)
    for (pick, _) in ranked where chosen.count < Drawing.insetsMaximum {
      if chosen.allSatisfy({ ($0.message.time - pick.message.time).magnitude > apart }) {
        chosen.append(pick)
      }
    }
    return chosen.sorted { $0.message.time < $1.message.time }
  }

  private func window(
    _ event: Drawn<PickMessage>, left: Double = 0, width: Double
  ) -> TimeScale {
    TimeScale(
      start: event.message.time + -Drawing.before, seconds: Drawing.seconds, left: left,
      width: width)
  }

  func insets(_ page: inout Page, top: Double) -> Double {
    let height = 44.0 + 40 * Double(lanes.count) + 14
    let events = self.events
    for (index, event) in events.enumerated() {
      let width = (Drawing.plotWidth - 2 * 12) / Double(Drawing.columns)
      let x = Drawing.left + Double(index % Drawing.columns) * (width + 12)
      let y = top + 6 + Double(index / Drawing.columns) * (height + 8)
      inset(&page, index + 1, event, x: x, top: y, width: width)
    }
    let rows = (events.count + Drawing.columns - 1) / Drawing.columns
    return top + 6 + Double(rows) * (height + 8)
  }

  private func inset(
    _ page: inout Page, _ number: Int, _ event: Drawn<PickMessage>, x: Double, top: Double,
    width: Double
  ) {
    let part = window(event, left: x, width: width)
    let time = event.message.time.iso8601
    page.flag("\(number)", (x, top), Page.ink)
    let name =
      hasDate ? "\(time.prefix(10)) \(time.dropFirst(11).prefix(8))" : Drawing.words(event)
    let decibels = decimal(Double(event.message.signalToNoiseCentidecibels) / 100, 0)
    page.text("\(name), \(decibels) dB", (x + 20, top + 11), color: Page.ink)
    page.text(summary(event), (x, top + 26), size: 10)
    let points = self.points(part)
    let peaks = Drawing.peaks(points)
    let first = top + 46
    for (row, lane) in lanes.enumerated() {
      let y = first + Double(row) * 40
      page.rectangle((x, y), width: width, height: 38, fill: "#f7f8fa", stroke: "#c5c9d0")
      drawTrace(&page, lane, points, part, top: y, height: 38)
      let (number, unit) = self.unit.words(peaks[lane])
      page.text("±\(number) \(unit)", (x + 4, y + 10), size: 8)
    }
    let bottom = first + Double(lanes.count) * 40 - 2
    drawPicks(&page, part, top: first, bottom: bottom)
    for second in stride(from: 0.0, to: Drawing.seconds, by: 5) {
      let mark = part.x(part.start + Int64(second * 1e9))
      page.text("\(decimal(second - 5, 0)) s", (mark, bottom + 10), size: 8, anchor: .middle)
    }
  }

  private func drawPicks(_ page: inout Page, _ part: TimeScale, top: Double, bottom: Double) {
    var rows = LabelRows(countMaximum: 1)
    for pick in messages.finalPicks where part.contains(pick.message.time) {
      let onset = part.x(pick.message.time)
      page.line((onset, top - 2), (onset, bottom), Drawing.color(pick), width: 1.2)
      let words = Drawing.words(pick)
      let end = onset + Page.width(of: words, size: 10) + 6
      if end < part.right, rows.place(from: onset, to: end) != nil {
        page.flag(words, (onset, top - 15), Drawing.color(pick))
      }
    }
  }

  private func points(_ part: TimeScale) -> ArraySlice<TracePoint> {
    let begin = trace.place(of: part.start)
    return trace[begin..<max(trace.place(of: part.end), begin)]
  }

  /// What was last told of the event.
  private func summary(_ event: Drawn<PickMessage>) -> String {
    guard
      let estimate = messages.estimates.last(where: { $0.message.pickID == event.message.id })?
        .message
    else { return "" }
    var words: [String] = []
    if estimate.eventClass > 0 {
      let known = estimate.classProbability != Wire.noProbability
      let share = known ? " \(decimal(Double(estimate.classProbability) / 100, 0)) %" : ""
      words.append(JsonLine.classes[Int(estimate.eventClass) - 1] + share)
    }
    if estimate.magnitudeHundredths != .min {
      words.append("M \(decimal(Double(estimate.magnitudeHundredths) / 100, 1))")
    }
    if estimate.distanceMetres != .max {
      words.append("\(decimal(Double(estimate.distanceMetres) / 1000, 0)) km")
    }
    if let observed = estimate.observedAcceleration.value, observed > 0 {
      let (number, unit) = TraceUnit.acceleration.words(observed)
      words.append("\(number) \(unit)")
    }
    return words.joined(separator: ", ")
  }
}
