// MachineClock: the machine's clocks, read together, and what the kernel says of their quality.
//
//     let clock = MachineClock()
//     let (now, system) = (clock.monotonicNanoseconds(), clock.systemClock())

import CLinux
import Clock
import Core

public struct MachineClock: HostClock {
  public init() {}
  public func monotonicNanoseconds() -> Int64 { clinux_monotonic_nanoseconds() }

  public func systemClock() -> SystemClockReading {
    let kernel = KernelClock.now
    // The realtime clock between two readings of the monotonic one: the middle is right to half
    // their distance, which preemption can stretch, so the closest of three tries counts.
    var best = Int64.max
    var monotonic: Int64 = 0
    var realtime: Int64 = 0
    for _ in 0..<3 {
      let before = clinux_monotonic_nanoseconds()
      let between = clinux_realtime_nanoseconds()
      let after = clinux_monotonic_nanoseconds()
      if after - before < best {
        best = after - before
        monotonic = before + best / 2
        realtime = between
      }
    }
    return SystemClockReading(
      monotonicNanoseconds: monotonic, realtime: UTC(nanoseconds: realtime), kernel: kernel)
  }

  public func delivered(frames: Int) {}
}

extension KernelClock {
  public static var now: KernelClock {
    var clock = KernelClock()
    clock.state = clinux_kernel_clock(
      &clock.status, &clock.maximumErrorMicroseconds, &clock.estimatedErrorMicroseconds)
    return clock
  }
}
