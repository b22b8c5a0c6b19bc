// KnownKeys: which keys a reader has asked for, and what each may be. Somebody who mistypes a key
// is told the nearest; and the reference of all keys is what the readers ask an empty file for, so
// that it cannot differ from what they take.
//
//     var reference = ConfigurationFile(referenceFor: Path("board.toml"))
//     _ = try BoardFile(&reference)
//     for index in 0..<reference.keys.count { print(reference.keys[index].key) }

import Core

/// What a key's value may be.
public enum KeyForm: Sendable {
  case integer(ClosedRange<Int>, default: Int?)
  case decimal(ClosedRange<Double>, default: Double?)
  /// At most so many characters.
  case text(Int)
  case path
  case date
  case flag
  case choice(InlineArray<5, StaticString>)

  var capacity: Int {
    switch self {
    case .text(let capacity): capacity
    default: 256
    }
  }
}

public struct KnownKey: Sendable {
  public var section: StaticString = ""
  public var key: StaticString = ""
  public var form: KeyForm?
  /// Nothing stands for it where it is absent.
  public var isOptional = false
}

public struct KnownKeys: Sendable {
  private var keys = InlineArray<96, KnownKey>(repeating: KnownKey())
  public private(set) var count = 0

  public subscript(index: Int) -> KnownKey { keys[index] }

  mutating func note(_ section: StaticString, _ key: StaticString, _ form: KeyForm) {
    if let index = place(section, key) { keys[index].form = form }
  }

  mutating func noteOptional(_ section: StaticString, _ key: StaticString) {
    if let index = place(section, key) { keys[index].isOptional = true }
  }

  /// The place of a key, a new one where it was not known; nil where there is no more room.
  private mutating func place(_ section: StaticString, _ key: StaticString) -> Int? {
    for index in 0..<count
    where keys[index].key.isSame(key) && keys[index].section.isSame(section) { return index }
    guard count < keys.count else { return nil }
    keys[count].section = section
    keys[count].key = key
    count += 1
    return count - 1
  }

  /// The key that shares the longest beginning plus end with another, if more than half.
  func nearest(to other: UnsafeBufferPointer<UInt8>) -> KnownKey? {
    var best: (index: Int, shared: Int)?
    for index in 0..<count {
      let key = keys[index].key
      let shared = key.withUTF8Buffer { known in
        let length = min(known.count, other.count)
        var head = 0
        while head < length && known[head] == other[head] { head += 1 }
        var tail = 0
        while tail < length - head
          && known[known.count - 1 - tail] == other[other.count - 1 - tail]
        { tail += 1 }
        return head + tail
      }
      if shared * 2 > max(key.utf8CodeUnitCount, other.count), shared > best?.shared ?? 0 {
        best = (index, shared)
      }
    }
    return best.map { keys[$0.index] }
  }
}

extension StaticString {
  func isSame(_ other: StaticString) -> Bool {
    guard utf8CodeUnitCount == other.utf8CodeUnitCount else { return false }
    for index in 0..<utf8CodeUnitCount where utf8Start[index] != other.utf8Start[index] {
      return false
    }
    return true
  }
}

extension Text {
  /// "a whole number from 1 to 8"
  mutating func append(_ form: KeyForm) {
    switch form {
    case .integer(let range, _):
      append("a whole number from ")
      append(range.lowerBound)
      append(" to ")
      append(range.upperBound)
    case .decimal(let range, _):
      append("a number of at most 15 digits from ")
      append(bound: range.lowerBound)
      append(" to ")
      append(bound: range.upperBound)
    case .text, .path:
      append("a text in double quotes of 1 to ")
      append(form.capacity)
      append(" characters")
    case .date: append("a date such as \"2026-03-01\"")
    case .flag: append("true, or the line left out")
    case .choice(let words):
      append("one of")
      for index in 0..<words.count where words[index].utf8CodeUnitCount > 0 {
        append(" \"")
        append(words[index])
        append("\"")
      }
    }
  }

  private mutating func append(bound: Double) {
    if bound.magnitude < 1e9 && (bound == 0 || bound.magnitude >= 0.001) {
      append(thousandths: Elementary.nearestInteger(bound * 1000))
      return
    }
    let exponent = Elementary.nearestInteger(Elementary.logarithm10(bound.magnitude))
    append(bound < 0 ? "-1e" : "1e")
    append(exponent)
  }
}
