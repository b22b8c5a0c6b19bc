// The picture's picks: a line at each onset with phase and quality, and a strip of what was told
// when.

import Core
import Uplink

extension Drawing {
  static let alertColors = ["#d4a800", "#c8102e", "#4f8a4f"]
  private static let tellingHeight = 15.0

  struct Flag {
    var words: String
    var x: Double
    var y: Double
    var color: String
  }

  static func color(_ pick: Drawn<PickMessage>) -> String {
    statusColors[Int(pick.message.status) - 1]
  }

  static func words(_ pick: Drawn<PickMessage>) -> String {
    let quality = ["A", "B", "C", "D"][Int(pick.message.quality) - 1]
    return "\(pick.message.phase == 1 ? "P" : "S") \(quality)"
  }

  /// One for each pick, or in an overview one for each event that is drawn below.
  func pickLabels(top: Double) -> (flags: [Flag], rows: Int) {
    var rows = LabelRows(countMaximum: 4)
    let wanted =
      isOverview
      ? events.enumerated().map { ("\($0 + 1)", $1.message.time, Page.ink) }
      : messages.finalPicks.map { (Drawing.words($0), $0.message.time, Drawing.color($0)) }
    let flags = wanted.compactMap { words, time, color -> Flag? in
      let width = Page.width(of: words, size: 10) + 6
      // To the right of its line, unless the picture ends there.
      let x = scale.x(time) + width > scale.right ? scale.x(time) - width : scale.x(time)
      guard let row = rows.place(from: x, to: x + width + 2) else { return nil }
      return Flag(words: words, x: x, y: top + Double(row) * 15, color: color)
    }
    return (flags, rows.count)
  }

  /// A line at the onset, and a dotted one where it was told; in an overview, where lines would
  /// hide the record, a mark.
  func draw(
    _ page: inout Page, _ pick: Drawn<PickMessage>, top: Double, told: Double, bottom: Double
  ) {
    let (onset, emitted) = (scale.x(pick.message.time), scale.x(pick.emitted))
    let color = Drawing.color(pick)
    guard !isOverview else {
      page.line((onset, bottom - 7), (onset, bottom), color)
      return
    }
    page.line((onset, top), (onset, bottom), color, width: 1.2)
    page.line((emitted, told), (emitted, bottom), color, width: 1.2, dash: "2 3")
  }

  private struct Telling {
    var told: UTC
    var onset: UTC
    var words: String
    var color: String
  }

  private var allTellings: [Telling] {
    func after(_ seconds: Int64) -> String { "\(decimal(Double(seconds) * 1e-9, 2)) s" }
    let picks = messages.picks.map { pick in
      let status = ["provisional", "confirmed", "retracted"][Int(pick.message.status) - 1]
      let phase = pick.message.phase == 1 ? "P" : "S"
      return Telling(
        told: pick.emitted, onset: pick.message.time,
        words: "\(phase) \(status), \(after(pick.emitted - pick.message.time)) after it",
        color: Drawing.color(pick))
    }
    let alerts = messages.alerts.map { alert in
      let hasPick = alert.message.pickTime != AlertMessage.noTime && alert.message.level != .clear
      let onset = hasPick ? alert.message.pickTime : alert.emitted
      return Telling(
        told: alert.emitted, onset: onset,
        words: "\(alert.message.level)"
          + (hasPick ? ", \(after(alert.emitted - onset)) after P" : ""),
        color: Drawing.alertColors[Int(alert.message.level.rawValue) - 1])
    }
    return (picks + alerts).sorted { ($0.told, $0.words) < ($1.told, $1.words) }
  }

  /// A row for each thing that was told, from what it is about to when it left.
  func tellings(_ page: inout Page, top: Double) -> Double {
    var rows = LabelRows(countMaximum: 8)
    let placed = allTellings.map { telling in
      let width = Page.width(of: telling.words, size: 10) + 10
      let (from, to) = (max(scale.x(telling.onset), scale.left), scale.x(telling.told))
      let isLeft = to + width > scale.right
      let row = rows.place(from: isLeft ? from - width : from, to: isLeft ? to + 4 : to + width)
      return (telling, from, to, isLeft, row)
    }
    guard !placed.isEmpty else { return top }
    let height = Double(rows.count) * Drawing.tellingHeight + 4
    let next = frame(&page, "told", top: top, height: height)
    for (telling, from, to, isLeft, row) in placed {
      let y = top + 9.5 + Double(row ?? rows.count - 1) * Drawing.tellingHeight
      page.line((from, y), (to, y), telling.color, width: 2)
      page.circle((to, y), radius: 3, fill: telling.color)
      guard row != nil else { continue }
      page.text(
        telling.words, isLeft ? (from - 6, y + 3.5) : (to + 6, y + 3.5), size: 10,
        color: telling.color, anchor: isLeft ? .end : .start)
    }
    return next
  }

  /// Whatever comes after this line was warned of.
  func drawAlarms(_ page: inout Page, top: Double, bottom: Double) {
    for alert in messages.alerts where alert.message.level == .alarm {
      let x = scale.x(alert.emitted)
      page.line((x, top), (x, bottom), Drawing.alertColors[1], width: isOverview ? 1 : 2)
    }
  }
}
