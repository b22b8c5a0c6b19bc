// NetworkLimits: whom a station may talk to, as a drop-in of its unit. The kernel then drops what
// comes from anybody else before onsetd sees it.
//
// A station that talks to too many is a smaller harm than one that is cut off. So nothing is denied
// where the files do not say who talks to it: an upstream with a name may move to another address,
// and operators who ask it directly come from wherever they are.
//
//     let limits = try NetworkLimits(
//       upstreams: ["192.0.2.1"], shake: nil, hasOperators: false, allowed: .notSaid)
//     if let text = limits.text { … }

import CLinux
import Foundation

public struct NetworkLimits: Equatable {
  /// The first line of each, by which one that was written by hand is told.
  static let mark = "# Written by onset setup"

  /// What whoever sets the station up says of it.
  public enum Allowed: Equatable {
    case notSaid
    /// Nothing is denied.
    case anybody
    /// Operators come through the collector, so there is nobody else.
    case upstreamAlone
    /// Addresses or networks beside the upstream.
    case others([String])

    /// "any", "collector", or addresses with commas between them.
    public init(_ text: String) throws {
      switch text {
      case "any": self = .anybody
      case "collector": self = .upstreamAlone
      default:
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        for part in parts where !NetworkLimits.isNetwork(part) {
          throw ToolError(
            "\(text): \(part.isEmpty ? "nothing" : part) is no network: it is any, collector, or "
              + "ADDRESS or ADDRESS/BITS, such as 192.0.2.64/28, with commas between them")
        }
        self = .others(parts)
      }
    }
  }

  /// nil where nothing is denied.
  public let text: String?
  /// What is to be known of it.
  public let remark: String

  /// `shake`: the address of a digitizer that is on the network.
  public init(upstreams: [String], shake: String?, hasOperators: Bool, allowed: Allowed) throws {
    func open(_ reason: String) -> (String?, String) {
      (nil, "network: the station talks to everybody, because \(reason)")
    }
    if case .anybody = allowed {
      (text, remark) = open("that was asked for")
      return
    }
    let numbers = upstreams.map(Self.address)
    guard !numbers.contains(nil) else {
      let name = upstreams[numbers.firstIndex(of: nil)!]
      guard case .others = allowed else {
        (text, remark) = open(
          "\(name) is a name, and its address may change: --upstream with an address closes the network"
        )
        return
      }
      throw ToolError(
        "--allow with \(name): a name's address may change, and the station would be cut off: give "
          + "the upstream as an address, or leave --allow out")
    }
    if case .notSaid = allowed, hasOperators {
      (text, remark) = open(
        "operators are named and not where they are: --allow with their networks, or --allow "
          + "collector where all come through it, closes the network")
      return
    }
    var lines = [
      "\(Self.mark), of board.toml and station.toml. When the upstream changes there, it changes here, or",
      "# the station is cut off: onset setup --replace writes all three, and --allow any leaves this out.",
      "[Service]", "IPAddressDeny=any", "# What runs on this machine", "IPAddressAllow=localhost",
      "# The upstream",
    ]
    var people = numbers.compactMap { $0 }
    lines += people.map { "IPAddressAllow=\($0)" }
    if case .others(let networks) = allowed {
      people += networks
      lines += ["# Who else was named"] + networks.map { "IPAddressAllow=\($0)" }
    }
    if let shake = shake.flatMap(Self.address) {
      people.append(shake)
      lines += ["# The digitizer", "IPAddressAllow=\(shake)"]
    }
    text = lines.joined(separator: "\n") + "\n"
    remark =
      "network: the station talks to \(people.joined(separator: ", ")) and to this machine alone. "
      + "Where the collector answers from another address as well, or operators ask the station "
      + "directly, --allow names them"
  }

  /// Without the interface that a link-local one has; nil for a name.
  static func address(_ host: String) -> String? {
    let bare = String(host.prefix { $0 != "%" })
    return bits(bare) == nil ? nil : bare
  }

  private static func bits(_ address: String) -> Int? {
    var place = in6_addr()
    if inet_pton(AF_INET, address, &place) == 1 { return 32 }
    return inet_pton(AF_INET6, address, &place) == 1 ? 128 : nil
  }

  static func isNetwork(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let all = bits(String(parts[0])) else { return false }
    return parts.count == 1
      || parts[1].allSatisfy { ("0"..."9").contains($0) } && (0...all).contains(Int(parts[1]) ?? -1)
  }
}
