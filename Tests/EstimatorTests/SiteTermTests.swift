import Core
import Testing

@testable import Estimator

@Suite struct SiteTermTests {
  @Test func itIsLearntSlowlyAndBounded() {
    var term = SiteTerm()
    term.learn(0.45)
    #expect(abs(term.value - 0.045) < 1e-12, "one event is not believed")
    for _ in 0..<100 { term.learn(0.2) }
    #expect(abs(term.value - 0.2) < 1e-3)
    for _ in 0..<100 { term.learn(5) }
    #expect(term.value == SiteTerm.limit)
    for _ in 0..<100 { term.learn(-5) }
    #expect(term.value == -SiteTerm.limit)
    #expect(SiteTerm(1).value == SiteTerm.limit && SiteTerm(-1).value == -SiteTerm.limit)
  }

  /// It says what events have in common that scatter as real ones do.
  @Test func whatItSettlesToIsTheMean() {
    var random = RandomGenerator(seed: 7)
    var term = SiteTerm()
    var sum = 0.0
    for index in 0..<2000 {
      term.learn(0.15 + 0.45 * random.gaussian())
      if index >= 100 { sum += term.value }
    }
    #expect(abs(sum / 1900 - 0.15) < 0.03)
  }
}
