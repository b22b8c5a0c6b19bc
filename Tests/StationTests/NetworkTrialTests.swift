// A network over the air: its pieces, its time in the shadow, and its first boot.

import Conditioning
import Core
import Picker
import StationFixture
import Testing
import Uplink

@testable import Station

@Suite struct NetworkTrialTests {
  private static let fileByteCount = 1000
  private static let checksum: UInt32 = 0xCAFE_F00D

  private static func piece(
    _ number: UInt16, checksum: UInt32 = checksum, begun: UInt64 = 1,
    bootNonce: UInt64 = testBootNonce, key: SigningKey = testOperator
  ) -> Datagram {
    var piece = NetworkPiece()
    (piece.giver, piece.bootNonce) = (key.publicKey.name, bootNonce)
    (piece.checksum, piece.fileByteCount) = (checksum, UInt32(fileByteCount))
    piece.begunMicroseconds = begun
    piece.number = number
    let header = Header(
      .network, to: StationCode("XX.TEST..EH"), epoch: testEpoch, at: UTC(nanoseconds: 0))
    let data = [UInt8](repeating: UInt8(number), count: 232)
    return data.withUnsafeBufferPointer { data in
      Datagram(header, signedBy: key) { NetworkMessage(piece, data: data).write(to: &$0) }
    }
  }

  private static func machine(
    _ change: (inout StationSettings) -> Void = { $0.takesNetworks = true }
  ) throws -> Machine {
    let machine = try Machine(change)
    machine.tick(after(0), isDelivering: true)
    machine.forget()
    return machine
  }

  /// The newest answer to a piece.
  private static func answer(_ machine: Machine) throws -> CommandMessage? {
    try machine.told(AnswerMessage.self).last?.command
  }

  /// A picker that finds what STA/LTA finds.
  private static func shadow() -> UnsafeMutablePointer<Picker> {
    let place = UnsafeMutablePointer<Picker>.allocate(capacity: 1)
    place.initialize(to: Picker(PickerSettings(), presentLanes: 0b111))
    return place
  }

  /// A machine with a network in the shadow.
  private static func withShadow(_ body: (Machine) throws -> Void) throws {
    let machine = try machine()
    for number in 0..<5 as Range<UInt16> { machine.receive(piece(number)) }
    let shadow = shadow()
    machine.note(.networkExamined(shadow, checksum: 0xBEEF, number: 1))
    machine.carryOut()
    try body(machine)
    shadow.deinitialize(count: 1)
    shadow.deallocate()
  }

  private static func exchange(_ machine: Machine, _ value: Int64?) throws -> CommandMessage? {
    machine.receive(.network, value ?? CommandMessage.noValue)
    return try answer(machine)
  }

  @Test func piecesMayComeInAnyOrderAndTwice() throws {
    let machine = try Self.machine()
    let missing: [Int64] = try ([3, 0, 0, 4, 1, 2] as [UInt16]).map {
      machine.receive(Self.piece($0))
      return try #require(try Self.answer(machine)).value
    }
    #expect(missing == [0, 1, 1, 1, 2, 5])
    var writes: [(offset: Int, count: Int)] = []
    var examined: [(UInt32, Int)] = []
    for order in machine.orders {
      switch order {
      case .keep(let write): writes.append((write.offset, write.count))
      case .examine(let checksum, let count, _): examined.append((checksum, count))
      default: Issue.record("\(order)")
      }
    }
    #expect(writes.map(\.offset) == [696, 0, 928, 232, 464])
    #expect(writes.map(\.count) == [232, 232, 72, 232, 232])
    #expect(examined.count == 1 && examined[0] == (Self.checksum, Self.fileByteCount))
  }

  /// Nobody without the right, no other boot's, none where networks are not taken.
  @Test func whoMayNotUpdateSendsNothing() throws {
    let machine = try Self.machine()
    machine.receive(Self.piece(0, key: testWatcher))
    machine.receive(Self.piece(0, bootNonce: 1))
    var forged = Self.piece(0)
    forged.seal(with: testKey)
    machine.receive(forged)
    #expect(machine.sent.isEmpty && machine.orders.isEmpty)
    #expect(machine.health.datagramsRejected == 3)
    let unwilling = try Self.machine { _ in }
    unwilling.receive(Self.piece(0))
    #expect(try Self.answer(unwilling)?.result == .impossible && unwilling.orders.isEmpty)
    #expect(try Self.exchange(unwilling, 0)?.result == .impossible)
  }

  /// 64 signatures a second are looked at.
  @Test func aFloodOfPiecesIsCut() throws {
    let machine = try Self.machine()
    for _ in 0..<100 { machine.receive(Self.piece(0)) }
    #expect(try machine.told(AnswerMessage.self).count == 64)
    machine.tick(after(1), isDelivering: true)
    machine.receive(Self.piece(1))
    #expect(try machine.told(AnswerMessage.self).count == 65)
  }

