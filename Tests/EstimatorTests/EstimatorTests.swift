// The estimator over a stream: when it speaks, of what, and what it does not know.

import Conditioning
import Core
import Testing
import Tools

@testable import Estimator

/// A synthetic earthquake through the conditioner; the estimator is told of P `delay` seconds after
/// it.
struct Listener {
  var estimates: [Estimate] = []
  var observed: [ObservedShaking] = []
  var siteTerm = 0.0

  init(
    magnitude: Double = 6, kilometres: Double = 40, lanes: LaneSet = 0b111, delay: Double = 0.4,
    seconds: Double = 40, gapAt: Int? = nil, pickID: UInt32 = 7, shear: Bool = false,
    siteTerm: Double = 0, retractAt: Double = .infinity, model: EstimatorModel? = nil,
    step: Double = 0, clippedAt: Double = .infinity
  ) throws {
    var settings = SyntheticSettings()
    (settings.magnitude, settings.epicentralKilometres) = (magnitude, kilometres)
    settings.leadSeconds = 15
    var earthquake = SyntheticEarthquake(settings, rateHertz: 100)
    let timeOfS = earthquake.timeOfS
    let response = Response(quantity: .acceleration, unitsPerCount: Lanes(repeating: 1e-6))
    let conditioner = ConditionerSettings(
      rateMillihertz: 100_000, presentLanes: lanes, response: response)
    var filter = MotionFilter(response)
    guard var arena = Arena(byteCount: Estimator.arenaByteCount(model)) else {
      throw ToolError("no memory")
    }
    let made = Estimator.make(Relations(), model: model, for: conditioner, arena: &arena)
    let estimator = try #require(made)
    estimator.pointee.siteTerm = SiteTerm(siteTerm)
    let start = UTC(nanoseconds: 1_700_000_000_000_000_000)
    let mask = Lanes(1, lanes.contains(lane: 1) ? 1 : 0, lanes.contains(lane: 2) ? 1 : 0, 0)
    for index in 0..<Int(seconds * 100) {
      // From the onset on the vertical's offset is another, by `step` m/s².
      let offset = Lanes(index >= 1500 ? step : 0, 0, 0, 0)
      let counts = 1e6 * (earthquake.next() + offset) * mask
      if index == 0 { filter.restart(at: counts) }
      let time = start + Int64(index) * 10_000_000
      var flags = ChannelFlags()
      if Double(index) == (100 * clippedAt).rounded() { flags.clipped = 1 }
      estimator.pointee.step(
        Sample(
          number: Int64(index), time: time, counts: counts, motion: filter.step(counts),
          flags: flags, isRestart: index == 0 || index == gapAt))
      if index == Int((1500 + 100 * delay).rounded()) {
        estimator.pointee.begin(id: pickID, at: start + 15_000_000_000)
      }
      if shear && index == Int((timeOfS + 3.4) * 100) {
        estimator.pointee.noteShear(at: start + Int64(timeOfS * 1e9))
      }
      if Double(index) == 100 * retractAt { estimator.pointee.forget(pickID: pickID) }
      if let estimate = estimator.pointee.next() { estimates.append(estimate) }
      observed.append(estimator.pointee.observed())
    }
    self.siteTerm = estimator.pointee.siteTerm.value
    withExtendedLifetime(arena) {}
  }
}

@Suite struct EstimatorTests {
  @Test func itSpeaksEveryTenthOfASecondForTenSeconds() throws {
    let estimates = try Listener().estimates
    #expect(estimates.count == 96)
    for (index, estimate) in estimates.enumerated() {
      #expect(abs(estimate.seconds - 0.5 - 0.1 * Double(index)) < 1e-9)
      #expect(estimate.pickID == 7)
    }
    for seconds in [0.5, 1, 2, 3, 5, 10] {
      #expect(estimates.contains { abs($0.seconds - seconds) < 1e-9 && $0.isDue })
    }
    #expect(estimates.filter(\.isDue).count < 15)
  }

