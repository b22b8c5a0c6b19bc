// Intake: what comes in is verified, told once and kept.
//
// A station sends bare datagrams. Some come twice, some late, some from strangers, and while a disk
// is full or a backup holds the database they go on coming. To store each as it comes is the
// obvious way: a commit is a sync of the disk, of which there are some hundred a second, and an
// alert would wait for those of all that came before it.
//
// So datagrams are verified as they come, and alerts are told at once. All are kept in memory until
// the next commit, which takes in everything that has come meanwhile, each under the number that
// its station gave it, so that what comes twice is stored once: the table itself refuses the
// second, in the same transaction. Then each station is told what it may forget. What cannot be
// committed is tried again.
//
// A server that keeps the store may be slow, or hang. So a commit may run beside, on a thread of
// its own, while alerts go on being told.
//
//     let intake = try Intake(databasePath: path, keys: keys, tell: { print($0) }, …)
//     intake.take(bytes, at: now, from: sender)
//     intake.beginCommit()
//     let isDone = intake.finishCommit(at: now)

import Clock
import Core
import Devices
import Foundation
import Synchronization
import Tools
import Uplink

public final class Intake {
  /// How much is kept while nothing can be committed: an hour of a thousand stations' health.
  public static let waitingMaximum = 360_000
  /// What one transaction takes in, so that what comes meanwhile is not kept waiting.
  static let committedAtOnce = 4096
  /// Alerts that are known to have been told.
  private static let alertsMaximum = 65_536
  public struct Counts: Equatable, Sendable {
    public var received = 0
    public var stored = 0
    public var doubles = 0
    /// Given up, because too much was waiting for a database that took nothing.
    public var lost = 0
    public var failures = 0
    /// Operators' questions and stations' answers.
    public var passed = 0
    /// By cause.
    public var refused: [String: Int] = [:]
  }

  private struct Waiting {
    let arrived: Arrived
    /// By the monotonic clock.
    let since: Int64
    /// It came when it was taken.
    let isTimely: Bool
    let sender: Sender
    /// With which it was sealed.
    let key: Key
  }

  /// What is to be told to one address that it may forget: nobody gets what others sent.
  private struct Stored: Hashable {
    let origin: Origin
    let sender: Sender
  }

  public private(set) var counts = Counts()
  private let store: Store
  private let keys: KeyFolder
  private let tell: (String) -> Void
  private let told: MessageFilter
  private let complain: (String) -> Void
  private let send: (Datagram, Sender) -> Void
  private let waitingMaximum: Int
  private let heard: ((OpenedDatagram, UTC) -> Void)?
  private let note: ((OpenedDatagram, UTC) -> Void)?
  private let linesLost: () -> Int
  private let beside: () -> [JsonLine.Field]
  private let uptime: () -> Int64
  /// What is taken now.
  private var isTimely = true
  private let relay: OperatorRelay
  /// What is being stored now, on a thread of its own or on this one.
  private var underway: Underway?
  private let thread = DispatchQueue(label: "store")
  private var toldAlerts: Set<Place> = []
  private var heardStations: Set<String> = []
  private var windows: [String: Window] = [:]
  private var waiting: [Waiting] = []
  private var waitingPlaces: Set<Place> = []
  /// Health of before this day has been deleted, and does not come back.
  private var healthSince = UTC(nanoseconds: .min)
  private var lastRefused: [String: Refused] = [:]
  private var lastFailure: String?
  private var isGivingUp = false
  /// By how much this machine's clock was ahead of what is vouched for, and when that was looked
  /// at.
  private var (ahead, aheadSince): (Int64, Int64) = (0, .min / 2)
  private var clocks = FleetClock()
  /// What stations said the time was, before this start.
  private let latestStored: UTC?

