// KernelBenchmark: what the convolution kernels do in a second, each variant beside the others and
// beside what this core can do at most, measured in the same run (`onset bench kernels`).
//
//     print(KernelBenchmark.table(KernelBenchmark().run()))

import CKernels
import CLinux
import CPeak
import Core
import Foundation
import Kernels

public struct KernelBenchmark {
  public struct Result {
    public var shape: String
    public var variant: String
    public var nanosecondsPerCall: Double
    /// A multiplication and an addition are two operations.
    public var gigaoperationsPerSecond: Double
    /// The share of the most that this core does with operands in registers, and with the kernels'
    /// tile fed from the first-level cache.
    public var ofRegisterPeak: Double?
    public var ofLevel1Peak: Double?
    public var timesScalar: Double
  }

  private struct Case {
    var name: String
    var shape: KernelShape

    init(
      _ name: String, _ kind: KernelKind, taps: Int, stride: Int = 1, from channelsIn: Int,
      to channelsOut: Int, steps: Int
    ) {
      self.name = "\(name), \(steps) \(steps == 1 ? "step" : "steps")"
      shape = KernelShape()
      shape.kind = kind
      shape.taps = taps
      shape.stride = stride
      shape.channelsIn = channelsIn
      shape.channelsOut = channelsOut
      shape.steps = steps
    }
  }

  private static let cases: [Case] =
    [16, 32, 64, 128].map {
      Case("codes, 3 taps, \($0) channels", .codesToCodes, taps: 3, from: $0, to: $0, steps: 512)
    } + [
      Case("codes, 7 taps, 32 channels", .codesToCodes, taps: 7, from: 32, to: 32, steps: 512),
      Case("head, 32 to 16 channels", .codesToSamples, taps: 1, from: 32, to: 16, steps: 512),
      Case(
        "first layer, 7 taps, stride 16, 4 to 16 channels", .samplesToCodes, taps: 7, stride: 16,
        from: 4, to: 16, steps: 512),
      Case(
        "samples, 7 taps, 16 channels", .samplesToSamples, taps: 7, from: 16, to: 16, steps: 512),
      Case(
        "samples, 7 taps, stride 4, 32 channels", .samplesToSamples, taps: 7, stride: 4, from: 32,
        to: 32, steps: 188),
      Case(
        "samples, 7 taps, 128 channels", .samplesToSamples, taps: 7, from: 128, to: 128, steps: 12),
    ]
    + [1, 4, 25].map {
      Case("codes, 3 taps, 32 channels", .codesToCodes, taps: 3, from: 32, to: 32, steps: $0)
    }

  private let repetitions: Int
  private let nanosecondsPerMeasurement: Double

  /// Tiny numbers show under test that the benchmark works.
  public init(repetitions: Int = 15, nanosecondsPerMeasurement: Double = 4e6) {
    self.repetitions = repetitions
    self.nanosecondsPerMeasurement = nanosecondsPerMeasurement
  }

  /// Something whose cost is taken again and again.
  private final class Measurement {
    private let run: (_ times: Int) -> Void
    private var times = 1
    private var nanoseconds: [Double] = []

    init(run: @escaping (Int) -> Void) { self.run = run }

    private func measured() -> Double {
      let begin = clinux_thread_cpu_nanoseconds()
      run(times)
      return Double(clinux_thread_cpu_nanoseconds() - begin) / Double(times)
    }

    func prepare(nanosecondsPerMeasurement: Double) {
      _ = measured()  // fills the caches
      times = max(1, Int(nanosecondsPerMeasurement / max(1, measured())))
    }

    func repeatOnce() { nanoseconds.append(measured()) }

    var median: Double { max(1e-3, nanoseconds.sorted()[nanoseconds.count / 2]) }
  }

  /// The most that this core does with a variant's instructions.
  private struct Peak {
    var inRegisters: Measurement
    var inLevel1: Measurement
    var operationsPerTurn: Double

    init?(_ inRegisters: cpeak_function?, _ inLevel1: cpeak_function?) {
      guard let inRegisters, let inLevel1 else { return nil }
      self.inRegisters = Measurement { turns in _ = inRegisters(Int64(turns)) }
      self.inLevel1 = Measurement { turns in _ = inLevel1(Int64(turns)) }
      operationsPerTurn = Double(inLevel1(1))
      precondition(inRegisters(1) == inLevel1(1), "both loops are of the same length")
    }

    init?(of variant: KernelVariant, samples: Bool) {
      let loops: cpeak_loops
      switch variant.name.string {
      case "avx512vnni": loops = cpeak_avx512vnni()
      case "avx2": loops = cpeak_avx2()
      default: return nil
      }
      if samples {
        self.init(loops.samples_in_registers, loops.samples_in_level1)
      } else {
        self.init(loops.codes_in_registers, loops.codes_in_level1)
      }
    }
  }

