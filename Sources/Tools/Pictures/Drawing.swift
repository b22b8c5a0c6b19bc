// Drawing: a picture of what a station saw and said: the components, the trigger function, the
// picks, when each was told, the shaking that was expected, and what the event was taken for.
//
// A record of minutes is drawn in detail. An hour or a day would be a black bar with a thousand
// labels that way: its picks are marks, and its largest events are drawn again below, thirty
// seconds each.
//
//     let drawing = Drawing(
//       trace: replay.trace, messages: messages, title: record.code, triggerRatio: 6)
//     try drawing.svg().write(toFile: "out.svg", atomically: true, encoding: .utf8)

import Core
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

  /// The last message about each pick, in the order of their times.
  var finalPicks: [Drawn<PickMessage>] {
    var last: [UInt32: Drawn<PickMessage>] = [:]
    for pick in picks { last[pick.message.id] = pick }
    return last.values.sorted {
      ($0.message.time, $0.message.id) < ($1.message.time, $1.message.id)
    }
  }
}

public struct Drawing {
  static let left = 90.0
  static let plotWidth = 900.0
  private static let width = 1000.0
  private static let detailSecondsMaximum = 300.0
  static let statusColors = ["#e08a00", "#1a8a3a", "#8a8f98"]
  private static let grid = "#e4e6ea"
  private static let noData = "#d5d8de"

  let trace: [TracePoint]
  let messages: DrawnMessages
  let unit: TraceUnit
  let triggerRatio: Double
  /// m/s²
  let alarmAcceleration: Double?
  let scale: TimeScale
  /// Those with a signal; the first where none has any.
  let lanes: [Int]
  /// The greatest value of each lane.
  let peaks: [Double]
  private let gaps: [Gap]
  /// Where each lane has no data, alone or with the others.
  let gapsOfLanes: [[Gap]]
  private let title: String

  public init(
    trace: [TracePoint], messages: DrawnMessages, title: String, triggerRatio: Double,
    unit: TraceUnit = .counts, alarmAcceleration: Double? = nil
  ) {
    self.trace = trace
    self.messages = messages
    self.title = title
    self.triggerRatio = triggerRatio
    self.unit = unit
    self.alarmAcceleration = alarmAcceleration
    let peaks = Drawing.peaks(trace[...])
    let present = (0..<3).filter { peaks[$0] > 0 }
    (self.peaks, lanes) = (peaks, present.isEmpty ? [0] : present)
    let start = trace.first?.time ?? UTC(nanoseconds: 0)
    let seconds = Double((trace.last?.time ?? start) - start) * 1e-9
    scale = TimeScale(
      start: start, seconds: max(seconds, 1), left: Drawing.left, width: Drawing.plotWidth)
    gaps = Drawing.gaps(trace, scale) { $0.isBeforeGap($1) }
    gapsOfLanes = (0..<3).map { [scale] lane in
      Drawing.gaps(trace, scale) {
        $0.isBeforeGap($1) || $0.values[lane].isNaN || $1.values[lane].isNaN
      }
    }
  }

  /// A stretch of the picture without data.
  typealias Gap = (from: Double, to: Double)

  /// Those between points for which `isGap` holds, from left to right; no more than can be told
  /// apart.
  private static func gaps(
    _ trace: [TracePoint], _ scale: TimeScale, _ isGap: (TracePoint, TracePoint) -> Bool
  ) -> [Gap] {
    var gaps: [Gap] = []
    for (earlier, later) in zip(trace, trace.dropFirst()) where isGap(earlier, later) {
      let from = scale.x(earlier.time)
      let to = max(scale.x(later.time), from + 0.5)
      if let last = gaps.last, from - last.to < 0.2 {
        gaps[gaps.count - 1].to = to
      } else {
        gaps.append((from, to))
      }
    }
    return gaps
  }

  var isOverview: Bool { scale.seconds > Drawing.detailSecondsMaximum }
  /// A record whose clock was never set begins in 1970.
  var hasDate: Bool { scale.start.date.year != 1970 }