  /// A window that opens in the past says what one that had opened at the onset would.
  @Test func howLateThePickComesDoesNotMatter() throws {
    let soon = try Listener(delay: 0).estimates
    let late = try Listener(delay: 3.4).estimates
    // The late one catches up with 3.4 s, and goes on at the next tenth.
    let first = try #require(late.first)
    #expect(abs(first.seconds - 3.4) < 1e-9)
    for var estimate in late {
      var same = try #require(soon.first { $0.seconds == estimate.seconds })
      (same.isDue, estimate.isDue) = (false, false)
      #expect(same == estimate)
    }
  }

  @Test func largerEventsAndNearerOnesAreToldApart() throws {
    func three(_ magnitude: Double, _ kilometres: Double) throws -> Estimate {
      try #require(
        try Listener(magnitude: magnitude, kilometres: kilometres).estimates
          .first { abs($0.seconds - 3) < 1e-9 })
    }
    let (small, large, far) = (try three(4, 30), try three(6, 30), try three(6, 120))
    #expect(large.magnitude.value > small.magnitude.value + 0.7)
    #expect(far.logKilometres.value > large.logKilometres.value + 0.3)
    let (a, b) = (try #require(large.logAcceleration), try #require(small.logAcceleration))
    #expect(a.value > b.value + 0.7)
    #expect(large.peakDisplacement > small.peakDisplacement)
    #expect(large.modifiedMercalli!.value > small.modifiedMercalli!.value)
  }

  @Test func shearTellsTheDistance() throws {
    let with = try #require(try Listener(shear: true).estimates.last)
    let without = try #require(try Listener().estimates.last)
    #expect(with.logKilometres.sigma < 0.5 * without.logKilometres.sigma)
    // √(40² + 8²) km
    #expect(abs(with.logKilometres.value - Elementary.logarithm10(40.8)) < 0.1)
    #expect(with.hasShear)
  }

  /// Half of a magnitude 8 lasts 15 s: what is seen of it in one is a lower bound.
  @Test func whatIsTooLargeForTheWindowIsSaid() throws {
    let large = try Listener(magnitude: 8, kilometres: 60).estimates
    #expect(try #require(large.first { $0.seconds == 1 }).isSaturated)
    let small = try Listener(magnitude: 3.5, kilometres: 20).estimates
    #expect(!(try #require(small.first { $0.seconds == 1 }).isSaturated))
  }

  @Test func theVerticalAloneSupportsNoShaking() throws {
    let estimates = try Listener(lanes: 0b001).estimates
    let last = try #require(estimates.last)
    #expect(last.logAcceleration == nil && last.logVelocity == nil)
    #expect(last.modifiedMercalli == nil && last.backAzimuth == nil)
    #expect(last.observed.intensity == nil && last.peakAcceleration > 0)
  }

  @Test func whatCountsMeanMustBeKnown() throws {
    guard var arena = Arena(byteCount: Estimator.arenaByteCount()) else {
      throw ToolError("no memory")
    }
    let unknown = ConditionerSettings(rateMillihertz: 100_000, presentLanes: 0b111)
    let made = Estimator.make(Relations(), for: unknown, arena: &arena)
    #expect(made == nil)
  }

  @Test func aGapEndsTheWindow() throws {
    let estimates = try Listener(gapAt: 1800).estimates
    #expect(try #require(estimates.last).seconds < 3)
  }

  @Test func expectedIsAtLeastWhatWasSeen() throws {
    for estimate in try Listener(magnitude: 6.5, kilometres: 8, seconds: 30).estimates {
      let expected = try #require(estimate.logAcceleration)
      #expect(expected.value >= Elementary.logarithm10(estimate.observed.acceleration) - 1e-9)
    }
  }

