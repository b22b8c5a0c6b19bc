// The picture's panel of what was expected: acceleration with its band of one standard deviation,
// from when it was told until something else was; what had been measured by then; and what the
// event was taken for.

import Core
import Uplink

extension Drawing {
  private typealias Event = [Drawn<EstimateMessage>]
  private static let expectedColor = "#e08a00"
  /// The station estimates until ten seconds after P; the last estimate stands for another.
  private static let estimatedNanoseconds = 11 * nanosecondsPerSecond
  private static let decadesMaximum = 4.0

  /// The estimates of each P.
  private var estimatedEvents: [Event] {
    var events: [Event] = []
    for estimate in messages.estimates {
      if events.last?.last?.message.pickTime == estimate.message.pickTime {
        events[events.count - 1].append(estimate)
      } else {
        events.append([estimate])
      }
    }
    return events
  }

  /// When each was told, and until when the last stands.
  private func times(_ event: Event) -> [Double] {
    let told = event.map { scale.x($0.emitted) }
    let end = scale.x(event[0].message.pickTime + Drawing.estimatedNanoseconds)
    return told + [max(min(end, scale.right), told.last ?? 0)]
  }

  // MARK: Expected shaking

  private static func logarithms(
    _ message: EstimateMessage
  ) -> (expected: Double, sigma: Double, observed: Double?)? {
    guard let expected = message.expectedAcceleration.value, expected > 0 else { return nil }
    let sigma = message.accelerationSigma == .max ? 0 : Double(message.accelerationSigma) / 1000
    let observed = message.observedAcceleration.value.flatMap {
      $0 > 0 ? Elementary.logarithm10($0) : nil
    }
    return (Elementary.logarithm10(expected), sigma, observed)
  }

  /// Logarithms of m/s²: all that is drawn, but no more than four decades. The alarm's limit is
  /// drawn where shaking comes within a tenth of it.
  private func decades(_ events: [Event]) -> ClosedRange<Double> {
    var values: [Double] = []
    for case let (expected, sigma, observed)? in events.joined().map({
      Drawing.logarithms($0.message)
    }) {
      values += [expected - sigma, expected + sigma, observed ?? expected]
    }
    if let limit = alarmAcceleration.map(Elementary.logarithm10),
      let greatest = values.max(), greatest > limit - 1
    {
      values.append(limit)
    }
    let high = (values.max() ?? 0) + 0.1
    return max((values.min() ?? 0) - 0.1, high - Drawing.decadesMaximum)...high
  }

  func expectedShaking(_ page: inout Page, top: Double) -> Double {
    let height = 120.0
    let events = estimatedEvents.map { event in
      event.filter { Drawing.logarithms($0.message) != nil }
    }.filter { !$0.isEmpty }
    guard !events.isEmpty else { return top }
    let decades = self.decades(events)
    func y(_ logarithm: Double) -> Double {
      let inside = min(max(logarithm, decades.lowerBound), decades.upperBound)
      let share = (inside - decades.lowerBound) / (decades.upperBound - decades.lowerBound)
      return top + height - share * height
    }
    let next = frame(&page, "PGA", top: top, height: height)
    leftLabel(&page, "m/s²", y: top + 26)
    ticks(&page, decades, y, belowY: top + 37)
    if let alarmAcceleration, decades.contains(Elementary.logarithm10(alarmAcceleration)) {
      let line = y(Elementary.logarithm10(alarmAcceleration))
      page.line(
        (scale.left, line), (scale.right, line), Drawing.alertColors[1], dash: "6 4")
      page.text(
        "alarm from \(decimal(alarmAcceleration, 2)) m/s² on",
        (scale.right - 5, line < top + 16 ? line + 12 : line - 4), size: 10,
        color: Drawing.alertColors[1], anchor: .end)
    }
    for event in events { band(&page, event, y) }
    return next
  }

  private func ticks(
    _ page: inout Page, _ decades: ClosedRange<Double>, _ y: (Double) -> Double, belowY: Double
  ) {
    let isNarrow = decades.upperBound - decades.lowerBound < 1.5
    for decade in -9...9 {
      for digit in isNarrow ? [1.0, 2, 5] : [1] {
        let logarithm = Double(decade) + Elementary.logarithm10(digit)
        guard decades.contains(logarithm) else { continue }
        page.line((scale.left, y(logarithm)), (scale.right, y(logarithm)), "#dde0e5")
        guard y(logarithm) + 4 > belowY else { continue }
        let value = digit * Elementary.powerOfTen(Double(decade))
        leftLabel(&page, decimal(value, max(-decade, 0)), y: y(logarithm) + 4)
      }
    }
  }

