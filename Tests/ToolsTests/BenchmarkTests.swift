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

  @Test func kernelBenchmarkRuns() {
    let results = KernelBenchmark(repetitions: 1, nanosecondsPerMeasurement: 1).run()
    #expect(results.count % 13 == 0)
    #expect(results.allSatisfy { $0.gigaoperationsPerSecond > 0 && $0.timesScalar > 0 })
    #expect(KernelBenchmark.table(results).contains("codes, 3 taps, 32 channels, 1 step"))
    #expect(KernelBenchmark.json(results).hasPrefix("{\"bench\":\"kernels\",\"results\":[{"))
  }
}
