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
//     let intake = try Intake(databasePath: path, keys: keys, tell: { print($0) }, …)
//     intake.take(bytes, at: now, from: sender)
//     intake.commit(at: now)

import Clock
import Core
import Devices
import Foundation
import Tools
import Uplink

public final class Intake {
  /// How much is kept while nothing can be committed: an hour of a thousand stations' health.
  public static let waitingMaximum = 360_000
  /// What one transaction takes in, so that what comes meanwhile is not kept waiting.
  static let committedAtOnce = 4096
  private static let schemaVersion: Int64 = 2
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
    let bytes: [UInt8]
    let header: Header
    let received: UTC
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

  /// What a transaction has seen of one station's boot.
  private struct Boot {
    let station: Int64
    var highest: UInt32
    let first: UTC
    var last: UTC
    var count = 0
  }

  public private(set) var counts = Counts()
  private let database: Database
  private let keys: KeyFolder
  private let tell: (String) -> Void
  private let told: MessageFilter
  private let complain: (String) -> Void
  private let send: (Datagram, Sender) -> Void
  private let waitingMaximum: Int
  private let note: ((OpenedDatagram, UTC) -> Void)?
  private let linesLost: () -> Int
  private let uptime: () -> Int64
  /// What is taken now.
  private var isTimely = true
  private let relay: OperatorRelay
  private let picks: MessageTable<PickMessage>
  private let estimates: MessageTable<EstimateMessage>
  private let alerts: MessageTable<AlertMessage>
  private let health: MessageTable<HealthMessage>
  private let audits: MessageTable<AuditMessage>
  private let instruments: MessageTable<InstrumentMessage>
  private let peaks: MessageTable<PeaksMessage>
  private let trials: MessageTable<TrialMessage>
  private let stationOfCode: Statement
  private let newStation: Statement
  private let seenBoot: Statement
  private let refusal: Statement
  private var stations: [String: Int64] = [:]
  /// Stations that were heard; a failed commit empties the list of their numbers.
  private var heardCount = 0
  private var windows: [String: Window] = [:]
  private var waiting: [Waiting] = []
  private var waitingPlaces: Set<Place> = []
  /// Health of before this day has been deleted, and does not come back.
  private var healthSince = UTC(nanoseconds: .min)
  private var lastRefused: [String: (sender: Sender, at: UTC, count: Int)] = [:]
  private var lastFailure: String?
  private var isGivingUp = false
  private var clocks = FleetClock()
  /// What stations said the time was, before this start.
  private let latestStored: UTC?

