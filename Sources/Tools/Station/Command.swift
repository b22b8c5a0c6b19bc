// Command: an authenticated order to a running station, and its answer.
//
//     let (line, isDone, _) = try Command(
//       target: "192.0.2.1:6465", keyPath: "station.key", station: "XX.ONST1.00.EH",
//       parameter: "drill", value: "1", expirySeconds: 60
//     ).run()

import CLinux
import Clock
import Core
import Estimator
import Foundation
import Picker
import Station
import Uplink

extension CommandParameter: CaseIterable {
  public static let allCases = (1...12).compactMap(CommandParameter.init(rawValue:))

  private static let allNames = words(names)

  /// The name that station.toml and the JSON lines have for it.
  var name: String { Self.allNames[Int(rawValue) - 1] }

  /// What it takes and does, for whoever asks for help.
  var meaning: String {
    func from(_ range: ClosedRange<Double>) -> String {
      "\(shortest(range.lowerBound)) to \(shortest(range.upperBound))"
    }
    let phase = from(NetworkPickerSettings.probabilities)
    let doubt = from(NetworkPickerSettings.doubts)
    let test = Station.relayTestMilliseconds
    let minutes = Station.drillNanoseconds / (60 * nanosecondsPerSecond)
    return switch self {
    case .triggerRatio:
      "\(from(PickerSettings.triggerRatios)): from which ratio on STA/LTA triggers"
    case .confirmProbability: "\(phase): from which probability on a P is confirmed"
    case .announceProbability: "\(phase): the same for a P to be announced"
    case .shearProbability: "\(phase): the same for an S"
    case .unseenProbability: "\(doubt): a P is confirmed that STA/LTA does not see"
    case .announceUnseenProbability: "\(doubt): the same for it to be announced"
    case .eventProbability: "\(doubt): an event is wanted around a P"
    case .relayTest:
      "\(shortest(Double(test.lowerBound) / 1000)) to \(test.upperBound / 1000) s: actuates the relay"
    case .drill: "1 begins a drill, which ends after \(minutes) min or by 0"
    case .health: "no value: a health message follows"
    case .release: "no value: ends a watch or an alarm, latched or not"
    case .siteTerm:
      "\(shortest(-SiteTerm.limit)) to \(shortest(SiteTerm.limit)), log10: how much more the site shakes; kept"
    }
  }

  /// What the wire counts of one of an operator's units.
  private var partsOfUnit: Double {
    switch self {
    case .triggerRatio, .relayTest: 1000
    case .drill, .health, .release: 1
    default: 10_000
    }
  }

  func text(_ value: Int64) -> String {
    decimal(Double(value) / partsOfUnit, partsOfUnit > 1 ? 4 : 0)
  }

  func value(_ text: String) throws -> Int64 {
    guard let number = Double(text), number.magnitude < 1e12 else {
      throw ToolError("\(text) is not a value for \(name): it must be a number")
    }
    return Int64((number * partsOfUnit).rounded())
  }
}

public struct Command {
  private let link: StationLink
  private let station: Text<24>
  private let parameter: CommandParameter
  private let value: Int64
  private let expirySeconds: Double?

  /// `value`: nil to be told only. `expirySeconds`: nil for a command that holds whenever it comes.
  public init(
    target: String, keyPath: String, station: String, parameter: String, value: String?,
    expirySeconds: Double?
  ) throws {
    link = try StationLink(target: target, keyPath: keyPath)
    guard station.utf8.count <= 24, Text<24>(station).isStationCode else {
      throw ToolError("--station \(station) is not NET.STA.LOC.BS, such as XX.ONST1.00.EH")
    }
    self.station = Text<24>(station)
    guard let known = CommandParameter.allCases.first(where: { $0.name == parameter }) else {
      let names = CommandParameter.allCases.map(\.name).joined(separator: ", ")
      throw ToolError("\(parameter) is no parameter of a station; there are \(names)")
    }
    self.parameter = known
    self.value = try value.map { try known.value($0) } ?? CommandMessage.noValue
    self.expirySeconds = expirySeconds
  }

  /// What an operator is to know of an answer beside its line; nil where that says it all.
  public static func remark(_ answer: CommandMessage, _ header: Header) -> String? {
    guard answer.result == .expired else { return nil }
    return header.clockState == ClockState.unsynchronised.rawValue
      ? "the station's clock is unsynchronised, so that it cannot tell whether a command has expired "
        + "and takes it as expired: give --expires never, or synchronise its clock"
      : "by the station's clock the command came after it had expired: compare this machine's clock "
        + "with the station's, or give a longer --expires"
  }

  /// The station's answer as a JSON line, whether it obeyed, and what is to be said beside that.
  public func run() throws -> (line: String, isDone: Bool, remark: String?) {
    let now = clinux_realtime_nanoseconds()
    var random = SystemRandomNumberGenerator()
    var command = CommandMessage()
    // The clock grows from command to command without anybody keeping count.
    command.counter = UInt64(now)
    command.id = random.next()
    command.parameter = parameter.rawValue
    command.value = value
    if let expirySeconds {
      command.expires = UTC(nanoseconds: now + Int64(expirySeconds * 1e9))
    }
    // The same again each time: a station answers twice and obeys once.
    let answer = try link.ask(.command, station: station, payload: { command.write(to: &$0) }) {
      datagram -> (String, Bool, String?)? in
      guard datagram.header.type == .command,
        let answer = try? CommandMessage(datagram.payload), answer.result != .none,
        answer.counter == command.counter, answer.id == command.id
      else { return nil }
      return (
        try JsonLine.text(datagram), answer.result == .done,
        Command.remark(answer, datagram.header)
      )
    }
    guard let answer else {
      throw ToolError(
        "no answer to \(StationLink.attempts) commands: the station is off, another listen_port, "
          + "another key, another --station, a firewall between, or it took a command of a sender "
          + "whose clock is ahead of this one")
    }
    return answer
  }
}
