// The doubts, one after another, and how long the ground has exceeded what.

import Conditioning
import Core

/// What the last seconds are like.
public struct GroundVerdict: Equatable, Sendable {
  public var doubts = Doubts()
  /// Since the motion began, on the believed lane that exceeded the limit longest.
  public var exceedingSamples = 0
  /// From the first sample beyond the limit to the last, and in how many swings.
  public var spanSamples = 0
  public var swings = 0
  /// Since the motion began.
  public var activeSamples = 0
  /// The last second's, m/s².
  public var peak = 0.0
  /// Lanes that reach two fifths of the limit.
  public var movedLanes = 0
  /// A second sensor moves as well.
  public var isConfirmed = false
  /// A tenth of a second, since the motion began.
  public static let exceedingSamplesMinimum = 10
  /// 0.22 s from the first excess to the last; one hard blow is shorter.
  private static let spanSamplesMinimum = 22
  /// What exceeds the limit in one swing alone is slow, and has long begun.
  private static let activeSamplesOfOneSwing = 100
  public init() {}

  /// The limit was exceeded for a tenth of a second in all, and not in one blow.
  public var isSustained: Bool {
    exceedingSamples >= GroundVerdict.exceedingSamplesMinimum
      && spanSamples >= GroundVerdict.spanSamplesMinimum
      && (swings > 1 || activeSamples >= GroundVerdict.activeSamplesOfOneSwing)
  }
}

extension GroundWitness {
  private static let blocks = 20
  private static let judgedSamples = 100
  /// A block belongs to the motion when it reaches a tenth of the last second's peak.
  private static let belongingShare = 0.1
  /// 0.5 s is the least of the records; knocks and slams have rung down by then, or fade.
  private static let leastBlocks = 5
  /// The last three blocks' peak against the last ten's: 0.81 at least; of a door whose slam has
  /// lasted half a second 0.4.
  private static let fadingShare = 0.5
  /// The smaller side's peak against the larger's: 0.16 at least, of a pulse of a fault nearby; a
  /// pulse of the sensor has less than a tenth.
  private static let smallerSideShare = 0.12
  /// Energy beyond 0.4 Hz: 0.32 at least.
  private static let fastEnergyShare = 0.25
  /// Energy below 10 Hz: 0.24 at least; of white noise 0.2, of 16.7 Hz 0.1.
  private static let slowEnergyShare = 0.2
  /// Energy beyond 3 Hz of a motion that has begun within the last 1.9 s: 0.51 at least; of a hand
  /// 0.35.
  static let quickEnergyShare = 0.42
  /// S comes within a minute of P up to 500 km, beyond which nothing exceeds 0.05 g.
  private static let quickMemorySamples = 6000
  private static let slowSamples = 190
  /// Correlation of neighbouring samples: 0.23 at least, white noise none.
  private static let neighbourCorrelation = 0.15
  /// The second largest principal axis' energy against the largest's: 0.03 at least.
  private static let secondAxisShare = 0.02
  /// The third's: 0.0058 at least; of a rotor, of a blow with its echo, of two lanes of three
  /// 0.00001.
  private static let thirdAxisShare = 0.002
  /// Steps of less than a twentieth of the largest: a signal of two levels has little else.
  private static let stillStep = 0.05
  private static let stillShareMaximum = 0.6
  private static let movedShare = 0.3
  /// What has just jumped and rests: the mean step of the last fifth of a second against the
  /// largest.
  private static let latelySamples = 20
  private static let restedStep = 0.08
  /// The median change from one half period to the next: 8 % at least; of machines 1 to 6 %. Soft
  /// ground may swing as evenly below 4 Hz.
  private static let alikeHalfPeriods = 1.07
  private static let halfPeriodSamplesMaximum = 12.5
  private static let halfPeriodsMinimum = 7
  /// Curvature times size over slope squared, roots of mean squares: 1 of a sine. 1.08 at least, on
  /// a MEMS on a floor that rings at 10 Hz; of machines that run up 1 to 1.1.
  private static let leastComplexity = 1.045
  private static let complexityHertzMinimum = 4.0
  /// Tenths of a second between three times the noise and a quarter of the full size: 120
  /// beginnings that were so far beyond the noise had four at least, unless it was one (one of
  /// them) or two (another). A jump has one at most.
  private static let suddenRatio = 30.0
  private static let beyondNoiseRatio = 3.0
  private static let belowFullShare = 0.25
  private static let betweenMinimum = 2
  private static let secondLaneShare = 0.4
  private static let recentSamples = 50
  /// Scatter of the ratios' logarithms, two lanes or three: noise times a factor scatters by up to
  /// 0.13, earthquakes by 0.15 at least.
  private static let scaledScatter = 0.14
  private static let scaledSamples = 200
  private static let scaledSamplesMinimum = 30
  private static let scaledRatio = 3.2
  /// Noise of another gain is alike from its jump on; what is alike now and then is the ground.
  private static let scaledWeight = 1 / 16.0
  private static let scaledShare = 0.5

