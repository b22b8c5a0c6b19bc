// miniSEED 2 records written field by field after the SEED manual (FDSN, version 2.4, chapter 8),
// for what the packer does not do: other encodings than Steim2, and headers that lie.

/// One record: a fixed header of 48 bytes, blockette 1000, data from byte 64 on.
struct HandWrittenRecord {
  enum Encoding: UInt8 { case ascii = 0, int16 = 1, int32 = 3, float32 = 4, float64 = 5 }

  var network = "XX"
  var station = "ONST1"
  var location = "00"
  var channel = "EHZ"
  var year = 2020
  var dayOfYear = 61
  var hour = 0
  var minute = 0
  var second = 0
  /// 0.0001 s
  var tenThousandths = 0
  var rateFactor = 100
  var rateMultiplier = 1
  var encoding = Encoding.int32
  /// The record is 2 to this power long.
  var lengthExponent = 9
  var values: [Double] = []
  /// What the header claims; nil for the truth.
  var claimedCount: Int?

  var bytes: [UInt8] {
    var out = Array("000001D ".utf8)
    func text(_ value: String, _ width: Int) {
      out += Array(value.utf8).prefix(width)
      out += Array(repeating: UInt8(ascii: " "), count: max(width - value.utf8.count, 0))
    }
    func number<Value: FixedWidthInteger>(_ value: Value) {
      withUnsafeBytes(of: value.bigEndian) { out += $0 }
    }
    text(station, 5)
    text(location, 2)
    text(channel, 3)
    text(network, 2)
    number(UInt16(truncatingIfNeeded: year))
    number(UInt16(truncatingIfNeeded: dayOfYear))
    for value in [hour, minute, second, 0] { out.append(UInt8(truncatingIfNeeded: value)) }
    number(UInt16(truncatingIfNeeded: tenThousandths))
    number(UInt16(truncatingIfNeeded: claimedCount ?? values.count))
    number(Int16(truncatingIfNeeded: rateFactor))
    number(Int16(truncatingIfNeeded: rateMultiplier))
    out += [0, 0, 0, 1]  // flags, and one blockette
    number(Int32(0))
    number(UInt16(64))  // where the data begin
    number(UInt16(48))  // where the first blockette begins
    number(UInt16(1000))
    number(UInt16(0))  // none follows
    out += [encoding.rawValue, 1, UInt8(lengthExponent), 0]
    out += Array(repeating: 0, count: 8)
    for value in values {
      switch encoding {
      case .ascii: out.append(UInt8(value))
      case .int16: number(Int16(value))
      case .int32: number(Int32(value))
      case .float32: number(Float(value).bitPattern)
      case .float64: number(value.bitPattern)
      }
    }
    let length = 1 << lengthExponent
    precondition(out.count <= length, "the values do not fit into the record")
    return out + Array(repeating: 0, count: length - out.count)
  }
}
