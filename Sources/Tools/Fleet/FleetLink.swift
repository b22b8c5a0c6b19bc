// FleetLink: the stations of a fleet, reached through their collector, and what it tells of them.
//
//     let link = try FleetLink(
//       room, order, via: "room.example:6464", keyPath: "ada", folder: "keys", progress: note)
//     var waves = FleetWaves(order, settings, link, try room.list(), audit) { … }

import CLinux
import Core
import Foundation
import Uplink

public struct FleetLink: FleetWorld {
  /// For how long a command is to be obeyed; as `onset command` has it.
  private static let lifeSeconds = 60.0

  /// The name of the key that signs.
  public let operatorKey: String
  private let room: FleetRoom
  private let order: FleetOrder
  private let way: (via: String, keyPath: String, folder: String)
  private let progress: (Int, Int) -> Void

  /// `folder`: holds the stations' public keys, CODE.key.pub. `progress`: of a network's pieces.
  public init(
    _ room: FleetRoom, _ order: FleetOrder, via: String, keyPath: String, folder: String,
    progress: @escaping (Int, Int) -> Void
  ) throws {
    (self.room, self.order, self.progress) = (room, order, progress)
    way = (via, keyPath, folder)
    _ = try StationLink.resolve(via)
    operatorKey = JsonLine.hex(try KeyFiles.signingKey(keyPath).publicKey.name)
  }

  /// Before anything is sent: a missing key would stop a run in its middle.
  public func demandKeys(of choice: FleetChoice, in list: FleetList) throws {
    let missing = try choice.stations(of: list).map(\.code).filter {
      !FileManager.default.fileExists(atPath: publicKey($0))
    }
    guard missing.isEmpty else {
      throw ToolError(
        "\(way.folder) has no CODE.key.pub of \(Terminal.some(missing, of: 5)): it lies beside each "
          + "station's key, and `onset key public` makes it")
    }
  }

  private func publicKey(_ station: String) -> String { "\(way.folder)/\(station).key.pub" }

  private func link(_ station: String) throws -> StationLink {
    try StationLink(
      target: station, via: way.via, keyPath: way.keyPath, stationPath: publicKey(station))
  }

  public func look() throws -> FleetList { try room.list() }

  public func give(_ station: String) -> FleetAnswer {
    do {
      let link = try link(station)
      let boot = try Ping(link).boot()
      var answer =
        try order.networkPath.map { try bring($0, to: station) } ?? command(on: link, to: boot)
      answer.boot = FleetBoot(boot)
      return answer
    } catch {
      return FleetAnswer(result: .notReached, text: "\(error)")
    }
  }

  /// Whatever is thrown, nothing was sent.
  private func command(on link: StationLink, to boot: StationBoot) throws -> FleetAnswer {
    let parameter = CommandParameter.allCases.first { $0.name == order.parameter }!
    let value = try order.value.map { try parameter.value($0) } ?? CommandMessage.noValue
    let command = CommandMessage(
      parameter, value, of: link.key, to: boot, lifeSeconds: FleetLink.lifeSeconds)
    do {
      let (_, answer) = try Command.give(command, .command, on: link, to: boot) {
        command.write(to: &$0)
      }
      let holds = answer.value == CommandMessage.noValue ? nil : parameter.shortText(answer.value)
      let isDone = answer.result == .done
      let word = isDone ? nil : JsonLine.results[Int(answer.result.rawValue)]
      return FleetAnswer(
        result: isDone ? .done : .refused,
        text: [word, Command.remark(answer)].compactMap { $0 }.joined(separator: ": ")
          .nilIfEmpty, value: holds)
    } catch {
      return FleetAnswer(result: .unknown, text: "\(error)")
    }
  }

  /// Whatever is thrown, the station goes on as it did, with some pieces of a file.
  private func bring(_ path: String, to station: String) throws -> FleetAnswer {
    let upload = try NetworkUpload(
      target: station, via: way.via, keyPath: way.keyPath, stationPath: publicKey(station),
      path: path)
    guard UInt32(order.checksum!, radix: 16) == upload.checksum else {
      throw ToolError("\(path) is another network than when this run began")
    }
    let patience: Int
    do { patience = try upload.bring(progress) } catch {
      return FleetAnswer(result: .refused, text: "\(error)")
    }
    do {
      let answer = try upload.begin(shadowSeconds: order.shadowSeconds, patience: patience)
      return FleetAnswer(
        result: answer.isDone ? .done : .refused,
        text: answer.isDone
          ? (order.startsAnew ? nil : "it has all of it, and tells upstream whether it takes it")
          : answer.remark ?? "it has all of it and does not put it into the shadow")
    } catch {
      return FleetAnswer(result: .unknown, text: "\(error)")
    }
  }

  public func boot(_ station: String) -> FleetBoot? {
    (try? Ping(link(station)).boot()).map(FleetBoot.init)
  }

  public func askHealth(_ station: String) { _ = try? ask(.health, station) }

  public func hasEndedTrial(_ station: String) -> Bool? {
    switch try? ask(.network, station).result {
    case .done: true
    // As long as it is on trial, nothing can be asked of it.
    case .impossible: false
    default: nil
    }
  }

  private func ask(_ parameter: CommandParameter, _ station: String) throws -> CommandMessage {
    let link = try link(station)
    let boot = try Ping(link).boot()
    let question = CommandMessage(
      parameter, CommandMessage.noValue, of: link.key, to: boot,
      lifeSeconds: FleetLink.lifeSeconds)
    return try Command.give(question, .command, on: link, to: boot) { question.write(to: &$0) }
      .answer
  }

  public func wait(seconds: Double) { _ = poll(nil, 0, Int32(min(seconds, 600) * 1000)) }

  public var seconds: Double { Double(clinux_monotonic_nanoseconds()) * 1e-9 }
  public var now: UTC { StationLink.now() }
}

extension FleetBoot {
  init(_ boot: StationBoot) {
    self.init(epoch: boot.epoch, counter: boot.counter, nonce: boot.nonce)
  }
}

extension String {
  fileprivate var nilIfEmpty: String? { isEmpty ? nil : self }
}
