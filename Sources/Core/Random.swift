// RandomGenerator: a seeded generator, injected wherever chance is wanted: the synthetic source,
// tests and fuzzers. xoshiro256++ (Blackman and Vigna 2021, doi:10.1145/3460772), seeded through
// SplitMix64 as they advise.
//
//     var random = RandomGenerator(seed: 1)
//     let (share, lane) = (random.uniform(), random.below(3))
//     let noise = random.gaussian()

public struct RandomGenerator: RandomNumberGenerator, Sendable {
  private var a: UInt64
  private var b: UInt64
  private var c: UInt64
  private var d: UInt64
  private var spare = Double.nan

  public init(seed: UInt64) {
    var state = seed
    func split(_ state: inout UInt64) -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
    a = split(&state)
    b = split(&state)
    c = split(&state)
    d = split(&state)
  }

  public mutating func next() -> UInt64 {
    let sum = a &+ d
    let result = ((sum << 23) | (sum >> 41)) &+ a
    let shifted = b << 17
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 45) | (d >> 19)
    return result
  }

  /// Uniform in [0, 1), 53 bits.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform integer in 0..<bound; the bias is below bound / 2³².
  public mutating func below(_ bound: Int) -> Int {
    Int((UInt64(bound) &* (next() >> 32)) >> 32)
  }

  /// Standard normal by the polar method (Marsaglia and Bray 1964), on the portable logarithm.
  public mutating func gaussian() -> Double {
    if spare == spare {
      let value = spare
      spare = .nan
      return value
    }
    while true {
      let u = 2 * uniform() - 1
      let v = 2 * uniform() - 1
      let square = u * u + v * v
      guard square > 0, square < 1 else { continue }
      let scale = (-2 * Elementary.logarithm(square) / square).squareRoot()
      spare = v * scale
      return u * scale
    }
  }
}
