// The records of a network file (ONET-FORMAT.md), read as they stand. What they mean together is
// checked in NetworkPlan.

import Core

/// Why a file is not a network that can run here.
public struct NetworkError: Error {
  public enum Place: Equatable, Sendable { case file, buffer(Int), layer(Int) }
  public var place: Place
  public var reason: StaticString

  public init(place: Place, reason: StaticString) {
    self.place = place
    self.reason = reason
  }

  public var description: Text<200> {
    var text = Text<200>()
    switch place {
    case .file: break
    case .buffer(let index):
      text.append("buffer ")
      text.append(index)
      text.append(": ")
    case .layer(let index):
      text.append("layer ")
      text.append(index)
      text.append(": ")
    }
    text.append(reason)
    return text
  }
}

/// What a value of a buffer is.
public enum Element: UInt8, Sendable {
  /// 0…127 in a byte.
  case code = 0
  /// A signed 16-bit activation.
  case sample = 1
  /// 0…32768 in 16 bits.
  case probability = 2

  public var byteCount: Int { self == .code ? 1 : 2 }
}

public enum LayerKind: UInt8, Sendable {
  case convolution = 1
  case upsampling = 2
  case softmax = 3
  case sigmoid = 4
}

public enum Normalization: UInt8, Sendable {
  case callers = 0
  /// Each channel of a window minus its mean, over its standard deviation.
  case window = 1
}

public struct NetworkHeader: Sendable {
  public static let byteCount = 80
  public static let version: UInt16 = 1

  public var byteCount = 0
  public var checksum: UInt32 = 0
  public var name = Text<32>()
  public var sampleRateMillihertz: UInt32 = 0
  /// Zero for a network made for streams.
  public var windowRows = 0
  /// What input code or sample 1 stands for.
  public var inputUnit: Float = 0
  public var components = Text<4>()
  public var normalization = Normalization.callers
  public var bufferCount = 0
  public var layerCount = 0
}

public struct BufferRecord: Sendable {
  public static let byteCount = 16

  public init() {}

  /// Input rows that one row spans.
  public var period = 1
  public var width = 0
  public var element = Element.code
  public var blank = 0
  public var fold = 1

  public var rowByteCount: Int { width * element.byteCount }
}

public struct LayerRecord: Sendable {
  public static let byteCount = 64

  public init() {}

  public var kind = LayerKind.convolution
  public var hasInnerRelu = false
  public var hasOuterRelu = false
  public var hasResidual = false
  public var source = 0
  public var sourceOffset = 0
  public var sourceChannels = 0
  public var destination = 0
  public var destinationOffset = 0
  public var destinationChannels = 0
  public var rowsPerStep = 1
  public var taps = 1
  public var stride = 1
  public var dilation = 1
  public var rowsBefore = 0
  public var trim = 0
  public var residual = 0
  public var residualOffset = 0
  public var classes = 0
  public var residualScale: Float = 0
  public var weightsOffset = 0
  public var biasOffset = 0
  public var scaleOffset = 0
  public var classLetters = Text<8>()

  /// Rows from the first tap to the last.
  public var reach: Int { (taps - 1) * dilation }
  public var outputs: Int { rowsPerStep * destinationChannels }
  public var isHead: Bool { kind == .softmax || kind == .sigmoid }

  /// What another version may give a meaning to.
  var leavesUnusedFieldsZero: Bool {
    (hasResidual || residual == 0 && residualOffset == 0 && residualScale.bitPattern == 0)
      && (isHead || classes == 0 && classLetters.isEmpty)
      && (kind == .convolution || weightsOffset == 0 && biasOffset == 0 && scaleOffset == 0)
  }

  var sourceRange: ChannelRange {
    ChannelRange(buffer: source, first: sourceOffset, count: sourceChannels)
  }
  var residualRange: ChannelRange {
    ChannelRange(buffer: residual, first: residualOffset, count: destinationChannels)
  }

  func writes(_ range: ChannelRange) -> Bool {
    destination == range.buffer && destinationOffset < range.first + range.count
      && range.first < destinationOffset + destinationChannels
  }
}

/// Channels of a buffer that lie side by side.
struct ChannelRange {
  var buffer: Int
  var first: Int
  var count: Int
}

