// What waits for the upstream, on a disk that is cut off at any byte.

import Core
import Foundation
import Settings
import Station
import StationFixture
import Testing
import Uplink

@testable import Runtime

@Suite struct OutboxFileTests {
  private static func record(
    _ place: UInt8, _ generation: UInt64, waiting: UInt64, second: UInt64 = 0, id: UInt32
  ) -> OutboxRecord {
    var pick = PickMessage()
    pick.id = id
    let header = Header(
      type: .pick, station: StationCode("XX.TEST..EH"), epoch: testEpoch, bootCounter: 1,
      sequence: id, emitted: UTC(nanoseconds: 0), clockState: 0, clockSource: 0,
      clockUncertaintyNanoseconds: 0)
    return OutboxRecord(
      place: place, generation: generation, waiting: [waiting, second], rank: 3, subject: 1000 + id,
      datagram: Datagram(header, key: testKey) { pick.write(to: &$0) })
  }

  private static func bytes(_ record: OutboxRecord) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: OutboxFile.recordByteCount)
    bytes.withUnsafeMutableBufferPointer { OutboxFile.encode(record, into: $0) }
    return bytes
  }

  private static func ids(_ file: borrowing OutboxFile) throws -> [UInt32] {
    var records: [OutboxRecord] = []
    file.forEach { record, _ in records.append(record) }
    return try records.map { try #require(try message($0.datagram, as: PickMessage.self)).id }
  }

  private final class Disk {
    let files: StationFolder
    var path: URL { files.folder.appendingPathComponent("outbox") }
    init() throws { files = try StationFolder() }
    func open() -> OutboxFile { OutboxFile(in: Path(files.folder.path)) }
  }

  @Test func whatWasWrittenIsThere() throws {
    let disk = try Disk()
    let file = disk.open()
    #expect(file.isWhole)
    #expect(try Self.ids(file).isEmpty)
    #expect(file.write(Self.record(0, 1, waiting: 0b1, id: 10)))
    #expect(file.write(Self.record(63, 2, waiting: 1 << 63 | 1, id: 11)))
    #expect(file.write(Self.record(5, 3, waiting: 1 << 63 | 1 << 5, id: 12)))
    #expect(file.flush())
    // Place 0 was settled before the newest was written.
    #expect(try Self.ids(disk.open()) == [12, 11])
    let again = disk.open()
    var records: [OutboxRecord] = []
    again.forEach { record, _ in records.append(record) }
    #expect(records[0].place == 5 && records[0].generation == 3 && records[0].rank == 3)
    #expect(records[0].subject == 1012)
    #expect(
      records[0].datagram.withBytes { Array($0) }
        == Self.record(5, 3, waiting: 0, id: 12).datagram.withBytes { Array($0) })
  }

  @Test func eachUpstreamHasItsOwn() throws {
    let disk = try Disk()
    let file = disk.open()
    _ = file.write(Self.record(0, 1, waiting: 0b1, second: 0b1, id: 10))
    _ = file.write(Self.record(1, 2, waiting: 0b10, second: 0b11, id: 11))
    var lacking: [UInt8: UInt8] = [:]
    disk.open().forEach { lacking[$0.place] = $1 }
    #expect(lacking == [0: 0b10, 1: 0b11])
  }

  /// A power cut leaves so many bytes of a record, and behind them what was there before.
  @Test func aTornRecordIsNoneAtEveryByte() throws {
    let disk = try Disk()
    let file = disk.open()
    _ = file.write(Self.record(0, 1, waiting: 0b1, id: 10))
    _ = file.write(Self.record(1, 2, waiting: 0b11, id: 11))
    // What was in its place before was settled: the newest whole record does not name it.
    _ = file.write(Self.record(2, 3, waiting: 0b111, id: 12))
    _ = file.write(Self.record(3, 4, waiting: 0b1011, id: 13))
    let before = try Data(contentsOf: disk.path)
    let new = Self.bytes(Self.record(2, 5, waiting: 0b1111, id: 14))
    for count in 0...new.count {
      var torn = before
      torn.replaceSubrange(8192..<(8192 + count), with: new[..<count])
      try torn.write(to: disk.path)
      let ids = try Self.ids(disk.open())
      #expect(ids == (count == new.count ? [10, 11, 14, 13] : [10, 11, 13]), "\(count) bytes")
    }
  }

  /// The disk was full when it was made: it goes on where that ended, and takes nothing until then.
  @Test func whatWasMadeInPartKeepsWhatItHas() throws {
    let disk = try Disk()
    _ = disk.open().write(Self.record(0, 1, waiting: 0b1, id: 10))
    let whole = try Data(contentsOf: disk.path)
    try whole.prefix(5000).write(to: disk.path)
    let file = disk.open()
    #expect(file.isWhole)
    #expect(try Self.ids(file) == [10])
    try whole.prefix(5000).write(to: disk.path)
    #expect(!file.write(Self.record(1, 2, waiting: 0b11, id: 11)) || file.isWhole)
    let nowhere = OutboxFile()
    #expect(!nowhere.isWhole && !nowhere.write(Self.record(1, 2, waiting: 0b11, id: 11)))
  }

  /// A record in a foreign place, damaged ones, an empty and a short file.
  @Test func whatIsNoRecordIsNotRead() throws {
    let good = Self.record(7, 9, waiting: 1 << 7, id: 10)
    let bytes = Self.bytes(good)
    func read(_ bytes: [UInt8], at place: UInt8) -> OutboxRecord? {
      bytes.withUnsafeBufferPointer { OutboxFile.record($0, at: place) }
    }
    #expect(read(bytes, at: 7)?.generation == 9)
    #expect(read(bytes, at: 6) == nil)
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] ^= 0x10
      #expect(read(damaged, at: 7) == nil, "byte \(index)")
    }
    let disk = try Disk()
    for content in [Data(), Data(count: 4000), Data(repeating: 7, count: 64 * 4096)] {
      try content.write(to: disk.path)
      let file = disk.open()
      #expect(file.isWhole)
      #expect(try Self.ids(file).isEmpty)
    }
  }
}
