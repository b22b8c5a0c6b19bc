// AlarmWatch: from stations' alerts to one receiver's alarm, which begins, grows and ends.
//
// It is a function of what comes and of the time: collectors that have heard the same say the same,
// and one that has read the store after a restart knows where it was.
//
//     var watch = AlarmWatch(rule)
//     for step in watch.note(header, alert, at: now) { deliver(step) }

import Clock
import Core
import Uplink

/// What a receiver is told.
struct AlarmStep: Equatable, Sendable {
  enum Kind: String, Sendable { case raised, extended, ended }

  struct Part: Equatable, Sendable {
    let station: String
    let level: AlertLevel
    let decided: UTC
    let reason: AlertReason
    let isDrill: Bool
    let intensity: Double?
  }

  /// The same from its beginning to its end. Another collector may have begun the same alarm with
  /// another alert: the ledger has the name that counts.
  var alarm: String
  let kind: Kind
  let at: UTC
  let begun: UTC
  /// Those that it rests on; those that it last rested on where it has ended.
  let parts: [Part]
  /// All who have joined it so far, each with its highest level: "XX.ONST1.00.EH alarm".
  let joined: [String]

  /// The same in every collector that has seen the same.
  var key: String {
    guard kind == .extended else { return kind.rawValue }
    var checksum = Checksum()
    Array(joined.joined(separator: "|").utf8).withUnsafeBytes { checksum.add($0) }
    return "extended-\(String(checksum.value, radix: 16))"
  }
  var isDrill: Bool { parts.allSatisfy(\.isDrill) }
  var level: AlertLevel { parts.contains { $0.level == .alarm } ? .alarm : .watch }
  var intensity: Double? { parts.compactMap(\.intensity).max() }
  var last: UTC { parts.map(\.decided).max() ?? begun }
}

struct AlarmWatch {
  /// What a station decided longer ago raises nothing: it comes out of an outage, and what it warned
  /// of is over. A minute is twice what a station needs to send an alert again three times.
  static let freshNanoseconds = 60 * nanosecondsPerSecond
  /// A station that was cut off in an alarm never says that it is over. It repeats an alert that
  /// stands, so one that has been silent for so long says nothing any more.
  static let silenceNanoseconds = 1800 * nanosecondsPerSecond

  private struct Standing {
    let place: Place
    let alertID: UInt32
    let level: AlertLevel
    let decided: UTC
    let reason: AlertReason
    let isDrill: Bool
    let pick: EventKey
    var heard: UTC
  }

  private struct Alarm {
    let name: String
    let begun: UTC
    var joined: [String: AlertLevel] = [:]
    var parts: [AlarmStep.Part]
  }

  private let rule: AlarmRule
  /// The newest of each station, quiet or not: what comes late takes nothing back.
  private var newest: [String: Standing] = [:]
  /// What is expected at a station, by the arrival that it rests on; of those that stand.
  private var intensities: [EventKey: (sequence: UInt32, value: Double)] = [:]
  private var alarm: Alarm?

  init(_ rule: AlarmRule) { self.rule = rule }

  var isRaised: Bool { alarm != nil }

  mutating func note(_ header: Header, _ alert: AlertMessage, at now: UTC) -> [AlarmStep] {
    let station = header.station.string
    guard rule.concerns(station), rule.takesDrills || !alert.isDrill else { return [] }
    let place = Place(header)
    if let last = newest[station], place.isOlder(than: last.place) { return [] }
    // A station that does not know the time has decided when it was heard.
    let isTimed = header.clockState > ClockState.unsynchronised.rawValue
    newest[station] = Standing(
      place: place, alertID: alert.id, level: alert.level,
      decided: isTimed ? alert.decided : now, reason: alert.reason, isDrill: alert.isDrill,
      pick: EventKey(header, pick: alert.pickID), heard: isTimed ? header.emitted : now)
    return judge(at: now)
  }

