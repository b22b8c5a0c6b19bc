// FleetClock: whether this machine's clock is wrong, or a station's.
//
// What came when is stored by this machine's clock, and old health is deleted by it. Nothing in the
// machine says that its clock is wrong. Each message says when it left by its station's clock; but
// of two clocks that differ nobody can say which is wrong.
//
// So the clocks vote: this machine's, and that of each station that is locked to its source. The
// time on which more than half of them agree is right. Where no such half is, which is always so
// with one station, it is said that the clocks differ and no more.
//
// Only health counts. Other messages are sent again until they are acknowledged, and their times
// are then as old as what they tell. Each time is kept beside this machine's monotonic clock, which
// nobody sets. A clock that is set is noticed at the next report, and not when all stations have
// told their health again.
//
//     var clock = FleetClock()
//     clock.note(header, uptime: monotonic)
//     let judgement = clock.judge(at: utc, uptime: monotonic)

import Clock
import Core
import Tools
import Uplink

struct FleetClock {
  /// A message of a slow link is late, and this looks like a clock that is behind. Links by
  /// satellite and by telephone take up to a second, and a leap second that somebody smears or
  /// misses is one more.
  static let toleranceSeconds = 2.0
  /// Clocks agree again within half of that; else a difference at the limit is told for ever.
  static let settledSeconds = 1.0
  /// Stations tell their health once an hour at least, and one may be lost. Meanwhile a crystal is
  /// off by 100 ppm, 0.7 s.
  static let silenceNanoseconds: Int64 = 7200 * nanosecondsPerSecond
  /// A sentence is to be read.
  private static let namedMaximum = 5
  /// A time of the year 2116. With those beyond it nothing could be reckoned.
  private static let timeMaximum: Int64 = 1 << 62

  /// What a station's newest health said.
  private struct Reading {
    let epoch: UInt64
    let boot: UInt32
    let sequence: UInt32
    let emitted: Int64
    /// By the monotonic clock.
    let heard: Int64
    let clockState: UInt8

    /// Within an epoch; between two of them nothing is older.
    func isOlder(than other: Reading) -> Bool {
      epoch == other.epoch && (boot, sequence) < (other.boot, other.sequence)
    }
  }

  private enum Opinion { case right, wrong, unknown }

  struct Judgement: Equatable {
    /// How much this machine's clock is ahead of the locked stations', the middle one; nil where
    /// none is locked.
    var aheadSeconds: Double?
    var locked = 0
    /// Stations whose clock is wrong.
    var wrong = 0
    var isMachineWrong = false
    /// What has changed, each in a sentence.
    var complaints: [String] = []
  }

  private var readings: [String: Reading] = [:]
  private var opinion = Opinion.right
  private var wrongStations: Set<String> = []

  /// A health message that had not come before. `uptime`: this machine's monotonic clock, then.
  mutating func note(_ header: Header, uptime: Int64) {
    let limit = FleetClock.timeMaximum
    let reading = Reading(
      epoch: header.epoch, boot: header.bootCounter, sequence: header.sequence,
      emitted: min(max(header.emitted.nanoseconds, -limit), limit), heard: uptime,
      clockState: header.clockState)
    let station = header.station.string
    if let known = readings[station], reading.isOlder(than: known) { return }
    readings[station] = reading
  }

  /// One that is too old to be stored: of a receiver whose weeks have rolled over, or a recording
  /// of another epoch, which says nothing of a station that is known.
  mutating func noteOld(_ header: Header, uptime: Int64) {
    let known = readings[header.station.string]
    guard known.map({ $0.epoch == header.epoch }) ?? true else { return }
    note(header, uptime: uptime)
  }

  /// The present time by the station that is furthest ahead, of those that know the time.
  func latest(uptime: Int64) -> UTC? {
    readings.values.filter { $0.clockState > ClockState.unsynchronised.rawValue }
      .map { $0.emitted + (uptime - $0.heard) }.max().map(UTC.init(nanoseconds:))
  }

  mutating func judge(at now: UTC, uptime: Int64) -> Judgement {
    readings = readings.filter { uptime - $0.value.heard <= FleetClock.silenceNanoseconds }
    let differences = readings.filter { $0.value.clockState == ClockState.locked.rawValue }.map {
      station, reading in
      let then = Double(reading.emitted) + Double(uptime - reading.heard)
      return (station: station, ahead: (Double(now.nanoseconds) - then) * 1e-9)
    }.sorted { ($0.ahead, $0.station) < ($1.ahead, $1.station) }
    var judgement = Judgement(locked: differences.count)
    wrongStations.formIntersection(differences.map(\.station))
    if !differences.isEmpty {
      judgement.aheadSeconds = differences[differences.count / 2].ahead
      vote(differences, &judgement)
    }
    judgement.wrong = wrongStations.count
    judgement.isMachineWrong = opinion == .wrong
    return judgement
  }

  private mutating func vote(
    _ differences: [(station: String, ahead: Double)], _ judgement: inout Judgement
  ) {
    // This machine is ahead of itself by nothing.
    let all = (differences.map(\.ahead) + [0]).sorted()
    // If more than half of them agree, the middle one is among those.
    let middle = all[all.count / 2]
    let tolerance = FleetClock.limit(opinion == .unknown)
    let agreeing = all.count { abs($0 - middle) <= tolerance }
    guard 2 * agreeing > all.count else {
      // A clock that was wrong remains so until a majority says otherwise.
      if opinion == .right {
        judgement.complaints.append(FleetClock.doubt(differences))
        opinion = .unknown
      }
      return
    }
    let isWrong = abs(middle) > FleetClock.limit(opinion == .wrong)
    let before = opinion
    opinion = isWrong ? .wrong : .right
    if isWrong && before != .wrong {
      judgement.complaints.append(
        "this machine's clock is wrong: it is \(FleetClock.side(middle)) \(agreeing) of "
          + "\(differences.count) locked stations, and times of reception are wrong with it")
    } else if !isWrong && before == .wrong {
      judgement.complaints.append("this machine's clock is right again")
    } else if before == .unknown {
      judgement.complaints.append(
        "a majority of the clocks agrees again, this machine's among them")
    }
    for (station, ahead) in differences.sorted(by: { $0.station < $1.station }) {
      let isNamed = wrongStations.contains(station)
      let isOff = abs(ahead - middle) > FleetClock.limit(isNamed)
      guard isOff != isNamed else { continue }
      if isOff { wrongStations.insert(station) } else { wrongStations.remove(station) }
      judgement.complaints.append(
        "the clock of \(station) is "
          + (isOff
            ? "wrong: it is \(FleetClock.side(middle - ahead)) the others, and says it is locked"
            : "right again"))
    }
  }

  private static func limit(_ isOff: Bool) -> Double { isOff ? settledSeconds : toleranceSeconds }

  private static func side(_ ahead: Double) -> String {
    "\(decimal(abs(ahead), 1)) s \(ahead > 0 ? "ahead of" : "behind")"
  }

  private static func doubt(_ differences: [(station: String, ahead: Double)]) -> String {
    let off = differences.filter { abs($0.ahead) > settledSeconds }
    let named = off.prefix(namedMaximum).map { "\(side($0.ahead)) \($0.station)" }
    return "clocks differ, and no majority says whose is wrong: this machine's is "
      + named.joined(separator: ", ")
      + (off.count > named.count ? " and \(off.count - named.count) more" : "")
  }
}