  /// `patienceMilliseconds`: for so long a commit waits for whoever holds the database; it is tried
  /// again later anyway, and nothing is received meanwhile. `tell` gets a JSON line of each message
  /// that `told` wants, once; `complain` a sentence where something is wrong; `send` what a station
  /// is to be told, and what passes between it and its `operators`. `heard` gets every message that
  /// is verified, at once, with the time that is vouched for; alerts once. `note` gets each message
  /// once as well, when it is stored; an alert at once. `isPassedOn`: what is stored is also put
  /// into the queue of what goes to others. `beside`: what its report is to say as well.
  /// `linesLost`: how many that `tell` got nobody has taken; `uptime`: the monotonic clock.
  public init(
    databasePath: String, keys: KeyFolder, operators: [PublicKey] = [],
    patienceMilliseconds: Int32 = 50, waitingMaximum: Int = Intake.waitingMaximum,
    told: MessageFilter = MessageFilter(),
    tell: @escaping (String) -> Void, complain: @escaping (String) -> Void,
    send: @escaping (Datagram, Sender) -> Void,
    heard: ((OpenedDatagram, UTC) -> Void)? = nil,
    note: ((OpenedDatagram, UTC) -> Void)? = nil, isPassedOn: Bool = false,
    linesLost: @escaping () -> Int = { 0 }, beside: @escaping () -> [JsonLine.Field] = { [] },
    uptime: @escaping () -> Int64 = { MachineClock().monotonicNanoseconds() }
  ) throws {
    (self.keys, self.told, self.tell, self.complain) = (keys, told, tell, complain)
    (self.send, self.linesLost, self.uptime) = (send, linesLost, uptime)
    (self.heard, self.note, self.beside) = (heard, note, beside)
    self.waitingMaximum = waitingMaximum
    relay = OperatorRelay(operators: operators, send: send)
    store = try Store(
      databasePath, patienceMilliseconds: patienceMilliseconds, isPassedOn: isPassedOn)
    do {
      latestStored = try store.latestTold()
      for alert in try store.newestAlerts().reversed() { toldAlerts.insert(Place(alert.header)) }
    } catch let error as DatabaseError {
      throw ToolError(error.description)
    }
  }

  // MARK: What comes in

  /// A datagram. Only what is right is answered, and only when it is stored. `isTimely`: it has not
  /// waited long in the socket.
  public func take(
    _ bytes: UnsafeBufferPointer<UInt8>, at now: UTC, from sender: Sender, isTimely: Bool = true
  ) {
    counts.received += 1
    self.isTimely = isTimely
    do {
      // Whose it is, says the station's name; nothing else of it is believed yet.
      let claimed = try OpenedDatagram(bytes, key: nil)
      if claimed.header.type.isSigned {
        let station = claimed.header.station.string
        try relay.pass(claimed, stationKeys: keys.known(station), at: now, from: sender)
        counts.passed += 1
      } else {
        try take(claimed, bytes, at: now, from: sender)
      }
    } catch {
      refuse("\(error)", now, sender)
    }
  }

  private func take(
    _ claimed: OpenedDatagram, _ bytes: UnsafeBufferPointer<UInt8>, at now: UTC,
    from sender: Sender
  ) throws {
    let (opened, key) = try verified(claimed, at: now)
    let header = opened.header
    guard waitingPlaces.insert(Place(header)).inserted else {
      counts.doubles += 1
      return
    }
    let isNew = header.type != .alert || isNewAlert(Place(header))
    // What somebody has recorded and sends again is nothing new.
    if isNew { heard?(opened, vouchedNow(now)) }
    if header.type == .alert && isNew {
      if let line = try told.line(opened) { tell(line) }
      note?(opened, now)
    }
    if waiting.count >= waitingMaximum { makeRoom() }
    waiting.append(
      Waiting(
        arrived: Arrived(bytes: Array(bytes), header: header, received: now), since: uptime(),
        isTimely: isTimely, sender: sender, key: key))
  }

  public var waitingCount: Int { waiting.count }

  /// As people know it, without secrets.
  public var storeName: String { store.database.name }

  /// Gives the oldest up, health first: the next is on its way. None of it was acknowledged. Alerts
  /// stay, because they have been told, and would be told again.
  private func makeRoom() {
    if !isGivingUp {
      complain(
        "\(waitingMaximum) messages wait to be stored: the oldest are given up, and their stations "
          + "send again what they keep: confirmed picks, newest estimates, alerts, audits, instruments"
      )
    }
    isGivingUp = true
    let most = max(waitingMaximum / 16, 1)
    // What is being stored stays.
    var (left, spared) = (most, underway?.count ?? 0)
    let hasHealth = waiting[spared...].contains { $0.arrived.header.type == .health }
    waiting.removeAll { one in
      let type = one.arrived.header.type
      guard spared == 0 else {
        spared -= 1
        return false
      }
      guard left > 0, type == .health || (!hasHealth && type != .alert) else { return false }
      left -= 1
      waitingPlaces.remove(Place(one.arrived.header))
      return true
    }
    counts.lost += most - left
  }

  /// This machine's time unless all stations are behind it, looked at once a second.
  private func vouchedNow(_ now: UTC) -> UTC {
    let uptime = uptime()
    if uptime - aheadSince >= nanosecondsPerSecond || uptime < aheadSince {
      aheadSince = uptime
      ahead = vouchedTime(at: now).map { now - $0 } ?? 0
    }
    return now + -ahead
  }