  /// A call with memory of its own.
  private final class Call {
    private let memory: UnsafeMutableRawPointer
    let trial: KernelTrial

    init(_ shape: KernelShape) {
      func whole(_ bytes: Int) -> Int { (bytes + 63) & ~63 }
      let sizes = [
        shape.inputBytes, shape.weightBytes, shape.channelBytes, shape.channelBytes,
        shape.outputBytes, shape.outputBytes,
      ].map(whole)
      let start = UnsafeMutableRawPointer.allocate(
        byteCount: sizes.reduce(0, +), alignment: 64)
      let places = sizes.indices.map { start + sizes[..<$0].reduce(0, +) }
      memory = start
      var random = RandomGenerator(seed: 1)
      trial = KernelTrial(
        shape, .uniform, .ordinary,
        in: KernelMemory(
          input: places[0], weights: places[1], bias: places[2], scale: places[3],
          residual: places[4], output: places[5]), random: &random)
    }

    deinit { memory.deallocate() }
  }

  public func run() -> [Result] {
    let table = KernelVariant.all
    let variants = table.indices.map { table[$0] }.filter(\.isSupported)
    let peaks = variants.map {
      (codes: Peak(of: $0, samples: false), samples: Peak(of: $0, samples: true))
    }
    let calls = KernelBenchmark.cases.map { spec in
      let call = Call(spec.shape)
      return variants.map { variant in
        let function = variant.function(spec.shape.kind)!
        return Measurement { times in
          var convolution = call.trial.convolution
          for _ in 0..<times { function(&convolution) }
        }
      }
    }
    // In turn, again and again, so that a slow second of the machine is everybody's.
    let loops = peaks.flatMap { [$0.codes, $0.samples] }.compactMap { $0 }
    let all = loops.flatMap { [$0.inRegisters, $0.inLevel1] } + calls.flatMap { $0 }
    for measurement in all {
      measurement.prepare(nanosecondsPerMeasurement: nanosecondsPerMeasurement)
    }
    for _ in 0..<repetitions { for measurement in all { measurement.repeatOnce() } }

    return zip(KernelBenchmark.cases, calls).flatMap { spec, calls in
      variants.indices.map { index in
        let nanoseconds = calls[index].median
        let rate = 2 * Double(spec.shape.multiplications) / nanoseconds
        let peak = spec.shape.kind.readsSamples ? peaks[index].samples : peaks[index].codes
        return Result(
          shape: spec.name, variant: variants[index].name.string, nanosecondsPerCall: nanoseconds,
          gigaoperationsPerSecond: rate,
          ofRegisterPeak: peak.map { rate * $0.inRegisters.median / $0.operationsPerTurn },
          ofLevel1Peak: peak.map { rate * $0.inLevel1.median / $0.operationsPerTurn },
          timesScalar: calls.last!.median / nanoseconds)
      }
    }
  }

  public static func table(_ results: [Result]) -> String {
    var lines = [
      "GOP/s of one core (ns a call); % of its peak in registers, % of that fed from the first-level"
        + " cache; times the scalar reference"
    ]
    for (index, r) in results.enumerated() {
      if index == 0 || r.shape != results[index - 1].shape { lines.append(r.shape) }
      let peaks = [r.ofRegisterPeak, r.ofLevel1Peak].map {
        $0.map { "\(decimal(100 * $0, 0)) %" } ?? "–"
      }
      lines.append(
        "  \(r.variant): \(decimal(r.gigaoperationsPerSecond, 1)) (\(decimal(r.nanosecondsPerCall, 1)) ns); "
          + "\(peaks[0]), \(peaks[1]); \(decimal(r.timesScalar, 0)) ×")
    }
    return lines.joined(separator: "\n")
  }

  public static func json(_ results: [Result]) -> String {
    let rows = results.map {
      "{\"shape\":\"\($0.shape)\",\"variant\":\"\($0.variant)\","
        + "\"ns_per_call\":\(decimal($0.nanosecondsPerCall, 2)),"
        + "\"gops\":\(decimal($0.gigaoperationsPerSecond, 2)),"
        + "\"of_register_peak\":\($0.ofRegisterPeak.map { decimal($0, 4) } ?? "null"),"
        + "\"of_level1_peak\":\($0.ofLevel1Peak.map { decimal($0, 4) } ?? "null"),"
        + "\"times_scalar\":\(decimal($0.timesScalar, 2))}"
    }
    return "{\"bench\":\"kernels\",\"results\":[" + rows.joined(separator: ",") + "]}"
  }
}
