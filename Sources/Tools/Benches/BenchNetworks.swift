// NetworkBenchmark: what networks of known shapes cost (`onset bench picker`). Their weights are
// random, since the time does not depend on them; batch normalization is folded, as it is
// everywhere at run time.
//
//   tcn32, tcn64    a dense dilated network for streams: strided stem to a quarter of the rate, six
//                   residual layers of 32 or 64 channels, logits of three classes for four steps
//   phasenet        Zhu & Beroza (2019), window of 3001 rows, 7-bit activations
//   phasenet-int16  the same with 16-bit activations: what model import makes of its weights
//
//     let benchmark = NetworkBenchmark()
//     print(benchmark.table(try benchmark.run()))

import CLinux
import Core
import Kernels
import Network

public struct NetworkBenchmark {
  public struct Result {
    public var network: String
    /// Rows of a push; of a window, all of them.
    public var rows: Int
    public var isWindow: Bool
    public var medianMicroseconds: Double
    public var microsecondsPerSecond: Double {
      medianMicroseconds * NetworkBenchmark.rateHertz / Double(rows)
    }
  }

  static let rateHertz = 100.0
  private static let chunkRows = [1, 4, 10, 100]

  public let selection = KernelVariant.select()
  private let repetitions: Int
  /// Rows of signal that one measurement covers; a window has at least this.
  private let rowsPerMeasurement: Int

  /// Fewer of both: to see under test that the benchmark works.
  public init(repetitions: Int = 201, rowsPerMeasurement: Int = 4000) {
    self.repetitions = repetitions
    self.rowsPerMeasurement = rowsPerMeasurement
  }

  public func run() throws -> [Result] {
    var results: [Result] = []
    for (name, channels) in [("tcn32", 32), ("tcn64", 64)] {
      results += try streams(name, BenchmarkNetworks.dilated(channels: channels))
    }
    for (name, is16Bit) in [("phasenet", false), ("phasenet-int16", true)] {
      results.append(try window(name, BenchmarkNetworks.phaseNet(is16Bit: is16Bit)))
    }
    return results
  }

  private func bytes(_ network: FloatNetwork, rows: Int) throws -> (NetworkBytes, [Float]) {
    var random = RandomGenerator(seed: 3)
    let input = (0..<(rows * 3)).map { _ in Float(random.gaussian()) }
    var quantizer = try Quantizer(network, windows: [input], rule: .percentile)
    return (try quantizer.draftNetwork().file(), input)
  }

  private func streams(_ name: String, _ network: FloatNetwork) throws -> [Result] {
    let (file, input) = try bytes(network, rows: rowsPerMeasurement)
    var times = NetworkBenchmark.chunkRows.map { _ in [Double]() }
    let runners = try NetworkBenchmark.chunkRows.map {
      try NetworkRunner(file, kernels: selection.variant, maximumRows: $0)
    }
    let rows = runners[0].inputRows(input)
    for _ in 0..<repetitions {
      for (index, chunk) in NetworkBenchmark.chunkRows.enumerated() {
        let pushes = rowsPerMeasurement / chunk
        let nanoseconds = runners[index].time(rows, chunk: chunk, isWindow: false)
        times[index].append(Double(nanoseconds) * 1e-3 / Double(pushes))
      }
    }
    return NetworkBenchmark.chunkRows.indices.map {
      Result(
        network: name, rows: NetworkBenchmark.chunkRows[$0], isWindow: false,
        medianMicroseconds: times[$0].sorted()[times[$0].count / 2])
    }
  }

  private func window(_ name: String, _ network: FloatNetwork) throws -> Result {
    let (file, input) = try bytes(network, rows: network.windowRows)
    let runner = try NetworkRunner(
      file, kernels: selection.variant, maximumRows: NetworkBenchmark.windowChunk)
    let rows = runner.inputRows(input)
    let times = (0..<repetitions).map { _ in
      Double(runner.time(rows, chunk: NetworkBenchmark.windowChunk, isWindow: true)) * 1e-3
    }
    return Result(
      network: name, rows: network.windowRows, isWindow: true,
      medianMicroseconds: times.sorted()[times.count / 2])
  }

  /// Rows of a window that pass through all layers before the next ones: what they make stays in
  /// the nearest cache.
  static let windowChunk = 1024

  public func table(_ results: [Result]) -> String {
    var lines = ["kernels \(selection.variant.name), medians of \(repetitions)"]
    for result in results {
      let what =
        result.isWindow ? "window of \(result.rows)" : "\(result.rows * 10) ms at a time"
      lines.append(
        "\(result.network), \(what): \(decimal(result.medianMicroseconds, 3)) µs, "
          + "\(decimal(result.microsecondsPerSecond, 2)) µs per second of signal")
    }
    return lines.joined(separator: "\n")
  }

