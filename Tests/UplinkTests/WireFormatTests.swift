import Core
import Foundation
import Testing
import Tools

@testable import Uplink

@Suite struct WireFormatTests {
  /// Sizes are part of the contract: a field that is added or lost breaks every receiver.
  @Test func layoutsHaveTheirSizes() {
    #expect(Golden.datagram(.pick).count == 100)
    #expect(Golden.datagram(.health).count == 264)
    #expect(Golden.datagram(.ping).count == 80)
    #expect(Golden.datagram(.pong).count == 272)
    #expect(Golden.datagram(.command).count == 104)
    #expect(Golden.datagram(.pick).count <= 200)
  }

  @Test func messagesComeBackAsTheyWere() throws {
    for type in [MessageType.pick, .health, .ping, .pong, .command] {
      try Golden.datagram(type).withBytes { bytes throws in
        let opened = try OpenedDatagram(bytes, key: Golden.key)
        #expect(opened.header == Golden.header(type))
        switch type {
        case .pick: #expect(try PickMessage(opened.payload) == Golden.pick)
        case .health: #expect(try HealthMessage(opened.payload) == Golden.health)
        case .command: #expect(try CommandMessage(opened.payload) == Golden.command)
        case .ping: #expect(try PingMessage(opened.payload) == PingMessage(nonce: Golden.nonce))
        default:
          let pong = try PongMessage(opened.payload)
          #expect(pong == PongMessage(nonce: Golden.nonce, health: Golden.health))
        }
      }
    }
  }

  /// Whatever bit is flipped, whatever is cut off: nothing of it is believed.
  @Test func everyFlippedBitAndEveryTruncationIsRefused() {
    for type in [MessageType.pick, .health] {
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
    try bytes.withUnsafeBufferPointer { _ = try OpenedDatagram($0, key: key) }
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
    #expect(refusal { $0 = Array($0[..<71]) } == .tooShort)
    #expect(refusal { $0 = [UInt8](repeating: 0, count: 401) } == .tooLong)
    #expect(refusal { $0[0] = 0x4E } == .notOurs)
    #expect(refusal { $0[4] = 2 } == .unknownVersion)
    #expect(refusal { $0[6] = 101 } == .wrongLength)
    #expect(refusal({ _ in }, key: Key(InlineArray(repeating: 9))) == .wrongTag)
    #expect(refusal { $0[5] = 9 } == .unknownType)
    #expect(refusal { $0[5] = 0 } == .unknownType)
    #expect(refusal { $0[8] = 0x80 } == .malformed)
    #expect(refusal { $0[48] = 4 } == .malformed)
    #expect(refusal { $0[50] = 1 } == .malformed)
    #expect(refusal { _ in } == nil)
  }

  @Test func payloadFieldsOutsideTheirRangeAreRefused() {
    let payload = Golden.datagram(.pick).withBytes { Array($0[56..<84]) }
    // 27: a flag of a network's pick, but this is STA/LTA's.
    for (offset, value) in [(4, 0), (4, 4), (5, 3), (6, 2), (7, 0), (7, 5), (26, 0), (27, 1)] {
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
    // Of a network's pick one flag is known.
    for (flags, isKnown) in [(UInt8(0), true), (1, true), (2, false), (255, false)] {
      var network = payload
      (network[26], network[27]) = (2, flags)
      let pick = try? network.withUnsafeBufferPointer { try PickMessage($0) }
      #expect((pick != nil) == isKnown)
      #expect(pick?.isSeenByBaseline ?? (flags == 1) == (flags == 1))
    }
    let command = Golden.datagram(.command).withBytes { Array($0[56..<88]) }
    for (offset, value) in [(7, 0x80), (14, 6), (15, 1)] {
      var bytes = command
      bytes[offset] = UInt8(value)
      #expect(throws: DatagramError.malformed, "offset \(offset)") {
        try bytes.withUnsafeBufferPointer { _ = try CommandMessage($0) }
      }
    }
    let never = [UInt8](repeating: 0, count: 8) + command[8...]
    #expect(throws: DatagramError.malformed, "a counter of 0 is above none") {
      try never.withUnsafeBufferPointer { _ = try CommandMessage($0) }
    }
    let health = Golden.datagram(.health).withBytes { Array($0[56..<248]) }
    for (offset, value) in [(76, 16), (144, 8), (93, 4), (145, 7)] {
      var bytes = health
      bytes[offset] = UInt8(value)
      #expect(throws: DatagramError.malformed, "offset \(offset)") {
        try bytes.withUnsafeBufferPointer { _ = try HealthMessage($0) }
      }
    }
  }

  @Test func reservedTypesAreOpenedAndNotRead() throws {
    let header = Golden.header(.alert)
    let datagram = Datagram(header, key: Golden.key) { $0.write(UInt64(7)) }
    try datagram.withBytes { bytes throws in
      let opened = try OpenedDatagram(bytes, key: Golden.key)
      #expect(opened.header.type.isReserved)
      #expect(try JsonLine.text(opened).hasPrefix("{\"type\":\"alert\",\"payload_bytes\":8,"))
    }
  }
}
