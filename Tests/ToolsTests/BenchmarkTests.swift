// Benchmarks are run tiny, so that they cannot rot. What they measure is asserted nowhere.

import Foundation
import Testing
import Tools

@Suite struct BenchmarkTests {
  @Test func loopBenchmarkRuns() {
    let results = LoopBenchmark(repetitions: 1, signalSeconds: 4).run()
    #expect(results.count == 6)
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

  @Test func networkBenchmarkRuns() throws {
    let benchmark = NetworkBenchmark(repetitions: 1, rowsPerMeasurement: 200)
    let results = try benchmark.run()
    #expect(results.count == 10)
    #expect(results.allSatisfy { $0.medianMicroseconds > 0 && $0.microsecondsPerSecond > 0 })
    #expect(benchmark.table(results).contains("phasenet-int16, window of 3001: "))
    struct Report: Decodable {
      struct Row: Decodable {
        var network: String
        var windowRows: Int?
        var chunkRows: Int?
        var chunkMilliseconds: Int?
        var medianUs: Double
        var usPerSecond: Double
      }
      var bench: String
      var variant: String
      var results: [Row]
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let report = try decoder.decode(Report.self, from: Data(benchmark.json(results).utf8))
    #expect(report.bench == "picker")
    #expect(report.variant == "\(benchmark.selection.variant.name)")
    #expect(
      report.results.map(\.network) == [String](repeating: "tcn32", count: 4)
        + [String](repeating: "tcn64", count: 4) + ["phasenet", "phasenet-int16"])
    #expect(report.results.map(\.chunkRows) == [1, 4, 10, 100, 1, 4, 10, 100, nil, nil])
    #expect(report.results.map(\.windowRows).suffix(3) == [nil, 3001, 3001])
    #expect(report.results.allSatisfy { $0.medianUs > 0 && $0.usPerSecond > 0 })
  }
}
