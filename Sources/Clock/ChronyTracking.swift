// ChronyTracking: what chronyd says of how it keeps the machine's clock, over its command protocol.
//
// The kernel's own view has an error and no source. chronyd answers whoever asks on this machine, on
// UDP port 323, with its reference, how many steps from a reference clock it is, and how far off the
// way there may make it (protocol version 6; the layout is that of chronyd's own answers).
//
//   request   version, packet type 1, two zeros, command, attempt, sequence, padding up to the
//             answer's size, because nobody is to be answered with more than was asked
//   answer    version, packet type 2, two zeros, command, reply, status, …, sequence, …, figures
//
//     let request = ChronyTracking.request(sequence: 7)
//     if let tracking = ChronyTracking(answer, sequence: 7) { … }

import Core

public struct ChronyTracking: Equatable, Sendable {
  public static var port: UInt16 { 323 }
  public static var byteCount: Int { 104 }

  private static let version: UInt8 = 6
  private static let requestType: UInt8 = 1
  private static let answerType: UInt8 = 2
  private static let command: UInt16 = 33
  private static let reply: UInt16 = 5
  // Where the figures are.
  private static let referencePlace = 28
  private static let stratumPlace = 52
  private static let leapPlace = 54
  private static let rootDelayPlace = 92
  private static let rootDispersionPlace = 96
  /// chronyd follows nobody.
  private static let leapUnsynchronised: UInt16 = 3
  private static let stratumMaximum: UInt16 = 16

  /// An IPv4 address, or four letters such as PPS; 0 where it follows nobody.
  public var reference: UInt32
  /// Steps to a reference clock; 0 where it follows nobody.
  public var stratum: UInt8
  /// Half of the way there and back, and what the clocks on it may have drifted.
  public var rootDistanceMicroseconds: UInt32

  public static func request(sequence: UInt32) -> InlineArray<104, UInt8> {
    var bytes = InlineArray<104, UInt8>(repeating: 0)
    (bytes[0], bytes[1]) = (version, requestType)
    bytes[5] = UInt8(command)
    for place in 0..<4 {
      bytes[8 + place] = UInt8(truncatingIfNeeded: sequence >> (24 - 8 * UInt32(place)))
    }
    return bytes
  }

  /// nil for what is no answer to that request.
  public init?(_ bytes: UnsafeBufferPointer<UInt8>, sequence: UInt32) {
    func word(_ place: Int) -> UInt16 { UInt16(bytes[place]) << 8 | UInt16(bytes[place + 1]) }
    func long(_ place: Int) -> UInt32 { UInt32(word(place)) << 16 | UInt32(word(place + 2)) }
    guard bytes.count == ChronyTracking.byteCount, bytes[0] == ChronyTracking.version,
      bytes[1] == ChronyTracking.answerType, word(4) == ChronyTracking.command,
      word(6) == ChronyTracking.reply, word(8) == 0, long(16) == sequence,
      word(ChronyTracking.stratumPlace) <= ChronyTracking.stratumMaximum
    else { return nil }
    guard word(ChronyTracking.leapPlace) != ChronyTracking.leapUnsynchronised,
      word(ChronyTracking.stratumPlace) > 0
    else {
      (reference, stratum, rootDistanceMicroseconds) = (0, 0, 0)
      return
    }
    reference = long(ChronyTracking.referencePlace)
    stratum = UInt8(word(ChronyTracking.stratumPlace))
    let distance =
      ChronyTracking.seconds(long(ChronyTracking.rootDelayPlace)) / 2
      + ChronyTracking.seconds(long(ChronyTracking.rootDispersionPlace))
    let microseconds = Elementary.nearestInteger(min(max(distance, 0), 4000) * 1e6)
    rootDistanceMicroseconds = UInt32(microseconds)
  }

  /// Seven bits of a signed exponent, 25 of a signed fraction.
  private static func seconds(_ word: UInt32) -> Double {
    let exponent = Int32(bitPattern: word) >> 25
    var value = Double(Int32(bitPattern: word << 7) >> 7)
    for _ in 0..<(exponent - 25).magnitude { value *= exponent < 25 ? 0.5 : 2 }
    return value
  }
}
