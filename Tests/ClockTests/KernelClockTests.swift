// What is made of the kernel's words about its own clock.

import CLinux
import Core
import Testing

@testable import Clock

@Suite struct KernelClockTests {
  private func reading(
    state: Int32 = TIME_OK, status: Int32 = 0, maximum: Int, estimated: Int
  ) -> SystemClockReading {
    SystemClockReading(
      monotonicNanoseconds: 1, realtime: UTC(nanoseconds: 0),
      kernel: KernelClock(
        state: state, status: status, maximumErrorMicroseconds: maximum,
        estimatedErrorMicroseconds: estimated))
  }

  /// systemd-timesyncd's zeros, then what the kernel has added to them since its poll.
  @Test func whoStatesNothingIsGivenAnError() {
    let polled = reading(status: STA_PLL, maximum: 0, estimated: 0)
    #expect(polled.isSynchronised && polled.isErrorAssumed)
    #expect(polled.maximumErrorNanoseconds == 50_000_000)
    let later = reading(status: STA_PLL, maximum: 32 * 500, estimated: 0)
    #expect(later.isErrorAssumed && later.maximumErrorNanoseconds == 66_000_000)
    // After a step it does not set the loop's bit.
    #expect(reading(maximum: 0, estimated: 0).isErrorAssumed)
  }

  /// chrony's root distance; its estimate beside a receiver is less than a microsecond.
  @Test func whoStatesAnErrorIsBelieved() {
    let far = reading(maximum: 12_345, estimated: 321)
    #expect(!far.isErrorAssumed && far.maximumErrorNanoseconds == 12_345_000)
    let near = reading(maximum: 37, estimated: 0)
    #expect(!near.isErrorAssumed)
    #expect(near.maximumErrorNanoseconds == 1_000_000, "nobody is heard so well")
    #expect(!reading(maximum: 20_000, estimated: 0).isErrorAssumed)
    #expect(!reading(status: STA_PLL, maximum: 20_000, estimated: 7).isErrorAssumed)
  }

  @Test func absurdErrorsAreBounded() {
    #expect(reading(maximum: .max, estimated: 1).maximumErrorNanoseconds == 3600 * 1_000_000_000)
    #expect(reading(maximum: .min, estimated: 1).maximumErrorNanoseconds == 1_000_000)
  }

  @Test func whatIsForbiddenOrUnsynchronisedIsNotSynchronised() {
    #expect(!reading(state: -1, maximum: 0, estimated: 0).isSynchronised)
    #expect(
      !reading(state: TIME_ERROR, status: STA_UNSYNC, maximum: 9, estimated: 9).isSynchronised)
  }

  @Test func leapFlagsHaveADirection() {
    func leap(_ state: Int32, _ status: Int32) -> Int64 {
      reading(state: state, status: status, maximum: 900, estimated: 9).leapSeconds
    }
    #expect(leap(TIME_OK, STA_PLL) == 0)
    #expect(leap(TIME_INS, STA_INS) == -1)
    #expect(leap(TIME_OOP, 0) == -1)
    #expect(leap(TIME_WAIT, STA_INS) == -1)
    #expect(leap(TIME_DEL, STA_DEL) == 1)
    #expect(leap(TIME_WAIT, STA_DEL) == 1)
    #expect(leap(TIME_WAIT, 0) == 0, "whose flags are gone already")
  }

  @Test func zeroIsNoError() {
    let reading = SystemClockReading(
      monotonicNanoseconds: 1, realtime: UTC(nanoseconds: 0), isSynchronised: true,
      maximumErrorNanoseconds: 0)
    #expect(reading.isErrorAssumed && reading.maximumErrorNanoseconds == 50_000_000)
  }
}
