// JsonSlices: the text of a value's parts, so that what another program told goes on as it told it:
// with its digits, its order and what this program does not know.
//
//     let stations = JsonSlices.member("stations", of: bytes[...]).map(JsonSlices.elements)
//
// The text must be JSON; of other text it finds nothing, or less.

enum JsonSlices {
  typealias Slice = ArraySlice<UInt8>

  /// The value under a name in an object.
  static func member(_ name: String, of text: Slice) -> Slice? {
    let name = Array("\"\(name)\"".utf8)
    var (place, found) = (opened(text, "{"), nil as Slice?)
    while let start = place, let key = value(text, from: start),
      let colon = mark(text, from: key.endIndex, ":"), let member = value(text, from: colon)
    {
      if key.elementsEqual(name) { found = member }
      place = mark(text, from: member.endIndex, ",")
    }
    return found
  }

  /// The elements of an array.
  static func elements(_ text: Slice) -> [Slice] {
    var (place, found) = (opened(text, "["), [] as [Slice])
    while let start = place, let element = value(text, from: start) {
      found.append(element)
      place = mark(text, from: element.endIndex, ",")
    }
    return found
  }

  static func string(_ slice: Slice) -> String { String(decoding: slice, as: UTF8.self) }

  /// An object with more members behind its own.
  static func string(_ object: Slice, with members: [JsonLine.Field]) -> String {
    guard let end = object.lastIndex(of: UInt8(ascii: "}")) else { return string(object) }
    let isEmpty = object[..<end].last { !isSpace($0) } == UInt8(ascii: "{")
    return string(object[..<end]) + (isEmpty ? "" : ",") + JsonLine.object(members).dropFirst()
  }

  private static func opened(_ text: Slice, _ bracket: Unicode.Scalar) -> Int? {
    mark(text, from: text.startIndex, bracket)
  }

  /// Behind a character that comes next.
  private static func mark(_ text: Slice, from start: Int, _ wanted: Unicode.Scalar) -> Int? {
    guard let place = text[start...].firstIndex(where: { !isSpace($0) }),
      text[place] == UInt8(ascii: wanted)
    else { return nil }
    return place + 1
  }

  private static func value(_ text: Slice, from start: Int) -> Slice? {
    guard let begin = text[start...].firstIndex(where: { !isSpace($0) }) else { return nil }
    var (place, depth) = (begin, 0)
    while place < text.endIndex {
      switch text[place] {
      case UInt8(ascii: "\""):
        guard let end = endOfString(text, from: place + 1) else { return nil }
        place = end
        if depth == 0 { return text[begin..<place] }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return begin < place ? text[begin..<place] : nil }
        depth -= 1
        if depth == 0 { return text[begin...place] }
      case UInt8(ascii: ",") where depth == 0: return text[begin..<place]
      case let byte where depth == 0 && isSpace(byte): return text[begin..<place]
      default: break
      }
      place += 1
    }
    return nil
  }

  private static func endOfString(_ text: Slice, from start: Int) -> Int? {
    var place = start
    while place < text.endIndex, text[place] != UInt8(ascii: "\"") {
      place += text[place] == UInt8(ascii: "\\") ? 2 : 1
    }
    return place < text.endIndex ? place + 1 : nil
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }
}
