import Core
import Foundation
import Testing
import Tools

@testable import Uplink

@Suite struct WireFormatTests {
  /// Sizes are part of the contract: a field that is added or lost breaks every receiver.
  @Test func layoutsHaveTheirSizes() {
    let sizes: [MessageType: Int] = [
      .pick: 116, .estimate: 156, .alert: 112, .health: 296, .acknowledgement: 96, .audit: 128,
      .instrument: 328, .peaks: 120, .trial: 112, .network: 396,
      .ping: 144, .pong: 400, .command: 176, .answer: 176, .key: 256, .vote: 184,
    ]
    for (type, size) in sizes { #expect(Golden.datagram(type).count == size, "\(type)") }
  }

  @Test func messagesComeBackAsTheyWere() throws {
    for type in Golden.sealed + Golden.signed {
      try Golden.datagram(type).withBytes { bytes throws in
        let opened =
          type.isSigned
          ? try OpenedDatagram(bytes, of: Golden.identity.publicKey)
          : try OpenedDatagram(bytes, key: Golden.key)
        #expect(opened.header == Golden.header(type))
        switch type {
        case .pick: #expect(try PickMessage(opened.payload) == Golden.pick)
        case .health: #expect(try HealthMessage(opened.payload) == Golden.health)
        case .command: #expect(try CommandMessage(opened.payload) == Golden.command)
        case .answer: #expect(try AnswerMessage(opened.payload).command == Golden.command)
        case .instrument:
          let instrument = try InstrumentMessage(opened.payload)
          #expect(instrument.latitude == Golden.instrument.latitude)
          #expect(instrument.vertical == Golden.instrument.vertical)
          #expect(instrument.north == ComponentDescription())
          #expect(instrument.boardSerial.equals("4711") && instrument.estimatorChecksum == 7)
        case .audit: #expect(try AuditMessage(opened.payload).command == Golden.command)
        case .estimate: #expect(try EstimateMessage(opened.payload) == Golden.estimate)
        case .alert: #expect(try AlertMessage(opened.payload) == Golden.alert)
        case .peaks: #expect(try PeaksMessage(opened.payload) == Golden.peaks)
        case .trial: #expect(try TrialMessage(opened.payload) == Golden.trial)
        case .network:
          let message = try NetworkMessage(opened.payload)
          #expect(message.piece == Golden.piece)
          #expect(Array(message.data) == (0..<232).map { $0 < 200 ? UInt8($0) : 0 })
        case .key:
          let message = try KeyMessage(opened.payload)
          #expect(message.command == Golden.keyCommand)
          #expect(Array(message.sealed) == (0..<80).map(UInt8.init))
        case .vote: #expect(try VoteMessage(opened.payload) == Golden.vote)
        case .ping: #expect(try PingMessage(opened.payload).nonce == Golden.nonce)
        case .pong: #expect(try PongMessage(opened.payload) == Golden.pong)
        case .acknowledgement:
          #expect(try AcknowledgementMessage(opened.payload) == Golden.acknowledgement)
        }
      }
    }
  }

  /// Whatever bit is flipped, whatever is cut off: nothing of it is believed.
  @Test func everyFlippedBitAndEveryTruncationIsRefused() {
    for type in [MessageType.pick, .health, .ping, .vote] {
      var bytes = Golden.datagram(type).withBytes { Array($0) }
      for index in 0..<bytes.count {
        for bit in 0..<8 {
          bytes[index] ^= 1 << UInt8(bit)
          #expect(throws: DatagramError.self) { try open(bytes) }
          bytes[index] ^= 1 << UInt8(bit)
        }
        #expect(throws: DatagramError.self) { try open(Array(bytes[0..<index])) }
      }
      #expect(throws: Never.self) { try open(bytes) }
      #expect(throws: DatagramError.wrongLength) { try open(bytes + [0]) }
    }
  }

  private func open(_ bytes: [UInt8], key: Key? = Golden.key) throws {
    try bytes.withUnsafeBufferPointer { bytes in
      _ = try OpenedDatagram(bytes) { sealed in
        sealed.type.isSigned
          ? sealed.isSigned(by: Golden.identity.publicKey)
          : key.map { sealed.isSealed(with: $0) } ?? true
      }
    }
  }

  @Test func refusalsNameTheirReason() {
    let good = Golden.datagram(.pick).withBytes { Array($0) }
    func refusal(_ change: (inout [UInt8]) -> Void, key: Key? = nil) -> DatagramError? {
      var bytes = good
      change(&bytes)
      do {
        try open(bytes, key: key)
        return nil
      } catch { return error as? DatagramError }
    }
    #expect(refusal { $0 = Array($0[..<79]) } == .tooShort)
    #expect(refusal { $0 = [UInt8](repeating: 0, count: 401) } == .tooLong)
    #expect(refusal { $0[0] = 0x4E } == .notOurs)
    #expect(refusal { $0[4] = 1 } == .unknownVersion)
    #expect(refusal { $0[6] = 101 } == .wrongLength)
    #expect(refusal({ _ in }, key: Key(Octets(repeating: 9))) == .wrongTag)
    #expect(refusal { $0[5] = 17 } == .unknownType)
    #expect(refusal { $0[5] = 0 } == .unknownType)
    #expect(refusal { $0[8] = 0x80 } == .malformed)
    #expect(refusal { $0[56] = 4 } == .malformed)
    #expect(refusal { $0[58] = 1 } == .malformed)
    #expect(refusal { _ in } == nil)
  }

  @Test func payloadFieldsOutsideTheirRangeAreRefused() {
    let payload = Golden.datagram(.pick).withBytes { Array($0[64..<100]) }
    // 4, 5, 26: a fingerprint is that of a network's confirmed P. 35: it has 63 bits.
    for (offset, value) in [
      (4, 0), (4, 1), (4, 3), (4, 4), (5, 2), (5, 3), (6, 2), (7, 0), (7, 5), (26, 0), (26, 1),
      (27, 2), (35, 0x80),
    ] {
      var bytes = payload
      bytes[offset] = UInt8(value)
      #expect(throws: DatagramError.malformed) {
        try bytes.withUnsafeBufferPointer { _ = try PickMessage($0) }
      }
    }
    var probability = payload
    (probability[20], probability[21]) = (0x11, 0x27)  // 10001 ten-thousandths
    #expect(throws: DatagramError.malformed) {
      try probability.withUnsafeBufferPointer { _ = try PickMessage($0) }
    }
    // A network's pick has one flag that is known.
    for (flags, isKnown) in [(UInt8(0), true), (1, true), (2, false), (255, false)] {
      var network = payload
      (network[26], network[27]) = (2, flags)
      let pick = try? network.withUnsafeBufferPointer { try PickMessage($0) }
      #expect((pick != nil) == isKnown)
      #expect(pick?.isSeenByBaseline ?? (flags == 1) == (flags == 1))
    }
    let command = Golden.datagram(.command).withBytes { Array($0[64..<112]) }
    // The highest bit of the time, a life beyond ten minutes, a result and the reserved bytes.
    for (offset, value) in [(23, 0x80), (27, 1), (34, 9), (35, 1), (36, 1), (39, 1)] {
      var bytes = command
      bytes[offset] = UInt8(value)
      #expect(throws: DatagramError.malformed, "offset \(offset)") {
        try bytes.withUnsafeBufferPointer { _ = try CommandMessage($0) }
      }
    }
    var unanswered = command
    unanswered[34] = 0
    #expect(throws: Never.self) {
      try unanswered.withUnsafeBufferPointer { _ = try CommandMessage($0) }
    }
    #expect(throws: DatagramError.malformed, "an answer has a result") {
      try unanswered.withUnsafeBufferPointer { _ = try AnswerMessage($0) }
    }
    #expect(throws: DatagramError.malformed) {
      try unanswered.withUnsafeBufferPointer { _ = try AuditMessage($0) }
    }
    let health = Golden.datagram(.health).withBytes { Array($0[64..<280]) }
    for (offset, value) in [
      (76, 16), (144, 16), (93, 4), (145, 7), (184, 4), (185, 5), (186, 4), (187, 4), (189, 2),
      (191, 128), (206, 17), (207, 4),
    ] {
      var bytes = health
      bytes[offset] = UInt8(value)
      #expect(throws: DatagramError.malformed, "offset \(offset)") {
        try bytes.withUnsafeBufferPointer { _ = try HealthMessage($0) }
      }
    }
  }

  @Test func estimatesAndAlertsOutsideTheirRangesAreRefused() {
    let estimate = Golden.datagram(.estimate).withBytes { Array($0[64..<140]) }
    // Class, flags, after_p unknown, reserved; a NaN that is not the unknown one, −0, infinity.
    let changes: [[Int: UInt8]] = [
      [6: 7], [7: 16], [4: 255, 5: 255], [74: 1], [16: 0x11, 17: 0x27], [28: 0xA0, 29: 0x8C],
      [30: 0x51, 31: 0x46], [60: 0xB1, 61: 0x04], [35: 0x7F, 34: 0xC0, 32: 1], [39: 0x80],
      [43: 0x7F, 42: 0x80, 41: 0, 40: 0], [67: 0xBF],
    ]
    for change in changes {
      var bytes = estimate
      for (offset, value) in change { bytes[offset] = value }
      #expect(throws: DatagramError.malformed, "\(change)") {
        try bytes.withUnsafeBufferPointer { _ = try EstimateMessage($0) }
      }
    }
    let alert = Golden.datagram(.alert).withBytes { Array($0[64..<96]) }
    for (offset, value) in [
      (24, 0), (24, 4), (25, 0), (25, 12), (26, 4), (27, 2), (29, 64), (31, 1), (0, 0),
    ] {
      var bytes = alert
      bytes[offset] = UInt8(value)
      #expect(throws: DatagramError.malformed, "offset \(offset)") {
        try bytes.withUnsafeBufferPointer { _ = try AlertMessage($0) }
      }
    }
    #expect(throws: DatagramError.malformed) {
      try alert[..<31].withUnsafeBufferPointer { _ = try AlertMessage($0) }
    }
  }

  /// A latitude beyond the pole, a depth above the ground, a direction of 360°, a fifth lane, a quantity
  /// that is none, a negative sensitivity, and text that is none.
  @Test func instrumentsOutsideTheirRangesAreRefused() {
    let instrument = Golden.datagram(.instrument).withBytes { Array($0[64..<312]) }
    let changes: [[Int: UInt8]] = [
      [0: 1, 1: 0xE9, 2: 0xA4, 3: 0x35], [12: 0xFF, 13: 0xFF, 14: 0xFF, 15: 0xFF],
      [16: 0xA0, 17: 0x8C], [18: 16], [19: 3], [55: 0xC9], [24: 0x80], [25: 0],
    ]
    for change in changes {
      var bytes = instrument
      for (offset, value) in change { bytes[offset] = value }
      #expect(throws: DatagramError.malformed, "\(change)") {
        try bytes.withUnsafeBufferPointer { _ = try InstrumentMessage($0) }
      }
    }
  }

  /// A time beyond all times, no bytes, more than can be, a piece beyond the last, what is reserved, and another size.
  @Test func piecesOutsideTheirFileAreRefused() {
    let good = Golden.datagram(.network).withBytes { Array($0[64..<332]) }
    for change: [Int: UInt8] in [
      [23: 0x80], [28: 0, 29: 0, 30: 0, 31: 0], [30: 15], [32: 4], [34: 1],
    ] {
      var bytes = good
      for (offset, value) in change { bytes[offset] = value }
      #expect(throws: DatagramError.malformed, "\(change)") {
        try bytes.withUnsafeBufferPointer { _ = try NetworkMessage($0) }
      }
    }
    #expect(throws: DatagramError.malformed) {
      try good.dropLast().withUnsafeBufferPointer { _ = try NetworkMessage($0) }
    }
  }

  /// What does not fit a physical quantity is unknown, never a number.
  @Test func floatsAreQuantitiesOrUnknown() {
    for value in [Double.nan, .infinity, -1, 1e300] { #expect(WireFloat(value).value == nil) }
    #expect(WireFloat(nil) == .unknown)
    #expect(WireFloat(0).value == 0 && WireFloat(0.5).value == 0.5)
  }

  @Test func anAcknowledgementSettlesWhatItNames() {
    var message = AcknowledgementMessage(boot: 3, sequence: 100)
    #expect(message.settles(100) && !message.settles(99) && !message.settles(101))
    message.stored = 1 << 63 | 1 << 5
    #expect(message.settles(37) && message.settles(95) && !message.settles(100))
    #expect(!message.settles(36), "beyond what it can speak of")
    message.sequence = 3
    message.stored = .max
    #expect(message.settles(0) && !message.settles(4) && !message.settles(.max))
  }
}