  @Test func whatIsRefusedMayComeAgain() throws {
    let machine = try Self.machine()
    for number in 0..<5 as Range<UInt16> { machine.receive(Self.piece(number)) }
    // While it is examined, no other.
    machine.receive(Self.piece(0, checksum: 1, begun: 2))
    #expect(try Self.answer(machine)?.result == .impossible)
    // An examination that was given up answers late.
    let stray = Self.shadow()
    machine.note(.networkExamined(stray, checksum: 1, number: 0))
    machine.carryOut()
    #expect(try machine.told(TrialMessage.self).isEmpty)
    machine.note(.networkExamined(nil, checksum: 0, number: 1))
    machine.carryOut()
    #expect(try machine.told(TrialMessage.self).map(\.state) == [.refused])
    #expect(try Self.exchange(machine, 60)?.result == .impossible)
    // The tool learns of it by the answer to a piece that comes again.
    machine.receive(Self.piece(4))
    #expect(try Self.answer(machine)?.result == .impossible)
    machine.receive(Self.piece(0, checksum: 1, begun: 3))
    #expect(try Self.answer(machine)?.value == 1)
    stray.deinitialize(count: 1)
    stray.deallocate()
  }

  /// Recorded pieces of a file that came before, and those of the future.
  @Test func whatIsNotNewerBeginsNothing() throws {
    let machine = try Self.machine()
    machine.receive(Self.piece(0, begun: 9_000_000))
    #expect(try Self.answer(machine)?.result == .impossible, "it would lock all others out")
    machine.receive(Self.piece(0, begun: 500))
    machine.receive(Self.piece(1, checksum: 1, begun: 400))
    #expect(try Self.answer(machine)?.result == .impossible)
    machine.receive(Self.piece(1, begun: 500))
    #expect(try Self.answer(machine)?.value == 2)
    machine.receive(Self.piece(1, checksum: 1, begun: 501))
    #expect(try Self.answer(machine)?.value == 0)
  }

  /// What the disk does not take comes again; what it has not taken yet is waited for.
  @Test func aStalledDiskLosesNoPiece() throws {
    let machine = try Self.machine()
    machine.keepsPieces = false
    machine.receive(Self.piece(0))
    machine.note(.networkKept(isDone: false))
    machine.receive(Self.piece(1))
    #expect(try Self.answer(machine)?.result == .impossible, "that file has a hole")
    machine.receive(Self.piece(0, begun: 2))
    #expect(try Self.answer(machine)?.value == 1)
    machine.note(.networkKept(isDone: true))
    for number in 1..<5 as Range<UInt16> { machine.receive(Self.piece(number, begun: 2)) }
    func isExamined() -> Bool {
      machine.orders.contains { if case .examine = $0 { true } else { false } }
    }
    #expect(!isExamined(), "its last pieces are under way")
    for _ in 1..<5 { machine.note(.networkKept(isDone: true)) }
    machine.carryOut()
    #expect(isExamined())
  }

  @Test func theShadowIsComparedAndObeyedByNobody() throws {
    try Self.withShadow { machine in
      #expect(try machine.told(TrialMessage.self).map(\.checksum) == [0xBEEF])
      machine.feed(strongFrames(seconds: 60))
      #expect(try machine.told(PickMessage.self).filter { $0.status == 2 }.count == 1)
      machine.forget()
      #expect(try Self.exchange(machine, 3600)?.value == 3600)
      #expect(try Self.exchange(machine, -3)?.result == .outOfRange)
      #expect(try Self.exchange(machine, -1)?.result == .done)
      let trial = try #require(try machine.told(TrialMessage.self).last)
      #expect(trial.state == .forgotten && (58...60).contains(trial.seconds))
      #expect((trial.both, trial.liveOnly, trial.shadowOnly) == (1, 0, 0))
      guard case .forget? = machine.orders.last else {
        Issue.record("\(machine.orders)")
        return
      }
    }
  }

  /// What only one of two has found, is counted after ten seconds.
  @Test func differencesAreCounted() {
    func pick(_ seconds: Double, _ phase: PickPhase = .p) -> Pick {
      Pick(
        id: 1, status: .confirmed, phase: phase,
        time: streamStart + Int64(seconds * 1e9), timeSigmaSeconds: 0.1, probability: nil,
        firstMotion: .unclear, firstMotionProbability: nil, signalToNoiseDecibels: 10,
        quality: .a)
    }
    var comparison = PickComparison()
    comparison.add(pick(10), isShadow: false)
    comparison.add(pick(10.2), isShadow: true)
    comparison.add(pick(20), isShadow: false)
    comparison.add(pick(20.1, .s), isShadow: true)
    comparison.add(pick(30), isShadow: true)
    comparison.pass(streamStart + 30_000_000_000)
    #expect(comparison.both == 1 && comparison.largest == 200_000_000)
    #expect(comparison.liveOnly == 0 && comparison.shadowOnly == 0)
    comparison.pass(streamStart + 45_000_000_000)
    #expect(comparison.liveOnly == 1 && comparison.shadowOnly == 2)
    for second in 0..<40 { comparison.add(pick(Double(100 + 2 * second)), isShadow: true) }
    comparison.pass(streamStart + 500_000_000_000)
    #expect(comparison.shadowOnly == 42, "none is lost where many wait")
  }

