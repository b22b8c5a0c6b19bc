// Command: an operator's order to a running station, and its answer.
//
//     let (line, isDone, _) = try Command(
//       target: "192.0.2.1:6465", via: nil, keyPath: "ada", stationPath: "station.key.pub",
//       parameter: "drill", value: "1", lifeSeconds: 60
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
  /// All that the wire numbers; 64 is above the highest.
  public static let allCases = (1...64).compactMap(CommandParameter.init(rawValue:))

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
    case .restart: "1 starts the station's program anew, unless an alert stands"
    case .healthInterval:
      "\(Station.healthIntervals.lowerBound) to \(Station.healthIntervals.upperBound) s: how often it tells how it is"
    case .instrument: "no value: where it stands and what it measures with is told upstream"
    case .network:
      "0 to \(Station.shadowSeconds.upperBound) s in the shadow, then it picks; -1 and -2 forget"
    case .uplinkKey: "no value: which upstream has a new key (onset rekey)"
    case .peaks:
      "\(Station.peaksSeconds.lowerBound) to \(Station.peaksSeconds.upperBound) s: so long the peaks of each second are told"
    }
  }

  /// What the wire counts of one of an operator's units.
  private var partsOfUnit: Double {
    switch self {
    case .triggerRatio, .relayTest: 1000
    case .drill, .health, .release, .restart, .healthInterval, .instrument, .peaks, .network,
      .uplinkKey:
      1
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
  private let parameter: CommandParameter
  private let value: Int64
  private let lifeSeconds: Double

  /// `value`: nil to be told only. `lifeSeconds`: for how long the command is to be obeyed.
  public init(
    target: String, via: String?, keyPath: String, stationPath: String, parameter: String,
    value: String?,
    lifeSeconds: Double
  ) throws {
    let link = try StationLink(target: target, via: via, keyPath: keyPath, stationPath: stationPath)
    try self.init(link, parameter: parameter, value: value, lifeSeconds: lifeSeconds)
  }

  init(_ link: StationLink, parameter: String, value: String?, lifeSeconds: Double) throws {
    self.link = link
    guard let known = CommandParameter.allCases.first(where: { $0.name == parameter }) else {
      let names = CommandParameter.allCases.map(\.name).joined(separator: ", ")
      throw ToolError("\(parameter) is no parameter of a station; there are \(names)")
    }
    self.parameter = known
    self.value = try value.map { try known.value($0) } ?? CommandMessage.noValue
    self.lifeSeconds = lifeSeconds
  }

  /// What an operator is to know of an answer beside its line; nil where that says it all.
  public static func remark(_ answer: CommandMessage) -> String? {
    switch answer.result {
    case .expired:
      "it came when its life was over: give a longer --life, or find out what delays it"
    case .notPermitted:
      "the station file's [operators] give this key no right to it: watch asks, tune sets, relay "
        + "tests, drills and releases, update starts anew"
    case .tooOften: "the relay is tested \(Station.relayTestsPerHour) times an hour at most"
    default: nil
    }
  }

  /// The station's answer as a JSON line, whether it obeyed, and what is to be said beside that.
  public func run() throws -> (line: String, isDone: Bool, remark: String?) {
    let boot = try Ping(link).boot()
    let command = CommandMessage(parameter, value, of: link.key, to: boot, lifeSeconds: lifeSeconds)
    let (line, answer) = try Command.give(command, .command, on: link, to: boot) {
      command.write(to: &$0)
    }
    return (line, answer.result == .done, Command.remark(answer))
  }

  /// Sends a command, and the same again where nothing comes back: a station answers twice and obeys
  /// once.
  static func give(
    _ command: CommandMessage, _ type: MessageType, on link: StationLink, to boot: StationBoot,
    payload: (inout ByteWriter) -> Void
  ) throws -> (line: String, answer: CommandMessage) {
    let header = Header(type, to: boot.station, epoch: boot.epoch, at: StationLink.now())
    let answer = try link.ask({ header }, payload: payload) {
      datagram -> (String, CommandMessage)? in
      guard datagram.header.type == .answer,
        let answer = try? AnswerMessage(datagram.payload).command,
        answer.issuedMicroseconds == command.issuedMicroseconds, answer.id == command.id
      else { return nil }
      return (try JsonLine.text(datagram), answer)
    }
    guard let answer else {
      throw ToolError(
        "no answer to \(StationLink.attempts) commands, though it had answered a ping: it started "
          + "anew meanwhile, or a command of this key that was given later has overtaken this one")
    }
    return answer
  }
}

extension CommandMessage {
  init(
    _ parameter: CommandParameter, _ value: Int64, of operatorKey: SigningKey, to boot: StationBoot,
    lifeSeconds: Double
  ) {
    self.init()
    giver = operatorKey.publicKey.name
    bootNonce = boot.nonce
    issuedMicroseconds = boot.microsecondsNow
    lifeMilliseconds = UInt32(lifeSeconds * 1000)
    var random = SystemRandomNumberGenerator()
    id = random.next()
    self.parameter = parameter.rawValue
    self.value = value
  }
}
