// KeptState: what an earlier run has left in the state directory, as far as it can be read. A
// station whose disk is lost, full or read-only starts all the same, and says what it cannot do.
//
//     let state = KeptState(in: directory) { csodium_random() }
//     if let problem = state.problem { … }

import Core
import Settings
import Station

public struct KeptState {
  /// Drawn when the directory is new. Where it, or the boot's number, is not on disk, an epoch is
  /// drawn for this boot alone: no two datagrams ever have the same name.
  public var epoch: UInt64
  public var bootCounter: UInt32
  /// Both are on disk.
  public var isNamed: Bool
  public var siteTerm: Int64
  /// A latched alarm stood.
  public var isAlarmStanding: Bool
  public var problem: Diagnostic?

  public init(in directory: Path, random: () -> UInt64) {
    (epoch, bootCounter, isNamed, siteTerm, isAlarmStanding) = (0, 0, true, 0, false)
    func read(_ name: StaticString, largest: Int) -> Int? {
      do throws(Diagnostic) {
        return try StoredCounter(name, in: directory).read(largest: largest)
      } catch {
        problem = error
        return nil
      }
    }
    siteTerm = Int64(read("site-term", largest: 20_000) ?? 0)
    // A latch that cannot be read closes nothing; the problem is told.
    isAlarmStanding = read("latch", largest: 2) == 2
    do throws(Diagnostic) {
      epoch = try KeptState.epoch(in: directory, random)
      bootCounter = try BootCounter.advance(in: directory)
    } catch {
      (epoch, bootCounter, isNamed) = (KeptState.draw(random), 1, false)
      problem = error
    }
  }

  private static func epoch(
    in directory: Path, _ random: () -> UInt64
  ) throws(Diagnostic) -> UInt64 {
    let stored = try StoredCounter("epoch", in: directory)
    let last = try stored.read(largest: .max)
    // An epoch whose boots are not counted any more would have a boot twice.
    let boots = try StoredCounter("boot-counter", in: directory).read(largest: Int(UInt32.max))
    if last > 0 && boots > 0 { return UInt64(last) }
    let new = draw(random)
    guard stored.store(Int(new)) else { throw stored.unwritable() }
    return new
  }

  /// 63 bits, and not zero.
  private static func draw(_ random: () -> UInt64) -> UInt64 { max(random() >> 1, 1) }
}