  public func svg() -> String {
    var page = Page()
    page.text(title, (Drawing.left, 24), size: 15, color: Page.ink, isBold: true)
    if hasDate {
      let first = scale.clockMarks.first ?? scale.start
      page.text("\(first.iso8601.prefix(10)) UTC", (scale.right, 24), anchor: .end)
    }
    legend(&page)
    let top = 56.0
    let labels = pickLabels(top: top)
    let panels = top + Double(labels.rows) * 15 + 3
    var y = panels
    for lane in lanes { y = component(&page, lane, top: y) }
    let told = y
    y = trigger(&page, top: y)
    let bottom = y - Drawing.spacing
    drawAlarms(&page, top: panels, bottom: bottom)
    for pick in messages.picks { draw(&page, pick, top: top, told: told, bottom: bottom) }
    for label in labels.flags { page.flag(label.words, (label.x, label.y), label.color) }
    if !isOverview { y = tellings(&page, top: y) }
    let last = y
    y = expectedShaking(&page, top: y)
    y = classes(&page, top: y)
    if y > last { drawAlarms(&page, top: last, bottom: y - Drawing.spacing) }
    y = timeAxis(&page, top: y)
    if isOverview { y = insets(&page, top: y) }
    return page.svg(width: Drawing.width, height: y + 6)
  }

  // MARK: Frames and axes

  static let spacing = 8.0

  /// The box of a panel with what is behind all curves; `y` is where the next one begins.
  func frame(
    _ page: inout Page, _ label: String, top: Double, height: Double, gaps: [Gap]? = nil
  ) -> Double {
    page.rectangle(
      (Drawing.left, top), width: Drawing.plotWidth, height: height, fill: "#f7f8fa")
    if hasDate {
      for mark in scale.clockMarks {
        page.line((scale.x(mark), top), (scale.x(mark), top + height), Drawing.grid)
      }
    }
    for gap in gaps ?? self.gaps {
      page.rectangle(
        (gap.from, top), width: gap.to - gap.from, height: height, fill: Drawing.noData)
    }
    page.rectangle(
      (Drawing.left, top), width: Drawing.plotWidth, height: height, fill: "none",
      stroke: "#c5c9d0")
    leftLabel(&page, label, y: top + 14, color: Page.ink, size: 12)
    return top + height + Drawing.spacing
  }

  func leftLabel(
    _ page: inout Page, _ label: String, y: Double, color: String = Page.faint, size: Double = 10
  ) {
    page.text(label, (Drawing.left - 7, y), size: size, color: color, anchor: .end)
  }

  private func legend(_ page: inout Page) {
    var x = Drawing.left
    func add(_ words: String, _ color: String, dash: String? = nil) {
      page.line((x, 39), (x + 18, 39), color, width: 2, dash: dash)
      page.text(words, (x + 23, 43), color: "#444")
      x += 40 + Page.width(of: words, size: 10)
    }
    let names = ["provisional", "confirmed", "retracted"]
    for (index, name) in names.enumerated()
    where messages.picks.contains(where: { Int($0.message.status) == index + 1 }) {
      add(name, Drawing.statusColors[index])
    }
    if !messages.picks.isEmpty && !isOverview {
      add("onset", "#444")
      add("told", "#444", dash: "2 3")
    }
    if messages.alerts.contains(where: { $0.message.level == .alarm }) {
      add("alarm", Drawing.alertColors[1])
    }
    if lanes.contains(where: { !gapsOfLanes[$0].isEmpty }) { add("no data", Drawing.noData) }
  }

  /// Times of the clock, where the record has a date, above the seconds since it began.
  private func timeAxis(_ page: inout Page, top: Double) -> Double {
    var y = top + 6
    if hasDate {
      for mark in scale.clockMarks {
        let x = scale.x(mark)
        page.line((x, top - Drawing.spacing), (x, top - Drawing.spacing + 4), "#888")
        let anchor: Page.Anchor =
          x < scale.left + 20 ? .start : x > scale.right - 20 ? .end : .middle
        page.text(clock(mark), (x, y), color: "#444", anchor: anchor)
      }
      leftLabel(&page, "UTC", y: y)
      y += 14
    }
    for elapsed in stride(from: 0, through: scale.seconds, by: scale.step) {
      let (unit, name) =
        scale.step < 60 ? (1.0, "s") : scale.step < 3600 ? (60, "min") : (3600, "h")
      page.text(
        "\(decimal(elapsed / unit, 0)) \(name)",
        (Drawing.left + elapsed / scale.seconds * Drawing.plotWidth, y), size: 10,
        anchor: .middle)
    }
    return y + 10
  }

  private func clock(_ mark: UTC) -> String {
    let text = mark.iso8601
    if scale.step >= 86_400 { return String(text.prefix(10)) }
    return String(text.dropFirst(11).prefix(scale.step < 60 ? 8 : 5))
  }
}
