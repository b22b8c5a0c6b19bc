// MessageFilter: which messages are printed, for `--only pick,estimate,alert`.
//
//     let filter = try MessageFilter("pick,alert")
//     if let line = try filter.line(datagram) { print(line) }

import Uplink

public struct MessageFilter {
  /// All that the wire numbers; 64 is above the highest.
  public static let types = (1...64).compactMap(MessageType.init(rawValue:))

  private var wanted = Set(types)

  /// All of them.
  public init() {}

  /// Types by name, separated by commas; nil for all of them.
  public init(_ list: String?) throws {
    guard let list else { return }
    wanted = []
    for name in list.split(separator: ",", omittingEmptySubsequences: false) {
      guard let type = MessageFilter.types.first(where: { "\($0)" == name }) else {
        let names = MessageFilter.types.map { "\($0)" }.joined(separator: ", ")
        throw ToolError("--only \(name): no message has this type; there are \(names)")
      }
      wanted.insert(type)
    }
  }

  /// The message as a JSON line; nil where its type is not wanted.
  public func line(_ datagram: OpenedDatagram) throws(DatagramError) -> String? {
    wanted.contains(datagram.header.type) ? try JsonLine.text(datagram) : nil
  }
}
