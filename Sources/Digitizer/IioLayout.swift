// IioLayout: where what is in a scan of an IIO device: one sample of each channel that is on, and
// when they were taken.
//
// The kernel says of each channel its place in the order and its form, such as "be:s20/32>>4": big
// endian, signed, 20 bits of 32, above 4 that mean nothing. Each lies at a multiple of its own
// size, and a whole scan is a multiple of its largest.
//
//     var layout = IioLayout()
//     layout.add(IioForm(text)!, index: 0, as: .channel(0))
//     let sample = layout.sample(of: 0, in: scan)

import Core

/// How one value lies in its bytes.
public struct IioForm: Equatable, Sendable {
  public private(set) var isBigEndian = false
  public private(set) var isSigned = false
  public private(set) var bits = 0
  public private(set) var byteCount = 0
  public private(set) var shift = 0
  /// So many values in a row.
  public private(set) var repeats = 1

  /// As a driver writes it; nil for what is no form.
  public init?(_ text: UnsafeBufferPointer<UInt8>) {
    var rest = Words(text)
    guard let order = rest.letter(), rest.letter() == UInt8(ascii: "e"),
      rest.letter() == UInt8(ascii: ":"), let sign = rest.letter(), let bits = rest.number(),
      rest.letter() == UInt8(ascii: "/"), let storage = rest.number()
    else { return nil }
    if rest.next == UInt8(ascii: "X") {
      _ = rest.letter()
      guard let number = rest.number() else { return nil }
      repeats = number
    }
    guard rest.letter() == UInt8(ascii: ">"), rest.letter() == UInt8(ascii: ">"),
      let shift = rest.number(), rest.isOver
    else { return nil }
    guard order == UInt8(ascii: "b") || order == UInt8(ascii: "l"),
      sign == UInt8(ascii: "s") || sign == UInt8(ascii: "u"),
      storage == 8 || storage == 16 || storage == 32 || storage == 64,
      (1...storage).contains(bits), bits + shift <= storage, (1...16).contains(repeats)
    else { return nil }
    isBigEndian = order == UInt8(ascii: "b")
    isSigned = sign == UInt8(ascii: "s")
    (self.bits, byteCount, self.shift) = (bits, storage / 8, shift)
  }

  /// The value whose first byte is here. What has no sign is counted from the middle of its range,
  /// where an input without a signal is.
  func value(_ bytes: UnsafeRawBufferPointer, at place: Int) -> Int64 {
    var word: UInt64 = 0
    for index in 0..<byteCount {
      let byte = UInt64(bytes[place + index])
      word |= byte << UInt64(8 * (isBigEndian ? byteCount - 1 - index : index))
    }
    let unused = UInt64(64 - bits)
    let top = (word >> UInt64(shift)) << unused
    if isSigned { return Int64(bitPattern: top) >> Int64(unused) }
    return Int64(bitPattern: top ^ 1 << 63) >> Int64(unused)
  }

  /// Letters and numbers of such a text, one after the other.
  private struct Words {
    private let text: UnsafeBufferPointer<UInt8>
    private var place = 0

    init(_ text: UnsafeBufferPointer<UInt8>) { self.text = text }

    var next: UInt8? { place < text.count ? text[place] : nil }
    /// A driver ends its line.
    var isOver: Bool { next == nil || (next == UInt8(ascii: "\n") && place == text.count - 1) }

    mutating func letter() -> UInt8? {
      defer { place += 1 }
      return next
    }

    mutating func number() -> Int? {
      var value = 0
      let begin = place
      while let digit = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit), value < 1000
      {
        value = 10 * value + Int(digit - UInt8(ascii: "0"))
        place += 1
      }
      return place > begin ? value : nil
    }
  }
}

public struct IioLayout: Sendable {
  public enum Element: Equatable, Sendable {
    /// What the board file calls the channel of this number.
    case channel(Int)
    case timestamp
    /// Somebody has it on, and nobody here asks for it.
    case other
  }

  private struct Place {
    var form: IioForm
    var index: Int
    var element: Element
    var offset = 0
  }

  public static var elementMaximum: Int { 16 }
  public static var channelMaximum: Int { 8 }
  /// Sixteen elements of eight bytes.
  public static var byteMaximum: Int { 128 }

  private var places = InlineArray<16, Place?>(repeating: nil)
  private var count = 0
  /// Which of them have the channels and the time.
  private var channels = InlineArray<8, Int>(repeating: 0)
  private var timestamp: Int?
  /// Bytes of a scan.
  public private(set) var byteCount = 0

  public init() {}

  /// One element more that is on; false where it cannot be in a scan with the others.
  public mutating func add(_ form: IioForm, index: Int, as element: Element) -> Bool {
    guard count < IioLayout.elementMaximum else { return false }
    for other in 0..<count where places[other]?.index == index { return false }
    switch element {
    case .channel(let number):
      guard number < IioLayout.channelMaximum, form.bits <= 32, form.repeats == 1 else {
        return false
      }
    case .timestamp:
      guard form.isSigned, form.bits == 64, form.repeats == 1 else { return false }
    case .other: break
    }
    var place = count
    while place > 0, let before = places[place - 1], before.index > index {
      places[place] = before
      place -= 1
    }
    places[place] = Place(form: form, index: index, element: element)
    count += 1
    arrange()
    return byteCount <= IioLayout.byteMaximum
  }

  private mutating func arrange() {
    var (end, largest) = (0, 1)
    for number in 0..<count {
      guard var place = places[number] else { continue }
      let size = place.form.byteCount * place.form.repeats
      place.offset = (end + size - 1) / size * size
      end = place.offset + size
      largest = max(largest, size)
      places[number] = place
      switch place.element {
      case .channel(let channel): channels[channel] = number
      case .timestamp: timestamp = number
      case .other: break
      }
    }
    byteCount = (end + largest - 1) / largest * largest
  }

  /// A sample of the board file's channel.
  public func sample(of channel: Int, in scan: UnsafeRawBufferPointer) -> Int32 {
    guard let place = places[channels[channel]] else { return 0 }
    return Int32(truncatingIfNeeded: place.form.value(scan, at: place.offset))
  }

  var hasTime: Bool { timestamp != nil }

  /// When it was taken, in nanoseconds of the clock that the device was told to use.
  public func time(of scan: UnsafeRawBufferPointer) -> Int64? {
    guard let timestamp, let place = places[timestamp] else { return nil }
    return place.form.value(scan, at: place.offset)
  }
}
