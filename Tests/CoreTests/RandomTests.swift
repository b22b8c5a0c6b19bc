import Core
import Testing

/// xoshiro256++ and SplitMix64 once more, after the reference C code of the authors
/// (prng.di.unimi.it), with the state in an array and a rotation of its own.
private struct ReferenceGenerator {
  var s: [UInt64] = []

  init(seed: UInt64) {
    var x = seed
    for _ in 0..<4 {
      x &+= 0x9e37_79b9_7f4a_7c15
      var z = x
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      s.append(z ^ (z >> 31))
    }
  }

  private func rotated(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }

  mutating func next() -> UInt64 {
    let result = rotated(s[0] &+ s[3], 23) &+ s[0]
    let t = s[1] << 17
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotated(s[3], 45)
    return result
  }
}

@Suite struct RandomTests {
  @Test(arguments: [0, 1, 42, UInt64.max, 0x0123_4567_89AB_CDEF])
  func followsTheReference(seed: UInt64) {
    var ours = RandomGenerator(seed: seed)
    var theirs = ReferenceGenerator(seed: seed)
    var wrong = 0
    for _ in 0..<10_000 where ours.next() != theirs.next() { wrong += 1 }
    #expect(wrong == 0)
  }

  /// The published first outputs of SplitMix64 for the seed 1234567 (Rosetta Code's test vector)
  /// anchor the reference above outside this repository.
  @Test func theReferenceIsSeededAsPublished() {
    #expect(
      ReferenceGenerator(seed: 1_234_567).s == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
      ])
  }

  /// The first outputs for the state 1, 2, 3, 4, as the authors' C code gives them.
  @Test func theReferenceRunsAsPublished() {
    var theirs = ReferenceGenerator(seed: 0)
    theirs.s = [1, 2, 3, 4]
    #expect(
      (0..<4).map { _ in theirs.next() } == [
        41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386,
      ])
  }

  @Test func copiesGoTheSameWay() {
    var a = RandomGenerator(seed: 9)
    _ = a.gaussian()  // leaves a spare value, which belongs to the state
    var b = a
    for _ in 0..<5 { #expect(a.gaussian() == b.gaussian()) }
  }

  @Test func uniformNumbers() {
    var random = RandomGenerator(seed: 5)
    let count = 100_000
    var sum = 0.0
    var squares = 0.0
    for _ in 0..<count {
      let x = random.uniform()
      guard x >= 0, x < 1 else {
        Issue.record("\(x) lies outside [0, 1)")
        return
      }
      sum += x
      squares += x * x
    }
    let mean = sum / Double(count)
    // Five standard errors: 0.289 / √n, and 0.0745 / √n for the variance.
    #expect(abs(mean - 0.5) < 5 * 0.289 / Double(count).squareRoot())
    #expect(abs(squares / Double(count) - mean * mean - 1.0 / 12) < 0.0012)
  }

  @Test(arguments: [1, 2, 7, 1000, 1 << 32])
  func integersBelowABound(bound: Int) {
    var random = RandomGenerator(seed: 6)
    var seen: Set<Int> = []
    var sum = 0.0
    let count = 20_000
    for _ in 0..<count {
      let value = random.below(bound)
      guard (0..<bound).contains(value) else {
        Issue.record("\(value) is not below \(bound)")
        return
      }
      seen.insert(value)
      sum += Double(value)
    }
    if bound <= 1000 { #expect(seen.count == bound) }
    let mean = sum / Double(count) / Double(bound)
    let expected = 0.5 - 0.5 / Double(bound)
    #expect(abs(mean - expected) < 5 * 0.289 / Double(count).squareRoot())
  }

  /// Mean, variance, skewness and kurtosis of the normal distribution, each within five standard
  /// errors.
  @Test func gaussianMoments() {
    var random = RandomGenerator(seed: 7)
    let count = 200_000
    var moments = [0.0, 0.0, 0.0, 0.0]
    for _ in 0..<count {
      let x = random.gaussian()
      moments[0] += x
      moments[1] += x * x
      moments[2] += x * x * x
      moments[3] += x * x * x * x
    }
    let root = Double(count).squareRoot()
    let expected = [(0.0, 1.0), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0)]  // value, variance of xⁿ
    for (moment, (value, variance)) in zip(moments, expected) {
      #expect(abs(moment / Double(count) - value) < 5 * variance.squareRoot() / root)
    }
  }

  @Test func gaussianNeighboursAreIndependent() {
    var random = RandomGenerator(seed: 8)
    let count = 100_000
    var last = random.gaussian()
    var sum = 0.0
    for _ in 0..<count {
      let next = random.gaussian()
      sum += last * next
      last = next
    }
    #expect(abs(sum / Double(count)) < 5 / Double(count).squareRoot())
  }
}