  public func json(_ results: [Result]) -> String {
    let rows = results.map {
      "{\"network\":\"\($0.network)\","
        + ($0.isWindow
          ? "\"window_rows\":\($0.rows)"
          : "\"chunk_milliseconds\":\($0.rows * 10),\"chunk_rows\":\($0.rows)")
        + ",\"median_us\":\(decimal($0.medianMicroseconds, 4)),"
        + "\"us_per_second\":\(decimal($0.microsecondsPerSecond, 4))}"
    }
    return "{\"bench\":\"picker\",\"variant\":\"\(selection.variant.name)\",\"results\":["
      + rows.joined(separator: ",") + "]}"
  }
}

public enum BenchmarkNetworks {
  public static func dilated(channels: Int) -> FloatNetwork {
    var build = Builder(windowRows: 0, is16Bit: false, inputIs16Bit: false)
    let stem = build.convolution(from: 0, 16, taps: 7, stride: 2, before: 5)
    var last = build.convolution(from: stem, channels, taps: 5, stride: 2, before: 3)
    for exponent in 0..<6 {
      let dilation = 1 << exponent
      last = build.convolution(
        from: last, channels, taps: 3, dilation: dilation, before: 2 * dilation, residual: last)
    }
    _ = build.convolution(
      from: last, 3, taps: 4, stride: 4, isTransposed: true, fold: 4, isLogits: true)
    return build.network
  }

  public static func phaseNet(is16Bit: Bool) -> FloatNetwork {
    var build = Builder(windowRows: 3001, is16Bit: is16Bit, inputIs16Bit: true)
    let depths = [8, 16, 32, 64, 128]
    // "Same" padding, as TensorFlow has it, of lengths 3001, 751, 188 and 47.
    let before = [3, 2, 1, 2]
    var last = build.convolution(from: 0, 8, taps: 7, before: 3, fold: 2)
    var skips: [Int] = []
    for (level, depth) in depths.enumerated() {
      last = build.convolution(from: last, depth, taps: 7, before: 3, fold: level == 0 ? 2 : 1)
      guard level < 4 else { break }
      skips.append(last)
      last = build.convolution(from: last, depth, taps: 7, stride: 4, before: before[level])
    }
    for level in (0..<4).reversed() {
      let fold = level == 0 ? 2 : 1
      let up = build.convolution(
        from: last, depths[level], taps: 7, stride: 4, before: 1, isTransposed: true,
        crop: level == 0 ? 1 : 0, fold: fold)
      let joined = build.concatenation(skips[level], up)
      last = build.convolution(from: joined, depths[level], taps: 7, before: 3, fold: fold)
    }
    let logits = build.convolution(from: last, 3, taps: 1, fold: 2, isLogits: true)
    build.head(from: logits)
    return build.network
  }

  private struct Builder {
    var network = FloatNetwork()
    private let is16Bit: Bool
    private var random = RandomGenerator(seed: 7)

    init(windowRows: Int, is16Bit: Bool, inputIs16Bit: Bool) {
      self.is16Bit = is16Bit
      network.name = "benchmark"
      network.windowRows = windowRows
      network.signals = [
        FloatSignal(
          name: "input", operation: .input, channels: 3, period: 1, is16Bit: inputIs16Bit, fold: 1)
      ]
    }

    private mutating func add(_ operation: FloatOperation, like signal: FloatSignal) -> Int {
      var signal = signal
      signal.operation = operation
      signal.name = "\(network.signals.count)"
      network.signals.append(signal)
      return network.signals.count - 1
    }

    mutating func convolution(
      from source: Int, _ channels: Int, taps: Int, stride: Int = 1, dilation: Int = 1,
      before: Int = 0, isTransposed: Bool = false, crop: Int = 0, fold: Int = 1,
      residual: Int? = nil, isLogits: Bool = false
    ) -> Int {
      let from = network.signals[source]
      // Keeps the activations at about the same size from layer to layer.
      let deviation = (2 / Float(taps * from.channels)).squareRoot()
      let weights = (0..<(taps * from.channels * channels)).map { _ in
        deviation * Float(random.gaussian())
      }
      let convolution = FloatConvolution(
        source: source, weights: weights, bias: [Float](repeating: 0.05, count: channels),
        taps: taps, stride: stride, dilation: dilation, before: before,
        isTransposed: isTransposed, crop: crop, residual: residual,
        hasInnerRelu: residual != nil, hasOuterRelu: residual == nil && !isLogits)
      var signal = from
      signal.channels = channels
      signal.period = isTransposed ? from.period / stride : from.period * stride
      (signal.is16Bit, signal.fold) = (is16Bit || isLogits, fold)
      return add(.convolution(convolution), like: signal)
    }

    mutating func concatenation(_ first: Int, _ second: Int) -> Int {
      var signal = network.signals[first]
      signal.channels += network.signals[second].channels
      return add(.concatenation([first, second]), like: signal)
    }

    mutating func head(from logits: Int) {
      _ = add(
        .head(source: logits, kind: .softmax, classes: "NPS"), like: network.signals[logits])
    }
  }
}
