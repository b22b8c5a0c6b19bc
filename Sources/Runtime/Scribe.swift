// Scribe: the station's one side thread, for whatever touches a disk or a name server.
//
// A disk can take ten seconds for an fsync, an SD card can die, a name server can be behind a
// broken modem. A loop that stored and looked up by itself would stand still meanwhile, in the
// middle of an earthquake. A helper that shared a lock with it would make it wait as well.
//
// So the loop puts orders on a desk of fixed size, rings, and goes on. The scribe does one after
// another and puts what became of them back. Nobody locks, so nobody waits. It looks at
// temperature, memory and free disk as well, about once a second.
//
//   desk      the memory that both see; it lies in pages of its own, which stay until the program
//             ends
//   order     a value that is to be on disk, or a network to be tried
//   outcome   what became of it
//
//     let isTaken = scribe.store(.siteTerm, 10_000)
//     while let event = scribe.outcome() { station.note(event) }

import Board
import CLinux
import Clock
import Core
import Devices
import Picker
import Settings
import Station
import Synchronization
import Uplink

private enum Order {
  /// A value that is to be on disk.
  case store(StoredValue, Int64)
  /// All but its pieces, which have a ring of their own.
  case network(NetworkOrder)
  case keepKey(KeyOrder)
}

/// What is to be looked up.
private struct Host {
  var name = Text<128>()
  var port: UInt16 = 0
  /// It is not an address already.
  var hasName = false

  init() {}

  init(_ name: Text<128>, _ port: UInt16) {
    (self.name, self.port) = (name, port)
    hasName = Address(numeric: name, port: port) == nil
  }
}

/// Where a host is: the first upstream, the second, then the peers.
struct Place {
  let host: Int
  let address: Address
}

/// What both threads see.
private struct Desk: ~Copyable {
  let orders: Ring<Order>
  let outcomes: Ring<Event>
  /// As many as the outbox has places.
  let records: Ring<OutboxRecord>
  let pieces: Ring<NetworkWrite>
  let outbox: OutboxFile
  let networks: NetworkFolder
  let shadow: ShadowSettings?
  let siteTerm: StoredCounter
  let latch: StoredCounter
  let directory: Path
  let hosts: InlineArray<9, Host>
  /// Where they are.
  let places: Ring<Place>
  /// The hosts that answer, by the loop: a bit each.
  let answering = Atomic<UInt16>(0)
  /// Rung by the loop, and by the scribe.
  let ordersBell = clinux_event_descriptor()
  let outcomesBell = clinux_event_descriptor()
  let temperature = Atomic<Int>(Int(Wire.unknownTemperature))
  let resident = Atomic<Int>(Int(Wire.unknownSize))
  let memory = Atomic<Int>(Int(Wire.unknownSize))
  let disk = Atomic<Int>(Int(Wire.unknownSize))
  let timeStratum = Atomic<Int>(0)
  let timeReference = Atomic<UInt32>(0)
  let rootDistance = Atomic<UInt32>(Wire.unknownSize)
  let chronyFeed: ChronyFeed
  /// Orders that are neither done nor given up.
  let pending = Atomic<Int>(0)

  func store(_ value: StoredValue, _ number: Int64) -> Bool {
    switch value {
    case .siteTerm: siteTerm.store(Int(number))
    case .latch: latch.store(Int(number))
    // It is kept by records.
    case .outbox: false
    }
  }
}

public struct Scribe: ~Copyable {
  /// A collector may move, or have several addresses of which one is dead: while it answers its
  /// name is looked up seldom, while it does not, often, and until the name is found at all, a few
  /// seconds after the last time.
  private static let lookUpSeconds: Int64 = 600
  private static let silentSeconds: Int64 = 30
  private static let retrySeconds: Int64 = 5
  private static let machineMilliseconds: Int32 = 1000
  private static let ordersMaximum = 16
  private static let hostsMaximum = 9
  private static let placesMaximum = 16
  private static let piecesMaximum = Station.piecesUnderway

  private let desk: UnsafeMutablePointer<Desk>
  public let descriptor: Int32