  /// `limit`: the acceleration to be exceeded, m/s².
  public mutating func judge(limit: Double) -> GroundVerdict {
    var verdict = GroundVerdict()
    if isSettling {
      verdict.doubts.insert(.settling)
      return verdict
    }
    let lanes = believedLanes
    let active = activeSamples(lanes, &verdict.doubts)
    verdict.activeSamples = active
    exceed(limit, lanes, active, &verdict)
    if lanes.count < 2 { verdict.doubts.insert(.alone) }
    if isUnconfirmed { verdict.doubts.insert(.unconfirmed) }
    verdict.isConfirmed = hasSecondSensor && !isUnconfirmed
    guard !lanes.isEmpty else { return verdict }
    judgeShape(lanes, active, &verdict.doubts)
    judgeSteps(lanes, active, &verdict.doubts)
    judgeGain(lanes, active, &verdict.doubts)
    judgeGrowth(lanes, &verdict.doubts)
    judgePeriods(lanes, active, &verdict.doubts)
    judgeBandwidth(lanes, &verdict.doubts)
    return verdict
  }

  @inline(__always)
  private func place(back: Int) -> Int { (end - 1 - back) % GroundWitness.ringSamples }

  @inline(__always)
  private func largest(_ value: Lanes, _ lanes: LaneSet) -> Double {
    var largest = 0.0
    for lane in 0..<3 where lanes.contains(lane: lane) {
      largest = max(largest, value[lane].magnitude)
    }
    return largest
  }

  /// How many samples back the motion began.
  private func activeSamples(_ lanes: LaneSet, _ doubts: inout Doubts) -> Int {
    var peaks = InlineArray<20, Double>(repeating: 0)
    for block in 0..<GroundWitness.blocks {
      for index in 0..<GroundWitness.blockSamples {
        let back = block * GroundWitness.blockSamples + index
        peaks[block] = max(peaks[block], largest(high[place(back: back)], lanes))
      }
    }
    var (now, lately) = (0.0, 0.0)
    for block in 0..<3 { now = max(now, peaks[block]) }
    for block in 0..<10 { lately = max(lately, peaks[block]) }
    var (age, pause) = (0, 0)
    for block in 0..<GroundWitness.blocks {
      if peaks[block] >= GroundWitness.belongingShare * lately {
        age = block + 1
        pause = 0
      } else {
        pause += 1
        if pause > 1 { break }
      }
    }
    if age < GroundWitness.leastBlocks { doubts.insert(.brief) }
    if now < GroundWitness.fadingShare * lately { doubts.insert(.fading) }
    return age * GroundWitness.blockSamples
  }

