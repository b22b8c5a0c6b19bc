// Another key for what goes upstream, over the air.
//
// A key that may be known to others must be replaced before the next visit. A station that sealed
// with a key that its upstream does not have would be lost until then.
//
// So the old key goes on sealing everything. Beside it the newest health message goes again, sealed
// with the new key, until the upstream acknowledges that with the new key: it has it. Then the new
// key is put on disk, and from there on nothing else is sealed or believed with the old one. Where
// no such acknowledgement comes in ten minutes, or the program ends before, nothing has changed; a
// disk that fails while it takes the key may give it to the next boot all the same.

import Core
import Uplink

/// What is to be on disk of it.
public struct KeyOrder {
  public let upstream: Int
  public let record: KeyRecord
}

/// A new key of which nobody knows whether the upstream has it.
struct KeyTrial {
  var stage = Stage.none
  var upstream = 0
  var key = Key(Octets())
  /// The command that brought it; the audit at the end has its number.
  var command = CommandMessage()
  var end: Int64 = 0
  var nextTry: Int64 = 0
  /// A health message that the upstream was told already, sealed with the new key.
  var probe = Datagram()
  var probeSequence: UInt32 = 0
  /// Minus the number of the upstream whose key the last trial of this boot has replaced; 0: none.
  var accepted: Int64 = 0

  enum Stage { case none, probing, proven, ordered }
}

extension Station {
  /// Longer than the outages of a link that works.
  public static var keyTrialSeconds: Int64 { 600 }
  /// Where a full queue dropped it, nobody would tell that it was not done.
  private static var keepKeyRank: UInt8 { 1 }
  private static var keyTryNanoseconds: Int64 { 5 * nanosecondsPerSecond }

  /// `sealed`: nil where a command came without a key.
  @inline(never)
  mutating func setKey(
    _ command: CommandMessage, _ sealed: UnsafeBufferPointer<UInt8>?
  ) -> (CommandResult, Int64) {
    if command.value == CommandMessage.noValue { return (.done, keyState) }
    guard settings.exchange.isThere, keyTrial.stage == .none else {
      return (.impossible, keyState)
    }
    guard (1...(hasSecond ? 2 : 1)).contains(command.value), let sealed,
      let key = settings.exchange.open(sealed), !keys[0].has(key),
      !(hasSecond && keys[1].has(key))
    else { return (.outOfRange, keyState) }
    let now = moment.monotonicNanoseconds
    keyTrial.stage = .probing
    keyTrial.accepted = 0
    keyTrial.upstream = Int(command.value) - 1
    keyTrial.key = key
    keyTrial.command = command
    keyTrial.end = now + Station.keyTrialSeconds * nanosecondsPerSecond
    keyTrial.nextTry = now + nanosecondsPerSecond
    keyTrial.probeSequence = sequence
    keyTrial.probe = reportHealth()
    keyTrial.probe.seal(with: key)
    keyTrial.probe.destination = .upstream(keyTrial.upstream)
    return (.begun, keyState)
  }

  /// The upstream whose key is on trial; below zero, the one whose new key counts since this boot;
  /// 0 for neither.
  private var keyState: Int64 {
    keyTrial.stage == .none ? keyTrial.accepted : Int64(keyTrial.upstream) + 1
  }

  mutating func passKeyTrial() {
    guard keyTrial.stage == .probing || keyTrial.stage == .proven else { return }
    let now = moment.monotonicNanoseconds
    guard now < keyTrial.end else { return endKeyTrial(.impossible) }
    guard now >= keyTrial.nextTry else { return }
    keyTrial.nextTry = now + Station.keyTryNanoseconds
    guard keyTrial.stage == .proven else {
      return actions.put(.send(keyTrial.probe), rank: MessageType.health.rank)
    }
    keyTrial.stage = .ordered
    let order = KeyOrder(
      upstream: keyTrial.upstream,
      record: KeyRecord(keyTrial.key, replacing: keys[keyTrial.upstream].filed))
    actions.put(.keepKey(order), rank: Station.keepKeyRank)
  }

  /// An acknowledgement had its seal. One that somebody recorded in an earlier trial proves nothing.
  mutating func proveKey(_ acknowledgement: AcknowledgementMessage) {
    guard keyTrial.stage == .probing, acknowledgement.boot == settings.bootCounter,
      acknowledgement.settles(keyTrial.probeSequence)
    else { return }
    (keyTrial.stage, keyTrial.nextTry) = (.proven, .min)
  }

  /// Where the disk does not take it, it is ordered again until the trial's time is over.
  mutating func noteKeyKept(isDone: Bool) {
    guard keyTrial.stage == .ordered else { return }
    guard isDone else {
      keyTrial.stage = .proven
      return
    }
    keys[keyTrial.upstream].replace(by: keyTrial.key)
    if keyTrial.upstream == 0 { identity = SigningKey(ofStation: keyTrial.key) }
    keyTrial.accepted = -Int64(keyTrial.upstream) - 1
    endKeyTrial(.done)
  }

  private mutating func endKeyTrial(_ result: CommandResult) {
    var outcome = keyTrial.command
    keyTrial.stage = .none
    keyTrial.key = Key(Octets())
    (outcome.result, outcome.value) = (result, keyState)
    send(.audit, isKept: true) { AuditMessage(outcome).write(to: &$0) }
  }
}