  /// Starts the thread. Its pages stay for the life of the program, because it never ends.
  init(
    _ station: StationFile, outbox: OutboxFile, shadow: ShadowSettings?, chronySocket: Text<64>
  ) throws(Diagnostic) {
    let directory = station.stateDirectory
    let siteTerm = try StoredCounter("site-term", in: directory)
    let latch = try StoredCounter("latch", in: directory)
    let chronyFeed = try ChronyFeed(to: chronySocket)
    guard let memory = clinux_map_anonymous(MemoryLayout<Desk>.stride),
      let orders = Ring<Order>(capacity: Scribe.ordersMaximum),
      let outcomes = Ring<Event>(
        capacity: Scribe.ordersMaximum + 2 * Outbox.capacity + Scribe.piecesMaximum),
      let pieces = Ring<NetworkWrite>(capacity: Scribe.piecesMaximum),
      let records = Ring<OutboxRecord>(capacity: Outbox.capacity),
      let places = Ring<Place>(capacity: Scribe.placesMaximum)
    else { throw Diagnostic("the kernel has no memory for the scribe's desk") }
    let desk = memory.bindMemory(to: Desk.self, capacity: 1)
    desk.initialize(
      to: Desk(
        orders: orders, outcomes: outcomes, records: records, pieces: pieces, outbox: outbox,
        networks: NetworkFolder(in: directory), shadow: shadow, siteTerm: siteTerm, latch: latch,
        directory: directory,
        hosts: Scribe.hosts(station), places: places, chronyFeed: chronyFeed))
    let bell = desk.pointee.outcomesBell
    clinux_bound_resolver()
    guard bell >= 0, desk.pointee.ordersBell >= 0, clinux_start_thread(work, desk) == 0 else {
      throw Diagnostic("the kernel starts no thread for the scribe: see ulimit -u")
    }
    self.desk = desk
    descriptor = bell
  }

  private static func hosts(_ station: StationFile) -> InlineArray<9, Host> {
    var hosts = InlineArray<9, Host>(repeating: Host())
    let uplink = station.uplink
    hosts[0] = Host(uplink.first.host, UInt16(uplink.first.port))
    if let second = uplink.second { hosts[1] = Host(second.host, UInt16(second.port)) }
    for peer in 0..<station.peers.count {
      hosts[2 + peer] = Host(station.peers[peer].host, station.peers[peer].port)
    }
    return hosts
  }

  /// False when the desk is full, because the disk has not answered for long.
  func store(_ value: StoredValue, _ number: Int64) -> Bool {
    ring(desk.pointee.orders.put(.store(value, number)))
  }

  func network(_ order: NetworkOrder) -> Bool {
    if case .keep(let piece) = order { return ring(desk.pointee.pieces.put(piece)) }
    return ring(desk.pointee.orders.put(.network(order)))
  }

  func keep(_ order: KeyOrder) -> Bool { ring(desk.pointee.orders.put(.keepKey(order))) }

  func keep(_ record: OutboxRecord) -> Bool { ring(desk.pointee.records.put(record)) }

  func tell(_ report: PulseReport) {
    if desk.pointee.chronyFeed.put(report) { clinux_signal_event(desk.pointee.ordersBell) }
  }

  private func ring(_ isTaken: Bool) -> Bool {
    guard isTaken else { return false }
    desk.pointee.pending.add(1, ordering: .relaxed)
    clinux_signal_event(desk.pointee.ordersBell)
    return true
  }

  /// What became of the oldest order that is done.
  func outcome() -> Event? { desk.pointee.outcomes.take() }

  func clearBell() { clinux_clear_event(descriptor) }

  /// Where a host was found to be.
  func place() -> Place? { desk.pointee.places.take() }

  /// Names of those that do not answer are looked up more often.
  func note(answering: UInt16) { desk.pointee.answering.store(answering, ordering: .relaxed) }

