// OutboxFile: what waits for the upstream, on disk, so that a power cut takes none of it.
//
// A file that grows and is cut again makes the disk write its own books each time, and a card that
// stations live on for years wears out. A database is larger than the station.
//
// So the file has its full size from the first start: a block of 4096 bytes for each place of the
// outbox. A record is written into its own block and nothing else is, so that what is torn by a
// power cut is that record. It is sent again if it was sent, and otherwise nobody was told of it.
//
//   record   magic, generation, places that wait for each upstream, subject, rank, place, length,
//            datagram, CRC-32C: 440 bytes
//   newest   the whole record with the highest generation: it says which places wait
//
//     let file = OutboxFile(in: directory)
//     file.forEach { station.restore($0, lacking: $1) }
//     let isDone = file.write(record) && file.flush()

import CLinux
import Core
import Settings
import Station
import Uplink

struct OutboxFile {
  static let blockByteCount = 4096
  private static let sectorByteCount = 512
  static let recordByteCount = 40 + Wire.maximumByteCount
  static let byteCount = blockByteCount * Outbox.capacity
  private static let magic: UInt32 = 0x3258_424F  // "OBX2"
  /// -1 where there is none.
  private let descriptor: Int32

  /// Nowhere: nothing is kept.
  init() { descriptor = -1 }

  /// Makes it where it is not there, and goes on where it was not made to its end.
  init(in directory: Path) {
    var path = directory
    path.append("/outbox")
    descriptor = path.withCString { clinux_open_update($0) }
    let size = Int(clinux_file_size(descriptor))
    if descriptor >= 0, size < OutboxFile.byteCount {
      extend(from: max(size, 0))
      // A file whose name is not on disk is gone with all that was kept in it.
      _ = File.flush(directory)
    }
  }

  private func extend(from size: Int) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: OutboxFile.sectorByteCount) { zeros in
      zeros.update(repeating: 0)
      let first = (size + zeros.count - 1) / zeros.count * zeros.count
      for offset in stride(from: first, to: OutboxFile.byteCount, by: zeros.count) {
        _ = pwrite(descriptor, zeros.baseAddress, zeros.count, off_t(offset))
      }
    }
    _ = fsync(descriptor)
  }

  /// It is there with all its places.
  var isWhole: Bool { descriptor >= 0 && clinux_file_size(descriptor) >= OutboxFile.byteCount }

  /// Into its place; on disk when `flush` has come back.
  func write(_ record: OutboxRecord) -> Bool {
    guard isWhole else { return false }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: OutboxFile.recordByteCount) {
      bytes in
      OutboxFile.encode(record, into: bytes)
      let offset = Int(record.place) * OutboxFile.blockByteCount
      return pwrite(descriptor, bytes.baseAddress, bytes.count, off_t(offset)) == bytes.count
    }
  }

  func flush() -> Bool { fdatasync(descriptor) == 0 }

  /// Calls `body` with what waited when the last record was written, and the upstreams that lacked
  /// it.
  func forEach(_ body: (OutboxRecord, UInt8) -> Void) {
    var newest: OutboxRecord?
    for place in 0..<Outbox.capacity {
      if let record = read(place), record.generation > newest?.generation ?? 0 { newest = record }
    }
    guard let newest else { return }
    for place in 0..<Outbox.capacity {
      let lacking = newest.lacking(place)
      if lacking != 0, let record = read(place) { body(record, lacking) }
    }
  }

  private func read(_ place: Int) -> OutboxRecord? {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: OutboxFile.recordByteCount) { bytes in
      let offset = place * OutboxFile.blockByteCount
      guard pread(descriptor, bytes.baseAddress, bytes.count, off_t(offset)) == bytes.count
      else { return nil }
      return OutboxFile.record(UnsafeBufferPointer(bytes), at: UInt8(place))
    }
  }

  // MARK: Bytes

  static func encode(_ record: OutboxRecord, into bytes: UnsafeMutableBufferPointer<UInt8>) {
    bytes.update(repeating: 0)
    var writer = ByteWriter(bytes)
    writer.write(magic)
    writer.write(record.generation)
    writer.write(record.waiting[0])
    writer.write(record.waiting[1])
    writer.write(record.subject)
    writer.write(record.rank)
    writer.write(record.place)
    writer.write(UInt16(record.datagram.count))
    record.datagram.withBytes { writer.write($0) }
    let end = bytes.count - 4
    var tail = ByteWriter(UnsafeMutableBufferPointer(rebasing: bytes[end...]))
    tail.write(checksum(UnsafeBufferPointer(rebasing: bytes[..<end])))
  }

  /// nil for what is no whole record of that place.
  static func record(_ bytes: UnsafeBufferPointer<UInt8>, at place: UInt8) -> OutboxRecord? {
    let end = recordByteCount - 4
    var (reader, tail) = (
      ByteReader(bytes), ByteReader(UnsafeBufferPointer(rebasing: bytes[end...]))
    )
    guard reader.read(UInt32.self) == magic,
      tail.read(UInt32.self) == checksum(UnsafeBufferPointer(rebasing: bytes[..<end]))
    else { return nil }
    let generation = reader.read(UInt64.self)
    let waiting: InlineArray<2, UInt64> = [reader.read(UInt64.self), reader.read(UInt64.self)]
    let subject = reader.read(UInt32.self)
    let rank = reader.read(UInt8.self)
    guard reader.read(UInt8.self) == place else { return nil }
    let count = Int(reader.read(UInt16.self))
    guard count <= Wire.maximumByteCount, reader.remaining >= count,
      let datagram = Datagram(
        bytes: UnsafeBufferPointer(rebasing: bytes[reader.offset..<(reader.offset + count)]))
    else { return nil }
    return OutboxRecord(
      place: place, generation: generation, waiting: waiting, rank: rank, subject: subject,
      datagram: datagram)
  }

  private static func checksum(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt32 {
    var checksum = Checksum()
    checksum.add(UnsafeRawBufferPointer(bytes))
    return checksum.value
  }
}