  /// `patienceMilliseconds`: for so long a commit waits for whoever holds the database; it is tried
  /// again later anyway, and nothing is received meanwhile.
  /// `tell` gets a JSON line of each message that `told` wants, once; `complain` a sentence where something is wrong;
  /// `send` what a station is to be told, and what passes between it and its `operators`.
  /// `note` gets each message once as well, when it is stored; an alert at once.
  /// `linesLost`: how many that `tell` got nobody has taken; `uptime`: the monotonic clock.
  public init(
    databasePath: String, keys: KeyFolder, operators: [PublicKey] = [],
    patienceMilliseconds: Int32 = 50, waitingMaximum: Int = Intake.waitingMaximum,
    told: MessageFilter = MessageFilter(),
    tell: @escaping (String) -> Void, complain: @escaping (String) -> Void,
    send: @escaping (Datagram, Sender) -> Void,
    note: ((OpenedDatagram, UTC) -> Void)? = nil, linesLost: @escaping () -> Int = { 0 },
    uptime: @escaping () -> Int64 = { MachineClock().monotonicNanoseconds() }
  ) throws {
    (self.keys, self.told, self.tell, self.complain) = (keys, told, tell, complain)
    (self.send, self.note, self.linesLost, self.uptime) = (send, note, linesLost, uptime)
    self.waitingMaximum = waitingMaximum
    relay = OperatorRelay(operators: operators, send: send)
    database = try Database(path: databasePath, patienceMilliseconds: patienceMilliseconds)
    do {
      try Intake.prepare(database, path: databasePath)
      picks = try MessageTable("pick", in: database)
      estimates = try MessageTable("estimate", in: database)
      alerts = try MessageTable("alert", in: database)
      health = try MessageTable("health", in: database)
      audits = try MessageTable("audit", in: database)
      instruments = try MessageTable("instrument", in: database)
      peaks = try MessageTable("peaks", in: database)
      trials = try MessageTable("trial", in: database)
      // For those who ask for picks of a time, and for what was expected of each.
      try database.execute(
        "CREATE INDEX IF NOT EXISTS pick_by_arrival ON pick (time_ns) WHERE status = 2")
      try database.execute(
        "CREATE INDEX IF NOT EXISTS estimate_by_pick ON estimate (station, epoch, boot, pick_id)")
      // A few of the last, because one station may never have known the time.
      let latest = try database.number(
        "SELECT max(emitted_ns) FROM (SELECT emitted_ns, clock_state FROM health ORDER BY "
          + "received_ns DESC LIMIT 1000) WHERE clock_state > "
          + "\(ClockState.unsynchronised.rawValue)")
      latestStored = latest > 0 ? UTC(nanoseconds: latest) : nil
      stationOfCode = try database.prepare("SELECT id FROM station WHERE code = ?")
      newStation = try database.prepare("INSERT INTO station (code, first_ns) VALUES (?, ?)")
      seenBoot = try database.prepare(
        """
        INSERT INTO boot (station, epoch, boot, first_ns, last_ns, highest, received)
        VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (station, epoch, boot) DO UPDATE SET
        last_ns = max(last_ns, excluded.last_ns), highest = max(highest, excluded.highest),
        received = received + excluded.received
        """)
      refusal = try database.prepare(
        """
        INSERT INTO refusal (cause, count, last_ns, sender) VALUES (?, ?, ?, ?)
        ON CONFLICT (cause) DO UPDATE SET count = count + excluded.count,
        last_ns = excluded.last_ns, sender = excluded.sender
        """)
    } catch let error as DatabaseError {
      throw ToolError(error.description)
    }
  }

  private static func prepare(_ database: Database, path: String) throws {
    try database.execute("PRAGMA journal_mode = WAL")
    try database.execute("PRAGMA synchronous = FULL")
    let version = try database.number("PRAGMA user_version")
    guard version <= schemaVersion else {
      throw ToolError(
        "\(path) was written by a newer onset-collector (version \(version) of its tables, this "
          + "one knows \(schemaVersion)): use that one, or another file")
    }
    guard version == 0 || version == schemaVersion else {
      throw ToolError(
        "\(path) has what came in version 1 of the wire format, whose numbers are told apart in "
          + "another way: use another file")
    }
    try database.execute(
      """
      CREATE TABLE IF NOT EXISTS station (
        id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, first_ns INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS boot (
        station INTEGER NOT NULL REFERENCES station(id), epoch INTEGER NOT NULL,
        boot INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
        highest INTEGER NOT NULL, received INTEGER NOT NULL,
        PRIMARY KEY (station, epoch, boot)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS refusal (
        cause TEXT PRIMARY KEY, count INTEGER NOT NULL, last_ns INTEGER NOT NULL,
        sender TEXT NOT NULL) WITHOUT ROWID;
      """)
    // To write what is there already would want a lock, and somebody may hold the database.
    if version == 0 { try database.execute("PRAGMA user_version = \(schemaVersion)") }
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
    if header.type == .alert && isNewAlert(header) {
      if let line = try told.line(opened) { tell(line) }
      note?(opened, now)
    }
    if waiting.count >= waitingMaximum { makeRoom() }
    waiting.append(
      Waiting(
        bytes: Array(bytes), header: header, received: now, since: uptime(), isTimely: isTimely,
        sender: sender, key: key))
  }

