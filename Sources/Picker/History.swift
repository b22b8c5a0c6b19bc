// The last 1024 samples of the picker's trace, and what is measured on them when something has
// happened: energies, the onset by Akaike's criterion, the sign of the first motion.

import Conditioning
import Core

struct History: ~Copyable {
  static let capacity = 1024
  private var filtered = InlineArray<1024, Float>(repeating: 0)
  private var horizontal = InlineArray<1024, Float>(repeating: 0)
  private var lanes = InlineArray<1024, SIMD4<Float>>(repeating: .zero)
  private var broadband = InlineArray<1024, Float>(repeating: 0)
  private var times = InlineArray<1024, Int64>(repeating: 0)
  /// Index of the next sample; samples before `first` are not there.
  private(set) var end = 0
  private(set) var first = 0

  mutating func restart() { first = end }

  @inline(__always)
  mutating func append(
    filtered f: Double, broadband b: Double, horizontal h: Double, lanes l: Lanes, time: UTC
  ) {
    let slot = end & (History.capacity - 1)
    filtered[slot] = Float(f)
    broadband[slot] = Float(b)
    horizontal[slot] = Float(h)
    lanes[slot] = SIMD4<Float>(l)
    times[slot] = time.nanoseconds
    end += 1
    if end - first > History.capacity { first = end - History.capacity }
  }

  func time(at index: Int) -> UTC {
    UTC(nanoseconds: times[index & (History.capacity - 1)])
  }

  /// The time of a place between two samples. A place outside has the time of the nearest sample
  /// that is there.
  func time(atPlace place: Double) -> UTC {
    let floor = place < 0 ? -1 : Int(place)
    let index = min(max(floor, first), end - 1)
    let base = time(at: index)
    guard index == floor, index + 1 < end else { return base }
    let step = Double(time(at: index + 1) - base)
    return base + Int64(Elementary.nearestInteger((place - Double(index)) * step))
  }

  private func filteredValue(_ index: Int) -> Double {
    Double(filtered[index & (History.capacity - 1)])
  }

  private func broadbandValue(_ index: Int) -> Double {
    Double(broadband[index & (History.capacity - 1)])
  }

  /// Mean square of the band-passed trace; nil when nothing of the range is there.
  func energy(_ range: Range<Int>) -> Double? {
    let there = range.clamped(to: first..<end)
    guard !there.isEmpty else { return nil }
    var sum = 0.0
    for index in there {
      let value = filteredValue(index)
      sum += value * value
    }
    return sum / Double(there.count)
  }

  /// The same of one lane, of a range that is there.
  func energy(ofLane lane: Int, _ range: Range<Int>) -> Double {
    var sum = 0.0
    for index in range {
      let value = Double(lanes[index & (History.capacity - 1)][lane])
      sum += value * value
    }
    return sum / Double(range.count)
  }

  /// The same of both horizontals together.
  func horizontalEnergy(_ range: Range<Int>) -> Double? {
    let there = range.clamped(to: first..<end)
    guard !there.isEmpty else { return nil }
    var sum = 0.0
    for index in there {
      let value = Double(horizontal[index & (History.capacity - 1)])
      sum += value * value
    }
    return sum / Double(there.count)
  }

  /// The onset in a range by Akaike's information criterion of two stationary halves (Maeda 1985):
  /// AIC(k) = k ln var(before) + (n − k) ln var(after). The spread is that of the Akaike weights
  /// exp(−ΔAIC/2), taken as a distribution of the onset.
  func onset(in range: Range<Int>) -> (index: Int, spreadSamples: Double)? {
    let there = range.clamped(to: first..<end)
    let margin = 8  // a variance of fewer values says nothing
    guard there.count >= 4 * margin else { return nil }
    let candidates = (there.lowerBound + margin)..<(there.upperBound - margin)
    var best = (index: 0, value: Double.infinity)
    scan(there, candidates) { index, value in if value < best.value { best = (index, value) } }
    var weights = 0.0
    var squares = 0.0
    scan(there, candidates) { index, value in
      let weight = Elementary.exponential(-0.5 * (value - best.value))
      let distance = Double(index - best.index)
      weights += weight
      squares += weight * distance * distance
    }
    return (best.index, (squares / weights).squareRoot())
  }

  private func scan(
    _ there: Range<Int>, _ candidates: Range<Int>, _ body: (Int, Double) -> Void
  ) {
    var total = 0.0
    for index in there { total += filteredValue(index) * filteredValue(index) }
    var before = 0.0
    var next = there.lowerBound
    // A floor of 1e-12 of the total keeps the logarithm finite on digital silence.
    let floor = total * 1e-12 + 1e-30
    for index in candidates {
      while next < index {
        before += filteredValue(next) * filteredValue(next)
        next += 1
      }
      let left = Double(index - there.lowerBound)
      let right = Double(there.upperBound - index)
      body(
        index,
        left * Elementary.logarithm((before + floor) / left)
          + right * Elementary.logarithm((total - before + floor) / right))
    }
  }

  /// The first swing after an onset on the broadband trace, in standard deviations of the half
  /// second before it, with its sign; nil when it is not over yet or does not stand out.
  func firstSwing(at onset: Int) -> Double? {
    let noise = (onset - 52)..<(onset - 2)
    guard noise.lowerBound >= first, onset + 3 < end else { return nil }
    var mean = 0.0
    for index in noise { mean += broadbandValue(index) }
    mean /= Double(noise.count)
    var square = 0.0
    for index in noise {
      let deviation = broadbandValue(index) - mean
      square += deviation * deviation
    }
    let deviation = (square / Double(noise.count)).squareRoot() + 1e-9
    // 0.2 s holds half a period of everything above 2.5 Hz.
    var index = onset - 1
    while index < min(onset + 20, end - 1) {
      let here = (broadbandValue(index) - mean) / deviation
      let next = (broadbandValue(index + 1) - mean) / deviation
      let isExtremum = here.magnitude > next.magnitude || here * next < 0
      if here.magnitude >= 3 && isExtremum { return here }
      index += 1
    }
    return nil
  }
}