  /// Three to six seconds: an alarm that is held longer is held because it still shakes.
  @Test func whatHasShakenIsForgottenSoon() throws {
    let observed = try Listener(magnitude: 5, kilometres: 10, seconds: 60).observed
    let peak = try #require(observed.map(\.acceleration).max())
    let last = try #require(observed.lastIndex { $0.acceleration == peak })
    let first = try #require(observed.firstIndex { $0.acceleration == peak })
    #expect((300...600).contains(last - first))
    #expect(observed[4000].acceleration < 0.1 * peak)
    #expect(peak >= observed.map(\.sustainedAcceleration).max()!)
  }

  /// A minute after P the site has learnt a tenth of what was wrong three seconds after it.
  @Test func theSiteLearnsFromWhatCame() throws {
    let model = StationNetwork<EstimatorModel>.standard.model
    let listener = try Listener(seconds: 80, model: model)
    let three = try #require(listener.estimates.first { abs($0.seconds - 3) < 1e-9 })
    let peak = try #require(listener.observed.map(\.acceleration).max())
    let expected = 0.1 * (Elementary.logarithm10(peak) - three.logAcceleration!.value)
    #expect(abs(listener.siteTerm - expected) < 1e-6 && expected != 0)
    #expect(try Listener(seconds: 74, model: model).siteTerm == 0, "not before")
    #expect(try Listener(seconds: 80).siteTerm == 0, "nobody says that it is an earthquake")
    let unnamed = try Listener(seconds: 80, pickID: 0, model: model).siteTerm
    #expect(unnamed == 0, "STA/LTA alone teaches nothing")
    for seconds in [17.5, 20] {
      let none = try Listener(seconds: 80, retractAt: seconds, model: model).siteTerm
      #expect(none == 0, "nor does a pick that was none")
    }
    let half = try Listener(seconds: 80, gapAt: 3000, model: model).siteTerm
    #expect(half == 0, "nor half a record")
  }

  @Test func theSiteTermIsAddedToWhatIsExpected() throws {
    let without = try Listener(magnitude: 4, kilometres: 80).estimates
    let with = try Listener(magnitude: 4, kilometres: 80, siteTerm: 0.2).estimates
    for (a, b) in zip(without, with) where a.seconds < 4 {
      #expect(abs(b.logAcceleration!.value - a.logAcceleration!.value - 0.2) < 1e-9)
      #expect(abs(b.logVelocity!.value - a.logVelocity!.value - 0.2) < 1e-9)
      #expect(a.magnitude == b.magnitude)
    }
  }

  /// Between the onset and its pick, too.
  @Test func whatWasClippedBeforeThePickIsSaid() throws {
    #expect(try #require(try Listener(clippedAt: 15.2).estimates.first).isClipped)
    #expect(!(try #require(try Listener(clippedAt: 14.9).estimates.first).isClipped))
  }

  /// The network's number is that of the event that STA/LTA's trigger had opened.
  @Test func aLaterPickNamesTheSameEvent() throws {
    let estimates = try Listener(pickID: 0).estimates
    #expect(estimates.allSatisfy { $0.pickID == 0 })
  }

  /// Half an hour without a sound: the filters' states are flushed as they pass, and nothing
  /// moves.
  @Test func afterLongSilenceNothingMoves() throws {
    guard var arena = Arena(byteCount: Estimator.arenaByteCount()) else {
      throw ToolError("no memory")
    }
    let response = Response(quantity: .acceleration, unitsPerCount: Lanes(repeating: 1e-6))
    let conditioner = ConditionerSettings(
      rateMillihertz: 100_000, presentLanes: 0b111, response: response)
    let made = Estimator.make(Relations(), for: conditioner, arena: &arena)
    let estimator = try #require(made)
    for index in 0..<60_000 {
      var motion = Motion()
      motion.acceleration = Lanes(repeating: index < 100 ? 1e-98 : 0)
      motion.velocity = motion.acceleration
      estimator.pointee.step(
        Sample(
          number: Int64(index), time: UTC(nanoseconds: Int64(index) * 10_000_000), counts: .zero,
          motion: motion, flags: ChannelFlags(), isRestart: index == 0))
    }
    let observed = estimator.pointee.observed()
    #expect(observed.intensity == nil)
    withExtendedLifetime(arena) {}
  }
}
