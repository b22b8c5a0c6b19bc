// How alarms and residuals are counted, and what is no earthquake. The trials themselves are run
// optimised, by Tests/System/test_tools.py.

import Core
import Foundation
import Testing

@testable import Tools

@Suite struct AlarmTrialsTests {
  @Test func impostorsAreAllThereAndTheGroundComesBack() {
    var impostors = Impostors(seed: 5, rateHertz: 100)
    var missing = 0
    var largest = 0.0
    var late = SIMD4<Double>.zero
    for index in 0..<1_000_000 {
      let ground = impostors.next()
      if impostors.isMissing { missing += 1 }
      largest = max(largest, ground[0].magnitude)
      if index >= 990_000 { late += ground }
    }
    #expect((10...40).contains(impostors.count), "200 a day, in a ninth of one")
    #expect(missing > 300)
    #expect(largest > 10, "a spike of one and a half g")
    #expect(late.indices.allSatisfy { abs(late[$0]) / 10_000 < 1 })
  }

  @Test func alarmsAreCountedByWhatCame() {
    var alarms = StrongMotion.Alarms()
    let (early, late) = (UTC(nanoseconds: 1_000_000_000), UTC(nanoseconds: 3_500_000_000))
    let soon = UTC(nanoseconds: 1_250_000_000)
    alarms.add(early, exceeded: late, measured: late, file: "before")
    alarms.add(late, exceeded: early, measured: early, file: "late")
    alarms.add(early, exceeded: nil, measured: nil, file: "wrong")
    alarms.add(nil, exceeded: late, measured: late, file: "missed")
    alarms.add(nil, exceeded: nil, measured: nil, file: "still")
    #expect((alarms.measurable, alarms.inTime) == (3, 1))
    #expect(alarms.late.map(\.file) == ["late", "missed"])
    #expect(abs((alarms.late[0].seconds ?? 0) - 2.2) < 1e-9 && alarms.late[1].seconds == nil)
    var close = StrongMotion.Alarms()
    close.add(soon, exceeded: early, measured: early, file: "a quarter of a second after it")
    #expect(close.inTime == 1)
    #expect((alarms.right, alarms.wrong, alarms.missed) == (2, 1, 1))
    #expect(alarms.leads == [2.5, -2.5])
    #expect(alarms.precision == 2.0 / 3 && alarms.recall == 2.0 / 3)
    #expect(StrongMotion.Alarms().precision == nil)
  }

  @Test func residualsAndTheirCoverage() {
    var residuals = Residuals()
    for (value, sigma) in [(1.0, 2.0), (-1, 0.6), (3, 1), (1, 1)] {
      residuals.add(value, sigma: sigma)
    }
    #expect(residuals.mean == 1 && residuals.meanAbsolute == 1.5)
    #expect(abs(residuals.deviation - 2.0.squareRoot()) < 1e-12)
    #expect(residuals.covered(1) == 0.5 && residuals.covered(1.96) == 0.75)
  }
}
