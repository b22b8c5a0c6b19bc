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
  /// All who have joined it so far, each with its highest level, and how often it was told anew.
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
}

struct AlarmWatch {
  /// What a station decided longer ago raises nothing: it comes out of an outage, and what it
  /// warned of is over. A minute is twice what a station needs to send an alert again three times.
  static let freshNanoseconds = 60 * nanosecondsPerSecond
  /// A station that was cut off in an alarm never says that it is over. One of which nothing at all
  /// has been heard for so long stands for nothing any more; stations tell their health once an
  /// hour at least.
  static let silenceNanoseconds = 2 * 3600 * nanosecondsPerSecond
  /// An alarm that stands is told anew, for those whose message runs out.
  static let renewalNanoseconds = 1200 * nanosecondsPerSecond
  /// A decision and its message are a moment apart. Of a message that says otherwise the time of
  /// reception is believed.
  private static let decisionNanoseconds = 3600 * nanosecondsPerSecond
  /// An estimate that no alert has come for.
  private static let estimateNanoseconds = 600 * nanosecondsPerSecond
  private static let estimatesMaximum = 65_536

  private struct Standing {
    let header: Header
    let alertID: UInt32
    let level: AlertLevel
    let decided: UTC
    let reason: AlertReason
    let isDrill: Bool
    let pick: EventKey
    var heard: UTC

    var isTimed: Bool { header.clockState > ClockState.unsynchronised.rawValue }
  }

  private struct Alarm {
    let name: String
    let begun: UTC
    var told: UTC
    var renewals = 0
    var joined: [String: AlertLevel] = [:]
    var parts: [AlarmStep.Part] = []
  }

  private let rule: AlarmRule
  /// The newest of each station, quiet or not: what comes late takes nothing back.
  private var newest: [String: Standing] = [:]
  /// What is expected at a station, by the arrival that it rests on.
  private var intensities: [EventKey: (sequence: UInt32, value: Double, at: UTC)] = [:]
  private var alarm: Alarm?
  /// Alerts that came too late to raise anything.
  private(set) var staleCount = 0

  init(_ rule: AlarmRule) { self.rule = rule }

  var isRaised: Bool { alarm != nil }

  // MARK: What comes

  mutating func note(_ header: Header, _ alert: AlertMessage, at now: UTC) -> [AlarmStep] {
    let station = header.station.string
    // That it is over is heeded even where a drill has begun meanwhile.
    guard rule.concerns(station), rule.takesDrills || !alert.isDrill || alert.level == .clear
    else { return [] }
    let last = newest[station]
    if let last, AlarmWatch.isOlder(header, than: last) { return [] }
    let isSame =
      last.map {
        Origin($0.header) == Origin(header) && $0.alertID == alert.id && $0.level == alert.level
      } ?? false
    let decided =
      AlarmWatch.decided(header, alert) ?? (isSame ? last?.decided : nil) ?? now
    newest[station] = Standing(
      header: header, alertID: alert.id, level: alert.level, decided: decided,
      reason: alert.reason, isDrill: alert.isDrill, pick: EventKey(header, pick: alert.pickID),
      heard: now)
    if !isSame, alert.level != .clear, !AlarmWatch.isFresh(decided, at: now) { staleCount += 1 }
    return judge(at: now)
  }

  mutating func note(_ header: Header, _ estimate: EstimateMessage, at now: UTC) -> [AlarmStep] {
    guard rule.intensityMinimum != nil, rule.concerns(header.station.string), estimate.pickID != 0,
      estimate.modifiedMercalliHundredths != .max
    else { return [] }
    let key = EventKey(header, pick: estimate.pickID)
    if let last = intensities[key], header.sequence < last.sequence { return [] }
    if intensities.count >= AlarmWatch.estimatesMaximum {
      intensities = intensities.filter { now - $0.value.at < AlarmWatch.estimateNanoseconds }
    }
    intensities[key] = (header.sequence, Double(estimate.modifiedMercalliHundredths) / 100, now)
    return judge(at: now)
  }

