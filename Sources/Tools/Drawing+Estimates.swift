// The picture's panel of what was expected: acceleration with its band of one standard deviation, over
// the time at which it was told; what had been measured by then; and what was decided.

import Core
import Uplink

extension Drawing {
  private static let decades = -3.0...1.0  // of m/s²

  func expectedShaking(panel: Int) -> String {
    func y(_ logAcceleration: Double) -> Double {
      let range = Drawing.decades
      let inside = min(max(logAcceleration, range.lowerBound), range.upperBound)
      let share = (inside - range.lowerBound) / (range.upperBound - range.lowerBound)
      return panelTop(panel) + Drawing.panelHeight - 4 - share * (Drawing.panelHeight - 8)
    }
    var out = frame(panel: panel, label: "PGA")
    for decade in stride(from: -2.0, through: 0, by: 1) {
      let line = decimal(y(decade), 1)
      out += """
        <line x1="\(decimal(Drawing.left, 0))" x2="\(decimal(Drawing.left + plotWidth, 0))" y1="\(line)" \
        y2="\(line)" stroke="#dde0e5"/>
        <text x="\(decimal(Drawing.left - 8, 0))" y="\(decimal(y(decade) + 4, 0))" text-anchor="end" \
        font-size="10" fill="#666">\(decade == 0 ? "1 m/s²" : decade == -1 ? "0.1" : "0.01")</text>

        """
    }
    // Each event has a band of its own.
    var events: [[Drawn<EstimateMessage>]] = []
    for estimate in messages.estimates where estimate.message.expectedAcceleration.value != nil {
      if events.last?.last?.message.pickTime == estimate.message.pickTime {
        events[events.count - 1].append(estimate)
      } else {
        events.append([estimate])
      }
    }
    for event in events { out += band(event, y) }
    for alert in messages.alerts { out += mark(alert, panel) }
    return out
  }

  private func band(_ event: [Drawn<EstimateMessage>], _ y: (Double) -> Double) -> String {
    func point(_ estimate: Drawn<EstimateMessage>, _ sigmas: Double) -> String {
      let expected = estimate.message.expectedAcceleration.value ?? 0
      let sigma = Double(estimate.message.accelerationSigma) / 1000
      let value = Elementary.logarithm10(expected) + sigmas * sigma
      return "\(decimal(x(estimate.emitted), 1)) \(decimal(y(value), 1))"
    }
    func line(_ points: [String]) -> String { "M" + points.joined(separator: "L") }
    let outline = event.map { point($0, 1) } + event.reversed().map { point($0, -1) }
    let observed = event.map {
      let value = max($0.message.observedAcceleration.value ?? 0, 1e-9)
      return "\(decimal(x($0.emitted), 1)) \(decimal(y(Elementary.logarithm10(value)), 1))"
    }
    return """
      <path d="\(line(outline))Z" fill="#e08a00" fill-opacity="0.2" stroke="none"/>
      <path d="\(line(event.map { point($0, 0) }))" fill="none" stroke="#e08a00" stroke-width="1.6"/>
      <path d="\(line(observed))" fill="none" stroke="#24476b" stroke-dasharray="3 2"/>

      """
  }

  private func mark(_ alert: Drawn<AlertMessage>, _ panel: Int) -> String {
    let colors = ["#e0b000", "#c8102e", "#4f8a4f"]
    let color = colors[Int(alert.message.level.rawValue) - 1]
    let px = decimal(x(alert.emitted), 1)
    let top = panelTop(panel)
    // A line each: an alarm often comes right behind its watch.
    let baseline = top + 14 * Double(alert.message.level.rawValue)
    return """
      <line x1="\(px)" x2="\(px)" y1="\(decimal(top, 0))" \
      y2="\(decimal(top + Drawing.panelHeight, 0))" stroke="\(color)" stroke-width="2"/>
      <text x="\(decimal(x(alert.emitted) + 4, 1))" y="\(decimal(baseline, 0))" font-size="11" \
      fill="\(color)">\(alert.message.level)</text>

      """
  }
}
