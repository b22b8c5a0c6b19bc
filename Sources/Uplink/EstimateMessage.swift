// What is known of an event some time after its P: type 2 of WIRE-FORMAT.md.

import Core

public struct EstimateMessage: Equatable, Sendable {
  public static let byteCount = 76
  public var pickID: UInt32 = 0
  public var afterPMilliseconds: UInt16 = 0
  /// 0 unknown, 1 earthquake, 2 blast, 3 collapse or other local impact, 4 noise, 5 teleseism,
  /// 6 instrument fault
  public var eventClass: UInt8 = 0
  public var isClipped = false
  /// The sensor's calibration has run out: amplitudes are what it once said.
  public var isCalibrationExpired = false
  public var hasShear = false
  public var isMagnitudeLowerBound = false
  public var pickTime = UTC(nanoseconds: 0)
  public var classProbability = Wire.noProbability
  public var magnitudeHundredths = Int16.min
  public var magnitudeSigmaHundredths = UInt16.max
  /// The standard deviation of the logarithm, in thousandths.
  public var distanceSigma = UInt16.max
  public var distanceMetres = UInt32.max
  public var backAzimuthCentidegrees = UInt16.max
  public var backAzimuthSigmaCentidegrees = UInt16.max
  public var tauC = WireFloat.unknown
  public var peakDisplacement = WireFloat.unknown
  public var peakAcceleration = WireFloat.unknown
  public var peakVelocity = WireFloat.unknown
  public var expectedAcceleration = WireFloat.unknown
  public var expectedVelocity = WireFloat.unknown
  /// Standard deviations of the logarithms, in thousandths.
  public var accelerationSigma = UInt16.max
  public var velocitySigma = UInt16.max
  public var modifiedMercalliHundredths = UInt16.max
  public var jmaIntensityHundredths = Int16.min
  public var observedAcceleration = WireFloat.unknown
  public var observedVelocity = WireFloat.unknown
  public var observedIntensityHundredths = Int16.min
  public init() {}

  public func write(to writer: inout ByteWriter) {
    writer.write(pickID)
    writer.write(afterPMilliseconds)
    writer.write(eventClass)
    writer.write(
      UInt8(
        (isClipped ? 1 : 0) | (hasShear ? 2 : 0) | (isMagnitudeLowerBound ? 4 : 0)
          | (isCalibrationExpired ? 8 : 0)))
    writer.write(pickTime.nanoseconds)
    writer.write(classProbability)
    writer.write(magnitudeHundredths)
    writer.write(magnitudeSigmaHundredths)
    writer.write(distanceSigma)
    writer.write(distanceMetres)
    writer.write(backAzimuthCentidegrees)
    writer.write(backAzimuthSigmaCentidegrees)
    writer.write(tauC.bits)
    writer.write(peakDisplacement.bits)
    writer.write(peakAcceleration.bits)
    writer.write(peakVelocity.bits)
    writer.write(expectedAcceleration.bits)
    writer.write(expectedVelocity.bits)
    writer.write(accelerationSigma)
    writer.write(velocitySigma)
    writer.write(modifiedMercalliHundredths)
    writer.write(jmaIntensityHundredths)
    writer.write(observedAcceleration.bits)
    writer.write(observedVelocity.bits)
    writer.write(observedIntensityHundredths)
    writer.write(UInt16(0))
  }

  public init(_ payload: UnsafeBufferPointer<UInt8>) throws(DatagramError) {
    guard payload.count == EstimateMessage.byteCount else { throw .malformed }
    var reader = ByteReader(payload)
    pickID = reader.read(UInt32.self)
    afterPMilliseconds = reader.read(UInt16.self)
    eventClass = reader.read(UInt8.self)
    let flags = reader.read(UInt8.self)
    isClipped = flags & 1 != 0
    hasShear = flags & 2 != 0
    isMagnitudeLowerBound = flags & 4 != 0
    isCalibrationExpired = flags & 8 != 0
    pickTime = UTC(nanoseconds: reader.read(Int64.self))
    classProbability = reader.read(UInt16.self)
    magnitudeHundredths = reader.read(Int16.self)
    magnitudeSigmaHundredths = reader.read(UInt16.self)
    distanceSigma = reader.read(UInt16.self)
    distanceMetres = reader.read(UInt32.self)
    backAzimuthCentidegrees = reader.read(UInt16.self)
    backAzimuthSigmaCentidegrees = reader.read(UInt16.self)
    tauC = try WireFloat(&reader)
    peakDisplacement = try WireFloat(&reader)
    peakAcceleration = try WireFloat(&reader)
    peakVelocity = try WireFloat(&reader)
    expectedAcceleration = try WireFloat(&reader)
    expectedVelocity = try WireFloat(&reader)
    accelerationSigma = reader.read(UInt16.self)
    velocitySigma = reader.read(UInt16.self)
    modifiedMercalliHundredths = reader.read(UInt16.self)
    jmaIntensityHundredths = reader.read(Int16.self)
    observedAcceleration = try WireFloat(&reader)
    observedVelocity = try WireFloat(&reader)
    observedIntensityHundredths = reader.read(Int16.self)
    let reserved = reader.read(UInt16.self)
    func isKnown(_ value: UInt16, upTo limit: UInt16) -> Bool { value <= limit || value == .max }
    guard flags <= 15, eventClass <= 6, afterPMilliseconds != .max, reserved == 0,
      isKnown(classProbability, upTo: 10_000), isKnown(backAzimuthCentidegrees, upTo: 35_999),
      isKnown(backAzimuthSigmaCentidegrees, upTo: 18_000),
      isKnown(modifiedMercalliHundredths, upTo: 1200)
    else { throw .malformed }
  }
}

/// Four bytes of a physical quantity that is not negative. By its bits, so that messages compare.
public struct WireFloat: Equatable, Sendable {
  public static let unknown = WireFloat(bits: 0x7FC0_0000)
  public let bits: UInt32

  private init(bits: UInt32) { self.bits = bits }

  /// Unknown where there is none, or none that fits.
  public init(_ value: Double?) {
    let float = Float(value ?? -1)
    self = float >= 0 && float.isFinite ? WireFloat(bits: float.bitPattern) : .unknown
  }

  init(_ reader: inout ByteReader) throws(DatagramError) {
    bits = reader.read(UInt32.self)
    let float = Float(bitPattern: bits)
    guard self == .unknown || (float >= 0 && float.isFinite && float.sign == .plus) else {
      throw .malformed
    }
  }

  public var value: Double? { self == .unknown ? nil : Double(Float(bitPattern: bits)) }
}
