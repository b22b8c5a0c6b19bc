// The peers of [quorum] in a station file: where the other stations of the site are, and by which
// public keys they are known.
//
//     peer_1 = "9d61…5f3c 192.168.1.12 6465"
//
//     if let place = peers.place(of: vote.voter) { … }

import Core
import Settings

public struct Peer: Sendable {
  public var key = PublicKey()
  public var host = Text<128>()
  public var port: UInt16 = 0

  public init(key: PublicKey, host: Text<128>, port: UInt16) {
    (self.key, self.host, self.port) = (key, host, port)
  }

  /// 64 hexadecimal digits, an address or a name, and a port, separated by spaces; nil for anything
  /// else.
  init?(_ text: Text<128>) {
    guard let key = PublicKey(hexadecimal: text) else { return nil }
    self.key = key
    var (index, port) = (64, 0)
    guard Peer.skipSpaces(text, &index) else { return nil }
    while index < text.count && text[index] != UInt8(ascii: " ") {
      host.append(byte: text[index])
      index += 1
    }
    guard Peer.skipSpaces(text, &index) else { return nil }
    while index < text.count {
      guard case UInt8(ascii: "0")...UInt8(ascii: "9") = text[index] else { return nil }
      port = 10 * port + Int(text[index] - UInt8(ascii: "0"))
      guard port <= 65_535 else { return nil }
      index += 1
    }
    guard !host.isEmpty, port > 0 else { return nil }
    self.port = UInt16(port)
  }

  /// False where there is none, or nothing behind them.
  private static func skipSpaces(_ text: Text<128>, _ index: inout Int) -> Bool {
    let begin = index
    while index < text.count && text[index] == UInt8(ascii: " ") { index += 1 }
    return index > begin && index < text.count
  }
}

public struct Peers: Sendable {
  public static let capacity = 7
  private var all = InlineArray<7, Peer?>(repeating: nil)
  public private(set) var count = 0

  public subscript(index: Int) -> Peer { all[index]! }

  public init() {}

  public mutating func add(_ one: Peer) {
    guard count < Peers.capacity else { return }
    all[count] = one
    count += 1
  }

  /// The peer whose key has this name; whether it is theirs, the signature says.
  public func place(of name: UInt64) -> Int? {
    for index in 0..<count where all[index]!.key.name == name { return index }
    return nil
  }

  private func has(_ host: Text<128>, _ port: UInt16) -> Bool {
    for index in 0..<count where all[index]!.port == port && all[index]!.host.equals(host) {
      return true
    }
    return false
  }

  public init(_ file: inout ConfigurationFile) {
    for index in 0..<Peers.capacity {
      let key = Peers.keys[index]
      let text = file.text("quorum", key, Text<128>.self, isOptional: index > 0)
      guard !text.isEmpty else { continue }
      guard let one = Peer(text) else {
        file.demand(
          false, "quorum", key,
          "must be 64 hexadecimal digits, a public key, then an address or a name, and a port: \"9D61... 192.0.2.7 6465\""
        )
        continue
      }
      file.demand(
        place(of: one.key.name) == nil, "quorum", key,
        "has the key of a peer before it, and one station has one vote")
      file.demand(
        !has(one.host, one.port), "quorum", key,
        "has the address and port of a peer before it: one of them is wrong")
      add(one)
    }
  }

  private static let keys: InlineArray<7, StaticString> = [
    "peer_1", "peer_2", "peer_3", "peer_4", "peer_5", "peer_6", "peer_7",
  ]
}
