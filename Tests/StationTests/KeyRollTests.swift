// Another key over the air: the old one seals until the upstream has acknowledged with the new one,
// and the disk has it.

import Core
import StationFixture
import Testing
import Uplink

@testable import Station

@Suite struct KeyRollTests {
  private static let newKey = Key(Octets(repeating: 9))
  private static let secondKey = Key(Octets(repeating: 7))

  private static func machine(
    _ change: (inout StationSettings) -> Void = { _ in }
  ) throws -> Machine {
    let machine = try Machine {
      $0.exchange = testExchange
      change(&$0)
    }
    machine.tick(after(0), isDelivering: true)
    machine.forget()
    return machine
  }

  private static func command(
    _ value: Int64, key: Key = newKey, sealed: [UInt8]? = nil, issued: UInt64 = 1,
    by signer: SigningKey = testOperator
  ) -> Datagram {
    var command = CommandMessage()
    (command.giver, command.bootNonce) = (signer.publicKey.name, testBootNonce)
    (command.issuedMicroseconds, command.id) = (issued, 7)
    (command.parameter, command.value) = (CommandParameter.uplinkKey.rawValue, value)
    var bytes = [UInt8](repeating: 0, count: KeyMessage.sealedByteCount)
    bytes.withUnsafeMutableBufferPointer { key.seal(for: testExchange.publicKey, into: $0) }
    let header = Header(
      .key, to: StationCode("XX.TEST..EH"), epoch: testEpoch, at: UTC(nanoseconds: 0))
    return (sealed ?? bytes).withUnsafeBufferPointer { sealed in
      Datagram(header, signedBy: signer) { KeyMessage(command, sealed: sealed).write(to: &$0) }
    }
  }

  /// The upstream has all that the station has sent until now. `boot`: the station's.
  private static func acknowledge(_ machine: Machine, with key: Key, boot: UInt32 = 5) {
    var acknowledgement = AcknowledgementMessage(boot: boot, sequence: machine.sequence - 1)
    acknowledgement.stored = .max
    let header = Header(
      .acknowledgement, to: StationCode("XX.TEST..EH"), epoch: testEpoch, at: UTC(nanoseconds: 0))
    machine.receive(
      Datagram(header, key: key) { acknowledgement.write(to: &$0) })
  }

  /// The types of what went upstream under a key's seal.
  private static func sealed(_ machine: Machine, with key: Key) -> [MessageType] {
    machine.sent.compactMap { datagram -> MessageType? in
      datagram.withBytes { bytes in
        guard datagram.destination == .upstream(0) || datagram.destination == .upstream(1)
        else { return nil }
        return (try? OpenedDatagram(bytes, key: key))?.header.type
      }
    }
  }

  private static func answer(
    _ machine: Machine, of identity: SigningKey = testIdentity
  ) -> CommandMessage? {
    machine.sent.compactMap { datagram -> CommandMessage? in
      datagram.withBytes { bytes in
        guard let opened = try? OpenedDatagram(bytes, of: identity.publicKey) else { return nil }
        return (try? AnswerMessage(opened.payload))?.command
      }
    }.last
  }

  private static func audits(_ machine: Machine, with key: Key) -> [CommandMessage] {
    machine.sent.compactMap { datagram -> CommandMessage? in
      datagram.withBytes { bytes in
        guard let opened = try? OpenedDatagram(bytes, key: key) else { return nil }
        return (try? AuditMessage(opened.payload))?.command
      }
    }
  }

  @Test func theOldKeySealsUntilTheUpstreamAndTheDiskHaveTheNewOne() throws {
    let machine = try Self.machine()
    machine.disk = .isSilent
    machine.receive(Self.command(1))
    #expect(Self.answer(machine)?.result == .begun && Self.answer(machine)?.value == 1)
    #expect(Self.sealed(machine, with: testKey) == [.health, .audit])
    machine.forget()
    machine.tick(after(1))
    #expect(Self.sealed(machine, with: Self.newKey) == [.health], "the probe")
    // With the old key nothing is proven, and what happens goes with it.
    Self.acknowledge(machine, with: testKey)
    machine.forget()
    machine.tick(after(20))
    #expect(Self.sealed(machine, with: testKey).contains(.health))
    #expect(Self.sealed(machine, with: Self.newKey) == [.health] && machine.keptKeys.isEmpty)
    Self.acknowledge(machine, with: Self.newKey)
    machine.tick(after(21))
    #expect(machine.keptKeys.map(\.upstream) == [0])
    machine.forget()
    machine.receive(.health)
    #expect(Self.sealed(machine, with: testKey) == [.audit, .health], "the disk has not answered")
    let record = try #require(machine.keptKeys.first).record.bytes.withBytes { Array($0) }
    let kept = record.withUnsafeBufferPointer { KeyRecord.key($0, replacing: testKey) }
    #expect(kept == Self.newKey)
    machine.forget()
    machine.note(.keyKept(isDone: true))
    machine.carryOut()
    let audits = Self.audits(machine, with: Self.newKey)
    #expect(audits.map(\.result) == [.done] && audits.map(\.value) == [-1])
    #expect(audits.map(\.id) == [7], "that of the command")
    machine.forget()
    machine.receive(.uplinkKey)
    let told = Self.answer(machine, of: SigningKey(ofStation: Self.newKey))
    #expect(told?.value == -1, "signed with the pair of the new key")
    #expect(Self.answer(machine) == nil)
    #expect(Self.sealed(machine, with: testKey).isEmpty)
    // Whoever has the old key is nobody now.
    let before = machine.health.datagramsRejected
    Self.acknowledge(machine, with: testKey)
    #expect(machine.health.datagramsRejected == before + 1)
    Self.acknowledge(machine, with: Self.newKey)
    #expect(machine.health.datagramsRejected == before + 1)
  }

