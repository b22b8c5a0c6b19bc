// [operators] of a station file: who may do what with a running station, by public key.
//
//     operator_1 = "9d61…5f3c watch tune relay"
//
//     if let rights = operators.rights(of: name) { … }

import Core
import Settings

/// What an operator may do.
public struct Rights: BitSet {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Ask for health, and for what holds.
  public static let watch = Rights(rawValue: 1)
  /// Set thresholds, the site's term, how often health comes.
  public static let tune = Rights(rawValue: 2)
  /// Test the relay, begin and end a drill, release an alarm.
  public static let relay = Rights(rawValue: 4)
  /// Start the program anew.
  public static let update = Rights(rawValue: 8)
}

public struct Operator: Sendable {
  public var key = PublicKey()
  public var rights = Rights()
  public init(key: PublicKey, rights: Rights) { (self.key, self.rights) = (key, rights) }

  /// 64 hexadecimal digits and the words for rights, separated by spaces; nil for anything else.
  init?(_ text: Text<128>) {
    guard let key = PublicKey(hexadecimal: text) else { return nil }
    self.key = key
    var word = Text<16>()
    for index in 64...text.count {
      let isEnd = index == text.count || text[index] == UInt8(ascii: " ")
      if !isEnd {
        guard index > 64, word.capacityLeft > 0 else { return nil }
        word.append(byte: text[index])
      } else if !word.isEmpty {
        guard let right = Operator.right(word) else { return nil }
        rights.insert(right)
        word = Text()
      }
    }
    guard !rights.isEmpty else { return nil }
  }

  private static func right(_ word: Text<16>) -> Rights? {
    if word.equals("watch") { return .watch }
    if word.equals("tune") { return .tune }
    if word.equals("relay") { return .relay }
    if word.equals("update") { return .update }
    return nil
  }
}

public struct Operators: Sendable {
  public static let capacity = 8
  private var all = InlineArray<8, Operator?>(repeating: nil)
  public private(set) var count = 0

  public subscript(index: Int) -> Operator { all[index]! }

  public init() {}

  public mutating func add(_ one: Operator) {
    guard count < Operators.capacity else { return }
    all[count] = one
    count += 1
  }

  /// The operator whose key has this name; whether it is theirs, the signature says.
  public func place(of name: UInt64) -> Int? {
    for index in 0..<count where all[index]!.key.name == name { return index }
    return nil
  }

  public init(_ file: inout ConfigurationFile) {
    for index in 0..<Operators.capacity {
      let key = Operators.keys[index]
      let text = file.text("operators", key, Text<128>.self, isOptional: true)
      guard !text.isEmpty else { continue }
      guard let one = Operator(text) else {
        file.demand(
          false, "operators", key,
          "must be 64 hexadecimal digits, a public key, and some of watch, tune, relay, update")
        continue
      }
      file.demand(
        place(of: one.key.name) == nil, "operators", key, "has the key of an operator before it")
      add(one)
    }
  }

  private static let keys: InlineArray<8, StaticString> = [
    "operator_1", "operator_2", "operator_3", "operator_4", "operator_5", "operator_6",
    "operator_7", "operator_8",
  ]
}