  /// Not during an event, and not at all where the disk refuses.
  @Test func itIsSwitchedWhenNothingHappens() throws {
    try Self.withShadow { machine in
      machine.feed(strongFrames(seconds: 30))
      machine.forget()
      _ = try Self.exchange(machine, 0)
      machine.tick(after(31), isDelivering: true)
      #expect(machine.orders.isEmpty, "an earthquake's minute is not over")
      for second in 32..<200 { machine.tick(after(Double(second)), isDelivering: true) }
      guard machine.orders.count == 1, case .switchOver = machine.orders[0] else {
        Issue.record("\(machine.orders)")
        return
      }
      machine.note(.networkSwitched(isDone: false))
      machine.carryOut()
      #expect(try machine.told(TrialMessage.self).last?.state == .refused)
      #expect(!machine.log.contains("restart"))
      _ = try Self.exchange(machine, 0)
      machine.tick(after(201), isDelivering: true)
      machine.note(.networkSwitched(isDone: true))
      machine.carryOut()
      #expect(try machine.told(TrialMessage.self).last?.state == .switched)
      machine.tick(after(202), isDelivering: true)
      #expect(machine.log.contains("restart"))
    }
  }

  /// The disk takes seconds, and an earthquake begins meanwhile: its alarm is not cut off.
  @Test func anAlarmBetweenOrderAndOutcomeIsWaitedFor() throws {
    try Self.withShadow { machine in
      let frames = strongFrames(seconds: 100)
      machine.feed(Array(frames[..<1500]))
      _ = try Self.exchange(machine, 0)
      machine.feed(Array(frames[1500..<1504]), firstFrame: 1500)
      guard case .switchOver? = machine.orders.last else {
        Issue.record("\(machine.orders)")
        return
      }
      machine.feed(Array(frames[1504..<2400]), firstFrame: 1504)
      #expect(machine.wantsRelay)
      machine.note(.networkSwitched(isDone: true))
      machine.carryOut()
      machine.feed(Array(frames[2400..<3000]), firstFrame: 2400)
      #expect(!machine.log.contains("restart"))
      #expect(try Self.exchange(machine, -1)?.result == .impossible, "the next boot has it")
      for second in 31..<300 { machine.tick(after(Double(second)), isDelivering: true) }
      #expect(machine.log.contains("restart") && !machine.wantsRelay)
    }
  }

  private static func acknowledgement(of boot: UInt32) -> Datagram {
    let header = Header(
      .acknowledgement, to: StationCode("XX.TEST..EH"), epoch: testEpoch, at: streamStart)
    return Datagram(header, key: testKey) {
      AcknowledgementMessage(boot: boot, sequence: 0).write(to: &$0)
    }
  }

  /// It has to hear the ground, and to be heard.
  @Test func theFirstBootIsItsTrial() throws {
    let machine = try Self.machine { $0.networkStart = .trial }
    machine.feed(Array(strongFrames(seconds: 60)[..<400]))
    // A recorded one of another boot is no proof.
    machine.receive(Self.acknowledgement(of: 4))
    machine.feed(Array(strongFrames(seconds: 60)[400..<3100]), firstFrame: 400)
    #expect(machine.orders.isEmpty)
    machine.receive(Self.acknowledgement(of: 5))
    machine.feed(Array(strongFrames(seconds: 60)[3100..<3200]), firstFrame: 3100)
    guard machine.orders.count == 1, case .accept = machine.orders[0] else {
      Issue.record("\(machine.orders)")
      return
    }
    // It goes again, until it is acknowledged.
    #expect(try machine.told(TrialMessage.self).isEmpty, "it is not on disk yet")
    machine.note(.networkAccepted(isDone: false))
    machine.tick(after(33), isDelivering: true)
    #expect(machine.orders.count == 2, "it is ordered again")
    machine.note(.networkAccepted(isDone: true))
    machine.carryOut()
    #expect(Set(try machine.told(TrialMessage.self).map(\.state)) == [.accepted])
  }

  @Test func whoIsNotHeardGoesBack() throws {
    let machine = try Self.machine { $0.networkStart = .trial }
    machine.tick(after(3899), isDelivering: true)
    #expect(!machine.log.contains("restart"))
    machine.tick(after(3902), isDelivering: true)
    #expect(machine.log.contains("restart") && machine.orders.isEmpty)
    let next = try Machine { $0.networkStart = .rolledBack }
    next.tick(after(0), isDelivering: true)
    #expect(try next.told(TrialMessage.self).map(\.state) == [.rolledBack])
  }
}
