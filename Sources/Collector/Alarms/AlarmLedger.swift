// AlarmLedger: which steps of alarms have been told to whom, in the store, so that of several
// collectors one tells, and another goes on where one has ended.
//
// A store that takes nothing keeps nobody from being told: an alarm twice is better than none.
//
//     let ledger = AlarmLedger("onset.sqlite", collector: "room-6464")
//     let (claim, alarm) = ledger.claim(step, for: "siren", at: now)
//     if claim == .ours { … ledger.note(step, for: "siren", at: now) }

import Core
import Foundation
import Tools

/// For one thread.
final class AlarmLedger {
  /// An alarm waits no longer than that for a store that hangs, and then goes out twice rather than
  /// late. A store that answers takes a hundredth of it.
  private static let patienceMilliseconds: Int32 = 300
  /// After an attempt that failed, it is not asked again for so long.
  private static let restNanoseconds = 5 * nanosecondsPerSecond
  /// Whoever has claimed a step and not told it in this time has ended, or its receiver is away:
  /// the others try as well.
  private static let claimNanoseconds = 15 * nanosecondsPerSecond
  /// Alarms that began so shortly one after another are the same, heard in another order.
  private static let sameNanoseconds = 60 * nanosecondsPerSecond

  enum Claim: Equatable { case ours, told, others }

  private let location: String
  private let collector: String
  private var database: (any Database)?
  private var triedAt: Int64?
  private let uptime: () -> Int64

  init(_ location: String, collector: String, uptime: @escaping () -> Int64) {
    (self.location, self.collector, self.uptime) = (location, collector, uptime)
  }

  static func makeTables(in database: any Database) throws {
    try database.execute(
      """
      CREATE TABLE IF NOT EXISTS alarm_step (
        receiver TEXT NOT NULL, alarm TEXT NOT NULL, step TEXT NOT NULL,
        time_ns BIGINT NOT NULL, collector TEXT NOT NULL, claimed_ns BIGINT NOT NULL,
        told_ns BIGINT, PRIMARY KEY (receiver, alarm, step));
      """)
  }

  /// A receiver that there is from now on; whether there was one of this name before.
  func register(_ receiver: String) -> Bool {
    let added = ask { database in
      try database.prepare(
        """
        INSERT INTO alarm_step (receiver, alarm, step, time_ns, collector, claimed_ns, told_ns)
        VALUES (?, '', 'known', 0, '', 0, 0) ON CONFLICT (receiver, alarm, step) DO NOTHING
        """
      ).run([.text(receiver)])
    }
    return added != 1
  }

  /// When its first station decided, where it is a beginning; else when it was.
  private static func time(of step: AlarmStep) -> Int64 {
    (step.kind == .raised ? step.begun : step.at).nanoseconds
  }

  /// Whose it is to tell a step, and the name of its alarm that counts.
  func claim(
    _ step: AlarmStep, for receiver: String, at now: UTC
  ) -> (claim: Claim, alarm: String) {
    ask { database in
      try database.transaction {
        try database.lockTables()
        let alarm = try step.kind == .raised ? same(step, for: receiver, in: database) : step.alarm
        func row(_ key: String) throws -> [SqlValue]? {
          try database.prepare(
            "SELECT told_ns, claimed_ns, collector FROM alarm_step WHERE receiver = ? AND alarm = ? "
              + "AND step = ?"
          ).rows([.text(receiver), .text(alarm), .text(key)]).first
        }
        // Nothing follows the end.
        if step.kind != .ended, let end = try row("ended"), end[0] != .null {
          return (.told, alarm)
        }
        if let own = try row(step.key) {
          guard own[0] == .null else { return (.told, alarm) }
          if case .integer(let claimed) = own[1], own[2] != .text(collector),
            now.nanoseconds - claimed < AlarmLedger.claimNanoseconds
          {
            return (.others, alarm)
          }
        }
        try database.prepare(
          """
          INSERT INTO alarm_step (receiver, alarm, step, time_ns, collector, claimed_ns)
          VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (receiver, alarm, step) DO UPDATE SET
          collector = excluded.collector, claimed_ns = excluded.claimed_ns
          """
        ).run([
          .text(receiver), .text(alarm), .text(step.key), .integer(AlarmLedger.time(of: step)),
          .text(collector), .integer(now.nanoseconds),
        ])
        return (.ours, alarm)
      }
    } ?? (.ours, step.alarm)
  }

  /// The alarm that another collector, or this one before a restart, has begun with another alert
  /// and that stood when this one began; its own name where there is none.
  private func same(
    _ step: AlarmStep, for receiver: String, in database: any Database
  ) throws -> String {
    let row = try database.prepare(
      """
      SELECT alarm FROM alarm_step a WHERE receiver = ? AND step = 'raised' AND time_ns > ?
        AND time_ns < ? AND NOT EXISTS (SELECT 1 FROM alarm_step e WHERE e.receiver = a.receiver
          AND e.alarm = a.alarm AND e.step = 'ended' AND e.time_ns < ?)
      ORDER BY claimed_ns LIMIT 1
      """
    ).rows([
      .text(receiver), .integer(step.begun.nanoseconds &- AlarmLedger.sameNanoseconds),
      .integer(step.begun.nanoseconds &+ AlarmLedger.sameNanoseconds),
      .integer(step.at.nanoseconds),
    ]).first
    guard case .text(let alarm)? = row?.first else { return step.alarm }
    return alarm
  }

  /// It has been told.
  func note(_ step: AlarmStep, for receiver: String, at now: UTC) {
    _ = ask { database in
      try database.prepare(
        """
        INSERT INTO alarm_step (receiver, alarm, step, time_ns, collector, claimed_ns, told_ns)
        VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (receiver, alarm, step)
        DO UPDATE SET told_ns = excluded.told_ns
        """
      ).run([
        .text(receiver), .text(step.alarm), .text(step.key), .integer(AlarmLedger.time(of: step)),
        .text(collector), .integer(now.nanoseconds), .integer(now.nanoseconds),
      ])
    }
  }

  /// nil where the store takes nothing.
  private func ask<Answer>(_ question: (any Database) throws -> Answer) -> Answer? {
    if database == nil, let triedAt, uptime() - triedAt < AlarmLedger.restNanoseconds { return nil }
    do {
      let open =
        try database
        ?? openDatabase(location, patienceMilliseconds: AlarmLedger.patienceMilliseconds)
      database = open
      return try question(open)
    } catch {
      (database, triedAt) = (nil, uptime())
      return nil
    }
  }
}