  private func exceed(
    _ limit: Double, _ lanes: LaneSet, _ active: Int, _ verdict: inout GroundVerdict
  ) {
    var (newest, oldest) = (active, 0)
    for back in 0..<min(active, GroundWitness.judgedSamples) {
      verdict.peak = max(verdict.peak, largest(all[place(back: back)], lanes))
    }
    // An intensity may be reached by less than the limit.
    let moving = GroundWitness.secondLaneShare * min(limit, verdict.peak)
    for lane in 0..<3 where lanes.contains(lane: lane) {
      var (exceeding, swings, moved) = (0, 0, false)
      var sign = 0.0
      for back in 0..<active {
        let value = all[place(back: back)][lane]
        if value.magnitude >= moving { moved = true }
        guard value.magnitude >= limit else {
          sign = 0
          continue
        }
        exceeding += 1
        newest = min(newest, back)
        oldest = max(oldest, back)
        if value * sign <= 0 { swings += 1 }
        sign = value
      }
      verdict.exceedingSamples = max(verdict.exceedingSamples, exceeding)
      verdict.swings = max(verdict.swings, swings)
      if moved { verdict.movedLanes += 1 }
    }
    verdict.spanSamples = max(oldest - newest, 0)
    // What exceeded it a second ago is over.
    if newest >= GroundWitness.recentSamples { verdict.exceedingSamples = 0 }
  }

  /// Both sides, frequencies and directions, of the last second.
  private func judgeShape(_ lanes: LaneSet, _ active: Int, _ doubts: inout Doubts) {
    var (least, most) = (Lanes.zero, Lanes.zero)
    var (total, fast, slow, neighbours) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    var quickEnergies = Lanes.zero
    var products = SIMD3<Double>.zero
    for back in 0..<GroundWitness.judgedSamples {
      let (a, h, l) = (all[place(back: back)], high[place(back: back)], low[place(back: back)])
      least.replace(with: a, where: a .< least)
      most.replace(with: a, where: a .> most)
      total += a * a
      fast += h * h
      slow += l * l
      quickEnergies += quick[place(back: back)] * quick[place(back: back)]
      neighbours += h * high[place(back: back + 1)]
      products += SIMD3(h[0] * h[1], h[0] * h[2], h[1] * h[2])
    }
    var strongest = 0
    for lane in 0..<3 where lanes.contains(lane: lane) {
      if !lanes.contains(lane: strongest) || fast[lane] > fast[strongest] { strongest = lane }
    }
    let energy = GroundWitness.sum(total, lanes)
    let fastEnergy = GroundWitness.sum(fast, lanes)
    let quickEnergy = GroundWitness.sum(quickEnergies, lanes)
    let (smaller, larger) = (
      min(most[strongest], -least[strongest]), max(most[strongest], -least[strongest])
    )
    if smaller < GroundWitness.smallerSideShare * larger { doubts.insert(.oneSided) }
    if fastEnergy < GroundWitness.fastEnergyShare * energy { doubts.insert(.drifting) }
    if slow[strongest] < GroundWitness.slowEnergyShare * fast[strongest]
      || neighbours[strongest] < GroundWitness.neighbourCorrelation * fast[strongest]
    {
      doubts.insert(.hissing)
    }
    let isQuick =
      active < GroundWitness.slowSamples
      && quickEnergy >= GroundWitness.quickEnergyShare * fastEnergy
    if knowsNoise && !isQuick && end - quickEnd > GroundWitness.quickMemorySamples {
      doubts.insert(.slow)
    }
    for lane in 0..<3 where !lanes.contains(lane: lane) {
      fast[lane] = 0
      if lane != 2 { products[0] = 0 }
      if lane != 1 { products[1] = 0 }
      if lane != 0 { products[2] = 0 }
    }
    let axes = GroundWitness.axes(fast, products)
    if axes.second < GroundWitness.secondAxisShare { doubts.insert(.straight) }
    if lanes.count == 3 && axes.third < GroundWitness.thirdAxisShare {
      doubts.insert(.flat)
    }
  }