  func report(to host: inout HostStatus, monotonicNow now: Int64) {
    host.machine.pulseFeed = desk.pointee.chronyFeed.state(monotonicNow: now)
    host.machine.temperatureCentidegrees = Int16(
      clamping: desk.pointee.temperature.load(ordering: .relaxed))
    host.machine.residentKibibytes = UInt32(
      clamping: desk.pointee.resident.load(ordering: .relaxed))
    host.machine.memoryAvailableMebibytes = UInt32(
      clamping: desk.pointee.memory.load(ordering: .relaxed))
    host.machine.diskFreeMebibytes = UInt32(clamping: desk.pointee.disk.load(ordering: .relaxed))
    host.machine.timeStratum = UInt8(clamping: desk.pointee.timeStratum.load(ordering: .relaxed))
    host.machine.timeReference = desk.pointee.timeReference.load(ordering: .relaxed)
    host.machine.rootDistanceMicroseconds = desk.pointee.rootDistance.load(ordering: .relaxed)
  }

  /// Before the program ends: waits for what is under way, but not for a disk that does not answer.
  func finish() {
    for _ in 0..<100 where desk.pointee.pending.load(ordering: .relaxed) > 0 {
      _ = poll(nil, 0, 10)
    }
  }

  // MARK: The thread

  fileprivate static func run(_ place: UnsafeMutableRawPointer) {
    let desk = place.assumingMemoryBound(to: Desk.self)
    var shadow: ShadowNetwork?
    var lookUps = InlineArray<9, LookUp>(repeating: LookUp())
    var nextHost = 0
    var chrony = ChronyQuestions()
    while true {
      desk.pointee.chronyFeed.pass(monotonicNow: clinux_monotonic_nanoseconds())
      while let order = desk.pointee.orders.take() {
        switch order {
        case .store(let value, let number):
          tell(.stored(value, isDone: desk.pointee.store(value, number)), after: 1, desk)
        case .network(let order): carryOut(order, &shadow, desk)
        case .keepKey(let order):
          let isDone = KeptKey.store(order, in: desk.pointee.directory)
          tell(.keyKept(isDone: isDone), after: 1, desk)
        }
      }
      keepRecords(desk)
      keepPieces(desk)
      read(desk)
      if let answer = chrony.pass(monotonicNow: clinux_monotonic_nanoseconds()) {
        note(answer, desk)
      }
      // A name server that is gone is waited for once between orders, whoever's name it is.
      var hasAsked = false
      for step in 0..<hostsMaximum where !hasAsked {
        let host = (nextHost + step) % hostsMaximum
        guard desk.pointee.hosts[host].hasName, lookUp(host, &lookUps[host], desk) else { continue }
        (hasAsked, nextHost) = (true, host + 1)
      }
      var bell = pollfd(fd: desk.pointee.ordersBell, events: Int16(POLLIN), revents: 0)
      _ = poll(&bell, 1, hasAsked ? 0 : machineMilliseconds)
      clinux_clear_event(desk.pointee.ordersBell)
    }
  }

  private static func note(
    _ answer: ChronyQuestions.Answer, _ desk: UnsafeMutablePointer<Desk>
  ) {
    var (stratum, reference, distance) = (0, UInt32(0), Wire.unknownSize)
    if case .tracking(let tracking) = answer, tracking.stratum > 0 {
      (stratum, reference) = (Int(tracking.stratum), tracking.reference)
      distance = tracking.rootDistanceMicroseconds
    }
    desk.pointee.timeStratum.store(stratum, ordering: .relaxed)
    desk.pointee.timeReference.store(reference, ordering: .relaxed)
    desk.pointee.rootDistance.store(distance, ordering: .relaxed)
  }

  private struct LookUp {
    var last = Int64.min / 2
    /// Which of its addresses.
    var turn: UInt32 = 0
    var isFound = false
  }