extension NetworkHeader {
  init(_ bytes: UnsafeRawBufferPointer) throws(NetworkError) {
    func fail(_ reason: StaticString) -> NetworkError { NetworkError(place: .file, reason: reason) }
    guard bytes.count >= NetworkHeader.byteCount else {
      throw fail("shorter than the header of a network file")
    }
    var reader = ByteReader(bytes.bindMemory(to: UInt8.self))
    guard reader.read(UInt32.self) == 0x5445_4E4F else {
      throw fail("not a network file: it does not begin with ONET")
    }
    guard reader.read(UInt16.self) == NetworkHeader.version else {
      throw fail("written in another version of the format; this program reads version 1")
    }
    var zeros = UInt64(reader.read(UInt16.self))
    byteCount = Int(reader.read(UInt32.self))
    checksum = reader.read(UInt32.self)
    guard let name = reader.readText(Text<32>.self), !name.isEmpty else {
      throw fail("the name must be 1 to 32 printable characters")
    }
    self.name = name
    sampleRateMillihertz = reader.read(UInt32.self)
    windowRows = Int(reader.read(UInt32.self))
    inputUnit = Float(bitPattern: reader.read(UInt32.self))
    guard let components = reader.readText(Text<4>.self), !components.isEmpty else {
      throw fail("the components must be 1 to 4 letters such as ENZ")
    }
    self.components = components
    guard let normalization = Normalization(rawValue: reader.read(UInt8.self)) else {
      throw fail("the normalization must be 0 (the caller's) or 1 (of each window)")
    }
    self.normalization = normalization
    zeros |= UInt64(reader.read(UInt8.self))
    bufferCount = Int(reader.read(UInt16.self))
    layerCount = Int(reader.read(UInt16.self))
    zeros |= reader.read(UInt64.self) | UInt64(reader.read(UInt16.self))
    guard zeros == 0 else { throw fail("a reserved byte of the header is not zero") }
  }
}

extension BufferRecord {
  init(_ bytes: UnsafeRawBufferPointer, index: Int) throws(NetworkError) {
    func fail(_ reason: StaticString) -> NetworkError {
      NetworkError(place: .buffer(index), reason: reason)
    }
    var reader = ByteReader(bytes.bindMemory(to: UInt8.self))
    period = Int(reader.read(UInt32.self))
    width = Int(reader.read(UInt16.self))
    guard let element = Element(rawValue: reader.read(UInt8.self)) else {
      throw fail("the element must be 0 (codes), 1 (samples) or 2 (probabilities)")
    }
    self.element = element
    blank = Int(reader.read(UInt8.self))
    fold = Int(reader.read(UInt16.self))
    guard reader.read(UInt32.self) == 0, reader.read(UInt16.self) == 0 else {
      throw fail("a reserved byte is not zero")
    }
    guard (1...4096).contains(period) else { throw fail("the period must be 1 to 4096") }
    guard (1...1024).contains(width) else { throw fail("the width must be 1 to 1024") }
    guard (1...16).contains(fold) else { throw fail("the fold must be 1 to 16") }
    guard blank <= 127, blank == 0 || element == .code else {
      throw fail("the blank must be 0 to 127, and 0 unless the element is codes")
    }
  }
}

extension LayerRecord {
  init(_ bytes: UnsafeRawBufferPointer, index: Int) throws(NetworkError) {
    func fail(_ reason: StaticString) -> NetworkError {
      NetworkError(place: .layer(index), reason: reason)
    }
    var reader = ByteReader(bytes.bindMemory(to: UInt8.self))
    guard let kind = LayerKind(rawValue: reader.read(UInt8.self)) else {
      throw fail(
        "the kind must be 1 (convolution), 2 (upsampling), 3 (softmax) or 4 (sigmoid)")
    }
    self.kind = kind
    let flags = reader.read(UInt8.self)
    guard flags <= 7 else { throw fail("unknown flags") }
    (hasInnerRelu, hasOuterRelu, hasResidual) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0)
    source = reader.readCount()
    sourceOffset = reader.readCount()
    sourceChannels = reader.readCount()
    destination = reader.readCount()
    destinationOffset = reader.readCount()
    destinationChannels = reader.readCount()
    rowsPerStep = reader.readCount()
    taps = reader.readCount()
    stride = reader.readCount()
    dilation = reader.readCount()
    rowsBefore = reader.readCount()
    trim = reader.readCount()
    residual = reader.readCount()
    residualOffset = reader.readCount()
    classes = reader.readCount()
    residualScale = Float(bitPattern: reader.read(UInt32.self))
    weightsOffset = Int(reader.read(UInt32.self))
    biasOffset = Int(reader.read(UInt32.self))
    scaleOffset = Int(reader.read(UInt32.self))
    guard let letters = reader.readText(Text<8>.self) else {
      throw fail("the classes' letters must be printable characters")
    }
    classLetters = letters
    guard reader.read(UInt64.self) == 0 else { throw fail("a reserved byte is not zero") }
  }
}

extension ByteReader {
  fileprivate mutating func readCount() -> Int { Int(read(UInt16.self)) }
}
