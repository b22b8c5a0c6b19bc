// AlarmReceiver: tells one receiver of the steps of its alarms, in their order, again where it
// fails, on a thread of its own: one that is away keeps no other waiting.
//
//     let receiver = AlarmReceiver(file, ledger: ledger, deliver: deliver) { complain($0) }
//     receiver.tell(step, places: places)

import Core
import Foundation
import Synchronization
import Tools

final class AlarmReceiver: @unchecked Sendable {
  /// A second after the first failure, and up to a minute.
  private static let waits = 1.0...60.0
  private static let othersSeconds = 1.0
  /// Few alarms may still be told of at once.
  private static let namesMaximum = 256

  struct Delivery: Sendable {
    var step: AlarmStep
    let places: AlarmForms.Places
    let since: Int64
    /// Nothing of it is to stay with the receiver.
    var isCheck = false
  }

  let name: String
  private let giveUpNanoseconds: Int64
  private let ledger: AlarmLedger
  /// Throws where it was not taken.
  private let deliver: (Delivery) throws -> Void
  private let complain: @Sendable (String) -> Void
  private let now: @Sendable () -> UTC
  private let uptime: @Sendable () -> Int64
  private let condition = NSCondition()
  // Guarded by the condition.
  private var queue: [Delivery] = []
  private var isOver = false
  private var hasEnded = false
  private var counts = (told: 0, failures: 0, givenUp: 0)

  init(
    _ file: ReceiverFile, ledger: AlarmLedger, now: @escaping @Sendable () -> UTC,
    uptime: @escaping @Sendable () -> Int64, complain: @escaping @Sendable (String) -> Void,
    deliver: @escaping (Delivery) throws -> Void
  ) {
    name = file.name
    giveUpNanoseconds = Int64(file.giveUpSeconds * 1e9)
    (self.ledger, self.now, self.uptime) = (ledger, now, uptime)
    (self.complain, self.deliver) = (complain, deliver)
    Thread { [self] in run() }.start()
  }

  func tell(_ step: AlarmStep, places: AlarmForms.Places) {
    condition.withLock {
      // What has grown meanwhile is told once; and nobody is roused for what is over.
      if step.kind != .raised {
        let before = queue.count
        queue.removeAll {
          $0.step.alarm == step.alarm && ($0.step.kind == .extended || step.kind == .ended)
        }
        if step.kind == .ended { counts.givenUp += before - queue.count }
      }
      queue.append(Delivery(step: step, places: places, since: uptime()))
      condition.broadcast()
    }
  }

  var summary: (told: Int, failures: Int, givenUp: Int, waiting: Int) {
    condition.withLock { (counts.told, counts.failures, counts.givenUp, queue.count) }
  }

  /// What is still to be told is tried once more, and no longer waited for than `late`.
  func end(by late: Date) {
    condition.withLock { while !hasEnded, condition.wait(until: late) {} }
  }

  func stop() {
    condition.withLock {
      isOver = true
      condition.broadcast()
    }
  }

  // MARK: Its thread

  private func run() {
    var wait = AlarmReceiver.waits.lowerBound
    var isFailing = false
    // The names that count of those that the watch gave.
    var names: [String: String] = [:]
    while let next = first() {
      var named = next
      named.step.alarm = names[next.step.alarm] ?? next.step.alarm
      let (claim, alarm) = ledger.claim(named.step, for: name, at: now())
      if names.count >= AlarmReceiver.namesMaximum { names.removeAll() }
      names[next.step.alarm] = alarm
      named.step.alarm = alarm
      switch claim {
      case .told: remove(next)
      case .others where condition.withLock({ isOver }): remove(next)
      case .others: pause(AlarmReceiver.othersSeconds)
      case .ours:
        do {
          try deliver(named)
          ledger.note(named.step, for: name, at: now())
          if isFailing { complain("the receiver \(name) takes alarms again") }
          (isFailing, wait) = (false, AlarmReceiver.waits.lowerBound)
          condition.withLock { counts.told += 1 }
          remove(next)
        } catch {
          condition.withLock { counts.failures += 1 }
          if !isFailing {
            complain("the receiver \(name) is not told, and is tried again: \(error)")
          }
          isFailing = true
          guard uptime() - next.since < giveUpNanoseconds else {
            complain(
              "the receiver \(name) was never told that an alarm was \(next.step.kind.rawValue)")
            condition.withLock { counts.givenUp += 1 }
            remove(next)
            continue
          }
          if condition.withLock({ isOver }) { remove(next) }
          pause(wait)
          wait = min(2 * wait, AlarmReceiver.waits.upperBound)
        }
      }
    }
    condition.withLock {
      hasEnded = true
      condition.broadcast()
    }
  }

  /// Waits for one; nil when it is over.
  private func first() -> Delivery? {
    condition.withLock {
      while queue.isEmpty && !isOver { condition.wait() }
      return queue.first
    }
  }

  private func remove(_ delivery: Delivery) {
    condition.withLock {
      if let index = queue.firstIndex(where: {
        $0.step.alarm == delivery.step.alarm && $0.step.key == delivery.step.key
      }) {
        queue.remove(at: index)
      }
    }
  }

  /// Less where it is over.
  private func pause(_ seconds: Double) {
    let late = Date(timeIntervalSinceNow: seconds)
    condition.withLock { while !isOver, condition.wait(until: late), Date() < late {} }
  }
}