  @inline(never)
  /// Whether a name server was asked.
  private static func lookUp(
    _ place: Int, _ state: inout LookUp, _ desk: UnsafeMutablePointer<Desk>
  ) -> Bool {
    let isAnswering = desk.pointee.answering.load(ordering: .relaxed) >> UInt16(place) & 1 == 1
    let wait = !state.isFound ? retrySeconds : isAnswering ? lookUpSeconds : silentSeconds
    let now = clinux_monotonic_nanoseconds()
    guard now - state.last >= wait * nanosecondsPerSecond else { return false }
    state.last = now
    // An address that answers is kept; one that does not may not be the only one of its name.
    if state.isFound && !isAnswering { state.turn &+= 1 }
    let host = desk.pointee.hosts[place]
    // A name server that is gone does not make the collector go.
    guard let address = Address.find(host.name, host.port, turn: state.turn) else { return true }
    state.isFound = true
    if desk.pointee.places.put(Place(host: place, address: address)) {
      clinux_signal_event(desk.pointee.outcomesBell)
    }
    return true
  }

  /// All that wait, with one flush.
  private static func keepRecords(_ desk: UnsafeMutablePointer<Desk>) {
    var (count, isDone) = (0, true)
    while let record = desk.pointee.records.take() {
      isDone = desk.pointee.outbox.write(record) && isDone
      count += 1
    }
    guard count > 0 else { return }
    isDone = desk.pointee.outbox.flush() && isDone
    tell(.stored(.outbox, isDone: isDone), after: count, desk)
  }

  private static func keepPieces(_ desk: UnsafeMutablePointer<Desk>) {
    while let piece = desk.pointee.pieces.take() {
      tell(.networkKept(isDone: desk.pointee.networks.write(piece)), after: 1, desk)
    }
  }

  @inline(never)
  private static func carryOut(
    _ order: NetworkOrder, _ shadow: inout ShadowNetwork?, _ desk: UnsafeMutablePointer<Desk>
  ) {
    let folder = desk.pointee.networks
    switch order {
    case .examine(let checksum, let byteCount, let number):
      // Pieces have a ring of their own, and those that were ordered before are in it.
      keepPieces(desk)
      shadow = nil
      if folder.finish(byteCount: byteCount, checksum: checksum),
        let settings = desk.pointee.shadow
      {
        shadow = ShadowNetwork(folder.part, settings)
      }
      let (picker, found) = (shadow?.picker, shadow?.checksum)
      tell(.networkExamined(picker, checksum: found ?? 0, number: number), after: 1, desk)
    case .switchOver: tell(.networkSwitched(isDone: folder.switchOver()), after: 1, desk)
    case .accept: tell(.networkAccepted(isDone: folder.accept()), after: 1, desk)
    case .forget:
      shadow = nil
      tell(.networkForgotten(isDone: folder.forget()), after: 1, desk)
    case .forgetAccepted:
      tell(.networkForgotten(isDone: folder.forgetAccepted()), after: 1, desk)
    case .keep: break
    }
  }

  private static func tell(
    _ outcome: Event, after count: Int, _ desk: UnsafeMutablePointer<Desk>
  ) {
    // There is room: as many orders as the rings hold are under way at most.
    _ = desk.pointee.outcomes.put(outcome)
    desk.pointee.pending.subtract(count, ordering: .relaxed)
    clinux_signal_event(desk.pointee.outcomesBell)
  }

  private static func read(_ desk: UnsafeMutablePointer<Desk>) {
    if let thousandths = File.readInteger("/sys/class/thermal/thermal_zone0/temp") {
      desk.pointee.temperature.store(thousandths / 10, ordering: .relaxed)
    }
    // /proc/self/statm: size and resident, in pages. /proc/meminfo's third line is MemAvailable, in
    // kB.
    if let pages = File.readInteger("/proc/self/statm", skippingFields: 1) {
      let bytes = pages * Int(sysconf(Int32(_SC_PAGESIZE)))
      desk.pointee.resident.store(bytes / 1024, ordering: .relaxed)
    }
    if let kibibytes = File.readInteger("/proc/meminfo", skippingFields: 2) {
      desk.pointee.memory.store(kibibytes / 1024, ordering: .relaxed)
    }
    // The file system on which the station writes is the one that can fill up.
    let free = desk.pointee.directory.withCString { clinux_disk_free_mebibytes($0) }
    if free >= 0 { desk.pointee.disk.store(Int(free), ordering: .relaxed) }
  }
}

private func work(_ desk: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let desk { Scribe.run(desk) }
  return nil
}