  private func verified(
    _ claimed: OpenedDatagram, at now: UTC
  ) throws -> (OpenedDatagram, Key) {
    let station = claimed.header.station.string
    guard let key = keys.key(of: station, at: now, fits: { claimed.sealed.isSealed(with: $0) })
    else {
      if keys.has(station) { throw DatagramError.wrongTag }
      throw Refusal.noKey
    }
    // A recording has the station's seal and never left it.
    guard claimed.header.epoch > 0, claimed.header.bootCounter > 0 else { throw Refusal.recording }
    // What can be read now can be stored later.
    switch claimed.header.type {
    case .pick: _ = try PickMessage(claimed.payload)
    case .estimate: _ = try EstimateMessage(claimed.payload)
    case .alert: _ = try AlertMessage(claimed.payload)
    case .health:
      _ = try HealthMessage(claimed.payload)
      // A station that nobody has told the time is not old.
      let isOld = claimed.header.emitted.nanoseconds < healthSince.nanoseconds
      if isOld && claimed.header.clockState > ClockState.unsynchronised.rawValue {
        // A receiver whose weeks have rolled over is twenty years behind, and that is to be said.
        if isTimely { clocks.noteOld(claimed.header, uptime: uptime()) }
        throw Refusal.old
      }
    case .audit: _ = try AuditMessage(claimed.payload)
    case .instrument: _ = try InstrumentMessage(claimed.payload)
    case .peaks: _ = try PeaksMessage(claimed.payload)
    case .trial: _ = try TrialMessage(claimed.payload)
    case .ping, .pong, .acknowledgement, .command, .answer, .network, .key, .vote:
      throw Refusal.notForUs
    }
    return (claimed, key)
  }

  /// In doubt an alert is told: when there are too many to know them all, and where another
  /// collector has told it.
  private func isNewAlert(_ place: Place) -> Bool {
    if toldAlerts.count >= Intake.alertsMaximum { toldAlerts.removeAll() }
    return toldAlerts.insert(place).inserted
  }

  private func refuse(_ cause: String, _ now: UTC, _ sender: Sender) {
    counts.refused[cause, default: 0] += 1
    let before = lastRefused[cause]?.count ?? 0
    lastRefused[cause] = Refused(
      cause: cause, sender: "\(sender)", last: now, count: before + 1)
  }

  // MARK: What is kept

  /// Stores what has come, up to so much at once, on disk; then tells it. Whether that was done.
  @discardableResult
  public func commit(at now: UTC) -> Bool {
    guard let work = prepareCommit() else { return true }
    work()
    return finishCommit(at: now) ?? false
  }

  /// The same on a thread of its own; nothing where there is nothing to do, or the last is
  /// underway.
  public func beginCommit() {
    if let work = prepareCommit() { thread.async(execute: work) }
  }

  /// Whether a commit that was begun has been done or has failed; nil while it goes on, and where
  /// none was begun.
  public func finishCommit(at now: UTC) -> Bool? {
    guard let underway, let outcome = underway.outcome.withLock({ $0 }) else { return nil }
    self.underway = nil
    switch outcome {
    case .success(let isNew):
      finish(isNew, at: now)
      return true
    case .failure(let failure):
      counts.failures += 1
      for one in underway.refused {
        var newest = lastRefused[one.cause] ?? one
        if lastRefused[one.cause] != nil { newest.count += one.count }
        lastRefused[one.cause] = newest
      }
      if failure.description != lastFailure {
        complain("nothing can be stored, and is kept in memory: \(failure)")
      }
      lastFailure = failure.description
      return false
    }
  }

  public var isCommitting: Bool { underway != nil }

  private final class Underway: Sendable {
    let count: Int
    let refused: [Refused]
    let outcome = Mutex<Result<[Bool], DatabaseError>?>(nil)

    init(count: Int, refused: [Refused]) { (self.count, self.refused) = (count, refused) }
  }

  private func prepareCommit() -> (@Sendable () -> Void)? {
    guard underway == nil, !waiting.isEmpty || !lastRefused.isEmpty else { return nil }
    let arrived = waiting.prefix(Intake.committedAtOnce).map(\.arrived)
    let new = Underway(count: arrived.count, refused: Array(lastRefused.values))
    lastRefused.removeAll()
    underway = new
    return { [store] in
      let outcome: Result<[Bool], DatabaseError>
      do { outcome = .success(try store.keep(arrived, refused: new.refused)) } catch {
        outcome = .failure(
          error as? DatabaseError ?? DatabaseError(description: "\(error)"))
      }
      new.outcome.withLock { $0 = outcome }
    }
  }

