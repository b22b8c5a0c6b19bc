// An SVG of what the station saw: three components, the trigger function, the picks and when each
// was told.

import Core
import Foundation
import Uplink

/// A message and when it left.
public struct Drawn<Message> {
  public var message: Message
  public var emitted: UTC
  public init(message: Message, emitted: UTC) {
    self.message = message
    self.emitted = emitted
  }
}

/// What a picture shows of what a station sent.
public struct DrawnMessages {
  public var picks: [Drawn<PickMessage>] = []
  public var estimates: [Drawn<EstimateMessage>] = []
  /// Without repeats.
  public var alerts: [Drawn<AlertMessage>] = []
  public init() {}

  public mutating func take(_ datagram: OpenedDatagram) throws(DatagramError) {
    let emitted = datagram.header.emitted
    switch datagram.header.type {
    case .pick:
      picks.append(Drawn(message: try PickMessage(datagram.payload), emitted: emitted))
    case .estimate:
      estimates.append(Drawn(message: try EstimateMessage(datagram.payload), emitted: emitted))
    case .alert:
      let alert = try AlertMessage(datagram.payload)
      if alert.repeat == 0 { alerts.append(Drawn(message: alert, emitted: emitted)) }
    default: break
    }
  }
}

public struct Drawing {
  static let width = 1000.0
  static let panelHeight = 110.0
  static let left = 70.0
  static let right = 20.0
  private static let top = 56.0
  private static let names = ["Z", "N", "E"]

  private let trace: [TracePoint]
  let messages: DrawnMessages
  private let title: String
  private let triggerRatio: Double

  public init(
    trace: [TracePoint], messages: DrawnMessages, title: String, triggerRatio: Double
  ) {
    self.trace = trace
    self.messages = messages
    self.title = title
    self.triggerRatio = triggerRatio
  }

  private var start: UTC { trace.first?.time ?? UTC(nanoseconds: 0) }
  private var seconds: Double {
    max(Double((trace.last?.time ?? start) - start) * 1e-9, 1)
  }
  var plotWidth: Double { Drawing.width - Drawing.left - Drawing.right }

  func x(_ time: UTC) -> Double {
    Drawing.left + Double(time - start) * 1e-9 / seconds * plotWidth
  }

  func panelTop(_ panel: Int) -> Double {
    Drawing.top + Double(panel) * (Drawing.panelHeight + 10)
  }