  /// The collector has not got it, or somebody mistyped.
  @Test func withoutAnAcknowledgementTheOldKeyStays() throws {
    let machine = try Self.machine()
    machine.receive(Self.command(1))
    for second in stride(from: 1.0, to: 599, by: 2) {
      machine.tick(after(second))
      Self.acknowledge(machine, with: testKey)
    }
    // Time passes by two seconds here, so that a probe goes every six.
    #expect(Self.sealed(machine, with: Self.newKey).count == 100)
    machine.forget()
    machine.tick(after(601))
    let end = Self.audits(machine, with: testKey).last
    #expect(end?.result == .impossible && end?.value == 0 && end?.id == 7)
    #expect(machine.keptKeys.isEmpty)
    // Too late.
    let before = machine.health.datagramsRejected
    Self.acknowledge(machine, with: Self.newKey)
    #expect(machine.health.datagramsRejected == before + 1)
    machine.forget()
    machine.receive(.uplinkKey)
    #expect(Self.answer(machine)?.value == 0)
    machine.receive(Self.command(1, issued: 601_500_000))
    #expect(Self.answer(machine)?.result == .begun, "it can be tried again")
  }

  @Test func aDiskThatRefusesIsAskedAgainAndThenNothingHasChanged() throws {
    let machine = try Self.machine()
    machine.disk = .refuses
    machine.receive(Self.command(1))
    machine.tick(after(1))
    Self.acknowledge(machine, with: Self.newKey)
    for second in stride(from: 2.0, to: 30, by: 1) { machine.tick(after(second)) }
    #expect(machine.keptKeys.count == 6)
    machine.forget()
    machine.tick(after(601))
    #expect(Self.audits(machine, with: testKey).last?.result == .impossible)
    machine.forget()
    machine.receive(.health)
    #expect(Self.sealed(machine, with: testKey) == [.audit, .health])
  }

  @Test func whatIsNoKeyForThisStationIsRefused() throws {
    let machine = try Self.machine { $0.secondKeys = UpstreamKeys(Self.secondKey) }
    var issued: UInt64 = 0
    func result(_ value: Int64, key: Key = Self.newKey, sealed: [UInt8]? = nil) -> CommandResult? {
      issued += 1
      machine.forget()
      machine.tick(after(Double(issued)))
      machine.receive(Self.command(value, key: key, sealed: sealed, issued: issued))
      return Self.answer(machine)?.result
    }
    #expect(result(0) == .outOfRange && result(3) == .outOfRange && result(-1) == .outOfRange)
    #expect(result(1, sealed: [UInt8](repeating: 5, count: 80)) == .outOfRange)
    #expect(result(1, key: Key(Octets())) == .outOfRange)
    #expect(result(1, key: testKey) == .outOfRange, "it has it")
    #expect(result(1, key: Self.secondKey) == .outOfRange, "the second upstream's")
    #expect(result(2, key: Self.secondKey) == .outOfRange)
    #expect(result(2) == .begun && result(1) == .impossible, "one at a time")
    machine.forget()
    machine.receive(Self.command(1, issued: 900_000_000, by: testWatcher))
    #expect(Self.answer(machine) == nil, "from the future")
    machine.receive(Self.command(1, issued: 1, by: testWatcher))
    #expect(Self.answer(machine)?.result == .notPermitted)
    // Without a key behind it, and where there is no disk.
    machine.forget()
    machine.receive(.uplinkKey, 1)
    #expect(Self.answer(machine)?.result == .impossible)
    let diskless = try Self.machine { $0.exchange = ExchangeKey() }
    diskless.receive(Self.command(1))
    #expect(Self.answer(diskless)?.result == .impossible)
  }