  mutating func note(_ header: Header, _ estimate: EstimateMessage, at now: UTC) -> [AlarmStep] {
    guard rule.concerns(header.station.string), estimate.pickID != 0,
      estimate.modifiedMercalliHundredths != .max
    else { return [] }
    let key = EventKey(header, pick: estimate.pickID)
    if let last = intensities[key], header.sequence < last.sequence { return [] }
    if intensities.count >= 4096 { forgetIntensities() }
    intensities[key] = (header.sequence, Double(estimate.modifiedMercalliHundredths) / 100)
    return judge(at: now)
  }

  /// Time passes: a station that has been silent for too long stands for nothing.
  mutating func pass(at now: UTC) -> [AlarmStep] { alarm == nil ? [] : judge(at: now) }

  private mutating func forgetIntensities() {
    let standing = Set(newest.values.filter { $0.level != .clear }.map(\.pick))
    intensities = intensities.filter { standing.contains($0.key) }
  }

  // MARK: The decision

  private mutating func judge(at now: UTC) -> [AlarmStep] {
    let parts = standing(at: now)
    if alarm != nil { return goOn(parts, at: now) }
    guard let first = quorum(parts, at: now), let begun = first.map(\.decided).min() else {
      return []
    }
    let name = newest[first[0].station].map {
      "\(first[0].station)-\(String($0.place.origin.epoch, radix: 16))-\($0.place.origin.boot)-\($0.alertID)"
    }
    alarm = Alarm(name: name ?? first[0].station, begun: begun, parts: [])
    _ = join(parts)
    return [step(.raised, at: now)]
  }

  private mutating func goOn(_ parts: [AlarmStep.Part], at now: UTC) -> [AlarmStep] {
    guard !parts.isEmpty else {
      let last = step(.ended, at: now)
      alarm = nil
      return [last]
    }
    // Who has gone quiet is left out; that alone is not told.
    return join(parts) ? [step(.extended, at: now)] : []
  }

  /// Whether somebody has joined, or risen from watch to alarm.
  private mutating func join(_ parts: [AlarmStep.Part]) -> Bool {
    alarm?.parts = parts
    var isGrown = false
    for part in parts {
      let before = alarm?.joined[part.station]
      guard before == nil || (before == .watch && part.level == .alarm) else { continue }
      alarm?.joined[part.station] = part.level
      isGrown = true
    }
    return isGrown
  }

  private func step(_ kind: AlarmStep.Kind, at now: UTC) -> AlarmStep {
    AlarmStep(
      alarm: alarm?.name ?? "", kind: kind, at: now, begun: alarm?.begun ?? now,
      parts: alarm?.parts ?? [],
      joined: (alarm?.joined ?? [:]).map { "\($0.key) \($0.value)" }.sorted())
  }

  /// Those that stand and count, in the order in which they decided.
  private func standing(at now: UTC) -> [AlarmStep.Part] {
    newest.compactMap { station, one in
      let intensity = intensities[one.pick]?.value
      guard one.level != .clear, rule.isReached(by: one.level),
        now - one.heard <= AlarmWatch.silenceNanoseconds,
        rule.intensityMinimum.map({ (intensity ?? -1) >= $0 }) ?? true
      else { return nil }
      return AlarmStep.Part(
        station: station, level: one.level, decided: one.decided, reason: one.reason,
        isDrill: one.isDrill, intensity: intensity)
    }.sorted { ($0.decided, $0.station) < ($1.decided, $1.station) }
  }

  /// The first that are enough, and fresh.
  private func quorum(_ parts: [AlarmStep.Part], at now: UTC) -> [AlarmStep.Part]? {
    let fresh = parts.filter { now - $0.decided <= AlarmWatch.freshNanoseconds }
    guard rule.quorum > 0, fresh.count >= rule.quorum else { return nil }
    for begin in 0...(fresh.count - rule.quorum) {
      let some = Array(fresh[begin..<(begin + rule.quorum)])
      if Double(some[rule.quorum - 1].decided - some[0].decided) * 1e-9 <= rule.withinSeconds {
        return some
      }
    }
    return nil
  }
}
