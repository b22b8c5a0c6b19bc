// ChannelChoice: which channels of a file are meant: one instrument, its components, one epoch.
//
//     let choice = try ChannelChoice(channels, station: "IU.ANMO.00.BH?", time: nil)
//     for (component, channel) in choice.components { … }

import Core
import Foundation

public struct ChannelChoice: Sendable {
  public enum Component: Int, CaseIterable, Sendable {
    case vertical, north, east
    public var name: String { ["vertical", "north", "east"][rawValue] }

    /// By the last letter of a channel's code (SEED Reference Manual 2.4, appendix A).
    init?(code: String) {
      switch code.last {
      case "Z", "3": self = .vertical
      case "N", "1": self = .north
      case "E", "2": self = .east
      default: return nil
      }
    }
  }

  public private(set) var components: [(component: Component, channel: ChannelResponse)] = []

  /// `station`: NET.STA.LOC.CHA or the beginning of it, with * and ? as a shell has them for files.
  public init(_ channels: [ChannelResponse], station: String?, time: UTC?) throws {
    let wanted = try ChannelChoice.wanted(channels, station)
    let moving = wanted.filter { MotionUnit($0.inputUnit) != nil }
    guard !moving.isEmpty else {
      // Said by whoever evaluates it: what is wrong, or in which unit it is.
      _ = try ResponseCurve(wanted[0])
      throw ToolError("\(wanted[0].code): is not ground motion")
    }
    let known = moving.filter { Component(code: $0.channel) != nil }
    guard let first = known.first else {
      throw ToolError(
        "\(moving[0].code): is none of the components Z, N, E, 1, 2 and 3 that a station can take")
    }
    let groups = ChannelChoice.unique(known.map(\.group))
    guard groups.count == 1 else {
      throw ToolError(
        "has several instruments: choose by --station one of "
          + ChannelChoice.listed(groups.map { $0 + "?" }))
    }
    let inTime = known.filter { channel in time.map(channel.holds) ?? true }
    guard !inTime.isEmpty else {
      throw ToolError(
        "\(first.group)?: has no epoch at \(time!.iso8601); there are "
          + ChannelChoice.listed(ChannelChoice.unique(known.map(\.epoch))))
    }
    for component in Component.allCases {
      let found = inTime.filter { Component(code: $0.channel) == component }
      guard found.count <= 1 else { throw ChannelChoice.ambiguity(found, component, time) }
      if let channel = found.first { components.append((component, channel)) }
    }
  }

  private static func wanted(
    _ channels: [ChannelResponse], _ station: String?
  ) throws -> [ChannelResponse] {
    guard !channels.isEmpty else {
      throw ToolError("has no channel: ask for the file with level=response")
    }
    guard let station else { return channels }
    let parts = station.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 4, !station.isEmpty else {
      throw ToolError("--station is NET.STA.LOC.CHA, not \(shown(station))")
    }
    let rest = [String](repeating: "*", count: 4 - parts.count)
    let pattern = (parts.map { $0 == "--" ? "" : String($0) } + rest).joined(separator: ".")
    let found = channels.filter { fnmatch(pattern, $0.code, 0) == 0 }
    guard !found.isEmpty else {
      throw ToolError(
        "has no channel \(shown(station)); there are " + listed(unique(channels.map(\.code))))
    }
    return found
  }

  private static func ambiguity(
    _ found: [ChannelResponse], _ component: Component, _ time: UTC?
  ) -> ToolError {
    let codes = unique(found.map(\.code))
    if codes.count > 1 {
      return ToolError(
        "has \(listed(codes)) for \(component.name): choose by --station, one at a time")
    }
    let epochs = listed(found.map(\.epoch))
    return ToolError(
      time == nil
        ? "\(codes[0]): has several epochs: choose by --time one of \(epochs)"
        : "\(codes[0]): has epochs that overlap at that time: \(epochs)")
  }

  private static func unique(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  private static func listed(_ names: [String]) -> String {
    let some = names.prefix(12).map { shown($0) }.joined(separator: ", ")
    return names.count > 12 ? "\(some) and \(names.count - 12) more" : some
  }
}
