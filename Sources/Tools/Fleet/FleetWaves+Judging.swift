// Judging a wave: each of its stations tells its health anew, no worse than before, and is in the
// start that it should be in. What it says just after a command may be a moment's, so that a
// station has until the end of the patience to be well again; an alarm, and a start that nobody has
// asked for, end the waiting at once.

import Core

/// A station that has been given something, until it is judged.
struct FleetGiven {
  let station: String
  let before: FleetStation
  /// The start in which it was given, and after a new one that is wanted, that one.
  var boot: FleetBoot?
  var hasStartedAnew = false
  /// What came later than this counts, by the collector's clock.
  var since: UTC?
  /// When its health was asked for, or last need not be.
  var askedAt: Double
  /// Why it is not well yet.
  var lacks = "it has not told its health since"

  init(_ before: FleetStation, _ boot: FleetBoot?, at seconds: Double) {
    (station, self.before, self.boot, askedAt) = (before.code, before, boot, seconds)
  }
}

extension FleetWaves {
  /// A change in a station is told within a second; health that came sooner says nothing of it.
  private static var settleNanoseconds: Int64 { 3 * nanosecondsPerSecond }
  /// Three messages at the usual interval were lost, or the interval is longer: it is asked.
  private static var askSeconds: Double { 30 }
  /// A fifth of the usual interval of health.
  private static var lookSeconds: Double { 2 }
  /// A list of 5,000 stations over a slow line is not asked for all the time: a tenth of it.
  private static var lookShare: Double { 10 }

  private enum Judgement {
    case waiting(lacks: String)
    case well
    case fallen([String])
  }

  mutating func judge(_ given: [FleetGiven], wave: Int) throws {
    var waiting = given
    let end = world.seconds + order.secondsBefore + settings.patienceSeconds
    while true {
      let begun = world.seconds
      let looked = Result { try world.look() }
      let took = world.seconds - begun
      switch looked {
      case .success(let newest):
        list = newest
        waiting = try conclude(waiting, wave)
      case .failure(let error):
        // A collector that starts anew is back soon; its stations go on without it.
        for index in waiting.indices { waiting[index].lacks = "\(error)" }
      }
      guard !waiting.isEmpty else { return }
      guard world.seconds < end else {
        for one in waiting { try conclude(one.station, wave: wave, [one.lacks]) }
        return
      }
      world.wait(seconds: max(Self.lookSeconds, Self.lookShare * took))
    }
  }

  /// Those that are not judged yet.
  private mutating func conclude(_ waiting: [FleetGiven], _ wave: Int) throws -> [FleetGiven] {
    var left: [FleetGiven] = []
    for var one in waiting {
      switch judgement(&one) {
      case .well: try conclude(one.station, wave: wave, [])
      case .fallen(let reasons): try conclude(one.station, wave: wave, reasons)
      case .waiting(let lacks):
        one.lacks = lacks
        left.append(one)
      }
    }
    return left
  }

  private mutating func judgement(_ one: inout FleetGiven) -> Judgement {
    guard let after = list.stations.first(where: { $0.code == one.station }) else {
      return .waiting(lacks: "the collector does not tell of it any more")
    }
    if order.startsAnew && !one.hasStartedAnew { return newStart(&one) }
    let since = one.since ?? list.time
    one.since = since
    guard let received = after.received, received >= since + Self.settleNanoseconds else {
      askIfNeeded(&one)
      return .waiting(lacks: "it has not told its health since")
    }
    var comparison = FleetComparison(order)
    comparison.silentSeconds = settings.silentSeconds
    let reasons = comparison.fallen(from: one.before, to: after, at: list.time)
    if after.hasAlarm && !one.before.hasAlarm { return .fallen(reasons) }
    guard reasons.isEmpty else { return .waiting(lacks: reasons.joined(separator: "; ")) }
    return start(&one, after)
  }

  /// What it says of its health counts from the look after its new start on.
  private mutating func newStart(_ one: inout FleetGiven) -> Judgement {
    guard let boot = world.boot(one.station) else {
      return .waiting(lacks: "it does not answer since it was to start anew")
    }
    guard let before = one.boot, boot.nonce != before.nonce else {
      return .waiting(lacks: "it has not started anew")
    }
    if let reason = surplus(from: before, to: boot) { return .fallen([reason]) }
    (one.boot, one.hasStartedAnew, one.askedAt) = (boot, true, world.seconds)
    return .waiting(lacks: "it has started anew, and has not told its health since")
  }

  /// Why a new start is not the one that was wanted.
  private func surplus(from before: FleetBoot, to boot: FleetBoot) -> String? {
    guard boot.epoch == before.epoch else {
      return "it has lost what it keeps over a restart: its state folder is new"
    }
    switch Int(boot.counter) - Int(before.counter) {
    case 1: return nil
    case let count where count > 1: return "it has started anew \(count) times"
    default: return "it has lost what it keeps over a restart: its state folder is an older one"
    }
  }

  /// Its health is as it was; what is left is whether it is still the same start.
  private mutating func start(_ one: inout FleetGiven, _ after: FleetStation) -> Judgement {
    guard let boot = world.boot(one.station) else {
      return .waiting(lacks: "it tells its health, and does not answer")
    }
    if let expected = one.boot, boot.nonce != expected.nonce {
      return .fallen(["it has started anew, which nobody had asked for"])
    }
    guard order.isTried else { return .well }
    if let name = order.networkName, after.model != name {
      return .fallen(["\(after.model ?? "nothing") picks there, and not \(name)"])
    }
    switch world.hasEndedTrial(one.station) {
    case true: return .well
    case false: return .waiting(lacks: "the network is still on trial")
    case nil: return .waiting(lacks: "it tells its health, and does not answer")
    }
  }

  /// What a bad link has lost comes no more by itself, and some tell their health once an hour.
  private mutating func askIfNeeded(_ one: inout FleetGiven) {
    guard world.seconds - one.askedAt >= Self.askSeconds else { return }
    one.askedAt = world.seconds
    world.askHealth(one.station)
  }
}
