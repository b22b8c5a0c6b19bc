// SiteTerm: how much stronger it shakes here than relations say, learnt from one event after the
// other. Slowly, so that one event is not believed; bounded, so that none of it can silence or cry;
// and told and taken back by a command.
//
//     var term = SiteTerm()
//     term.learn(logObserved - logExpected)
//     let expectedHere = logExpected + term.value

import Core

public struct SiteTerm: Equatable, Sendable {
  /// A factor of two either way: what generic rock and generic soil differ by (Boore and Joyner
  /// 1997).
  public static let limit = 0.3
  /// One event's weight. Its residual is ±0.45, so that what is learnt settles to ±0.1.
  private static let weight = 0.1

  /// Log₁₀, added to what is expected.
  public private(set) var value = 0.0

  public init(_ value: Double = 0) {
    self.value = min(max(value, -SiteTerm.limit), SiteTerm.limit)
  }

  /// `residual`: the logarithm of what came over what had been expected without a term.
  public mutating func learn(_ residual: Double) {
    self = SiteTerm(value + SiteTerm.weight * (residual - value))
  }
}

/// An event whose shaking is awaited.
struct AwaitedShaking {
  /// The strong part of a large event nearby, and S of one 300 km away.
  static let samples = 6000
  var pickID: UInt32
  var onset: Int
  /// Three seconds after P, without the site's term.
  var logExpected: Double
  var peak = 0.0
}
