// A station with a geophone beside its accelerometer: which vertical the picker hears.

import Conditioning
import Core
import Testing

@Suite struct QuietVerticalTests {
  private static let start = UTC(CalendarDate(year: 2026, month: 6, day: 1))

  private func sample(_ second: Double, silent: LaneSet = 0, clipped: LaneSet = 0) -> Sample {
    var flags = ChannelFlags()
    (flags.dead, flags.clipped) = (silent, clipped)
    return Sample(
      number: Int64(second * 100), time: Self.start + Int64(second * 1e9),
      counts: Lanes(1, 2, 3, 4), motion: nil, flags: flags, isRestart: false)
  }

  @Test func theQuieterOneIsHeard() {
    var vertical = QuietVertical(isThere: true)
    let heard = vertical.heard(sample(0, clipped: 0b1000))
    #expect(heard.counts == Lanes(4, 2, 3, 4) && !heard.isRestart)
    #expect(heard.flags.clipped == 0b1001)
    // The other one's faults are none of the picker's.
    let clipped = vertical.heard(sample(1, clipped: 0b0011))
    #expect(clipped.flags.clipped == 0b0010)
    let dead = vertical.heard(sample(1, silent: 0b0001))
    #expect(dead.flags.dead.isEmpty)
  }

  @Test func withoutOneNothingChanges() {
    var vertical = QuietVertical(isThere: false)
    let heard = vertical.heard(sample(0, silent: 0b1000, clipped: 0b1001))
    #expect(heard.counts == Lanes(1, 2, 3, 4) && heard.flags.clipped == 0b1001)
  }

  /// A cable that comes off, and a plug that is loose.
  @Test func oneThatIsSilentGivesWayUntilItHasBeenThereForAMinute() {
    var vertical = QuietVertical(isThere: true)
    _ = vertical.heard(sample(0))
    let gone = vertical.heard(sample(1, silent: 0b1000))
    #expect(gone.counts[0] == 1 && gone.isRestart)
    let stays = vertical.heard(sample(2, silent: 0b1000))
    #expect(!stays.isRestart)
    let early = vertical.heard(sample(61))
    #expect(early.counts[0] == 1 && !early.isRestart)
    let again = vertical.heard(sample(61.5, silent: 0b1000))
    #expect(!again.isRestart)
    let late = vertical.heard(sample(121))
    #expect(late.counts[0] == 1)
    let back = vertical.heard(sample(121.5))
    #expect(back.counts[0] == 4 && back.isRestart)
    let after = vertical.heard(sample(122))
    #expect(!after.isRestart)
  }
}
