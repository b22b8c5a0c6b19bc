// Benchmarks are run tiny, so that they cannot rot. What they measure is asserted nowhere.

import Testing
import Tools

@Suite struct BenchmarkTests {
  @Test func loopBenchmarkRuns() {
    let results = LoopBenchmark(repetitions: 1, signalSeconds: 4).run()
    #expect(results.count == 4)
    #expect(results.allSatisfy { $0.median > 0 && $0.blockMaximumMicroseconds > 0 })
    #expect(LoopBenchmark.table(results).contains("4 channels at 8 kHz"))
    #expect(LoopBenchmark.json(results).hasPrefix("{\"bench\":\"loop\",\"results\":[{"))
  }
}
