// KeyRoll: another key for what a station sends upstream, over the air.
//
//     let roll = try KeyRoll(target: …, newKeyPath: "XX.ONST1.00.EH.next.key", upstream: 1)
//     print(try roll.begin())
//     try roll.wait()

import CLinux
import Core
import Foundation
import Station
import Uplink

public struct KeyRoll {
  private static let waitMilliseconds: Int32 = 2000
  private static let lifeSeconds = 60.0

  private let link: StationLink
  private let key: Key
  private let upstream: Int

  /// `upstream`: 1, or 2 for the second.
  public init(
    target: String, via: String?, keyPath: String, stationPath: String, newKeyPath: String,
    upstream: Int
  ) throws {
    link = try StationLink(target: target, via: via, keyPath: keyPath, stationPath: stationPath)
    key = try KeyFiles.read(newKeyPath)
    self.upstream = upstream
  }

  /// The station's answer as a JSON line, and what `wait` needs.
  public func begin() throws -> (line: String, boot: UInt64) {
    let boot = try Ping(link).boot()
    guard boot.exchange != PublicKey() else {
      throw ToolError("the station takes no key over the air: its state folder takes nothing")
    }
    let command = CommandMessage(
      .uplinkKey, Int64(upstream), of: link.key, to: boot, lifeSeconds: Self.lifeSeconds)
    var sealed = [UInt8](repeating: 0, count: KeyMessage.sealedByteCount)
    sealed.withUnsafeMutableBufferPointer { key.seal(for: boot.exchange, into: $0) }
    let (line, answer) = try Command.give(command, .key, on: link, to: boot) { writer in
      sealed.withUnsafeBufferPointer { KeyMessage(command, sealed: $0).write(to: &writer) }
    }
    switch answer.result {
    case .begun: return (line, boot.nonce)
    case .outOfRange:
      throw ToolError(
        "the station does not take it: it has this key already, or no upstream \(upstream)")
    case .impossible:
      throw ToolError(
        "another key is on trial there, for \(Station.keyTrialSeconds / 60) min at most")
    default:
      throw ToolError(Command.remark(answer) ?? "the station answered \(answer.result)")
    }
  }

  /// Until the station has the key on disk; throws where it has not.
  public func wait(boot: UInt64) throws {
    let lastly = clinux_monotonic_nanoseconds() + (Station.keyTrialSeconds + 60) * 1_000_000_000
    while clinux_monotonic_nanoseconds() < lastly {
      _ = poll(nil, 0, Self.waitMilliseconds)
      if isProven { return }
      // On a bad link some questions stay without an answer.
      guard let now = try? Ping(link).boot() else { continue }
      guard now.nonce == boot else {
        throw ToolError(
          "the station has started anew meanwhile: where `onset ping` with the new key's .pub finds "
            + "it, it has the key; otherwise begin again")
      }
      let question = CommandMessage(
        .uplinkKey, CommandMessage.noValue, of: link.key, to: now, lifeSeconds: Self.lifeSeconds)
      let answer = try? Command.give(question, .command, on: link, to: now) {
        question.write(to: &$0)
      }.answer
      guard let answer else { continue }
      if upstream == 2 && answer.value == -2 { return }
      guard answer.value != 0 else {
        throw ToolError(
          "the old key counts: the upstream acknowledged nothing with the new one, which must be in the "
            + "collector's key folder as CODE.next.key first, or the station's disk did not take it. Leave "
            + "the new one there until the station has started anew: a failing disk may have kept it"
        )
      }
    }
    throw ToolError(
      "nobody can say how it ended: leave both keys with the collector, and ask again with onset ping"
    )
  }

  /// Whoever has the old key can answer as the station: only what is signed with the pair of the new
  /// one is believed. That pair follows from the first upstream's key alone.
  private var isProven: Bool {
    guard upstream == 1 else { return false }
    var renewed = link
    renewed.stationKeys = [SigningKey(ofStation: key).publicKey]
    return (try? Ping(renewed).boot()) != nil
  }
}
