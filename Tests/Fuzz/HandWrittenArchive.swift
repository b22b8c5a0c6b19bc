// .npz archives written field by field after APPNOTE.TXT 6.3 and NEP 1, for what NumPy does not do:
// ZIP64 where it is not needed, and headers that lie.

import Foundation
import Tools

/// Stored .npy members one after another, and their directory.
struct HandWrittenArchive {
  struct Member {
    var name: String
    /// The .npy file.
    var content: [UInt8]
    /// 0 stored, 8 deflated.
    var method = 0
    /// What the directory claims; nil for the truth.
    var claimedCount: Int?
    var claimedOffset: Int?
    var checksum: UInt32?
  }

  var members: [Member] = []
  var isZip64 = false
  var comment: [UInt8] = []

  mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
    let bytes = values.flatMap { Self.number($0.bitPattern, 4) }
    members.append(Member(name: name, content: Self.npy(type: "'<f4'", shape: shape, bytes)))
  }

  static func npy(
    type: String, shape: [Int], isFortran: Bool = false, version: UInt8 = 1, _ bytes: [UInt8]
  ) -> [UInt8] {
    let sizes = shape.map { "\($0)," }.joined(separator: " ")
    var header =
      "{'descr': \(type), 'fortran_order': \(isFortran ? "True" : "False"), 'shape': (\(sizes)), }"
    let prefix = version == 1 ? 10 : 12
    while (prefix + header.utf8.count + 1) % 64 > 0 { header += " " }
    header += "\n"
    return [0x93] + Array("NUMPY".utf8) + [version, 0]
      + number(header.utf8.count, version == 1 ? 2 : 4) + Array(header.utf8) + bytes
  }

  static func number<Value: FixedWidthInteger>(_ value: Value, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  var bytes: [UInt8] {
    func number(_ value: Int, _ count: Int) -> [UInt8] { Self.number(value, count) }
    var out: [UInt8] = []
    var directory: [UInt8] = []
    for member in members {
      let name = Array((member.name + ".npy").utf8)
      let checksum = Self.number(member.checksum ?? NumpyArchive.checksum(member.content), 4)
      let offset = member.claimedOffset ?? out.count
      let count = member.claimedCount ?? member.content.count
      let sizes =
        isZip64 ? [UInt8](repeating: 0xFF, count: 8) : number(count, 4) + number(count, 4)
      let long = isZip64 ? number(1, 2) + number(16, 2) + number(count, 8) + number(count, 8) : []
      let longer =
        isZip64 ? number(1, 2) + number(24, 2) + long.dropFirst(4) + number(offset, 8) : []
      let common =
        number(isZip64 ? 45 : 20, 2) + number(0, 2) + number(member.method, 2) + number(0, 4)
        + checksum + sizes + number(name.count, 2)
      out += number(0x0403_4B50, 4) + common + number(long.count, 2) + name + long + member.content
      directory += number(0x0201_4B50, 4) + number(20, 2) + common + number(longer.count, 2)
      directory += number(0, 10) + (isZip64 ? number(0xFFFF_FFFF, 4) : number(offset, 4))
      directory += name + longer
    }
    let start = out.count
    out += directory
    var (count, place) = (members.count, start)
    if isZip64 {
      let record = out.count
      out += number(0x0606_4B50, 4) + number(44, 8) + number(45, 2) + number(45, 2) + number(0, 8)
      out += number(count, 8) + number(count, 8) + number(directory.count, 8) + number(start, 8)
      out += number(0x0706_4B50, 4) + number(0, 4) + number(record, 8) + number(1, 4)
      (count, place) = (0xFFFF, 0xFFFF_FFFF)
    }
    out += number(0x0605_4B50, 4) + number(0, 4) + number(count, 2) + number(count, 2)
    out += number(directory.count, 4) + number(place, 4) + number(comment.count, 2) + comment
    return out
  }

  var data: Data { Data(bytes) }
}