  @Test func theSecondUpstreamHasAKeyOfItsOwn() throws {
    let machine = try Self.machine { $0.secondKeys = UpstreamKeys(Self.secondKey) }
    machine.receive(Self.command(2))
    machine.tick(after(1))
    let probes = machine.sent.filter { datagram in
      datagram.withBytes { (try? OpenedDatagram($0, key: Self.newKey)) != nil }
    }
    #expect(probes.map(\.destination) == [.upstream(1)])
    Self.acknowledge(machine, with: Self.newKey)
    machine.tick(after(2))
    machine.forget()
    machine.receive(.health)
    #expect(Self.sealed(machine, with: testKey) == [.audit, .health])
    #expect(Self.sealed(machine, with: Self.newKey) == [.audit, .health])
    #expect(Self.sealed(machine, with: Self.secondKey).isEmpty)
    #expect(Self.answer(machine) != nil, "its own pair follows from the first key")
  }

  /// What waits for the upstream goes again with the key that counts when it goes.
  @Test func whatWaitsIsSealedAnew() throws {
    let machine = try Self.machine()
    machine.receive(Self.command(1))
    machine.tick(after(1))
    Self.acknowledge(machine, with: Self.newKey)
    machine.tick(after(2))
    machine.forget()
    for tenth in 20..<400 { machine.tick(after(Double(tenth) / 10)) }
    #expect(Self.sealed(machine, with: testKey).isEmpty)
    #expect(Self.sealed(machine, with: Self.newKey).filter { $0 == .audit }.count >= 3)
  }

  /// The first succeeds, and the second finds an upstream that does not have its key.
  @Test func aSecondTrialOfABootSaysHowItEndedItself() throws {
    let machine = try Self.machine()
    machine.receive(Self.command(1))
    machine.tick(after(1))
    Self.acknowledge(machine, with: Self.newKey)
    machine.tick(after(2))
    machine.receive(Self.command(1, key: Self.secondKey, issued: 2_000_000))
    for second in stride(from: 3.0, to: 605, by: 2) { machine.tick(after(second)) }
    let end = Self.audits(machine, with: Self.newKey).last
    #expect(end?.result == .impossible && end?.value == 0)
    machine.forget()
    machine.receive(.uplinkKey)
    #expect(Self.answer(machine, of: SigningKey(ofStation: Self.newKey))?.value == 0)
  }

  /// Somebody has recorded what the upstream sealed with that key when it had it.
  @Test func anAcknowledgementOfBeforeProvesNothing() throws {
    let machine = try Self.machine()
    machine.receive(.health)
    let old = machine.sequence
    machine.receive(Self.command(1, issued: 1000))
    machine.tick(after(1))
    Self.acknowledge(machine, with: Self.newKey, boot: 4)
    var acknowledgement = AcknowledgementMessage(boot: 5, sequence: old - 1)
    acknowledgement.stored = .max
    let header = Header(
      .acknowledgement, to: StationCode("XX.TEST..EH"), epoch: testEpoch, at: UTC(nanoseconds: 0))
    machine.receive(
      Datagram(header, key: Self.newKey) { acknowledgement.write(to: &$0) })
    machine.tick(after(10))
    #expect(machine.keptKeys.isEmpty)
    Self.acknowledge(machine, with: Self.newKey)
    machine.tick(after(20))
    #expect(machine.keptKeys.count == 1)
  }

  /// What an earlier boot kept under a key that has been replaced since.
  @Test func whatAnEarlierBootKeptGoesWithTheKeyOfNow() throws {
    var station = Station(stationSettings())
    let kept = Datagram(
      Header(.audit, to: StationCode("XX.TEST..EH"), epoch: testEpoch, at: UTC(nanoseconds: 0)),
      key: Self.newKey
    ) { AuditMessage(outcome()).write(to: &$0) }
    station.restore(
      OutboxRecord(
        place: 3, generation: 350, waiting: [1 << 3, 0], rank: 3, subject: 0, datagram: kept),
      lacking: 0b1)
    for second in [0, 1.5] {
      station.tick(after(second), clock: lockedClock(), isDelivering: true)
    }
    let header = Header(
      .acknowledgement, to: StationCode("XX.TEST..EH"), epoch: testEpoch, at: UTC(nanoseconds: 0))
    Datagram(header, key: testKey) { AcknowledgementMessage(boot: 5, sequence: 0).write(to: &$0) }
      .withBytes { station.receive($0, from: Address(ipv4: 1, port: 1)) }
    station.tick(after(3), clock: lockedClock(), isDelivering: true)
    var types: [MessageType] = []
    while let datagram = station.nextDatagram() {
      types.append(try open(datagram).type)
    }
    #expect(types.contains(.audit))
  }

  private func outcome() -> CommandMessage {
    var command = CommandMessage()
    command.result = .done
    return command
  }

  /// The same bytes that come again do not begin again.
  @Test func aRepeatedOrderIsAnsweredAgain() throws {
    let machine = try Self.machine()
    let order = Self.command(1)
    machine.receive(order)
    machine.receive(order)
    let answers = try machine.told(AnswerMessage.self).map(\.command.result)
    #expect(answers == [.begun, .begun])
    #expect(Self.audits(machine, with: testKey).count == 1)
  }
}
