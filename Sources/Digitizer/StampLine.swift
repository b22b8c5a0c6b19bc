// StampLine: the line through stamps that come at even steps, of which some are late and none is
// early. It tells how many steps a stamp is from the last one, though the oscillator that makes the
// steps is not the kernel's and interrupts are held up now and then.
//
//     var line = StampLine(nominalNanoseconds: 8_000_000)
//     let steps = line.steps(to: stamp)
//     line.note(stamp, after: 1)

import Core

struct StampLine {
  /// What a stamp's distance from the line moves it by, once there are many; and the rate by the
  /// quarter of its square, so that neither swings (a critically damped loop of second order).
  private static let phaseShare = 1.0 / 16
  /// An oscillator that is further off runs at another rate than is written.
  private static let intervalErrorMaximum = 0.05
  /// After so many lost ones the line begins anew.
  private static let bridgedMaximum: Int64 = 16

  private let nominal: Double
  /// Where the last stamp should be, the nanoseconds of a step, and of how many stamps it is made.
  private(set) var last: Int64 = 0
  private(set) var interval: Double
  private var count = 0

  init(nominalNanoseconds: Double) {
    nominal = nominalNanoseconds
    interval = nominalNanoseconds
  }

  mutating func restart() { (last, interval, count) = (0, nominal, 0) }

  var isEmpty: Bool { count == 0 }

  /// Of one that is not empty.
  func steps(to stamp: Int64) -> Double { Double(stamp - last) / interval }

  /// The next stamp, so many steps after the one before.
  mutating func note(_ stamp: Int64, after steps: Int64) {
    defer { count = min(count + 1, 1 << 16) }
    let expected = last + Int64(Elementary.nearestInteger(Double(steps) * interval))
    let error = Double(stamp - expected)
    guard !isEmpty, steps <= StampLine.bridgedMaximum, error > -interval / 2 else {
      last = stamp
      return
    }
    last = expected
    // A late one tells nothing of the rate.
    guard error < interval / 2 else { return }
    let share = max(1 / Double(count + 1), StampLine.phaseShare)
    last += Int64(Elementary.nearestInteger(error * share))
    let bound = nominal * StampLine.intervalErrorMaximum
    interval = min(max(interval + error * share * share / 4, nominal - bound), nominal + bound)
  }
}