  /// Steps: what was told stands until something else is.
  private func steps(_ times: [Double], _ values: [Double]) -> [String] {
    values.indices.flatMap { index in
      [times[index], times[index + 1]].map { "\(decimal($0, 1)) \(decimal(values[index], 1))" }
    }
  }

  private func band(_ page: inout Page, _ event: Event, _ y: (Double) -> Double) {
    let told = event.compactMap { Drawing.logarithms($0.message) }
    let times = self.times(event)
    func line(_ points: [String]) -> String { "M" + points.joined(separator: "L") }
    let last = told[told.count - 1]
    guard times[times.count - 1] - times[0] > 6 else {
      // Ten seconds of a day: a stroke from −σ to +σ, and what was measured.
      let x = times[0]
      page.line(
        (x, y(last.expected - last.sigma)), (x, y(last.expected + last.sigma)),
        Drawing.expectedColor, width: 2)
      page.circle((x, y(last.expected)), radius: 2.5, fill: Drawing.expectedColor)
      if let observed = last.observed {
        page.circle((x, y(observed)), radius: 2, fill: Drawing.traceColor)
      }
      return
    }
    let upper = steps(times, told.map { y($0.expected + $0.sigma) })
    let lower = steps(times, told.map { y($0.expected - $0.sigma) })
    page.area(line(upper + lower.reversed()) + "Z", Drawing.expectedColor, opacity: 0.2)
    page.curve(
      line(steps(times, told.map { y($0.expected) })), Drawing.expectedColor, width: 1.6)
    page.curve(
      line(steps(times, told.map { y($0.observed ?? -9) })), Drawing.traceColor, width: 1.2,
      dash: "3 2")
    name(&page, event[event.count - 1].message, last, at: times[times.count - 1], y)
  }

  /// What the two curves are, at their ends; above each other however close they are.
  private func name(
    _ page: inout Page, _ message: EstimateMessage,
    _ last: (expected: Double, sigma: Double, observed: Double?), at x: Double,
    _ y: (Double) -> Double
  ) {
    let factor = decimal(Elementary.powerOfTen(last.sigma), 1)
    func number(_ logarithm: Double) -> String {
      let value = Elementary.powerOfTen(logarithm)
      return decimal(value, value < 0.1 ? 4 : 2)
    }
    let expected = "expected \(number(last.expected)) m/s² (×/÷ \(factor))"
    guard x + Page.width(of: expected, size: 10) < scale.right else { return }
    let expectedY = y(last.expected) + 4
    page.text(expected, (x + 6, expectedY), size: 10, color: "#a86700")
    guard let observed = last.observed else { return }
    let isBelow = y(observed) + 4 >= expectedY
    let apart =
      isBelow ? max(y(observed) + 4, expectedY + 12) : min(y(observed) + 4, expectedY - 12)
    page.text(
      "measured by then \(number(observed))", (x + 6, apart), size: 10, color: Drawing.traceColor)
  }

  // MARK: Classes

  /// A row for each class that the network took an event for, the surer the darker.
  func classes(_ page: inout Page, top: Double) -> Double {
    let rowHeight = 15.0
    let occurring = Set(messages.estimates.map { Int($0.message.eventClass) }).subtracting([0])
      .sorted()
    guard !occurring.isEmpty else { return top }
    let height = Double(occurring.count) * rowHeight
    let next = frame(&page, "", top: top, height: height)
    for (row, number) in occurring.enumerated() {
      leftLabel(
        &page, JsonLine.classes[number - 1], y: top + Double(row) * rowHeight + 11,
        color: Page.ink)
    }
    for event in estimatedEvents {
      let times = self.times(event)
      for (index, estimate) in event.enumerated() {
        let number = Int(estimate.message.eventClass)
        guard let row = occurring.firstIndex(of: number) else { continue }
        let y = top + Double(row) * rowHeight
        let isKnown = estimate.message.classProbability != Wire.noProbability
        let probability = isKnown ? Double(estimate.message.classProbability) / 10_000 : 1
        page.rectangle(
          (times[index], y + 3), width: max(times[index + 1] - times[index], 1.5),
          height: rowHeight - 6, fill: Drawing.classColors[number - 1],
          opacity: 0.2 + 0.8 * probability)
        guard index == event.count - 1, isKnown, !isOverview else { continue }
        page.text(
          "\(decimal(probability * 100, 0)) %", (times[index + 1] + 6, y + 11), size: 10,
          color: Page.ink)
      }
    }
    return next
  }

  private static let classColors = [
    "#2b8a8a", "#b5542c", "#b5542c", "#8a8f98", "#3d6fb5", "#8a3d8f",
  ]
}