  /// What was underway is on disk: all but alerts is told now.
  private func finish(_ isNew: [Bool], at now: UTC) {
    let taken = waiting.prefix(isNew.count)
    acknowledge(taken, at: now)
    waiting.removeFirst(isNew.count)
    if lastFailure != nil {
      complain("what was kept in memory is stored")
      lastFailure = nil
      isGivingUp = false
    }
    for (one, isNew) in zip(taken, isNew) {
      guard isNew else {
        counts.doubles += 1
        continue
      }
      let header = one.arrived.header
      counts.stored += 1
      heardStations.insert(header.station.string)
      relay.note(header, heardFrom: one.sender)
      if header.type == .health && one.isTimely { clocks.note(header, uptime: one.since) }
      guard header.type != .alert else { continue }
      one.arrived.bytes.withUnsafeBufferPointer { bytes in
        // It was verified when it came.
        guard let opened = try? OpenedDatagram(bytes, key: nil) else { return }
        if let line = try? told.line(opened) { tell(line) }
        note?(opened, one.arrived.received)
      }
    }
  }

  /// All of these are on disk: what has come now, and what had come before. An acknowledgement may
  /// be lost like everything else, so each says again what those before it said.
  private func acknowledge(_ taken: ArraySlice<Waiting>, at now: UTC) {
    var found: [Stored: (key: Key, numbers: Set<UInt32>)] = [:]
    for one in taken {
      let header = one.arrived.header
      waitingPlaces.remove(Place(header))
      let place = Stored(origin: Origin(header), sender: one.sender)
      found[place, default: (one.key, [])].numbers.insert(header.sequence)
    }
    for (place, (key, numbers)) in found {
      let header = Header(
        .acknowledgement, to: Text(place.origin.station), epoch: place.origin.epoch, at: now)
      let all = numbers.union(before(place.origin, adding: numbers))
      for message in Intake.acknowledgements(of: all, boot: place.origin.boot) {
        send(Datagram(header, key: key) { message.write(to: &$0) }, place.sender)
      }
    }
  }

  /// The last numbers of a station's newest boot, these among them; none of an older one.
  private func before(_ origin: Origin, adding numbers: Set<UInt32>) -> [UInt32] {
    var window = windows[origin.station] ?? Window(origin, newest: numbers.max()!)
    if window.origin.epoch != origin.epoch || window.origin.boot < origin.boot {
      window = Window(origin, newest: numbers.max()!)
    }
    guard window.origin == origin else { return [] }
    numbers.forEach { window.insert($0) }
    windows[origin.station] = window
    return window.numbers
  }

  /// As few messages as these numbers need, the newest first.
  static func acknowledgements(
    of numbers: Set<UInt32>, boot: UInt32
  ) -> [AcknowledgementMessage] {
    var messages: [AcknowledgementMessage] = []
    for number in numbers.sorted(by: >) {
      if let last = messages.last, last.sequence - number < AcknowledgementMessage.reach {
        messages[messages.count - 1].stored |= 1 << UInt64(last.sequence - number)
      } else {
        messages.append(AcknowledgementMessage(boot: boot, sequence: number))
      }
    }
    return messages
  }

  /// The time by which health is old: this machine's clock, unless all stations are behind it. A
  /// clock that is years ahead would else delete what is new. It is nil until a station has told
  /// the time.
  public func vouchedTime(at now: UTC) -> UTC? {
    [clocks.latest(uptime: uptime()), latestStored].compactMap(\.self).max().map { min(now, $0) }
  }

  /// Health of before this day is not taken any more; whoever deletes it does so beside.
  public func refuseHealth(before day: UTC) { healthSince = day }

  /// How the collector itself is, as a JSON line. It complains where a clock is wrong.
  public func report(at now: UTC) -> String {
    let uptime = uptime()
    let judgement = clocks.judge(at: now, uptime: uptime)
    judgement.complaints.forEach(complain)
    return Report(
      time: now, keys: keys.count, stations: heardStations.count, counts: counts,
      waiting: waiting.count,
      oldestWaitingSeconds: waiting.first.map { Double(uptime - $0.since) * 1e-9 } ?? 0,
      isStoring: lastFailure == nil, linesLost: linesLost(), clocks: judgement, beside: beside()
    ).line
  }
}

/// Why a datagram that may be right is not taken.
enum Refusal: Error, CustomStringConvertible {
  case noKey, notForUs, old, recording, noOperator, notHeard, notAsked, tooMany

  var description: String {
    switch self {
    case .noKey: "is of a station that has no key in the folder"
    case .notForUs: "is an acknowledgement, which is not for a collector"
    case .recording: "is of a recording: it has no epoch or no boot"
    case .noOperator: "is of an operator whose key is not in the folder"
    case .notHeard: "is for a station that was not heard yet"
    case .notAsked: "is an answer that nobody waits for"
    case .tooMany: "is one question too many at once"
    case .old: "is health of before what is kept"
    }
  }
}

extension DatagramError: CustomStringConvertible {
  public var description: String { "\(explanation)" }
}