  /// The smaller eigenvalues of a covariance over the largest, given its diagonal and the products
  /// xy, xz, yz.
  static func axes(
    _ diagonal: Lanes, _ products: SIMD3<Double>
  ) -> (second: Double, third: Double) {
    let (a, b, c) = (diagonal[0], diagonal[1], diagonal[2])
    let (d, e, f) = (products[0], products[1], products[2])
    let trace = a + b + c
    guard trace > 0 else { return (0, 0) }
    // Power iteration: where it converges slowly both are alike, and no precision is needed.
    var v = SIMD3(a + d + e, d + b + f, e + f + c)
    if (v * v).sum() == 0 { v = SIMD3(1, 0.5, 0.25) }
    var first = 0.0
    for _ in 0..<24 {
      let w = SIMD3(
        a * v[0] + d * v[1] + e * v[2], d * v[0] + b * v[1] + f * v[2],
        e * v[0] + f * v[1] + c * v[2])
      let length = (w * w).sum().squareRoot()
      guard length > 0 else { return (0, 0) }
      first = length / max((v * v).sum().squareRoot(), 1e-300)
      v = w / length
    }
    let determinant = a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)
    let (sum, product) = (trace - first, determinant / max(first, 1e-300))
    let root = max(sum * sum - 4 * product, 0).squareRoot()
    return (max(sum + root, 0) / (2 * first), max(sum - root, 0) / (2 * first))
  }

  /// Two levels and jumps between them, on any lane, since it first moved by three tenths of its
  /// peak.
  private func judgeSteps(_ lanes: LaneSet, _ active: Int, _ doubts: inout Doubts) {
    for lane in 0..<3 where lanes.contains(lane: lane) {
      let window = min(active, GroundWitness.judgedSamples)
      var (largest, peak) = (0.0, 0.0)
      for back in 0..<window {
        largest = max(largest, step(lane, back))
        peak = max(peak, all[place(back: back)][lane].magnitude)
      }
      guard largest > 0.5 * peak else { continue }
      var lately = 0.0
      for back in 0..<GroundWitness.latelySamples { lately += step(lane, back) }
      if lately < Double(GroundWitness.latelySamples) * GroundWitness.restedStep * largest {
        doubts.insert(.jumping)
      }
      var count = 0
      for back in 0..<window
      where all[place(back: back)][lane].magnitude >= GroundWitness.movedShare * peak {
        count = back + 1
      }
      var still = 0
      for back in 0..<count where step(lane, back) < GroundWitness.stillStep * largest {
        still += 1
      }
      if count >= GroundWitness.blockSamples
        && Double(still) > GroundWitness.stillShareMaximum * Double(count)
      {
        doubts.insert(.jumping)
      }
    }
  }

  @inline(__always)
  private func step(_ lane: Int, _ back: Int) -> Double {
    (all[place(back: back)][lane] - all[place(back: back + 1)][lane]).magnitude
  }

  /// A gain jumps at once: what has gone on for two seconds without this doubt is not the noise.
  private mutating func judgeGain(_ lanes: LaneSet, _ active: Int, _ doubts: inout Doubts) {
    guard knowsNoise else { return }
    var isScaled = false
    if active < GroundWitness.scaledSamples || doubtOfGain > GroundWitness.scaledShare {
      let count = min(
        max(active, GroundWitness.scaledSamplesMinimum), GroundWitness.judgedSamples)
      isScaled = GroundWitness.isScaled(moments(count), noise, lanes: lanes)
    }
    doubtOfGain += GroundWitness.scaledWeight * ((isScaled ? 1 : 0) - doubtOfGain)
    if isScaled || doubtOfGain > GroundWitness.scaledShare { doubts.insert(.scaled) }
  }

  /// P comes before S and grows before it: tenths of a second lie between the noise and the motion
  /// at its full.
  private func judgeGrowth(_ lanes: LaneSet, _ doubts: inout Doubts) {
    guard knowsNoise else { return }
    var (full, fullest) = (0.0, 0)
    for back in 0..<10 {
      let size = size(back: back, lanes: lanes)
      if size > full { (full, fullest) = (size, back) }
    }
    let noise = GroundWitness.sum(noise[0], lanes)
    guard full > GroundWitness.suddenRatio * noise else { return }
    var between = 0
    for back in fullest..<100 {
      let size = size(back: back, lanes: lanes)
      if size > GroundWitness.beyondNoiseRatio * noise && size < full * GroundWitness.belowFullShare
      {
        between += 1
      }
    }
    if between < GroundWitness.betweenMinimum { doubts.insert(.sudden) }
  }

  /// Mean sizes of the newest samples, their slopes and their curvatures.
  private func moments(_ count: Int) -> InlineArray<3, Lanes> {
    var moments = InlineArray<3, Lanes>(repeating: .zero)
    for back in 0..<count {
      let h = high[place(back: back)]
      let difference = h - high[place(back: back + 1)]
      let before = high[place(back: back + 1)] - high[place(back: back + 2)]
      moments[0] += GroundWitness.size(h)
      moments[1] += GroundWitness.size(difference)
      moments[2] += GroundWitness.size(difference - before)
    }
    for index in 0..<3 { moments[index] /= Double(count) }
    return moments
  }

  /// Whether these moments are those, all times one factor, on all of two lanes or three.
  static func isScaled(
    _ moments: InlineArray<3, Lanes>, _ those: InlineArray<3, Lanes>, lanes: LaneSet
  ) -> Bool {
    var (count, sum, squares) = (0.0, 0.0, 0.0)
    for lane in 0..<3 where lanes.contains(lane: lane) {
      var isLarger = true
      for index in 0..<3
      where moments[index][lane] < GroundWitness.scaledRatio * those[index][lane] {
        isLarger = false
      }
      guard isLarger else { return false }
      for index in 0..<3 {
        let ratio = Elementary.logarithm10(moments[index][lane] / max(those[index][lane], 1e-300))
        count += 1
        sum += ratio
        squares += ratio * ratio
      }
    }
    guard count >= 6 else { return false }
    let mean = sum / count
    return squares / count - mean * mean < scaledScatter * scaledScatter
  }

  /// Half periods of the strongest lane, newest first: a machine's are alike, also while it runs
  /// up.
  private func judgePeriods(_ lanes: LaneSet, _ active: Int, _ doubts: inout Doubts) {
    var energy = Lanes.zero
    for back in 0..<GroundWitness.judgedSamples {
      energy += high[place(back: back)] * high[place(back: back)]
    }
    var lane = -1
    for other in 0..<3 where lanes.contains(lane: other) {
      if lane < 0 || energy[other] > energy[lane] { lane = other }
    }
    var last: Double?
    var lastHalf: Double?
    var changes = InlineArray<12, Double>(repeating: 0)
    var (count, sum) = (0, 0.0)
    for back in 0..<max(active - 1, 0) where count < 12 {
      let (newer, older) = (high[place(back: back)][lane], high[place(back: back + 1)][lane])
      guard (newer < 0) != (older < 0) else { continue }
      let crossing = Double(back) + newer / (newer - older)
      if let last {
        let half = crossing - last
        if let lastHalf {
          changes[count] = max(half, lastHalf) / max(min(half, lastHalf), 1e-3)
          count += 1
          sum += half
        }
        lastHalf = half
      }
      last = crossing
    }
    guard count >= GroundWitness.halfPeriodsMinimum,
      sum <= Double(count) * GroundWitness.halfPeriodSamplesMaximum
    else { return }
    // Half of them at least change by less.
    var alike = 0
    for index in 0..<count where changes[index] < GroundWitness.alikeHalfPeriods { alike += 1 }
    if 2 * alike > count { doubts.insert(.periodic) }
  }

  /// One frequency alone, whichever, on all lanes together.
  private func judgeBandwidth(_ lanes: LaneSet, _ doubts: inout Doubts) {
    var (sizes, slopes, curvatures) = (Lanes.zero, Lanes.zero, Lanes.zero)
    for back in 0..<GroundWitness.judgedSamples {
      let h = high[place(back: back)]
      let slope = h - high[place(back: back + 1)]
      let curvature = slope - (high[place(back: back + 1)] - high[place(back: back + 2)])
      sizes += h * h
      slopes += slope * slope
      curvatures += curvature * curvature
    }
    let size = GroundWitness.sum(sizes, lanes)
    let slope = GroundWitness.sum(slopes, lanes)
    let curvature = GroundWitness.sum(curvatures, lanes)
    guard size > 0, slope > 0 else { return }
    let radiansPerSample =
      GroundWitness.complexityHertzMinimum * 6.283185307179586 / outputRateHertz
    guard slope > radiansPerSample * radiansPerSample * size else { return }
    if (curvature * size).squareRoot() < GroundWitness.leastComplexity * slope {
      doubts.insert(.periodic)
    }
  }
}