  /// A station that tells how it is knows whether its alarm stands, after a new start too.
  mutating func note(_ header: Header, _ health: HealthMessage, at now: UTC) -> [AlarmStep] {
    let station = header.station.string
    guard let last = newest[station], last.level != .clear else { return [] }
    newest[station]?.heard = now
    guard health.alarmState == 0, !AlarmWatch.isOlder(header, than: last) else { return [] }
    newest[station] = Standing(
      header: header, alertID: last.alertID, level: .clear, decided: now, reason: .restored,
      isDrill: last.isDrill, pick: last.pick, heard: now)
    return judge(at: now)
  }

  /// Time passes: a station that has been silent for too long stands for nothing.
  mutating func pass(at now: UTC) -> [AlarmStep] { alarm == nil ? [] : judge(at: now) }

  /// Within an epoch by its numbers; between two by what their stations say of the time.
  private static func isOlder(_ header: Header, than last: Standing) -> Bool {
    guard header.epoch != last.header.epoch else {
      return Place(header).isOlder(than: Place(last.header))
    }
    return header.clockState > ClockState.unsynchronised.rawValue && last.isTimed
      && header.emitted < last.header.emitted
  }

  /// nil of a station that does not know the time, or says what cannot be: it has decided when it
  /// was heard first.
  private static func decided(_ header: Header, _ alert: AlertMessage) -> UTC? {
    let between = header.emitted.nanoseconds.subtractingReportingOverflow(
      alert.decided.nanoseconds)
    let isPossible =
      header.clockState > ClockState.unsynchronised.rawValue && !between.overflow
      && between.partialValue.magnitude <= UInt64(decisionNanoseconds)
    return isPossible ? alert.decided : nil
  }

  private static func isFresh(_ decided: UTC, at now: UTC) -> Bool {
    let age = now.nanoseconds.subtractingReportingOverflow(decided.nanoseconds)
    return !age.overflow && age.partialValue <= freshNanoseconds
  }

  // MARK: The decision

  private mutating func judge(at now: UTC) -> [AlarmStep] {
    let parts = standing(at: now)
    if alarm != nil { return goOn(parts, at: now) }
    guard let first = quorum(parts, at: now), let one = newest[first[0].station] else { return [] }
    // What it began with: when a level was decided differs between an alert's two beginnings.
    let name =
      "\(first[0].station)-\(String(one.header.epoch, radix: 16))-\(one.header.bootCounter)"
      + "-\(one.alertID)-\(String(first[0].decided.nanoseconds, radix: 36))"
    alarm = Alarm(name: name, begun: first[0].decided, told: now)
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
    let isGrown = join(parts)
    let isDue = alarm.map { now - $0.told >= AlarmWatch.renewalNanoseconds } ?? false
    guard isGrown || isDue else { return [] }
    if isDue { alarm?.renewals += 1 }
    alarm?.told = now
    return [step(.extended, at: now)]
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
    let renewals = alarm.map { $0.renewals > 0 ? ["\($0.renewals)"] : [] } ?? []
    return AlarmStep(
      alarm: alarm?.name ?? "", kind: kind, at: now, begun: alarm?.begun ?? now,
      parts: alarm?.parts ?? [],
      joined: (alarm?.joined ?? [:]).map { "\($0.key) \($0.value)" }.sorted() + renewals)
  }

  /// Those that stand and count, in the order in which they decided. An intensity that falls takes
  /// nobody back who has joined: its own alarm stands.
  private func standing(at now: UTC) -> [AlarmStep.Part] {
    newest.compactMap { station, one in
      guard one.level != .clear, rule.isReached(by: one.level),
        now - one.heard <= AlarmWatch.silenceNanoseconds
      else { return nil }
      let intensity = intensities[one.pick]?.value
      let hasJoined = alarm?.joined[station] != nil
      guard hasJoined || rule.intensityMinimum.map({ (intensity ?? -1) >= $0 }) ?? true else {
        return nil
      }
      return AlarmStep.Part(
        station: station, level: one.level, decided: one.decided, reason: one.reason,
        isDrill: one.isDrill, intensity: intensity)
    }.sorted { ($0.decided, $0.station) < ($1.decided, $1.station) }
  }

  /// The first that are enough, and fresh.
  private func quorum(_ parts: [AlarmStep.Part], at now: UTC) -> [AlarmStep.Part]? {
    let fresh = parts.filter { AlarmWatch.isFresh($0.decided, at: now) }
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
