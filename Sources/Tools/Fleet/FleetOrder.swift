// FleetOrder: what a group of stations is to be given, a command or a network, and what it may
// change in their health.
//
//     let order = try FleetOrder(parameter: "trigger_ratio", value: "7")
//     let order = try FleetOrder(networkPath: "picker.onet", shadowSeconds: 86400)

import Core
import Station
import Uplink

public struct FleetOrder: Equatable, Sendable {
  /// "network" for one over the air.
  let parameter: String
  /// As the station would say it; nil where there is none, and for a network.
  let value: String?
  /// CRC-32C of a network's file, and what health calls it.
  let checksum: String?
  let networkName: String?
  let networkPath: String?
  let shadowSeconds: Int?

  public init(parameter: String, value: String?) throws {
    guard let known = CommandParameter.allCases.first(where: { $0.name == parameter }) else {
      let names = CommandParameter.allCases.map(\.name)
      let meant = Spelling.nearest(to: parameter, among: names).map { "did you mean \($0)?" }
      throw UsageError(
        "--command \(parameter) is no parameter of a station; "
          + (meant ?? "there are \(names.joined(separator: ", "))"))
    }
    guard known != .uplinkKey || value == nil else {
      throw UsageError("another key goes to one station at a time: see onset help rekey")
    }
    self.parameter = parameter
    self.value = try value.map { known.shortText(try known.value($0)) }
    (checksum, networkName, networkPath, shadowSeconds) = (nil, nil, nil, nil)
  }

  public init(networkPath: String, shadowSeconds: Int?) throws {
    (parameter, value) = ("network", nil)
    let file = try NetworkFile(networkPath)
    let digits = String(file.checksum, radix: 16)
    checksum = String(repeating: "0", count: 8 - digits.count) + digits
    (networkName, self.networkPath) = (file.name, networkPath)
    self.shadowSeconds = shadowSeconds
  }

  /// The same to give, by whatever name its file has.
  func isSame(as other: FleetRecord) -> Bool {
    parameter == other.parameter && value == other.value && checksum == other.network
      && shadowSeconds == other.shadowSeconds
  }

  private var known: CommandParameter? { CommandParameter.allCases.first { $0.name == parameter } }

  /// It is only to be told, and nothing changes.
  var isQuestion: Bool { checksum == nil && value == nil && known != .release }

  /// The station starts anew, once, and is then to be as it was.
  var startsAnew: Bool {
    if checksum != nil { return shadowSeconds != nil }
    switch known {
    case .restart: return value == "1"
    case .network: return value.map { !$0.hasPrefix("-") } ?? false
    default: return false
    }
  }

  /// The new start is a network's trial, which the station ends.
  var isTried: Bool { startsAnew && known != .restart }

  /// How long the new start may take to come, beside what every start takes.
  var secondsBefore: Double {
    if checksum != nil { return Double(shadowSeconds ?? 0) }
    return known == .network ? max(Double(value ?? "") ?? 0, 0) : 0
  }

  /// What it is to put an end to is no reason to leave a station out.
  var endsAlarms: Bool { known == .release }
  var concernsDrills: Bool { known == .drill }

  /// "trigger_ratio 7" or "network 01ab23cd (onset-picker-2)"
  public var words: String {
    guard let checksum else { return parameter + (value.map { " \($0)" } ?? "") }
    return "network \(checksum) (\(networkName ?? "")), "
      + (shadowSeconds.map { "\($0) s in the shadow" } ?? "in the shadow")
  }
}

extension CommandParameter {
  /// A value as people say it: without the digits that say nothing.
  func shortText(_ value: Int64) -> String {
    let text = text(value)
    guard text.contains(".") else { return text }
    let digits = text.reversed().drop { $0 == "0" }.drop { $0 == "." }
    return String(digits.reversed())
  }
}