  public var waitingCount: Int { waiting.count }

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
    var left = most
    let hasHealth = waiting.contains { $0.header.type == .health }
    waiting.removeAll { one in
      guard left > 0, one.header.type == .health || (!hasHealth && one.header.type != .alert)
      else { return false }
      left -= 1
      waitingPlaces.remove(Place(one.header))
      return true
    }
    counts.lost += most - left
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
    case .ping, .pong, .acknowledgement, .command, .answer, .network, .key: throw Refusal.notForUs
    }
    return (claimed, key)
  }

  private func isNewAlert(_ header: Header) -> Bool {
    // In doubt an alert is told.
    guard let station = try? known(header.station.string) else { return true }
    return !((try? alerts.has(station: station, header)) ?? false)
  }

  private func refuse(_ cause: String, _ now: UTC, _ sender: Sender) {
    counts.refused[cause, default: 0] += 1
    lastRefused[cause] = (sender, now, (lastRefused[cause]?.count ?? 0) + 1)
  }

  // MARK: What is kept

  /// Stores what has come, up to so much at once, on disk; then tells it. Whether that was done.
  @discardableResult
  public func commit(at now: UTC) -> Bool {
    guard !waiting.isEmpty || !lastRefused.isEmpty else { return true }
    let taken = waiting.prefix(Intake.committedAtOnce)
    var news = News()
    var found = counts
    do {
      try database.transaction {
        news = try store(taken, &found)
        for (cause, last) in lastRefused {
          try refusal.run([
            .text(cause), .integer(Int64(last.count)), .integer(last.at.nanoseconds),
            .text("\(last.sender)"),
          ])
        }
      }
    } catch {
      counts.failures += 1
      // A number that the database gave to a station may be gone with the transaction.
      stations.removeAll()
      let sentence = "\(error)"
      if sentence != lastFailure {
        complain("nothing can be stored, and is kept in memory: \(sentence)")
      }
      lastFailure = sentence
      return false
    }
    counts = found
    heardCount = max(heardCount, stations.count)
    acknowledge(taken, at: now)
    waiting.removeFirst(taken.count)
    lastRefused.removeAll()
    if lastFailure != nil {
      complain("what was kept in memory is stored")
      lastFailure = nil
      isGivingUp = false
    }
    news.lines.forEach(tell)
    if let note {
      for one in news.stored {
        one.bytes.withUnsafeBufferPointer { bytes in
          // It was verified when it came.
          if let opened = try? OpenedDatagram(bytes, key: nil) { note(opened, one.received) }
        }
      }
    }
    return true
  }

  /// What is told when it is on disk: all but alerts.
  private struct News {
    var lines: [String] = []
    /// For `note`.
    var stored: [Waiting] = []
  }

  /// All of these are on disk: what has come now, and what had come before. An acknowledgement may be
  /// lost like everything else, so each says again what those before it said.
  private func acknowledge(_ taken: ArraySlice<Waiting>, at now: UTC) {
    var found: [Stored: (key: Key, numbers: Set<UInt32>)] = [:]
    for one in taken {
      waitingPlaces.remove(Place(one.header))
      let place = Stored(origin: Origin(one.header), sender: one.sender)
      found[place, default: (one.key, [])].numbers.insert(one.header.sequence)
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

  private func store(_ taken: ArraySlice<Waiting>, _ counts: inout Counts) throws -> News {
    var news = News()
    var boots: [Origin: Boot] = [:]
    for one in taken {
      try one.bytes.withUnsafeBufferPointer { bytes in
        // It was verified when it came.
        let opened = try OpenedDatagram(bytes, key: nil)
        let header = opened.header
        let station = try number(of: header.station.string, one.received)
        let provenance = Provenance(station: station, header: header, received: one.received)
        guard try insert(opened, provenance) else {
          counts.doubles += 1
          return
        }
        counts.stored += 1
        relay.note(header, heardFrom: one.sender)
        if header.type == .health && one.isTimely { clocks.note(header, uptime: one.since) }
        if header.type != .alert {
          if let line = try told.line(opened) { news.lines.append(line) }
          if note != nil { news.stored.append(one) }
        }
        var boot =
          boots[Origin(header)]
          ?? Boot(station: station, highest: 0, first: one.received, last: one.received)
        boot.highest = max(boot.highest, header.sequence)
        boot.last = one.received
        boot.count += 1
        boots[Origin(header)] = boot
      }
    }
    for (origin, boot) in boots {
      try seenBoot.run([
        .integer(boot.station), .integer(Int64(bitPattern: origin.epoch)),
        .integer(Int64(origin.boot)), .integer(boot.first.nanoseconds),
        .integer(boot.last.nanoseconds),
        .integer(Int64(boot.highest)), .integer(Int64(boot.count)),
      ])
    }
    return news
  }

  private func insert(_ opened: OpenedDatagram, _ provenance: Provenance) throws -> Bool {
    switch opened.header.type {
    case .pick: try picks.insert(PickMessage(opened.payload), provenance)
    case .estimate: try estimates.insert(EstimateMessage(opened.payload), provenance)
    case .alert: try alerts.insert(AlertMessage(opened.payload), provenance)
    case .health: try health.insert(HealthMessage(opened.payload), provenance)
    case .audit: try audits.insert(AuditMessage(opened.payload), provenance)
    case .instrument: try instruments.insert(InstrumentMessage(opened.payload), provenance)
    case .peaks: try peaks.insert(PeaksMessage(opened.payload), provenance)
    case .trial: try trials.insert(TrialMessage(opened.payload), provenance)
    case .ping, .pong, .acknowledgement, .command, .answer, .network, .key: false
    }
  }

  private func known(_ code: String) throws -> Int64? {
    if let known = stations[code] { return known }
    guard case .integer(let id)? = try stationOfCode.rows([.text(code)]).first?.first else {
      return nil
    }
    stations[code] = id
    return id
  }

  private func number(of code: String, _ now: UTC) throws -> Int64 {
    if let known = try known(code) { return known }
    try newStation.run([.text(code), .integer(now.nanoseconds)])
    return try number(of: code, now)
  }

  /// The time by which health is old: this machine's clock, unless all stations are behind it. A
  /// clock that is years ahead would else delete what is new. It is nil until a station has told
  /// the time.
  public func vouchedTime(at now: UTC) -> UTC? {
    [clocks.latest(uptime: uptime()), latestStored].compactMap(\.self).max().map { min(now, $0) }
  }

  /// Health and peaks of before a day are deleted, so much of it at once that nothing waits for it; whether
  /// there may be more.
  public func forgetHealth(before day: UTC) throws -> Bool {
    let atOnce = 10_000
    healthSince = day
    let unsynchronised = ClockState.unsynchronised.rawValue
    var isMore = false
    for table in ["health", "peaks"] {
      // By both clocks: this machine's may have begun in 1970.
      try database.execute(
        "DELETE FROM \(table) WHERE rowid IN (SELECT rowid FROM \(table) WHERE received_ns < "
          + "\(day.nanoseconds) AND (emitted_ns < \(day.nanoseconds) OR clock_state = "
          + "\(unsynchronised)) LIMIT \(atOnce))")
      isMore = isMore || database.changes == atOnce
    }
    return isMore
  }

  /// How the collector itself is, as a JSON line. It complains where a clock is wrong.
  public func report(at now: UTC) -> String {
    let uptime = uptime()
    let judgement = clocks.judge(at: now, uptime: uptime)
    judgement.complaints.forEach(complain)
    return Report(
      time: now, keys: keys.count, stations: heardCount, counts: counts,
      waiting: waiting.count,
      oldestWaitingSeconds: waiting.first.map { Double(uptime - $0.since) * 1e-9 } ?? 0,
      isStoring: lastFailure == nil, linesLost: linesLost(), clocks: judgement
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
