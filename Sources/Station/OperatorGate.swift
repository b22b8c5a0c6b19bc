// OperatorGate: whose pings and commands are looked at.
//
// To check a signature takes a hundred times as long as to check a tag, and anybody can send one: a
// recorded ping, five hundred times a second. To look at all of them is to stand still; to look at
// so many a second, whoever they are of, is to let the recorded ones crowd the operator out.
//
// So what can be told without the signature is told first. It must be for this station, and the key
// an operator's. A command must have the number that this boot drew and be newer than the
// operator's last; commands have a share of their own, which no ping takes. A ping that is not newer
// than the operator's last, or minutes off where the time is known, has a share that is small: a
// recorded one takes nothing from a new one, and an operator whose clock is wrong is still answered.
// Who forges new pings without end crowds out pings, and no command.
//
//     if let key = gate.admit(sealed, operators, bootNonce: nonce, second: second) { … }
//     gate.note(command, sealedBy: seal, of: place)

import Core
import Uplink

/// So many a second.
struct Budget: Sendable {
  private let maximum: UInt32
  private var second = Int64.min
  private var spent: UInt32 = 0

  init(_ maximum: UInt32) { self.maximum = maximum }

  mutating func take(in now: Int64) -> Bool {
    if now != second { (second, spent) = (now, 0) }
    guard spent < maximum else { return false }
    spent += 1
    return true
  }
}

struct OperatorGate {
  // An operator asks seldom.
  private var commands = Budget(8)
  private var new = Budget(8)
  private var old = Budget(2)
  private var repeats = Budget(5)
  private var pieces = Budget(UInt32(NetworkMessage.piecesPerSecond))

  /// When each operator's newest ping was sent by their clock, and the newest command given.
  private var pinged = InlineArray<8, Int64>(repeating: .min)
  private var issued = InlineArray<8, UInt64?>(repeating: nil)
  private var lastSeal: Octets<8>?
  /// Something of `pinged` was noted without knowing the time.
  private var isTimeless = false

  /// How far an operator's clock and the station's may be apart.
  private static let pingNanoseconds = 300 * nanosecondsPerSecond

  /// The key that the signature of what is for this station is to be tried with; nil where that is
  /// not worth it. `utc`: nil where nobody has told the time.
  mutating func admit(
    _ sealed: SealedBytes, _ operators: borrowing Operators, bootNonce: UInt64, utc: UTC?,
    second: Int64
  ) -> PublicKey? {
    if utc != nil && isTimeless {
      isTimeless = false
      pinged = InlineArray(repeating: .min)
    }
    switch sealed.type {
    case .ping:
      guard let ping = try? PingMessage(sealed.payload), let place = operators.place(of: ping.asker)
      else { return nil }
      let isNew =
        OperatorGate.isNear(sealed.emitted, utc) && sealed.emitted.nanoseconds > pinged[place]
      let isWorthIt = isNew ? new.take(in: second) : old.take(in: second)
      return isWorthIt ? operators[place].key : nil
    case .command, .key:
      guard let command = OperatorGate.command(sealed),
        let place = operators.place(of: command.giver), command.bootNonce == bootNonce,
        issued[place].map({ command.issuedMicroseconds > $0 }) ?? true, commands.take(in: second)
      else { return nil }
      return operators[place].key
    case .network:
      guard let piece = try? NetworkMessage(sealed.payload).piece,
        let place = operators.place(of: piece.giver), piece.bootNonce == bootNonce,
        pieces.take(in: second)
      else { return nil }
      return operators[place].key
    default: return nil
    }
  }

  private static func command(_ sealed: SealedBytes) -> CommandMessage? {
    sealed.type == .key
      ? (try? KeyMessage(sealed.payload))?.command : try? CommandMessage(sealed.payload)
  }

  private static func isNear(_ time: UTC, _ utc: UTC?) -> Bool {
    guard let utc else { return true }
    let (apart, isFar) = utc.nanoseconds.subtractingReportingOverflow(time.nanoseconds)
    return !isFar && apart.magnitude <= UInt64(pingNanoseconds)
  }

  /// Whether it has the signature of the last command that was taken, and may be answered again.
  mutating func isRepeat(_ sealed: SealedBytes, second: Int64) -> Bool {
    guard sealed.type == .command || sealed.type == .key, let lastSeal else { return false }
    return Octets(sealed.seal) == lastSeal && repeats.take(in: second)
  }

  /// A ping whose signature was right. One of a clock that is far off says nothing of those to come,
  /// and nothing that was noted without the time holds when it is known.
  mutating func note(pingOf place: Int, _ emitted: UTC, utc: UTC?) {
    guard OperatorGate.isNear(emitted, utc) else { return }
    isTimeless = isTimeless || utc == nil
    pinged[place] = max(pinged[place], emitted.nanoseconds)
  }

  /// A command whose signature was right.
  mutating func note(
    _ command: CommandMessage, of place: Int, sealedBy seal: UnsafeBufferPointer<UInt8>
  ) {
    issued[place] = command.issuedMicroseconds
    lastSeal = Octets(seal)
  }
}
