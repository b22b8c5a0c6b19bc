// KeptState: what an earlier run has left in the state directory, as far as it can be read. A
// station whose disk is lost, full or read-only starts all the same, and says what it cannot do.
//
//     let state = KeptState(in: directory, realtime: realtime)
//     if let problem = state.problem { … }

import Core
import Settings
import Station

public struct KeptState {
  public var bootCounter: UInt32
  /// The last command that was taken. Where it cannot be read no command is obeyed: it may have
  /// been obeyed before.
  public var commandCounter: UInt64
  public var siteTerm: Int64
  /// A latched alarm stood.
  public var isAlarmStanding: Bool
  public var problem: Diagnostic?

  public init(in directory: Path, realtime: UTC) {
    (bootCounter, commandCounter, siteTerm, isAlarmStanding) = (0, 0, 0, false)
    func read(_ name: StaticString, largest: Int) -> Int? {
      do throws(Diagnostic) {
        return try StoredCounter(name, in: directory).read(largest: largest)
      } catch {
        problem = error
        return nil
      }
    }
    commandCounter = read("command-counter", largest: .max).map { UInt64($0) } ?? .max
    siteTerm = Int64(read("site-term", largest: 20_000) ?? 0)
    // A latch that cannot be read closes nothing; the problem is told.
    isAlarmStanding = read("latch", largest: 2) == 2
    do throws(Diagnostic) {
      bootCounter = try BootCounter.advance(directory: directory, realtime: realtime)
    } catch {
      bootCounter = BootCounter.byClock(realtime)
      problem = error
    }
  }
}