  public func svg() -> String {
    let hasShaking = messages.estimates.contains { $0.message.expectedAcceleration.value != nil }
    let panels = hasShaking ? 5 : 4
    let height = panelTop(panels) + 40
    var out = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(decimal(Drawing.width, 0)) \
      \(decimal(height, 0))" font-family="sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="#ffffff"/>
      <text x="\(decimal(Drawing.left, 0))" y="22" font-size="15" fill="#1a1a1a">\(escaped(title))</text>

      """
    for lane in 0..<3 { out += component(lane) }
    out += trigger(panel: 3)
    if hasShaking { out += expectedShaking(panel: 4) }
    for pick in messages.picks { out += draw(pick) }
    out += legend() + timeAxis(y: panelTop(panels))
    return out + "</svg>\n"
  }

  private func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
  }

  /// Least and greatest value in each column of the picture, so that nothing is lost however long
  /// it is.
  private func envelope(_ value: (TracePoint) -> Double) -> [(low: Double, high: Double)] {
    let columns = Int(plotWidth)
    var result = [(low: Double, high: Double)](
      repeating: (.infinity, -.infinity), count: columns)
    for point in trace {
      let column = min(max(Int(x(point.time) - Drawing.left), 0), columns - 1)
      let v = value(point)
      result[column].low = min(result[column].low, v)
      result[column].high = max(result[column].high, v)
    }
    return result
  }

  private func path(
    _ envelope: [(low: Double, high: Double)], panel: Int, color: String,
    scale: (Double) -> Double
  ) -> String {
    var commands = ""
    for (column, range) in envelope.enumerated() where range.low <= range.high {
      let px = decimal(Drawing.left + Double(column) + 0.5, 1)
      let verb = commands.isEmpty ? "M" : "L"
      let low = decimal(panelTop(panel) + scale(range.low), 1)
      let high = decimal(panelTop(panel) + scale(range.high), 1)
      commands += "\(verb)\(px) \(low)" + (low == high ? "" : "L\(px) \(high)")
    }
    return "<path d=\"\(commands)\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"0.8\"/>\n"
  }

  func frame(panel: Int, label: String) -> String {
    let y = panelTop(panel)
    return """
      <rect x="\(decimal(Drawing.left, 0))" y="\(decimal(y, 0))" width="\(decimal(plotWidth, 0))" \
      height="\(decimal(Drawing.panelHeight, 0))" fill="#f7f8fa" stroke="#c5c9d0"/>
      <text x="\(decimal(Drawing.left - 8, 0))" y="\(decimal(y + 16, 0))" text-anchor="end" \
      fill="#1a1a1a">\(label)</text>

      """
  }

  private func component(_ lane: Int) -> String {
    let ranges = envelope { $0.counts[lane] }
    let peak = ranges.reduce(1e-9) { max($0, max($1.high, -$1.low)) }
    let middle = Drawing.panelHeight / 2
    let out = frame(panel: lane, label: Drawing.names[lane])
    guard peak > 1e-6 else { return out }
    return out
      + """
      <text x="\(decimal(Drawing.left - 8, 0))" y="\(decimal(panelTop(lane) + 32, 0))" \
      text-anchor="end" font-size="10" fill="#666">±\(short(peak))</text>

      """
      + path(ranges, panel: lane, color: "#24476b") {
        middle - $0 / peak * (middle - 4)
      }
  }

  /// 221 M, 4.3 k: three digits and a letter.
  private func short(_ counts: Double) -> String {
    for (scale, letter) in [(1e9, " G"), (1e6, " M"), (1e3, " k")] where counts >= scale {
      return decimal(counts / scale, counts / scale < 10 ? 1 : 0) + letter
    }
    return decimal(counts, counts < 10 ? 1 : 0)
  }

  /// Logarithmic, from 0.1 to whatever was reached.
  private func trigger(panel: Int) -> String {
    let ranges = envelope { $0.ratio }
    let top = ranges.reduce(triggerRatio * 2) { max($0, $1.high) }
    func y(_ value: Double) -> Double {
      let position =
        Elementary.logarithm10(max(value, 0.1) / 0.1) / Elementary.logarithm10(top / 0.1)
      return Drawing.panelHeight - 4 - position * (Drawing.panelHeight - 8)
    }
    let line = decimal(panelTop(panel) + y(triggerRatio), 1)
    return frame(panel: panel, label: "STA/LTA")
      + path(ranges, panel: panel, color: "#7a4b9d", scale: y)
        + """
        <line x1="\(decimal(Drawing.left, 0))" x2="\(decimal(Drawing.left + plotWidth, 0))" y1="\(line)" \
        y2="\(line)" stroke="#7a4b9d" stroke-dasharray="4 3"/>
        <text x="\(decimal(Drawing.left - 8, 0))" y="\(decimal(panelTop(panel) + y(triggerRatio) + 4, 0))" \
        text-anchor="end" font-size="10" fill="#7a4b9d">\(decimal(triggerRatio, 0))</text>

        """
  }

  private static let colors = ["#e08a00", "#c8102e", "#8a8f98"]

  private func draw(_ pick: Drawn<PickMessage>) -> String {
    let color = Drawing.colors[Int(pick.message.status) - 1]
    let px = decimal(x(pick.message.time), 1)
    let told = decimal(x(pick.emitted), 1)
    let bottom = decimal(panelTop(3) + Drawing.panelHeight, 0)
    return """
      <line x1="\(px)" x2="\(px)" y1="\(decimal(Drawing.top - 4, 0))" y2="\(bottom)" \
      stroke="\(color)" stroke-width="1.2"/>
      <line x1="\(told)" x2="\(told)" y1="\(decimal(panelTop(3), 0))" y2="\(bottom)" \
      stroke="\(color)" stroke-width="1.2" stroke-dasharray="2 3"/>

      """
  }

  private func legend() -> String {
    var out = ""
    var px = Drawing.left
    for (name, color) in zip(["provisional", "confirmed", "retracted"], Drawing.colors) {
      out +=
        "<line x1=\"\(decimal(px, 0))\" x2=\"\(decimal(px + 18, 0))\" y1=\"38\" y2=\"38\" "
        + "stroke=\"\(color)\" stroke-width=\"2\"/>"
        + "<text x=\"\(decimal(px + 23, 0))\" y=\"42\" fill=\"#444\">\(name)</text>\n"
      px += 110
    }
    return out
      + "<text x=\"\(decimal(px, 0))\" y=\"42\" fill=\"#444\">solid: onset, dotted: told</text>\n"
  }

  private func timeAxis(y: Double) -> String {
    let steps = [
      1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 7200, 14_400, 43_200, 86_400.0,
    ]
    let step = steps.first { seconds / $0 <= 10 } ?? 604_800
    var out = ""
    var t = 0.0
    while t <= seconds {
      let px = decimal(Drawing.left + t / seconds * plotWidth, 1)
      out +=
        "<text x=\"\(px)\" y=\"\(decimal(y + 8, 0))\" text-anchor=\"middle\" font-size=\"11\" "
        + "fill=\"#444\">\(decimal(t, 0)) s</text>\n"
      t += step
    }
    return out
      + "<text x=\"\(decimal(Drawing.left, 0))\" y=\"\(decimal(y + 26, 0))\" font-size=\"11\" "
      + "fill=\"#666\">after \(start.iso8601)</text>\n"
  }
}
